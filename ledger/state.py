"""What the entries of a chain add up to. A projection: derived from entries alone, dropped and rebuilt at will.

The writer folds each entry it makes and a rebuild folds each entry it reads, through the same `Chain.fold`; so the two
cannot differ. Nothing here is evidence: `ledger.audit` recomputes what it needs from the entries.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from ledger import canonical
from ledger.entry import Entry
from ledger.event import KINDS
from ledger.policy import Block
from ledger.retention import Term

FIRSTS: Final = {
    "relay.accepted": 0,
    "delivery.delivered": 1,
    "message.opened": 2,
    "link.opened": 3,
    "download.started": 4,
    "download.completed": 5,
    "delivery.bounced": 6,
    "access.denied": 7,
}
"""The kinds whose earliest entry a chain remembers, and the place each has in `Chain.firsts`."""

STATES: Final = {
    "recorded": None,
    "relayed": "relay.accepted",
    "delivered": "delivery.delivered",
    "opened": "message.opened",
    "link_opened": "link.opened",
    "downloaded": "download.completed",
    "bounced": "delivery.bounced",
    "blocked": None,
    "denied": "access.denied",
}
"""What may be said of a recipient in a word, and the kind that has been recorded then. A machine's event counts like
anyone's; ``recorded`` always holds, ``blocked`` while a block is in force."""

NEVER: Final = -1
_KEPT: Final = frozenset({"erasure.done", "erasure.requested", "hold.placed", "hold.released"})
_DENIED: Final = FIRSTS["access.denied"]
_EVENTS: Final = {
    name: (int(kind.grade[1]), kind.access, name.startswith("download."), FIRSTS.get(name))
    for name, kind in KINDS.items()
    if kind.grade is not None
}
"""Of tracking events: grade, whether it is an access, whether of a file, and its place among the firsts."""


class Chain:
    """Head and state of one chain. Mutable: it lives inside one writer's transaction, or in one rebuild.

    ``no`` numbers chains from 0 (the log's own) in the order they were opened. ``root`` is the ``no`` of the message a
    chain belongs to (its own for a message). ``ordinal`` is 0 on a message's chain and k on that of recipient ``rk``.
    ``n`` counts entries; ``leaf`` is the hex leaf hash of the last. ``blocks`` and ``holds`` are those in force.
    ``erasures`` were asked for and are not done; ``erased`` is the entry of the last that took all there was on this
    chain; ``term`` is how long a message is to be kept, as it was said when it was recorded.
    """

    __slots__ = (
        "accesses",
        "beat",
        "blocks",
        "erased",
        "erasures",
        "fetched",
        "files",
        "firsts",
        "grade",
        "holds",
        "id",
        "keys",
        "leaf",
        "n",
        "no",
        "ordinal",
        "recipients",
        "root",
        "term",
    )

    def __init__(self, no: int, id: str, root: int, ordinal: int, files: int = 0) -> None:
        self.no = no
        self.id = id
        self.root = root
        self.ordinal = ordinal
        self.files = files
        self.n = 0
        self.leaf = ""
        self.recipients = 0
        self.grade = 0
        self.accesses = 0
        self.firsts = [NEVER] * len(FIRSTS)
        self.blocks: tuple[Block, ...] = ()
        self.fetched: tuple[str, ...] = ()
        self.keys: tuple[int, ...] = ()
        self.beat = ""
        self.holds: tuple[str, ...] = ()
        self.erasures: tuple[str, ...] = ()
        self.erased = NEVER
        self.term: Term | None = None

    @property
    def type(self) -> str:
        """``log``, ``message`` or ``recipient``."""
        return "log" if self.no == 0 else "recipient" if self.ordinal else "message"

    @property
    def states(self) -> tuple[str, ...]:
        """Each of `STATES` that holds."""
        held = {"recorded", "blocked"} if self.blocks else {"recorded"}
        return tuple(
            name
            for name, kind in STATES.items()
            if name in held or (kind is not None and self.firsts[FIRSTS[kind]] != NEVER)
        )

    @property
    def state(self) -> str:
        """The one of `states` that matters most: a block in force, then how far the message came. A bounce counts
        against what was delivered before it; a denial is told by its block."""
        held = self.states
        if "blocked" in held:
            return "blocked"
        for name in ("downloaded", "link_opened", "opened"):
            if name in held:
                return name
        if "bounced" in held and self.firsts[FIRSTS["delivery.bounced"]] > self.firsts[FIRSTS["delivery.delivered"]]:
            return "bounced"
        return next(name for name in ("delivered", "bounced", "relayed", "recorded") if name in held)

    def fold(self, entry: Entry, leaf: str) -> None:
        """Take in the chain's next entry, whose leaf hash is ``leaf`` (hex)."""
        kind = entry.kind
        self.n += 1
        self.leaf = leaf
        event = _EVENTS.get(kind)
        if event is not None:
            grade, access, download, place = event
            if place is not None and self.firsts[place] == NEVER:
                self.firsts[place] = entry.seq
            if grade > self.grade:
                self.grade = grade
            if access:
                self.accesses += 1
                if download:
                    self._fetch(entry)
            return
        if kind == "access.denied" and self.firsts[_DENIED] == NEVER:
            self.firsts[_DENIED] = entry.seq
        facts: Any = entry.facts
        if kind == "block.applied":
            self.blocks += (Block(facts.block, entry.seq, frozenset(facts.files)),)
        elif kind == "block.applied.continued":
            last = self.blocks[-1]
            self.blocks = (*self.blocks[:-1], Block(last.id, last.seq, last.files | frozenset(facts.files)))
        elif kind == "block.lifted":
            self.blocks = tuple(b for b in self.blocks if b.id != facts.block)
        elif kind == "message.recorded":
            self.files = facts.files
            self.recipients = facts.recipients
            if facts.retention is not UNSET:
                self.term = Term.of(facts.retention, entry.at)
        elif kind in _KEPT:
            self._keep(entry)
        elif kind in ("ledger.started", "ledger.heartbeat"):
            self.beat = entry.at
        elif kind.startswith("key."):
            self.keys += (entry.seq,)

    def _keep(self, entry: Entry) -> None:
        facts: Any = entry.facts
        match entry.kind:
            case "hold.placed":
                self.holds += (facts.hold,)
            case "hold.released":
                self.holds = tuple(id for id in self.holds if id != facts.hold)
            case "erasure.requested":
                self.erasures += (facts.erasure,)
            case "erasure.done":
                self.erasures = tuple(id for id in self.erasures if id != facts.erasure)
                # On a message's chain, of one recipient or one person, it leaves the message itself.
                if self.ordinal or facts.subject == "message":
                    self.erased = entry.seq

    def _fetch(self, entry: Entry) -> None:
        file = getattr(entry.facts, "file", UNSET)
        if file is not UNSET and file not in self.fetched:
            self.fetched += (file,)

    @property
    def has_extra(self) -> bool:
        """Whether `extra` has anything to say."""
        few = self.blocks or self.fetched or self.keys or self.beat or self.holds or self.erasures or self.term
        return bool(few) or self.erased != NEVER

    def extra(self) -> str:
        """What few chains have, as canonical JSON; empty when there is nothing."""
        said: dict[str, canonical.Json] = {}
        if self.blocks:
            said["blocks"] = [[b.id, b.seq, list[canonical.Json](sorted(b.files))] for b in self.blocks]
        if self.fetched:
            said["fetched"] = list(self.fetched)
        if self.keys:
            said["keys"] = list(self.keys)
        if self.beat:
            said["beat"] = self.beat
        if self.holds:
            said["holds"] = list(self.holds)
        if self.erasures:
            said["erasures"] = list(self.erasures)
        if self.erased != NEVER:
            said["erased"] = self.erased
        if self.term is not None:
            said["term"] = list[canonical.Json](self.term.to_list())
        return canonical.dumps(said).decode("ascii") if said else ""

    def set_extra(self, text: str) -> None:
        """Put back what `extra` wrote."""
        if text:
            said: Any = canonical.loads(text.encode("ascii"), limit=1 << 24)
            self.blocks = tuple(Block(i, seq, frozenset(files)) for i, seq, files in said.get("blocks", []))
            self.fetched = tuple(said.get("fetched", []))
            self.keys = tuple(said.get("keys", []))
            self.beat = said.get("beat", "")
            self.holds = tuple(said.get("holds", []))
            self.erasures = tuple(said.get("erasures", []))
            self.erased = said.get("erased", NEVER)
            self.term = Term(*said["term"]) if "term" in said else None
