"""Fields of parameters: names, strengths, probabilities and widths, and the strict section that holds them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from pipeline.core.strict_model import StrictModel

NAMING = "names are 1 to 60 letters, digits and underscores"
WIDEST = 100_000
"""Units of a layer; a typo would take all memory."""
LARGEST = 1e12
"""Strength; what lies beyond leaves 32-bit numbers."""
MOST = 100
"""Layers, or values of a list that is no row."""
LONGEST_LABEL = 200
"""Characters: a file system's names have 255 bytes, of which endings need some."""


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


def _label(value: object) -> object:
    fits = isinstance(value, str) and len(value) <= LONGEST_LABEL
    if not (fits and re.fullmatch(r"\w[\w=.,+~-]*", str(value), re.ASCII)):
        raise ValueError(f"labels are 1 to {LONGEST_LABEL} letters, digits and any of _=.,+~-")
    return value


Label = Annotated[str, BeforeValidator(_label)]  # of a point, which becomes a path
Name = Annotated[str, BeforeValidator(_name)]  # of every name that becomes a path
Widths = Annotated[
    tuple[Annotated[int, Field(ge=1, le=WIDEST)], ...], BeforeValidator(as_tuple), Field(max_length=MOST)
]
Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
Probability = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LearningRates = Annotated[tuple[LearningRate, ...], BeforeValidator(_several), Field(max_length=MOST)]
Strength = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]


class Strict(StrictModel):
    """A section: unknown keys, missing keys and wrong types are errors."""
