"""A writer to be killed: four threads that write to a ledger and note down every answer before they go on.

    python -m tests.ledger.load URL DIRECTORY JOURNAL SEED SECONDS

The journal has a line for each request before it is sent and one for each answer. A killed process loses nothing of it:
each line is one write to a file opened for appending, which the kernel holds. A process begins by sending again, under
their old keys, the requests of JOURNAL that were never answered.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ledger.errors import LedgerError
from ledger.log import Log
from ledger.plan import Act
from ledger.sequencer import Outcome, Submission
from tests.ledger.ledgers import download, mail, open_log

Line = dict[str, Any]
THREADS = 4


def lines(journal: Path) -> list[Line]:
    """What a journal says; a last line that was cut off was never acted upon."""
    data = journal.read_bytes() if journal.exists() else b""
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def unanswered(journal: Path) -> list[Line]:
    asked: dict[str, Line] = {}
    for line in lines(journal):
        if "asked" in line:
            asked[line["asked"]] = line
        else:
            asked.pop(line["answered"], None)
    return list(asked.values())


class Worker:
    def __init__(self, log: Log, journal: Path, seed: int) -> None:
        self.log = log
        self.journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.random = random.Random(seed)
        self.messages: list[str] = []
        self.names = iter(range(1 << 60))
        self.name = f"{seed:x}-{log.instance}"

    def note(self, **line: Any) -> None:
        os.write(self.journal, json.dumps(line).encode() + b"\n")

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            roll = self.random.random()
            if not self.messages or roll < 0.1:
                self.ask({"do": "record", "recipients": self.random.randint(1, 4)})
                continue
            message = self.random.choice(self.messages[-20:])
            if roll < 0.5:
                self.ask({"do": "events", "message": message, "count": 1})
            elif roll < 0.8:
                self.ask({"do": "events", "message": message, "count": self.random.choice([5, 50])})
            elif roll < 0.9:
                self.ask({"do": "download", "message": message, "transfer": self.log.new_id()})
            else:
                self.ask({"do": "block", "message": message})

    def ask(self, what: Line) -> None:
        name = f"{self.name}-{next(self.names)}"
        self.note(asked=name, **what)
        self.send(name, what)

    def send(self, name: str, what: Line) -> None:
        """Send it, and again until it is answered; then note down what the answer promises."""
        acts = getattr(self, "_" + what["do"])(name, what)
        key = self.log.request_key
        submissions = [Submission(a, key("load", f"{name}-{k}"), bytes(32)) for k, a in enumerate(acts)]
        while True:
            answers = self.log.submit(submissions).result(120)
            if not any(isinstance(a, LedgerError) for a in answers):
                break
            time.sleep(0.05)
        done = [a for a in answers if isinstance(a, Outcome)]
        if what["do"] == "record":
            # Not before: others may use it only when it stands.
            self.messages.append(json.loads(done[0].recorded[0].data)["chain"])
        origin, size, root = done[-1].checkpoint.decode().split("\n")[:3]
        assert origin == self.log.origin
        recorded = [[r.seq, r.leaf] for a in done for r in a.recorded]
        self.note(answered=name, recorded=recorded, size=int(size), root=root)

    def _record(self, name: str, what: Line) -> list[Act]:
        hosted = ["f1", "f2"]
        return [self.log.prepare(*mail(what["recipients"], subject=name), hosted=hosted)[0]]

    def _events(self, name: str, what: Line) -> list[Act]:
        return [
            self.log.draft(
                what["message"],
                "r1",
                "message.opened",
                source="webhook",
                key=self.log.event_key("load", f"{name}-{k}"),
                sealed=[("detail", f"{name}-{k}")],
            )
            for k in range(what["count"])
        ]

    def _download(self, name: str, what: Line) -> list[Act]:
        return [download(self.log, what["message"], "r1", transfer=what["transfer"])]

    def _block(self, name: str, what: Line) -> list[Act]:
        from ledger.act import Block, Lift

        block = self.log.new_id()
        blocking = Block(what["message"], block, "all", self.log.new_id(), "api")
        return [blocking, Lift(what["message"], block, self.log.new_id(), "api")]


def main(url: str, directory: str, journal: str, seed: str, seconds: str) -> None:
    path = Path(journal)
    again = unanswered(path)
    with open_log(url, Path(directory)) as log:
        workers = [Worker(log, path, int(seed) * THREADS + k) for k in range(THREADS)]
        for line in again:
            # A transfer that was started under its key is started once, whoever asks how often.
            workers[0].send(line["asked"], line)
        threads = [threading.Thread(target=w.run, args=(float(seconds),)) for w in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert log.sequencer.defect is None


if __name__ == "__main__":
    main(*sys.argv[1:])
