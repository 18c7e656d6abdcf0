"""Every change made to as many messages as it applies to, up to the limit; every copy asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Final

from bench.survival import hands, own
from bench.survival.change import Change, Copy
from bench.survival.corpus import Corpus, Original
from bench.survival.expected import EXPECTED
from bench.survival.product import Product
from bench.survival.score import Row

AHEAD: Final = 32
"""Messages that the hands change while the ledger is asked about those before."""

Say = Callable[[str], None]


def run(
    corpus: Corpus,
    product: Product,
    scratch: Path | None,
    limit: int,
    only: Callable[[Change], bool],
    say: Say,
    *,
    sent: bool = False,
) -> list[Row]:
    """One row for each change, in the order of the table; ``say`` hears of what is left out and how it goes on.
    ``sent``: of messages alone that have what every mail has that was sent; recorded are all of them.

    Without a ``scratch`` directory, which other hands need, our own hand alone is asked.
    """
    identifiers = product.record_all([original.octets for original in corpus.recorded])
    originals = dict(zip(identifiers, corpus.recorded, strict=True))
    say(f"{len(corpus.recorded):,} messages recorded, {len(corpus.strangers):,} kept apart")
    with ExitStack() as stack:
        changes = own.changes()
        if scratch is not None:
            changes += hands.opened(stack, scratch, say)
        order = list(EXPECTED)
        changes.sort(key=lambda change: order.index(change.kind))
        messages = [one for one in corpus.recorded if one.sent or not sent]
        rows = [_row(change, messages, product, originals, limit, say) for change in changes if only(change)]
    stranger = Change("stranger", "as they are", Copy)
    return [*rows, *([_row(stranger, corpus.strangers, product, originals, limit, say)] if only(stranger) else [])]


def _row(
    change: Change, messages: Sequence[Original], product: Product, originals: dict[str, Original], limit: int, say: Say
) -> Row:
    row = Row.of(change)
    troubles: list[str] = []
    for original, copy in islice(_copies(change, messages, troubles), limit):
        row.count(original, copy, product.identify(copy.octets), originals)
    if troubles:
        say(f"{change.hand} could not be asked about {len(troubles)} messages, the first: {troubles[0]}")
    say(f"{row.expected.number} {row.expected.title} / {row.hand}: {row.right} of {row.applied}, false {row.false}")
    return row


def _copies(change: Change, messages: Sequence[Original], troubles: list[str]) -> Iterator[tuple[Original, Copy]]:
    """In order; changed by threads, since most hands are other processes that one waits for."""

    def apply(original: Original) -> Copy | None:
        try:
            return change.apply(original.octets)
        except Exception as error:  # a mail that a hand stumbles over must not end the run
            troubles.append(f"{original.label}: {type(error).__name__}: {error}")
            return None

    with ThreadPoolExecutor(4) as pool:
        rest = iter(messages)
        while ahead := list(islice(rest, AHEAD)):
            for original, copy in zip(ahead, pool.map(apply, ahead), strict=True):
                if copy is not None:
                    yield original, copy
