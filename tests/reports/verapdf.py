"""The reference validator of PDF/A and PDF/UA, where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

VERAPDF = "1.28.2"
JAR = Path(
    os.environ.get("VERAPDF_JAR")
    or Path.home() / f".m2/repository/org/verapdf/apps/greenfield-apps/{VERAPDF}/greenfield-apps-{VERAPDF}.jar"
)


def vera(flavour: str, folder: Path) -> dict[str, bool]:
    """What veraPDF says of each file of a folder."""
    if shutil.which("java") is None or not JAR.is_file():
        pytest.skip(f"java or veraPDF {VERAPDF} is not installed (VERAPDF_JAR names another place)")
    command = ["java", "-cp", JAR, "org.verapdf.apps.GreenfieldCliWrapper", "-f", flavour, "--format", "text"]
    done = subprocess.run([*command, *sorted(folder.iterdir())], capture_output=True, text=True, check=False)
    said = [line.split() for line in done.stdout.splitlines() if line.startswith(("PASS", "FAIL"))]
    return {Path(path).stem: word == "PASS" for word, path, *_ in said}
