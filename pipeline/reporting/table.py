"""Tables: columns and rows of cells, built once and rendered for a terminal, as Markdown, or by the page's template."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from shutil import get_terminal_size
from typing import Literal, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

Style = Literal["", "good", "bad", "soft"]
Kind = Literal["number", "label", "text"]
WIDTH, LEAST = 120, 40  # characters a line, where nobody says how many there are, and where there are too few
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


def screen_width() -> int:
    """Characters a line: what COLUMNS says, else what the terminal has, and `WIDTH` where there is none."""
    return max(LEAST, get_terminal_size((WIDTH, 24)).columns)


def terminal(
    table: Table, *, width: int = WIDTH, color: bool = False, notes: bool = True, optional: Sequence[str] = ()
) -> str:
    """The table as plain text of that many characters a line, with colours only where asked for.

    Args:
        table: what to show.
        width: characters a line.
        color: whether it goes to a terminal that shows colours.
        notes: whether the table's notes stand below it.
        optional: keys of columns that are left out where there is no room for all, the first of these first.
    """
    shown, left_out = _fitted(table, width, optional)
    squeezed, stacked = _breadth(shown, stacked=True) > width, _breadth(shown, stacked=False) > width
    made = RichTable(box=None, padding=(0, 1, 0, 0), header_style="bold", collapse_padding=True)
    for column in shown.columns:
        made.add_column(
            Text(_head(column, stacked=stacked)),
            justify="right" if column.kind == "number" else "left",
            no_wrap=column.kind != "text" and not squeezed,
            overflow="fold",
            min_width=None if squeezed else column.least or None,
        )
    for row in shown.rows:
        made.add_row(*(Text(cell.text, style=_TERMINAL[cell.style]) for cell in row))
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    below = [*left_out, *(shown.notes if notes else ())]
    with console.capture() as captured:
        console.print(made)
        console.print()
        for note in below:
            console.print(note, style="dim", highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _fitted(table: Table, width: int, optional: Sequence[str]) -> tuple[Table, tuple[str, ...]]:
    """The table without the optional columns for which there is no room, and a line that names them."""
    shown, missing = table, list[str]()
    for key in optional:
        if _breadth(shown, stacked=True) <= width:
            break
        (left,) = (column for column in shown.columns if column.key == key)
        missing.append(left.heading)
        shown = shown.only(*(column.key for column in shown.columns if column.key != key))
    if not missing:
        return shown, ()
    needed = _breadth(table, stacked=True)
    return shown, (f"No room for {', '.join(missing)}: a terminal of {needed} columns, or COLUMNS={needed}, has it.",)


def _breadth(table: Table, *, stacked: bool) -> int:
    """Characters that a table takes where text wraps and nothing else does."""
    return sum(_column_breadth(table, place, stacked=stacked) + 1 for place in range(len(table.columns)))


def _column_breadth(table: Table, place: int, *, stacked: bool) -> int:
    column = table.columns[place]
    texts = [row[place].text for row in table.rows]
    if column.kind == "text":
        texts = [word for text in texts for word in text.split()]
    return max([column.least, *map(cell_len, [*_head(column, stacked=stacked).splitlines(), *texts])])


def _head(column: Column, *, stacked: bool) -> str:
    """A column's title, its words below each other where there is little room."""
    return re.sub("(?<!−) ", "\n", column.heading) if stacked else column.heading


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
