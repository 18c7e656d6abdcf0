"""Parameters of a structured header field: RFC 2045 section 5.1, RFC 2183, RFC 2231, and what senders make of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ledger.errors import Unparsable

# One match for each parameter or piece of junk, up to the next semicolon. Nothing is given back (possessive), and an
# unclosed quote is looked for to the end once at most: a second opening quote would have closed the first.
_PARAMETER = re.compile(
    rb'[;\s]*+(?:([^\s=;]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^;]*+)))?+[^;]*+',
    re.DOTALL,
)
_NO_TWO_FORMS = frozenset(("boundary", "charset"))
"""Of these no two spellings (RFC 2231) stand side by side for the sake of old programs, as they do of file names."""

_ENDS = frozenset(("boundary", "charset", "start"))
_PLAIN = re.compile(rb"[^\s()\"\\]+")
COMMENT: Final = re.compile(rb"\([^()]*+\)")
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Parameters:
    """A structured value: what stands before the first semicolon, without comments, and its parameters by their names.
    ``repeated``: one stands there twice, and programs take either. ``odd``: they are written so that programs differ in
    where one ends."""

    head: bytes
    named: dict[str, bytes]
    repeated: bool = False
    odd: bool = False

    def either(self, name: str) -> bytes:
        """One of them in whichever of two spellings it has, without its character set; empty without it."""
        return self.named.get(name) or self.named.get(f"{name}*", b"''").split(b"'", 2)[2]


def read(value: bytes, most: int) -> Parameters:
    """A structured value such as Content-Type.

    Parameters keep their raw octets under lower-case names; the continuations of RFC 2231 (``name*0``, ``name*1*``) are
    joined. A value that announced a character set stands under ``name*`` as ``charset'language'octets``, percent signs
    already resolved. A comment after the head is dropped; parameters keep theirs, since unquoted file names such as
    ``report(1).pdf`` are far more common in mail than comments. Raises Unparsable beyond ``most`` of
    them.
    """
    head, semicolon, rest = value.replace(b"\r\n", b"").partition(b";")
    if not semicolon:
        return Parameters(COMMENT.sub(b"", head).partition(b"(")[0].strip(), {})
    plain: dict[str, bytes] = {}
    pieces: dict[str, dict[int, tuple[bytes, bool]]] = {}
    seen, repeated, odd = 0, False, False
    for found in _PARAMETER.finditer(rest):
        if found[1] is None:
            odd = odd or bool(found[0].strip(b"; \t"))
            continue
        seen += 1
        if seen > most:
            raise Unparsable(f"more than {most} parameters in one header field")
        name = found[1].lower().decode("ascii", "replace")
        octets = (found[3] or b"").strip() if found[2] is None else _QUOTED_PAIR.sub(rb"\1", found[2])
        if name.partition("*")[0] in _ENDS:
            odd = odd or _is_odd(found)
        if "*" not in name:
            repeated = repeated or plain.setdefault(name, octets) != octets
        else:
            base, _, section = name.partition("*")
            extended = section == "" or section.endswith("*")
            number = section.removesuffix("*") or "0"
            if re.fullmatch(r"0|[1-9][0-9]{0,3}", number, re.ASCII):
                pieces.setdefault(base, {}).setdefault(int(number), (octets, extended))
    twice = _NO_TWO_FORMS & plain.keys() & pieces.keys()
    for base, numbered in pieces.items():
        _join(plain, base, numbered)
    return Parameters(COMMENT.sub(b"", head).partition(b"(")[0].strip(), plain, repeated or bool(twice), odd)


def _is_odd(found: re.Match[bytes]) -> bool:
    """Whether the value of a parameter is one that programs end at different places."""
    if found[2] is not None:
        return b"\\" in found[2] or bool(found[0][found.end(2) + 1 - found.start() :].strip())
    return not found[3] or not _PLAIN.fullmatch(found[3].strip())


def _join(plain: dict[str, bytes], base: str, numbered: dict[int, tuple[bytes, bool]]) -> None:
    """RFC 2231 sections 3 and 4: sections 0, 1, 2 ... up to the first gap; later ones belong to nothing."""
    joined, with_charset = bytearray(), False
    for number in range(len(numbered)):
        if number not in numbered:
            break
        octets, extended = numbered[number]
        if number == 0 and extended and octets.count(b"'") >= 2:
            charset, language, octets = octets.split(b"'", 2)
            joined += charset + b"'" + language + b"'"
            with_charset = True
        joined += _unpercent(octets) if extended else octets
    if joined:
        plain.setdefault(base + "*" if with_charset else base, bytes(joined))


_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def _unpercent(octets: bytes) -> bytes:
    return _PERCENT.sub(lambda found: bytes((int(found[1], 16),)), octets)
