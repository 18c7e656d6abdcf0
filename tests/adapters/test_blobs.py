"""Blobs in a directory: private, whole or not there, and only where they belong."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.blobs import LocalBlobs
from ledger.blobs import Blobs
from ledger.errors import Damaged, Unavailable
from tests.helpers import HOUSE

LOG = "01890a5d-ac96-774b-bcce-b302099a8057"
NAME, OTHER = "ab" * 16, "cd" * 16


@pytest.fixture
def local(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs", LOG)


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_it_is_what_the_ledger_wants(local: LocalBlobs) -> None:
    store: Blobs = local
    data = os.urandom(1_000_000)
    store.put(NAME, [data[:1], b"", data[1:]])
    pieces = list(store.get(NAME))
    assert b"".join(pieces) == data and max(map(len, pieces)) <= 1 << 18
    store.put(OTHER, [])
    assert list(store.get(OTHER)) == []
    assert sorted(name for name, _ in store.names()) == [NAME, OTHER]
    assert all(-1 < seconds < 60 for _, seconds in store.names())
    for _ in range(2):
        store.delete(NAME)
    assert [name for name, _ in store.names()] == [OTHER]
    with pytest.raises(Damaged, match="missing"):
        list(store.get(NAME))


def test_files_and_directories_are_their_owners_alone(local: LocalBlobs, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        local.put(NAME, [b"x"])
    finally:
        os.umask(before)
    assert files(tmp_path) == [tmp_path / "blobs" / LOG / "ab" / NAME]
    place = tmp_path / "blobs"
    for path in (place, place / LOG, place / LOG / "ab"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / LOG / "ab" / NAME).stat().st_mode) == 0o600


def test_each_log_has_its_own(local: LocalBlobs, tmp_path: Path) -> None:
    local.put(NAME, [b"x"])
    other = LocalBlobs(tmp_path / "blobs", "another")
    assert list(other.names()) == []
    other.delete(NAME)
    assert list(local.get(NAME)) == [b"x"]


@pytest.mark.parametrize("name", ["", "ab", NAME.upper(), "../" + NAME, NAME + "\n", "a/" + "b" * 30, "." * 32])
def test_a_name_that_is_none_leads_nowhere(local: LocalBlobs, name: str, tmp_path: Path) -> None:
    for use in (lambda: local.put(name, [b"x"]), lambda: list(local.get(name)), lambda: local.delete(name)):
        with pytest.raises(Damaged, match="name"):
            use()
    assert files(tmp_path) == []


def test_what_is_put_in_its_place_is_not_followed(local: LocalBlobs, tmp_path: Path) -> None:
    local.put(NAME, [b"x"])
    path = tmp_path / "blobs" / LOG / "ab" / NAME
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(Unavailable):
        list(local.get(NAME))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Damaged, match="no file"):
        list(local.get(NAME))


def test_a_put_that_fails_leaves_nothing(local: LocalBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        local.put(NAME, broken())
    assert files(tmp_path) == []

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="the vault cannot be written: No space left on device"):
        local.put(NAME, [b"x"])
    monkeypatch.undo()
    assert files(tmp_path) == []


def test_two_of_one_name_are_not_mixed(local: LocalBlobs) -> None:
    local.put(NAME, [b"first"])
    with pytest.raises(Unavailable):
        local.put(NAME, [b"second"])
    assert list(local.get(NAME)) == [b"first"]


DIE = """
import os, signal, sys
from pathlib import Path
from adapters.blobs import LocalBlobs
step, when = sys.argv[2], sys.argv[3]
real = getattr(os, step)
def die(*args, **kwargs):
    if when == "after":
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
local = LocalBlobs(Path(sys.argv[1]), "log")
local.put("ab" + "0" * 30, [b"before"])
setattr(os, step, die)
local.put("ab" * 16, [b"x" * 1000, b"y" * 1000])
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["write", "fchmod", "fsync", "link"])
def test_killed_on_the_way_it_is_there_whole_or_not_at_all(tmp_path: Path, step: str, when: str) -> None:
    done = subprocess.run([sys.executable, "-c", DIE, tmp_path, step, when], cwd=HOUSE, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, "the step was never reached"
    local = LocalBlobs(tmp_path, "log")
    if (step, when) == ("link", "after"):
        assert b"".join(local.get(NAME)) == b"x" * 1000 + b"y" * 1000
    else:
        with pytest.raises(Damaged, match="missing"):
            list(local.get(NAME))
    # What is unfinished is known, so that it can be swept, and its deletion takes all of it.
    assert {name for name, _ in local.names()} == {NAME, "ab" + "0" * 30}
    local.delete(NAME)
    assert [path.name for path in files(tmp_path)] == ["ab" + "0" * 30]


def test_a_blob_is_synced_before_it_has_its_name_and_its_directory_after(
    local: LocalBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put(OTHER, [b"x"])
    steps: list[str] = []

    def note(name: str) -> None:
        real = getattr(os, name)

        def noted(*args: object, **kwargs: object) -> object:
            what = ""
            if name == "fsync":
                what = " directory" if stat.S_ISDIR(os.fstat(args[0]).st_mode) else " file"  # type: ignore[arg-type]
            steps.append(name + what)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, noted)

    for name in ("write", "fsync", "link"):
        note(name)
    local.put(OTHER[:2] + "0" * 30, [b"x"])
    assert steps == ["write", "fsync file", "link", "fsync directory"]
