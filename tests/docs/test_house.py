"""What the house promises about itself: its documents, its locks and the size of its files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api import settings
from tests.docs.pages import table
from tests.helpers import HOUSE

ROOMS = ["ledger", "adapters", "reports", "api", "cli"]
LOCKS = sorted((HOUSE / "requirements").glob("*.lock"))
NOT_OURS = {"data", "build", "dist"}  # nor is any directory that starts with a dot, except .ci


def files() -> list[Path]:
    """All files that are ours. Found by walking, since a release archive has no git."""
    found = []
    for top in HOUSE.iterdir():
        if top.name == ".ci" or (top.is_dir() and not top.name.startswith(".") and top.name not in NOT_OURS):
            found += [path for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        elif top.is_file():
            found.append(top)
    return [path for path in found if not any(part.endswith(".egg-info") for part in path.parts)]


def python_files() -> list[Path]:
    return [path for path in files() if path.suffix == ".py" and path.relative_to(HOUSE).parts[0] in [*ROOMS, "bench"]]


def pins(lock: Path) -> set[str]:
    """``name==version`` of each requirement of a lock, without its marker."""
    return set(re.findall(r"^[a-z0-9][^ ]*==[^ ]+", lock.read_text(), flags=re.MULTILINE))


def test_readme_begins_with_commands_that_run() -> None:
    block = re.search(r"```\w*\n(.*?)```", (HOUSE / "README.md").read_text(), flags=re.DOTALL)
    assert block is not None
    assert block[1].splitlines() == ["make run", "make test"]


def test_every_setting_has_its_row() -> None:
    assert table("operating.md", "Settings") == [
        [f"`{settings.PREFIX}{row.name}`", row.default, row.meaning] for row in settings.TABLE
    ]


def test_every_make_target_is_phony_and_explained() -> None:
    makefile = (HOUSE / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split())  # type: ignore[index]
    assert set(re.findall(r"^([a-z]+):.*## ", makefile, flags=re.MULTILINE)) == phony


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_hold_versions_and_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=sha256:[0-9a-f]{64})", text, flags=re.MULTILINE), "an option, an index perhaps"
    assert not re.search(r"\b[a-z0-9-]+\.(org|com|net|io|dev)\b", text), "a host name"
    requirements = re.split(r"\n(?=\S)", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    assert all("--hash=sha256:" in requirement and "==" in requirement for requirement in requirements)


def test_the_dev_lock_holds_the_run_lock() -> None:
    run, dev = (pins(HOUSE / "requirements" / f"{name}.lock") for name in ["run", "dev"])
    assert len(run) > 10
    assert run <= dev


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_is_one_concept(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= 400, "400 lines is the end: split it by concept"


def test_no_path_of_somebodys_machine() -> None:
    # Assembled, so that this file does not hold what it looks for.
    places = "|".join(["root", "work", "Users", "home/(?!someone)[a-z]"])
    machine = re.compile(f"(?<![A-Za-z0-9_.~-])/(?:{places})/")
    found = []
    for path in files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(HOUSE)}: {line}" for line in text.splitlines() if machine.search(line)]
    assert found == []


def test_links_between_documents_lead_somewhere() -> None:
    pages = [path for path in files() if path.suffix == ".md"]
    broken = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(HOUSE)} -> {target}")
    assert broken == []
