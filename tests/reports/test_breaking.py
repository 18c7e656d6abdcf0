"""Where lines may end, beside another implementation of Unicode Standard Annex 14."""

from __future__ import annotations

import pytest
from uniseg.linebreak import line_break_boundaries

from reports.breaking import ends

SAMPLES = [
    "it's http://example.org/a/b?c=d e-mail 1.5-2 foo(bar) x\u00a0y end.",
    "«Bonjour, ça va ?» 50 % \u2013 10 €, $5.00 (a) [b] 2026-11-23T10:00:00Z",
    "漢字、かな「あ」です。(漢字) 한국어 테스트 AB漢字12",
    "שלום (עולם) 12-34 مرحبا، كيف",
    "a+b=c/d_e|f #tag @user me@example.com",
    "👍🏽👨\u200d👩\u200d👧 ❤\ufe0f 🇩🇪🇫🇷🇮🇹 ok",
    "हिन्दी क्षि ภาษาไทย",
    "- item -- x \u2014 y \u2013 z... \"q\" 'r' \u2018s\u2019 \u201ct\u201d",
    "100% 5°C ±3 №5 §7 A&B f(x)1 (a)b c(2)d",
    "three blanks  within   and at the end   ",
    "",
]


@pytest.mark.parametrize("text", SAMPLES)
def test_lines_end_where_another_implementation_lets_them(text: str) -> None:
    assert ends(text) == [at for at in line_break_boundaries(text) if at]
