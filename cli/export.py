"""`postseal export`: evidence of a message, in one file that anyone can check offline; or a package, with what it is
about and how to check it by hand."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli import actor, naming, paper
from cli.exits import OK, UNSAID, USAGE, Stop
from cli.plain import octets, plural
from cli.writing import AcceptClock, open_log
from ledger import durable, evidence
from ledger.document import Evidence
from reports import bag, native
from reports.bag import Pieces
from reports.sealed import check_fits

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def export(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id; see `postseal messages`.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE.json|.zip", help="Where to, and which; never over a file.")
    ],
    recipient: Annotated[
        str | None, typer.Option(metavar="r1|ADDRESS", help="Of this recipient alone; shows no other.")
    ] = None,
    non_access: Annotated[bool, typer.Option("--non-access", help="Claim that no access is recorded.")] = False,
    file: Annotated[str | None, typer.Option(metavar="f1", help="With --non-access: to this file.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="f1", help="Disclose this fact of the message alone, and others given so: one file, say."),
    ] = None,
    content: Annotated[
        bool, typer.Option("--content", help="Into a .zip: the message and files that were kept, as far as disclosed.")
    ] = False,
    certificate: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Into a .zip: this certificate of the message.")
    ] = None,
    accept_clock: AcceptClock = False,
) -> int:
    """Write evidence: the message's chains up to now, what is sealed on them, and the proof that they are in the log.

    A FILE.zip is a package: the evidence, each entry and proof in a file of its own, and how to check them with
    sha256sum and openssl alone. With `--content` what was kept lies in it, too; that you looked is recorded first. With
    a claim about one recipient go files alone: the message names the others.

    With `--only f1` one attachment is proved alone, and the rest stays undisclosed: `postseal verify --content FILE`
    then says whether a file is it. The export is itself recorded. What the evidence holds can no longer be erased from
    it, wherever it goes. A claim of non-access is refused, with the reason, where it would not be true; and it needs an
    auditor's word that nothing is filed elsewhere: `postseal audit --sign KEY --into FILE`.
    """
    naming.check_message(message)
    naming.check_recipient(recipient)
    naming.check_file(file)
    if file is not None and not non_access:
        raise Stop(USAGE, "--file goes with --non-access: a history is of the whole message")
    if only and non_access:
        raise Stop(USAGE, "--only goes with a history: a claim of non-access must disclose what it is about")
    package = output.suffix.lower() == ".zip"
    if (content or certificate) and not package:
        raise Stop(USAGE, "--content and --certificate go with a FILE.zip: evidence alone holds hashes")
    wanted = None if certificate is None else naming.certificate(certificate)
    if output.exists():
        raise Stop(USAGE, f"{output} is there already")
    # Before the ledger is opened: what it records as exported must be able to leave.
    check_place(output)
    with open_log(accept_clock) as log:
        number = None if recipient is None else naming.recipient_of(log, message, recipient)
        kind = "non_access" if non_access else "history"
        claim, closing = log.prepare_export(message, recipient=number, kind=kind, file=file, show=only or ())
        chosen = native.choose(log.content(message), claim, only) if content else []
        pdf = None
        if wanted is not None:
            check_fits(log.certified(wanted), claim)
            log.view(message, "certificate", actor.person(log))
            pdf = log.certificate(wanted)
        for what in native.looks(chosen):
            log.view(message, what, actor.person(log))
        made = log.assemble(claim, log.write(closing), only or None)
        octets_of = native.read(log.content(message), chosen) if content else {}
        vkey = log.ring.signer().vkey
        try:
            size = _write_package(output, made, octets_of, pdf) if package else write(output, made)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Stop(
                UNSAID, f"the export is recorded, but {output} could not be written: {reason}; export again"
            ) from None
    shown = sum(len(held.disclosures) for held in made.entries)
    out = paper.console()
    rows = [
        ("written", f"{output}, {octets(size)}; it holds personal data"),
        ("holds", f"{plural(len(made.entries), 'entry')}, {plural(shown, 'disclosure')}"),
    ]
    rows += [("content", ", ".join(chosen))] if chosen else []
    rows += [("certificate", wanted)] if wanted is not None else []
    out.print(paper.pairs(rows))
    out.print(f"\npostseal verify {shlex.quote(str(output))} --vkey {vkey}", soft_wrap=True)
    return OK


def check_place(path: Path) -> None:
    """Stop unless a file can be made there."""
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise Stop(USAGE, f"{path} cannot be written: {error.strerror or error}") from None


def write(path: Path, made: Evidence) -> int:
    """A new file for its owner alone, durable; its size."""
    data = evidence.format(made)
    durable.create(path, data)
    return len(data)


def _write_package(path: Path, made: Evidence, contents: Mapping[str, Pieces], certificate: bytes | None) -> int:
    """The same of a package."""
    packed = bag.pack(evidence.format(made), contents, certificate)
    durable.create_from(path, packed.pieces)
    return packed.size
