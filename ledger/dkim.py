"""DKIM signatures (RFC 6376, 8301, 8463), verified over the octets of a message and the text of a key record.

No network: whoever received the message asked for the record ``Signature.query`` then, or it was archived, and what it
verified once it verifies in thirty years. All octets are normalised (``mime.normalise``), every header is the message's
own. What a stranger wrote is limited before it is worked on: `MAX_SIGNATURES`, `MAX_NAMES`, ``dkimkey.MAX_LIST``; a
body is hashed only for a signature whose header verifies. Time is linear in size for each signature.

Stricter than RFC 6376, on the side of less being proved: rsa-sha1 and RSA keys under 1024 bits prove nothing (RFC
8301); a ``l=`` that leaves some of the body unsigned, a second From (or another field that stands once) beside the
signed one, a header block without its empty line, and a key whose domain is only testing are ``policy`` (RFC 8601
section 2.7.1), never ``pass``. Domains and selectors are ASCII, as they are in the DNS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal, get_args

from ledger import dkimkey, relaxed
from ledger.dkimkey import Malformed
from ledger.mime import Header

MAX_SIGNATURES: Final = 16
MAX_NAMES: Final = 256
"""Names in ``h=``."""

MAX_KEPT: Final = 64
MAX_KEPT_OCTETS: Final = 65_536

CLOCKS: Final = 3_600
"""Seconds that the clocks of a signer and a receiver may differ."""

Form = Literal["simple", "relaxed"]
Status = Literal["pass", "policy", "fail", "permerror"]
Reason = Literal[
    "verified", "header-cut", "extra-field", "partial-body", "testing", "signature", "body-hash", "body-length",
    "expired", "future", "algorithm", "identity", "key-malformed", "key-revoked", "key-unfit", "key-weak",
]  # fmt: skip
_OUTCOMES: Final[dict[Reason, tuple[Status, str]]] = {
    "verified": ("pass", "the signature and the body hash verify"),
    "header-cut": ("policy", "verified, but no empty line ends the header, so that readers differ over the body"),
    "extra-field": ("policy", "verified, but beside a signed field stands another of its name that is not signed"),
    "partial-body": ("policy", "verified, but l= leaves the end of the body unsigned"),
    "testing": ("policy", "verified, but the key record says that its domain is only testing"),
    "signature": ("fail", "the signature does not verify over this header with this key"),
    "body-hash": ("fail", "the header verifies, but the body is not the one that was signed"),
    "body-length": ("fail", "the header verifies, but the body is shorter than the one that was signed"),
    "expired": ("fail", "the signature had expired"),
    "future": ("fail", "the signature is from the future"),
    "algorithm": ("permerror", "an algorithm other than rsa-sha256 and ed25519-sha256"),
    "identity": ("permerror", "the identity is not of the domain that signed"),
    "key-malformed": ("permerror", "the key record cannot be read"),
    "key-revoked": ("permerror", "the key was revoked"),
    "key-unfit": ("permerror", "the key is for another algorithm, or not for mail"),
    "key-weak": ("permerror", f"an RSA key of less than {dkimkey.WEAKEST} bits"),
}
# RFC 5322 section 3.6 and RFC 2045: a program shows, or goes by, one of two, and DKIM signs the lower one.
_SINGLE: Final = (
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding", "content-disposition",
)  # fmt: skip
TOLD: Final = (
    "from", "to", "cc", "subject", "date", "message-id", "content-type", "content-transfer-encoding",
    "content-disposition",
)  # fmt: skip
"""Fields that a fingerprint tells of."""

_KEPT: Final = frozenset((
    b"dkim-signature", b"arc-seal", b"arc-message-signature", b"arc-authentication-results", b"dkim2-signature",
    b"message-instance",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its name in lower case, and all its octets."""

    name: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """The fields that carry signatures, in order; ``left_out`` is how many more there were, beyond the limits."""

    fields: tuple[Field, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature field as it reads. ``domain`` and ``selector`` in lower case, times in seconds since 1970.

    ``index`` is where ``header.fields`` has it, ``names`` the signed fields in the order of ``h=``, in lower case.
    """

    index: int
    algorithm: str
    domain: str
    selector: str
    identity: str
    header_form: Form
    body_form: Form
    names: tuple[str, ...]
    length: int | None
    signed_at: int | None
    expires_at: int | None
    body_hash: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def query(self) -> str:
        """The name under which the DNS has the key record."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A DKIM-Signature field that is none (``permerror``), or all those from ``index`` on, beyond the limit."""

    index: int
    line: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """``reason`` is one word for programs, ``line`` the same for people. ``unsigned``: those of `TOLD` that the message
    has and the signature, though it verifies, does not cover, in lower case."""

    status: Status
    reason: Reason
    line: str
    unsigned: tuple[str, ...] = ()


def kept(octets: bytes, header: Header) -> Kept:
    """What is kept with the record of a message, so that its signatures can be looked at without the message."""
    each_raw = zip(header.fields, _raw(octets, header), strict=True)
    found = [Field(name.decode(), raw) for (name, _), raw in each_raw if name in _KEPT]
    fields, size = [], 0
    for each in found[:MAX_KEPT]:
        size += len(each.octets)
        if size > MAX_KEPT_OCTETS:
            break
        fields.append(each)
    return Kept(tuple(fields), len(found) - len(fields))


def signatures(header: Header) -> tuple[Signature | Unread, ...]:
    """The message's signatures from the top. One that cannot be read hides none of the others."""
    found: list[Signature | Unread] = []
    indices = [index for index, (name, _) in enumerate(header.fields) if name == b"dkim-signature"]
    for index in indices[:MAX_SIGNATURES]:
        try:
            found.append(parse(header.fields[index][1], index))
        except Malformed as error:
            found.append(Unread(index, str(error)))
    if len(indices) > MAX_SIGNATURES:
        found.append(Unread(indices[MAX_SIGNATURES], f"more than {MAX_SIGNATURES} signatures, the rest not read"))
    return tuple(found)


_LABELS = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)"
_SELECTOR = re.compile(_LABELS + rb"*")
_DOMAIN = re.compile(_LABELS + rb"+")
_ALGORITHM = re.compile(rb"[A-Za-z][A-Za-z0-9]{0,19}-[A-Za-z][A-Za-z0-9]{0,19}")
_NUMBER = re.compile(rb"[0-9]{1,76}")
_INSTANT = re.compile(rb"[0-9]{1,12}")
_FIELD_NAME = re.compile(rb"[!-9;-~]+")


def parse(value: bytes, index: int) -> Signature:
    """The value of a DKIM-Signature field (section 3.5). Raises Malformed; what it claims is judged by `check`."""
    tags = dkimkey.tags(value)
    if missing := [name for name in ("v", "a", "b", "bh", "d", "h", "s") if name not in tags]:
        raise Malformed(f"a signature without {missing[0]}=")
    if tags["v"] != b"1":
        raise Malformed("a signature of another version than 1")
    if b"dns/txt" not in [word.strip(b" \t") for word in tags.get("q", b"dns/txt").split(b":")]:
        raise Malformed("a signature whose key is not in the DNS")
    domain, selector = _text(tags, "d", _DOMAIN).lower(), _text(tags, "s", _SELECTOR).lower()
    if len(selector) + len(domain) > 240:
        raise Malformed("a signature whose key can have no name in the DNS")
    signed_at, expires_at = _number(tags, "t", _INSTANT), _number(tags, "x", _INSTANT)
    if signed_at is not None and expires_at is not None and expires_at <= signed_at:
        raise Malformed("a signature that expired before it was made")
    return Signature(
        index,
        _text(tags, "a", _ALGORITHM),
        domain,
        selector,
        _identity(tags.get("i", b"@" + domain.encode())),
        *_forms(tags.get("c", b"simple")),
        _names(tags["h"]),
        _number(tags, "l", _NUMBER),
        signed_at,
        expires_at,
        dkimkey.unbase64(tags["bh"]),
        dkimkey.unbase64(tags["b"]),
    )


def _text(tags: dict[str, bytes], name: str, form: re.Pattern[bytes]) -> str:
    if not form.fullmatch(tags[name]):
        raise Malformed(f"a signature whose {name}= has another form than it must")
    return tags[name].decode()


def _number(tags: dict[str, bytes], name: str, form: re.Pattern[bytes]) -> int | None:
    return int(_text(tags, name, form)) if name in tags else None


def _identity(value: bytes) -> str:
    local, at, domain = value.rpartition(b"@")
    try:
        if at and _DOMAIN.fullmatch(domain):
            return f"{local.decode()}@{domain.decode().lower()}"
    except UnicodeDecodeError:
        pass
    raise Malformed("a signature whose i= is no address")


def _forms(value: bytes) -> tuple[Form, Form]:
    header, slash, body = value.partition(b"/")
    forms: dict[bytes, Form] = {form.encode(): form for form in get_args(Form)}
    try:
        return forms[header], forms[body] if slash else "simple"
    except KeyError:
        raise Malformed("a signature of an unknown canonicalisation") from None


def _names(value: bytes) -> tuple[str, ...]:
    names = [name.strip(b" \t").lower() for name in value.split(b":", MAX_NAMES)]
    if len(names) > MAX_NAMES:
        raise Malformed(f"a signature of more than {MAX_NAMES} fields")
    if b"from" not in names or not all(map(_FIELD_NAME.fullmatch, names)):
        raise Malformed("a signature of what are no field names, or not of From")
    return tuple(name.decode() for name in names)


def check(octets: bytes, header: Header, signature: Signature, record: str, at: int | None) -> Outcome:
    """What one of the `signatures` of ``header`` is worth under the key record given (its TXT strings joined).

    ``at`` is when the message came, in seconds since 1970; None leaves ``t=`` and ``x=`` unjudged. Raises Malformed
    only for a signature of another header.
    """
    name, value = header.fields[signature.index] if signature.index < len(header.fields) else (b"", b"")
    if name != b"dkim-signature" or parse(value, signature.index) != signature:
        raise Malformed("a signature of another message")
    if signature.algorithm not in ("rsa-sha256", "ed25519-sha256"):
        return _outcome("algorithm")
    try:
        key = dkimkey.parse(record)
    except Malformed as error:
        return _outcome("key-malformed", str(error))
    reason = _unfit(signature, key) or _failed(octets, header, signature, key)
    if reason is not None and _OUTCOMES[reason][0] != "policy":
        return _outcome(reason)
    if at is not None and signature.expires_at is not None and at > signature.expires_at:
        return _outcome("expired")
    if at is not None and signature.signed_at is not None and signature.signed_at > at + CLOCKS:
        return _outcome("future")
    unsigned = tuple(name for name in TOLD if name.encode() in header.first and name not in signature.names)
    if header.cut:
        return _outcome("header-cut", unsigned=unsigned)
    if _has_extra(header, signature):
        return _outcome("extra-field", unsigned=unsigned)
    return _outcome(reason or ("testing" if key.testing else "verified"), unsigned=unsigned)


def _outcome(reason: Reason, line: str | None = None, unsigned: tuple[str, ...] = ()) -> Outcome:
    status, usual = _OUTCOMES[reason]
    without = f"; not signed: {', '.join(unsigned)}" if unsigned else ""
    return Outcome(status, reason, (line or usual) + without, unsigned)


def _unfit(signature: Signature, key: dkimkey.Key) -> Reason | None:
    if key.public is None:
        return "key-revoked"
    if signature.algorithm != key.algorithm or not key.usable:
        return "key-unfit"
    if key.weak:
        return "key-weak"
    of = signature.identity.rpartition("@")[2]
    within = of == signature.domain or (of.endswith("." + signature.domain) and not key.strict)
    return None if within else "identity"


def _failed(octets: bytes, header: Header, signature: Signature, key: dkimkey.Key) -> Reason | None:
    """The header first: it is small, and what fails here costs no pass over the body."""
    if not key.verifies(signature.signature, _header_digest(octets, header, signature)):
        return "signature"
    if signature.body_form == "relaxed":
        pieces: Iterable[bytes | memoryview] = relaxed.body(octets, header.end)
    else:
        pieces = _simple_body(octets, header.end)
    digest, size = sha256(), 0
    for piece in pieces:
        digest.update(piece if signature.length is None else piece[: max(0, signature.length - size)])
        size += len(piece)
    if signature.length is not None and signature.length > size:
        return "body-length"
    if digest.digest() != signature.body_hash:
        return "body-hash"
    return None if signature.length in (None, size) else "partial-body"


def _has_extra(header: Header, signature: Signature) -> bool:
    """Section 8.15: a second From above the signed one is what the reader sees."""
    present = [name for name, _ in header.fields]
    signed = signature.names
    return any(0 < signed.count(name) < present.count(name.encode()) for name in _SINGLE)


def _header_digest(octets: bytes, header: Header, signature: Signature) -> bytes:
    """Section 3.7. Of fields with the same name the lowest not yet taken comes; a name too many adds nothing."""
    raw = list(_raw(octets, header))
    left: dict[str, list[int]] = {}
    for index, (name, _) in enumerate(header.fields):
        if index != signature.index:  # it may sign others of its name, never itself
            left.setdefault(name.decode(), []).append(index)
    digest = sha256()
    for wanted in signature.names:
        if same := left.get(wanted):
            index = same.pop()
            name, value = header.fields[index]
            digest.update(relaxed.field(name, value) if signature.header_form == "relaxed" else _ended(raw[index]))
    name, value = header.fields[signature.index]
    before = raw[signature.index].removesuffix(value)
    value = _without_b(value)
    digest.update(relaxed.field(name, value)[:-2] if signature.header_form == "relaxed" else before + value)
    return digest.digest()


def _without_b(value: bytes) -> bytes:
    """The value with ``b=`` emptied, the white space around it too, and without the line end."""
    specs = value.split(b";")
    for number, spec in enumerate(specs):
        name, equals, _ = spec.partition(b"=")
        if name.strip(b" \t\r\n") == b"b":
            specs[number] = name + equals
    return b";".join(specs).removesuffix(b"\r\n")


def _raw(octets: bytes, header: Header) -> Iterator[bytes]:
    """All octets of each field, with the spelling of its name; a name holds no colon."""
    at = header.start
    for _, value in header.fields:
        end = octets.index(b":", at) + 1 + len(value)
        yield octets[at:end]
        at = end


def _ended(raw: bytes) -> bytes:
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def _simple_body(octets: bytes, start: int) -> Iterator[bytes | memoryview]:
    """Section 3.4.3: one line end in place of all those at the end, or of none."""
    content = len(relaxed.without_ends(octets[start:]))
    yield memoryview(octets)[start : start + content]
    yield b"\r\n"
