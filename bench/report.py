"""The table on the terminal and the plot beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402  # the backend is chosen before
from rich.console import Console
from rich.table import Table

from bench.figure import Figure


def show(console: Console, facts: Sequence[str], figures: Sequence[Figure]) -> None:
    """Every figure with its median (or what it says it is), its range and how it stands to its target."""
    for fact in facts:
        console.print(fact, highlight=False)
    table = Table(caption="median of the windows, slowest to fastest; ratio: how many times as good as the target")
    table.add_column("what", overflow="fold")
    for name in ("value", "unit", "range", "target", "ratio"):
        table.add_column(name, justify="left" if name == "unit" else "right", no_wrap=True)
    table.add_column("how", overflow="fold")
    for figure in figures:
        low, high = min(figure.values), max(figure.values)
        table.add_row(
            figure.what,
            _number(figure.value),
            figure.unit,
            f"{_number(low)} - {_number(high)}",
            "" if figure.target is None else _number(figure.target),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.note,
        )
    console.print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plot(figures: Sequence[Figure], facts: Sequence[str], path: Path) -> None:
    """Rates above, proof times below; a mark where the target is."""
    groups = [
        ("entries a second", [f for f in figures if f.unit == "entries/s"]),
        ("milliseconds", [f for f in figures if f.unit == "ms"]),
    ]
    heights = [max(1, len(some)) for _, some in groups]
    drawn, axes = pyplot.subplots(2, 1, figsize=(11, 1.5 + 0.42 * sum(heights)), height_ratios=heights)
    for axis, (unit, some) in zip(axes, groups, strict=True):
        for place, figure in enumerate(reversed(some)):
            value = figure.value
            ours = not any(word in figure.what for word in ("pymerkle", "auditchain", "limit", "disk"))
            axis.barh(place, value, color="#2f6f9f" if ours else "#b8b8b8")
            axis.text(value, place, f" {_number(value)}", va="center", fontsize=8)
            if figure.target is not None:
                axis.plot([figure.target] * 2, [place - 0.45, place + 0.45], color="#c0392b", linewidth=2)
        axis.set_yticks(range(len(some)), [figure.what for figure in reversed(some)], fontsize=8)
        axis.set_xscale("log")
        axis.margins(x=0.15)
        axis.set_xlabel(f"{unit} (red: target)", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    drawn.suptitle(facts[0], fontsize=8)
    drawn.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, dpi=150)
    pyplot.close(drawn)
