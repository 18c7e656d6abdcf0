"""What the entries of a chain add up to, entry by entry, and how it is written down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from ledger import entry, event, schema
from ledger.policy import Block
from ledger.state import FIRSTS, NEVER, STATES, Chain
from ledger.store.append import CHAIN_COLUMNS, chain_of, row_of

ID = "01890a5d-ac96-774b-bcce-b302099a80{:02x}"
LEAF = "{:064x}"


class Story:
    """Folds entries of given kinds into a chain."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.seq = 100

    def add(self, kind: str, /, **facts: Any) -> Chain:
        grade = event.KINDS[kind].grade
        base = {"attestation": "D", "attribution": "exact", "grade": grade} if grade else {}
        self.seq += 1
        made = entry.TYPES[kind](
            at="2026-11-23T14:00:00.000000Z",
            chain=self.chain.id,
            facts=schema.parse_facts(kind, base | facts),
            n=self.chain.n,
            prev=LEAF.format(0),
            sealed=[],
            seq=self.seq,
            source="api",
            v=1,
            cprev=self.chain.leaf or UNSET,
        )
        self.chain.fold(made, LEAF.format(self.seq))
        return self.chain


def there_and_back(chain: Chain) -> None:
    row = row_of(chain)
    assert len(row) == len(CHAIN_COLUMNS.split(", "))
    again = chain_of(row)
    for name in Chain.__slots__:
        assert getattr(again, name) == getattr(chain, name), name
    assert row_of(again) == row


def test_types() -> None:
    assert Chain(0, ID.format(0), 0, 0).type == "log"
    assert Chain(1, ID.format(1), 1, 0).type == "message"
    assert Chain(2, ID.format(2), 1, 1).type == "recipient"


def test_a_recipients_chain() -> None:
    story = Story(Chain(2, ID.format(2), 1, 1, files=3))
    chain = story.add("recipient.added", message=ID.format(1), recipient="r1")
    assert (chain.n, chain.grade, chain.accesses, chain.leaf) == (1, 0, 0, LEAF.format(101))
    story.add("relay.accepted", code=250)
    story.add("relay.accepted", code=250)
    story.add("delivery.delivered")
    story.add("message.opened")
    story.add("link.opened", file="f2")
    assert (chain.grade, chain.accesses, chain.fetched) == (4, 2, ())
    story.add("download.started", file="f2", transfer=ID.format(3))
    story.add("download.completed", file="f2", transfer=ID.format(3))
    assert (chain.grade, chain.accesses, chain.fetched) == (7, 4, ("f2",))
    story.add("download.aborted", file="f1", transfer=ID.format(4))
    story.add("delivery.bounced")
    story.add("access.denied", asked="download.started", block=ID.format(5), file="f1")
    story.add("code.failed")
    assert (chain.grade, chain.accesses, chain.fetched) == (7, 5, ("f2", "f1"))
    first = dict(zip(FIRSTS, chain.firsts, strict=True))
    assert first == {
        "relay.accepted": 102,
        "delivery.delivered": 104,
        "message.opened": 105,
        "link.opened": 106,
        "download.started": 107,
        "download.completed": 108,
        "delivery.bounced": 110,
        "access.denied": 111,
    }
    assert chain.n == 12
    there_and_back(chain)


def test_blocks_come_grow_and_go() -> None:
    story = Story(Chain(1, ID.format(1), 1, 0))
    chain = story.add(
        "message.recorded",
        content="kept",
        envelope="given",
        files=300,
        fingerprint="x",
        grade="G0",
        recipients=2,
    )
    assert (chain.files, chain.recipients) == (300, 2)
    files = [f"f{k}" for k in range(1, 301)]
    story.add("block.applied", block=ID.format(8), files=files[:256], scope="all", recipients=2)
    story.add("block.applied.continued", part=1, files=files[256:])
    story.add("block.applied", block=ID.format(9), files=["f7"], scope="file", recipients=2)
    assert chain.blocks == (Block(ID.format(8), 102, frozenset(files)), Block(ID.format(9), 104, frozenset({"f7"})))
    there_and_back(chain)
    story.add("block.lifted", block=ID.format(8))
    assert [b.id for b in chain.blocks] == [ID.format(9)]
    story.add("block.lifted", block=ID.format(9))
    assert chain.blocks == () and chain.extra() == ""
    there_and_back(chain)


def test_the_logs_chain() -> None:
    story = Story(Chain(0, ID.format(0), 0, 0))
    chain = story.add("ledger.opened", log=ID.format(0), origin="log.example", vkey="v")
    story.add("key.introduced", vkey="v")
    story.add("ledger.started", instance=ID.format(1), store="sqlite", version="1")
    story.add("key.introduced", vkey="w", endorsement="e")
    story.add("key.retired", vkey="v")
    assert chain.keys == (102, 104, 105)
    assert chain.beat == "2026-11-23T14:00:00.000000Z"
    assert all(first == NEVER for first in chain.firsts)
    there_and_back(chain)


def test_what_is_written_down_is_canonical() -> None:
    chain = Chain(1, ID.format(1), 1, 0)
    chain.blocks = (Block("b", 5, frozenset({"f2", "f10", "f1"})),)
    chain.fetched = ("f2", "f1")
    chain.keys = (1, 7)
    chain.beat = "2026-11-23T14:00:00.000000Z"
    said = chain.extra()
    assert said == json.dumps(json.loads(said), sort_keys=True, separators=(",", ":"))
    there_and_back(chain)


def told(*kinds: str) -> Chain:
    """A recipient's chain to which these happened; ``blocked`` and ``lifted`` are of one block of all."""
    story = Story(Chain(2, ID.format(2), 1, 1, files=1))
    more: dict[str, dict[str, Any]] = {
        "recipient.added": {"message": ID.format(1), "recipient": "r1"},
        "block.applied": {"block": ID.format(8), "files": ["f1"], "scope": "all"},
        "block.lifted": {"block": ID.format(8)},
        "access.denied": {"asked": "download.started", "block": ID.format(8), "file": "f1"},
        **{kind: {"file": "f1", "transfer": ID.format(3)} for kind in ("download.started", "download.completed")},
    }
    for kind in ("recipient.added", *kinds):
        story.add(kind, **more.get(kind, {}))
    return story.chain


SENT, GOT, BACK = "relay.accepted", "delivery.delivered", "delivery.bounced"


@pytest.mark.parametrize(
    ("kinds", "state", "states"),
    [
        ([], "recorded", []),
        (["relay.deferred", "delivery.relayed", "recipient.refused"], "recorded", []),
        ([SENT], "relayed", ["relayed"]),
        ([SENT, GOT], "delivered", ["relayed", "delivered"]),
        ([GOT, "message.opened"], "opened", ["delivered", "opened"]),
        (["link.opened", "message.opened"], "link_opened", ["opened", "link_opened"]),
        (["link.opened", "download.started"], "link_opened", ["link_opened"]),
        (["download.started", "download.completed"], "downloaded", ["downloaded"]),
        ([SENT, BACK], "bounced", ["relayed", "bounced"]),
        ([SENT, GOT, BACK], "bounced", ["relayed", "delivered", "bounced"]),
        ([BACK, GOT], "delivered", ["delivered", "bounced"]),
        ([BACK], "bounced", ["bounced"]),
        # Who opened it has it, whatever came back.
        (["message.opened", BACK], "opened", ["opened", "bounced"]),
        (["download.started", "download.completed", "block.applied"], "blocked", ["downloaded", "blocked"]),
        (["block.applied", "access.denied"], "blocked", ["blocked", "denied"]),
        (["block.applied", "access.denied", "block.lifted"], "recorded", ["denied"]),
    ],
)
def test_what_became_of_a_recipient_in_a_word(kinds: list[str], state: str, states: list[str]) -> None:
    chain = told(*kinds)
    assert chain.state == state
    assert chain.states == ("recorded", *states)
    assert set(chain.states) <= set(STATES)
