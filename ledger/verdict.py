"""What a check of evidence comes to: named checks, each with its reason, and one word over them.

A check passes, fails, or could not be made. Only the first says anything for the evidence. Any failure makes it
invalid; it is valid when every check that its claim and the reader's policy require has passed; otherwise unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from ledger.errors import LedgerError

Status = Literal["passed", "failed", "not_checked"]

NAMES: Final = (
    "intact",
    "content",
    "included",
    "chained",
    "complete",
    "unforked",
    "signed",
    "trusted",
    "timed",
    "witnessed",
    "no_access_recorded",
)
"""Every check of evidence, in the order of a verdict."""

PACKAGED: Final = ("package", "certificate")
"""The checks of a package beside those of the evidence in it; they follow after them."""

PRINTED: Final = ("certificate", "paper")
"""The same of the file of a certificate."""

MAX_DETAIL: Final = 1_000
"""Characters: a detail may quote from the document, which a stranger wrote."""


T = TypeVar("T")


class NotChecked(Exception):
    """Raised inside a check that cannot be made; ``str()`` is the reason. It never leaves a verdict's making."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check by name; ``detail`` is a line for a person."""

    name: str
    status: Status
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``checks`` has every name of `NAMES`, and those of `PACKAGED` or `PRINTED` after them where it is of such, in
    order. ``required`` are those without which it is not valid."""

    verdict: Literal["valid", "invalid", "unknown"]
    checks: tuple[Check, ...]
    required: frozenset[str]

    def check(self, name: str) -> Check:
        """The check of that name."""
        return next(check for check in self.checks if check.name == name)


@dataclass(frozen=True, slots=True)
class Finding(Generic[T]):
    """What a check found out and others build on, or why it found nothing."""

    name: str
    values: tuple[T, ...]
    error: LedgerError | NotChecked | None = None

    def own(self) -> T:
        """For the check itself: its value, or its own error."""
        if self.error is not None:
            raise self.error
        return self.values[0]

    def needed(self) -> T:
        """For a check that builds on it, and cannot be made where it did not pass."""
        if self.error is not None:
            raise NotChecked(f"the check {self.name} did not pass")
        return self.values[0]


def find(name: str, make: Callable[[], T]) -> Finding[T]:
    """Find out something; LedgerError and `NotChecked` are kept for whoever asks."""
    try:
        return Finding(name, (make(),))
    except (LedgerError, NotChecked) as error:
        return Finding(name, (), error)


def run(name: str, check: Callable[[], str]) -> Check:
    """Make one check. It returns its detail, or raises a LedgerError (failed) or `NotChecked`."""
    try:
        return Check(name, "passed", _line(check()))
    except NotChecked as reason:
        return Check(name, "not_checked", _line(str(reason)))
    except LedgerError as error:
        return Check(name, "failed", _line(str(error)))


def conclude(checks: Sequence[Check], required: Collection[str]) -> Verdict:
    """The word over ``checks``."""
    failed = any(check.status == "failed" for check in checks)
    passed = {check.name for check in checks if check.status == "passed"}
    word: Literal["valid", "invalid", "unknown"] = "invalid" if failed else "unknown"
    if not failed and passed.issuperset(required):
        word = "valid"
    return Verdict(word, tuple(checks), frozenset(required))


def _line(text: str) -> str:
    """One line without control characters, whatever a hostile document put into an error."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return line if len(line) <= MAX_DETAIL else line[: MAX_DETAIL - 3] + "..."
