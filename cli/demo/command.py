"""`postseal demo`: a ledger, the service on it, the story through its API; and then it keeps serving."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from api import settings
from api.settings import Settings
from cli import paper
from cli.demo import proof, service
from cli.demo.client import Client
from cli.demo.story import Story, own_hashes
from cli.demo.telling import Telling
from cli.exits import NO, OK, Stop
from cli.serve import address, interruptible
from cli.writing import AcceptClock, open_log
from ledger.log import Log

LOGFILE: Final = "service.log"

MANY: Final = 1000
"""Messages that are looked at together."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the story instead of serving on.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Show what Postseal does: records three mails, follows them, blocks, audits, and proves it offline.

    All of it goes through the HTTP service, which the demo starts on POSTSEAL_BIND and leaves running until Ctrl-C; if
    that port is taken, on a free one. It works on the ledger that the settings name, and begins one where there is
    none. Another run goes on with the same ledger and writes to a directory of its own. `make run` uses a ledger in
    ./data.
    """
    here = settings.from_environment()
    with interruptible():
        listening, taken = service.listen_somewhere(here.bind)
        with listening, open_log(accept_clock) as log:
            held = _held(log, here)
            place = _place(here)
            with service.serving(log, _named(here, address(listening)), listening, place / LOGFILE) as running:
                telling = Telling(paper.console(), here, place, address(listening))
                # A key that is made is shown: there is no other time.
                with service.undisturbed():
                    first = service.first_key(log.credentials)
                    telling.begin(taken, first, held)
                with service.story_key(log.credentials) as key, closing(Client(telling.address, key)) as client:
                    story = Story(client)
                    if not _tell(story, telling, here, place):
                        raise Stop(NO, "the demo did not end as it must; what it printed says where")
                telling.end(story.offer, first is not None, serves=not once)
                if not once:
                    # Before it is said: whoever reads it may press the keys at once.
                    running.end_by_signal()
                    telling.serving(place / LOGFILE)
                    running.wait()
        telling.stopped()
    return OK


def _named(here: Settings, url: str) -> Settings:
    """What certificates say of whoever runs the service, where nothing else was set."""
    return replace(
        here, public_url=here.public_url or url, operator=here.operator or "the demo of Postseal, on this machine"
    )


def _held(log: Log, here: Settings) -> int:
    """How many messages are here. Stop if one of them is not the demo's."""
    held = 0
    own = own_hashes() if (here.data_dir / "demo").exists() else frozenset[str]()
    page = log.reader.messages(MANY)
    while page:
        for chain in page:
            # Of one that was erased nobody can say any more what it was.
            if log.disclosed(chain.id).get("raw", {}).get("sha256") not in own:
                # What is written here stays for ever: letters that nobody sent do not belong into a ledger in earnest.
                said = "this ledger holds mail that is not the demo's: `postseal serve` serves it;"
                raise Stop(NO, f"{said} for the demo give it another POSTSEAL_DATA_DIR")
        held += len(page)
        page = log.reader.messages(MANY, page[-1].no)
    return held


def _place(here: Settings) -> Path:
    """A directory of this run's own."""
    top = here.data_dir / "demo"
    top.mkdir(mode=0o700, exist_ok=True)
    number = 1 + max((int(one.name) for one in top.iterdir() if one.name.isdigit()), default=0)
    place = top / str(number)
    place.mkdir(mode=0o700)
    return place


def _tell(story: Story, telling: Telling, here: Settings, place: Path) -> bool:
    """The story, each part told when it has happened; whether it ended as it must."""
    calls = story.client.calls
    telling.letters(story.send(), calls())
    telling.events(list(story.happen()), calls())
    blocks = story.block()
    telling.blocks(blocks, calls())
    telling.denied(story.ask(), calls())
    telling.lifted(story.lift(blocks[1]), calls())
    exported = story.export()
    telling.exported(calls())
    certificates = story.certify()
    refusal = story.overclaim()
    package = story.pack(next(one for one in certificates if one.kind == "non_access"))
    telling.certified(certificates, refusal, calls())
    papers = proof.keep(place, certificates, package)
    audited = proof.audit(here, place, exported, story.checkpoint())
    telling.audited(audited, calls())
    checked = proof.check(place, proof.EVIDENCE)
    telling.checked(checked)
    printed = proof.check(place, papers)
    telling.printed(printed)
    return audited.status == OK and checked.right and not checked.heavy and printed.right
