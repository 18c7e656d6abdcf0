"""Facts against the schema of their kind: what the types say, and what they cannot. docs/format.md, "Vocabulary"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
from msgspec import UNSET

from ledger.errors import FormatError
from ledger.event import KINDS, Closing, Continued, Facts, Kind


def parse_facts(kind: str, facts: Mapping[str, object]) -> Facts:
    """The typed facts of an entry of this kind, standing on no chain yet. FormatError names the field."""
    known = KINDS.get(kind)
    if known is None:
        raise FormatError(f"unknown kind {kind[:64]!r}")
    try:
        return msgspec.convert(facts, known.facts)
    except (msgspec.ValidationError, RecursionError) as error:
        raise FormatError(f"facts of {kind}: {error}") from None


def check_facts(kind: Kind, chain_type: str, facts: Facts) -> None:
    """What the types cannot say: grade by kind, attribution by chain, closing facts by chain. FormatError."""
    if chain_type not in kind.on:
        raise FormatError(f"{kind.name} may not stand on a {chain_type} chain")
    said: Any = facts
    if kind.grade is not None:
        if said.grade != kind.grade:
            raise FormatError(f"{kind.name} has grade {kind.grade}, not {said.grade}")
        if (said.attribution == "exact") != (chain_type == "recipient"):
            raise FormatError(f"attribution {said.attribution} does not belong on a {chain_type} chain")
        if (said.candidates is not UNSET) != (said.attribution == "one_of"):
            raise FormatError("candidates go with attribution one_of, and only with it")
        if said.late is False:
            raise FormatError("late is true or absent")
    elif kind.closes:
        _check_closing(kind.name, chain_type, cast(Closing, facts))
    elif kind.name == "block.applied":
        if (said.recipients is not UNSET) != (chain_type == "message"):
            raise FormatError("recipients stands on a message's block.applied, and only there")
        if said.recipient is not UNSET and chain_type != "message":
            raise FormatError("recipient stands on a message's block.applied only")
    elif kind.facts is Continued and kind.name != "message.recorded.continued":
        wanted = "files" if kind.name.startswith("block.") else "tokens"
        if (said.files is not UNSET) != (wanted == "files") or (said.tokens is not UNSET) != (wanted == "tokens"):
            raise FormatError(f"{kind.name} continues {wanted}")
    elif kind.facts is Continued and (said.files is not UNSET or said.tokens is not UNSET):
        raise FormatError(f"{kind.name} continues sealed digests only")


def _check_closing(name: str, chain_type: str, facts: Closing) -> None:
    on_log = (facts.keys is not UNSET, facts.message is not UNSET, facts.pending is not UNSET)
    if on_log != (chain_type == "log",) * 3:
        raise FormatError(f"{name}: keys, message and pending stand on the log's chain, and only there")
    if (facts.recipients is not UNSET) != (chain_type == "message"):
        raise FormatError(f"{name}: recipients stands on the message's chain, and only there")
    if facts.recipient is not UNSET and chain_type != "message":
        raise FormatError(f"{name}: recipient stands on the message's chain only")
