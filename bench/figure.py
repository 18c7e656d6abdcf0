"""One line of the table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """Measured values and what of them is reported. ``target`` is what must be reached: at least, for a rate (unit
    ``.../s``); at most, for anything else."""

    what: str
    unit: str
    values: Sequence[float]
    of: Callable[[Sequence[float]], float] = statistics.median
    target: float | None = None
    note: str = ""

    @property
    def value(self) -> float:
        return self.of(self.values)

    @property
    def rate(self) -> bool:
        return self.unit.endswith("/s")

    @property
    def ratio(self) -> float | None:
        """How many times as good as the target."""
        if self.target is None:
            return None
        return self.value / self.target if self.rate else self.target / self.value


def p99(values: Sequence[float]) -> float:
    """What 99 of 100 do not exceed."""
    return sorted(values)[max(0, round(0.99 * len(values)) - 1)]
