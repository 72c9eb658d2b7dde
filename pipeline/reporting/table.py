"""Tables: columns and rows of cells, built once and rendered for a terminal, as Markdown, or by the page's template."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, NamedTuple

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

Style = Literal["", "good", "bad", "soft"]
Kind = Literal["number", "label", "text"]
WIDTH = 120
_TERMINAL: dict[Style, str] = {"": "", "good": "bold green", "bad": "bold red", "soft": ""}


class Cell(NamedTuple):
    """A cell; `target` is the id of a part of the same page that it links to."""

    text: str
    style: Style = ""
    target: str = ""


class Column(NamedTuple):
    """A column: `title` stands below that of its group, `alone` where groups are not shown.

    Numbers are aligned to the right; only text wraps, labels and numbers never do.
    """

    key: str
    title: str
    group: str = ""
    alone: str = ""
    kind: Kind = "number"
    least: int = 0
    """Characters that a terminal leaves it at least."""

    @property
    def heading(self) -> str:
        """Its title where it stands alone."""
        return self.alone or self.title


class Heading(NamedTuple):
    """A cell of a header: over how many columns and rows it goes."""

    title: str
    columns: int
    rows: int
    kind: Kind = "number"


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows; the caption says what it shows, notes what its columns are."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()

    def only(self, *keys: str) -> Table:
        """These columns in this order.

        Raises:
            ValueError: a key is none of a column.
        """
        places = [[column.key for column in self.columns].index(key) for key in keys]
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        return replace(self, columns=tuple(self.columns[place] for place in places), rows=rows)

    def beside(self, other: Table) -> Table:
        """These columns and, right of them, those of a table of the same rows."""
        rows = tuple((*left, *right) for left, right in zip(self.rows, other.rows, strict=True))
        return replace(self, columns=(*self.columns, *other.columns), rows=rows)

    @property
    def headings(self) -> tuple[tuple[Heading, ...], ...]:
        """The lines of the header: groups and what belongs to none, and below them the titles of groups' columns."""
        if not any(column.group for column in self.columns):
            return (tuple(Heading(column.title, 1, 1, column.kind) for column in self.columns),)
        below = tuple(Heading(column.title, 1, 1, column.kind) for column in self.columns if column.group)
        return tuple(self._top()), below

    def _top(self) -> Iterator[Heading]:
        for group, columns in groupby(self.columns, key=lambda column: column.group):
            if group:
                yield Heading(group, len(list(columns)), 1)
            else:
                yield from (Heading(column.title, 1, 2, column.kind) for column in columns)


def cells(*texts: str) -> tuple[Cell, ...]:
    """Cells without a style."""
    return tuple(Cell(text) for text in texts)


def terminal(table: Table, *, width: int = WIDTH, color: bool = False) -> str:
    """The table and its notes as plain text of that many characters a line, with colours only where asked for."""
    made = RichTable(box=None, padding=(0, 1, 0, 0), header_style="bold", collapse_padding=True)
    for column in table.columns:
        made.add_column(
            Text(column.heading),
            justify="right" if column.kind == "number" else "left",
            no_wrap=column.kind != "text",
            overflow="fold",
            min_width=column.least or None,
        )
    for row in table.rows:
        made.add_row(*(Text(cell.text, style=_TERMINAL[cell.style]) for cell in row))
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    with console.capture() as captured:
        console.print(made)
        console.print()
        for note in table.notes:
            console.print(note, style="dim", highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def markdown(table: Table) -> str:
    """The table as GitHub's Markdown, without its notes; what is bad is bold."""
    rules = ["---:" if column.kind == "number" else "---" for column in table.columns]
    rows = [[_markdown(cell) for cell in row] for row in table.rows]
    head = [column.heading for column in table.columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rules, *rows])


def _markdown(cell: Cell) -> str:
    text = cell.text.translate({ord("|"): "\\|"})
    return f"**{text}**" if cell.style == "bad" else text


def verdict_style(verdict: str) -> Style:
    """How a verdict is shown: what is better is good, what is worse is bad, all else is soft."""
    styles: dict[str, Style] = {"better": "good", "supported": "good", "worse": "bad", "refuted": "bad"}
    return styles.get(verdict, "soft")
