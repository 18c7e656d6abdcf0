"""DKIM: published examples, signatures made here and changed one thing at a time, and what strangers may send."""

from __future__ import annotations

import base64
import re
from functools import cache
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from ledger import dkim, dkimkey, mime, relaxed
from ledger.dkim import Outcome, Signature, Unread
from ledger.dkimkey import Malformed
from ledger.errors import FormatError

LIMITS = mime.Limits()


def read(octets: bytes) -> tuple[bytes, mime.Header]:
    octets = mime.normalise(octets)
    return octets, mime.read_header(octets, 0, len(octets), LIMITS)


def check(octets: bytes, record: str, at: int | None = None, number: int = 0) -> Outcome:
    octets, header = read(octets)
    signature = dkim.signatures(header)[number]
    assert isinstance(signature, Signature), signature
    return dkim.check(octets, header, signature, record, at)


# -- published examples --------------------------------------------------------------------------------------------

RFC8463 = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""
BRISBANE = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
TEST = (
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16"
    "JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l"
    "/K4w3QIDAQAB"
)


def test_the_example_of_rfc_8463() -> None:
    passed = Outcome("pass", "verified", "the signature and the body hash verify")
    assert check(RFC8463, BRISBANE) == check(RFC8463, TEST, 1528637909, 1) == passed
    assert check(RFC8463, BRISBANE, number=1).reason == check(RFC8463, TEST).reason == "key-unfit"
    first, second = dkim.signatures(read(RFC8463)[1])
    assert isinstance(first, Signature) and isinstance(second, Signature)
    assert (first.query, second.query) == (
        "brisbane._domainkey.football.example.com", "test._domainkey.football.example.com",
    )  # fmt: skip
    assert first.names == ("from", "to", "subject", "date", "message-id", "from", "subject", "date")
    assert (first.signed_at, first.expires_at, first.length, first.identity) == (
        1528637909, None, None, "@football.example.com",
    )  # fmt: skip


def test_no_octet_of_the_example_can_change_unnoticed() -> None:
    whole = mime.normalise(RFC8463)
    other = range(whole.index(b"DKIM-Signature: v=1; a=rsa"), whole.index(b"From:"))
    for at in range(len(whole)):
        changed = whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :]
        octets, header = read(changed)
        statuses = [
            dkim.check(octets, header, found, BRISBANE, None).status
            for found in dkim.signatures(header)
            if isinstance(found, Signature)
        ]
        assert "pass" not in statuses or at in other, (at, changed[at - 9 : at + 9])


EXAMPLE = b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"


def test_the_canonical_forms_of_rfc_6376_section_3_4() -> None:
    octets, header = read(EXAMPLE)
    assert [relaxed.field(*each) for each in header.fields] == [b"a:X\r\n", b"b:Y Z\r\n"]
    assert b"".join(relaxed.body(octets, header.end)) == b" C\r\nD E\r\n"
    assert list(dkim._raw(octets, header)) == [b"A: X\r\n", b"B : Y\t\r\n\tZ  \r\n"]
    assert b"".join(dkim._simple_body(octets, header.end)) == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n\r\n"])
def test_the_hashes_of_an_empty_body_in_rfc_6376(body: bytes) -> None:
    simple = sha256(b"".join(dkim._simple_body(body, 0))).digest()
    assert base64.b64encode(simple) == b"frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="
    assert (
        base64.b64encode(bytes.fromhex(relaxed.body_hash(body, 0))) == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    )


# -- a signer, written for short messages ----------------------------------------------------------------------------


@cache
def rsa_key(bits: int = 1024) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


ED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def record(key: rsa.RSAPrivateKey | Ed25519PrivateKey, tags: str = "v=DKIM1; ") -> str:
    if isinstance(key, Ed25519PrivateKey):
        return f"{tags}k=ed25519; p={base64.b64encode(key.public_key().public_bytes_raw()).decode()}"
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"{tags}p={base64.b64encode(spki).decode()}"


def sign(
    fields: list[bytes], body: bytes, *, c: str = "relaxed/relaxed", h: str = "from:subject", extra: str = "",
    key: rsa.RSAPrivateKey | Ed25519PrivateKey = ED, a: str = "ed25519-sha256", end: bytes = b"",
) -> bytes:  # fmt: skip
    """A message signed as RFC 6376 section 3.7 says, by regular expressions. ``fields`` without line ends."""
    header_form, _, body_form = c.partition("/")

    def field(octets: bytes) -> bytes:
        if header_form == "simple":
            return octets
        name, _, value = octets.partition(b":")
        value = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")
        return name.lower().rstrip(b" \t") + b":" + value

    text = body
    if body_form == "relaxed":
        text = re.sub(rb"[ \t]+", b" ", re.sub(rb"[ \t]+(?=\r\n|\Z)", b"", text))
    text = re.sub(rb"(\r\n)*\Z", b"", text) + b"\r\n"
    if text == b"\r\n" and body_form == "relaxed":
        text = b""
    if found := re.search(r"l=([0-9]+)", extra):
        text = text[: int(found[1])]
    bh = base64.b64encode(sha256(text).digest()).decode()
    own = f"DKIM-Signature: v=1; a={a}; c={c}; d=example.org; s=sel;{extra}\r\n h={h}; bh={bh}; b=".encode()
    waiting = list(reversed(fields))
    data = b""
    for name in h.split(":"):
        for each in waiting:
            if each.partition(b":")[0].rstrip().lower() == name.strip().lower().encode():
                waiting.remove(each)
                data += field(each) + b"\r\n"
                break
    data += field(own + end.lstrip(b" \t"))
    digest = sha256(data).digest()
    signature = key.sign(digest) if isinstance(key, Ed25519PrivateKey) else key.sign(data, PKCS1v15(), SHA256())
    lines = [own + base64.b64encode(signature) + end, *fields, b"", body]
    return b"\r\n".join(lines)


FIELDS = [b"Received: 1", b"From: a@example.org", b"To:  b@example.com", b"SUBJECT:  one \r\n\ttwo ", b"X: y"]
BODY = b"Hello  there \r\n\r\n\tagain\r\n\r\n"


@pytest.mark.parametrize(
    "c", ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed", "relaxed", "simple"]
)
@pytest.mark.parametrize("end", [b"", b";", b" \t; x_y=z", b";\r\n t=1"])
def test_every_form(c: str, end: bytes) -> None:
    assert check(sign(FIELDS, BODY, c=c, end=end), record(ED)).status == "pass"
    rsa_signed = sign(FIELDS, BODY, c=c, end=end, key=rsa_key(), a="rsa-sha256")
    assert check(rsa_signed, record(rsa_key())).status == "pass"
    assert check(rsa_signed, record(rsa_key(2048))).reason == "signature"
    assert check(rsa_signed + b"x", record(rsa_key())).reason == "body-hash"


def test_an_rsa_key_as_the_rfc_has_it() -> None:
    pkcs1 = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    signed = sign(FIELDS, BODY, key=rsa_key(), a="rsa-sha256")
    assert check(signed, f"p={base64.b64encode(pkcs1).decode()}").status == "pass"


@pytest.mark.parametrize(
    ("c", "old", "new", "expected"),
    [
        ("relaxed/relaxed", b"From: a", b"from :\r\n   a", "verified"),
        ("relaxed/relaxed", b"one \r\n\ttwo ", b"one two", "verified"),
        ("relaxed/relaxed", b"Hello  there \r\n", b"Hello there\r\n", "verified"),
        ("relaxed/relaxed", b"again\r\n\r\n", b"again", "verified"),
        ("relaxed/relaxed", b"again\r\n\r\n", b"again\r\n\r\n \t\r\n\r\n", "verified"),
        ("relaxed/relaxed", b"To:  b", b"To: c", "verified"),  # never signed
        ("relaxed/relaxed", b"one \r\n", b"on e \r\n", "signature"),
        ("relaxed/relaxed", b"\tagain", b"again", "body-hash"),
        ("relaxed/relaxed", b"\r\n\r\n\tagain", b"\r\n\tagain", "body-hash"),
        ("simple/simple", b"From: a", b"from: a", "signature"),
        ("simple/simple", b"one \r\n\ttwo ", b"one \r\n two ", "signature"),
        ("simple/simple", b"Hello  there", b"Hello there", "body-hash"),
        ("simple/simple", b"again\r\n\r\n", b"again", "verified"),
        ("simple/simple", b"again\r\n\r\n", b"again\r\n \r\n", "body-hash"),
        ("simple/simple", b"; d=", b";  d=", "signature"),
        ("relaxed/relaxed", b"; d=", b";\r\n  d=", "verified"),
        ("relaxed/simple", b"; c=relaxed/simple", b"; c=relaxed/relaxed", "signature"),
    ],
)
def test_what_each_form_lets_change(c: str, old: bytes, new: bytes, expected: str) -> None:
    signed = sign(FIELDS, BODY, c=c)
    assert signed.count(old) == 1
    assert check(signed.replace(old, new), record(ED)).reason == expected


def test_white_space_in_and_around_the_signature_itself_is_not_signed() -> None:
    for c in ("simple/simple", "relaxed/relaxed"):
        signed = sign(FIELDS, BODY, c=c, end=b"; z=")
        folded = re.sub(
            rb" b=(.*?); z=", lambda m: b" b=\r\n  " + m[1][:9] + b"\r\n\t" + m[1][9:] + b" \r\n ; z=", signed
        )
        assert folded != signed
        assert check(folded, record(ED)).status == "pass"


# -- which fields are signed -----------------------------------------------------------------------------------------


def test_repeated_fields_are_taken_from_the_bottom() -> None:
    fields = [b"From: a", b"Received: 1", b"Received: 2", b"Received: 3"]
    signed = sign(fields, b"x", h="Received:from:received")
    assert check(signed, record(ED)).status == "pass"
    assert check(signed.replace(b"Received: 1", b"Received: 0"), record(ED)).status == "pass"
    assert check(signed.replace(b"Received: 2", b"Received: 0"), record(ED)).reason == "signature"
    swapped = signed.replace(b"Received: 2\r\nReceived: 3", b"Received: 3\r\nReceived: 2")
    assert check(swapped, record(ED)).reason == "signature"
    assert check(signed.replace(b"From: a", b"Received: 0\r\nFrom: a"), record(ED)).status == "pass"


def test_a_name_too_many_forbids_a_further_field() -> None:
    signed = sign(FIELDS, b"x", h="from:from:x-none")
    assert check(signed, record(ED)).status == "pass"
    for added in (b"From: other", b"X-None: other"):
        assert check(signed.replace(b"Received: 1", added), record(ED)).reason == "signature"


@pytest.mark.parametrize("added", [b"From: other", b"Subject: other", b"SUBJECT : other"])
def test_a_second_field_beside_the_signed_one_is_no_plain_pass(added: bytes) -> None:
    signed = sign(FIELDS, b"x")
    assert check(signed.replace(b"Received: 1", added), record(ED)).reason == "extra-field"
    assert check(signed.replace(b"X: y", added), record(ED)).reason == "signature"
    assert check(signed.replace(b"Received: 1", b"To: other"), record(ED)).status == "pass"  # To is not signed at all


def test_a_signature_may_sign_another_but_never_itself() -> None:
    first = sign(FIELDS, b"x").partition(b"\r\nReceived")[0]
    again = sign([first, *FIELDS], b"x", h="from:dkim-signature:dkim-signature")
    assert [check(again, record(ED), number=number).status for number in (0, 1)] == ["pass", "pass"]
    assert (
        check(again.replace(b"s=sel;\r\n h=from:subject;", b"s=sel2;\r\n h=from:subject;"), record(ED)).reason
        == "signature"
    )


def test_fields_before_and_after_the_usual_ones() -> None:
    signed = sign(FIELDS, b"x", c="simple/simple")
    assert check(b"\xef\xbb\xbf" + signed, record(ED)).status == "pass"
    assert check(b"From a@b Mon 10:00\r\n" + signed, record(ED)).status == "pass"
    no_body = sign([b"Subject: x", b"From: a"], b"", c="simple/simple").removesuffix(b"\r\n\r\n")
    assert no_body.endswith(b"From: a")
    assert check(no_body, record(ED)).status == "pass"


@pytest.mark.parametrize("instead", [b"\r\n", b"\r\n \r\n"])
def test_a_header_without_its_empty_line_is_no_plain_pass(instead: bytes) -> None:
    """What we take for the body is the one that was signed; another reader may not."""
    signed = sign([b"From: a", b"Subject: x"], b"Hello there\r\n")
    assert check(signed.replace(b"\r\n\r\n", instead), record(ED)).reason == "header-cut"


# -- l= --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", ["relaxed/relaxed", "relaxed/simple"])
def test_a_signature_that_leaves_some_of_the_body_unsigned_is_no_plain_pass(c: str) -> None:
    body = b"one two\r\n"
    for length, appended, expected in (
        (9, b"", "verified"), (9, b"x\r\n", "partial-body"), (3, b"", "partial-body"), (0, b"", "partial-body"),
        (9, b"\r\n", "verified"), (10, b"", "body-length"),
    ):  # fmt: skip
        signed = sign(FIELDS, body, c=c, extra=f" l={length};")
        assert check(signed + appended, record(ED)).reason == expected
    assert check(sign(FIELDS, body, extra=" l=9;").replace(b"one two", b"one too"), record(ED)).reason == "body-hash"
    assert check(sign(FIELDS, body, extra=" l=9;").replace(b"two\r\n", b""), record(ED)).reason == "body-length"
    partial = check(signed[:-2] + b"x\r\n", record(ED))
    assert partial.status != "pass"


# -- times, identities, keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "at", "expected"),
    [
        (" t=1000; x=2000;", None, "verified"),
        (" t=1000; x=2000;", 1500, "verified"),
        (" t=1000; x=2000;", 2000, "verified"),
        (" t=1000; x=2000;", 2001, "expired"),
        (" x=2000;", 10**12, "expired"),
        (" t=10000;", 10000 - dkim.CLOCKS, "verified"),
        (" t=10000;", 10000 - dkim.CLOCKS - 1, "future"),
        (" i=@example.org;", None, "verified"),
        (" i=a=40b@sub.EXAMPLE.org;", None, "verified"),
        (" i=ü@example.org;", None, "verified"),
        (" i=a@example.com;", None, "identity"),
        (" i=a@notexample.org;", None, "identity"),
        (" i=a@org.x;", None, "identity"),
        (" q=dns/txt:other;", None, "verified"),
        (" z=From:a=20b;", None, "verified"),
    ],
)
def test_times_and_identities(extra: str, at: int | None, expected: str) -> None:
    assert check(sign(FIELDS, BODY, extra=extra), record(ED), at).reason == expected


def test_a_strict_key_signs_for_its_domain_alone() -> None:
    strict = record(ED, "v=DKIM1; t=s; ")
    assert check(sign(FIELDS, BODY, extra=" i=a@example.org;"), strict).reason == "verified"
    assert check(sign(FIELDS, BODY, extra=" i=a@sub.example.org;"), strict).reason == "identity"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", "verified"),
        ("v=DKIM1;", "verified"),
        ("v=DKIM1; n=some notes; x=unknown; h=sha1:sha256; s=*; t=unknown;", "verified"),
        ("s=other : email;", "verified"),
        ("s=tlsrpt;", "key-unfit"),
        ("h=sha1;", "key-unfit"),
        ("t=y:s;", "testing"),
        ("v=DKIM2;", "key-malformed"),
        ("n=x; v=DKIM1;", "key-malformed"),
        ("v=dkim1;", "key-malformed"),
        ("p=;", "key-malformed"),  # twice
        ("s=;", "key-malformed"),
        ("x;", "key-malformed"),
        (";", "key-malformed"),
        ("n=\x00;", "key-malformed"),
        ("n=é;", "key-malformed"),
        ("n=" + "x" * dkimkey.MAX_RECORD + ";", "key-malformed"),
    ],
)
def test_key_records(tags: str, expected: str) -> None:
    assert check(sign(FIELDS, BODY), record(ED, tags)).reason == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "key-malformed"),
        ("v=DKIM1", "key-malformed"),
        ("v=DKIM1; p=", "key-revoked"),
        ("v=DKIM1; k=ed25519; p=", "key-revoked"),
        ("k=rsa; p=AAAA", "key-malformed"),
        ("k=ed25519; p=AAAA", "key-malformed"),
        ("k=x; p=AAAA", "key-malformed"),
        ("k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo", "key-malformed"),
        ("k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUR*=", "key-malformed"),
        (BRISBANE, "signature"),
        (TEST, "key-unfit"),
    ],
)
def test_other_key_records(text: str, expected: str) -> None:
    outcome = check(sign(FIELDS, BODY), text)
    assert (outcome.reason, outcome.status) == (expected, "fail" if expected == "signature" else "permerror")


def public(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | dsa.DSAPublicKey | x25519.X25519PublicKey) -> str:
    return f"p={base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()}"


def test_algorithms_and_keys_that_prove_nothing() -> None:
    signed = sign(FIELDS, BODY, key=rsa_key(), a="rsa-sha256")
    for a in ("rsa-sha1", "rsa-sha512", "x-y"):
        assert check(sign(FIELDS, BODY, key=rsa_key(), a=a), record(rsa_key())).reason == "algorithm"
    weak = rsa.RSAPublicNumbers(65537, (1 << 1022) + 1).public_key()
    assert check(signed, public(weak)).reason == "key-weak"
    assert check(signed, public(rsa.RSAPublicNumbers(65537, (1 << 8192) + 1).public_key())).reason == "key-malformed"
    # With an exponent of 1 everybody could sign: 3006 is a SEQUENCE, of two INTEGERs
    assert check(signed, "p=" + base64.b64encode(bytes.fromhex("3006020105020101")).decode()).reason == "key-malformed"


def test_other_kinds_of_keys_are_not_even_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are loaded with a warning, and the next release of the library may know others."""
    monkeypatch.setattr(dkimkey, "load_der_public_key", None)
    for other in (
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        dsa.generate_private_key(1024).public_key(),
        x25519.X25519PrivateKey.generate().public_key(),
    ):
        assert check(sign(FIELDS, BODY), public(other)).reason == "key-malformed"


@given(st.integers(0, 161), st.integers(0, 255), st.binary(max_size=300))
def test_a_damaged_key_is_malformed_or_verifies_nothing(at: int, octet: int, signature: bytes) -> None:
    spki = bytearray(base64.b64decode(TEST.partition("p=")[2]))
    spki[at] ^= octet
    try:
        key = dkimkey.parse(f"p={base64.b64encode(spki).decode()}")
    except Malformed:
        return
    assert key.verifies(signature, bytes(32)) is False


def test_a_signature_belongs_to_its_message() -> None:
    _, header = read(sign(FIELDS, BODY))
    other, other_header = read(sign(FIELDS, BODY, extra=" t=1;"))
    (signature,) = dkim.signatures(header)
    assert isinstance(signature, Signature)
    with pytest.raises(Malformed, match="another message"):
        dkim.check(other, other_header, signature, record(ED), None)
    with pytest.raises(Malformed, match="another message"):
        dkim.check(*read(b"A: b\r\n\r\n"), signature, record(ED), None)


# -- parsing ---------------------------------------------------------------------------------------------------------

TAGS = {"v": "1", "a": "rsa-sha256", "d": "example.org", "s": "sel", "h": "from", "bh": "AAAA", "b": "AAAA"}


def parse(**tags: str | None) -> Signature:
    given = {name: value for name, value in (TAGS | tags).items() if value is not None}
    return dkim.parse(("; ".join(f"{name}={value}" for name, value in given.items())).encode(), 0)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        *(({name: None}, f"without {name}=") for name in TAGS),
        ({"v": "2"}, "version"), ({"v": ""}, "version"),
        ({"q": "dns"}, "not in the DNS"), ({"q": ""}, "not in the DNS"),
        ({"a": "rsa"}, "a="), ({"a": ""}, "a="), ({"a": "rsa-sha256 x"}, "a="), ({"c": "Simple"}, "canonicalisation"),
        ({"c": "simple/x"}, "canonicalisation"), ({"c": "simple/simple/simple"}, "canonicalisation"),
        ({"c": ""}, "canonicalisation"), ({"c": "relaxed/"}, "canonicalisation"),
        ({"d": "org"}, "d="), ({"d": ".org"}, "d="), ({"d": "a..b"}, "d="), ({"d": "a.b."}, "d="),
        ({"d": "ä.org"}, "d="), ({"d": "-a.b"}, "d="), ({"d": "a.b c"}, "d="), ({"d": "a" * 64 + ".b"}, "d="),
        ({"d": "a." * 120 + "a"}, "no name"), ({"s": ""}, "s="), ({"s": "a b"}, "s="), ({"s": "a/b"}, "s="),
        ({"h": ""}, "field names"), ({"h": "to"}, "From"),
        ({"h": "from:"}, "field names"), ({"h": "from:a b"}, "field names"),
        ({"h": "from" + ":a" * dkim.MAX_NAMES}, "more than 256"),
        ({"i": "a"}, "i="), ({"i": "@"}, "i="), ({"i": "a@b"}, "i="), ({"i": ""}, "i="),
        ({"l": ""}, "l="), ({"l": "-1"}, "l="), ({"l": "1" * 77}, "l="), ({"l": "٣"}, "l="),
        ({"t": "1.0"}, "t="), ({"t": "1" * 13}, "t="), ({"x": "a"}, "x="), ({"t": "5", "x": "5"}, "before it was made"),
        ({"bh": "A"}, "base64"), ({"bh": "A*AA"}, "base64"), ({"b": "AAA"}, "base64"), ({"b": "AA==AA=="}, "base64"),
        ({"y": "\x7f"}, "name=value"), ({"y": "a\rb"}, "name=value"), ({"1y": "a"}, "name=value"),
        ({"y-z": "a"}, "name=value"), ({"y": ";;"}, "name=value"), ({"y": "x" * dkimkey.MAX_LIST}, "octets, limit"),
        ({"y": "; v=1"}, "same tag twice"), ({f"y{n}": "" for n in range(dkimkey.MAX_TAGS)}, "more than 100"),
    ],
)  # fmt: skip
def test_what_is_no_signature(tags: dict[str, str | None], message: str) -> None:
    with pytest.raises(Malformed, match=message):
        parse(**tags)


def test_what_is_one() -> None:
    found = parse(d="Example.ORG", s="A.b_c", i="J@x.EXAMPLE.org", h=" From : TO\t:\r\n x", l="0" * 75 + "7")
    assert found == Signature(
        0, "rsa-sha256", "example.org", "a.b_c", "J@x.example.org", "simple", "simple", ("from", "to", "x"),
        7, None, None, bytes(3), bytes(3),
    )  # fmt: skip
    assert parse(b=" A\r\n A\tA A ;  \r\n").signature == bytes(3)
    assert (parse(c="relaxed").header_form, parse(c="relaxed").body_form) == ("relaxed", "simple")


values = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=";"), max_size=9)
space = st.sampled_from([b"", b" ", b"\t", b"\r\n ", b" \r\n\t", b"  "])


@given(st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True), values, min_size=1), st.data())
def test_tag_lists_there_and_back(tags: dict[str, str], data: st.DataObject) -> None:
    text = b";".join(
        data.draw(space)
        + name.encode()
        + data.draw(space)
        + b"="
        + data.draw(space)
        + value.encode()
        + data.draw(space)
        for name, value in tags.items()
    )
    expected = {name: value.encode() for name, value in tags.items()}
    assert dkimkey.tags(text) == dkimkey.tags(text + b";") == dkimkey.tags(text + b"; \r\n") == expected


@given(st.binary(max_size=60) | st.text("v=1;kpnts: \t\r\nA", max_size=60).map(str.encode))
def test_any_octets_are_tags_or_malformed(octets: bytes) -> None:
    said = []
    for parser in (dkimkey.tags, lambda text: dkim.parse(text, 0), lambda text: dkimkey.parse(text.decode("latin-1"))):
        try:
            parser(octets)
        except Malformed as error:
            said.append(str(error))
    assert issubclass(Malformed, FormatError)
    assert all(line.isascii() and line.isprintable() for line in said)


# -- limits ----------------------------------------------------------------------------------------------------------


def test_one_bad_signature_hides_no_other() -> None:
    good = sign(FIELDS, BODY)
    octets, header = read(b"DKIM-Signature: x\r\ndkim-signature : \xff=1\r\n" + good)
    first, second, third = dkim.signatures(header)
    assert (first, second) == (Unread(0, "a tag list with something else than name=value"), Unread(1, first.line))
    assert isinstance(third, Signature)
    assert dkim.check(octets, header, third, record(ED), None).status == "pass"


def test_more_signatures_than_are_looked_at() -> None:
    _, header = read(b"DKIM-Signature: x\r\n" * 20 + sign(FIELDS, BODY))
    *read_ones, last = dkim.signatures(header)
    assert len(read_ones) == dkim.MAX_SIGNATURES
    assert last == Unread(16, "more than 16 signatures, the rest not read")


def test_fields_that_are_kept() -> None:
    names = [b"DKIM-Signature", b"ARC-Seal", b"Arc-Message-SIGNATURE", b"ARC-Authentication-Results",
             b"DKIM2-Signature", b"Message-Instance"]  # fmt: skip
    octets, header = read(
        b"A: b\r\n" + b"".join(b"%s : %d\r\n x\r\nB: c\r\n" % (name, n) for n, name in enumerate(names))
    )
    kept = dkim.kept(octets, header)
    assert kept.left_out == 0
    assert [(field.name, field.octets) for field in kept.fields] == [
        (name.decode().lower(), b"%s : %d\r\n x\r\n" % (name, n)) for n, name in enumerate(names)
    ]


def test_fields_beyond_the_limits_are_counted() -> None:
    kept = dkim.kept(*read(b"ARC-Seal: x\r\n" * 70))
    assert (len(kept.fields), kept.left_out) == (dkim.MAX_KEPT, 6)
    kept = dkim.kept(*read(b"ARC-Seal: x\r\n" + (b"ARC-Seal: " + b"x" * 30_000 + b"\r\n") * 3 + b"ARC-Seal: x\r\n"))
    assert (len(kept.fields), kept.left_out) == (3, 2)
    assert sum(len(field.octets) for field in kept.fields) <= dkim.MAX_KEPT_OCTETS
