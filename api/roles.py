"""Who may do what. One table: routes ask it, the OpenAPI document and docs/operating.md show it, a test walks it."""

from __future__ import annotations

from typing import Final, Literal, get_args

Role = Literal["admin", "auditor", "compliance", "ingest", "legal", "sender"]
ROLES: Final[tuple[str, ...]] = get_args(Role)

ALLOWED: Final[dict[str, frozenset[str]]] = {
    "record": frozenset({"ingest", "sender"}),
    "event": frozenset({"ingest", "sender"}),
    "block": frozenset({"sender", "compliance"}),
    "read": frozenset({"sender", "compliance", "legal"}),
    "export": frozenset({"sender", "compliance", "legal"}),
    "certify": frozenset({"sender", "compliance", "legal"}),
    "withdraw": frozenset({"compliance", "legal"}),
    "content": frozenset({"compliance", "legal"}),
    "erase": frozenset({"compliance"}),
    "hold": frozenset({"compliance", "legal"}),
    "subject": frozenset({"compliance", "legal"}),
    "log": frozenset({"auditor"}),
    "keys": frozenset(),
}
"""What each act is open to beside ``admin``, who may do everything."""

WATCHED: Final = frozenset({"admin", "auditor", "compliance", "legal"})
"""Roles whose looks at a message are entries themselves."""


def may(role: str, act: str) -> bool:
    """Whether a key of this role may do this."""
    return role == "admin" or role in ALLOWED[act]
