"""The log's answers in the API's words."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from starlette.responses import Response

from ledger.receipt import Receipt


def receipt(made: Receipt) -> dict[str, Any]:
    """A receipt as JSON: the entry in base64, hashes in hex, the checkpoint as it was signed."""
    return {
        "log": made.log,
        "seq": made.seq,
        "leaf_hash": made.leaf_hash,
        "entry": base64.b64encode(made.entry).decode(),
        "checkpoint": made.checkpoint.decode(),
        "proof": [node.hex() for node in made.proof],
    }


def created(said: dict[str, Any], location: str | None = None) -> Response:
    """201."""
    headers = {"cache-control": "no-store"} | ({} if location is None else {"location": location})
    return Response(orjson.dumps(said), 201, headers, "application/json")


def found(said: Any) -> Response:
    """200, and nobody keeps a copy: most of what is said here is personal."""
    return Response(orjson.dumps(said), 200, {"cache-control": "no-store"}, "application/json")
