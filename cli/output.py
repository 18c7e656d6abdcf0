"""Standard output and error for a command: a failure to write the answer is told from every other failure.

What a command records is recorded before it answers. So a full disk under the answer, or a reader who has gone, must
never look like a ledger that refused.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Final

_PADDING: Final = re.compile(r" +(?=\n)")
_OPENED: Final[list[bool]] = []


class Unwritten(Exception):
    """The answer, or a part of it, could not be written. No OSError: libraries on the way take those for theirs."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or type(error).__name__)
        self.closed = isinstance(error, BrokenPipeError)
        """Whoever read it has what he wanted."""
        self.recorded = bool(_OPENED)


def recording() -> None:
    """From here on, something may be recorded that an `Unwritten` answer would have told."""
    _OPENED.append(True)


class _Stream:
    """A text stream whose failures are `Unwritten`, or with ``quiet`` nothing: where complaints go, there is nobody
    left to complain to."""

    def __init__(self, stream: Any, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return int(self._stream.write(text))
        except OSError as error:
            return self._fail(error)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> int:
        # What is left in the buffer would be tried once more at the end of the process, and complained of by Python.
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        if not self._quiet:
            raise Unwritten(error)
        return 0


class Unpadded:
    """A stream that gets no blanks at the ends of lines: rich fills tables up to their width with them."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return int(self._stream.write(_PADDING.sub("", text)))


@contextmanager
def guarded() -> Iterator[None]:
    """Standard output and error as described above."""
    _OPENED.clear()
    with redirect_stdout(_guard(sys.stdout, False)), redirect_stderr(_guard(sys.stderr, True)):
        yield


def _guard(stream: Any, quiet: bool) -> Any:
    if stream is None:  # closed before we were started: no answer is wanted
        return Path(os.devnull).open("w", encoding="utf-8")
    # A terminal that cannot show a character gets a substitute, never an error half-way through an answer.
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    return _Stream(stream, quiet)
