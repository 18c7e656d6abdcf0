"""Clocks that go wrong: back an hour, forward a year, in small steps, after an absence; alone and under a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.clock import ABSENCE, LARGE, STEP, Clock
from ledger.errors import ClockRefused, StoreUnavailable
from ledger.ids import parse_time
from ledger.sequencer import Submission
from tests.ledger.ledgers import HOUR, MINUTE, YEAR, Time, bare, beat, open_log, outcome, outcomes, submit
from tests.ledger.walk import walk

T = 1_780_000_000_000_000


def test_time_goes_on() -> None:
    clock = Clock()
    assert clock.judge(T, 0, 0) == (T, 0)
    assert clock.judge(T + 5, 5, T) == (T + 5, 0)
    # However long nothing happened, as long as both clocks agree.
    assert clock.judge(T + YEAR, YEAR, T + 5) == (T + YEAR, 0)


@pytest.mark.parametrize("step", [STEP, -STEP, STEP // 2])
def test_drift_is_nothing_to_speak_of(step: int) -> None:
    clock = Clock()
    clock.judge(T, 0, 0)
    assert clock.judge(T + MINUTE + step, MINUTE, T) == (T + MINUTE + step, 0)


@pytest.mark.parametrize("step", [STEP + 1, -STEP - 1, LARGE, -LARGE, 14 * MINUTE, -14 * MINUTE])
def test_a_small_step_is_told_once_and_time_does_not_go_back(step: int) -> None:
    clock = Clock()
    clock.judge(T, 0, 0)
    at, told = clock.judge(T + MINUTE + step, MINUTE, T)
    assert (at, told) == (max(T + MINUTE + step, T), step)
    assert clock.judge(T + 2 * MINUTE + step, 2 * MINUTE, at)[1] == 0


@pytest.mark.parametrize("step", [-HOUR, YEAR, LARGE + 1, -LARGE - 1])
def test_a_large_step_is_refused_until_the_clock_is_right_again(step: int) -> None:
    clock = Clock()
    clock.judge(T, 0, 0)
    for k in (1, 2, 3):
        with pytest.raises(ClockRefused) as caught:
            clock.judge(T + k * MINUTE + step, k * MINUTE, T)
        assert "\n" not in str(caught.value) and "accept_clock" in str(caught.value)
    assert clock.judge(T + 4 * MINUTE, 4 * MINUTE, T) == (T + 4 * MINUTE, 0)


def test_many_small_steps_back_do_not_add_up_unseen() -> None:
    clock = Clock()
    clock.judge(T, 0, 0)
    assert clock.judge(T - 10 * MINUTE, 1, T) == (T, -10 * MINUTE - 1)
    # Five minutes more are a small step, and too far from the last entry.
    with pytest.raises(ClockRefused, match="against the last entry"):
        clock.judge(T - 16 * MINUTE, 2, T)


@pytest.mark.parametrize(
    ("ahead", "fine"),
    [(0, True), (HOUR, True), (ABSENCE, True), (ABSENCE + 1, False), (YEAR, False), (-LARGE, True), (-HOUR, False)],
)
def test_start_after_an_absence(ahead: int, fine: bool) -> None:
    if fine:
        assert Clock().judge(T + ahead, 0, T) == (max(T, T + ahead), min(ahead, 0) if -ahead > STEP else 0)
    else:
        with pytest.raises(ClockRefused):
            Clock().judge(T + ahead, 0, T)
    assert Clock(accept=True).judge(T + ahead, 0, T)[0] == max(T, T + ahead)


def test_a_clock_accepted_an_hour_behind_is_good_for_more_than_the_start() -> None:
    clock = Clock(accept=True)
    for minute in range(61):
        at, told = clock.judge(T - HOUR + minute * MINUTE, minute * MINUTE, T)
        assert at == T and told == (-HOUR if minute == 0 else 0)
    assert clock.judge(T + MINUTE, 61 * MINUTE, T) == (T + MINUTE, 0)
    # It has caught up: the next hour back would be one too many.
    with pytest.raises(ClockRefused):
        clock.judge(T + MINUTE - HOUR, 61 * MINUTE, T + MINUTE)


def test_accepting_a_clock_accepts_no_later_step() -> None:
    clock = Clock(accept=True)
    clock.judge(T - HOUR, 0, T)
    with pytest.raises(ClockRefused):
        clock.judge(T + YEAR, MINUTE, T)


# Under a ledger


def wrote(answer: Any) -> int:
    return outcome(answer).recorded[0].seq


def test_a_ledger_under_a_clock_that_goes_wrong(database_url: str, tmp_path: Path) -> None:
    time = Time()
    options: dict[str, Any] = {"clock": lambda: time.wall, "monotonic": lambda: time.monotonic}
    with open_log(database_url, tmp_path, **options) as log:
        outcomes(submit(log, beat(log.instance)))
        for step in (-HOUR, YEAR):
            before = log.reader.head()
            time.pass_(MINUTE)
            time.wall += step
            (answer,) = submit(log, beat(log.instance))
            assert isinstance(answer, ClockRefused)
            assert log.reader.head() == before
            time.wall -= step
            outcomes(submit(log, beat(log.instance)))
        # A small step back: recorded, before what it belongs to; time stands until the clock has caught up.
        time.wall -= 5 * MINUTE
        before = log.reader.head()
        outcomes(submit(log, beat(log.instance), beat(log.instance)))
        after = log.reader.head()
        assert (after.size, after.at) == (before.size + 3, before.at)
        time.pass_(6 * MINUTE)
        outcomes(submit(log, beat(log.instance)))
        assert log.reader.head().at == before.at + MINUTE
    steps: list[Any] = [e for e in walk(database_url).entries if e.kind == "clock.stepped"]
    assert [(s.seq, s.facts.ahead, s.facts.micros) for s in steps] == [(before.size, False, 5 * MINUTE)]

    # Closed, and opened again with a clock a year ahead, then an hour behind: a person has to say that it is right.
    for step in (YEAR, -HOUR):
        time.wall += step
        size = log_size(database_url)
        with pytest.raises(ClockRefused, match="accept_clock"):
            open_log(database_url, tmp_path, **options)
        assert log_size(database_url) == size
        with open_log(database_url, tmp_path, accept_clock=True, **options) as log:
            for _ in range(3):
                time.pass_(MINUTE)
                outcomes(submit(log, beat(log.instance)))
    last = walk(database_url).entries[-1]
    assert parse_time(last.at) > time.wall


def log_size(url: str) -> int:
    return walk(url).size


def test_a_step_that_was_not_recorded_shows_again(database_url: str, tmp_path: Path) -> None:
    """The first attempt notes the step and then fails: the second must note it too."""
    time = Time()
    with open_log(database_url, tmp_path, clock=lambda: time.wall, monotonic=lambda: time.monotonic):
        pass

    class Failing:
        left = 0

        def __init__(self, appender: Any) -> None:
            self._appender = appender

        def __getattr__(self, name: str) -> Any:
            return getattr(self._appender, name)

        def write(self, *args: Any) -> None:
            if Failing.left:
                Failing.left -= 1
                raise StoreUnavailable("a test")
            self._appender.write(*args)

    clocks: dict[str, Any] = {"wall": lambda: time.wall, "monotonic": lambda: time.monotonic}
    with bare(database_url, tmp_path, Failing, **clocks) as writer:
        one = Submission(beat("01890a5d-ac96-774b-bcce-b302099a8057"))
        wrote(writer.sequencer.submit([one]).result(30)[0])
        for failures in (1, 2, 3):
            time.pass_(MINUTE)
            time.wall += 2 * MINUTE
            Failing.left = failures
            (answer,) = writer.sequencer.submit([one]).result(30)
            if failures == 3:
                assert isinstance(answer, StoreUnavailable)
                (answer,) = writer.sequencer.submit([one]).result(30)
            wrote(answer)
    steps: list[Any] = [e.facts for e in walk(database_url).entries if e.kind == "clock.stepped"]
    assert [(s.ahead, s.micros) for s in steps] == [(True, 2 * MINUTE)] * 3
