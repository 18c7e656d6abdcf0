"""What goes in and out of holds and erasures, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from api.schemas import Address, Body, Id, Instant, Receipt, Recipient, Said


class NewHold(Body):
    """Without ``recipient`` the whole message is held."""

    recipient: Annotated[str, Field(max_length=998)] | None = None
    reason: Annotated[str, Field(max_length=64)] | None = Field(default=None, description="A code, such as lawsuit.")


class NewRelease(Body):
    reason: Annotated[str, Field(max_length=64)] | None = None


class Placed(Said):
    hold: Id
    receipt: Receipt


class Released(Said):
    receipt: Receipt


class NewErasure(Body):
    """Without ``recipient`` the whole message is erased."""

    recipient: Annotated[str, Field(max_length=998)] | None = None


class NewPersonErasure(Body):
    address: Address


class Subject(Body):
    address: Address


class Erasure(Said):
    """``done``: the receipt is of `erasure.done`. ``waiting``: a second person must approve. ``pending``: it was asked
    for, and is finished by itself later; `reason` says what hinders it now."""

    erasure: Id
    state: Literal["done", "waiting", "pending"]
    receipt: Receipt
    reason: str | None = None


class OpenErasure(Said):
    erasure: Id
    scope: Literal["message", "person", "recipient"]
    messages: list[Id]
    recipient: Recipient | None = None
    since: Instant
    waiting: bool = Field(description="For a second person; otherwise it is finished by itself.")


class Erasures(Said):
    erasures: list[OpenErasure]


READ_BY_HAND: Final = (NewHold, NewRelease, NewErasure, NewPersonErasure, Subject)
"""What routes read themselves, and FastAPI would not find."""
