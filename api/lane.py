"""The fast lane: what is asked most often goes to its function past the framework's middleware, routing and parameters.

The functions are those of the routes, declared and documented there, and what they raise is answered the same. Whatever
is not spelt exactly as the lane expects goes the long way, and is refused there.
"""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api import schemas
from api.routes import events, logs

_LANE: Final = (
    ("POST", re.compile(f"/v1/messages/({schemas.ID})/events").fullmatch, events.event),
    ("GET", re.compile(f"/v1/logs/({schemas.ID})/checkpoint").fullmatch, logs.checkpoint),
    ("GET", re.compile(f"/v1/logs/({schemas.ID})/tile/([0-9a-z/.]{{1,64}})").fullmatch, logs.tile),
)
"""Method, path and function; the groups of the path are its arguments."""


class Lane:
    """The application with its lane."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._long: ASGIApp = app
        self._lane: Final[Any] = [(*one, _route(app, one[2])) for one in _LANE]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            method, path = scope["method"], scope["path"]
            for wanted, match, function, route in self._lane:
                if method == wanted and (found := match(path)) is not None:
                    scope["app"], scope["route"] = self._app, route
                    await self._answer(function, Request(scope, receive), found.groups(), send)
                    return
        await self._long(scope, receive, send)

    async def _answer(self, function: Any, request: Request, arguments: tuple[str, ...], send: Send) -> None:
        try:
            response = await function(request, *arguments)
        except Exception as error:
            known = self._app.exception_handlers
            answer: Any = next(known[cls] for cls in type(error).__mro__ if cls in known)
            response = await answer(request, error)
        await response(request.scope, request.receive, send)


def _route(app: FastAPI, function: Any) -> APIRoute:
    """The route that a function was declared for."""
    for found in app.routes:
        for route in getattr(getattr(found, "original_router", None), "routes", [found]):
            if isinstance(route, APIRoute) and route.endpoint is function:
                return route
    raise LookupError(function)
