"""Several changes at once, as they come in life: a list's, and a forgery that hides among them."""

from __future__ import annotations

from bench.survival.change import Apply, Copy
from bench.survival.own import additions, encodings, parts, transport, words


def list_like(octets: bytes) -> Copy | None:
    """Tag, footer, base64 and trace fields; all four, or it is not this change."""
    return _all(octets, additions.tag, additions.footer, encodings.to_base64, transport.received)


def word_under_footer(octets: bytes) -> Copy | None:
    """One word changed, then all of the above: the additions must not hide it."""
    first = words.in_text(octets)
    rest = list_like(first.octets) if first else None
    return Copy(rest.octets, first.named) if first and rest else None


def removed_under_footer(octets: bytes) -> Copy | None:
    """One file removed and a footer added as a part: as many parts as before."""
    first = parts.removed(octets)
    rest = additions.footer_part(first.octets) if first else None
    return Copy(rest.octets, first.named) if first and rest else None


def _all(octets: bytes, *steps: Apply) -> Copy | None:
    named: tuple[str, ...] = ()
    for step in steps:
        copy = step(octets)
        if copy is None:
            return None
        octets, named = copy.octets, named + copy.named
    return Copy(octets, named)
