"""Where the known answers are, and a clean environment for programs that the tests start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent

# Read at import, because the tests' own process loses every POSTSEAL_* name before the first test runs.
VECTORS = Path(os.environ.get("POSTSEAL_VECTORS") or HOUSE.parent / "shared" / "vectors")
NO_VECTORS = f"the known answers are not here: {VECTORS} (POSTSEAL_VECTORS names another place)"


def vector_files(folder: str, pattern: str = "*") -> list[object]:
    """Parameters for ``pytest.mark.parametrize``: each file of a folder of vectors, or one that skips and says why."""
    if not VECTORS.is_dir():
        return [pytest.param(None, id=f"{folder}/{pattern}", marks=pytest.mark.skip(reason=NO_VECTORS))]
    base = VECTORS / folder
    files = sorted(path for path in base.rglob(pattern) if path.is_file())
    # A folder that holds nothing is a broken set of vectors, and must not pass for an absent one.
    assert files, f"no vectors match {folder}/{pattern} in {VECTORS}"
    return [pytest.param(path, id=str(path.relative_to(base))) for path in files]


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with these ``POSTSEAL_`` settings (named without the prefix) and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTSEAL_")}
    return inherited | {f"POSTSEAL_{name}": value for name, value in settings.items()}
