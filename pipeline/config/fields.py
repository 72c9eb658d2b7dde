"""Fields of parameters: names, strengths, probabilities and widths, and the strict section that holds them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from pipeline.core.strict_model import StrictModel

NAMING = "names are 1 to 60 letters, digits and underscores"


def as_tuple(value: object) -> object:
    """Lists, as YAML has them, become tuples."""
    return tuple(value) if isinstance(value, list) else value


def _several(value: object) -> object:
    """One value, or a list of several, becomes a tuple."""
    return as_tuple(value if isinstance(value, list) else [value])


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
Widths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(as_tuple)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
Probability = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LearningRates = Annotated[tuple[LearningRate, ...], BeforeValidator(_several)]
Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Strict(StrictModel):
    """A section: unknown keys, missing keys and wrong types are errors."""
