"""What the OpenAPI document says beside the routes themselves."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel

from api import schemas, schemas_erasure, schemas_keys, schemas_proofs
from api.errors import KINDS, MEDIA_TYPE
from api.roles import ROLES, may

Part = dict[str, Any]

_ALWAYS = ("bad-request", "no-key", "wrong-key", "forbidden", "timeout", "headers-too-large", "internal", "unavailable")
"""What any route with a credential may answer."""


APPENDING = ("in-flight", "too-large", "unsupported-media-type", "invalid", "key-reused")
"""What a request that appends, with a body and perhaps an idempotency key, may be answered."""

SCHEME: Final = "key"


def problems(*names: str, open_to_all: bool = False) -> dict[int | str, Part]:
    """The problems of a route, for ``responses``, by status: those named and those of every route."""
    always = tuple(name for name in _ALWAYS if not open_to_all or KINDS[name].status not in (401, 403))
    by_status: dict[int | str, Part] = {}
    for name in (*names, *always):
        kind = KINDS[name]
        said = by_status.setdefault(kind.status, {"description": "", "content": _CONTENT})
        said["description"] = "; ".join(filter(None, [said["description"], f"`{name}`: {kind.title}"]))
        if kind.retry is not None:
            said["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
        if kind.status == 401:
            said["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return dict(sorted(by_status.items(), key=lambda item: str(item[0])))


def needs(act: str) -> Part:
    """For ``openapi_extra``: that a key is needed, and of which role."""
    return {"security": [{SCHEME: []}], "x-roles": [role for role in ROLES if may(role, act)]}


OPTIONAL: Final[Part] = {"security": [{SCHEME: []}, {}]}
"""For ``openapi_extra``: with a key more is told than without."""


def body_of(model: type[BaseModel]) -> Part:
    """The JSON body of a route that reads it itself."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def appends(body: Part) -> Part:
    """A request with this body, which may be sent again."""
    return body | {
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Of your choice, for this request alone: sent again with it, it is recorded once.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            }
        ]
    }


def complete(app: FastAPI) -> None:
    """Problems are referred to by name, and FastAPI knows only the models of its own responses."""
    draw = app.openapi

    def openapi() -> Part:
        if app.openapi_schema is None:
            made = draw()
            parts = made.setdefault("components", {})
            known = parts.setdefault("schemas", {})
            for model in (model for room in _ROOMS for model in room.READ_BY_HAND):
                said = model.model_json_schema(ref_template="#/components/schemas/{model}")
                known.update(said.pop("$defs", {}))
                known[model.__name__] = said
            parts["securitySchemes"] = {SCHEME: {"type": "http", "scheme": "bearer", "description": _KEYS}}
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


_ROOMS: Final[tuple[Any, ...]] = (schemas, schemas_proofs, schemas_erasure, schemas_keys)
_KEYS = "An API key, `postseal_...`, as `postseal apikey create` prints it. It belongs to one log and has one role."
_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
