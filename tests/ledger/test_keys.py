"""Master key and key ring: what opens, what is refused and why, what a crash leaves, and that nothing is ever shown."""

from __future__ import annotations

import base64
import errno
import io
import os
import pickle
import re
import runpy
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

from ledger import canonical, durable, note, ring
from ledger.errors import FormatError, LedgerError, SecretError
from ledger.ids import format_time
from ledger.keys import KeyRing, MasterKey, ring_path
from tests.helpers import HOUSE

GOLDEN = HOUSE / "tests" / "golden" / "keys"
LOG = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER = "01890a5d-ac96-774b-bcce-b302099a8059"
SUBJECT = "01890a5d-ac96-774b-bcce-b302099a8058"
ORIGIN = "log.example.org/mail"
AT = 1_800_000_000_000_000
NONCE = bytes(12)


def chance(start: int) -> Callable[[int], bytes]:
    """Bytes that never repeat and that a test can look for."""
    blocks: Iterator[bytes] = (start.to_bytes(2, "big") + n.to_bytes(14, "big") for n in range(1 << 20))

    def random(size: int) -> bytes:
        return b"".join(next(blocks) for _ in range(-(-size // 16)))[:size]

    return random


@pytest.fixture
def master() -> MasterKey:
    return MasterKey(bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ring_path(tmp_path, LOG)


@pytest.fixture
def keys(path: Path, master: MasterKey) -> KeyRing:
    return KeyRing.create(path, master, LOG, ORIGIN, AT, chance(1))


def install_golden(to: Path) -> Path:
    """Copies with the modes that git does not keep. Returns the ring's path."""
    (to / "keys").mkdir(mode=0o700)
    for file in GOLDEN.iterdir():
        if file.suffix in {".key", ".ring"}:
            shutil.copyfile(file, to / "keys" / file.name)
            (to / "keys" / file.name).chmod(0o600)
    return ring_path(to, LOG)


# --- golden files


def test_golden_files_are_what_a_second_reading_of_the_format_makes() -> None:
    made: dict[str, bytes] = runpy.run_path(str(GOLDEN / "make.py"))["make"]()
    assert made == {
        file.name: file.read_bytes() for file in GOLDEN.iterdir() if file.is_file() and file.suffix != ".py"
    }


def test_golden_ring_opens(tmp_path: Path) -> None:
    path = install_golden(tmp_path)
    keys = KeyRing.load(path, MasterKey.load(tmp_path / "keys" / "master.key"), LOG, chance(1))
    assert keys.origin == ORIGIN
    assert keys.epoch == 3
    assert [key.state for key in keys.keys] == ["retired", "current", "next"]
    assert keys.signer().vkey == note.Signer(ORIGIN, bytes([11]) * 32).vkey
    assert keys.blind("address", "büro@example.org") == (GOLDEN / "blind").read_bytes()
    assert keys.blinds([("address", "büro@example.org")] * 2) == [(GOLDEN / "blind").read_bytes()] * 2
    cipher = keys.open_data_key(f"{SUBJECT}:shared", 3, (GOLDEN / "data-key").read_bytes())
    box = (GOLDEN / "box").read_bytes()
    assert (
        cipher.decrypt(box[:12], box[12:], f"postseal-sealed/1:{LOG}:7".encode()) == b"D-of-a-first-fact\nD-of-a-second"
    )
    with pytest.raises(SecretError, match="epoch 1 was destroyed on 2026-11-23"):
        keys.open_data_key(SUBJECT, 1, bytes(60))


def test_golden_ring_is_written_the_same(master: MasterKey) -> None:
    data = (GOLDEN / f"{LOG}.ring").read_bytes()
    held = ring.from_bytes(data, LOG, master.ring_cipher(LOG))
    assert ring.to_bytes(held, master.ring_cipher(LOG), master.id, bytes(range(12))) == data


# --- the master key


def test_master_key_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    made = MasterKey.create(path, tmp_path / "keys", chance(1))
    data = path.read_bytes()
    assert re.fullmatch(rb"[0-9a-f]{64}\n", data)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert MasterKey.load(path).id == made.id
    with pytest.raises(SecretError, match="already"):
        MasterKey.create(path, tmp_path / "keys", chance(2))
    assert path.read_bytes() == data


def test_no_new_master_key_where_a_ring_waits_for_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    KeyRing.create(
        ring_path(tmp_path, LOG), MasterKey.create(path, tmp_path / "keys", os.urandom), LOG, ORIGIN, AT, os.urandom
    )
    path.unlink()
    with pytest.raises(SecretError, match="missing"):
        MasterKey.load(path)
    for place in (path, tmp_path / "elsewhere" / "master.key"):
        with pytest.raises(SecretError, match="bring that back"):
            MasterKey.create(place, tmp_path / "keys", os.urandom)
        assert not place.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"0" * 64,
        b"0" * 63 + b"\n",
        b"0" * 65 + b"\n",
        b"0" * 64 + b"\n\n",
        b"0" * 64 + b"\r\n",
        b"A" * 64 + b"\n",
        b" " + b"0" * 63 + b"\n",
        b"g" * 64 + b"\n",
        bytes(32),
        b"0" * 100_000,
    ],
)
def test_what_is_no_master_key_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(SecretError, match=r"not a master key|larger"):
        MasterKey.load(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, keys: KeyRing, mode: int) -> None:
    path = tmp_path / "keys" / "master.key"
    path.write_bytes(b"0" * 64 + b"\n")
    path.chmod(mode)
    with pytest.raises(SecretError, match=f"{mode:04o}"):
        MasterKey.load(path)
    path = ring_path(tmp_path, LOG)
    path.chmod(mode)
    with pytest.raises(SecretError, match=f"{mode:04o}"):
        KeyRing.load(path, MasterKey(bytes(range(32))), LOG, os.urandom)


def test_keys_are_derived_for_one_purpose_each(master: MasterKey) -> None:
    other = MasterKey(bytes(32))
    made = [
        c.encrypt(NONCE, bytes(32), None)
        for c in (master.ring_cipher(LOG), master.ring_cipher(OTHER), other.ring_cipher(LOG))
    ]
    assert len(set(made)) == 3
    assert master.id != other.id
    assert len(master.id) == 16


# --- the ring as a file


def test_a_ring_goes_there_and_back(path: Path, master: MasterKey, keys: KeyRing) -> None:
    again = KeyRing.load(path, master, LOG, chance(2))
    assert again.signer().vkey == keys.signer().vkey
    assert again.origin == ORIGIN
    epoch, wrapped, cipher = keys.new_data_key(SUBJECT)
    assert epoch == 1
    box = cipher.encrypt(NONCE, b"fact", None)
    assert again.open_data_key(SUBJECT, 1, wrapped).decrypt(NONCE, box, None) == b"fact"
    assert again.blind("address", "a@example.org") == keys.blind("address", "a@example.org")
    assert path.stat().st_mode & 0o7777 == 0o600


def test_a_ring_is_never_replaced_by_a_first_one(path: Path, master: MasterKey, keys: KeyRing) -> None:
    before = path.read_bytes()
    with pytest.raises(SecretError, match="already"):
        KeyRing.create(path, master, LOG, ORIGIN, AT, chance(9))
    assert path.read_bytes() == before


def test_a_missing_ring_is_not_made(path: Path, master: MasterKey) -> None:
    with pytest.raises(SecretError, match="missing"):
        KeyRing.load(path, master, LOG, chance(1))
    assert not path.exists()


def test_the_wrong_master_key_is_named(path: Path, keys: KeyRing, master: MasterKey) -> None:
    wrong = MasterKey(bytes(32))
    with pytest.raises(SecretError, match=f"under master key {master.id}, not {wrong.id}"):
        KeyRing.load(path, wrong, LOG, chance(1))


def test_every_bit_and_every_length_of_the_file_counts(path: Path, master: MasterKey, keys: KeyRing) -> None:
    data = path.read_bytes()
    cipher = master.ring_cipher(LOG)

    def opened(changed: bytes) -> None:
        if ring.master_of(changed, LOG) != master.id:
            raise SecretError("another master key")
        ring.from_bytes(changed, LOG, cipher)

    opened(data)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SecretError):
            opened(bytes(flipped))
    for length in range(len(data)):
        with pytest.raises(SecretError):
            opened(data[:length])
    with pytest.raises(SecretError):
        opened(data + b"\n")


def test_damage_is_told_at_loading_and_while_running(path: Path, master: MasterKey, keys: KeyRing) -> None:
    data = path.read_bytes()
    at = data.index(b'"box":"') + 40
    path.write_bytes(data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :])
    for act in (lambda: KeyRing.load(path, master, LOG, chance(1)), keys.signer, lambda: keys.new_epoch(AT)):
        with pytest.raises(SecretError, match="damaged"):
            act()
    path.write_bytes(data[:-10])
    with pytest.raises(SecretError, match="cannot be read"):
        keys.signer()
    path.unlink()
    with pytest.raises(SecretError, match="gone"):
        keys.signer()


def test_the_ring_of_another_log_is_refused(tmp_path: Path, path: Path, master: MasterKey, keys: KeyRing) -> None:
    other = ring_path(tmp_path, OTHER)
    KeyRing.create(other, master, OTHER, ORIGIN, AT, chance(2))
    shutil.copy(other, path)
    with pytest.raises(SecretError, match="another log"):
        KeyRing.load(path, master, LOG, chance(1))
    # The name on the outside is not what keeps them apart.
    path.write_bytes(other.read_bytes().replace(OTHER.encode(), LOG.encode()))
    with pytest.raises(SecretError, match="does not open"):
        KeyRing.load(path, master, LOG, chance(1))


def test_a_ring_of_a_later_version_is_not_guessed_at(path: Path, master: MasterKey, keys: KeyRing) -> None:
    path.write_bytes(path.read_bytes().replace(b"postseal-ring/1", b"postseal-ring/2"))
    with pytest.raises(SecretError, match="not a postseal-ring/1"):
        KeyRing.load(path, master, LOG, chance(1))


@pytest.mark.parametrize("log", ["", "../../etc/passwd", LOG + "\n", LOG.upper(), LOG[:-1], "a/" * 18])
def test_a_log_id_is_no_way_into_other_directories(tmp_path: Path, log: str) -> None:
    with pytest.raises(SecretError):
        ring_path(tmp_path, log)


# --- what is inside


def first() -> ring.Ring:
    return ring.first(LOG, ORIGIN, format_time(AT), chance(1)(96))


def rotated() -> ring.Ring:
    return ring.begin_rotation(first(), format_time(AT), chance(2)(32))


BROKEN: dict[str, Callable[[ring.Ring], ring.Ring]] = {
    "generation": lambda r: replace(r, generation=0),
    "blind": lambda r: replace(r, blind="AAAA"),
    "origin": lambda r: replace(r, origin="other.example.org"),
    "no epoch": lambda r: replace(r, epochs=[]),
    "epoch number": lambda r: replace(r, epochs=[replace(r.epochs[0], epoch=2)]),
    "epoch key": lambda r: replace(r, epochs=[replace(r.epochs[0], kek="AAAA")]),
    "epoch both": lambda r: replace(r, epochs=[replace(r.epochs[0], destroyed=format_time(AT))]),
    "epoch time": lambda r: replace(r, epochs=[replace(r.epochs[0], created="yesterday")]),
    "no key": lambda r: replace(r, keys=[]),
    "three keys": lambda r: replace(r, keys=[*r.keys, r.keys[1]]),
    "seed of another": lambda r: replace(r, keys=[replace(r.keys[0], seed=r.keys[1].seed), r.keys[1]]),
    "seed and end": lambda r: replace(r, keys=[replace(r.keys[0], retired=format_time(AT)), r.keys[1]]),
    "order": lambda r: replace(r, keys=list(reversed(r.keys))),
    "retired after current": lambda r: replace(
        r, keys=[r.keys[0], replace(r.keys[1], retired=format_time(AT), seed=msgspec.UNSET)]
    ),
    "not endorsed": lambda r: replace(r, keys=[r.keys[0], r.keys[0]]),
    "endorsed another": lambda r: replace(
        r,
        keys=[
            r.keys[0],
            replace(
                ring.begin_rotation(first(), format_time(AT), bytes(32)).keys[1], endorsement=r.keys[1].endorsement
            ),
        ],
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_ring_that_contradicts_itself_is_neither_written_nor_read(
    master: MasterKey, broken: Callable[[ring.Ring], ring.Ring]
) -> None:
    ring.check(rotated())
    with pytest.raises(LedgerError) as caught:
        ring.to_bytes(broken(rotated()), master.ring_cipher(LOG), master.id, NONCE)
    assert isinstance(caught.value, LedgerError)
    with pytest.raises(SecretError, match="opens, but is not"):
        ring.from_bytes(forced(broken(rotated()), master), LOG, master.ring_cipher(LOG))


def forced(held: ring.Ring, master: MasterKey, **more: object) -> bytes:
    """The file of a ring that `to_bytes` would not write."""
    plain = canonical.dumps({**msgspec.to_builtins(held), **more})
    box = NONCE + master.ring_cipher(LOG).encrypt(NONCE, plain, f"postseal-ring/1:{LOG}:{master.id}".encode())
    outside = {"box": base64.b64encode(box).decode(), "format": "postseal-ring/1", "log": LOG, "master": master.id}
    return canonical.dumps(outside) + b"\n"


def test_unknown_fields_and_another_log_inside_are_refused(master: MasterKey) -> None:
    cipher = master.ring_cipher(LOG)
    assert ring.from_bytes(forced(rotated(), master), LOG, cipher) == rotated()
    for more in ({"extra": 1}, {"log": OTHER}, {"generation": "1"}, {"generation": True}):
        with pytest.raises(SecretError, match="opens, but is not"):
            ring.from_bytes(forced(rotated(), master, **more), LOG, cipher)


# --- rotation of the key that signs


def test_rotation_in_two_steps(path: Path, master: MasterKey, keys: KeyRing) -> None:
    old = keys.signer().vkey
    following = keys.begin_rotation(AT)
    assert following.state == "next"
    assert keys.signer().vkey == old, "the old key signs until the new one was introduced"
    assert following.endorsement is not None
    opened = note.open(following.endorsement, [note.Verifier.parse(old)])
    assert opened.text == f"postseal-key/1\n{ORIGIN}\n{following.vkey}\n".encode()
    assert keys.begin_rotation(AT + 1) == following, "after a crash it goes on with the same key"
    again = KeyRing.load(path, master, LOG, chance(2))
    assert again.begin_rotation(AT + 2) == following
    again.finish_rotation(following.vkey, AT + 3)
    assert keys.signer().vkey == following.vkey, "another process's change is seen"
    keys.finish_rotation(following.vkey, AT + 4)
    assert [(key.vkey, key.state, key.retired) for key in keys.keys] == [
        (old, "retired", format_time(AT + 3)),
        (following.vkey, "current", None),
    ]
    assert keys.begin_rotation(AT + 5).vkey not in {old, following.vkey}


def test_only_the_next_key_can_take_over(keys: KeyRing) -> None:
    before = keys.keys
    for vkey in ("", note.Signer(ORIGIN, bytes(32)).vkey):
        with pytest.raises(SecretError, match="not the next key"):
            keys.finish_rotation(vkey, AT)
    following = keys.begin_rotation(AT)
    with pytest.raises(SecretError, match="not the next key"):
        keys.finish_rotation(note.Signer(ORIGIN, bytes(32)).vkey, AT)
    assert keys.keys == [*before, following]


def test_the_seed_of_a_retired_key_is_gone(path: Path, master: MasterKey, keys: KeyRing) -> None:
    seed = chance(1)(96)[:32]
    assert note.Signer(ORIGIN, seed).vkey == keys.signer().vkey
    assert base64.b64encode(seed) in plain(path, master)
    keys.finish_rotation(keys.begin_rotation(AT).vkey, AT)
    assert base64.b64encode(seed) not in plain(path, master)


def plain(path: Path, master: MasterKey) -> bytes:
    outside: Any = canonical.loads(path.read_bytes()[:-1], limit=1 << 20)
    box = base64.b64decode(outside["box"])
    return master.ring_cipher(LOG).decrypt(box[:12], box[12:], f"postseal-ring/1:{LOG}:{master.id}".encode())


# --- epochs


def test_epochs_begin_and_end(path: Path, master: MasterKey, keys: KeyRing) -> None:
    kek = chance(1)(96)[32:64]
    _, wrapped, cipher = keys.new_data_key(SUBJECT)
    box = cipher.encrypt(NONCE, b"fact", None)
    other = KeyRing.load(path, master, LOG, chance(3))
    assert other.new_epoch(AT) == 2
    assert keys.epoch == 2
    assert keys.open_data_key(SUBJECT, 1, wrapped).decrypt(NONCE, box, None) == b"fact"
    epoch, moved = keys.rewrap_data_key(SUBJECT, 1, wrapped)
    assert epoch == 2
    assert keys.new_data_key(SUBJECT)[0] == 2
    with pytest.raises(SecretError, match="3 data keys are still under epoch 1"):
        keys.destroy_epoch(1, AT, lambda epoch: 3)
    assert base64.b64encode(kek) in plain(path, master)
    other.destroy_epoch(1, AT + 1, lambda epoch: 0)
    assert base64.b64encode(kek) not in plain(path, master)
    with pytest.raises(SecretError, match="epoch 1 was destroyed on 2027-01-15T"):
        keys.open_data_key(SUBJECT, 1, wrapped)
    assert keys.open_data_key(SUBJECT, 2, moved).decrypt(NONCE, box, None) == b"fact"
    assert keys.new_epoch(AT) == 3, "a number is never used again"


def test_what_is_destroyed_already_is_not_asked_about(path: Path, keys: KeyRing) -> None:
    keys.new_epoch(AT)
    keys.destroy_epoch(1, AT, lambda _: 0)
    before = path.read_bytes()
    keys.destroy_epoch(1, AT + 1, lambda _: 99)
    assert path.read_bytes() == before


@pytest.mark.parametrize("epoch", [-1, 0, 2, 3])
def test_the_current_epoch_is_not_destroyed(keys: KeyRing, epoch: int) -> None:
    keys.new_epoch(AT)
    with pytest.raises(SecretError, match="not destroyed"):
        keys.destroy_epoch(epoch, AT, lambda _: 0)
    with pytest.raises(SecretError, match="not in the key ring"):
        keys.open_data_key(SUBJECT, 7, bytes(60))


# --- another master key


def test_rewrap(path: Path, master: MasterKey, keys: KeyRing) -> None:
    vkey, fresh = keys.signer().vkey, MasterKey(bytes(32))
    stale = KeyRing.load(path, master, LOG, chance(2))
    keys.rewrap(fresh)
    assert keys.signer().vkey == vkey
    assert KeyRing.load(path, fresh, LOG, chance(2)).signer().vkey == vkey
    for act in (stale.signer, lambda: stale.new_epoch(AT), lambda: KeyRing.load(path, master, LOG, chance(2))):
        with pytest.raises(SecretError, match=f"under master key {fresh.id}"):
            act()
    assert keys.new_epoch(AT) == 2


# --- processes, crashes, full disks


def test_threads_change_one_ring(path: Path, master: MasterKey, keys: KeyRing) -> None:
    rings = [keys, KeyRing.load(path, master, LOG, os.urandom)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: rings[n % 2].new_epoch(AT), range(40)))
    assert sorted(made) == list(range(2, 42))
    assert keys.epoch == 41


WORK = """
import os, pathlib, sys
from ledger.keys import KeyRing, MasterKey
keys = KeyRing.load(pathlib.Path(sys.argv[1]), MasterKey(bytes(range(32))), sys.argv[2], os.urandom)
for _ in range(20):
    print(keys.new_epoch(0))
"""

DIE = """
import os, pathlib, signal, sys
from ledger import durable
from ledger.keys import KeyRing, MasterKey
keys = KeyRing.load(pathlib.Path(sys.argv[1]), MasterKey(bytes(range(32))), sys.argv[2], os.urandom)
pathlib.Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
keys.new_epoch(0)
"""


def test_processes_change_one_ring(path: Path, keys: KeyRing) -> None:
    command = [sys.executable, "-c", WORK, path, LOG]
    workers = [subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert sorted(int(line) for lines in said for line in lines.split()) == list(range(2, 62))
    assert keys.epoch == 61


def test_killed_between_writing_and_renaming(path: Path, master: MasterKey, keys: KeyRing) -> None:
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", DIE, path, LOG], cwd=HOUSE, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert durable.beside(path, ".tmp").exists()
    assert durable.beside(path, ".tmp").stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == before
    assert KeyRing.load(path, master, LOG, chance(2)).epoch == 1
    assert keys.new_epoch(AT) == 2
    assert not durable.beside(path, ".tmp").exists()


def test_a_full_disk_changes_nothing(path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        for act in (lambda: keys.new_epoch(AT), lambda: keys.begin_rotation(AT)):
            with pytest.raises(SecretError, match="cannot be changed: No space left"):
                act()
    assert path.read_bytes() == before
    assert keys.epoch == 1


# --- nothing is ever shown


def shown(value: object) -> str:
    out = io.StringIO()
    words = repr(value) + str(value) + f"{value}" + repr([value])
    Console(file=out, width=10_000).print(value)
    return words + out.getvalue()


def spellings(secret: bytes) -> list[str]:
    return [secret.hex(), base64.b64encode(secret).decode().rstrip("="), repr(secret)[2:-1], str(list(secret))]


def test_secrets_are_not_shown_and_not_pickled(path: Path, master: MasterKey, keys: KeyRing) -> None:
    loaded = keys._loaded
    random = chance(1)(96)
    secrets = [bytes(range(32)), random[:32], random[32:64], random[64:]]
    # They are what the ring holds, or this test looks for nothing.
    assert all(base64.b64encode(secret) in plain(path, master) for secret in secrets[1:])
    for thing in (master, keys, loaded, loaded.ring, loaded.ring.keys[0], loaded.ring.epochs[0], loaded.signer):
        words = shown(thing)
        assert not [s for secret in secrets for s in spellings(secret) if s in words], type(thing)
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def test_errors_hold_no_secret(path: Path, master: MasterKey, keys: KeyRing, tmp_path: Path) -> None:
    random = chance(1)(96)
    secrets = [bytes(range(32)), random[:32], random[32:64], random[64:]]
    held = rotated()

    def forced_open(broken: ring.Ring, **more: object) -> ring.Ring:
        return ring.from_bytes(forced(broken, master, **more), LOG, master.ring_cipher(LOG))

    key_file = tmp_path / "almost.key"
    key_file.write_bytes(bytes(range(32)).hex().upper().encode() + b"\n")
    key_file.chmod(0o600)
    acts: list[Callable[[], object]] = [
        lambda: KeyRing.load(path, MasterKey(bytes(32)), LOG, chance(1)),
        lambda: keys.destroy_epoch(1, AT, lambda _: 0),
        lambda: keys.finish_rotation("x", AT),
        lambda: MasterKey.load(key_file),
        lambda: MasterKey(bytes(range(31))),
        *[lambda broken=broken: forced_open(broken(held)) for broken in BROKEN.values()],
        lambda: forced_open(held, extra=1),
        lambda: forced_open(held, blind=["x"]),
    ]
    for act in acts:
        with pytest.raises((SecretError, FormatError)) as caught:
            act()
        assert "\n" not in str(caught.value)
        error: BaseException | None = caught.value
        while error is not None:
            words = repr(error) + repr(vars(error)) + "".join(traceback.format_exception(error)) + repr(dir(error))
            words += repr(getattr(error, "doc", "")) + repr(getattr(error, "object", ""))
            assert not [s for secret in secrets for s in spellings(secret) if s.lower() in words.lower()]
            error = error.__cause__ or error.__context__
