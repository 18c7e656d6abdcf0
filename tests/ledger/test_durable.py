"""Files that are replaced whole: each step fails or is the last one ever made, and readers see old or new."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger import durable
from tests.helpers import HOUSE

LIMIT = 1000
STEPS = [
    "os.open",
    "os.write",
    "os.fchmod",
    "os.fsync",
    "os.utime",
    "pathlib.Path.rename",
    "ledger.durable._sync_directory",
]

DIE = """
import os, pathlib, signal, sys
from ledger import durable
path, step, when = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
owner = {"os": os, "pathlib.Path": pathlib.Path, "ledger.durable": durable}[step.rpartition(".")[0]]
name = step.rpartition(".")[2]
real = getattr(owner, name)
def die(*args, **kwargs):
    if when == "after":
        real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
with durable.locked(path):
    setattr(owner, name, die)
    durable.CHANGE(path, b"new")
"""


def die(path: Path, change: str, step: str, when: str) -> None:
    program = DIE.replace("CHANGE", change)
    done = subprocess.run([sys.executable, "-c", program, path, step, when], cwd=HOUSE, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, "the step was never reached"


def put(path: Path, data: bytes) -> None:
    with durable.locked(path):
        durable.create(path, data)


def content(path: Path) -> bytes:
    return durable.read(path, LIMIT)[0]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_of_a_change(tmp_path: Path, step: str, when: str) -> None:
    path = tmp_path / "file"
    put(path, b"old")
    die(path, "replace", step, when)
    landed = step == "ledger.durable._sync_directory" or (step == "pathlib.Path.rename" and when == "after")
    assert content(path) == (b"new" if landed else b"old")
    with durable.locked(path):
        durable.replace(path, b"later")
    assert content(path) == b"later"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "file.lock"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["os.open", "os.write", "os.fsync", "os.link", "pathlib.Path.unlink"])
def test_killed_at_any_step_of_the_first_one(tmp_path: Path, step: str, when: str) -> None:
    path = tmp_path / "file"
    # The first unlink is that of a leftover; a test of the last one would need a count, and the state is that of link.
    die(path, "create", step, when)
    landed = step == "os.link" and when == "after"
    assert path.exists() == landed
    if landed:
        # What is left beside it is a second name of the same file; a change must not write through it.
        with durable.locked(path):
            durable.replace(path, b"later")
    else:
        put(path, b"later")
    assert content(path) == b"later"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "file.lock"]


@pytest.mark.parametrize("step", ["os.write", "os.fsync", "pathlib.Path.rename"])
def test_a_step_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "file"
    put(path, b"old")

    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, durable.locked(path):
        patch.setattr(step, fail)
        with pytest.raises(OSError, match="No space"):
            durable.replace(path, b"new")
    assert content(path) == b"old"
    # What may be half a file is gone; a whole one that could not be renamed goes with the next change.
    assert durable.beside(path, ".tmp").exists() == (step == "pathlib.Path.rename")
    with durable.locked(path):
        durable.replace(path, b"new")
    assert content(path) == b"new"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr("os.write", lambda file, data: real(file, data[:3]))
    put(tmp_path / "file", b"0123456789")
    assert content(tmp_path / "file") == b"0123456789"


def test_synced_in_the_order_that_a_power_cut_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    put(path, b"old")
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_fsync(file: int) -> None:
        steps.append("sync directory" if stat.S_ISDIR(os.fstat(file).st_mode) else "sync file")
        fsync(file)

    def note_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr("os.fsync", note_fsync)
    monkeypatch.setattr("pathlib.Path.rename", note_rename)
    with durable.locked(path):
        durable.replace(path, b"new")
    assert steps == ["sync file", "rename", "sync directory"]


def test_the_first_one_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    put(path, b"old")
    with pytest.raises(FileExistsError):
        put(path, b"new")
    assert content(path) == b"old"
    assert not durable.beside(path, ".tmp").exists()


def test_identity_differs_however_fast_the_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    put(path, b"x")
    seen = {durable.identity(path)}
    for _ in range(200):
        with durable.locked(path):
            durable.replace(path, b"x")
        seen.add(durable.identity(path))
    assert len(seen) == 201


def test_identity_differs_after_the_clock_went_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    put(path, b"x")
    ahead = time.time_ns() + 10**15
    os.utime(path, ns=(ahead, ahead))
    with durable.locked(path):
        durable.replace(path, b"x")
    assert durable.identity(path)[3] > ahead


def test_directories_and_files_are_for_their_owner(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        put(tmp_path / "a" / "b" / "file", b"x")
        with durable.locked(tmp_path / "a" / "b" / "file"):
            durable.replace(tmp_path / "a" / "b" / "file", b"y")
    finally:
        os.umask(before)
    modes = {str(p.relative_to(tmp_path)): stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    assert modes == {"a": 0o700, "a/b": 0o700, "a/b/file": 0o600, "a/b/file.lock": 0o600}


def test_a_leftover_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    path, victim = tmp_path / "file", tmp_path / "victim"
    put(path, b"old")
    victim.write_bytes(b"untouched")
    durable.beside(path, ".tmp").symlink_to(victim)
    with durable.locked(path):
        durable.replace(path, b"new")
    assert (content(path), victim.read_bytes()) == (b"new", b"untouched")
    assert not path.is_symlink()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o644])
def test_private_means_private(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    put(path, b"x")
    path.chmod(mode)
    assert content(path) == b"x"
    with pytest.raises(PermissionError, match=f"{mode:04o}"):
        durable.read(path, LIMIT, private=True)
    path.chmod(0o400)
    assert durable.read(path, LIMIT, private=True)[0] == b"x"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_private_means_ours(tmp_path: Path) -> None:
    path = tmp_path / "file"
    put(path, b"x")
    os.chown(path, 12345, -1)
    with pytest.raises(PermissionError, match="12345"):
        durable.read(path, LIMIT, private=True)


def test_neither_pipes_nor_floods_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a file"):
        durable.read(tmp_path / "pipe", LIMIT)
    (tmp_path / "large").write_bytes(bytes(LIMIT + 1))
    with pytest.raises(OSError, match="larger than"):
        durable.read(tmp_path / "large", LIMIT)
    (tmp_path / "large").write_bytes(bytes(LIMIT))
    assert len(content(tmp_path / "large")) == LIMIT
