"""What README.md and docs/operating.md say of the commands: each is there, and the tour runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from cli import exits, main
from tests.docs.pages import table
from tests.helpers import HOUSE, environment


def test_every_command_has_its_heading() -> None:
    page = (HOUSE / "docs" / "operating.md").read_text()
    assert re.findall(r"^### postseal (\S+)$", page, flags=re.MULTILINE) == list(main.COMMANDS)


def test_every_exit_status_has_its_row() -> None:
    assert table("operating.md", "Commands") == [[str(status), meaning] for status, meaning in exits.MEANINGS]


def test_the_tour_in_the_readme_runs(tmp_path: Path) -> None:
    """Every ```sh block in order, in one shell, in a copy of what it needs of the checkout."""
    (tmp_path / "cli").symlink_to(HOUSE / "cli")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    postseal = programs / "postseal"
    postseal.write_text(f'#!/bin/sh\nPYTHONPATH="{HOUSE}" exec "{sys.executable}" -m cli.main "$@"\n')
    postseal.chmod(0o755)
    blocks = re.findall(r"^```sh\n(.*?)^```", (HOUSE / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment() | {"PYTHONUTF8": "1"},
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("refused: status 1") == 2
    for said in (
        "too late", "in time", "VALID  data/tour/evidence.json", "VALID  the log localhost/postseal",
        "not what was sent: status 1",
        "held: status 1", "something was added to it", "is done:",
        "VALID  data/tour/block.pdf", "VALID  data/tour/case.zip", "The paper says",
    ):  # fmt: skip
        assert said in ran.stdout
    assert (tmp_path / "data" / "tour" / "ledger.db").exists()
