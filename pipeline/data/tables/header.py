"""Header lines: how many there are, and what they call the columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.data.tables.messages import check_unique, listed, show
from pipeline.data.tables.numbers import looks_numeric

if TYPE_CHECKING:
    import pandas as pd

Row = Sequence[str]

_NAMELESS = re.compile(r"|Unnamed: \d+")  # pandas writes the second where the first stood
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Header:
    """How many lines it has, a name for every field of a row ("" for none), and what was noticed."""

    lines: int
    names: tuple[str, ...]
    remarks: tuple[str, ...]


def find_header(preview: Sequence[Row], widths: Sequence[int], *, target: str, lines: int | None) -> Header:
    """The header of a table.

    Args:
        preview: its first rows.
        widths: the numbers of fields that the rows below the first one have.
        target: a column that the header must name, if there is one.
        lines: how many header lines there are; detected when None.
    """
    count = _count_lines(preview, target) if lines is None else lines
    if count == 0:
        names = tuple(f"x{j}" for j in range(len(preview[0])))
        return Header(0, names, (f"no header line: the columns are called {names[0]}, ..., {names[-1]}",))
    names, remarks = _two_lines(preview, target) if count == 2 else (tuple(preview[0]), ())
    names, more = _fitted(names, widths, preview[count:])
    return Header(count, names, (*remarks, *more))


def settle_names(
    frame: pd.DataFrame, names: Sequence[str], *, name: str, target: str
) -> tuple[pd.DataFrame, list[str], tuple[str, ...]]:
    """Leave out nameless columns that are empty or count the rows, and give all others a name of their own.

    Returns:
        The columns that are left, their names, and what was done in words.

    Raises:
        InputError: two columns have the target's name.
    """
    plain = ["" if _NAMELESS.fullmatch(each.strip()) else each.strip() for each in names]
    padded = [each for each, stripped in zip(names, plain, strict=True) if stripped and each != stripped]
    remarks = [f"blanks around column names left out: {listed(padded)}"] if padded else []
    reasons = {j: _needless(frame[j].tolist()) for j, each in enumerate(plain) if not each}
    remarks += [f"column {j + 1} has no name and {reason}: left out" for j, reason in reasons.items() if reason]
    kept = [j for j in range(len(plain)) if not reasons.get(j)]
    named = [plain[j] or f"unnamed {j + 1}" for j in kept]
    remarks += [f"column {j + 1} has no name: called 'unnamed {j + 1}'" for j in kept if not plain[j]]
    check_unique([each for each in named if each == target], name)
    return frame[kept], *_distinct(named, remarks)


def _distinct(names: list[str], remarks: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Number the second and later columns of a name."""
    seen: Counter[str] = Counter()
    settled: list[str] = []
    for each in names:
        seen[each] += 1
        settled.append(each if seen[each] == 1 else f"{each} ({seen[each]})")
    twice = [
        f"{count} columns are called {show(each)}: the last is now {show(f'{each} ({count})')}"
        for each, count in seen.items()
        if count > 1
    ]
    return settled, (*remarks, *twice)


def _needless(cells: list[str]) -> str:
    """Why a nameless column can go; "" where it cannot."""
    if not any(cell.strip() for cell in cells):
        return "is empty"
    for start in (0, 1):
        if all(cell.strip() == str(start + row) for row, cell in enumerate(cells)):
            return f"counts {start}, {start + 1}, {start + 2}, ..."
    return ""


def _count_lines(preview: Sequence[Row], target: str) -> int:
    first, second = ([cell.strip() for cell in row] for row in preview[:2])
    if target in first:
        return 2 if _is_second_header(preview) else 1
    if target in second and _is_second_header(preview):
        return 2
    if _is_data(preview):
        return 0
    return 2 if _is_second_header(preview) else 1


def _is_data(preview: Sequence[Row]) -> bool:
    """Whether the first row is data: its numbers stand over numbers, and one of its texts, if any, occurs again."""
    columns = list(_columns(preview[1:]))[: len(preview[0])]
    pairs = [(cell.strip(), below) for cell, below in zip(preview[0], columns, strict=False) if cell.strip()]
    texts = [(cell, below) for cell, below in pairs if not looks_numeric(cell)]
    if len(texts) == len(pairs) or any(_are_numbers(below) for _, below in texts):
        return False
    return not texts or any(cell in below for cell, below in texts)


def _is_second_header(preview: Sequence[Row]) -> bool:
    """Whether the second row has words over columns of numbers, and none of its texts occurs again."""
    if len(preview) < 4 or len(preview[0]) != len(preview[1]):
        return False
    pairs = list(zip((cell.strip() for cell in preview[1]), _columns(preview[2:]), strict=False))
    over_numbers = [cell for cell, below in pairs if _are_numbers(below)]
    words = all(_LETTER.search(cell) and not looks_numeric(cell) for cell in over_numbers if cell)
    return words and any(over_numbers) and not any(cell in below for cell, below in pairs if cell)


def _two_lines(preview: Sequence[Row], target: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the line that has the target, else of the second; joined where some are missing or occur twice."""
    first, second = ([cell.strip() for cell in row] for row in preview[:2])
    chosen, other = (first, second) if target in first else (second, first)
    if all(chosen) and len(set(chosen)) == len(chosen):
        which = "first" if chosen is first else "second"
        return tuple(chosen), (f"two header lines: names from the {which}, not {listed(other)}",)
    joined = [" ".join(filter(None, pair)) for pair in zip(first, second, strict=True)]
    names = [each if each == target else both for each, both in zip(chosen, joined, strict=True)]
    return tuple(names), ("two header lines: their names are joined",)


def _fitted(
    names: tuple[str, ...], widths: Sequence[int], rows: Sequence[Row]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names for all fields, where the header line has one separator too many or too few."""
    excess = len(names) - widths[0] if len(widths) == 1 else 0
    if excess == 1 and not names[-1].strip():
        return names[:-1], ("the header line has a separator too many at its end",)
    if excess == -1 and not any(row[-1].strip() for row in rows):
        return (*names, ""), ()
    if excess == -1:
        return ("", *names), ("the header line lacks a name for the first column",)
    return names, ()


def _columns(rows: Sequence[Row]) -> Iterator[list[str]]:
    """Cells of each column, without blanks and empty ones."""
    for j in range(max(map(len, rows), default=0)):
        yield [row[j].strip() for row in rows if j < len(row) and row[j].strip()]


def _are_numbers(cells: list[str]) -> bool:
    """Whether more than half of the cells are numbers."""
    return 2 * sum(map(looks_numeric, cells)) > len(cells)
