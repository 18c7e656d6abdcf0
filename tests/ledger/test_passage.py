"""Whether one text stands in another, and what is said of the rest."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import markup, passage
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
    (added,) = passage.find("p2", listed, again, markup=True)
    assert (added.level, added.received) == (ADDITIONS, "Another list")
    # Where more follows a paragraph that is left open would wrap it.
    assert kinds(listed, listed.replace("</body>", "<p>Another list</body>"), markup=True) == ["added", "markup"]


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


@pytest.mark.parametrize("piece", ["<" + "a" * 400_000, f'<b style="{"margin" * 60_000}">External</b>'])
@pytest.mark.timeout(60)
def test_long_markup_is_read_once(piece: str) -> None:
    """Read again from each of its characters it takes minutes."""
    assert not markup._neutral(piece, bottom=True, classes=True)


def test_texts_too_long_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "LIMIT", 50)
    (one,) = passage.find("p1", TEXT, TEXT, markup=False)
    assert (one.level, one.kind) == (DIFFERENT, "not_compared")


def test_a_long_text_with_every_word_changed() -> None:
    told = passage.find("p1", "a b " * 5000, "c d " * 5000, markup=False)
    assert len(told) == 1 and told[0].recorded is not None and len(told[0].recorded) < 250


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


def test_a_banner_stands_after_the_background_of_its_page() -> None:
    page = '<html><body background="http://a.example/b.gif"><p>We pay.</p></body></html>'
    (added,) = passage.find("p1", page, page.replace("<p>", "<div>CAUTION</div><p>"), markup=True)
    assert (added.level, added.received) == (ADDITIONS, "CAUTION")
    assert kinds(page, page.replace("b.gif", "c.gif"), markup=True) == ["link"]


@pytest.mark.parametrize(
    "style",
    [
        "displa&#121;:none",
        "margin:0 0 -500px",
        "margin:4px;margin-top : calc(0px - 9em)",
        "translate:0 1em;background:white",
        "box-shadow:0 50px white",
        "outline:50px solid white",
        "font:0/0 a",
        "dis/**/play:none",
        "height:900px",
        "padding:9999px",
        "padding:9e9px",
        "line-height:0",
        "font-size:900px",
        "background:url(https://t.example/x.png)",
        "mso-element:frame;color:red",
        "color:red!important",
        "c\\6f lor:red",
    ],
)
def test_a_banner_that_hides_or_moves_what_is_around_it_is_no_mere_addition(style: str) -> None:
    def banner(said: str) -> str:
        return PAGE.replace("<p>Dear", f"<div style='{said}'>External</div>\n<p>Dear")

    assert level(PAGE, banner("color:#000000;margin:4px;border:1px solid rgb(200, 200, 200)"), markup=True) == ADDITIONS
    assert level(PAGE, banner(style), markup=True) == LINKS


MICROSOFT = (
    '<table border=0 cellspacing=0 cellpadding=0 align="left" width="100%"><tr><td style="background:#ffb900;'
    'padding:5pt 2pt 5pt 2pt"></td><td width="100%" cellpadding="7px 6px 7px 15px" style="background:#fff8e5;'
    'padding:5pt 4pt 5pt 12pt;word-wrap:break-word"><div style="color:#222222;"><span style="color:#222; '
    'font-weight:bold;">Caution:</span> This is an external email.</div></td></tr></table><br>'
)


@pytest.mark.parametrize(
    "banner",
    [
        MICROSOFT,
        '<p class="MsoNormal"><span style="font-size:11.0pt;font-family:&quot;Arial&quot;">CAUTION</span></p>',
        '<p class="MsoNormal" style="margin:0in;margin-bottom:.0001pt"><b>CAUTION</b></p>',
        '<div style="border:solid #9C6500 1.0pt;padding:2.0pt;mso-element:para-border-div">CAUTION</div>',
        "<ul><li>CAUTION</li></ul>",
    ],
)
def test_banners_as_gateways_set_them(banner: str) -> None:
    for received in (PAGE.replace("<body>", "<body>" + banner), PAGE.replace("</body>", banner + "</body>")):
        assert set(kinds(PAGE, received, markup=True)) == {"added"}, received


OFFER = (
    "<html><head><style>.preheader{display:none}</style></head><body><!--[if mso]><table><tr><td><![endif]-->"
    '<div style="background-image:url(https://a.example/x.png)">I agree.</div><table><tr><th>Yes</th><th>No</th></tr>'
    '<tr><td class="n">X</td></tr></table><p style="text-decoration:line-through">The price is 100 EUR.</p>'
    '<img src="https://a.example/i.png" srcset="https://a.example/i2.png 2x" alt="The end.">'
    '<video poster="https://a.example/p.png"></video><!-- end --></body></html>'
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # Elements that nothing ends wrap what follows, or end what is open.
        ("<div style", '<li style="color:white"><div style'),
        ("<body>", '<body><li style="text-decoration:line-through">'),
        ("<body>", '<body><p style="color:white">'),
        ("<body>", '<body><div class="preheader">External</div>'),
        ('line-through">', 'line-through"><p>'),
        ('line-through">', 'line-through"><br>'),
        ('<td class="n">', '<td></td><td class="n">'),
        ("<body>", "<body><td>External</td>"),
        ("<body>", "<body><table><tr><b>External</b></tr></table>"),
        # What is read by a program, or by another one.
        (".preheader", "div{display:none} .preheader"),
        ("<td><![endif]", "<td>I do not.<![endif]"),
        ("<td><![endif]", "<td><p>I do not.</p><![endif]"),
        ("<body>", "<body><!-- External -->"),
        ("<!-- end -->", "<br><!-- end -->"),
        # Addresses that no link tells.
        ("x.png", "y.png"),
        ("i2.png", "i3.png"),
        ("p.png", "q.png"),
        # A blank for people is none for browsers.
        ("<p style", "<p\u00a0style"),
        ("<body>", "<body>" + "<br>" * 2000),
        ("<body>", '<body><span style="padding:90px;background:white">External</span><br>'),
        ("<body>", '<body><font size="7">External</font><br>'),
        ("<body>", '<body><div style="padding:' + "&#49;" * 5000 + '">External</div>'),
    ],
)
def test_what_a_copy_does_to_the_look_of_a_text_is_told(old: str, new: str) -> None:
    assert old in OFFER
    assert "markup" in kinds(OFFER, OFFER.replace(old, new, 1), markup=True)


def test_what_stands_in_an_open_table_is_shown_before_it() -> None:
    page = "<body>I agree.<table><tr><td>100 EUR</td></tr>"
    assert kinds(page + "</body>", page + "<p>Not so.</p></body>", markup=True) == ["added", "markup"]
    page += "</table>"
    assert kinds(page + "</body>", page + "<p>Not so.</p></body>", markup=True) == ["added"]


def test_the_top_is_where_nothing_stands_above() -> None:
    page = "<p>I agree.</p><body><p>To this.</p></body>"
    assert kinds(page, page.replace("<body>", "<body><p>Not so.</p>"), markup=True) == ["added", "markup"]
    page = "<!--<body>--><p>I agree.</p>"
    assert "markup" in kinds(page, page.replace("<body>", "<body><br>"), markup=True)


def test_what_frames_show_is_gone_behind_a_banner() -> None:
    page = '<html><frameset cols="*"><frame src="https://a.example/"></frameset></html>'
    assert "markup" in kinds(page, page.replace("<html>", "<html><p>External</p>"), markup=True)


def test_the_same_banner_twice_stands_at_the_top() -> None:
    once = PAGE.replace("<body>", "<body>" + MICROSOFT)
    assert set(kinds(once, PAGE.replace("<body>", "<body>" + MICROSOFT * 2), markup=True)) == {"added"}


def test_a_link_of_several_parameters_that_was_rewritten_is_no_other_markup() -> None:
    page = '<body><a href="https://a.example/?a=1&amp;b=2">See</a> https://a.example/?a=1&amp;b=2 <p>Bye</body>'
    rewritten = page.replace("https://a.example/?a=1&amp;b=2", "https://safe.example/?u=a.example&amp;d=7&amp;s=1")
    assert kinds(page, rewritten, markup=True) == ["link", "link"]


@pytest.mark.parametrize(
    ("before", "unit", "after"),
    [
        ("<body>", "<p>", "</body>"),
        ("<body>x", "</b>", ""),
        ("<body>", "<table><tr><td>", ""),
        ("<body>", '<a href="', ">"),
        ("<body><a", " href='x", ">"),
        ("<body><a", "\u00a0", ">"),
        ("<body>", "<!--", ""),
        ("<body>", "<style>", ""),
        ("<body>", "https://", ""),
    ],
)
@pytest.mark.timeout(120)
def test_markup_is_compared_in_time_that_grows_with_it(before: str, unit: str, after: str) -> None:
    def seconds(size: int) -> float:
        page = before + unit * (size // len(unit)) + after
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            markup.same(page, page + "<p>External</p>")
            markup.same(page, before + page)
            markup.same(page, page.replace(unit, "<br>" + unit, 3))
            best = min(best, time.process_time() - start)
        return best

    assert seconds(200_000) < 7 * (seconds(50_000) + 0.01)


@pytest.mark.parametrize(
    ("recorded", "received"),
    [
        # A line break within quotes of a style ends a string that a blank does not.
        ("<p style='font-family:\"Times New\";text-decoration:line-through'>no</p>", None),
        ('<style>.a{font:"Times New"} .b{display:none}</style><p class=b>no</p>', None),
        # Selected by what stands before it.
        ("<html><head><style>p+div{display:none}</style></head><body><div>I agree.</div></body></html>", "<p>x</p>"),
        ("<body><p>once</p></body>", "<br>" * 30),
        ("<body><p>once</p></body>", "<table cellpadding=999><tr><td>x</td></tr></table>"),
        ("<body><p>once</p></body>", "<div>" + "&nbsp; " * 5000 + "</div>"),
        ("<body><p>once</p></body>", "<pre>x\n\n\n</pre>"),
    ],
)
def test_markup_that_acts_from_afar_is_told(recorded: str, received: str | None) -> None:
    copy = (
        recorded.replace("Times New", "Times\nNew")
        if received is None
        else recorded.replace("<body>", "<body>" + received)
    )
    assert copy != recorded and "markup" in kinds(recorded, copy, markup=True)
