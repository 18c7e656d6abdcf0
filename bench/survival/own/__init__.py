"""Our own hand: each change made on octets, and nothing else changed with it."""

from __future__ import annotations

from bench.survival.change import Apply, Change
from bench.survival.own import additions, encodings, forged, links, parts, together, transport, words

HAND = "own"

_CHANGES: dict[str, dict[str, Apply]] = {
    "received": {HAND: transport.received, "own, as Thunderbird saves": transport.saved},
    "lf": {HAND: transport.line_feeds},
    "refolded": {HAND: transport.refolded, "own, tabs": transport.refolded_with_tabs},
    "trailing": {
        "own, blank lines": transport.blank_lines,
        "own, spaces added": transport.spaces_added,
        "own, spaces stripped": transport.spaces_stripped,
    },
    "tag": {HAND: additions.tag},
    "footer": {HAND: additions.footer},
    "footer-part": {HAND: additions.footer_part},
    "banner": {HAND: additions.banner},
    "base64": {HAND: encodings.to_base64},
    "quoted-printable": {HAND: encodings.to_quoted_printable},
    "utf-8": {HAND: encodings.to_utf_8},
    "links": {
        "own, Safe Links": links.safe_links,
        "own, URL Defense": links.url_defense,
    },
    "links-opaque": {HAND: links.opaque},
    "file": {HAND: additions.file_added},
    "header": {"own, From": forged.sender, "own, Subject": forged.subject, "own, Date": forged.date},
    "removed": {HAND: parts.removed},
    "replaced": {HAND: parts.replaced},
    "word": {
        "own, in text": words.in_text,
        "own, in html": words.in_html,
        "own, in both": words.in_both,
        "own, a number": words.a_number,
        "own, inserted in text": words.inserted_in_text,
        "own, inserted in html": words.inserted_in_html,
        "own, deleted from text": words.deleted,
    },
    "together": {HAND: together.list_like},
    "word-under": {HAND: together.word_under_footer},
    "removed-under": {HAND: together.removed_under_footer},
}


def changes() -> list[Change]:
    return [Change(kind, hand, apply) for kind, by in _CHANGES.items() for hand, apply in by.items()]
