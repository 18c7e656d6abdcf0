"""When things happened, as a picture to scale: a line for each recipient, or one for all of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.case import Case, Item
from ledger.certified import Certified
from ledger.ids import parse_time
from reports.blocks import Block, Heading, Lane, Mark, Sort, Timeline
from reports.events import of_others, sort
from reports.wording import Words, moment

LANES: Final = 6
"""Recipients that have a line of their own; more of them share one."""

_ORDER: Final[tuple[Sort, ...]] = ("delivery", "access", "lost", "denied", "block", "other")


def drawn(case: Case, certified: Certified, words: Words) -> list[Block]:
    """The picture, from the recording to the closing entry."""
    since, until = case.message[0].entry.at, certified.closing.message.entry.at
    end = parse_time(until)
    others = of_others(certified)
    lanes = [Lane(words("timeline.message"), _marks([item for item in certified.message if item.seq not in others]))]
    if len(certified.recipients) <= LANES:
        for chain in certified.recipients:
            lanes.append(Lane(chain[0].facts.recipient, _marks(chain), _spans(chain, end)))
    else:
        names = f"r1 ... r{len(certified.recipients)}"
        together = [mark for chain in certified.recipients for mark in _marks(chain)]
        lanes.append(Lane(names, together, [span for chain in certified.recipients for span in _spans(chain, end)]))
    there = {mark.sort for lane in lanes for mark in lane.marks}
    legend = [(one, words(f"timeline.legend.{one}")) for one in _ORDER if one in there]
    count = sum(len(lane.marks) for lane in lanes)
    says = words("timeline.said", since=moment(since), until=moment(until), count=count, lanes=len(lanes))
    return [Heading(words("heading.timeline")), Timeline(parse_time(since), end, lanes, legend, says)]


def _marks(chain: Sequence[Item]) -> list[Mark]:
    return [Mark(parse_time(item.entry.at), sort(item)) for item in chain]


def _spans(chain: Sequence[Item], end: int) -> list[tuple[int, int]]:
    """From each block to its lift, or to the end."""
    begun: dict[str, int] = {}
    found = []
    for item in chain:
        if item.kind == "block.applied":
            begun.setdefault(item.facts.block, parse_time(item.entry.at))
        elif item.kind == "block.lifted" and item.facts.block in begun:
            found.append((begun.pop(item.facts.block), parse_time(item.entry.at)))
    return found + [(start, end) for start in begun.values()]
