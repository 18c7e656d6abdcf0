"""`postseal keys`: the keys that sign, their rotation, the epochs of the data keys, and auditors' keys."""

from __future__ import annotations

import json
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from cli import auditor, paper
from cli.exits import OK
from cli.opening import open_reading
from cli.plain import moment, plural
from cli.writing import AcceptClock, open_log
from ledger import entry, epochs, event
from ledger.act import Own
from ledger.epochs import Turned
from ledger.keys import LogKey
from ledger.log import Log

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=False, help="Keys of the log, and of its auditors."
)


@app.command("list", short_help="List the keys that sign or signed.")
def list_(json_: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> int:
    """List the keys that sign or signed, oldest first, and the current epoch of the data keys."""
    with open_reading() as reading:
        keys, now, past = reading.ring.keys, reading.ring.epoch, reading.ring.past_epochs
    if json_:
        for key in keys:
            said = {"vkey": key.vkey, "state": key.state, "created": key.created}
            sys.stdout.write(json.dumps(said | ({"retired": key.retired} if key.retired else {})) + "\n")
        return OK
    table = paper.table("state", "created (UTC)", "retired (UTC)", fixed=("state", "created (UTC)", "retired (UTC)"))
    for key in keys:
        table.add_row(key.state, _when(key.created), _when(key.retired) if key.retired else "")
    out = paper.console()
    out.print(table)
    for key in keys:
        # On a line of its own, unbroken: it is there to be copied.
        out.print(f"\n{key.state}\n{key.vkey}", soft_wrap=True)
    left = f"; {' and '.join(map(str, past))} not ended: `postseal keys epoch` goes on with it" if past else ""
    out.print(f"\nepoch of the data keys: {now}{left}", soft_wrap=True)
    return OK


@app.command(short_help="Sign with a new key from now on.")
def rotate(accept_clock: AcceptClock = False) -> int:
    """Sign with a new key from now on, endorsed by the old one, whose secret is then deleted for good.

    Interrupted, it is finished by running it again; only when nothing is left to finish a new key is made.
    """
    with open_log(accept_clock) as log:
        finished = _retire(log)
        pending = [key for key in log.ring.keys if key.state == "next"]
        if finished and not pending:
            sys.stdout.write("finished the rotation that was interrupted; run it again for a new key\n")
            return OK
        # Each step is durable before the next, and each may be repeated: see KeyRing.begin_rotation. Nobody would
        # believe a key whose introduction is not in the log; and once it is, the ring must not forget it.
        key = log.ring.begin_rotation(_now())
        _introduce(log, key)
        log.ring.finish_rotation(key.vkey, _now())
        _retire(log)
    sys.stdout.write(f"{key.vkey}\nsigns from now on; print a new trust file with `postseal trust`\n")
    return OK


def _introduce(log: Log, key: LogKey) -> None:
    endorsement = (key.endorsement or b"").decode()
    _once(log, "key.introduced", event.KeyIntroduced(vkey=key.vkey, endorsement=endorsement), key.vkey)


def _retire(log: Log) -> bool:
    """Record each key that the ring has retired and the log has not; whether there was one."""
    said = [entry.decode(log.reader.entry(seq) or b"") for seq in log.reader.log_chain().keys]
    recorded = {facts.vkey for facts in (one.facts for one in said) if isinstance(facts, event.KeyRetired)}
    left = [key.vkey for key in log.ring.keys if key.state == "retired" and key.vkey not in recorded]
    for vkey in left:
        _once(log, "key.retired", event.KeyRetired(vkey=vkey), vkey)
    return bool(left)


def _once(log: Log, kind: str, facts: event.Facts, vkey: str) -> None:
    """Under a key of its own: two who rotate at the same time write it once."""
    log.write(Own(kind, facts), log.request_key(kind, vkey), sha256(vkey.encode()).digest())


@app.command(short_help="Begin a new epoch of the data keys, and end all before it.")
def epoch(accept_clock: AcceptClock = False) -> int:
    """Turn the epoch: every data key is wrapped anew under a new key, then the old key is destroyed.

    Older copies of the database cannot be read after that, unless somebody also has an older copy of the key ring.
    Others may write meanwhile. Interrupted, it is finished by running it again.
    """
    with open_log(accept_clock) as log, paper.progress("wrapping") as bar:
        task = bar.add_task("", total=None, said="data keys")
        done = epochs.turn(log.store, log.ring, _now, lambda count: bar.update(task, completed=count))
    sys.stdout.write(_turned(done))
    return OK


def _turned(done: Turned) -> str:
    past = " and ".join(map(str, done.destroyed))
    ended = f"the key of epoch {past} destroyed" if past else "no older key was left to destroy"
    begun = "the turn that was interrupted is finished" if done.finished else f"epoch {done.epoch} has begun"
    said = [
        f"{begun}: {plural(done.wrapped, 'data key')} wrapped anew, {ended}",
        "older copies of the database cannot be read any more, unless someone also has an older copy of the key ring",
        "back up the key ring now, and destroy its older copies",
    ]
    if not done.scrubbed:
        said.append("somebody was reading: the database still holds the old wrapped keys, which nothing opens any more")
    return "\n".join(said) + "\n"


@app.command("auditor", short_help="Make an auditor's key; belongs on his machine.")
def auditor_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes, mode 0600.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="The auditor's name: a URL without its scheme.")],
) -> int:
    """Make an auditor's key, and print its verifier key, which goes into trust files.

    It belongs on the auditor's own machine: in the hands of the log's operator it proves nothing more than his word.
    """
    sys.stdout.write(auditor.create(file, name).vkey + "\n")
    return OK


def _when(at: str) -> str:
    return moment(at).replace("T", " ")


def _now() -> int:
    return time.time_ns() // 1000
