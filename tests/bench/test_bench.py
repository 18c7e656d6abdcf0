"""`make bench` in small: every part still runs and says what it measured. What the figures are is no concern here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(240)
def test_a_quick_run_measures_everything(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--quick", "--dir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={"COLUMNS": "120", "PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    for what in (
        "ingest, SQLite",
        "ingest, PostgreSQL",
        "full audit, 2 processes",
        "inclusion proof",
        "pymerkle",
        "auditchain",
        "hostile, nested multiparts",
    ):
        assert what in done.stdout
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["bench.png"]
