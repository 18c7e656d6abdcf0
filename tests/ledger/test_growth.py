"""Time grows with size, whatever a stranger writes: shown at n and at 4n, with generous room for a busy machine."""

from __future__ import annotations

import pytest

from bench.hostile import FLOOR, seconds
from tests.ledger.hostile import SHAPES


@pytest.mark.soak
@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_the_octets_take_no_more_than_seven_times_the_time(shape: str) -> None:
    assert seconds(shape, 4_000_000) < 7 * (seconds(shape, 1_000_000) + FLOOR)
