"""What goes in and out of API keys, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from api.roles import Role
from api.schemas import Body, Instant, Said


class NewKey(Body):
    role: Role = Field(examples=["ingest"])
    label: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="The system that will use it, never a person; by default the role."
    )


class Key(Said):
    id: str
    role: Role
    label: str
    created: Instant
    last_used: Instant | None = None
    revoked: Instant | None = None
    genuine: bool = Field(description="False for a row that Postseal did not make: it opens nothing.")


class MadeKey(Key):
    key: str = Field(description="The key itself, told this once.")


class Keys(Said):
    keys: list[Key]


READ_BY_HAND: Final = (NewKey,)
"""What routes read themselves, and FastAPI would not find."""
