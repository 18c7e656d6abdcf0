"""The work that is measured: messages with two recipients, and what then happens to them.

A batch of 1,000 entries records 67 messages (201 entries on 201 new chains) and 799 events about messages of the ten
batches before. Each event has three sealed facts, a key of its own at its source and the instant the source claims;
every fifth came through a link token. What the sources tell, and the fingerprints of the messages, are there
beforehand; what is measured begins where a caller turns to the ledger.
"""

from __future__ import annotations

import random
from collections import deque
from hashlib import sha256
from typing import Any

from ledger import envelope, fingerprint
from ledger.canonical import Json
from ledger.chance import Chance
from ledger.log import Log
from ledger.sequencer import Submission

BATCH = 1000
MESSAGES = 67
EVENTS = BATCH - 3 * MESSAGES
CHAINS = 3 * MESSAGES
BEFORE = 10

KINDS = ("relay.accepted", "delivery.delivered", "message.opened", "link.opened", "message.opened")
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)


class Work:
    """Makes batches of acts for one log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._chance = Chance()
        self._dice = random.Random(7)
        self._known: deque[list[tuple[str, tuple[str, str]]]] = deque(maxlen=BEFORE)
        self._sent = envelope.given("sender@example.org", ["anna@example.com", "ben@example.net"])
        self._prints = [fingerprint.take(_message(number)) for number in range(64)]
        self._number = 0
        # Several processes write to one log; what their sources call the events must differ.
        self._scope = f"bench {log.instance}"

    def events(self, batches: int) -> list[list[dict[str, Any]]]:
        """What sources tell of, for some batches: everything of an event but the message it is about."""
        return [[self._told() for _ in range(EVENTS)] for _ in range(batches)]

    def draft(self, events: list[dict[str, Any]]) -> list[Submission]:
        """1,000 entries, drafted."""
        made = []
        new = []
        for number in range(MESSAGES):
            tokens = self._token(), self._token()
            act, _ = self._log.prepare(
                self._prints[number % 64],
                self._sent,
                ["to", "bcc"],
                source="gateway",
                tokens={1: tokens[:1], 2: tokens[1:]},
            )
            made.append(Submission(act))
            new.append((act.id, tokens))
        known = [message for batch in self._known for message in batch] or new
        draft, pick = self._log.draft, self._dice.choices(known, k=EVENTS)
        for (message, tokens), told in zip(pick, events, strict=True):
            second = told["key"][0] & 1
            if told["kind"] == "link.opened":
                told["facts"] = {"token": tokens[second]}
            made.append(Submission(draft(message, "r2" if second else "r1", **told)))
        self._known.append(new)
        return made

    def _token(self) -> str:
        return sha256(self._chance(16)).hexdigest()

    def _told(self) -> dict[str, Any]:
        number = self._number = self._number + 1
        sealed: list[tuple[str, Json]] = [
            ("ip", f"192.0.2.{number % 251}"),
            ("user_agent", AGENTS[number % len(AGENTS)]),
            ("url", f"https://example.org/t/{number}/index.html?utm_source=mail"),
        ]
        return {
            "kind": KINDS[number % len(KINDS)],
            "source": "webhook",
            "attestation": "B",
            "sealed": sealed,
            "occurred": f"2026-11-23T04:{number // 60_000 % 60:02}:{number // 1000 % 60:02}.{number % 1000:03}000Z",
            "clock": "stated",
            "key": self._log.event_key(self._scope, str(number)),
        }


def _message(number: int) -> bytes:
    return (
        "From: Sender <sender@example.org>\r\nTo: Anna <anna@example.com>\r\n"
        f"Subject: Offer {number}\r\nMessage-ID: <{number}@example.org>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello.\r\n"
        f"--b\r\nContent-Type: application/pdf; name=offer-{number}.pdf\r\n"
        f"Content-Disposition: attachment; filename=offer-{number}.pdf\r\n\r\n%PDF {number}\r\n--b--\r\n"
    ).encode()
