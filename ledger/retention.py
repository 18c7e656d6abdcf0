"""How long messages are to be kept: classes with a minimum and a maximum of days.

A class is chosen when a message is recorded, and what it said then stands in the message's entry. Before the minimum
has passed nothing of the message is erased; past the maximum it is due to be. Pure: no clock, no settings; and no
library, because settings are read before it is known what is to be loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Self

from ledger.errors import FormatError
from ledger.ids import format_time, parse_time

DAY: Final = 86_400_000_000
"""In microseconds."""

_MOST: Final = 365_000
"""Days of a class; a thousand years."""

_CLASS: Final = re.compile(r"([a-z0-9][a-z0-9_.-]{0,63})=([0-9]{1,6})-([0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Class:
    """A class as an installation defines it; without ``maximum`` it is kept as long as nobody erases it."""

    name: str
    minimum: int
    maximum: int | None

    def facts(self) -> dict[str, str | int]:
        """As `message.recorded` says it."""
        said: dict[str, str | int] = {"class": self.name, "minimum": self.minimum}
        return said if self.maximum is None else said | {"maximum": self.maximum}


def parse(text: str) -> dict[str, Class]:
    """``name=minimum-maximum`` with commas between, in days, the maximum perhaps left out; the first is the default.
    FormatError."""
    found: dict[str, Class] = {}
    for one in text.split(","):
        read = _CLASS.fullmatch(one.strip())
        if read is None:
            raise FormatError("a class is written name=minimum-maximum in days, such as finance=2555-3650 or legal=0-")
        name, low, high = read.groups()
        made = Class(name, int(low), None if high is None else int(high))
        if name in found:
            raise FormatError(f"the class {name} is given twice")
        if max(made.minimum, made.maximum or 0) > _MOST:
            raise FormatError(f"the class {name} has more than {_MOST} days")
        if made.maximum is not None and made.maximum < made.minimum:
            raise FormatError(f"the maximum of the class {name} is less than its minimum")
        found[name] = made
    return found


@dataclass(frozen=True, slots=True)
class Term:
    """How long one message is to be kept: its class, days, and the Time it was recorded at."""

    name: str
    minimum: int
    maximum: int
    """-1 where there is none."""
    since: str

    @classmethod
    def of(cls, facts: Any, at: str) -> Self:
        """From the facts of `message.recorded`."""
        maximum = facts.maximum if isinstance(facts.maximum, int) else -1
        return cls(facts.class_, facts.minimum, maximum, at)

    @property
    def erasable(self) -> str:
        """The Time from which on it may be erased."""
        return _after(self.since, self.minimum)

    @property
    def due(self) -> str | None:
        """The Time from which on it is due to be."""
        return None if self.maximum < 0 else _after(self.since, self.maximum)

    def to_list(self) -> list[str | int]:
        """For `Chain.extra`."""
        return [self.name, self.minimum, self.maximum, self.since]


def _after(since: str, days: int) -> str:
    # Times end with the year 9999, and classes may not.
    return format_time(min(parse_time(since) + days * DAY, parse_time("9999-12-31T23:59:59.999999Z")))
