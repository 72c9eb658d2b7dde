"""The schema of a table: how each column becomes features and the target classes, and what was noticed about it.

All of it is JSON, and all that encoding needs: the same row later gives the same numbers.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.core.strict_model import StrictModel
from pipeline.data.options import Missing, Rare, Reading, Unlabeled

OTHER = "other"  # what pooled categories and classes are called

Kind = Literal["number", "category", "yes-no", "date", "text", "identifier", "constant"]
Role = Literal["feature", "target", "ignored", "group", "time"]
Severity = Literal["problem", "warning"]
Topic = Literal[
    "missing", "missing word", "stray text", "ambiguous", "not finite", "type", "categories", "identifier", "text",
    "constant", "case", "class", "rare class", "leak", "row number", "copy of the target", "identical rows", "time",
]  # fmt: skip
Option = dict[str, str | int | list[str] | dict[str, str]]


class NumberStyle(StrictModel):
    """How numbers are written."""

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    prefix: str = ""
    unit: str = ""


class _Column(StrictModel):
    name: str
    indicator: bool = False  # a feature tells where a value is missing


class NumberColumn(_Column):
    """One feature: the number minus `origin`, which keeps 32 bits exact where numbers lie far from zero."""

    rule: Literal["number"] = "number"
    style: NumberStyle = NumberStyle()
    origin: float = 0.0


class CategoryColumn(_Column):
    """A 0/1 feature for each category; a value that is none of them belongs to `other` if there is one.

    With `integers`, texts such as 1.0 and 1 are one category; with `folded`, so are Yes and yes.
    """

    rule: Literal["category"] = "category"
    categories: tuple[str, ...]
    integers: bool = False
    folded: bool = False
    pooled: bool = False


class DateColumn(_Column):
    """Days since `first`, and a sine and a cosine for each cycle."""

    rule: Literal["date"] = "date"
    format: str
    first: str
    cycles: tuple[Literal["year", "week", "day"], ...] = ()


Column = Annotated[NumberColumn | CategoryColumn | DateColumn, Field(discriminator="rule")]


class Schema(StrictModel):
    """How a table becomes features and labels.

    Attributes:
        reading: how its file is written.
        target: its categories are the classes; with `rare="drop"`, rows of any other class are left out, and with
            `unlabeled="drop"` those of none.
        columns: those that become features, in their order.
        na_numbers: words that mean a missing value in columns of numbers and dates, beside `reading.na_values`.
        group: the column whose values say which rows belong together.
        time: the column that says which rows come after others; it may be one of `columns` too.
    """

    reading: Reading
    target: CategoryColumn
    columns: tuple[Column, ...]
    na_numbers: tuple[str, ...]
    missing: Missing = "error"
    rare: Rare = "error"
    unlabeled: Unlabeled = "error"
    group: str | None = None
    time: Column | None = None


class ColumnSummary(StrictModel):
    """What a column was understood as; `distinct` counts values that are present."""

    name: str
    role: Role
    kind: Kind
    missing: int
    distinct: int
    example: str
    remark: str = ""


class Finding(StrictModel):
    """A problem that must be answered before a table can be used, or a warning.

    Attributes:
        column: which it is about, None where it is about the whole table.
        row: the first data row that shows it, counted from 1.
        value: the text that stands there.
        number: how large it is: rows, or a share of them.
        message: what and where, without the table's name.
        hint: what answers it, in words.
        option: what answers it, as `params.yaml` has it.
    """

    severity: Severity
    topic: Topic
    column: str | None = None
    row: int | None = None
    value: str | None = None
    number: float | None = None
    message: str
    hint: str = ""
    option: Option = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """The message and its hint on one line."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class TableNotes(StrictModel):
    """What people should know of a table.

    Attributes:
        summaries: a line for each column of the file, in its order.
        remarks: what was noticed of the file as a whole, in words.
        findings: problems and warnings.
    """

    summaries: tuple[ColumnSummary, ...]
    remarks: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def of_kind(self, *kinds: Kind) -> tuple[str, ...]:
        """The columns that are features of these kinds."""
        return tuple(each.name for each in self.summaries if each.role == "feature" and each.kind in kinds)


class Understood(TableNotes):
    """A table as it was understood: its schema for encoding, and what people should know of it."""

    table: Schema

    @property
    def notes(self) -> TableNotes:
        """All but the schema."""
        return TableNotes(summaries=self.summaries, remarks=self.remarks, findings=self.findings)

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What must be answered before the table can be used."""
        return tuple(finding for finding in self.findings if finding.severity == "problem")
