"""A column's cells: its distinct values, and which of them each row holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Int64

if TYPE_CHECKING:
    import pandas as pd

Type = Literal["text", "number", "date", "code", "other"]

# What pandas.api.types.infer_dtype calls the values of a column, and what that means here.
_TYPES: dict[str, Type] = {
    **dict.fromkeys(("floating", "integer", "mixed-integer-float", "decimal"), "number"),
    **dict.fromkeys(("date", "datetime", "datetime64"), "date"),
    **dict.fromkeys(("boolean", "categorical"), "code"),
    **dict.fromkeys(("string", "empty"), "text"),
}
_REFUSED = dict.fromkeys(("period", "time", "timedelta", "timedelta64"), "times or durations") | dict.fromkeys(
    ("mixed", "unknown-array"), "lists, structs or a mixture of types"
)


@dataclass(frozen=True)
class Cells:
    """The cells of a column.

    Attributes:
        name: of the column.
        type: "text", "number", "date", "code" for categories and booleans, or "other" for what cannot be used.
        values: the distinct values in the order in which they occur; texts without blanks around them.
        codes: place of each row's value among them, -1 where it is missing.
        stripped: texts that had blanks around them.
        described: what values of another type are called.
    """

    name: str
    type: Type
    values: tuple[object, ...]
    codes: Int64[np.ndarray, " rows"]
    stripped: tuple[str, ...] = ()
    described: str = ""

    @property
    def absent(self) -> Bool[np.ndarray, " rows"]:
        """Where a value is missing."""
        return self.codes < 0

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The distinct values as texts; whole numbers without a point."""
        strings = self.type == "text"
        return tuple(map(str, self.values)) if strings else tuple(text_of(value) for value in self.values)

    def row_of(self, place: int) -> int:
        """The first data row that holds a value, counted from 1."""
        return int((self.codes == place).argmax()) + 1

    def counts(self) -> Int64[np.ndarray, " values"]:
        """How many rows hold each value."""
        return np.bincount(self.codes[~self.absent], minlength=len(self.values)).astype(np.int64)


def cells_of(column: pd.Series, name: str) -> Cells:
    """The cells of a column of any type."""
    import pandas as pd  # noqa: PLC0415  (slow to import)

    inferred = pd.api.types.infer_dtype(column, skipna=True)
    kind = _TYPES.get(inferred, "other")
    if kind == "other":
        described = _REFUSED.get(inferred, f"values of type {inferred}")
        return Cells(name, kind, (), np.full(len(column), -1), described=described)
    codes, distinct = pd.factorize(column)
    values = tuple(distinct.tolist())
    cells = Cells(name, kind, values, codes.astype(np.int64))
    return _stripped(cells) if any(isinstance(value, str) for value in values) else cells


def text_of(value: object) -> str:
    """A value as a text file would have it; whole numbers without a point."""
    if isinstance(value, str):
        return value
    whole = isinstance(value, float | Decimal) and value == value // 1
    return str(int(value)) if whole and isinstance(value, float | Decimal) else str(value)


def without(cells: Cells, words: Collection[str]) -> Cells:
    """The same cells, of which those with one of these words count as missing."""
    absent = frozenset(words)
    if absent.isdisjoint(cells.texts):
        return cells
    return merged(
        cells, [None if text in absent else value for text, value in zip(cells.texts, cells.values, strict=True)]
    )


def merged(cells: Cells, values: Sequence[object | None]) -> Cells:
    """The same cells with other values in place of the distinct ones: equal ones are one, None is missing."""
    kept = dict.fromkeys(value for value in values if value is not None)
    place = {value: code for code, value in enumerate(kept)}
    moved = np.array([-1 if value is None else place[value] for value in values] + [-1], dtype=np.int64)
    return replace(cells, values=tuple(kept), codes=moved[cells.codes])


def _stripped(cells: Cells) -> Cells:
    if cells.type == "text" and "" not in cells.values and tuple(map(str.strip, cells.texts)) == cells.values:
        return cells
    values = [value.strip() if isinstance(value, str) else value for value in cells.values]
    changed = tuple(str(old) for old, new in zip(cells.values, values, strict=True) if new not in (old, ""))
    return replace(merged(cells, [None if value == "" else value for value in values]), stripped=changed)
