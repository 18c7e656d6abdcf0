"""What a message is found by: addresses, words and hashes, each in the one spelling it is looked up under.

docs/format.md, "Lookups". Terms are made from what is sealed of a message and from nothing else, so that the index of
their blind values can be dropped and made again from the ledger. They find; they prove nothing: addresses in headers
are taken from the text that people read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Final

from ledger.canonical import Json

Term = tuple[str, str]
"""A kind of the blind index (`KINDS`) and a value in its spelling."""

KINDS: Final = ("address", "date", "domain", "file", "headers", "message-id", "sha256", "subject", "text")

MAX_WORDS: Final = 64
"""Different words of one subject or file name that are looked up, the first ones."""

MAX_DATE: Final = 200
"""Characters of a Date; none that is read is longer."""

MAX_ADDRESSES: Final = 1024
"""The same for the addresses in one header; recipients of the envelope are looked up without limit."""

_BETWEEN: Final = re.compile(r"""[\s<>,;:"()\[\]\\]+""")
_ASCII_WORDS: Final = re.compile("[a-z0-9]+").findall
_TAGS: Final = re.compile(r"(?:\[[^\[\]]{0,80}\] ?)++")
_EXTENSION: Final = re.compile(r"\.\w{1,16}").fullmatch
_RECIPIENT: Final = re.compile("r[1-9][0-9]{0,4}").fullmatch
_FILE: Final = re.compile("f[1-9][0-9]{0,4}").fullmatch
_PART: Final = re.compile("p[1-9][0-9]{0,4}").fullmatch
NO_HEADER: Final = sha256(b"").hexdigest()
_SHA256: Final = re.compile("[0-9a-f]{64}").fullmatch


def terms(facts: Sequence[tuple[str, Json]]) -> list[Term]:
    """The terms of some sealed facts (name, value) of ``message.recorded``, each once."""
    found: list[Term] = []
    for name, value in facts:
        if isinstance(value, str):
            if name in _TEXTS:
                found += _TEXTS[name](value)
        elif isinstance(value, dict):
            found += _of(name, value)
    return list(dict.fromkeys(found))


def _of(name: str, value: dict[str, Json]) -> list[Term]:
    """Of a recipient, a file, or the message as a whole."""
    if _RECIPIENT(name):
        address = value.get("address")
        return by_address(address) if isinstance(address, str) else []
    found: list[Term] = []
    if name == "raw" or _FILE(name) or (_PART(name) and "name" in value):
        digest, text, file = value.get("sha256"), value.get("text"), value.get("name")
        if isinstance(digest, str):
            found += by_sha256(digest)
        if isinstance(text, str):
            found += by_text(text)
        if isinstance(file, str) and name != "raw":
            folded = fold(file)
            found += _text("file", folded)
            stem, dot, end = folded.rpartition(".")
            if stem and _EXTENSION(dot + end):
                found.append(("file", dot + end))
    return found


def _text(kind: str, folded: str) -> list[Term]:
    """All of it, and every word."""
    return [(kind, found) for found in (folded, *_words(folded)) if found]


def _mentioned(header: str) -> list[Term]:
    """Addresses in a header as people read it. Split, not matched: no header makes this slow."""
    tokens = dict.fromkeys(token.strip("'.") for token in _BETWEEN.split(fold(header)) if "@" in token)
    return [term for token in list(tokens)[:MAX_ADDRESSES] for term in _address(token)]


def _address(folded: str) -> list[Term]:
    local, _, domain = folded.rpartition("@")
    domain = domain.strip(" .")
    return [("address", f"{local}@{domain}"), ("domain", domain)] if local and domain else []


# What a searcher asks for, in the same spelling. Nothing comes of what nothing could be found by.


def by_address(said: str) -> list[Term]:
    """An address, then its domain."""
    return _address(fold(said))


def by_domain(said: str) -> list[Term]:
    """A domain; an @ before it, and dots and spaces around it, are dropped."""
    domain = fold(said).removeprefix("@").strip(" .")
    return [("domain", domain)] if domain and "@" not in domain else []


def by_subject(said: str) -> list[Term]:
    """Every word; all of it where it has none."""
    return _each("subject", said)


def by_whole_subject(said: str) -> list[Term]:
    """All of a subject as it is, and without what stands in brackets before it."""
    folded = fold(said)
    return [("subject", one) for one in dict.fromkeys((folded, _TAGS.sub("", folded))) if one]


def by_file(said: str) -> list[Term]:
    """Every word of a file name; ``.pdf`` is the end of one."""
    end = fold(said)
    return [("file", end)] if _EXTENSION(end) else _each("file", said)


def by_sha256(said: str) -> list[Term]:
    """A hash in hex."""
    digest = said.strip().lower()
    return [("sha256", digest)] if _SHA256(digest) else []


def by_text(said: str) -> list[Term]:
    """The hash of a text part, in hex."""
    return [("text", said)] if _SHA256(said) else []


def by_message_id(said: str) -> list[Term]:
    """A Message-ID, with or without its brackets."""
    id = fold(said).removeprefix("<").removesuffix(">")
    return [("message-id", id)] if id else []


def by_headers(said: str) -> list[Term]:
    """The hash of a message's headers; of none at all nothing."""
    return [("headers", said)] if _SHA256(said) and said != NO_HEADER else []


def by_date(said: str) -> list[Term]:
    """The second that a Date names, in whatever zone."""
    try:
        when = parsedate_to_datetime(said) if len(said) <= MAX_DATE else None
        seconds = None if when is None else int(when.replace(tzinfo=when.tzinfo or UTC).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return []
    return [] if seconds is None else [("date", str(seconds))]


def _each(kind: str, said: str) -> list[Term]:
    folded = fold(said)
    return [(kind, word) for word in _words(folded)] or [(kind, all_) for all_ in [folded] if all_]


# Spelling


def fold(text: str) -> str:
    """Without differences of case, width and white space: NFKC, casefolded, NFKC again, runs of blanks as one."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def _words(folded: str) -> list[str]:
    """The first `MAX_WORDS` different words of two characters or more: runs of letters, their marks, and digits."""
    if folded.isascii():
        found = _ASCII_WORDS(folded)
    else:
        found = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split()
    return list(dict.fromkeys(word for word in found if len(word) > 1))[:MAX_WORDS]


_TEXTS: Final[Mapping[str, Callable[[str], list[Term]]]] = {
    "mail_from": by_address,
    **dict.fromkeys(("from", "to", "cc"), _mentioned),
    "subject": lambda said: _text("subject", fold(said)),
    "message_id": by_message_id,
    "date": by_date,
    "relaxed.headers": by_headers,
}
