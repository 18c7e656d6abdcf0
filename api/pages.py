"""Web pages: HTML made here, without script, and with nothing from elsewhere: no visit is told to anybody."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

HERE: Final = Path(__file__).parent

POLICY: Final = "; ".join(
    ["default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
)
"""Content-Security-Policy of every page."""


STYLE: Final = (HERE / "static" / "page.css").read_bytes()


def page(name: str, status: int = 200, /, **values: Any) -> Response:
    """The template ``name`` with these values, each escaped."""
    headers = {"content-security-policy": POLICY, "cache-control": "no-store", "x-robots-tag": "noindex"}
    return Response(_TEMPLATES.get_template(name).render(values), status, headers, "text/html; charset=utf-8")


def visible(text: str) -> str:
    """A stranger's words on one line: what cannot be seen, or would turn the direction of what follows, as its code."""
    return "".join(c if c.isprintable() else f"\N{LEFT CEILING}U+{ord(c):04X}\N{RIGHT CEILING}" for c in text)


def moment(at: str) -> str:
    """A Time as people read it."""
    return f"{at[:10]} {at[11:19]} UTC"


def paragraphs(text: str) -> list[list[str]]:
    """Paragraphs of a docstring, each in pieces: every second piece stood between backticks."""
    return [paragraph.replace("``", "`").split("`") for paragraph in text.strip().split("\n\n")]


_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"moment": moment, "paragraphs": paragraphs, "visible": visible}
# Another style is another address, so that a browser keeps none that is older than its page.
_TEMPLATES.globals["style"] = hashlib.sha256(STYLE).hexdigest()[:12]
