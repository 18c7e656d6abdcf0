"""Timestamps against a real, independent authority: ``openssl ts`` with certificates made on the fly."""

from __future__ import annotations

import datetime
import hashlib
import random
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from ledger import der, timestamp
from ledger.errors import FormatError, LedgerError, ProofError, SignatureError
from tests.authority import DAY, NEEDS_OPENSSL, NOW, OPENSSL, POLICY, TIMESTAMPING, Authority, Holder, issue, pem

pytestmark = NEEDS_OPENSSL

DIGEST = hashlib.sha256(b"checkpoint").digest()
NONCE = 0x8000_0000_0000_0001

ROOT = issue("Root")
Make = Callable[..., Authority]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(signer: Holder | None = None, **fields: object) -> Authority:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return Authority(folder, signer or issue("Authority", ROOT, usage=TIMESTAMPING), **fields)  # type: ignore[arg-type]

    return make


def anchors(*holders: Holder) -> tuple[x509.Certificate, ...]:
    return timestamp.load_certificates(pem(*(holder.certificate for holder in holders)))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_good_token(make: Make, algorithm: str) -> None:
    digest = hashlib.new(algorithm, b"checkpoint").digest()
    authority = make()
    before = datetime.datetime.now(datetime.UTC)
    token = authority.token(digest, NONCE)
    checked = timestamp.check(token, digest, anchors(ROOT), nonce=NONCE, policies={POLICY})
    after = datetime.datetime.now(datetime.UTC)
    stated = datetime.datetime.strptime(checked.gen_time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.UTC)
    assert before <= stated <= after
    assert (checked.accuracy, checked.serial, checked.policy) == (1_500_007, 0x0101, POLICY)
    assert checked.tsa == "O=Prüfstelle,CN=Authority"
    assert checked.certificates == (authority.signer.certificate.public_bytes(Encoding.DER),)
    # offline, later, by someone who does not know the request
    assert timestamp.check(token, digest, anchors(issue("Other"), ROOT)) == checked


def test_openssl_reads_our_request_as_we_meant_it(tmp_path: Path) -> None:
    (tmp_path / "q").write_bytes(timestamp.format_request(DIGEST, NONCE, POLICY))
    command = [str(OPENSSL), "ts", "-query", "-in", "q", "-text"]
    text = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60, text=True).stdout
    for line in (
        "Version: 1",
        "Hash Algorithm: sha256",
        f"Policy OID: {POLICY}",
        f"Nonce: 0x{NONCE:016X}",
        "required: yes",
    ):
        assert line in text
    octets = text.split("Message data:")[1].split("Policy")[0]
    assert DIGEST[:4].hex(" ") in octets


def test_openssl_agrees_that_our_good_token_is_good(make: Make) -> None:
    """The other way round: the second implementation verifies what we verified."""
    authority = make()
    request = timestamp.format_request(DIGEST, NONCE)
    (authority.folder / "root").write_bytes(pem(ROOT.certificate))
    timestamp.check(timestamp.parse_response(authority.answer(request)), DIGEST, anchors(ROOT))
    command = [str(OPENSSL), "ts", "-verify", "-in", "r", "-queryfile", "q", "-CAfile", "root"]
    done = subprocess.run(command, cwd=authority.folder, capture_output=True, timeout=60, check=True)
    assert b"Verification: OK" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("request_", "message"),
    [((b"x" * 31, 1), "32"), ((b"x" * 48, 1), "32"), ((DIGEST, -1), "nonce"), ((DIGEST, 2**159), "nonce"),
     ((DIGEST, True), "nonce"), ((DIGEST, 1, "x"), "identifier")],
)  # fmt: skip
def test_requests_that_make_no_sense(request_: tuple[bytes, int], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        timestamp.format_request(*request_)


def test_expired_now_but_valid_then(make: Make) -> None:
    """Signer and root run out seconds after the token is made; afterwards it goes on passing."""
    for seconds in (2, 10, 50):  # a slow machine gets more time to make the token in
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        root = issue("Short", end=end)
        token = make(issue("Authority", root, usage=TIMESTAMPING, end=end)).token(DIGEST, NONCE)
        if datetime.datetime.now(datetime.UTC) < end - datetime.timedelta(seconds=1):
            break
    while datetime.datetime.now(datetime.UTC) <= end + datetime.timedelta(seconds=1):
        time.sleep(0.1)
    timestamp.check(token, DIGEST, anchors(root))


def test_a_signer_is_held_to_its_dates_to_the_microsecond() -> None:
    """OpenSSL, asked through the library, would look at whole seconds."""
    certificate = issue("Authority", ROOT, usage=TIMESTAMPING).certificate
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    moment = datetime.timedelta(microseconds=1)
    for instant in (first, last):
        timestamp._check_signer(certificate, instant)
    for instant in (first - moment, last + moment):
        with pytest.raises(SignatureError, match="not valid at that time"):
            timestamp._check_signer(certificate, instant)


@pytest.mark.parametrize("which", ["signer", "root"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_not_valid_then(make: Make, which: str, when: str) -> None:
    start, end = (NOW + DAY, NOW + 9 * DAY) if when == "before" else (NOW - 9 * DAY, NOW - DAY)
    dates = {"start": start, "end": end}
    root = issue("Root", **(dates if which == "root" else {}))  # type: ignore[arg-type]
    signer = issue("Authority", root, usage=TIMESTAMPING, **(dates if which == "signer" else {}))  # type: ignore[arg-type]
    with pytest.raises(SignatureError):
        timestamp.check(make(signer).token(DIGEST, NONCE), DIGEST, anchors(root))


def test_the_wrong_anchor_even_when_the_token_brings_its_own_root(make: Make) -> None:
    for authority in (make(), make(chain=(ROOT.certificate,))):
        token = authority.token(DIGEST, NONCE)
        for other in (issue("Other"), issue("Root")):
            with pytest.raises(SignatureError):
                timestamp.check(token, DIGEST, anchors(other))
        with pytest.raises(SignatureError, match="no trust anchor"):
            timestamp.check(token, DIGEST, ())
        timestamp.check(token, DIGEST, anchors(ROOT))


def test_a_chain_through_an_intermediate(make: Make) -> None:
    middle = issue("Middle", ROOT)
    signer = issue("Authority", middle, usage=TIMESTAMPING)
    with_chain, without = (
        make(signer, chain=(middle.certificate, ROOT.certificate)).token(DIGEST, NONCE),
        make(signer).token(DIGEST, NONCE),
    )
    checked = timestamp.check(with_chain, DIGEST, anchors(ROOT))
    assert checked.certificates[0] == signer.certificate.public_bytes(Encoding.DER)
    assert len(checked.certificates) == 3
    with pytest.raises(SignatureError):
        timestamp.check(without, DIGEST, anchors(ROOT))
    timestamp.check(without, DIGEST, anchors(ROOT), intermediates=[middle.certificate])
    # what helps to build the chain is trusted with nothing: neither a middle nor a root ends the chain
    for intermediates in ([middle.certificate], [middle.certificate, ROOT.certificate]):
        with pytest.raises(SignatureError):
            timestamp.check(without, DIGEST, anchors(issue("Other")), intermediates=intermediates)


def test_certificates_in_any_order(make: Make) -> None:
    """OpenSSL writes the set in the order of its files; rfc3161-client alone refuses half of them."""
    middle = issue("Middle", ROOT)
    signer = issue("Authority", middle, usage=TIMESTAMPING)
    for chain in ((middle.certificate, ROOT.certificate), (ROOT.certificate, middle.certificate)):
        timestamp.check(make(signer, chain=chain).token(DIGEST, NONCE), DIGEST, anchors(ROOT))


def test_an_issuer_that_is_no_authority(make: Make) -> None:
    """A leaf of ours that issues a certificate on its own."""
    leaf = issue("Leaf", ROOT, ca=False)
    signer = issue("Authority", leaf, usage=TIMESTAMPING)
    with pytest.raises(SignatureError):
        timestamp.check(make(signer, chain=(leaf.certificate,)).token(DIGEST, NONCE), DIGEST, anchors(ROOT))


def test_another_digest(make: Make) -> None:
    token = make().token(DIGEST, NONCE)
    with pytest.raises(ProofError, match="another digest"):
        timestamp.check(token, hashlib.sha256(b"other").digest(), anchors(ROOT))
    with pytest.raises(ProofError, match="another digest"):
        timestamp.check(token, hashlib.sha512(b"checkpoint").digest(), anchors(ROOT))
    with pytest.raises(FormatError, match="32"):
        timestamp.check(token, DIGEST[:-1], anchors(ROOT))


def test_another_nonce(make: Make) -> None:
    with pytest.raises(ProofError, match="nonce"):
        timestamp.check(make().token(DIGEST, NONCE), DIGEST, anchors(ROOT), nonce=NONCE + 1)


def test_another_policy(make: Make) -> None:
    with pytest.raises(SignatureError, match=POLICY.replace(".", r"\.")):
        timestamp.check(make().token(DIGEST, NONCE), DIGEST, anchors(ROOT), policies={"1.2.3"})


def altered(token: bytes, old: bytes, new: bytes) -> bytes:
    assert token.count(old) >= 1
    assert len(old) == len(new)
    return token.replace(old, new)


def test_an_altered_imprint_nonce_time_or_serial_breaks_the_signature(make: Make) -> None:
    token = make().token(DIGEST, NONCE)
    other = hashlib.sha256(b"other").digest()
    with pytest.raises(SignatureError):
        timestamp.check(altered(token, DIGEST, other), other, anchors(ROOT))
    nonce = der.write_integer(NONCE)
    with pytest.raises(SignatureError):
        timestamp.check(altered(token, nonce, der.write_integer(NONCE + 1)), DIGEST, anchors(ROOT), nonce=NONCE + 1)
    # the length of a time varies with the zeros at its end
    earlier, changes = re.subn(rb"(\x18[\x0f-\x16])2", rb"\g<1>1", token)
    assert changes == 1
    with pytest.raises(SignatureError):
        timestamp.check(earlier, DIGEST, anchors(ROOT))


def test_signed_data_of_another_kind(make: Make) -> None:
    told, other = der.write_oid("1.2.840.113549.1.9.16.1.4"), der.write_oid("1.2.840.113549.1.9.16.1.5")
    token = make().token(DIGEST, NONCE)
    with pytest.raises(FormatError, match="no TSTInfo"):
        timestamp.check(token.replace(told, other, 1), DIGEST, anchors(ROOT))


def test_truncated_and_extended(make: Make) -> None:
    token = make().token(DIGEST, NONCE)
    for at in range(0, len(token), 7):
        with pytest.raises(FormatError):
            timestamp.check(token[:at], DIGEST, anchors(ROOT))
    with pytest.raises(FormatError, match="after the end"):
        timestamp.check(token + b"\0", DIGEST, anchors(ROOT))
    with pytest.raises(FormatError, match="200000"):
        timestamp.check(bytes(200_001), DIGEST, anchors(ROOT))


def purposes() -> list[object]:
    email = ExtendedKeyUsageOID.EMAIL_PROTECTION
    return [
        pytest.param({"usage": [email]}, id="another purpose"),
        pytest.param({"usage": [*TIMESTAMPING, email]}, id="another purpose as well"),
        pytest.param({"usage": TIMESTAMPING, "critical": False}, id="not critical"),
        pytest.param({"usage": []}, id="no extended key usage"),
        pytest.param({"usage": TIMESTAMPING, "signs": False}, id="may not sign"),
    ]


@pytest.mark.parametrize("fields", purposes())
def test_a_certificate_that_is_not_for_timestamping_alone(make: Make, fields: dict[str, object]) -> None:
    """``openssl ts`` refuses to sign with most of these, so it signs with a good certificate for the same key, name and
    number, and the bad one takes its place: what a thief of some other key of the authority would try."""
    key = ec.generate_private_key(ec.SECP256R1())
    good = issue("Authority", ROOT, key=key, usage=TIMESTAMPING, serial=77)
    bad = issue("Authority", ROOT, key=key, serial=77, **fields)  # type: ignore[arg-type]
    token = make(good).token(DIGEST, NONCE)
    parsed = timestamp._parse(token)
    forged = reassembled(parsed, [bad.certificate.public_bytes(Encoding.DER)])
    with pytest.raises(SignatureError, match="name another certificate"):
        timestamp.check(forged, DIGEST, anchors(ROOT))
    with pytest.raises(SignatureError, match=r"timestamping alone|extended key usage|may not sign"):
        timestamp._check_signer(bad.certificate, parsed.told.instant)
    both = reassembled(parsed, [*parsed.certificates, bad.certificate.public_bytes(Encoding.DER)])
    with pytest.raises(SignatureError, match="2 certificates fit"):
        timestamp.check(both, DIGEST, anchors(ROOT))
    with pytest.raises(SignatureError, match="0 certificates fit"):
        timestamp.check(reassembled(parsed, []), DIGEST, anchors(ROOT))


def reassembled(parsed: timestamp._Parsed, certificates: list[bytes]) -> bytes:
    inside = der.write(0xA0, *certificates) if certificates else b""
    signed = der.write(der.SEQUENCE, parsed.before, inside, parsed.after)
    return der.write(der.SEQUENCE, der.write_oid("1.2.840.113549.1.7.2"), der.write(0xA0, signed))


def test_reassembling_changes_nothing(make: Make) -> None:
    token = make().token(DIGEST, NONCE)
    parsed = timestamp._parse(token)
    assert reassembled(parsed, list(parsed.certificates)) == token


def test_weak_keys_and_hashes(make: Make) -> None:
    weak = issue("Weak", ROOT, key=rsa.generate_private_key(65537, 1024), usage=TIMESTAMPING)
    with pytest.raises(SignatureError, match="RSA of 1024 bits"):
        timestamp.check(make(weak).token(DIGEST, NONCE), DIGEST, anchors(ROOT))
    with pytest.raises(SignatureError, match="not SHA-2"):
        timestamp.check(make(settings=(("signer_digest", "sha1"),)).token(DIGEST, NONCE), DIGEST, anchors(ROOT))
    strong = issue("Strong", ROOT, key=rsa.generate_private_key(65537, 2048), usage=TIMESTAMPING)
    timestamp.check(make(strong, settings=(("signer_digest", "sha512"),)).token(DIGEST, NONCE), DIGEST, anchors(ROOT))


@pytest.mark.parametrize(
    ("settings", "accuracy", "digits"),
    [
        ((("ess_cert_id_alg", "sha1"),), 1_500_007, 6),
        ((("ess_cert_id_alg", "sha512"), ("ess_cert_id_chain", "yes")), 1_500_007, 6),
        ((("accuracy", "millisecs:20"), ("clock_precision_digits", "3")), 20_000, 3),
        ((("accuracy", "secs:60"), ("clock_precision_digits", "0"), ("tsa_name", "no")), 60_000_000, 0),
        ((("ordering", "no"),), 1_500_007, 6),
    ],
)  # fmt: skip
def test_what_authorities_choose(make: Make, settings: tuple[tuple[str, str], ...], accuracy: int, digits: int) -> None:
    checked = timestamp.check(make(settings=settings).token(DIGEST, NONCE), DIGEST, anchors(ROOT), nonce=NONCE)
    assert checked.accuracy == accuracy
    assert checked.gen_time[20 + digits : 26] == "0" * (6 - digits)


def test_a_refusal(make: Make) -> None:
    """SHA-512 asked for where the authority takes SHA-256 only."""
    answer = make(settings=(("digests", "sha256"),)).answer(timestamp.format_request(bytes(64), NONCE))
    with pytest.raises(SignatureError, match="gave no token, status 2"):
        timestamp.parse_response(answer)


def test_a_token_with_a_refusal_is_a_refusal(make: Make) -> None:
    token = make().token(DIGEST, NONCE)
    for status, given in ((0, True), (1, True), (2, False), (4, False), (5, False)):
        answer = der.write(der.SEQUENCE, der.write(der.SEQUENCE, der.write_integer(status)), token)
        if given:
            assert timestamp.parse_response(answer) == token
        else:
            with pytest.raises(SignatureError, match=f"status {status}"):
                timestamp.parse_response(answer)


def test_a_signed_attribute_that_comes_twice(make: Make) -> None:
    """Which of two digests counts is a matter on which readers differ."""

    def doubled(element: der.Element, way: list[int]) -> bytes:
        inside = [child.octets for child in element.children()]
        at = way[0] if way[0] >= 0 else len(inside) + way[0]
        inside[at] = doubled(der.read(inside[at]), way[1:]) if way[1:] else inside[at] * 2
        return der.write(element.tag, *inside)

    token = make().token(DIGEST, NONCE)
    # ContentInfo, [0], SignedData, signerInfos, SignerInfo, signedAttrs, first attribute
    with pytest.raises(FormatError, match="comes twice"):
        timestamp.check(doubled(der.read(token), [1, 0, -1, 0, 3, 0]), DIGEST, anchors(ROOT))
    with pytest.raises(FormatError, match="2 elements where one belongs"):
        timestamp.check(doubled(der.read(token), [1, 0, -1, 0]), DIGEST, anchors(ROOT))


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\x30\x00", b"\x30\x03\x02\x01\x00"])
def test_answers_that_are_none(answer: bytes) -> None:
    with pytest.raises(FormatError):
        timestamp.parse_response(answer)


def test_certificates_from_pem_and_der() -> None:
    other = issue("Other").certificate
    assert timestamp.load_certificates(pem(ROOT.certificate, other)) == (ROOT.certificate, other)
    assert timestamp.load_certificates(other.public_bytes(Encoding.DER)) == (other,)
    for bad in (b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"-----BEGIN X-----"):
        with pytest.raises(FormatError):
            timestamp.load_certificates(bad)


def test_no_flipped_bit_passes_for_another_fact_and_only_our_errors_escape(make: Make) -> None:
    """A flip that passes (there are spots that nothing signs) must not change what was told."""
    token = make().token(DIGEST, NONCE)
    good = timestamp.check(token, DIGEST, anchors(ROOT))
    generator = random.Random(1)
    for _ in range(3_000):
        changed = bytearray(token)
        changed[generator.randrange(len(token))] ^= 1 << generator.randrange(8)
        with suppress(LedgerError):
            assert timestamp.check(bytes(changed), DIGEST, anchors(ROOT)) == good


def test_only_our_errors_escape_from_structures_put_together_wrongly(make: Make) -> None:
    """Elements dropped, doubled or replaced anywhere, with all the lengths around them made right again."""
    token = make(chain=(ROOT.certificate,)).token(DIGEST, NONCE)
    generator = random.Random(2)

    def mangle(octets: bytes, depth: int = 0) -> bytes:
        element = der.read(octets)
        inside = [child.octets for child in element.children()] if element.tag & 0x20 else []
        if not inside:
            return der.write(generator.choice((element.tag, 0x02, 0x30)), element.content[: generator.randrange(9)])
        at = generator.randrange(len(inside))
        if depth > 2 and generator.random() < 0.3:
            inside[at] = generator.choice((b"", inside[at] * 2, der.NULL, der.write(0x30)))
        else:
            inside[at] = mangle(inside[at], depth + 1)
        return der.write(element.tag, *inside)

    for _ in range(2_000):
        with suppress(LedgerError):
            timestamp.check(mangle(token), DIGEST, anchors(ROOT))
