"""What time it is, as far as a ledger may believe it.

Time recorded never goes back. A step of the clock is worth an entry; a large one is refused, because a ledger that
followed a clock a year ahead could only ever go on from there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from ledger.errors import ClockRefused

STEP: Final = 1_000_000
"""Microseconds the clock may drift between two batches without a word."""

LARGE: Final = 900_000_000
"""Microseconds (15 minutes) past which a step is refused."""

ABSENCE: Final = 31 * 86_400_000_000
"""Microseconds a ledger may have stood still before start-up wants a person's word that the clock is right."""

_WAY_OUT: Final = "set the clock right, or start with accept_clock if it is"


@dataclass(slots=True)
class Clock:
    """Compares the wall clock with a monotonic one and with the last entry. All values are microseconds.

    ``accept`` lets a start pass whatever the clock says; one that is behind is then taken until it has caught up with
    the last entry, which is what will be recorded so long.
    """

    accept: bool = False
    _wall: int = -1
    _monotonic: int = 0

    def judge(self, wall: int, monotonic: int, last: int) -> tuple[int, int]:
        """The instant to record for an entry after one of ``last``, and by how much the clock stepped (0: it did not).

        ClockRefused when the step is large; the judgement then stays as it was, so a clock set right again is taken.
        """
        if self._wall < 0:
            step = self._first(wall, last)
        else:
            step = (wall - self._wall) - (monotonic - self._monotonic)
            if abs(step) > LARGE:
                raise ClockRefused(f"the clock stepped {_amount(step)}; nothing is recorded: {_WAY_OUT}")
            if last - wall > LARGE and not self.accept:
                raise ClockRefused(f"the clock is {_amount(wall - last)} against the last entry: {_WAY_OUT}")
        self._wall, self._monotonic = wall, monotonic
        self.accept = self.accept and last - wall > LARGE
        return max(wall, last), step if abs(step) > STEP else 0

    def _first(self, wall: int, last: int) -> int:
        if not last:
            return 0
        ahead = wall - last
        if not self.accept and (ahead < -LARGE or ahead > ABSENCE):
            raise ClockRefused(f"the clock is {_amount(ahead)} against the last entry: {_WAY_OUT}")
        # Standing still is not a step; only a clock behind the last entry shows one here.
        return min(ahead, 0)


def since_boot() -> int:
    """Microseconds that nobody sets, counted on while the machine sleeps where the system can."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000


def _amount(micros: int) -> str:
    return f"{abs(micros) // 1_000_000} s {'ahead' if micros > 0 else 'behind'}"
