"""An auditor's key file: an Ed25519 private key under his name, as Go's ``sumdb/note`` writes them.

One line: ``PRIVATE+KEY+<name>+<key id>+<base64 of 0x01 and the seed>``. Whoever audits keeps it where the log's
operator cannot reach it: a statement signed by the operator himself says nothing that the log's own key did not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cli.exits import USAGE, Stop
from ledger import durable, note
from ledger.errors import FormatError
from ledger.note import Signer

_PREFIX: Final = "PRIVATE+KEY+"
_ED25519: Final = b"\x01"


def create(path: Path, name: str) -> Signer:
    """A new key in a file that was not there, mode 0600. Stop says why there is none."""
    seed = os.urandom(32)
    try:
        signer = Signer(name, seed)
    except FormatError:
        raise Stop(USAGE, "--name: a name without space, plus or control character, such as auditor.example") from None
    line = f"{_PREFIX}{name}+{signer.key_id.hex()}+{note.encode_base64(_ED25519 + seed)}\n"
    try:
        # Without the lock of `durable.locked`, whose file would lie beside: a second maker is refused either way.
        durable.create(path, line.encode())
    except FileExistsError:
        raise Stop(USAGE, f"{path} is there already; a key is never replaced in place") from None
    except OSError as error:
        raise Stop(USAGE, f"the key {path} cannot be created: {error.strerror or error}") from None
    return signer


def load(path: Path) -> Signer:
    """The key in a file. Stop if it is missing, no such key, or open to others."""
    try:
        data, _ = durable.read(path, 4096, private=True)
    except OSError as error:
        raise Stop(USAGE, f"the key {path} cannot be used: {error.strerror or error}") from None
    try:
        return _parse(data.decode())
    except (FormatError, UnicodeDecodeError):
        raise Stop(USAGE, f"{path} is not an auditor's key, as `postseal keys auditor` makes them") from None


def _parse(text: str) -> Signer:
    if not text.startswith(_PREFIX) or not text.endswith("\n"):
        raise FormatError("not a private key")
    name, _, rest = text[len(_PREFIX) : -1].partition("+")
    key_id, _, encoded = rest.partition("+")
    key = note.decode_base64(encoded)
    if key[:1] != _ED25519:
        raise FormatError("not an Ed25519 key")
    signer = Signer(name, key[1:])
    if signer.key_id.hex() != key_id:
        raise FormatError("its id is not that of name and key")
    return signer
