"""The high-water mark: never backward, never silently gone, and a database behind it or beside it is refused."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ledger import checkpoint, durable, mark, note
from ledger.checkpoint import Checkpoint
from ledger.errors import FormatError, RolledBack, StartRefused, Unavailable
from ledger.mark import Mark, mark_path
from ledger.merkle import EMPTY_ROOT
from tests.helpers import HOUSE

GOLDEN = HOUSE / "tests" / "golden" / "keys"
LOG = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER = "01890a5d-ac96-774b-bcce-b302099a8059"
ORIGIN = "log.example.org/mail"
SIGNER = note.Signer(ORIGIN, bytes([11]) * 32)

NOTHING = Checkpoint(ORIGIN, 0, EMPTY_ROOT)


def root(size: int) -> bytes:
    """The root of the one true log at a size; not a Merkle tree's, which nothing here looks at."""
    return sha256(b"true %d" % size).digest()


def forged(size: int) -> bytes:
    return sha256(b"forged %d" % size).digest()


def at(size: int, root_at: Callable[[int], bytes] = root, log: str = LOG, signer: note.Signer = SIGNER) -> Mark:
    said = Checkpoint(signer.name, size, root_at(size))
    return Mark(log, said, checkpoint.sign(said, signer))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = mark_path(tmp_path, LOG)
    mark.create(path, at(100))
    return path


def read(path: Path) -> Mark:
    return mark.read(path, LOG, ORIGIN, [SIGNER.verifier])


def test_golden_mark(tmp_path: Path) -> None:
    data = (GOLDEN / f"{LOG}.json").read_bytes()
    found = mark.parse(data)
    assert found.checkpoint == Checkpoint(ORIGIN, 1000, sha256(b"golden root").digest())
    assert mark.format(found) == data
    shutil.copy(GOLDEN / f"{LOG}.json", tmp_path / "mark")
    assert mark.read(tmp_path / "mark", LOG, ORIGIN, [SIGNER.verifier]) == found


def test_it_goes_forward_only(path: Path) -> None:
    assert read(path) == at(100)
    assert mark.advance(path, at(200), root) == at(200)
    assert mark.advance(path, at(150), root) == at(200)
    assert mark.advance(path, at(200), root) == at(200)
    assert read(path) == at(200)
    assert mark.advance(path, at(201), root) == read(path) == at(201)


def test_the_first_mark_replaces_none(path: Path) -> None:
    with pytest.raises(StartRefused, match="never replaced"):
        mark.create(path, at(5))
    assert read(path) == at(100)


def test_a_database_behind_the_mark_is_refused(path: Path) -> None:
    def never(size: int) -> bytes:
        raise AssertionError("the database does not reach this size")

    with pytest.raises(
        RolledBack, match=r"holds 99 entries .* but 100 were acknowledged.*new origin that names the old"
    ):
        mark.check(read(path), 99, never)
    with pytest.raises(RolledBack):
        mark.check(read(path), 0, never)


def test_a_forked_database_is_refused(path: Path) -> None:
    for size in (100, 101, 10**9):
        mark.check(read(path), size, root)
        with pytest.raises(RolledBack, match="forked; way out"):
            mark.check(read(path), size, forged)


def test_a_log_that_forked_while_running_does_not_raise_the_mark(path: Path) -> None:
    for fork in (at(101, forged), at(100, forged)):
        with pytest.raises(RolledBack, match="forked"):
            mark.advance(path, fork, forged)
    # Even where the database tells the truth about the past, two roots of one size are a fork.
    with pytest.raises(RolledBack, match="forked"):
        mark.advance(path, at(100, forged), root)
    assert read(path) == at(100)


def test_an_empty_database_is_not_a_new_log_of_an_old_name(tmp_path: Path) -> None:
    mark.check_new(tmp_path, ORIGIN)
    mark.create(mark_path(tmp_path, OTHER), Mark(OTHER, NOTHING, checkpoint.sign(NOTHING, SIGNER)))
    mark.check_new(tmp_path, ORIGIN)  # an opening that did not get as far as its first entry
    mark.create(mark_path(tmp_path, LOG), at(1))
    with pytest.raises(RolledBack, match="is empty, but 1 entries"):
        mark.check_new(tmp_path, ORIGIN)
    mark.check_new(tmp_path, "elsewhere.example.org")
    mark_path(tmp_path, LOG).write_bytes(b"")
    with pytest.raises(StartRefused, match="damaged"):
        mark.check_new(tmp_path, "elsewhere.example.org")


def test_every_error_is_one_line(path: Path) -> None:
    for size, root_at in ((1, root), (100, forged)):
        with pytest.raises(RolledBack) as caught:
            mark.check(read(path), size, root_at)
        assert "\n" not in str(caught.value)


def test_a_missing_mark_is_not_taken_for_a_new_one(path: Path) -> None:
    path.unlink()
    for act in (lambda: read(path), lambda: mark.advance(path, at(101), root)):
        with pytest.raises(StartRefused, match=r"is missing; compare the database"):
            act()
    assert not path.exists()


def test_any_damage_refuses_the_start_and_stays(path: Path) -> None:
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(StartRefused, match="damaged"):
            read(path)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(StartRefused):
            read(path)
    path.write_bytes(data[:-5])
    with pytest.raises(StartRefused, match="damaged"):
        mark.advance(path, at(101), root)
    assert path.read_bytes() == data[:-5]
    path.write_bytes(data)
    assert read(path) == at(100)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"size":100', b'"size":99'),
        (b'"size":100', b'"size":100.0'),
        (b'"size":100', b'"size": 100'),
        (b'"size":100', b'"size":true'),
        (b'"size":100', b'"size":100,"more":1'),
        (b',"size":100', b""),
        (b'"origin":"log', b'"origin":"lot'),
        (b"postseal-mark/1", b"postseal-mark/2"),
        (b"}\n", b"}"),
        (b"}\n", b"}\n\n"),
        (b'"log":"', b'"log":"x'),
        (b"\\n100\\n", b"\\n0100\\n"),
    ],
)
def test_one_spelling_only(old: bytes, new: bytes) -> None:
    data = mark.format(at(100))
    assert mark.parse(data) == at(100)
    changed = data.replace(old, new)
    assert changed != data
    with pytest.raises(FormatError):
        mark.parse(changed)


def test_a_mark_of_another_log_origin_or_key_is_refused(path: Path) -> None:
    stranger = note.Signer(ORIGIN, bytes(32))
    with pytest.raises(StartRefused, match="cannot be trusted"):
        mark.read(path, LOG, ORIGIN, [stranger.verifier])
    with pytest.raises(StartRefused, match="cannot be trusted"):
        mark.read(path, LOG, "elsewhere.example.org", [SIGNER.verifier])
    with pytest.raises(StartRefused, match="another log"):
        mark.read(path, OTHER, ORIGIN, [SIGNER.verifier])
    # Lowered by hand, with everything but a signature.
    path.write_bytes(mark.format(at(50, signer=stranger)))
    with pytest.raises(StartRefused, match="cannot be trusted"):
        read(path)
    path.write_bytes(mark.format(at(50, signer=note.Signer("elsewhere.example.org", bytes(32)))))
    with pytest.raises(StartRefused, match="another origin"):
        mark.advance(path, at(101), root)


def test_an_earlier_key_of_the_log_will_do(path: Path) -> None:
    following = note.Signer(ORIGIN, bytes([12]) * 32)
    assert mark.read(path, LOG, ORIGIN, [SIGNER.verifier, following.verifier]) == at(100)


def test_a_mark_says_what_its_note_says() -> None:
    true = at(100)
    for said in (
        Checkpoint(ORIGIN, 101, root(100)),
        Checkpoint(ORIGIN, 100, root(101)),
        Checkpoint("x", 100, root(100)),
    ):
        with pytest.raises(FormatError):
            Mark(LOG, said, true.note)
    with pytest.raises(FormatError):
        Mark("../" + LOG[3:], true.checkpoint, true.note)
    with pytest.raises(FormatError):
        mark_path(Path(), "../" + LOG[3:])


def test_a_full_disk_leaves_the_old_mark(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.write", full)
        with pytest.raises(Unavailable, match="cannot be raised: No space left"):
            mark.advance(path, at(101), root)
    assert read(path) == at(100)
    assert mark.advance(path, at(101), root) == at(101)


RACE = """
import pathlib, random, sys
sys.path.insert(0, "tests/ledger")
from ledger import mark
from test_mark import at, root
path, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
sizes = random.Random(seed).sample(range(101, 1000), 60)
before = 0
for size in sizes:
    after = mark.advance(path, at(size), root).checkpoint.size
    assert after >= size and after >= before, (size, before, after)
    before = after
print(max(sizes))
"""

DIE = """
import os, pathlib, signal, sys
sys.path.insert(0, "tests/ledger")
from ledger import mark
from test_mark import at, root
path = pathlib.Path(sys.argv[1])
pathlib.Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
mark.advance(path, at(200), root)
"""


def start(program: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, args)]
    return subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, text=True)


def test_many_processes_raise_it_together(path: Path) -> None:
    workers = [start(RACE, path, seed) for seed in range(4)]
    said = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert read(path).checkpoint.size == max(map(int, said))


def test_killed_between_writing_and_renaming(path: Path) -> None:
    worker = start(DIE, path)
    worker.communicate(timeout=60)
    assert worker.returncode == -signal.SIGKILL
    assert durable.beside(path, ".tmp").exists()
    assert read(path) == at(100)
    assert mark.advance(path, at(150), root) == read(path) == at(150)
    assert not durable.beside(path, ".tmp").exists()
