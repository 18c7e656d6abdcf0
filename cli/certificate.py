"""`postseal certificate`: a certificate of what is recorded, as a PDF with its proof inside."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer

from api import settings
from cli import naming, paper
from cli.exits import NO, OK, UNSAID, USAGE, Stop
from cli.export import check_place
from cli.plain import octets
from cli.writing import AcceptClock, open_log, person
from ledger import durable
from ledger.certifying import Certifying, Issued, Service
from ledger.claims import Kind, Language, Paper
from ledger.errors import Adverse
from ledger.log import Log
from reports import certificate as paper_of

app = typer.Typer(add_completion=False, rich_markup_mode=None)

KINDS: Final = tuple(kind.replace("_", "-") for kind in get_args(Kind))


@app.command()
def certificate(
    what: Annotated[str, typer.Argument(metavar="MESSAGE|NUMBER", help="A message's id; or a number, to write again.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.pdf", help="Where to; never over a file.")],
    kind: Annotated[str | None, typer.Option(metavar="|".join(KINDS), help="What it certifies.")] = None,
    recipient: Annotated[
        str | None, typer.Option(metavar="r1|ADDRESS", help="For this recipient alone; shows no other.")
    ] = None,
    file: Annotated[str | None, typer.Option(metavar="f1", help="Of access to this file, or of its block.")] = None,
    facts_only: Annotated[bool, typer.Option("--facts-only", help="Withhold subject, names and hashes.")] = False,
    language: Annotated[str, typer.Option(metavar="|".join(get_args(Language)), help="In this language.")] = "en",
    size: Annotated[str, typer.Option("--paper", metavar="|".join(get_args(Paper)), help="On this paper.")] = "a4",
    supersedes: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="It takes the place of this certificate.")
    ] = None,
    accept_clock: AcceptClock = False,
) -> int:
    """Issue a certificate: of dispatch (with the content), delivery, access, block or non-access.

    It is refused, with the fact in the way, where it would not be true. Its evidence lies inside the file, so that
    `postseal verify` can check it without us: that the evidence holds, and that the paper says what it says. That it
    was issued, and the hash of the file, are entries of the ledger. With a number instead of a message the same file is
    written again.

    Non-access needs an auditor's word too, which cannot be put into what is sealed. It goes beside it, into a package:
    `postseal export MESSAGE --non-access --certificate NUMBER -o X.zip`, then `postseal audit --sign KEY --into X.zip`.
    """
    again = naming.find_certificate(what)
    if again is None:
        naming.check_message(what)
        naming.check_recipient(recipient)
        naming.check_file(file)
        if kind not in KINDS:
            raise Stop(USAGE, f"--kind is one of {', '.join(KINDS)}")
        if language not in get_args(Language):
            raise Stop(USAGE, f"--language is one of {', '.join(get_args(Language))}")
        if size.lower() not in get_args(Paper):
            raise Stop(USAGE, f"--paper is one of {', '.join(get_args(Paper))}")
    elif kind or recipient or file or facts_only or supersedes:
        raise Stop(USAGE, "a certificate that was issued is written again as it is: give its number alone")
    if output.exists():
        raise Stop(USAGE, f"{output} is there already")
    # Before the ledger is opened: what it records as issued must be able to leave.
    check_place(output)
    with open_log(accept_clock) as log:
        vkey = log.ring.signer().vkey
        if again is not None:
            known = log.certified(again)
            log.view(known.message, "certificate", person(log), recipient=known.recipient)
            number, pdf = again, log.certificate(again)
        else:
            to = None if recipient is None else naming.recipient_of(log, what, recipient)
            issued = _issue(
                log,
                what,
                (kind or "").replace("-", "_"),
                actor=person(log),
                recipient=to,
                file=file,
                content=not facts_only,
                language=language,
                paper=size.lower(),
                supersedes=None if supersedes is None else naming.certificate(supersedes),
            )
            number, pdf = issued.number, issued.pdf
    try:
        durable.create(output, pdf)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Stop(UNSAID, f"certificate {number} is issued, but {output} could not be written: {reason}") from None
    out = paper.console()
    rows = [("certificate", number), ("written", f"{output}, {octets(len(pdf))}; it holds personal data")]
    out.print(paper.pairs(rows))
    out.print(f"\npostseal verify {shlex.quote(str(output))} --vkey {vkey}", soft_wrap=True)
    return OK


def _issue(log: Log, message: str, kind: str, **asked: Any) -> Issued:
    """Stop, with the reason, where it would not be true."""
    try:
        return certifying(log).issue(message, kind, **asked)
    except Adverse as error:
        raise Stop(NO, f"refused, because it would not be true or cannot be shown: {error}") from None


def certifying(log: Log) -> Certifying:
    """Certificates as the settings want them."""
    here = settings.from_environment()
    return Certifying(log, paper_of.draw, Service(here.operator, here.legal_basis, here.verify_page))
