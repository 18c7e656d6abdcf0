"""What a reader sees of plain text and of HTML."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.visible import IMAGE, LINK, masked, read, tokens

PAGE = """<html><head><title>none of it</title><style>p { color: red }</style></head>
<body bgcolor=white><p>Dear Ms <b>Okaf</b>or &amp; co,</p>
<p>see <a href="https://a.example/x?a=1&amp;b=2">our offer</a>
or https://b.example/y.<br>Bye<img src="cid:1" alt="x"></p><script>if (a < b) document.write("<p>no</p>")</script>
<!-- nor this --></body></html>"""


def test_html_as_a_reader_sees_it() -> None:
    seen = read(PAGE, markup=True)
    assert seen.text == f"Dear Ms Okafor & co,\nsee {LINK}our offer or {LINK}\nBye{IMAGE}"
    assert seen.links == ("https://a.example/x?a=1&b=2", "https://b.example/y.", "cid:1")
    assert seen.pieces == ("", seen.text, "")


def test_plain_text() -> None:
    seen = read("a  b\n\n c www.x.example/y, <http://z.example>\n>From here\n", markup=False)
    assert seen.text == f"a b\nc {LINK} <{LINK}>\nFrom here"
    assert seen.links == ("www.x.example/y,", "http://z.example")
    # A tag is what it is.
    assert read("<p>", markup=False).text == "<p>"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a<!-->b", "ab"),
        ("a<!--->b", "ab"),
        ("a<!-- x --!>b", "ab"),
        ("a<!-- x", "a"),
        ("a<!doctype x>b<?x?>c</>d</ x>e", "abcde"),
        ("1 < 2 <3", "1 < 2 <3"),
        ("a<p", "a"),
        ("a<script>b", "ab"),
        ("a<style>b</style >c", "ac"),
        ("a<p/>b<DIV class='x'>c", "a\nb\nc"),
        ("x\u00a0&nbsp;&#x20;y", "x y"),
        ("a<font>b</font>c", "abc"),
        ("a\x95&#149;&bull;", "a\u2022\u2022\u2022"),
    ],
)
def test_odd_markup(source: str, text: str) -> None:
    assert read(source, markup=True).text == text


def test_marks_are_ours_alone() -> None:
    for markup in (True, False):
        seen = read(f"a{LINK}b{IMAGE}c&#xfdd0;d", markup=markup)
        assert LINK not in seen.text and IMAGE not in seen.text and seen.links == ()


SOUP = st.lists(
    st.sampled_from(["<", ">", "<p>", "</p>", "<a href='x'>", '<img src="', "<!--", "-->", "<script>", "</script>", "&",
                     "&amp;", "&#", "http://x", "www.", " ", "\n", "'", '"', "word", LINK, "\u200b", ">From "]),
    max_size=30,
).map("".join)  # fmt: skip


@given(SOUP, st.booleans())
def test_any_soup_is_read(soup: str, markup: bool) -> None:
    seen = read(soup, markup=markup)
    assert len(seen.links) == len(re.findall(f"[{LINK}{IMAGE}]", seen.text))
    assert seen.text == seen.text.strip() and not re.search("[ \n]{2}", seen.text)


@given(SOUP)
def test_tokens_leave_nothing_out(soup: str) -> None:
    at = 0
    for token in tokens(soup):
        assert token.start == at < token.stop
        at = token.stop
    assert at == len(soup)


@pytest.mark.parametrize(
    ("source", "rest"),
    [
        ("<a href='x' title='y'>", f"<a href='{LINK}' title='y'>"),
        ("<a href=x>", f"<a href={LINK}>"),
        ("<a/href = x/y z>", f"<a/href = {LINK} z>"),
        ('<td BACKGROUND="&#32;">', '<td BACKGROUND="&#32;">'),
        ('<img src="cid:1" srcset="x 2x">', f'<img src="{IMAGE}" srcset="x 2x">'),
        ("<p title=\"href='x'\">", "<p title=\"href='x'\">"),
        ("<p data-href='x' =href='y'>", "<p data-href='x' =href='y'>"),
        ("see https://a.example/?a=1&amp;b=2 now", f"see {LINK} now"),
        ("<!-- https://a.example/ <a href=x> -->", "<!-- https://a.example/ <a href=x> -->"),
        (
            "<style>a{background:url(https://a.example/)}</style>",
            "<style>a{background:url(https://a.example/)}</style>",
        ),
        ("<b x=y='>'>", "<b x=y='>'>"),
    ],
)
def test_addresses_that_are_listed_are_masked_and_nothing_else(source: str, rest: str) -> None:
    assert masked(source) == rest
    assert (LINK in rest) + (IMAGE in rest) == len(read(source, markup=True).links)
