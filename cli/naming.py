"""How a person names things on a command line: messages, recipients by number or address, instants with any offset.

What cannot be such a name is refused here, in words and before a ledger is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, get_args

import msgspec

from cli.exits import USAGE, Stop
from ledger import claims, disclosure, envelope, event, spelling
from ledger.errors import FormatError
from ledger.grades import ATTESTATIONS
from ledger.reading import Reading

CODE: Final = "a word of a-z 0-9 . _ - such as wrong-recipient"
FILE: Final = "the number of a file, such as f1"


def check_message(said: str) -> None:
    """Stop unless a message could be called so."""
    _check(spelling.Id, said, "a message is named by its id; `postseal messages` lists them")


def check_block(said: str) -> None:
    """Stop unless a block could be called so."""
    _check(spelling.Id, said, "a block is named by its id; `postseal show MESSAGE` lists them")


def check_hold(said: str) -> None:
    """Stop unless a hold could be called so."""
    _check(spelling.Id, said, "a hold is named by its id; `postseal show MESSAGE` lists them")


def check_erasure(said: str) -> None:
    """Stop unless an erasure could be called so."""
    _check(spelling.Id, said, "an erasure is named by its id; `postseal erase --pending` lists them")


def check_recipient(said: str | None) -> None:
    """Stop unless a recipient could be called so; which one an address names, the ledger knows."""
    if said is not None and "@" not in said:
        _check(spelling.Recipient, said, "a recipient is called r1, r2 ..., or by his address")


def check_file(said: str | None) -> None:
    """Stop unless a file could be called so."""
    if said is not None:
        _check(spelling.File, said, f"--file expects {FILE}; `postseal show MESSAGE` lists them")


def check_reason(said: str | None) -> None:
    """Stop unless this is a code."""
    if said is not None:
        _check(spelling.Code, said, f"--reason expects {CODE}")


def check_source(said: str) -> None:
    """Stop unless a command may speak for such a source; ``system`` is the ledger itself."""
    known = [one for one in get_args(event.Source) if one != "system"]
    if said not in known:
        raise Stop(USAGE, f"--source: a source is one of {', '.join(known)}")


def check_attestation(said: str) -> None:
    """Stop unless this is one of the letters."""
    if said not in ATTESTATIONS:
        raise Stop(
            USAGE,
            f"--attestation expects one of {', '.join(ATTESTATIONS)}; `postseal event --help` explains them",
        )


def certificate(said: str) -> str:
    """A certificate's number as somebody typed it. Stop where it is none."""
    number = find_certificate(said)
    if number is None:
        raise Stop(USAGE, "a certificate's number has sixteen letters and digits, such as abcd-efgh-ijkl-mnop")
    return number


def find_certificate(said: str) -> str | None:
    """The same; None for anything else."""
    try:
        return claims.typed(said)
    except FormatError:
        return None


def _check(wanted: Any, said: str, otherwise: str) -> None:
    try:
        msgspec.convert(said, wanted)
    except msgspec.ValidationError:
        raise Stop(USAGE, otherwise) from None


def recipient_of(reading: Reading, message: str, said: str) -> str:
    """``r1`` ... for a number or an address of this message's recipients."""
    if "@" not in said:
        return said
    wanted = envelope.comparable(said)
    for opening in reading.recipients(message):
        if envelope.comparable(opening.address) == wanted:
            return opening.recipient
    raise Stop(USAGE, "no recipient of this message has that address, or it was erased")


def instant(said: str | None, clock: str | None) -> str | None:
    """A ledger's time for an instant in ISO 8601 that says its offset, told by a clock of a known sort."""
    known = get_args(event.Clock)
    if (said is None) != (clock is None):
        raise Stop(USAGE, f"--occurred and --clock go together: an instant needs the clock that told it ({_or(known)})")
    if said is None:
        return None
    if clock not in known:
        raise Stop(USAGE, f"--clock: a clock is one of {', '.join(known)}")
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        raise Stop(USAGE, "an instant is written like 2026-11-23T14:03:11Z or 2026-11-23T15:03:11+01:00") from None
    if read.tzinfo is None:
        raise Stop(USAGE, "an instant without its offset from UTC could be any of two dozen; end it with Z or +01:00")
    return read.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def pairs(option: str, said: Sequence[str] | None) -> list[tuple[str, str]]:
    """``name=value`` of an option that may be repeated, each name once."""
    found: dict[str, str] = {}
    for one in said or []:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise Stop(USAGE, f"{option} is written name=value")
        if name in found:
            raise Stop(USAGE, f"{option}: {name[:64]!r} is given twice; an entry has each name once")
        found[name] = value
    return list(found.items())


def sealed(said: Sequence[str] | None) -> list[tuple[str, str]]:
    """What ``--seal`` says. Names are open, so that only their spelling can be wrong."""
    found = pairs("--seal", said)
    for name, value in found:
        try:
            disclosure.make(name, "", bytes(disclosure.SALT_SIZE))
        except FormatError:
            raise Stop(USAGE, f"--seal: {name[:64]!r} is no name; one is lowercase words such as user_agent") from None
        try:
            disclosure.make(name, value, bytes(disclosure.SALT_SIZE))
        except FormatError as error:
            raise Stop(USAGE, f"--seal {name}: {error}") from None
    return found
