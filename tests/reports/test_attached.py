"""What a stranger's PDF can do to who takes a file out of it: nothing."""

from __future__ import annotations

import io
import random
import time
import zlib
from contextlib import suppress

import pikepdf
import pytest

from ledger.errors import FormatError
from reports.attached import ATTACHMENT, FILE, attachment
from tests.reports.paper import EVIDENCE, archive, sample

NAME = EVIDENCE.name


@pytest.fixture(scope="module")
def whole() -> bytes:
    return archive(sample(5))


def saved(pdf: pikepdf.Pdf, **how: object) -> bytes:
    out = io.BytesIO()
    pdf.save(out, **how)  # type: ignore[arg-type]
    return out.getvalue()


def with_stream(data: bytes, filters: pikepdf.Object) -> bytes:
    """A PDF whose file is stored in these octets."""
    pdf = pikepdf.Pdf.new()
    pdf.add_blank_page()
    pdf.attachments[NAME] = pikepdf.AttachedFileSpec(pdf, b"", filename=NAME)
    pdf.attachments[NAME].obj.EF.F.write(data, filter=filters)
    keep = pikepdf.StreamDecodeLevel.none
    return saved(pdf, compress_streams=False, stream_decode_level=keep)


def test_it_is_what_was_put_in(whole: bytes) -> None:
    assert attachment(whole, NAME) == EVIDENCE.data
    assert attachment(with_stream(zlib.compress(b"ab" * 99), pikepdf.Name.FlateDecode), NAME) == b"ab" * 99


def test_a_file_that_was_added_to_is_read(whole: bytes) -> None:
    """As by a signature: what was written stays, more follows."""
    with pikepdf.open(io.BytesIO(whole)) as pdf:
        size, root = int(pdf.trailer.Size), pdf.Root.objgen[0]
    start = len(whole)
    at = whole.rindex(b"startxref") + 10
    previous = int(whole[at:].split()[0])
    added = f"{size} 0 obj\n<<>>\nendobj\n".encode()
    place = start + len(added)
    table = f"xref\n{size} 1\n{start:010} 00000 n \ntrailer\n<</Size {size + 1}/Root {root} 0 R/Prev {previous}>>\n"
    assert attachment(whole + added + table.encode() + f"startxref\n{place}\n%%EOF\n".encode(), NAME) == EVIDENCE.data


def test_what_is_not_there_is_said(whole: bytes) -> None:
    with pytest.raises(FormatError, match="holds no file"):
        attachment(whole, "other.json")
    with pytest.raises(FormatError, match="holds no file"):
        attachment(with_stream(b"", pikepdf.Array()), "")


@pytest.mark.parametrize("owner", [{"user": "", "owner": "x"}, {"user": "y", "owner": "x"}])
def test_encrypted_files_are_refused(owner: dict[str, str], whole: bytes) -> None:
    with pikepdf.open(io.BytesIO(whole)) as pdf:
        locked = saved(pdf, encryption=pikepdf.Encryption(**owner))
    with pytest.raises(FormatError):
        attachment(locked, NAME)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"{}", b"\0" * 1000, b"%PDF-1.7\nstartxref\n0\n%%EOF"])
def test_what_is_no_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        attachment(data, NAME)


def test_cut_or_changed_files_never_do_more_than_fail(whole: bytes) -> None:
    chance = random.Random(1)  # the same damage each time
    cuts = [whole[: chance.randrange(len(whole))] for _ in range(100)]
    changed = []
    for count in (1, 3, 30) * 200:
        octets = bytearray(whole)
        for _ in range(count):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        changed.append(bytes(octets))
    read = 0
    for data in cuts + changed:
        with suppress(FormatError):
            attachment(data, NAME)
            read += 1
    assert 0 < read < len(cuts + changed)


def unfolding(length: int, times: int) -> bytes:
    data = bytes(length)
    for _ in range(times):
        data = zlib.compress(data, 9)
    return with_stream(data, pikepdf.Array([pikepdf.Name.FlateDecode] * times))


@pytest.mark.parametrize(("times", "cause"), [(1, "memory limit"), (2, "unfilterable"), (3, "unfilterable")])
def test_what_unfolds_without_end_is_refused(times: int, cause: str) -> None:
    """Before it is unfolded, not after."""
    bomb = unfolding(ATTACHMENT + (8 << 20), times)
    start = time.process_time()
    with pytest.raises(FormatError) as refused:
        attachment(bomb, NAME)
    assert time.process_time() - start < 2
    assert cause in str(refused.value.__cause__)


def test_a_tree_of_names_that_goes_round_is_refused() -> None:
    pdf = pikepdf.Pdf.new()
    pdf.add_blank_page()
    node = pdf.make_indirect(pikepdf.Dictionary())
    node.Kids = pikepdf.Array([node])
    pdf.Root.Names = pikepdf.Dictionary(EmbeddedFiles=node)
    with pytest.raises(FormatError):
        attachment(saved(pdf), NAME)


@pytest.mark.parametrize("wrong", [1, "x", pikepdf.Array([1]), pikepdf.Dictionary(), pikepdf.Name.X])
def test_parts_of_another_kind_are_refused(wrong: object, whole: bytes) -> None:
    for path in ("Names", "EmbeddedFiles", "Spec", "EF", "F"):
        with pikepdf.open(io.BytesIO(whole)) as pdf:
            names = pdf.Root.Names
            tree = names.EmbeddedFiles
            spec = (tree.get("/Names") or tree.Kids[0].Names)[1]
            if path == "Names":
                pdf.Root.Names = wrong
            elif path == "EmbeddedFiles":
                names.EmbeddedFiles = wrong
            elif path == "Spec":
                (tree.get("/Names") or tree.Kids[0].Names)[1] = wrong
            elif path == "EF":
                spec.EF = wrong
            else:
                spec.EF.F = wrong
                spec.EF.UF = wrong
            with pytest.raises(FormatError):
                attachment(saved(pdf), NAME)


def test_too_large_a_file_is_not_looked_into() -> None:
    with pytest.raises(FormatError, match="larger"):
        attachment(b"%PDF-1.7" + bytes(FILE), NAME)
