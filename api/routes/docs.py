"""`/docs`: the OpenAPI document as a page for people. `/openapi.json` is the same for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request, Response

from api.errors import KINDS, PREFIX
from api.pages import page
from api.roles import ALLOWED, ROLES, WATCHED, may
from api.service import serving

router = APIRouter(include_in_schema=False)

Schema = Mapping[str, Any]


@router.get("/docs")
def docs(request: Request) -> Response:
    """The page. It is long: not on the event loop."""
    said = request.app.openapi()
    schemas = said["components"]["schemas"]
    return page(
        "docs.html",
        info=said["info"],
        groups=_groups(said["paths"], schemas),
        schemas=sorted((name, schema, list(_fields(schema))) for name, schema in schemas.items()),
        keys=said["components"]["securitySchemes"],
        roles=ROLES,
        acts={act: [may(role, act) for role in ROLES] for act in ALLOWED},
        watched=sorted(role for role in WATCHED if may(role, "read")),
        problems=KINDS,
        prefix=PREFIX,
        origin=serving(request).log.origin,
    )


class Field(NamedTuple):
    """A member of an object, a parameter, or what a body or an answer holds. ``refers``: the schema it is of;
    ``where``: of a parameter, the part of the request that it stands in; ``default``, if there is one, as JSON."""

    name: str
    type: str
    refers: str
    required: bool
    description: str
    where: str
    default: str


def _groups(paths: Schema, schemas: Schema) -> dict[str, list[dict[str, Any]]]:
    """Operations by their tag, in the order of the document."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in paths.items():
        for method, said in methods.items():
            one = dict(said) | {"method": method.upper(), "path": path}
            one["roles"] = said.get("x-roles", ())
            one["optional"] = {} in said.get("security", ())
            given = said.get("parameters", ())
            one["fields"] = [_field(p["name"], p["schema"], p["required"], p, p["in"]) for p in given]
            one["body"] = list(_content(said.get("requestBody", {})))
            one["answers"], one["problems"] = _answers(said["responses"])
            one["sample"] = sample(method.upper(), path, said, schemas)
            found.setdefault(said["tags"][0], []).append(one)
    return found


def _answers(responses: Schema) -> tuple[list[tuple[str, Schema, list[Field]]], list[tuple[str, list[str]]]]:
    """Answers with what they hold; and apart from them, because they are alike everywhere, the problems by status."""
    answers, problems = [], []
    for status, said in responses.items():
        if names := [name for name in _QUOTED(said["description"]) if name in KINDS]:
            problems.append((status, names))
        else:
            answers.append((status, said, list(_content(said))))
    return answers, problems


_QUOTED: Final = re.compile("`([a-z-]+)`").findall


def _content(said: Schema) -> Iterator[Field]:
    for kind, held in said.get("content", {}).items():
        yield _field(kind, held.get("schema", {}), True, said)


def _fields(schema: Schema) -> Iterator[Field]:
    for name, said in schema.get("properties", {}).items():
        yield _field(name, said, name in schema.get("required", ()), said)


def _field(name: str, schema: Schema, required: bool, said: Schema, where: str = "") -> Field:
    kind, refers = _type(schema)
    default = "" if schema.get("default") is None else json.dumps(schema["default"])
    return Field(name, kind, refers, required, said.get("description", ""), where, default)


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


# A request to copy


def sample(method: str, path: str, said: Schema, schemas: Schema) -> str:
    """An operation as a command of curl, with shell variables where the reader has values of his own."""
    given = said.get("parameters", ())
    asked = [f"{one['name']}=${_variable(one['name'])}" for one in given if one["in"] == "query" and one["required"]]
    place = _PLACE(lambda found: f"${{{_variable(found[1])}}}", path) + "?" * bool(asked) + "&".join(asked)
    words = [f'curl {"" if method == "GET" else f"-X {method} "}"$URL{place}"']
    if "security" in said:
        words.append('-H "Authorization: Bearer $KEY"')
    if any(one["name"] == "Idempotency-Key" for one in given):
        # One for each operation: whoever copies two of them must not send two requests under one key.
        words.append(f'-H "Idempotency-Key: {said["operationId"].replace("_", "-")}-2026-11-23-1"')
    words += _sent(said.get("requestBody", {}).get("content", {}), schemas)
    return " \\\n     ".join(words)


_PLACE: Final = re.compile(r"\{([A-Za-z_]+)[^}]*\}").sub


def _variable(name: str) -> str:
    # The shell has a PATH of its own.
    return "TILE" if name == "path" else re.sub("[^A-Z0-9]", "_", name.upper())


def _sent(content: Schema, schemas: Schema) -> Sequence[str]:
    """The body as arguments: the first of the media types that are taken."""
    for kind, held in content.items():
        schema = held.get("schema", {})
        if kind == "multipart/form-data":
            properties = schema.get("properties", {}).items()
            return [
                f"-F '{name}=@{name};type={part.get('contentMediaType', 'text/plain')}'" for name, part in properties
            ]
        if kind == "application/json":
            made = json.dumps(example(schema, schemas)).replace("'", "'\\''")
            return ["-H 'Content-Type: application/json'", f"-d '{made}'"]
        return [f"-H 'Content-Type: {kind}'", "--data-binary @FILE"]
    return []


def example(schema: Schema, schemas: Schema) -> Any:
    """A value that fits in kind: of an object what it must have. What stands between angle brackets is the reader's."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas)
    for word in ("examples", "enum"):
        if word in schema:
            return schema[word][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    if kind == "object":
        given = schema.get("properties", {})
        return {name: example(said, schemas) for name, said in given.items() if name in schema.get("required", ())}
    if kind == "array":
        return [example(schema.get("items", {}), schemas)] if schema.get("minItems") else []
    return {"integer": schema.get("minimum", 0), "boolean": False}.get(str(kind), "<string>")
