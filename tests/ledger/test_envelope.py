"""Who sent it and to whom: as given on the wire, or as the headers declare."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import envelope
from ledger.envelope import MAX_ADDRESS, MAX_RECIPIENTS
from ledger.errors import FormatError


def message(*fields: str) -> bytes:
    return "\r\n".join([*fields, "", "body"]).encode()


@pytest.mark.parametrize(
    "address",
    ["a@b", "a.b+c@example.com", '"a b"@example.com', "ö@bücher.example", "a@[192.0.2.1]", "a@b@c", "x" * 64 + "@y"],
)
def test_addresses(address: str) -> None:
    envelope.check_address(address)


@pytest.mark.parametrize(
    "address",
    ["", "@", "a", "a@", "@b", "a@b c", "a\n@b", "a@b\r\n", "a\0@b", "a\x7f@b", "\ud800@b", "x" * 320 + "@b"],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(FormatError) as caught:
        envelope.check_address(address)
    assert len(address) < 5 or address not in str(caught.value)


def test_length_is_counted_in_octets() -> None:
    envelope.check_address("ö" * 100 + "@" + "b" * (MAX_ADDRESS - 201))
    with pytest.raises(FormatError):
        envelope.check_address("ö" * 100 + "@" + "b" * (MAX_ADDRESS - 200))


def test_given() -> None:
    sent = envelope.given("a@x", ["b@Example.com", "c@example.com", "b@EXAMPLE.com", "B@example.com"])
    # The host may tell B from b, and nobody tells Example.com from example.com; the first spelling stays.
    assert sent.rcpt_to == ("b@Example.com", "c@example.com", "B@example.com")
    assert not sent.declared and sent.mail_from == "a@x"
    assert envelope.given("", ["a@b"]).mail_from == ""


def test_an_envelope_that_cannot_be() -> None:
    for mail_from, rcpt_to in [("a", ["b@c"]), ("a@b", []), ("a@b", ["c"]), ("a@b", ["c@d", ""])]:
        with pytest.raises(FormatError):
            envelope.given(mail_from, rcpt_to)
    many = [f"r{k}@x" for k in range(MAX_RECIPIENTS + 1)]
    envelope.given("a@b", many[1:])
    with pytest.raises(FormatError, match=str(MAX_RECIPIENTS)):
        envelope.given("a@b", many)


def test_declared() -> None:
    sent = envelope.declared(
        message(
            "Return-Path: <bounces@example.org>",
            "From: Jo <jo@example.org>",
            'To: Ann <ann@example.com>, "B, Bo" <bo@example.com>',
            "Cc: ann@EXAMPLE.com, nobody",
            "Bcc: hidden@example.com",
        )
    )
    assert sent.declared
    assert sent.mail_from == "bounces@example.org"
    assert sent.rcpt_to == ("ann@example.com", "bo@example.com", "hidden@example.com")


def test_declared_sender() -> None:
    assert envelope.declared(message("Sender: s@x", "From: f@x", "To: a@b")).mail_from == "s@x"
    assert envelope.declared(message("From: f@x", "To: a@b")).mail_from == "f@x"
    assert envelope.declared(message("To: a@b")).mail_from == ""


@pytest.mark.parametrize("fields", [["From: a@b"], ["To: undisclosed-recipients:;"], ["To: "], []])
def test_declared_without_recipients(fields: list[str]) -> None:
    with pytest.raises(FormatError, match="recipient"):
        envelope.declared(message(*fields))


def test_the_body_declares_nothing() -> None:
    with pytest.raises(FormatError):
        envelope.declared(b"From: a@b\r\n\r\nTo: c@d\r\n")


def test_an_encoded_word_spells_no_address() -> None:
    octets = message("From: a@b", "To: =?utf-8?q?evil=40example=2Ecom?= <real@example.com>")
    assert envelope.declared(octets).rcpt_to == ("real@example.com",)


def test_roles() -> None:
    octets = message("To: a@x", "Cc: b@x, a@X", "Bcc: c@x")
    sent = envelope.given("s@x", ["c@x", "b@X", "a@x", "d@x", "A@x"])
    assert envelope.roles(octets, sent) == ["bcc", "cc", "to", "bcc", "bcc"]


def test_comments_nested_without_end() -> None:
    for octets in (message("To: " + "(" * 50_000 + "a@b"), message("To: a@b " + "(" * 50_000)):
        with contextlib.suppress(FormatError):
            envelope.declared(octets)


@given(st.binary(max_size=300))
def test_any_octets_give_an_envelope_or_say_why_not(octets: bytes) -> None:
    try:
        sent = envelope.declared(b"To: " + octets)
    except FormatError:
        return
    assert envelope.given(sent.mail_from, sent.rcpt_to).rcpt_to == sent.rcpt_to
    assert len(envelope.roles(b"To: " + octets, sent)) == len(sent.rcpt_to)


@given(st.emails(), st.emails())
def test_comparable(one: str, two: str) -> None:
    assert envelope.comparable(envelope.comparable(one)) == envelope.comparable(one)
    local, _, domain = one.rpartition("@")
    assert envelope.comparable(f"{local}@{domain.upper()}") == envelope.comparable(one)
