"""lxml (Debian: python3-lxml): HTML is parsed and all of it written anew, whatever was to be changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.survival import raw
from bench.survival.change import Change, Copy, Missing
from bench.survival.hands import program
from bench.survival.hands.program import Worker
from bench.survival.own.additions import BANNER_SAYS
from bench.survival.raw import Untouchable

PYTHON = "/usr/bin/python3"
WORKER = Path(__file__).parent / "lxml_worker.py"


@contextmanager
def opened(_: Path) -> Iterator[list[Change]]:
    """Raises Missing."""
    missing = Missing("lxml is not installed: links by our own hand only")
    if not Path(PYTHON).exists():
        raise missing
    worker = Worker([PYTHON, "-I", str(WORKER)])
    try:
        worker.__enter__()
    except Missing:
        raise missing from None
    with worker:
        hand = program.titled("lxml", "python3-lxml")
        yield [
            Change("html", hand, partial(_html, worker, "copy", ())),
            Change("links", f"{hand}, in HTML", partial(_html, worker, "links", ())),
            Change("banner-html", hand, partial(_html, worker, "banner", (BANNER_SAYS,))),
        ]


def _html(worker: Worker, what: str, named: tuple[str, ...], octets: bytes) -> Copy | None:
    """Every text/html that is shown, in the character set and the transfer encoding that it had."""
    edits: list[raw.Edit] = []
    for part in raw.inline_texts(octets):
        if part.type != "text/html":
            continue
        try:
            text = raw.decoded(octets, part).decode(part.charset)
        except (Untouchable, UnicodeError, LookupError):
            continue
        answer = worker.ask(what, text.encode("utf-8", "replace"))
        if answer is not None:
            content = answer.decode().replace("\n", "\r\n").encode(part.charset, "xmlcharrefreplace")
            edits += raw.recode(octets, part, content)
    changed = raw.edited(octets, edits)
    return Copy(changed, named) if changed != octets else None
