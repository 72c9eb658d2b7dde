"""Tables of predictions: a probability of every class beside the class that came true, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from pipeline.core.errors import InputError
from pipeline.data.tables.categories import are_folded, are_integers, category_of, in_order
from pipeline.data.tables.cells import Cells, cells_of, merged, without
from pipeline.data.tables.messages import check_known, check_unique, listed, plural, show
from pipeline.data.tables.numbers import choose_style, parse_numbers, read_numbers
from pipeline.data.tables.probability_columns import ProbabilityColumns, Wanted, find_columns, in_class_order
from pipeline.data.tables.table import Table

if TYPE_CHECKING:
    import pandas as pd

Column = Float64[np.ndarray, " rows"]

TOLERANCE = 1e-3  # by which the sum of a row may differ from 1
_ROUNDED = 1e-6  # a difference that is worth a word
_MOST_CLASSES = 1000
_MOST_GROUPS = 50
_FEWEST_ROWS = 10
_PERCENT = 100.0


@dataclass(frozen=True)
class Predicted:
    """Predictions of rows whose class is known.

    Attributes:
        classes: their names; of two the second is class 1.
        probs: a row's probabilities of the classes, which sum to 1.
        labels: the class that came true.
        remarks: what was found, and what was done, in words.
    """

    classes: tuple[str, ...]
    probs: Float64[np.ndarray, "rows classes"]
    labels: Int64[np.ndarray, " rows"]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Groups:
    """Names of groups of rows, and the number of each row's."""

    names: tuple[str, ...]
    numbers: Int64[np.ndarray, " rows"]


def read_predicted(table: Table, wanted: Wanted, *, target: str, percent: bool, group: str | None = None) -> Predicted:
    """The predictions that a table holds.

    Args:
        table: as it was read.
        wanted: what the user said about its columns.
        target: the column with the class that came true.
        percent: whether probabilities are percentages.
        group: a column of groups, which is no probability.

    Raises:
        InputError: a column is missing, or a value is none that it can be; the first of them is named.
    """
    names = [str(column) for column in table.frame.columns]
    for each in filter(None, (target, group)):
        check_known(each, names, f"{table.name}: column")
    if len(table.frame) < _FEWEST_ROWS:
        raise InputError(f"{table.name}: must have {_FEWEST_ROWS} rows or more; got {len(table.frame)}")
    check_unique(names, table.name)
    cells, class_of = _classes(table, target)
    candidates = [each for each in names if each not in (target, group)]
    seen = in_order(cells.texts)
    columns = find_columns(candidates, seen, wanted, name=table.name, target=target, class_of=class_of)
    where = f"{table.name}: target column {target!r}"
    columns, probs, said = _probabilities(table, columns, percent=percent, positive=wanted.positive, where=where)
    place = {each: number for number, each in enumerate(columns.classes)}
    labels = np.array([place[each] for each in cells.texts], dtype=np.int64)[cells.codes]
    remarks = (*table.remarks, *_found(columns, candidates), *said)
    return Predicted(columns.classes, probs, labels, remarks)


def read_groups(table: Table, column: str) -> Groups:
    """The groups of rows that a column names; rows without a name are one.

    Raises:
        InputError: there are too many, or the column holds no names.
    """
    cells = cells_of(table.frame[column], column)
    where = f"{table.name}: group column {column!r}"
    if cells.type == "other":
        raise InputError(f"{where} must hold names of groups; got {cells.described}")
    if len(cells.values) > _MOST_GROUPS:
        raise InputError(f"{where} must name at most {_MOST_GROUPS} groups; got {len(cells.values):,}")
    names = in_order(cells.texts)
    place = {each: number for number, each in enumerate(names)}
    numbers = np.array([*(place[each] for each in cells.texts), len(names)], dtype=np.int64)[cells.codes]
    return Groups((*names, *(["(missing)"] if cells.absent.any() else [])), numbers)


def _classes(table: Table, target: str) -> tuple[Cells, Callable[[str], str]]:
    """The classes that came true, and the class that a text means: whether 1.0 is 1, and Yes is yes."""
    where = f"{table.name}: target column {target!r}"
    cells = without(cells_of(table.frame[target], target), table.reading.na_values)
    if cells.type in ("other", "date"):
        raise InputError(f"{where} must hold classes; got {cells.described or 'dates or times'}")
    if cells.absent.any():
        raise InputError(f"{where}, data row {int(cells.absent.argmax()) + 1}: must be a class; it is missing")
    if len(cells.values) > _MOST_CLASSES:
        raise InputError(f"{where} must hold at most {_MOST_CLASSES} classes; got {len(cells.values):,}")
    integers, folded = are_integers(cells.texts), are_folded(cells.texts)
    class_of = partial(category_of, integers=integers, folded=folded)
    return merged(cells, [class_of(text) for text in cells.texts]), class_of


def _probabilities(
    table: Table, columns: ProbabilityColumns, *, percent: bool, positive: str | None, where: str
) -> tuple[ProbabilityColumns, Float64[np.ndarray, "rows classes"], tuple[str, ...]]:
    """The probabilities of all classes; where rows lack those of classes that no row has, with them."""
    values = _checked(table, columns.columns, percent=percent)
    if len(columns.columns) < len(columns.classes):
        (only,) = values.values()
        return columns, np.moveaxis(np.stack([1.0 - only, only]), 0, -1), ()
    sums = np.add.reduce(list(values.values()))
    if columns.spare and (len(values) < 2 or not _near(sums, 1.0).all()):
        known = {**columns.columns, **columns.spare}
        columns = ProbabilityColumns(in_class_order(known, positive, where), known, {})
        values = _checked(table, columns.columns, percent=percent)
        sums = np.add.reduce(list(values.values()))
    if len(values) < 2:
        raise InputError(f"{table.name}: must have probability columns of two classes or more; got {_some(columns)}")
    _check_sums(table, columns, sums)
    probs = np.moveaxis(np.stack([values[each] for each in columns.classes]), 0, -1)
    probs /= sums[:, None]
    off = float(np.abs(sums - 1.0).max())
    rounded = (f"rows sum to 1 within {off:.1g}, and are divided by their sum",) if off > _ROUNDED else ()
    return columns, probs, rounded


def _checked(table: Table, columns: Mapping[str, str], *, percent: bool) -> dict[str, Column]:
    """The numbers of the columns by class, all of them probabilities."""
    scale = _PERCENT if percent else 1.0
    values = _numbers(table, list(columns.values()))
    sums = np.add.reduce(list(values.values()))
    for column, numbers in values.items():
        if not (numbers.min() >= 0.0 and numbers.max() <= scale):  # NaN is neither
            row = int((~((numbers >= 0.0) & (numbers <= scale))).argmax())
            wanted = "a percentage from 0 to 100" if percent else "a probability from 0 to 1"
            got = f"got {_cell(table, column, row)}"
            hint = "" if percent else _hint(values, numbers, sums)
            raise InputError(f"{table.name}: column {column!r}, data row {row + 1}: must be {wanted}; {got}{hint}")
    largest = max(float(numbers.max()) for numbers in values.values())
    if percent and largest <= 1.0:
        where = f"{table.name}: columns {listed(list(values))}"
        raise InputError(f"{where}: --percent is for percentages; the largest value is {largest:.6g}")
    return {each: values[column] / scale for each, column in columns.items()}


def _hint(values: Mapping[str, Column], numbers: Column, sums: Column) -> str:
    """What numbers may be that are no probabilities."""
    if numbers.min() < 0.0:
        return "; of logits or log probabilities, probabilities must be made first"
    as_percent = numbers.max() <= _PERCENT if len(values) == 1 else _near(sums, _PERCENT).all()
    return "; --percent divides percentages by 100" if as_percent else ""


def _near(sums: Column, one: float) -> np.ndarray:
    return np.asarray(np.abs(sums / one - 1.0) <= TOLERANCE * (1 + 1e-9))


def _check_sums(table: Table, columns: ProbabilityColumns, sums: Column) -> None:
    """Raise InputError unless the probabilities of every row sum to 1."""
    right = _near(sums, 1.0)
    if not right.all():
        row = int((~right).argmax())
        where = f"{table.name}: columns {_some(columns)}, data row {row + 1}"
        raise InputError(f"{where}: must sum to 1 within {TOLERANCE}; got {sums[row]:.6g}")


def _numbers(table: Table, columns: Sequence[str]) -> dict[str, Column]:
    """The numbers of columns, NaN where a cell is missing; texts as plain numbers, else in a style that all share."""
    frame = table.frame
    plain = {column: _plain(frame[column]) for column in columns}
    written = {column: cells_of(frame[column], column) for column, numbers in plain.items() if numbers is None}
    texts = [text for cells in written.values() for text in cells.texts]
    reading = table.reading
    read = read_numbers(texts, decimal=reading.decimal, thousands=reading.thousands)
    style = choose_style(read, decimal=None, separator=reading.separator) or next(iter(read.styles), None)
    numbers: dict[str, Column] = {}
    for column in columns:
        known = plain[column]
        if known is None:
            cells = written[column]
            parsed = [None] * len(cells.texts) if style is None else parse_numbers(cells.texts, style)
            _check_numbers(table, cells, parsed)
            known = np.array([*parsed, np.nan], dtype=np.float64)[cells.codes]
        numbers[column] = known
    return numbers


def _plain(column: pd.Series) -> Column | None:
    """The numbers of a column, None where a cell is no plain one."""
    try:
        return np.array(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError):
        return None


def _check_numbers(table: Table, cells: Cells, parsed: Sequence[float | None]) -> None:
    """Raise InputError unless every text of a column is a number."""
    for place, number in enumerate(parsed):
        if number is None:
            where = f"{table.name}: column {cells.name!r}, data row {cells.row_of(place)}"
            raise InputError(f"{where}: must be a number; got {show(cells.texts[place])}")
    if cells.type == "other":
        raise InputError(f"{table.name}: column {cells.name!r} must hold numbers; got {cells.described}")


def _cell(table: Table, column: str, row: int) -> str:
    """A cell as messages show it."""
    value = table.frame[column].iloc[row]
    missing = value is None or value != value or not str(value).strip()  # noqa: PLR0124  (NaN)
    return "a missing value" if missing else show(str(value)) if isinstance(value, str) else f"{value:.6g}"


def _found(columns: ProbabilityColumns, candidates: Sequence[str]) -> list[str]:
    """Which columns are of which classes, and which are of none."""
    used = columns.columns.values()
    if len(columns.columns) < len(columns.classes):
        ((positive, column),) = columns.columns.items()
        found = f"column {column!r} is the probability of class {show(positive)}"
    else:
        found = f"probabilities of {plural(len(columns.classes), 'class', 'classes')}: columns {_some(columns)}"
    ignored = [each for each in candidates if each not in used]
    return [found, *([f"ignored: {listed(ignored)}"] if ignored else [])]


def _some(columns: ProbabilityColumns) -> str:
    return listed([columns.columns[each] for each in columns.classes if each in columns.columns])
