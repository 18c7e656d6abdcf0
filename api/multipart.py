"""`multipart/form-data` (RFC 7578) to the octets of its parts, none of them decoded: a message is hashed as it came."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.errors import Problem

HEADER_LIMIT: Final = 8192
"""Octets of the headers of one part."""


class _Parts:
    """What the parser calls back."""

    def __init__(self, names: frozenset[bytes]) -> None:
        self._names = names
        self._field = b""
        self._value = b""
        self._disposition = b""
        self._said = 0
        self._data: list[bytes] = []
        self.ended = False
        self.found: dict[bytes, list[bytes]] = {}
        self.file_names: dict[bytes, bytes] = {}

    def begin(self) -> None:
        self._field = self._value = self._disposition = b""
        self._said = 0

    def field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._field += data[start:end]

    def value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _count(self, more: int) -> None:
        self._said += more
        if self._said > HEADER_LIMIT:
            raise Problem("bad-request", f"a part has more than {HEADER_LIMIT:,} octets of headers")

    def header(self) -> None:
        if _CONTROL(self._value):
            raise Problem("bad-request", "a part's header holds a control character")
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        elif self._field.lower() == b"content-transfer-encoding" and self._value.strip().lower() not in _AS_IT_IS:
            raise Problem("bad-request", "a part of multipart/form-data has no transfer encoding (RFC 7578, 4.7)")
        self._field = self._value = b""

    def headers(self) -> None:
        kind, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"")
        if kind != b"form-data" or name not in self._names:
            raise Problem("invalid", f"send the parts {_list(self._names)}, and no other")
        if name in self.found:
            raise Problem("invalid", f"send the part {name.decode()} once")
        self._data = self.found[name] = []
        self.file_names[name] = options.get(b"filename", b"")

    def data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def end(self) -> None:
        self.ended = True


_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
_AS_IT_IS: Final = frozenset({b"7bit", b"8bit", b"binary"})


class File(NamedTuple):
    """What a form sends for a file: ``name`` as the browser spelt it, whatever it is; empty if none was chosen."""

    name: bytes
    octets: bytes


def parse(body: bytes, content_type: str, names: frozenset[bytes]) -> Mapping[bytes, bytes]:
    """The parts of these names, each of which must be there once. Problem for anything else."""
    return {name: b"".join(data) for name, data in _read(body, content_type, names).found.items()}


def parse_files(
    body: bytes, content_type: str, names: frozenset[bytes], optional: frozenset[bytes] = frozenset()
) -> Mapping[bytes, File]:
    """The same with the names of files, and with parts that need not be there."""
    parts = _read(body, content_type, names, optional)
    return {name: File(parts.file_names[name], b"".join(data)) for name, data in parts.found.items()}


def _read(body: bytes, content_type: str, names: frozenset[bytes], optional: frozenset[bytes] = frozenset()) -> _Parts:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary or len(boundary) > 70:
        raise Problem("bad-request", "the multipart body has no boundary of 1 to 70 characters")
    parts = _Parts(names | optional)
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": parts.begin,
            "on_header_field": parts.field,
            "on_header_value": parts.value,
            "on_header_end": parts.header,
            "on_headers_finished": parts.headers,
            "on_part_data": parts.data,
            "on_end": parts.end,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise Problem("bad-request", f"the multipart body is broken: {str(error)[:200]}") from None
    if not parts.ended:
        raise Problem("bad-request", "the multipart body ends before its last boundary")
    if missing := names.difference(parts.found):
        raise Problem("invalid", f"the part {_list(missing)} is missing")
    return parts


def _list(names: frozenset[bytes]) -> str:
    return ", ".join(sorted(name.decode() for name in names))
