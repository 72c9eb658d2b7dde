"""What a user may say about a table: how its file is written, and what its columns and classes mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.core.strict_model import StrictModel

Missing = Literal["error", "impute"]
Rare = Literal["error", "drop", "pool"]
Unlabeled = Literal["error", "drop"]
Duplicates = Literal["group", "split"]
Scale = Literal["standard", "robust", "quantile"]


def _as_texts(values: object) -> object:
    """Numbers as they are written: `na_values: [-999]` needs no quotes."""
    if not isinstance(values, list | tuple):
        return values
    return tuple(str(value) if type(value) in (int, float) else value for value in values)


Words = Annotated[tuple[str, ...], BeforeValidator(_as_texts), Field(strict=False)]
Columns = Annotated[tuple[str, ...], Field(strict=False)]


class Reading(StrictModel):
    """How a file is written; what is None is detected."""

    separator: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="What separates the fields of a text file; detected when null.",
    )
    decimal: Literal[".", ","] | None = Field(default=None, description="Decimal mark of numbers; detected when null.")
    thousands: Literal["", ",", ".", " ", "'"] | None = Field(
        default=None, description="What groups their digits; detected when null."
    )
    encoding: str | None = Field(default=None, min_length=1, description="Encoding of a text file; detected when null.")
    header: int | None = Field(
        default=None, ge=0, le=2, description="Number of header lines, 0 to 2; detected when null."
    )
    sheet: str | None = Field(default=None, min_length=1, description="Sheet of an Excel file; the first when null.")
    na_values: Words = Field(default=(), description="Words that mean a missing value, in any column.")


class Related(StrictModel):
    """Which rows of a table belong together, or come after others: splits heed it."""

    group: str | None = Field(
        default=None,
        min_length=1,
        description="Column whose rows of one value (a patient, say) are all on one side of a split; it is no feature.",
    )
    time: str | None = Field(
        default=None,
        min_length=1,
        description="Column of numbers or dates: train on the earliest rows, validate on later, test on the latest.",
    )
    duplicates: Duplicates = Field(
        default="group",
        description="Keep rows with the same features on one side of a split, or split them like others; "
        "where there is a group or a time, that decides.",
    )

    @model_validator(mode="after")
    def _one_must_decide(self) -> Related:
        if self.group is not None and self.time is not None:
            raise ValueError(f"group and time exclude each other; got {self.group!r} and {self.time!r}")
        return self


class Meaning(Related):
    """What the columns and classes of a table mean, and how its rows are related."""

    ignore: Columns = Field(default=(), description="Columns to leave out, identifiers for example.")
    categorical: Columns = Field(default=(), description="Columns whose numbers or texts are codes of categories.")
    dates: dict[str, str] = Field(
        default_factory=dict, description="Format of columns of dates, as strptime has it: {joined: '%d/%m/%Y'}."
    )
    cyclical: Columns = Field(default=(), description="Dates that also give the time of year and of week, in a circle.")
    max_categories: int | None = Field(
        default=None, ge=2, description="Pool a column's rarest categories as `other`, so that this many are left."
    )
    missing: Missing = Field(default="error", description="Refuse missing values, or impute the training mean.")
    unlabeled: Unlabeled = Field(default="error", description="Refuse rows without a class, or leave them out.")
    rare: Rare = Field(
        default="error", description="Classes of fewer than 10 rows: keep those of 3, drop, or pool as `other`."
    )


class TableOptions(Reading, Meaning):
    """How a table is written, which column holds the class, and what its columns mean."""

    target: str = Field(default="y", min_length=1, description="Column that holds the class (strings or integers).")
