"""What a timestamp says of itself (TSTInfo), taken apart without any authority."""

from __future__ import annotations

import hashlib

import pytest

from ledger import der, timestamp
from ledger.errors import FormatError, SignatureError

DIGEST = hashlib.sha256(b"checkpoint").digest()
POLICY = "1.3.6.1.4.1.99999.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260101000000Z", "2026-01-01T00:00:00.000000Z"),
        ("20260101000000.5Z", "2026-01-01T00:00:00.500000Z"),
        ("20260101235959.1234569Z", "2026-01-01T23:59:59.123456Z"),
        ("20260101000000.50Z", None), ("20260101000000.Z", None), ("20260101000000", None), ("202601010000Z", None),
        ("20260101000000+0100", None), ("20260230000000Z", None), ("20260101240000Z", None), ("20260101000060Z", None),
        ("00000101000000Z", None), ("\u06620260101000000Z", None), ("20260101000000Z\n", None),
    ],
)  # fmt: skip
def test_times(text: str, expected: str | None) -> None:
    if expected is not None:
        assert timestamp._parse_time(text.encode())[0] == expected
    else:
        with pytest.raises(FormatError):
            timestamp._parse_time(text.encode())


def test_a_critical_extension_is_not_passed_over() -> None:
    base = [
        der.write_integer(1), der.write_oid(POLICY),
        der.write(0x30, der.write(0x30, der.write_oid("2.16.840.1.101.3.4.2.1"), der.NULL), der.write(0x04, DIGEST)),
        der.write_integer(7), der.write(0x18, b"20260101000000Z"),
    ]  # fmt: skip
    plain = timestamp._parse_told(der.write(0x30, *base))
    assert (plain.accuracy, plain.nonce) == (None, None)
    assert plain.imprint == ("2.16.840.1.101.3.4.2.1", DIGEST)
    with pytest.raises(FormatError, match="another version"):
        timestamp._parse_told(der.write(0x30, der.write_integer(2), *base[1:]))
    extension = der.write(0x30, der.write_oid("1.2.3"), der.write(0x04, b"x"))
    assert timestamp._parse_told(der.write(0x30, *base, der.write(0xA1, extension))) == plain
    critical = der.write(0x30, der.write_oid("1.2.3"), der.write(0x01, b"\xff"), der.write(0x04, b"x"))
    with pytest.raises(SignatureError, match="critical extension"):
        timestamp._parse_told(der.write(0x30, *base, der.write(0xA1, critical)))
    for accuracy in (der.write(0x80, b"\x03\xe8"), der.write_integer(-1), der.write(0x81, b"\xff")):
        with pytest.raises(FormatError, match="accuracy"):
            timestamp._parse_told(der.write(0x30, *base, der.write(0x30, accuracy)))
