"""An archive of what `reports.canvas` drew: PDF/A-3 (ISO 19005-3), with the files that belong to it inside.

The same input gives the same bytes: every date is the time of issue, and the identifier follows from the content.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from tempfile import NamedTemporaryFile
from typing import Final, Literal

from pikepdf import Array, AttachedFileSpec, Dictionary, Name, ObjectStreamMode, Pdf, String

from reports.metadata import Metadata

Relationship = Literal["Data", "Source", "Supplement"]
_LARGE: Final = 1 << 20
_CONDITION: Final = "sRGB IEC61966-2.1"


@dataclass(frozen=True, slots=True)
class Attachment:
    """``relationship``: what it is to the pages (ISO 19005-3 annex E)."""

    name: str
    data: bytes
    media_type: str
    description: str
    relationship: Relationship = "Data"


def finish(raw: bytes, metadata: Metadata, attachments: Sequence[Attachment] = ()) -> bytes:
    """The canvas's file as an archive."""
    with _opened(raw) as pdf:
        _attach(pdf, metadata, attachments)
        _colours(pdf)
        _describe(pdf, metadata)
        del pdf.trailer["/ID"]  # the canvas gives the same to all
        out = io.BytesIO()
        pdf.save(out, deterministic_id=True, object_stream_mode=ObjectStreamMode.generate, linearize=False)
    return out.getvalue()


@contextmanager
def _opened(raw: bytes) -> Iterator[Pdf]:
    """A large file is read three times as fast from a disk, where the library needs not ask us for each piece."""
    if len(raw) < _LARGE:
        with Pdf.open(io.BytesIO(raw)) as pdf:
            yield pdf
        return
    with NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        with Pdf.open(file.name) as pdf:
            yield pdf


def _attach(pdf: Pdf, metadata: Metadata, attachments: Sequence[Attachment]) -> None:
    related = Array()
    for each in attachments:
        pdf.attachments[each.name] = AttachedFileSpec(
            pdf,
            each.data,
            description=each.description,
            filename=each.name,
            mime_type=each.media_type,
            creation_date=metadata.date,
            mod_date=metadata.date,
            relationship=Name(f"/{each.relationship}"),
        )
        related.append(pdf.attachments[each.name].obj)
    if attachments:
        pdf.Root.AF = related


def _colours(pdf: Pdf) -> None:
    profile = pdf.make_stream(_profile())
    profile.N = 3
    pdf.Root.OutputIntents = Array(
        [
            Dictionary(
                Type=Name.OutputIntent,
                S=Name.GTS_PDFA1,
                OutputConditionIdentifier=String("sRGB"),
                Info=String(_CONDITION),
                DestOutputProfile=profile,
            )
        ]
    )


@cache
def _profile() -> bytes:
    return files("pikepdf").joinpath("pdfa", "data", "sRGB.icc").read_bytes()


def _describe(pdf: Pdf, metadata: Metadata) -> None:
    packet = pdf.make_stream(metadata.packet())
    packet.Type, packet.Subtype = Name.Metadata, Name.XML
    pdf.Root.Metadata = packet
    pdf.trailer.Info = pdf.make_indirect(Dictionary({name: String(text) for name, text in metadata.info().items()}))
