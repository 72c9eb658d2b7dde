"""Result records: reading and writing finished tables, once, at a stage's edge."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.core.errors import InputError
from pipeline.core.files import read_bytes, write_json
from pipeline.core.strict_model import StrictModel

Level = bool | int | float | str | None
"""A plain value of a hyperparameter."""

DIGITS = 6


class Record(StrictModel):
    """Part of a finished table: frozen, typed, and strict when read."""


Table = TypeVar("Table", bound=BaseModel)


def write_record(path: Path, record: BaseModel, *, digits: int = DIGITS) -> None:
    """Write a record as JSON with sorted keys, every float rounded to so many significant digits."""
    write_json(path, significant(record.model_dump(mode="json"), digits))


def read_record(model: type[Table], path: Path) -> Table:
    """Read what `write_record` wrote.

    Raises:
        InputError: the file is missing, damaged, or of another shape: the first key that is wrong is named.
    """
    try:
        return model.model_validate_json(read_bytes(path))
    except ValidationError as error:
        again = "written by another version or damaged; `dvc repro` writes it again once it is deleted"
        raise InputError(f"{path}: {first_error(error)}; {again}") from None


def first_error(error: ValidationError) -> str:
    """The first key that is wrong, and why."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"


def significant(value: Any, digits: int = DIGITS) -> Any:
    """`value` with every float in it, however deep in mappings and lists, rounded to so many significant digits.

    >>> significant({"nll": [0.123456789, None]}, 3)
    {'nll': [0.123, None]}
    """
    if isinstance(value, dict):
        return {key: significant(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [significant(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) and math.isfinite(value) else value


def finite(value: float) -> float | None:
    """A plain float, or None where it is not finite: JSON knows neither NaN nor infinity."""
    return float(value) if math.isfinite(value) else None
