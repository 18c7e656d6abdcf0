"""Messages and their recipients in a replay: what each kind may say, given what its chain came to so far.

A handler is called for one entry, after its links have been checked, and raises BrokenError at the first rule that does
not hold. What an act must add up to is judged when the act is over.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from ledger import kept
from ledger.errors import FormatError
from ledger.event import KINDS, MAX_ITEMS, Kind
from ledger.journal import Closing, check_input, words
from ledger.policy import Block, decide
from ledger.rules import BrokenError
from ledger.scan import Line
from ledger.schema import Ordinals, check_facts, parse_hash
from ledger.spelling import ordinal

UNKNOWN: Final = "unknown"
"""Type of a chain whose opening was wrong: its links are still followed, its entries no longer judged."""


class Chain(Struct, eq=False, gc=False):
    """What a chain came to so far. 200,000 of them must fit into memory: rare things are None until they are needed."""

    type: str
    id: str
    number: int
    root: int
    n: int
    leaf: str = ""
    files: int = 0
    recipients: int = 0
    ordinal: int = 0
    message: Chain | None = None
    tokens: Sequence[str] | set[str] = ()
    blocks: dict[str, Block] | None = None
    spent: dict[str, int] | None = None  # on a message: every block ever applied, to how many recipients
    transfers: dict[str, str] | None = None  # id to file, "" once it has ended
    issued: set[str] | None = None
    more: tuple[str, int, int, str, str] | None = None  # a full list: kind, n, part, act, block
    holds: set[str] | None = None


Handler: TypeAlias = Callable[[int, Line, Any, Chain], None]


def check_static(kind: Kind, chain_type: str, facts: Any) -> None:
    """What `ledger.schema.check_facts` says, under the name of the rule that is broken."""
    try:
        check_facts(kind, chain_type, facts)
    except FormatError as error:
        raise BrokenError(_static(kind, facts), str(error)) from None


def _static(kind: Kind, facts: Any) -> str:
    """The rule that `check_facts` found broken."""
    if kind.grade is not None:
        if facts.grade != kind.grade:
            return "grade"
        return "block.late" if facts.late is False else "attribution"
    if kind.closes:
        return "closing"
    return "continued" if kind.name.endswith(".continued") else "block"


class Dossier:
    """Rules for kinds on the chains of messages and recipients, and the act at hand."""

    def __init__(self) -> None:
        self._tracked = array("q")  # tracking events, ascending, and below the number of each one's chain
        self._tracked_on = array("q")
        self.tokens: Final = bytearray()
        self.token_seqs: Final = array("q")
        self.transfers: Final = bytearray()
        self.transfer_seqs: Final = array("q")
        self.references: Final = array("q")
        self.closings: Final[list[Closing]] = []
        self._file = Ordinals("f")
        self._recipient = Ordinals("r")
        self._recording: Chain | None = None
        self._missing = 0
        self._unsealed = 0
        self._applied: list[tuple[Chain, Any]] = []
        self._lifted: list[tuple[Chain, str]] = []
        self._closed: list[tuple[Chain, str, Any]] = []

    def handler(self, kind: str) -> Handler | None:
        """The rules of a kind beyond its schema, if it has any."""
        own: dict[str, Handler] = {
            "message.recorded": self._message_recorded,
            "message.refused": self._message_refused,
            "recipient.added": self._recipient_added,
            "message.recorded.continued": self._continued,
            "recipient.added.continued": self._continued,
            "block.applied.continued": self._continued,
            "download.started": self._download_started,
            "download.completed": self._download_ended,
            "download.aborted": self._download_ended,
            "access.denied": self._access_denied,
            "event.reclassified": self._reclassified,
            "block.requested": self._block_requested,
            "block.applied": self._block_applied,
            "block.lifted": self._block_lifted,
            "certificate.issued": self._closing,
            "evidence.exported": self._closing,
            "certificate.sealed": self._numbered,
            "certificate.superseded": self._numbered,
            "certificate.withdrawn": self._numbered,
            "hold.placed": kept.placed,
            "hold.released": kept.released,
            "erasure.done": kept.erased,
            "input.unparsed": self._input,
            "input.unattributed": self._input,
        }
        return own.get(kind, self._tracking if KINDS[kind].grade is not None else None)

    def track(self, seqs: Sequence[int], numbers: Sequence[Any]) -> None:
        """Tracking events, ascending, and the numbers stored for their chains."""
        try:
            self._tracked_on += array("q", numbers)
        except (TypeError, OverflowError):
            return  # such a number has been found out, or will be
        self._tracked += array("q", seqs)

    # Messages and recipients

    def _message_recorded(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if line.n:
            raise BrokenError("chain.opening", "an opening entry on a chain that is open")
        chain.files = facts.files
        chain.recipients = facts.recipients
        if not line.act or self._recording is not None:
            raise BrokenError("act", "a message is recorded by an act of its own")
        self._recording = chain
        self._missing = (2 << facts.recipients) - 2
        self._unsealed = facts.recipients + facts.files - line.sealed
        if line.sealed == MAX_ITEMS:
            chain.more = line.kind, 0, 0, line.act, ""

    def _message_refused(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if line.n:
            raise BrokenError("chain.opening", "an opening entry on a chain that is open")

    def _recipient_added(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if line.n:
            raise BrokenError("chain.opening", "an opening entry on a chain that is open")
        message = self._recording
        number = self._recipient(facts.recipient)
        if message is None or message.id != facts.message or not self._missing >> number & 1:
            chain.type = UNKNOWN
            raise BrokenError("recipient", "not a recipient, or one added before, of a message recorded by this act")
        self._missing ^= 1 << number
        chain.message = message
        chain.ordinal = number
        chain.files = message.files
        if facts.tokens is not UNSET:
            chain.tokens = facts.tokens
            self._add_tokens(seq, facts.tokens)
            if len(facts.tokens) == MAX_ITEMS:
                chain.more = line.kind, 0, 0, line.act, ""
        if chain.root != message.number:
            chain.root = message.number
            raise BrokenError("columns", "the recipient's chain is stored under another message")

    def _add_tokens(self, seq: int, tokens: Sequence[str]) -> None:
        for token in tokens:
            self.tokens.extend(parse_hash(token))
            self.token_seqs.append(seq)

    def _continued(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if chain is self._recording:
            self._unsealed -= line.sealed
        more, chain.more = chain.more, None
        if more is None:
            raise BrokenError("continued", "no full list comes before this")
        kind, n, part, act, block = more
        if (f"{kind}.continued", line.n, facts.part, line.act) != (line.kind, n + 1, part + 1, act):
            raise BrokenError("continued", "not directly after the part before, or not of the same list or act")
        size = line.sealed
        if facts.tokens is not UNSET:
            size = len(facts.tokens)
            chain.tokens = {*chain.tokens, *facts.tokens}
            self._add_tokens(seq, facts.tokens)
        elif facts.files is not UNSET:
            size = len(facts.files)
            self._go_on(facts.files, block, chain)
        if size == MAX_ITEMS:
            chain.more = kind, line.n, facts.part, act, block

    # Tracking events

    def _tracking(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        file = facts.file
        if file is not UNSET and self._file(file) > chain.files:
            raise BrokenError("file", "the message has no such file")
        if facts.candidates is not UNSET:
            if chain.type == "recipient":
                raise BrokenError("attribution", "candidates on the chain of one recipient")
            if max(map(self._recipient, facts.candidates)) > chain.recipients:
                raise BrokenError("recipient", "a candidate is not a recipient of the message")
        if facts.token is not UNSET and facts.token not in chain.tokens:
            raise BrokenError("token", "this link token does not open this chain")
        if facts.input is not UNSET:
            self.references.extend((facts.input, seq))
        if chain.blocks:
            decision = decide(line.kind, line.source, None if file is UNSET else file, chain.blocks.values())
            if decision.denied is not None:
                raise BrokenError("block.access", f"{line.kind} of a blocked file")
            if facts.late is not (True if decision.late else UNSET):
                raise BrokenError("block.late", f"late is {'missing' if decision.late else 'wrong'} here")
        elif facts.late is not UNSET:
            raise BrokenError("block.late", "late is wrong here")

    def _input(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        check_input(seq, facts, self.references)

    def _download_started(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if chain.transfers is None:
            chain.transfers = {}
        if facts.transfer in chain.transfers:
            raise BrokenError("transfer", "this transfer was started before")
        chain.transfers[facts.transfer] = facts.file
        # On another chain it may be in another part: `ledger.audit` compares them all.
        self.transfers.extend(bytes.fromhex(facts.transfer.replace("-", "")))
        self.transfer_seqs.append(seq)
        self._tracking(seq, line, facts, chain)

    def _download_ended(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if chain.transfers is None or chain.transfers.get(facts.transfer) != facts.file:
            raise BrokenError("transfer", "no running transfer of this file on this chain")
        chain.transfers[facts.transfer] = ""
        self._tracking(seq, line, facts, chain)

    def _access_denied(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        block = (chain.blocks or {}).get(facts.block)
        if block is None or (facts.file is not UNSET and facts.file not in block.files):
            raise BrokenError("block", "denied by a block that is not in force here, or does not cover the file")
        if facts.token is not UNSET and facts.token not in chain.tokens:
            raise BrokenError("token", "this link token does not open this chain")

    def _reclassified(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        place = bisect_left(self._tracked, facts.event)
        found = self._tracked[place : place + 1], self._tracked_on[place : place + 1]
        if facts.event < seq and found == (array("q", [facts.event]), array("q", [chain.number])):
            return
        raise BrokenError("event", "no earlier tracking event of this chain")

    # Blocks

    def _block_requested(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if facts.file is not UNSET and ordinal(facts.file) > chain.files:
            raise BrokenError("file", "the message has no such file")
        if facts.recipient is not UNSET and ordinal(facts.recipient) > chain.recipients:
            raise BrokenError("recipient", "the message has no such recipient")

    def _block_applied(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if not line.act:
            raise BrokenError("act", "a block is an act")
        if chain.blocks is None:
            chain.blocks = {}
        if facts.block in chain.blocks:
            raise BrokenError("block", "this block was applied here before")
        chain.blocks[facts.block] = Block(facts.block, seq, frozenset())
        self._applied.append((chain, facts))
        self._go_on(facts.files, facts.block, chain)
        if len(facts.files) == MAX_ITEMS:
            chain.more = line.kind, line.n, 0, line.act, facts.block

    def _go_on(self, files: Sequence[str], block: str, chain: Chain) -> None:
        """Files of a block, or of its continuation: ascending over all parts, and the message's own."""
        before = (chain.blocks or {}).get(block)
        if before is None or chain.blocks is None:
            raise BrokenError("block", "a block that is not in force here goes on")
        ordinals = [max(map(ordinal, before.files), default=0), *map(ordinal, files)]
        if any(a >= b for a, b in pairwise(ordinals)):
            raise BrokenError("block", "files are not ascending")
        if ordinals[-1] > chain.files:
            raise BrokenError("file", "the message has no such file")
        chain.blocks[block] = Block(block, before.seq, before.files | frozenset(files))

    def _block_lifted(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if not line.act:
            raise BrokenError("act", "a lift is an act")
        if chain.blocks is None or chain.blocks.pop(facts.block, None) is None:
            raise BrokenError("block", "lifted, but not in force here")
        self._lifted.append((chain, facts.block))

    # Closing, certificates

    def _closing(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if not line.act:
            raise BrokenError("act", f"{line.kind} is part of an act")
        self._closed.append((chain, words(line.kind, facts), facts))
        if line.kind == "certificate.issued":
            chain.issued = chain.issued if chain.issued is not None else set()
            if facts.number in chain.issued:
                raise BrokenError("certificate", "this number was issued before")
            chain.issued.add(facts.number)

    def _numbered(self, seq: int, line: Line, facts: Any, chain: Chain) -> None:
        if chain.issued is None or facts.number not in chain.issued:
            raise BrokenError("certificate", "no certificate of this number was issued here")

    # Acts

    def close_act(self, act: str, first: int) -> list[BrokenError]:
        """The act at hand, which began at entry ``first``, is over: what it lacks."""
        lacks: list[BrokenError] = []
        if self._recording is not None:
            if self._missing:
                lacks.append(BrokenError("recipient", "a recipient was not added by the act that recorded the message"))
            if self._unsealed > 0:
                lacks.append(BrokenError("sealed", "fewer digests than recipients and files"))
            self._recording = None
        if self._applied or self._lifted or self._closed:
            for check in (self._check_applied, self._check_lifted, self._check_closed):
                try:
                    check(act, first)
                except BrokenError as broken:
                    lacks.append(broken)
            self._applied, self._lifted, self._closed = [], [], []
        return lacks

    def _check_applied(self, act: str, first: int) -> None:
        for block, members in _grouped((facts.block, chain, facts) for chain, facts in self._applied).items():
            message, recipients = _members([chain for chain, _ in members], "block")
            said = next(facts for chain, facts in members if chain is message)
            if said.recipients != len(recipients) or any(facts.scope != said.scope for _, facts in members):
                raise BrokenError("block", "the block covers more or fewer recipients than it says, or another scope")
            _check_covered("block", message, recipients, said.recipient)
            covered = frozenset[str]().union(*(_files(chain, block) for chain in recipients))
            if covered != _files(message, block):
                raise BrokenError("block", "the files covered on the message's chain are not those on its recipients'")
            if message.spent is None:
                message.spent = {}
            if block in message.spent:
                raise BrokenError("block", "this block was applied before")
            message.spent[block] = len(recipients)

    def _check_lifted(self, act: str, first: int) -> None:
        for block, members in _grouped((block, chain, None) for chain, block in self._lifted).items():
            message, recipients = _members([chain for chain, _ in members], "block")
            if len(recipients) != (message.spent or {}).get(block):
                raise BrokenError("block", "lifted for some of the recipients it was applied to, and not for others")

    def _check_closed(self, act: str, first: int) -> None:
        if not self._closed:
            return
        message, recipients = _members([chain for chain, _, _ in self._closed], "closing")
        said = next(facts for chain, _, facts in self._closed if chain is message)
        common = {word for _, word, _ in self._closed}
        if said.recipients != len(recipients) or len(common) != 1:
            raise BrokenError("closing", "the act closes more or fewer recipients than it says, or says two things")
        _check_covered("closing", message, recipients, said.recipient)
        self.closings.append(Closing(act, first, message.id, common.pop()))


def _grouped(items: Iterable[tuple[str, Chain, Any]]) -> dict[str, list[tuple[Chain, Any]]]:
    groups: dict[str, list[tuple[Chain, Any]]] = {}
    for key, chain, facts in items:
        groups.setdefault(key, []).append((chain, facts))
    return groups


def _files(chain: Chain, block: str) -> frozenset[str]:
    """What a block covers on a chain; nothing if it was lifted by the act that applied it."""
    applied = (chain.blocks or {}).get(block)
    return frozenset() if applied is None else applied.files


def _members(chains: Sequence[Chain], rule: str) -> tuple[Chain, list[Chain]]:
    """The one message's chain among them, and the recipients', which must be its own and stand here once each."""
    messages = [chain for chain in chains if chain.type == "message"]
    recipients = [chain for chain in chains if chain.type == "recipient"]
    if len(messages) != 1 or any(chain.message is not messages[0] for chain in recipients):
        raise BrokenError(rule, "the act is not of one message and recipients of it")
    if len({chain.id for chain in recipients}) != len(recipients):
        raise BrokenError(rule, "the act stands twice on a chain")
    return messages[0], recipients


def _check_covered(rule: str, message: Chain, recipients: Sequence[Chain], recipient: str | UnsetType) -> None:
    """Everyone, or the one recipient named."""
    if recipient is UNSET:
        if len(recipients) != message.recipients:
            raise BrokenError(rule, "no recipient is named, and not all of them are covered")
    elif [chain.ordinal for chain in recipients] != [ordinal(recipient)]:
        raise BrokenError(rule, "another recipient is covered than the one named")
