"""A process that does nothing but record and erase, until it is killed: ``python -m tests.ledger.erasures URL DIR``."""

from __future__ import annotations

import sys
from pathlib import Path

from ledger import epochs
from ledger.erasing import Erasing
from tests.ledger.ledgers import mail, open_log


def main(url: str, directory: Path) -> None:
    with open_log(url, directory) as log:
        erasing, me = Erasing(log), log.person("uid:1", "Olga")
        erasing.resume()
        for number in range(1000):
            made = log.record(*mail(3, 1, subject=f"matter {number}"))
            for recipient in ("r1", "r2", "r3"):
                log.event(made.message, recipient, "message.opened", sealed=[("ip", "10.1.2.3")])
            for act in (
                lambda made=made: erasing.of_message(made.message, me, recipient="r1"),
                lambda: erasing.of_person("sender@example.org", me),
                lambda made=made: erasing.of_message(made.message, me),
            ):
                sys.stdout.write(f"{erasing.go_on(log.write(act())).state}\n")
                sys.stdout.flush()
            if number % 4 == 3:
                epochs.turn(log.store, log.ring, lambda: 1_790_000_000_000_000)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
