"""Canonical JSON: one spelling for each value, so that bytes can be hashed and compared.

The profile of docs/format.md: RFC 8785 (JCS) restricted to objects with ASCII keys, arrays, strings without lone
surrogates, booleans and integers of absolute value at most 2^53 - 1. No floats, no null. With ASCII keys the order by
UTF-8 bytes, which orjson sorts by, and the order by UTF-16 units, which RFC 8785 section 3.2.3 asks for, are the same.
Output and input are UTF-8. Every failure of this module is a `FormatError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias, cast

import orjson

from ledger.errors import FormatError

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool"

MAX_BYTES: Final = 65_535
"""Octets of an entry; what `loads` takes unless told otherwise."""

MAX_DEPTH: Final = 64
"""Objects and arrays inside one another; a bare string or number has depth 0."""

_SCALARS: Final = frozenset({str, bool, int})

# With these orjson itself refuses integers past 2^53 - 1, keys that are no strings (or of a subclass) and lone
# surrogates. What else it would write (floats, None, tuples, enums, subclasses, datetimes ...) `_guard` keeps from it.
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def _guard(value: object, room: int) -> None:
    items: Iterable[object]
    if type(value) is dict:
        # join raises TypeError for a key that is no string; orjson refuses keys of a subclass of str.
        if not "".join(value).isascii():
            raise FormatError("canonical JSON: a key is not ASCII")
        items = value.values()
    elif type(value) is list:
        items = value
    else:
        raise FormatError(f"canonical JSON: no spelling for {type(value).__name__}")
    if not room:
        # Depth first, so that a structure that contains itself ends here after MAX_DEPTH steps.
        raise FormatError(f"canonical JSON: nested deeper than {MAX_DEPTH}")
    for item in items:
        # The exact type: a subclass of str or int (an enum, say) is not a scalar here.
        if type(item) not in _SCALARS:
            _guard(item, room - 1)


def dumps(value: Json) -> bytes:
    """The canonical bytes of ``value``. They may be longer than `MAX_BYTES`: a reader's limit is the reader's."""
    try:
        if type(value) not in _SCALARS:
            _guard(value, MAX_DEPTH)
        return orjson.dumps(value, option=_OPTIONS)
    except (TypeError, RecursionError) as error:
        raise FormatError(f"canonical JSON: {error}") from error


def loads(data: bytes, *, limit: int = MAX_BYTES) -> Json:
    """Parse what `dumps` makes and nothing else: ``dumps(loads(data)) == data``. ``limit`` is in octets.

    The comparison is what refuses duplicate keys, white space, other orders, escapes and numbers: whatever the parser
    was lenient about does not come back the same.
    """
    if type(data) is not bytes:
        raise FormatError(f"canonical JSON: bytes expected, not {type(data).__name__}")
    if len(data) > limit:
        raise FormatError(f"canonical JSON: {len(data)} octets, limit {limit}")
    try:
        value = cast("Json", orjson.loads(data))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"canonical JSON: {error}") from error
    if dumps(value) != data:
        raise FormatError("canonical JSON: valid JSON, but not in its canonical spelling")
    return value
