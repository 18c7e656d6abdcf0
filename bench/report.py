"""The table on the terminal and the plot beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure as Sheet
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.figure import Figure


def show(console: Console, facts: Sequence[str], figures: Sequence[Figure]) -> None:
    """Every figure with its median (or what it says it is), its range and how it stands to its target."""
    for fact in facts:
        console.print(fact, highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in ("value", "unit", "range", "target", "ratio"):
        table.add_column(name, justify="left" if name == "unit" else "right", no_wrap=True)
    for number, figure in enumerate(figures, 1):
        low, high = min(figure.values), max(figure.values)
        table.add_row(
            f"{number:2} {figure.what}",
            _number(figure.value),
            figure.unit,
            "" if low == high else f"{_number(low)} - {_number(high)}",
            "" if figure.target is None else _number(figure.target),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
        )
    console.print(table)
    console.print(
        "value: median unless it says otherwise; range: slowest and fastest; ratio: times as good as the target"
    )
    for note in dict.fromkeys(figure.note for figure in figures if figure.note):
        where = ", ".join(str(number) for number, figure in enumerate(figures, 1) if figure.note == note)
        console.print(f"  {where}: {note}", highlight=False, soft_wrap=True)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plot(figures: Sequence[Figure], facts: Sequence[str], path: Path) -> None:
    """Rates above, proof times below; a mark where the target is."""
    groups = [
        ("entries a second", [f for f in figures if f.unit == "entries/s"]),
        ("milliseconds", [f for f in figures if f.unit == "ms"]),
    ]
    heights = [max(1, len(some)) for _, some in groups]
    drawn = Sheet(figsize=(11, 1.5 + 0.42 * sum(heights)), layout="tight")
    axes = drawn.subplots(2, 1, height_ratios=heights)
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
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, dpi=150)
