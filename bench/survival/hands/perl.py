"""Perl: MIME::Tools, by which MIMEDefang rewrites mail, and Email::MIME.

Debian: libmime-tools-perl, libemail-mime-perl.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.survival import raw
from bench.survival.change import Change, Copy, Missing
from bench.survival.hands import program
from bench.survival.hands.program import Worker
from bench.survival.own.additions import FOOTER_SAYS, TAG

HERE = Path(__file__).parent


@contextmanager
def mime_tools(_: Path) -> Iterator[list[Change]]:
    """Raises Missing."""
    with _worker("mimetools.pl", "MIME::Tools") as worker:
        hand = program.titled("MIME::Tools", "libmime-tools-perl")
        yield [
            Change("boundaries", f"{hand}, parsed and written", partial(_asked, worker, "copy", ())),
            Change("footer", hand, partial(_asked, worker, "footer", (FOOTER_SAYS,))),
            Change("footer-part", hand, partial(_asked, worker, "footer-part", (FOOTER_SAYS,))),
            Change("base64", hand, partial(_asked, worker, "base64", ())),
            Change("quoted-printable", hand, partial(_asked, worker, "quoted-printable", ())),
            Change("removed", hand, partial(_asked, worker, "remove", ())),
            Change("replaced", hand, partial(_asked, worker, "replace", ())),
        ]


@contextmanager
def email_mime(_: Path) -> Iterator[list[Change]]:
    """Raises Missing."""
    with _worker("emailmime.pl", "Email::MIME") as worker:
        hand = program.titled("Email::MIME", "libemail-mime-perl")
        yield [
            Change("tag", hand, partial(_asked, worker, "tag", (TAG.decode().strip(),))),
            Change("footer", hand, partial(_asked, worker, "footer", (FOOTER_SAYS,))),
            Change("base64", hand, partial(_asked, worker, "base64", ())),
            Change("quoted-printable", hand, partial(_asked, worker, "quoted-printable", ())),
            Change("utf-8", hand, partial(_asked, worker, "utf-8", ())),
        ]


def _worker(script: str, module: str) -> Worker:
    perl = program.find("perl", f"no {module}")
    try:
        return Worker([perl, str(HERE / script)]).__enter__()
    except Missing:
        raise Missing(f"Perl's {module} is not installed: its changes by the other hands only") from None


def _asked(worker: Worker, what: str, named: tuple[str, ...], octets: bytes) -> Copy | None:
    """The worker tells the name of a file that it took out or replaced in a first line of its own."""
    changed = worker.ask(what, octets)
    if changed is None:
        return None
    if changed.startswith(b"X-Named: "):
        line, _, changed = changed.partition(b"\n")
        named = (raw.worded(line.removeprefix(b"X-Named: ").decode("utf-8", "replace")),)
    return Copy(changed, named)
