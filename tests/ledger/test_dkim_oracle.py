"""dkimpy, an independent implementation, agrees: on canonical octets, on what it signed, and on what was changed since.

Its patterns are quadratic, so nothing here is long. Where it is known to differ, and why we do not follow:

* a last line without a line end keeps the white space at its end (RFC 6376 section 3.4.4: all lines lose it);
* form feeds, vertical tabs and bare CRs are white space at the ends of a header value (section 2.8: space and tab are);
* white space behind ``b=`` and its value is signed (section 3.5: it is not), at the end of the field never;
* a field name followed by white space is no field (RFC 5322 section 4.5 has it).
"""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from pathlib import Path
from unittest import mock

import dkim as oracle
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dkim.canonicalization import Relaxed, Simple
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import dkim, mime, relaxed
from ledger.dkim import Signature
from tests.helpers import vector_files
from tests.ledger.test_dkim import BRISBANE, RFC8463, TEST, check, read
from tests.ledger.test_fingerprint_mail import stdlib_messages

RSA = rsa.generate_private_key(65537, 1024)
SECRET = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
RECORDS = {
    b"rsa-sha256": "v=DKIM1; k=rsa; p="
    + base64.b64encode(RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode(),
    b"ed25519-sha256": BRISBANE,
}
# RFC 8463 appendix A.2
SECRETS = {b"rsa-sha256": SECRET, b"ed25519-sha256": b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="}
FORMS = [(b"simple", b"simple"), (b"simple", b"relaxed"), (b"relaxed", b"simple"), (b"relaxed", b"relaxed")]


def sign(octets: bytes, algorithm: bytes, forms: tuple[bytes, bytes], *, length: bool = False) -> bytes:
    signer = oracle.DKIM(octets, signature_algorithm=algorithm)
    return signer.sign(b"sel", b"example.org", SECRETS[algorithm], canonicalize=forms, length=length) + octets


def verify(octets: bytes, record: str, number: int = 0) -> bool:
    try:
        return oracle.DKIM(octets).verify(number, dnsfunc=lambda name, timeout: record.encode())
    except (oracle.DKIMException, ValueError, LookupError, AssertionError):  # all but the first on damaged input
        return False


def agree_on_canonical_octets(octets: bytes) -> None:
    octets, header = read(octets)
    theirs, body = oracle.rfc822_parse(octets[header.start :])
    assert len(theirs) == len(header.fields)
    for (name, value), (their_name, their_value) in zip(
        header.fields, Relaxed.canonicalize_headers(theirs), strict=True
    ):
        assert relaxed.field(name, value) == their_name + b":" + their_value
    for raw, (their_name, their_value) in zip(dkim._raw(octets, header), theirs, strict=True):
        assert dkim._ended(raw) == their_name + b":" + their_value
    assert b"".join(dkim._simple_body(octets, header.end)) == Simple.canonicalize_body(body)
    assert relaxed.body_hash(octets, header.end) == sha256(Relaxed.canonicalize_body(body)).hexdigest()


def agree_on_signatures(octets: bytes) -> None:
    octets, header = read(octets)
    octets = octets[header.start :]  # a signature stands below a From line of an mbox
    for algorithm in RECORDS:
        for forms in FORMS:
            signed = sign(octets, algorithm, forms)
            assert verify(signed, RECORDS[algorithm])
            assert check(signed, RECORDS[algorithm]).reason in ("verified", "extra-field"), (algorithm, forms)


def test_the_example_of_rfc_8463() -> None:
    assert verify(RFC8463, BRISBANE) and verify(RFC8463, TEST, 1)
    agree_on_canonical_octets(RFC8463)


@pytest.mark.parametrize(
    "path", vector_files("reports", "*.txt") + vector_files("reports", "*.eml") + stdlib_messages()
)
def test_real_mail(path: Path) -> None:
    octets = mime.normalise(path.read_bytes())
    if not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    if read(octets)[1].cut:
        pytest.skip("its header block is damaged")
    agree_on_canonical_octets(octets)
    if b"from" in read(octets)[1].first:
        agree_on_signatures(octets)


lines = st.lists(
    st.sampled_from([b" ", b"\t", b"  ", b" \t ", b"a", b"b c", b"\r", b"\x00", b"\xff", b"\r\n", b"\r\n\r\n", b"\n"]),
    max_size=25,
).map(b"".join)
names = st.sampled_from([b"From", b"subject", b"TO", b"X-a", b"Received", b"!"])
header_values = st.lists(
    st.sampled_from([b" ", b"\t", b"a", b"b", b":", b";", b"\r\n ", b"\r\n\t", b"\xff"]), max_size=12
)
fields = st.tuples(names, header_values.map(b"".join)).map(lambda field: field[0] + b":" + field[1] + b"\r\n")
mails = st.tuples(st.lists(fields, max_size=6).map(b"".join), lines).map(
    lambda parts: b"From: a@example.org\r\n" + parts[0] + b"\r\n" + parts[1]
)


def ended(octets: bytes) -> bytes:
    """With a line end where white space would stand at the end, which dkimpy keeps."""
    octets = mime.normalise(octets)
    return octets + b"\r\n" if octets.endswith((b" ", b"\t")) else octets


@given(mails.map(ended), st.integers(1, 9) | st.just(1 << 20))
@settings(max_examples=300)
def test_canonical_octets(octets: bytes, piece: int) -> None:
    with mock.patch.object(relaxed, "_PIECE", piece):
        agree_on_canonical_octets(octets)


@given(mails.map(ended), st.sampled_from(sorted(RECORDS)), st.sampled_from(FORMS), st.booleans())
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_what_dkimpy_signs_we_pass(octets: bytes, algorithm: bytes, forms: tuple[bytes, bytes], length: bool) -> None:
    signed = sign(octets, algorithm, forms, length=length)
    outcome = check(signed, RECORDS[algorithm])
    singles = re.findall(rb"(?im)^(subject|to|from):", signed.partition(b"\r\n\r\n")[0])
    signed_names = dkim.signatures(read(signed)[1])[0]
    assert isinstance(signed_names, Signature)
    more = any(singles.count(name) > signed_names.names.count(name.lower().decode()) for name in singles)
    assert outcome.reason == "verified" or (more and outcome.reason == "extra-field")


MAIL = (
    b"Received: x\r\nFrom: A <a@example.org>\r\nTo: b@example.org\r\nSubject: one  two\r\n three\r\n"
    b"Date: Mon, 5 Jan 2026 10:00:00 +0100\r\nMessage-ID: <1@example.org>\r\n\r\nHello  there \r\n\r\n\tagain\r\n\r\n"
)
SIGNED = [(sign(MAIL, algorithm, forms), RECORDS[algorithm]) for algorithm in RECORDS for forms in FORMS]


@given(
    st.sampled_from(SIGNED),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(
        [b"", b" ", b"\t", b"\r\n", b"\r\n ", b"a", b"A", b"\x00", b"From: x\r\n", b"Subject: x\r\n", b";", b"="]
    ),
    st.integers(0, 3),
)
@settings(max_examples=600)
def test_one_verdict_on_what_was_changed(signed: tuple[bytes, str], where: float, put: bytes, cut: int) -> None:
    octets, record = signed
    at = int(where * len(octets))
    changed = ended(octets[:at] + put + octets[at + cut :])
    if re.search(rb"(?m)^[!-9;-~]+[ \t]+:", changed):
        return
    ours, theirs = ours_passes(changed, record), verify(changed, record)
    assert theirs or not ours
    if theirs and not ours:
        assert told_apart(changed, record) or b"\r" in changed.replace(b"\r\n", b"")


def ours_passes(octets: bytes, record: str) -> bool:
    octets, header = read(octets)
    found = dkim.signatures(header)
    return (
        bool(found)
        and isinstance(found[0], Signature)
        and dkim.check(octets, header, found[0], record, None).status == "pass"
    )


def told_apart(octets: bytes, record: str) -> bool:
    """What dkimpy passes and we do not: a second field beside a signed one, or a signature that breaks the grammar."""
    octets, header = read(octets)
    found = dkim.signatures(header)[0]
    return not isinstance(found, Signature) or dkim.check(octets, header, found, record, None).reason in (
        "extra-field",
        "header-cut",
        "partial-body",
        "identity",
    )


@pytest.mark.parametrize(("octets", "record"), SIGNED)
def test_no_signed_octet_can_change(octets: bytes, record: str) -> None:
    """Every octet of what was signed, replaced by a letter it was not; and every line left out."""
    start = octets.index(b"From: A")
    for at in [*range(start, len(octets)), *range(octets.index(b" v=1"), octets.index(b" b="))]:
        changed = octets[:at] + (b"x" if octets[at : at + 1] == b"q" else b"q") + octets[at + 1 :]
        assert not ours_passes(changed, record), (at, changed[at - 5 : at + 5])
    lines = octets[start:].split(b"\r\n")
    for number, line in enumerate(lines):
        fewer = octets[:start] + b"\r\n".join(lines[:number] + lines[number + 1 :])
        assert not line or not ours_passes(fewer, record)


def test_an_unended_line_loses_its_white_space_here_and_not_there() -> None:
    """The first known difference, shown: section 3.4.4 says "at the end of lines", and the last line is one."""
    assert b"".join(relaxed.body(b"a \t", 0)) == b"".join(relaxed.body(b"a \t\r\n", 0)) == b"a\r\n"
    assert Relaxed.canonicalize_body(b"a \t") == b"a \r\n" != Relaxed.canonicalize_body(b"a \t\r\n")
