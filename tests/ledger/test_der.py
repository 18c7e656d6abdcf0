"""The DER that timestamps need: there and back, and every other spelling refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from ledger import der
from ledger.errors import FormatError


@given(st.integers(-(2**200), 2**200))
def test_integers(value: int) -> None:
    octets = der.write_integer(value)
    assert der.read_integer(der.read(octets)) == value


@pytest.mark.parametrize(
    ("value", "octets"),
    [(0, "020100"), (127, "02017f"), (128, "02020080"), (-1, "0201ff"), (-128, "020180"), (-129, "0202ff7f")],
)
def test_integers_of_x690(value: int, octets: str) -> None:
    assert der.write_integer(value).hex() == octets


@pytest.mark.parametrize("octets", ["0200", "02020001", "0202007f", "0202ff80", "0202ffff"])
def test_integers_in_another_spelling(octets: str) -> None:
    with pytest.raises(FormatError):
        der.read_integer(der.read(bytes.fromhex(octets)))


@given(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 2**70), max_size=6))
def test_object_identifiers(first: int, second: int, rest: list[int]) -> None:
    dotted = ".".join(map(str, (first, second, *rest)))
    assert der.read_oid(der.read(der.write_oid(dotted))) == dotted


def test_object_identifiers_beyond_2_39_and_as_cryptography_writes_them() -> None:
    assert der.write_oid("2.999.3").hex() == "0603883703"
    assert der.read_oid(der.read(bytes.fromhex("0603883703"))) == "2.999.3"
    name = x509.Name([x509.NameAttribute(x509.ObjectIdentifier("1.3.6.1.4.1.311.60.2.1.3"), "DE")])
    assert der.write_oid("1.3.6.1.4.1.311.60.2.1.3") in name.public_bytes()


@pytest.mark.parametrize("octets", ["0600", "060180", "06028001", "060481348001", "060181", "020101"])
def test_object_identifiers_in_another_spelling(octets: str) -> None:
    with pytest.raises(FormatError):
        der.read_oid(der.read(bytes.fromhex(octets)))


@pytest.mark.parametrize("dotted", ["", "1", "1.40", "3.1", "1.02", "1..2", "1.-2", "1.x", "1.\u0662", " 1.2"])
def test_dotted_forms_that_are_none(dotted: str) -> None:
    with pytest.raises(FormatError):
        der.write_oid(dotted)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_lengths(size: int) -> None:
    octets = der.write(der.OCTET_STRING, bytes(size))
    assert der.read(octets) == der.Element(der.OCTET_STRING, bytes(size), octets)


@pytest.mark.parametrize(
    "octets",
    [
        "", "04", "0401", "0402aa", "0480aa0000", "048101aa", "04820001aa", "0485000000000100", "1f0100", "0401aabb",
        "0481", "048200", "04ff", "0484ffffffff", "04820080" + "aa" * 128,
    ],
)  # fmt: skip
def test_lengths_and_tags_in_another_spelling(octets: str) -> None:
    with pytest.raises(FormatError):
        der.read(bytes.fromhex(octets))


def test_fields_are_taken_in_order() -> None:
    octets = der.write(der.SEQUENCE, der.write_integer(1), der.NULL, der.write_oid("1.2"))
    fields = der.Fields(der.read(octets))
    assert fields.take_if(der.SEQUENCE) is None
    assert der.read_integer(fields.take(der.INTEGER)) == 1
    with pytest.raises(FormatError, match="no element with tag 0x30"):
        fields.take(der.SEQUENCE)
    with pytest.raises(FormatError, match="0x05 too many"):
        fields.end()
    assert fields.take(0x05).content == b""
    assert der.read_oid(fields.take(der.OBJECT_IDENTIFIER)) == "1.2"
    fields.end()
    assert fields.take_if(der.INTEGER) is None
    with pytest.raises(FormatError, match="0x30 where 0x31 belongs"):
        der.Fields(der.read(octets), der.SET)


@given(st.binary())
def test_whatever_is_read_has_one_spelling(octets: bytes) -> None:
    with suppress(FormatError):
        element = der.read(octets)
        assert der.write(element.tag, element.content) == octets
        list(element.children())
