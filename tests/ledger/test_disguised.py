"""Copies that are made to look like what was recorded, and say something else."""

from __future__ import annotations

import time

import pytest

from ledger import match, mime, originals
from ledger.differs import ADDITIONS, DIFFERENT, LEVELS, LINKS, MISSING, REENCODED, TRANSPORT
from ledger.sides import Copy
from tests.ledger.test_match import MAIL

PLAIN = (
    b"From: Anna <anna@example.com>\r\nTo: bob@one.example\r\nSubject: Paid\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
    b"Message-ID: <1@example.com>\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n"
    b"We pay 100 \xa4 <!-- only if you pay in advance -->\r\n"
)


def level(recorded: bytes, copy: bytes) -> str:
    assert copy != recorded
    made = match.compare(originals.of_octets(recorded), Copy.of(copy))
    return "none" if made is None else made.level


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"text/plain", b"text/html"),
        (b"iso-8859-1", b"iso-8859-15"),
        (b"iso-8859-1", b"x-klingon"),
        (b"Content-Type: text", b"Content-Type: text/html\r\nContent-Type: text"),
        (b"anna@example.com>", b"anna@example.com.evil.net>"),
        (b"anna@example.com>", b"joanna@example.com>"),
        (b"Anna <anna@example.com>", b"=?utf-8?q?Anna_=3Canna=40example.com=3E?= <eve@evil.net>"),
        (b"Anna <anna@example.com>", b"=?utf-8?q?Anna_=3Canna=40example.com=3E?="),
        (b"Subject: Paid", b"Subject: unPaid"),
        (b"Subject: Paid", b'Subject: "Paid"'),
        (b"Subject: Paid", b"Subject: Paid? No."),
        (b"Subject: Paid", b"Subject: We have not Paid"),
        (b"We pay 100", b"We pay 100K"),
    ],
)
def test_another_meaning_is_never_more_than_different(old: bytes, new: bytes) -> None:
    assert old in PLAIN
    assert level(PLAIN, PLAIN.replace(old, new, 1)) in (MISSING, DIFFERENT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Anna <anna", b'"Anna" <anna'),
        (b"Subject: Paid", b"Subject: [list]  Re: Paid"),
        (b"Subject: Paid", b"Subject: ***SPAM*** Paid (external)"),
        (b"Subject: Paid", b"Subject: EXTERNAL: Paid"),
        (b"Subject: Paid", b"Subject: EXTERN - Paid"),
        (b"Subject: Paid", b"Subject: {Spam?} Paid"),
        (b"Subject: Paid", b"Subject: <EXT> _SPAM_ *SPAM* Paid"),
        (b"Anna <anna@example.com>", b'"anna@example.com" <anna@example.com>'),
        (b"Message-ID: <1@example.com>", b"Message-ID: 1@example.com"),
        (b"Anna <anna", b"Anna via List <anna"),
    ],
)
def test_what_relays_and_lists_do_is_no_other_meaning(old: bytes, new: bytes) -> None:
    assert LEVELS.index(level(PLAIN, PLAIN.replace(old, new, 1))) <= 3  # type: ignore[arg-type]


def test_a_character_set_that_nobody_knows_changes_nothing_but_another_one_does() -> None:
    unknown = PLAIN.replace(b"iso-8859-1", b"DEFAULT")
    assert level(unknown, unknown + b"Sent by the desk\r\n") == ADDITIONS
    assert level(unknown, unknown.replace(b"DEFAULT", b"x-other")) == DIFFERENT
    assert level(unknown, unknown.replace(b"DEFAULT", b"utf-16")) == DIFFERENT


def test_a_cr_alone_that_begins_a_line_for_some_programs_is_seen() -> None:
    mixed = multipart(b"mixed", TEXT)
    assert level(mixed, mixed.replace(b"\r\n--b", b"x\r--b\rContent-Type: text/plain\r\rNo.\r\n--b", 1)) == DIFFERENT
    assert level(mixed, mixed.replace(b"Subject", b"X-A: 1\rSubject: Cancelled\r\nSubject")) == DIFFERENT
    odd = mixed.replace(b"Subject", b"X-A: 1\rB: 2\r\nSubject")
    assert level(odd, b"Received: x\r\n" + odd) == TRANSPORT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"boundary=b", b"boundary=b; boundary=c"),
        (b"boundary=b", b"boundary=b; boundary*=utf-8''c"),
        (
            b"Content-Type: text/plain",
            b"Content-Disposition: inline\r\nContent-Disposition: attachment\r\nContent-Type: text/plain",
        ),
        (b"Content-Type: text/plain", b"Content-Transfer-Encoding: (base64) 8bit\r\nContent-Type: (a) text/html"),
        (b"Content-Type: text/plain", b"no field\r\nContent-Type: text/plain"),
    ],
)
def test_what_programs_take_either_way_is_no_plain_match(old: bytes, new: bytes) -> None:
    mixed = multipart(b"mixed", TEXT)
    assert level(mixed, mixed.replace(old, new, 1)) in (MISSING, DIFFERENT)


def test_what_was_said_by_somebody_in_an_attached_message_stays_there() -> None:
    attached = b"Content-Type: message/rfc822\r\n\r\nFrom: eve@other.example\r\n\r\n"
    accept, note = b"I accept.", b"Content-Type: text/plain\r\n\r\nsee below"
    recorded = multipart(b"mixed", note, attached + accept)
    moved = multipart(b"mixed", note, attached.rstrip() + b"\r\n", b"Content-Type: text/plain\r\n\r\n" + accept)
    assert level(recorded, moved) in (MISSING, DIFFERENT)
    swapped = multipart(b"mixed", b"Content-Type: text/plain\r\n\r\n" + accept, attached + b"see below")
    assert level(recorded, swapped) in (MISSING, DIFFERENT)


def test_of_a_header_that_stands_there_twice_the_second_counts_too() -> None:
    twice = PLAIN.replace(b"Subject: Paid", b"Subject: Paid\r\nSubject: in part")
    assert level(twice, twice.replace(b"in part", b"in full")) == DIFFERENT
    assert level(twice, b"Received: x\r\n" + twice) == TRANSPORT


def test_columns_of_a_file_are_what_it_says() -> None:
    table = NOTE.replace(b"abc", b"yes\tno\r\nx\t\r\n")
    assert level(multipart(b"mixed", TEXT, table), multipart(b"mixed", TEXT, table.replace(b"x\t", b"\tx"))) == MISSING


def test_an_alternative_that_says_the_same_may_look_otherwise() -> None:
    both = multipart(b"alternative", TEXT, SAME)
    assert level(multipart(b"alternative", TEXT), both) == LINKS
    # None but a recorded text vouches for it.
    assert level(multipart(b"mixed", TEXT), multipart(b"alternative", multipart(b"x", TEXT), OTHER)) == DIFFERENT
    assert level(multipart(b"alternative", TEXT), both.replace(b"<p>We pay", b"<p>We never pay")) == DIFFERENT


@pytest.mark.parametrize(
    ("charset", "one", "other"),
    [
        (b"iso-2022-jp", b"\x1b$B-!\x1b(B", b'\x1b$B-"\x1b(B'),
        (b"euc-jp", b"\xad\xa1", b"\xad\xa2"),
        (b"big5", b"\xff\x41", b"\xfe\x41"),
        (b"utf-8", b"\x81", b"\x8d"),
        (b"windows-1252", b"\x81", b"\x8d"),
    ],
)
def test_what_cannot_be_read_is_not_all_the_same(charset: bytes, one: bytes, other: bytes) -> None:
    recorded = PLAIN.replace(b"iso-8859-1", charset).replace(b"\xa4", one)
    assert level(recorded, recorded.replace(one, other)) == DIFFERENT
    assert level(recorded, b"Received: x\r\n" + recorded) == TRANSPORT


def test_lines_that_programs_join_without_a_blank_say_something_else() -> None:
    price = PLAIN.replace(b"We pay 100", b"We pay 10 \r\n000")
    assert level(price, price.replace(b"; charset", b"; format=flowed; delsp=yes; charset")) == DIFFERENT


def test_images_that_change_places_are_seen() -> None:
    page = b"Content-Type: text/html\r\n\r\n<p>Accept <img src='cid:a'> refuse <img src='cid:b'>"
    red, green = (
        b"Content-Type: image/png\r\nContent-ID: <%b>\r\n\r\n%b" % (id, data)
        for id, data in ((b"a", b"red"), (b"b", b"green"))
    )
    recorded = multipart(b"related", page, red, green)
    swapped = multipart(b"related", page, red.replace(b"<a>", b"<b>"), green.replace(b"<b>", b"<a>"))
    assert level(recorded, swapped) == LINKS
    started = recorded.replace(b"boundary=b", b'boundary=b; start="<b>"')
    assert level(recorded, started) == DIFFERENT
    first = recorded.replace(b"text/html", b"text/html\r\nContent-ID: <p>").replace(
        b"boundary=b", b'boundary=b; start="<p>"'
    )
    assert level(recorded, first) == REENCODED


INNER = b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n%b\r\n--i\r\n%b\r\n--i--"


def test_alternatives_that_were_put_together_are_seen() -> None:
    closing = SAME.replace(b"We pay 100.", b"Regards")
    recorded = multipart(b"alternative", TEXT, INNER % (SAME, closing))
    assert level(recorded, multipart(b"alternative", TEXT, SAME, closing)) == DIFFERENT
    assert level(recorded, multipart(b"mixed", multipart(b"x", TEXT)[len(PLAIN) :] or TEXT, SAME, closing)) != DIFFERENT
    # One more multipart around all of it changes nothing.
    around = b"Content-Type: multipart/alternative; boundary=o\r\n\r\n--o\r\n%b\r\n--o\r\n%b\r\n--o--"
    wrapped = multipart(b"mixed", around % (TEXT, INNER % (SAME, closing)), b"\r\nsent through a list")
    assert level(recorded, wrapped) == ADDITIONS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"boundary=b", b"boundary=b x"),
        (b"boundary=b", b"boundary=b (x)"),
        (b"boundary=b", b'boundary="\\b"'),
        (b"mixed; boundary=b", b"mixed; (; boundary=b;) boundary=c"),
        (b"--b\r\n", b"--b\rContent-Type: text/plain\r\rNo.\r\n--b\r\n"),
        (b"Content-Type: text/plain", b"Content-Transfer-Encoding: x-uuencode\r\nContent-Type: text/plain"),
        (b"Content-Disposition: attachment", b"Content-Disposition: attachment; filename=b.exe"),
        (b"Content-ID: <a>", b"Content-ID: <a>\r\nContent-ID: <b>"),
    ],
)
def test_what_programs_end_or_name_otherwise_is_no_plain_match(old: bytes, new: bytes) -> None:
    image = b"Content-Type: image/png\r\nContent-ID: <a>\r\n\r\nabc"
    recorded = multipart(b"mixed", TEXT, FILE, image)
    assert old in recorded and level(recorded, recorded.replace(old, new, 1)) == DIFFERENT


def test_parts_after_the_end_are_not_said_to_be_the_same() -> None:
    recorded = multipart(b"mixed", TEXT) + b"--b\r\n" + FILE + b"\r\n--b--\r\n"
    assert level(recorded, b"Received: x\r\n" + recorded) == TRANSPORT
    assert level(recorded, recorded.replace(b"abc", b"xyz")) == DIFFERENT
    assert level(recorded, multipart(b"mixed", TEXT)) == DIFFERENT
    assert level(multipart(b"mixed", TEXT), recorded) == DIFFERENT


def test_damage_of_one_part_is_no_licence_for_another() -> None:
    damaged = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nV2UgcGF5Lg==\r\nTm8u"
    whole = damaged.removesuffix(b"\r\nTm8u")
    assert level(multipart(b"mixed", damaged, whole), multipart(b"mixed", damaged, damaged)) == DIFFERENT


def test_an_image_that_takes_the_place_of_another_is_named() -> None:
    image = b"Content-Type: image/png\r\nContent-ID: <a>\r\n\r\nabc"
    assert level(multipart(b"related", TEXT, image), multipart(b"related", TEXT, image[:-3] + b"xyz", image)) == LINKS


def test_who_is_answered_or_shown_beside_the_sender_is_named() -> None:
    made = match.compare(originals.of_octets(PLAIN), Copy.of(b"Sender: Boss <boss@evil.example>\r\n" + PLAIN))
    assert made is not None and made.level == TRANSPORT
    assert [(one.where, one.received) for one in made.differences] == [("Sender", "Boss <boss@evil.example>")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"[ ] Accept\r\n[x] Refuse", b"[ ]\r\nAccept [x]\r\nRefuse"),
        (b"> We refuse.\r\nWe agree.", b"> We refuse. We agree."),
        (b"I agree -- not before 2099.", b"I agree\r\n-- \r\nnot before 2099."),
        (b"once you delivered", b"once" + b"\r\n" * 300 + b"you delivered"),
    ],
)
def test_line_breaks_that_count_are_told(one: bytes, other: bytes) -> None:
    recorded = PLAIN.replace(b"We pay 100", one)
    assert level(recorded, recorded.replace(one, other)) in (LINKS, DIFFERENT)


def test_attached_messages_of_the_same_headers_keep_what_they_say() -> None:
    attached = b"Content-Type: message/rfc822\r\n\r\nFrom: eve@other.example\r\n\r\n%b"
    recorded = multipart(b"mixed", TEXT, attached % b"Offer one", attached % b"Offer two, accepted")
    swapped = multipart(b"mixed", TEXT, attached % b"Offer one, accepted", attached % b"Offer two")
    assert level(recorded, swapped) in (MISSING, DIFFERENT)


LIST = b"desk@lists.example"


@pytest.mark.parametrize(
    ("sender", "shown", "moved", "reached"),
    [
        (b"Anna <anna@example.com>", b"Anna via Desk", b"Reply-To: Anna <anna@example.com>", ADDITIONS),
        (b"anna@example.com (Anna Quill)", b"Anna Quill via Desk", b"Reply-To: anna@example.com", ADDITIONS),
        (b"Anna <anna@example.com>", b"'Anna' via Desk", b"X-Original-From: anna@example.com", ADDITIONS),
        (b"anna@example.com", b"anna--- via Desk", b"List-Id: <d>\r\nCc: anna@example.com", ADDITIONS),
        (b"anna@example.com", b"anna--- via Desk", b"Cc: bob@one.example, anna@example.com", DIFFERENT),
        # A part of a name, somebody else's, nobody's address, or no list at all.
        (b"Anna <anna@example.com>", b"A via Desk", b"Reply-To: anna@example.com", DIFFERENT),
        (b"Anna <anna@example.com>", b"Eve via Desk", b"Reply-To: anna@example.com", DIFFERENT),
        (b"Anna <anna@example.com>", b"Anna via Desk", b"Reply-To: eve@evil.net", DIFFERENT),
        (
            b"Anna <anna@example.com>",
            b"Anna via Desk",
            b"Reply-To: =?utf-8?q?anna=40example.com?= <e@evil.net>",
            DIFFERENT,
        ),
        (b"Anna <anna@example.com>", b"Eve", b"Reply-To: anna@example.com", DIFFERENT),
    ],
)
def test_a_list_that_put_its_own_address_in_from(sender: bytes, shown: bytes, moved: bytes, reached: str) -> None:
    recorded = PLAIN.replace(b"Anna <anna@example.com>", sender)
    copy = PLAIN.replace(b"Anna <anna@example.com>", shown + b" <" + LIST + b">\r\n" + moved)
    assert level(recorded, copy) == reached


def test_a_blank_that_makes_text_a_header_is_seen() -> None:
    recorded = PLAIN.replace(
        b"text/plain; charset=iso-8859-1\r\n\r\n",
        b"multipart/mixed; boundary=x\r\n\r\n--x\r\n"
        b"Content-Type: text/plain\r\n\r\nNote: this binds only if paid in advance.\r\n\r\n",
    )
    recorded += b"--x--\r\n"
    copy = recorded.replace(b"text/plain\r\n\r\nNote", b"text/plain\r\n \r\nNote")
    assert level(recorded, copy) != TRANSPORT


def test_a_text_that_became_a_file_is_not_what_is_read() -> None:
    head = b"Content-Type: text/plain; charset=utf-8\r\n"
    hidden = MAIL.replace(head, head + b"Content-Disposition: attachment; filename=smime.p7s\r\n", 1)
    assert level(MAIL, hidden) == MISSING


TEXT = b"Content-Type: text/plain\r\n\r\nWe pay 100."
SAME = b"Content-Type: text/html\r\n\r\n<p>We pay 100."
OTHER = b"Content-Type: text/html\r\n\r\n<p>We refuse."
FILE = b"Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\n\r\nabc"
NOTE = FILE.replace(b"application/pdf", b"text/plain")


def multipart(subtype: bytes, *parts: bytes) -> bytes:
    head = PLAIN[: PLAIN.index(b"Content-Type")]
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return head + b"Content-Type: multipart/" + subtype + b"; boundary=b\r\n\r\n" + body + b"--b--\r\n"


@pytest.mark.parametrize(
    ("recorded", "copy", "reached"),
    [
        (multipart(b"mixed", TEXT, OTHER), multipart(b"alternative", TEXT, OTHER), DIFFERENT),
        (multipart(b"alternative", TEXT, SAME), multipart(b"mixed", TEXT, SAME), ADDITIONS),
        (multipart(b"alternative", TEXT, SAME), multipart(b"alternative", TEXT, SAME, OTHER), DIFFERENT),
        (multipart(b"mixed", TEXT), multipart(b"alternative", TEXT, OTHER), DIFFERENT),
        (multipart(b"mixed", TEXT, FILE), multipart(b"related", OTHER, TEXT, FILE), DIFFERENT),
        (multipart(b"mixed", TEXT, FILE), multipart(b"related", TEXT, FILE), ADDITIONS),
        (multipart(b"mixed", TEXT), multipart(b"signed", OTHER, TEXT), DIFFERENT),
        (multipart(b"mixed", TEXT), multipart(b"signed", TEXT, FILE), ADDITIONS),
        (multipart(b"mixed", TEXT, NOTE), multipart(b"mixed", TEXT, NOTE.replace(b"attachment", b"inline")), MISSING),
        (multipart(b"mixed", TEXT, FILE), multipart(b"mixed", TEXT, FILE.replace(b"attachment", b"inline")), ADDITIONS),
    ],
)
def test_what_hides_or_shows_a_part_is_seen(recorded: bytes, copy: bytes, reached: str) -> None:
    assert level(recorded, copy) == reached


def test_an_image_beside_a_text_is_no_alternative_to_it() -> None:
    logo = b"Content-Type: image/png\r\nContent-ID: <1>\r\n\r\nabc"
    page = b"Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\n" + SAME + b"\r\n--r\r\n" + logo + b"\r\n--r--"
    assert level(multipart(b"alternative", TEXT, SAME), multipart(b"alternative", TEXT, page)) == ADDITIONS


def test_numbers_without_end_are_no_characters() -> None:
    page = PLAIN.replace(b"text/plain", b"text/html") + b"&#" + b"1" * 5000 + b";"
    assert level(page, page + b"<p>more</p>") == "all original parts present, with additions"


def test_many_added_parts_are_read_once() -> None:
    recorded = MAIL
    parts = b"".join(b"--b\r\n\r\nadded %d\r\n" % number for number in range(2000))
    start = time.process_time()
    assert level(recorded, recorded.replace(b"--b--", parts + b"--b--")) == LEVELS[3]
    assert time.process_time() - start < 20


def test_when_its_time_is_over_it_is_said_to_be() -> None:
    ticks = iter(range(10_000))
    limits = mime.Limits(seconds=100)
    copy = MAIL.replace(b"4,000", b"9,000")
    received = Copy.of(copy, limits, clock=lambda: float(next(ticks)))
    for _ in range(200):
        next(ticks)
    made = match.compare(originals.of_octets(MAIL), received)
    assert made is not None and made.open
    assert any("longer than 100 seconds" in one.detail for one in made.differences)
