"""What a command ends with: the process's exit status, and what may be said before it."""

from __future__ import annotations

from typing import Final

OK: Final = 0
NO: Final = 1
"""Invalid, for what checks; refused, for what records."""

USAGE: Final = 2
"""Asked in a way that cannot be answered, or of input that cannot be used."""

UNKNOWN: Final = 3
"""Neither valid nor invalid."""

UNAVAILABLE: Final = 4
"""Nothing was acknowledged: the ledger cannot be reached, or must not be written to as it stands."""

UNSAID: Final = 5
"""Done, and recorded where there is something to record; only the answer could not be written."""

INTERRUPTED: Final = 130
"""Stopped by the keyboard, as shells count it."""

CLOSED: Final = 141
"""Whoever read the answer closed it before its end, as shells count that; nothing was being recorded."""

MEANINGS: Final = (
    (OK, "done; for verify and audit: valid"),
    (NO, "refused; for verify and audit: invalid"),
    (USAGE, "wrong usage, or input that cannot be used"),
    (UNKNOWN, "verify and audit: neither valid nor invalid"),
    (UNAVAILABLE, "the ledger is unreachable, or must not be written to as it stands; nothing was acknowledged"),
    (UNSAID, "done, and recorded where it records; but the answer could not be written"),
    (INTERRUPTED, "interrupted"),
    (CLOSED, "the reader of the answer closed it early; nothing was being recorded"),
)


class Stop(Exception):
    """Ends a command with a status and one line for a person; the line never holds personal data."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status
