"""Web pages: HTML made here, without script, and with nothing from elsewhere: no visit is told to anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

HERE: Final = Path(__file__).parent

POLICY: Final = "; ".join(
    ["default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
)
"""Content-Security-Policy of every page."""


def page(name: str, **values: Any) -> Response:
    """The template ``name`` with these values, each escaped."""
    headers = {"content-security-policy": POLICY, "cache-control": "no-store"}
    return Response(_TEMPLATES.get_template(name).render(values), 200, headers, "text/html; charset=utf-8")


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
_TEMPLATES.filters["paragraphs"] = paragraphs
