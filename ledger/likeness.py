"""Whether two values of a header say the same, or one the other with what lists and gateways put around it."""

from __future__ import annotations

import re
from typing import Final

_ENCODED: Final = re.compile(r"=\?[^?\s]*\?[^?\s]*\?[^?\s]*\?=")
_BETWEEN: Final = re.compile(r"""[\s<>,;:"()\[\]\\]+""")
_TAGS: Final = re.compile(
    r"(?:\[[^\[\]]{0,80}\]|\([^()]{0,80}\)|\{[^{}]{0,80}\}|<[^<>]{0,80}>|\*++[^*]{1,80}\*++|_[A-Z]{2,20}_"
    r"|[A-Za-z]{2,5}:|[A-Z]{2,20}(?::| -)| )*+"
)
_VIA: Final = re.compile(r" (?:via|über|par|door) ")


def same(one: str, other: str, *, quotes: bool = False) -> bool:
    """Runs of white space aside, and quotes unless they count."""
    return " ".join(one.split()) == " ".join(other.split()) if quotes else squeeze(one) == squeeze(other)


def bracketless(message_id: str) -> str:
    """A Message-ID without the brackets that some programs leave out."""
    return message_id.strip().removeprefix("<").removesuffix(">")


def squeeze(said: str) -> str:
    """Without quotes, and runs of white space as one blank."""
    return " ".join(said.replace('"', "").split())


def is_tagged(mine: str, theirs: str) -> bool:
    """Whether ``theirs`` is the subject ``mine`` with tags in brackets around it, or words like Re: before it."""
    mine, theirs = (" ".join(said.split()) for said in (mine, theirs))
    before, found, after = theirs.rpartition(mine) if mine else ("", "", theirs)
    if mine and not found:
        return False
    if (before and before[-1].isalnum()) or (after and after[0].isalnum()):
        return False
    return _TAGS.fullmatch(before.strip()) is not None and _TAGS.fullmatch(after.strip()) is not None


def addresses(header: str) -> list[str]:
    """Those in a header as people read it, in no order."""
    return sorted(token.strip("'.").casefold() for token in _BETWEEN.split(header) if "@" in token)


def is_via(mine: str, theirs: str) -> bool:
    """Whether ``theirs`` is the From of a mailing list that sends in the name of ``mine``: ``Anna via List <...>``."""
    theirs, mine = squeeze(theirs), squeeze(mine).casefold()
    via = _VIA.search(theirs)
    if via is None:
        return False
    shown = theirs[: via.start()].strip("'").casefold()
    name, _, address = mine.rpartition("<")
    local = address.rstrip("> ").partition("@")[0]
    whole = {name.strip(), address.rstrip("> "), local, f"{local}---", mine.partition("(")[2].rstrip(") ")}
    return bool(shown) and shown in whole


def bare(value: bytes) -> str:
    """A raw value without its encoded words, which a relay reads no address from."""
    return _ENCODED.sub("", value.decode("utf-8", "replace"))
