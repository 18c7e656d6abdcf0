"""`postseal withdraw`: say that a certificate is not to be relied on any longer."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import naming, paper
from cli.certificate import certifying
from cli.exits import OK
from cli.plain import moment
from cli.writing import AcceptClock, open_log, person
from ledger import entry

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def withdraw(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="That of the certificate.")],
    reason: Annotated[str | None, typer.Option(metavar="CODE", help="Why: a word like wrong-recipient.")] = None,
    accept_clock: AcceptClock = False,
) -> int:
    """Withdraw a certificate. It stays recorded that it was issued; who looks its number up, or verifies it with later
    evidence, is told. Whoever only holds the file is not."""
    naming.check_reason(reason)
    wanted = naming.certificate(number)
    with open_log(accept_clock) as log:
        done = certifying(log).withdraw(wanted, reason, actor=person(log))
    made = entry.decode(done.recorded[0].data)
    paper.console().print(f"certificate {wanted} is withdrawn since {moment(made.at)}, entry {made.seq}")
    return OK
