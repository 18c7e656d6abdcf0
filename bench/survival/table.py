"""The survival table, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.survival.expected import LEVELS
from bench.survival.score import Row

_SHORT: Final = ("identical", "transport", "re-encoded", "additions", "links", "missing", "different")
AIM: Final = 0.995


def markdown(rows: Sequence[Row], fact: str) -> str:
    """Shares in percent; ``none``: not recognised at all. A row that misses its aim is marked."""
    head = ["", "change", "hand", "n", *_SHORT, "none", "right level", "named", "false", "twins", ""]
    lines = [fact, "", _line(head), _line(["---"] * len(head))]
    for row in rows:
        shares = [_share(row.levels[level], row.applied) for level in (*LEVELS, None)]
        lines.append(
            _line(
                [
                    row.expected.number,
                    row.expected.title,
                    row.hand,
                    f"{row.applied:,}",
                    *shares,
                    _share(row.right, row.applied) or "0",
                    (_share(row.named, row.to_name) or "0") if row.to_name else "",
                    str(row.false),
                    str(row.twins or ""),
                    "" if reached(row) else "!",
                ]
            )
        )
    meant = "; ".join(f"{short} = {level}" for short, level in zip(_SHORT, LEVELS, strict=True))
    whys = {f"{row.expected.number}: {row.expected.why}" for row in rows if row.expected.why}
    return "\n".join(
        [
            *lines,
            "",
            f"Levels: {meant}; none = not recognised as the message that it is.",
            f"! = fewer than {100 * AIM} % at the right level, something that differs not named, or a false match.",
            "",
            "Twins: a message was named that has the same Message-ID, or none and the same From, To, Subject and Date.",
            "",
            "Why more than one level, or another than one would think:",
            *(f"* {why}" for why in sorted(whys)),
            "",
        ]
    )


def reached(row: Row) -> bool:
    """For whatever lost or changed something, everything must be named; for the rest, almost all recognised."""
    named = row.named == row.to_name if row.expected.ceiling else True
    return row.false == 0 and named and row.right >= AIM * row.applied


def _share(part: int, whole: int) -> str:
    if part == 0 or whole == 0:
        return ""
    share = 100 * part / whole
    return "100" if part == whole else f"{min(share, 99.9):.1f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
