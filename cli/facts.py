"""Facts of an event as a person types them, read by the schema of their kind before anything is opened.

The ledger's own refusals name the pattern that a value must match. Here the same schema is asked value by value, and
what it expects is said in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from cli import naming
from cli.exits import USAGE, Stop
from ledger import spelling
from ledger.event import KINDS, Kind

TRACKING: Final = tuple(name for name, kind in KINDS.items() if kind.grade is not None)
"""The kinds that can be reported; all others are written by acts of their own."""

_EXPECTED: Final = (
    (spelling.Code, naming.CODE),
    (spelling.Count, "a whole number"),
    (spelling.Status, "a status such as 5.1.1"),
    (spelling.File, naming.FILE),
    (spelling.Id, "an id as Postseal prints them"),
    (spelling.Hash, "a SHA-256 in 64 hex digits"),
    (bool, "true or false"),
)
_OPTIONS: Final = {"file": "--file", "transfer": "--transfer"}
"""Facts with an option of their own."""

_RARE: Final = ("input", "item", "token")
_DERIVED: Final = frozenset({"attestation", "attribution", "candidates", "grade", "late", "verdict"})
"""Facts that other options decide, a detector, or the ledger."""


def kind_of(said: str) -> Kind:
    """The kind of event that a person means."""
    if said in TRACKING:
        return KINDS[said]
    near = [name for name in TRACKING if said in name.split(".")] or get_close_matches(said, TRACKING, 1)
    hint = f"did you mean {' or '.join(near[:2])}?" if near else "`postseal event --help` lists the kinds"
    if said in KINDS:
        hint = "such an entry is written by an act of its own"
    raise Stop(USAGE, f"no tracking event is called {said[:64]!r}: {hint}")


def read(kind: Kind, said: Sequence[tuple[str, str]], options: Mapping[str, str | None]) -> dict[str, object]:
    """The facts of ``--fact`` and of ``options``, which have one of their own: all that the kind needs."""
    fields = {field.name: field for field in msgspec.structs.fields(kind.facts)}
    found = {name: _value(f"--fact {name}", _field(kind, fields, name), value) for name, value in said}
    for name, option in options.items():
        if option is not None:
            if name not in fields:
                raise Stop(USAGE, f"{_OPTIONS[name]}: {kind.name} has no {name}")
            found[name] = _value(_OPTIONS[name], fields[name], option)
    for field in fields.values():
        if field.required and field.name not in found and field.name not in _DERIVED:
            option = _OPTIONS.get(field.name, f"--fact {field.name}=...")
            raise Stop(USAGE, f"{kind.name} needs {option}, {_expected(field)}")
    return found


def _field(kind: Kind, fields: Mapping[str, FieldInfo], name: str) -> FieldInfo:
    if name in fields and name in _OPTIONS:
        raise Stop(USAGE, f"--fact {name}: say it with {_OPTIONS[name]}")
    if name in fields and name in _DERIVED:
        raise Stop(USAGE, f"--fact {name}: it follows from what else is said, or is the ledger's to say")
    if name in fields:
        return fields[name]
    offered = [one for one in fields if one not in _DERIVED and one not in _OPTIONS]
    near = get_close_matches(name, offered, 1)
    own = [one for one in offered if one not in _RARE]
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(own)}" if own else "--seal takes any name"
    raise Stop(USAGE, f"--fact {name[:64]}: {kind.name} has no such fact; {hint}")


def _value(option: str, field: FieldInfo, said: str) -> Any:
    try:
        # Not strict: what is typed is text, also where a number or a truth value is meant.
        return msgspec.convert(said, _type(field), strict=False)
    except msgspec.ValidationError:
        raise Stop(USAGE, f"{option} expects {_expected(field)}") from None


def _expected(field: FieldInfo) -> str:
    return next((words for known, words in _EXPECTED if known == _type(field)), "a value of its kind")


def _type(field: FieldInfo) -> Any:
    """Without the word for what may be absent."""
    if get_origin(field.type) in (Union, UnionType):
        return next(one for one in get_args(field.type) if one is not msgspec.UnsetType)
    return field.type
