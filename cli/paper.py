"""Tables and progress bars, with rich. Whatever came from outside goes in as text that was cleaned, never as markup."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cli.output import Unpadded
from cli.plain import clean

WIDTH = 110
"""Columns beyond which lines are harder to read, not easier."""


def console(stream: Any = None) -> Console:
    """For standard output, or another stream. Colours only on a terminal."""
    made = Console(file=stream or sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=False)
    if made.is_terminal:
        made.width = min(made.width, WIDTH)
    else:
        # Into a pipe or file nothing is cut to a width that nobody looks at, or filled up to it.
        made.width = max(WIDTH, made.width)
        made.file = Unpadded(made.file)  # type: ignore[assignment]  # which passes on all it does not change
    return made


def text(value: str, style: str = "") -> Text:
    """Cleaned, in a style."""
    return Text(clean(value), style=style)


def table(*columns: str, right: Sequence[str] = (), fixed: Sequence[str] = ()) -> Table:
    """A table with these heads. ``right``: numbers; ``fixed``: columns that are never broken."""
    made = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=column in fixed or column in right,
            overflow="fold",
        )
    return made


def pairs(rows: Sequence[tuple[str, str | Text]]) -> Table:
    """Names and values, one a line."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, text(value) if isinstance(value, str) else value)
    return made


def progress(what: str) -> Progress:
    """A bar on standard error, on a terminal only; it leaves nothing behind."""
    err = console(sys.stderr)
    return Progress(
        TextColumn(what),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        # Answers go to standard output while the bar runs; rich would send them to where the bar is.
        redirect_stdout=False,
        disable=not err.is_terminal,
        expand=True,
    )
