"""The paper: a certificate drawn from the octets of its evidence, and from nothing else.

The same evidence makes the same file, whoever draws it: no clock, no setting and no ledger is asked. So whoever holds
the file can draw it again from the evidence inside it, and see that the paper says what the evidence proves. The order
of what stands on it, and every word, belong to `ledger.claims.DRAWING`.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Final

import pikepdf
from msgspec import UNSET

from ledger import case, certified, claims, evidence
from ledger.case import Case
from ledger.certified import Certified
from ledger.errors import FormatError
from reports import events, facts, findings, layout, pdfa, place, timeline
from reports.blocks import Block, Heading, Sheet
from reports.metadata import Metadata
from reports.wording import Words

TWIN: Final = "evidence.json"
"""The name of the evidence inside the file."""

_DRAWN_BY: Final = (
    *("pikepdf", "regex", "reportlab", "uharfbuzz"),
    *("fontpkg-jetbrains-mono", "justmytype-intl-cjk", "manimgx-fonts"),
)


def _producer() -> str:
    """What the octets of a file depend on beside its evidence: the libraries and faces here, by their versions."""
    found = {}
    for name in _DRAWN_BY:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    found |= {"qpdf": pikepdf.__libqpdf_version__, "zlib": zlib.ZLIB_RUNTIME_VERSION, "Python": python_version()}
    return ", ".join(["Postseal", *(f"{name} {number}" for name, number in found.items())])


PRODUCER: Final = _producer()
"""As files name it. Of one file and another that differ in it no more can be said than what they show."""


def draw(octets: bytes) -> bytes:
    """PDF/A-3 of this evidence, with it inside. FormatError, ProofError where it is no evidence of a certificate."""
    said = case.read(evidence.parse(octets))
    found = certified.of(said)
    if found.claims.drawing != claims.DRAWING:
        raise FormatError(f"this certificate is drawn as {found.claims.drawing} says, which is not known here")
    words = Words(found.claims.language)
    made = sheet(said, found, words)
    raw = layout.draw(made, found.claims.paper, found.claims.language)
    at = found.closing.message.entry.at
    meta = Metadata(
        title=made.title,
        author=f"Postseal, {said.checkpoint.origin}",
        subject=f"{made.number}. {made.quality}",
        issued=datetime.fromisoformat(at),
        creator=claims.DRAWING,
        producer=PRODUCER,
        accessible=True,
    )
    return pdfa.finish(raw, meta, [pdfa.Attachment(TWIN, octets, "application/json", words("verify.note"))])


def sheet(said: Case, found: Certified, words: Words) -> Sheet:
    """What stands on it, in order."""
    made = found.claims
    blocks: list[Block] = [
        *findings.headline(said, found, words),
        *facts.parties(said, found, words),
        *facts.content(said, found, words),
        *findings.claims(said, found, words),
        *findings.adverse(said, found, words),
        *timeline.drawn(said, found, words),
        Heading(words("heading.log")),
        events.record(said, found, words),
        *place.place(said, found, words),
        *place.verify(said, found, words),
        *place.limits(said, found, words),
    ]
    subtitle = words("subtitle", origin=said.checkpoint.origin)
    # Browsers keep what follows the # to themselves, so that the token stands in no log.
    address = None if made.verify is UNSET else f"{made.verify}?number={made.number}#{made.token}"
    return Sheet(
        title=words(f"title.{findings.titled(found)}"),
        subtitle=subtitle if made.content else f"{subtitle}. {words('facts_only')}",
        number=made.number,
        token=made.token,
        labels=(words("number"), words("token")),
        hint=words("no_page") if address is None else words("scan"),
        address=address,
        quality=words("footer.quality"),
        page=words("footer.page", page="{page}", pages="{pages}"),
        blocks=blocks,
        glyphs=words("glyphs"),
        cut=words("cut"),
    )
