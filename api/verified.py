"""What verifying answers, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas import Id, Instant, Said
from ledger.differs import Kind, Level


class Check(Said):
    name: str
    status: Literal["passed", "failed", "not_checked"]
    detail: str


Part = Annotated[str, Field(pattern=r"^[fp][1-9][0-9]{0,4}$", examples=["f1"])]
"""A file, or another part, by its number."""


class Difference(Said):
    """One thing in which a copy differs: ``where`` is a header's name, a part (``f1``, ``p1``) or nothing for the
    message as a whole; ``level`` the most that a copy which differs in this can reach."""

    level: Level
    kind: Kind
    where: str
    detail: str
    recorded: str | None = None
    received: str | None = None


class Signature(Said):
    """How a DKIM signature of the copy verifies under the key record that was archived with the message; ``query`` is
    the record's name in the DNS."""

    query: str
    status: Literal["pass", "policy", "fail", "permerror"]
    reason: str
    line: str


class Match(Said):
    """A message that was recorded, how much of it the copy is, and all in which it differs; ``part`` where it is one of
    its files; ``inside`` where not the mail that was sent but this part of it is that. ``seq`` is of its entry."""

    message: Id
    level: Level
    part: Part | None = None
    inside: Part | None = None
    recorded_at: Instant
    seq: int
    differences: list[Difference]
    dkim: list[Signature] | None = None


class Verified(Said):
    verdict: Literal["valid", "invalid", "unknown"]
    checks: list[Check]
    matches: list[Match]
