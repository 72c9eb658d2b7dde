"""What are parameters made of? Strict, frozen sections, and the types that their fields share."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator

from pipeline.core.strict_model import StrictModel

NAMING = "names are 1 to 60 letters, digits and underscores"


def _rows(value: object) -> int | float:
    whole = type(value) is int and value >= 1
    share = type(value) is float and 0 < value < 1
    if not (isinstance(value, int | float) and (whole or share)):
        raise ValueError("must be a number of rows (an integer from 1) or a share of them (between 0 and 1)")
    return value


def as_tuple(value: object) -> object:
    """Lists, as YAML has them, become tuples."""
    return tuple(value) if isinstance(value, list) else value


def is_name(value: object) -> bool:
    """Whether it can name what becomes a file or folder: 1 to 60 ASCII letters, digits and underscores.

    >>> is_name("weight_decay"), is_name(".."), is_name("a/b"), is_name("")
    (True, False, False, False)
    """
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_]{1,60}", value) is not None


def _name(value: object) -> object:
    if not is_name(value):
        raise ValueError(NAMING)
    return value


Name = Annotated[str, BeforeValidator(_name)]  # of every name that becomes a path
Rows = Annotated[int | float, PlainValidator(_rows)]
Widths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(as_tuple)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(StrictModel):
    """A section: unknown keys, missing keys and wrong types are errors."""
