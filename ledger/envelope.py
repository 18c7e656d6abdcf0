"""Envelopes: who sent it and to whom, as used on the wire (RFC 5321), or as the headers declare where that is all.

Addresses are kept as given. They are compared with the domain in lower case and the rest as it stands, because only the
receiving host knows whether a local part's case matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import getaddresses
from typing import Final

from ledger import mime
from ledger.errors import FormatError

MAX_RECIPIENTS: Final = 20_000
MAX_ADDRESS: Final = 320
"""Octets: 64 before the @, 255 after it (RFC 5321 section 4.5.3.1)."""

_ROLES: Final = ((b"to", "to"), (b"cc", "cc"), (b"bcc", "bcc"))


@dataclass(frozen=True, slots=True)
class Envelope:
    """``mail_from`` may be empty (a bounce). ``declared``: taken from the headers, which name nobody in Bcc."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    declared: bool = False


def check_address(address: str) -> None:
    """FormatError for what could not have been a mailbox on the wire."""
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise FormatError("an address has no local part or no domain")
    if len(address.encode("utf-8", "surrogatepass")) > MAX_ADDRESS:
        raise FormatError(f"an address has more than {MAX_ADDRESS} octets")
    if any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in address) or " " in domain:
        raise FormatError("an address holds what no address may hold")


def given(mail_from: str, rcpt_to: Sequence[str]) -> Envelope:
    """The envelope as it was on the wire. Each recipient once: a second mention of the same address is dropped."""
    if mail_from:
        check_address(mail_from)
    if not rcpt_to:
        raise FormatError("an envelope needs a recipient")
    if len(rcpt_to) > MAX_RECIPIENTS:
        raise FormatError(f"an envelope has more than {MAX_RECIPIENTS} recipients")
    unique: dict[str, str] = {}
    for address in rcpt_to:
        check_address(address)
        unique.setdefault(comparable(address), address)
    return Envelope(mail_from, tuple(unique.values()))


def declared(octets: bytes, limits: mime.Limits | None = None) -> Envelope:
    """The envelope the headers declare: From (or Sender), To, Cc and Bcc. FormatError when they name no recipient."""
    fields = _fields(octets, limits)
    senders = [a for name in (b"return-path", b"sender", b"from") for a in _addresses(fields, name)]
    recipients = [a for name, _ in _ROLES for a in _addresses(fields, name)]
    made = given(senders[0] if senders else "", recipients)
    return Envelope(made.mail_from, made.rcpt_to, declared=True)


def roles(octets: bytes, envelope: Envelope, limits: mime.Limits | None = None) -> list[str]:
    """For each recipient ``to``, ``cc`` or ``bcc`` as the headers have him; ``bcc`` too for who is in no header."""
    fields = _fields(octets, limits)
    named: dict[str, str] = {}
    for name, role in _ROLES:
        for address in _addresses(fields, name):
            named.setdefault(comparable(address), role)
    return [named.get(comparable(address), "bcc") for address in envelope.rcpt_to]


def comparable(address: str) -> str:
    """The spelling under which two addresses are the same."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def _fields(octets: bytes, limits: mime.Limits | None) -> Sequence[tuple[bytes, bytes]]:
    limits = limits or mime.Limits()
    # Only the header block is normalised: a body of 100 MB has no business here.
    head = mime.normalise(octets[: limits.header_bytes + 1])
    return mime.read_header(head, 0, len(head), limits).fields


def _addresses(fields: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    # The raw value, never the text people read: an encoded word may spell an address its octets do not have.
    values = [value.decode("utf-8", "replace") for name, value in fields if name == wanted]
    try:
        found = getaddresses(values)
    except RecursionError:
        raise FormatError("a header nests comments too deeply to find addresses in it") from None
    usable = []
    for _, address in found:
        try:
            check_address(address)
        except FormatError:
            continue
        usable.append(address)
    return usable
