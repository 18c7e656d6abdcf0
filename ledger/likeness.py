"""Whether two values of a header say the same, or one the other with what lists and gateways put around it."""

from __future__ import annotations

import re
from typing import Final

_ENCODED: Final = re.compile(r"=\?[^?\s]*\?[^?\s]*\?[^?\s]*\?=")
_BETWEEN: Final = re.compile(r"""[\s<>,;:"()\[\]\\]+""")
_TAGS: Final = re.compile(r"(?:\[[^\[\]]{0,80}\]|\([^()]{0,80}\)|\*{2,}[^*]{0,80}\*{2,}|[A-Za-z]{2,5}:| )*+")


def same(one: str, other: str) -> bool:
    """Quotes and runs of white space aside."""
    return squeeze(one) == squeeze(other)


def squeeze(said: str) -> str:
    """Without quotes, and runs of white space as one blank."""
    return " ".join(said.replace('"', "").split())


def is_tagged(mine: str, theirs: str) -> bool:
    """Whether ``theirs`` is the subject ``mine`` with tags in brackets around it, or words like Re: before it."""
    mine, theirs = squeeze(mine), squeeze(theirs)
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
    before, via, _ = squeeze(theirs).partition(" via ")
    shown = before.strip("'").removesuffix("---").casefold()
    mine = squeeze(mine).casefold()
    return bool(via and shown) and (mine.lstrip("<").startswith(shown) or f"({shown})" in mine)


def bare(value: bytes) -> str:
    """A raw value without its encoded words, which a relay reads no address from."""
    return _ENCODED.sub("", value.decode("utf-8", "replace"))
