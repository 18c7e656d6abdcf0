"""Fingerprints against an independent reader, the email package, and against hostile input."""

from __future__ import annotations

import email
import email.policy
import importlib.util
import json
from collections.abc import Iterator
from email.message import EmailMessage, Message
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import canonical, mime
from ledger.fingerprint import check_leaf, prove_leaf, take
from ledger.hashonly import from_json, to_json
from ledger.mime import Limits
from tests.helpers import vector_files
from tests.ledger.hostile import LOOSE, SHAPES


def digest(octets: bytes) -> str:
    return sha256(octets).hexdigest()


# -- an independent reader: the email package ----------------------------------------------------------------------


def oracle(message: Message, path: str = "") -> Iterator[tuple[str, str, bytes | None]]:
    """The leaves as Python's parser sees them; None for attached messages, which it cannot give back as octets."""
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        for number, part in enumerate(message.get_payload(), 1):
            yield from oracle(part, f"{path}.{number}" if path else str(number))
        return
    path = path or "1"
    if message.get_content_type() == "message/rfc822" and message.is_multipart():
        yield path, "message/rfc822", None
        inner = message.get_payload(0)
        below = path if inner.is_multipart() and inner.get_content_maintype() == "multipart" else path + ".1"
        yield from oracle(inner, below)
        return
    if message.is_multipart():  # message/delivery-status is split by Python into headers, and left whole by us
        yield path, message.get_content_type(), None
        return
    yield path, message.get_content_type(), message.get_payload(decode=True)


def agree(octets: bytes) -> None:
    octets = mime.normalise(octets)
    ours = take(octets)
    theirs = list(oracle(email.message_from_bytes(octets.removeprefix(b"\xef\xbb\xbf"), policy=email.policy.compat32)))
    assert [(x.path, x.media_type) for x in ours.leaves] == [(path, kind) for path, kind, _ in theirs]
    for leaf, (_, _, decoded) in zip(ours.leaves, theirs, strict=True):
        if decoded is not None:
            assert (leaf.path, leaf.sha256, leaf.size) == (leaf.path, digest(decoded), len(decoded))


@pytest.mark.parametrize("path", vector_files("reports", "*.txt") + vector_files("reports", "*.eml"))
def test_the_email_package_agrees_on_reports(path: Path) -> None:
    agree(path.read_bytes())


def stdlib_messages() -> list[object]:
    spec = importlib.util.find_spec("test.test_email") if importlib.util.find_spec("test") else None
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else Path("absent")
    paths = sorted(folder.glob("msg_*.txt"))
    if not paths:
        return [pytest.param(None, id="none", marks=pytest.mark.skip(reason="this Python has no test.test_email/data"))]
    return [pytest.param(path, id=path.name) for path in paths]


# What these messages of the standard library's own tests are made for is mail in which readers may differ.
DIFFERS = {
    "msg_15.txt": "an inner multipart without parts: Python keeps the CRLF of the outer delimiter",
    "msg_19.txt": "no header field: we record it unparsed",
    "msg_42.txt": "a multipart of nothing but its close delimiter: we keep those octets, Python drops them",
}


@pytest.mark.parametrize("path", stdlib_messages())
def test_the_email_package_agrees_on_its_own_messages(path: Path) -> None:
    octets = path.read_bytes()
    if path.name in DIFFERS:
        pytest.skip(DIFFERS[path.name])
    agree(octets)


text_parts = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), max_size=200)
attachments = st.tuples(
    st.binary(max_size=300),
    st.sampled_from([("application", "pdf"), ("image", "png"), ("application", "octet-stream")]),
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Co", "Cn")), min_size=1, max_size=30),
)


@given(text_parts, st.none() | text_parts, st.lists(attachments, max_size=4), st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_the_email_package_agrees_on_what_it_builds(
    text: str, html: str | None, files: list[tuple[bytes, tuple[str, str], str]], forward: bool
) -> None:
    message = EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = "x"
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for octets, (maintype, subtype), name in files:
        message.add_attachment(octets, maintype=maintype, subtype=subtype, filename=name)
    if forward:
        outer = EmailMessage(policy=email.policy.SMTP)
        outer["Subject"] = "Fwd: x"
        outer.set_content("see below")
        outer.add_attachment(message)
        message = outer
    octets = bytes(message)
    agree(octets)
    taken = take(octets)
    found = [leaf for leaf in taken.leaves if leaf.name is not None]
    assert [(leaf.name, leaf.sha256) for leaf in found] == [(name, digest(data)) for data, _, name in files]
    assert len(taken.files) == (1 if forward else len(files))


# -- hostile input -----------------------------------------------------------------------------------------------

pieces = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"--b", b"--b--", b"--", b" ", b"\t", b":", b";", b'"', b"=", b"?=", b"=?utf-8?q?", b"(",
     b"\\", b"QUJD", b"\x00", b"\xff", b"\r\n\r\n",
     b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n", b"Content-Type: ", b"%41",
     b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"filename*0*=x''y",
     b"Content-Disposition: attachment; filename=", b"Subject: ", b"A: b\r\n"]
)  # fmt: skip


@given(st.lists(pieces | st.binary(max_size=8), max_size=60).map(b"".join).filter(len))
def test_any_octets_have_a_fingerprint_that_survives_json(octets: bytes) -> None:
    taken = take(octets, Limits(depth=6, parts=8, header_fields=20, parameters=6))
    assert take(mime.normalise(octets), Limits(depth=6, parts=8, header_fields=20, parameters=6)).raw == taken.raw
    assert from_json(json.loads(canonical.dumps(to_json(taken)))) == taken
    assert taken.parsed is (taken.root is not None)
    if taken.parsed:
        assert len({leaf.path for leaf in taken.leaves}) == len(taken.leaves)
        for leaf in taken.leaves:
            check_leaf(prove_leaf(taken, leaf.path), str(taken.root))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limits", [Limits(), LOOSE], ids=["limits", "no limits"])
def test_hostile_shapes_have_a_fingerprint(shape: str, limits: Limits) -> None:
    taken = take(SHAPES[shape](20_000), limits)
    assert from_json(to_json(taken)) == taken
