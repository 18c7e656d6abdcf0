"""Links rewritten by what scans or counts them: in plain text the link itself, in HTML where it leads."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable
from urllib.parse import quote

from bench.survival import raw
from bench.survival.change import Copy
from bench.survival.raw import Untouchable

_PLAIN = re.compile(rb"https?://[^\s<>\"'()\[\]{}]*[^\s<>\"'()\[\]{}.,;:!?*_]")
_HREF = re.compile(rb"(\bhref[ \t]*=[ \t]*)([\"'])[ \t]*(https?://[^\"'<>]+?)[ \t]*\2", re.IGNORECASE)

Rewrite = Callable[[str], str]


def safe_links(octets: bytes) -> Copy | None:
    """Microsoft's form: the link stands whole in the query, percent-encoded."""
    return _rewritten(
        octets,
        lambda url: (
            f"https://eur03.safelinks.protection.outlook.com/?url={quote(_octets(url), safe='')}"
            "&data=05%7C02%7Creader%40example.com%7C0123456789abcdef%7C0%7C0%7C638000000000000000%7CUnknown%7C&"
            f"sdata={quote(_digest(url), safe='')}%3D&reserved=0"
        ),
    )


def url_defense(octets: bytes) -> Copy | None:
    """Proofpoint's third form: the link stands between double underscores, as it was."""
    return _rewritten(octets, lambda url: f"https://urldefense.com/v3/__{url}__;!!{_digest(url)}$")


def opaque(octets: bytes) -> Copy | None:
    """A click counter's: nothing is left of the link but a number."""
    return _rewritten(octets, lambda url: f"https://click.example.net/ls/click?upn={_digest(url)}")


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:40]


def _rewritten(octets: bytes, rewrite: Rewrite) -> Copy | None:
    edits = []
    for part in raw.inline_texts(octets):
        try:
            content = raw.decoded(octets, part)
        except Untouchable:
            continue
        if re.match(r"utf-?(16|32)", part.charset):
            continue
        if part.type == "text/html":
            changed = _HREF.sub(lambda found: found[1] + found[2] + _html(found[3], rewrite) + found[2], content)
        else:
            changed = _PLAIN.sub(lambda found: _octets(rewrite(_text(found[0]))), content)
        if changed != content:
            edits += raw.recode(octets, part, changed)
    return Copy(raw.edited(octets, edits)) if edits else None


def _html(url: bytes, rewrite: Rewrite) -> bytes:
    return html.escape(rewrite(html.unescape(_text(url)))).encode("utf-8", "surrogateescape")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
