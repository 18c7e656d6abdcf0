"""What the ledger should answer to each kind of change: one table.

``levels`` are those that are right, most often one; where there are several, ``why`` says why. ``ceiling``: the copy
lacks something that was sent or says something else, so that any answer above this level is false.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEVELS: Final = (
    "identical",
    "identical but for transport headers",
    "same content re-encoded",
    "all original parts present, with additions",
    "text contained, links rewritten",
    "parts missing",
    "different",
)
IDENTICAL, TRANSPORT, REENCODED, ADDITIONS, LINKS, MISSING, DIFFERENT = LEVELS


@dataclass(frozen=True, slots=True)
class Expected:
    number: str
    title: str
    levels: frozenset[str]
    why: str
    ceiling: str | None = None


def _row(number: str, title: str, why: str, *levels: str, ceiling: str | None = None) -> Expected:
    return Expected(number, title, frozenset(levels), why, ceiling)


EXPECTED: Final[dict[str, Expected]] = {
    "received": _row("1", "Received and other trace fields added", "", TRANSPORT),
    "lf": _row("2", "LF line ends", "line ends are normalised before anything is hashed", IDENTICAL),
    "refolded": _row(
        "3",
        "headers refolded",
        "re-encoded: some hands fold the parts' fields too, or encode names and subjects anew",
        TRANSPORT,
        REENCODED,
    ),
    "trailing": _row(
        "4",
        "trailing blank lines and spaces",
        "re-encoded: beyond what DKIM's relaxed body forgives, the octets of a part have changed",
        TRANSPORT,
        REENCODED,
    ),
    "tag": _row("5", "subject tag", "", ADDITIONS),
    "footer": _row("6", "footer into plain text and HTML", "", ADDITIONS),
    "footer-part": _row("7", "footer as a part of its own", "", ADDITIONS),
    "footer-or-part": _row("6/7", "a list's footer: into a plain mail, else as a part", "", ADDITIONS),
    "file": _row("7b", "a file added", "", ADDITIONS),
    "banner": _row("8", "banner on top of plain text and HTML", "", ADDITIONS),
    "banner-html": _row(
        "8b",
        "banner on top of HTML that is written anew",
        "links: the markup is another, and only what it shows can be compared",
        ADDITIONS,
        LINKS,
    ),
    "base64": _row("9a", "texts re-encoded in base64", "", REENCODED),
    "quoted-printable": _row(
        "9b",
        "texts re-encoded in quoted-printable",
        "transport: ASCII without a long line is the same octets in both, and only the field that names it differs",
        REENCODED,
        TRANSPORT,
    ),
    "8bit": _row("9c", "quoted-printable texts decoded to 8bit", "transport: as for 9b", REENCODED, TRANSPORT),
    "boundaries": _row(
        "9d",
        "parsed and written anew",
        "transport: where only header fields were folded elsewhere; identical: where only line ends differ",
        REENCODED,
        TRANSPORT,
        IDENTICAL,
    ),
    "html": _row(
        "9e",
        "HTML parsed and written anew",
        "the octets of the HTML differ, what it shows does not; to say so by its text alone is right as well",
        REENCODED,
        ADDITIONS,
        LINKS,
    ),
    "utf-8": _row("10", "charset to UTF-8", "", REENCODED),
    "links": _row("11a", "links rewritten, the original within", "", LINKS),
    "links-opaque": _row("11b", "links rewritten, nothing of the original left", "", LINKS),
    "removed": _row("12", "attachment removed", "", MISSING, ceiling=MISSING),
    "alternative": _row(
        "12b",
        "a list's content filter: HTML alternative removed",
        "the text is there and the HTML is not",
        MISSING,
        ceiling=MISSING,
    ),
    "replaced": _row(
        "13",
        "attachment replaced under its name",
        "different: the file under that name is another one",
        MISSING,
        DIFFERENT,
        ceiling=MISSING,
    ),
    "word": _row(
        "14",
        "one word changed",
        "parts missing: the text that was sent is not there",
        DIFFERENT,
        MISSING,
        ceiling=MISSING,
    ),
    "header": _row(
        "14b",
        "a field that people read changed",
        "nothing of the content is lost, so that additions or parts missing will do, if the change is named",
        DIFFERENT,
        MISSING,
        ADDITIONS,
        ceiling=ADDITIONS,
    ),
    "relayed": _row(
        "15a",
        "through a real relay",
        "re-encoded: lines beyond 998 octets are broken in transit",
        TRANSPORT,
        REENCODED,
    ),
    "relayed-7bit": _row(
        "15b",
        "through a real relay, 8bit turned into quoted-printable",
        "transport: where only header fields, or parts not labelled 8bit, have octets beyond ASCII",
        REENCODED,
        TRANSPORT,
    ),
    "together": _row("16a", "tag, footer, re-encoding and trace fields at once", "", ADDITIONS),
    "list": _row("16b", "through a list: its fields, tag and footer", "", ADDITIONS),
    "munged": _row("16d", "through a list that puts its own address in From, for DMARC", "", ADDITIONS),
    "list-relayed": _row("16c", "through a list, then a real relay to a 7bit host", "", ADDITIONS),
    "word-under": _row(
        "17a",
        "one word changed, hidden among tag, footer, re-encoding",
        "parts missing: the text that was sent is not there",
        DIFFERENT,
        MISSING,
        ceiling=MISSING,
    ),
    "removed-under": _row(
        "17b",
        "attachment removed, footer part added",
        "",
        MISSING,
        ceiling=MISSING,
    ),
    "stranger": _row("18", "messages never recorded", "no answer at all is right", DIFFERENT),
}
