"""A file out of a PDF that a stranger sent: nothing in it is run, shown or followed, and little of it is read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pikepdf import DataDecodingError, PasswordError, Pdf, PdfError
from pikepdf.settings import set_qpdf_limits

from ledger.errors import FormatError

FILE: Final = 64 << 20
ATTACHMENT: Final = 64 << 20
"""Octets of a file that is looked into, and of what is taken out of it."""

# They hold for the process, and must be set before a second thread reads a PDF. What they cut off is what small files
# are blown up to: streams that unfold without end, in one step or in many.
set_qpdf_limits(
    flate_max_memory=ATTACHMENT,
    run_length_max_memory=ATTACHMENT,
    png_max_memory=ATTACHMENT,
    tiff_max_memory=ATTACHMENT,
    dct_max_memory=ATTACHMENT,
    max_stream_filters=1,
    doc_max_warnings=20,
)
_UNREADABLE: Final = (
    *(DataDecodingError, PasswordError, PdfError),
    *(
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ),  # where a part is of another kind
)


def attachment(pdf: bytes, name: str) -> bytes:
    """The octets of the file of that name within a PDF. Raises FormatError if there is none, and for a PDF that is
    damaged, encrypted or too large."""
    with _opened(pdf) as opened:
        if name not in opened.attachments:
            raise FormatError(f"the PDF holds no file {name}")
        data = opened.attachments[name].get_file().read_bytes()
    if len(data) > ATTACHMENT:
        raise FormatError(f"the file {name} is larger than {ATTACHMENT >> 20} MiB")
    return data


def producer(pdf: bytes) -> str:
    """What a PDF says that it was made by; empty where it says nothing. FormatError likewise."""
    with _opened(pdf) as opened:
        return str(opened.docinfo.get("/Producer", ""))


@contextmanager
def _opened(pdf: bytes) -> Iterator[Pdf]:
    if len(pdf) > FILE:
        raise FormatError(f"the PDF is larger than {FILE >> 20} MiB")
    try:
        with Pdf.open(io.BytesIO(pdf), attempt_recovery=False) as opened:
            if opened.is_encrypted:
                raise FormatError("the PDF is encrypted")
            yield opened
    except _UNREADABLE as error:
        raise FormatError("the PDF cannot be read") from error
