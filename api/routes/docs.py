"""`/docs`: the OpenAPI document as a page for people. `/openapi.json` is the same for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request, Response

from api.errors import KINDS, PREFIX
from api.pages import HERE, page

router = APIRouter(include_in_schema=False)

STYLE: Final = (HERE / "static" / "page.css").read_bytes()

Schema = Mapping[str, Any]


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The page."""
    said = request.app.openapi()
    return page(
        "docs.html",
        info=said["info"],
        groups=_groups(said["paths"]),
        schemas=sorted((name, said, list(_fields(said))) for name, said in said["components"]["schemas"].items()),
        keys=said["components"]["securitySchemes"],
        problems=KINDS.values(),
        prefix=PREFIX,
    )


@router.get("/page.css")
async def style() -> Response:
    """How pages look."""
    return Response(STYLE, media_type="text/css", headers={"cache-control": "public, max-age=3600"})


class Field(NamedTuple):
    """A member of an object, a parameter, or what a body or an answer holds. ``refers``: the schema it is of."""

    name: str
    type: str
    refers: str
    required: bool
    description: str


def _groups(paths: Schema) -> dict[str, list[dict[str, Any]]]:
    """Operations by their tag, in the order of the document."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in paths.items():
        for method, said in methods.items():
            one = dict(said) | {"method": method.upper(), "path": path}
            one["roles"] = said.get("x-roles", ())
            one["fields"] = [_field(p["name"], p["schema"], p["required"], p) for p in said.get("parameters", ())]
            one["body"] = list(_content(said.get("requestBody", {})))
            one["answers"] = [(status, answer, list(_content(answer))) for status, answer in said["responses"].items()]
            found.setdefault(said["tags"][0], []).append(one)
    return found


def _content(said: Schema) -> Iterator[Field]:
    for kind, held in said.get("content", {}).items():
        yield _field(kind, held.get("schema", {}), True, said)


def _fields(schema: Schema) -> Iterator[Field]:
    for name, said in schema.get("properties", {}).items():
        yield _field(name, said, name in schema.get("required", ()), said)


def _field(name: str, schema: Schema, required: bool, said: Schema) -> Field:
    kind, refers = _type(schema)
    return Field(name, kind, refers, required, said.get("description", ""))


def _type(schema: Schema) -> tuple[str, str]:
    """What a schema allows, in a few words, and the named schema in it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return name, name
    if "anyOf" in schema:
        some = [_type(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(kind for kind, _ in some), "".join(refers for _, refers in some[:1])
    if "const" in schema:
        return f'"{schema["const"]}"', ""
    if "enum" in schema:
        return " | ".join(f'"{one}"' for one in schema["enum"]), ""
    if schema.get("type") == "array":
        kind, refers = _type(schema.get("items", {}))
        return f"list of {kind}", refers
    kind = str(schema.get("type", "anything"))
    return kind + "".join(f", {schema[word]}" for word in ("format", "contentMediaType") if word in schema), ""
