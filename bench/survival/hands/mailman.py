"""Mailman 3's own handlers (Debian: mailman3), run on a list that is made for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.survival import raw
from bench.survival.change import Change, Copy, Missing
from bench.survival.hands import program
from bench.survival.hands.program import Worker
from bench.survival.own.additions import BANNER_SAYS, FOOTER_SAYS, TAG

PYTHON = "/usr/bin/python3"
WORKER = Path(__file__).parent / "mailman_worker.py"
_TAG = TAG.decode().strip()


@contextmanager
def opened(scratch: Path) -> Iterator[list[Change]]:
    """Raises Missing."""
    missing = Missing("Mailman 3 is not installed: lists by the other hands only")
    if not Path(PYTHON).exists():
        raise missing
    worker = Worker([PYTHON, "-I", str(WORKER), str(scratch)])
    try:
        worker.__enter__()
    except Missing:
        raise missing from None
    with worker:
        hand = program.titled("Mailman", "mailman3")
        yield [
            Change("tag", hand, partial(_asked, worker, "tag", (_TAG,))),
            Change("footer-or-part", hand, partial(_asked, worker, "footer", (FOOTER_SAYS,))),
            Change("banner", f"{hand}, or as a part", partial(_asked, worker, "banner", (BANNER_SAYS,))),
            Change("alternative", hand, partial(_filtered, worker)),
            Change("list", hand, partial(_asked, worker, "list", (FOOTER_SAYS, _TAG))),
            Change("munged", hand, partial(_asked, worker, "munged", (FOOTER_SAYS, _TAG, "mailing list"))),
        ]


def _asked(worker: Worker, what: str, named: tuple[str, ...], octets: bytes) -> Copy | None:
    changed = worker.ask(what, octets)
    return None if changed is None else Copy(changed, named)


def _filtered(worker: Worker, octets: bytes) -> Copy | None:
    """Content filtering as most lists have it: of a multipart/alternative only the first part is left."""
    if not any(part.type == "multipart/alternative" and len(part.parts) > 1 for part in raw.read(octets).walk()):
        return None
    changed = worker.ask("filter", octets)
    return None if changed is None or b"X-Content-Filtered-By: " not in changed else Copy(changed)
