"""Whether one text stands in another, and what is said of the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import passage
from ledger.differs import ADDITIONS, DIFFERENT, LEVELS, LINKS, REENCODED, weakest

TEXT = "Dear Ms Okafor,\n\nthe price is 4,000 Euro.\nSee https://a.example/offer?x=1 for more.\n\nJana Berg"
PAGE = f"<html><body>\n<p>{TEXT.replace(chr(10) + chr(10), '</p><p>')}</p>\n<a href='https://b.example/'>us</a></body></html>"


def level(recorded: str, received: str, *, markup: bool = False) -> str:
    return weakest(one.level for one in passage.find("p1", recorded, received, markup=markup))


def kinds(recorded: str, received: str, *, markup: bool = False) -> list[str]:
    return [one.kind for one in passage.find("p1", recorded, received, markup=markup)]


@pytest.mark.parametrize(
    "received",
    [
        TEXT + "\n-- \nThe list\nhttps://list.example",
        "CAUTION: this came from outside\n\n" + TEXT,
        "CAUTION\n" + TEXT + "\n\nfooter",
        TEXT + "_____________\nThe list",
        TEXT.replace("\n", "\n\n") + "\nfooter",
    ],
)
def test_what_is_added_around_it(received: str) -> None:
    assert level(TEXT, received) == ADDITIONS
    assert set(kinds(TEXT, received)) == {"added"}


@pytest.mark.parametrize(
    "received",
    [
        TEXT + " not",
        TEXT + "The list has a word to say",
        TEXT + "?",
        "-" + TEXT,
        "un" + TEXT,
        "Not " + TEXT,
        TEXT + "-not",
        TEXT + "not",
        TEXT.replace("is 4,000", "is not 4,000"),
        TEXT.replace("4,000", "5,000"),
        TEXT.replace("Euro.", "Euro.\nor so."),
        TEXT.replace("the price is 4,000 Euro.\n", ""),
        TEXT[:-1],
        "",
    ],
)
def test_what_is_changed_within(received: str) -> None:
    assert level(TEXT, received) == DIFFERENT
    assert set(kinds(TEXT, received)) == {"changed"}


def test_a_changed_word_is_named() -> None:
    (one,) = passage.find("p1", TEXT, TEXT.replace("4,000", "9,000"), markup=False)
    assert (one.recorded, one.received, one.detail) == ("4,000", "9,000", "words differ, from word 7 on")
    (one,) = passage.find("p1", TEXT, TEXT.replace("Dear Ms", "Dear"), markup=False)
    assert (one.recorded, one.received) == ("Ms", None)
    two = passage.find("p1", TEXT, TEXT.replace("Dear", "Hi").replace("Berg", "B."), markup=False)
    assert [(one.recorded, one.received) for one in two] == [("Dear", "Hi"), ("Berg", "B.")]


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("https://safe.example/?url=https%3A%2F%2Fa.example%2Foffer%3Fx%3D1&data=7", "carries"),
        ("https://safe.example/?url=https%253A%252F%252Fa.example%252Foffer%253Fx%253D1", "carries"),
        ("https://t.example/c/3f9a", "does not tell"),
    ],
)
def test_links_that_lead_elsewhere(link: str, says: str) -> None:
    received = TEXT.replace("https://a.example/offer?x=1", link)
    (one,) = passage.find("p1", TEXT, received, markup=False)
    assert (one.level, one.kind, one.recorded, one.received) == (LINKS, "link", "https://a.example/offer?x=1", link)
    assert says in one.detail
    # A link less, or one more, is a change of the text.
    assert level(TEXT, TEXT.replace("https://a.example/offer?x=1", "here")) == DIFFERENT
    assert kinds(TEXT, received + "\nfooter https://z.example") == ["added", "link"]


def test_html_with_pieces_set_in() -> None:
    banner = "<div style='border:1px'><b>CAUTION</b> from outside<br></div>"
    for received in (
        PAGE.replace("<body>", "<body>" + banner),
        PAGE.replace("<body>", "<body>\n" + banner + "\n"),
        PAGE.replace("</body>", "<br>\n<hr>The list<br>\n</body>"),
        PAGE.replace("<body>", "<body>" + banner).replace("</body>", "<p>The list</body>"),
        PAGE.replace("</body>", '<img src="https://t.example/p.gif"></body>'),
        PAGE + "\n_____\nA list that knows no HTML",
    ):
        assert level(PAGE, received, markup=True) == ADDITIONS, received
        assert set(kinds(PAGE, received, markup=True)) == {"added"}


@pytest.mark.parametrize(
    "received",
    [
        PAGE.replace("<body>", "<body><style>p { display: none }</style>"),
        PAGE.replace("<body>", "<body><div hidden>").replace("</body>", "</div></body>"),
        PAGE.replace("<p>the", "<p style='color:white'>the"),
        PAGE.replace("<body>", "<body><!-- ").replace("<p>Dear", "--><p>Dear"),
        PAGE.replace("<body>", "<body><div style='position:fixed;height:100%;background:#fff'></div>"),
        PAGE.replace("<p>the", "<p hidden><p>the"),
        PAGE.replace("<body>", "<body><span style=display:none />"),
        PAGE.replace("<body>", "<body><input value='Not really.'>"),
        PAGE.replace("<body>", "<body><img alt=cannot src=x>"),
        PAGE.replace("<body>", "<body><meta http-equiv=refresh content='0;url=https://evil.example'>"),
    ],
)
def test_markup_that_may_hide_what_it_says(received: str) -> None:
    assert level(PAGE, received, markup=True) == LINKS
    assert "markup" in kinds(PAGE, received, markup=True)


def test_the_body_ends_where_it_says() -> None:
    listed = PAGE + "\nhttps://list.example/"
    again = listed.replace("</body>", "<p>Another list</p></body>")
    (one,) = passage.find("p2", listed, again, markup=True)
    assert (one.level, one.received) == (ADDITIONS, "Another list")


def test_words_and_links_of_html() -> None:
    assert level(PAGE, PAGE.replace("4,000", "4,001"), markup=True) == DIFFERENT
    assert level(PAGE, PAGE.replace("<p>the price", "<p>not the price"), markup=True) == DIFFERENT
    assert kinds(PAGE, PAGE.replace("https://b.example/", "https://c.example/"), markup=True) == ["link"]
    # Text that a comment hides is not there.
    hidden = PAGE.replace("the price is 4,000 Euro.", "<!-- the price is 4,000 Euro. -->")
    assert level(PAGE, hidden, markup=True) == DIFFERENT


def test_the_same_but_for_blanks() -> None:
    assert level(TEXT, TEXT.replace(" ", "\n")) == REENCODED
    assert level("From me", ">From me") == REENCODED


def test_nothing_stands_in_anything() -> None:
    assert level("", "The list") == ADDITIONS
    assert level("", "") == REENCODED


@pytest.mark.parametrize("style", ["displa&#121;:none", "margin:0 0 -500px", "margin:4px;margin-top : calc(0px - 9em)"])
def test_a_banner_that_hides_or_moves_what_is_around_it_is_no_mere_addition(style: str) -> None:
    def banner(said: str) -> str:
        return PAGE.replace("<p>Dear", f"<div style='{said}'>External</div>\n<p>Dear")

    assert level(PAGE, banner("color:red;margin:4px"), markup=True) == ADDITIONS
    assert level(PAGE, banner(style), markup=True) == LINKS


@pytest.mark.parametrize("piece", ["<" + "a" * 400_000, f'<b style="{"margin" * 60_000}">External</b>'])
@pytest.mark.timeout(60)
def test_long_markup_is_read_once(piece: str) -> None:
    """Read again from each of its characters it takes minutes."""
    assert not passage._neutral(piece)


def test_texts_too_long_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "LIMIT", 50)
    (one,) = passage.find("p1", TEXT, TEXT, markup=False)
    assert (one.level, one.kind) == (DIFFERENT, "not_compared")


def test_a_long_text_with_every_word_changed() -> None:
    told = passage.find("p1", "a b " * 5000, "c d " * 5000, markup=False)
    assert len(told) == 1 and told[0].recorded is not None and len(told[0].recorded) <= 200


WORDS = st.lists(
    st.sampled_from(["not", "the", "price", "is", "4,000", "https://a.example", "Euro.", "\n"]), max_size=12
)


@given(WORDS, WORDS, WORDS)
def test_whole_lines_around_a_text_never_hide_it_and_words_within_always_show(
    before: list[str], words: list[str], after: list[str]
) -> None:
    said = " ".join(words)
    assert level(said, "\n".join([" ".join(before), said, " ".join(after)])) in LEVELS[2:5]
    for at in range(1, len(words)):
        if "\n" not in words[at - 1 : at + 1]:
            changed = [*words[:at], "changed", *words[at:]]
            assert level(said, " ".join(changed)) == DIFFERENT
