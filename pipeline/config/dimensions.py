"""Dimensions of a search space: ranges of numbers, and choices of what is no number.

A sampler proposes coordinates. A dimension says which ones there are, for which strength each stands, and back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from pipeline.config.fields import Probability, Strict, as_tuple
from pipeline.config.settings import Setting, word

DIGITS = 4  # significant ones of a strength: more than a result can tell, and fewer than rounding could flip
MOST_OFF = 0.5  # a larger share of the range would leave little of it, and on a logarithm end below any number
NEAR = 0.05  # of the sampled range, from an end


class Range(Strict):
    """The range of a number; a share of what is sampled lies beyond its weak end and means exactly 0: off."""

    low: float = Field(ge=0, allow_inf_nan=False, description="Smallest value that is on.")
    high: float = Field(gt=0, allow_inf_nan=False, description="Largest.")
    log: bool = Field(default=False, description="Sample its logarithm evenly.")
    off: Probability = Field(default=0.0, description="Share of the sampled range that means off, exactly 0.")
    weak: Literal["low", "high"] = Field(default="low", description="The end beyond which it is off.")

    @model_validator(mode="after")
    def _ends_must_agree(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low == 0:
            raise ValueError("low must be above 0 where log is true, got 0; `off` is the share that is exactly 0")
        if self.off > MOST_OFF:
            raise ValueError(f"off must be at most {MOST_OFF}, got {self.off:g}")
        return self

    @property
    def sampled(self) -> tuple[float, float]:
        """The ends of the range that coordinates are sampled from: beyond the weak end lies what means off.

        A weak strength and none at all are so neighbours on one axis, which every sampler, plot and importance
        measure can work with.

        >>> Range(low=0.0, high=0.6, off=0.25).sampled
        (-0.2, 0.6)
        """
        if not self.off:
            return self.low, self.high
        share = self.off / (1 - self.off)
        near, far = (self.low, self.high) if self.weak == "low" else (self.high, self.low)
        beyond = near * (near / far) ** share if self.log else near + (near - far) * share
        low, high = sorted((float(f"{beyond:.12g}"), far))
        return low, high

    @property
    def extremes(self) -> tuple[float, ...]:
        """The strengths that must be possible, for all between them to be."""
        return self.low, self.high

    @property
    def unset(self) -> float:
        """The strength where it is not searched: off."""
        return 0.0

    @property
    def has_off(self) -> bool:
        """Whether some coordinate means off."""
        return self.off > 0

    @property
    def words(self) -> dict[str, str]:
        """What a reader is told of it, by heading."""
        return {
            "values": f"{self.low:g} to {self.high:g}",
            "sampled": "logarithmic" if self.log else "even",
            "off": f"{self.off:.0%}" if self.off else "never",
        }

    def strength(self, coordinate: Setting) -> float:
        """The strength that a sampled coordinate stands for, to four significant digits; 0 beyond the weak end.

        >>> weight_decay = Range(low=1e-3, high=1.0, log=True, off=0.25)
        >>> weight_decay.strength(0.0123456), weight_decay.strength(5e-4)
        (0.01235, 0.0)
        """
        place = float(coordinate)
        if place < self.low or place > self.high:
            return 0.0
        return min(max(float(f"{place:.{DIGITS}g}"), self.low), self.high)

    def coordinate(self, strength: Setting) -> float:
        """A sampled coordinate that stands for a strength; for 0 the end of what means off.

        Raises:
            ValueError: the strength is no number, or neither within the range nor 0 where a share means off.

        >>> weight_decay = Range(low=1e-3, high=1.0, log=True, off=0.25)
        >>> weight_decay.coordinate(0.01), weight_decay.coordinate(0.0)
        (0.01, 0.0001)
        """
        ends = f"must lie within {self.low:g} and {self.high:g}{', or be 0' * bool(self.off)}"
        if isinstance(strength, bool | str):
            raise ValueError(f"{ends}, got {word(strength)}")  # noqa: TRY004  (of a value in a file)
        if self.low <= strength <= self.high:
            return strength
        if strength or not self.off:
            raise ValueError(f"{ends}, got {strength:g}")
        return self.sampled[0] if self.weak == "low" else self.sampled[1]

    def is_near_end(self, coordinate: Setting) -> bool:
        """Whether it is on, and within a twentieth of the sampled range of an end beyond which it is not off."""
        low, high, place = (math.log(each) if self.log else each for each in (*self.sampled, float(coordinate)))
        share = (place - low) / (high - low)
        near_off = self.has_off and (share < 0.5) == (self.weak == "low")
        return bool(self.strength(coordinate)) and not near_off and not NEAR <= share <= 1 - NEAR

    def read(self, text: str) -> float:
        """The strength or coordinate that is written in a table."""
        return float(text)


def _choice(value: object) -> object:
    if not isinstance(value, bool | str):
        raise ValueError("must be true, false or a word; numbers have a range, low and high")  # noqa: TRY004
    return value


Choice = Annotated[bool | str, BeforeValidator(_choice)]


class Choices(Strict):
    """What a switch or a word may be; a coordinate is the choice itself."""

    choices: Annotated[tuple[Choice, ...], BeforeValidator(as_tuple)] = Field(
        min_length=2, description="Its values; the first is what is off."
    )

    @model_validator(mode="after")
    def _must_differ(self) -> Choices:
        if len(set(self.choices)) < len(self.choices):
            raise ValueError(f"choices must differ, got {self._listed}")
        return self

    @property
    def _listed(self) -> str:
        return ", ".join(map(word, self.choices))

    @property
    def extremes(self) -> tuple[bool | str, ...]:
        """The choices, which must all be possible."""
        return self.choices

    @property
    def unset(self) -> bool | str:
        """The choice where it is not searched: off."""
        return self.choices[0]

    @property
    def has_off(self) -> bool:
        """Whether some coordinate means off: the first choice does."""
        return True

    @property
    def words(self) -> dict[str, str]:
        """What a reader is told of it, by heading."""
        return {"values": self._listed, "sampled": "by choice", "off": word(self.unset)}

    def strength(self, coordinate: Setting) -> Setting:
        """The choice that a coordinate is."""
        return coordinate

    def coordinate(self, strength: Setting) -> bool | str:
        """The coordinate of a choice: itself.

        Raises:
            ValueError: it is not among the choices.

        >>> Choices(choices=(False, True)).coordinate(True)
        True
        """
        for choice in self.choices:
            if type(choice) is type(strength) and choice == strength:
                return choice
        raise ValueError(f"must be one of {self._listed}, got {word(strength)}")

    def is_near_end(self, coordinate: Setting) -> bool:  # noqa: ARG002
        """Whether more may lie beyond: never, since choices have no end."""
        return False

    def read(self, text: str) -> bool | str:
        """The choice that is written in a table.

        Raises:
            ValueError: it is not among the choices.
        """
        by_text = {str(choice): choice for choice in self.choices}
        if text not in by_text:
            raise ValueError(f"must be one of {', '.join(by_text)}, got {text!r}")
        return by_text[text]


def _form(value: object) -> str:
    has_choices = "choices" in value if isinstance(value, dict) else isinstance(value, Choices)
    return "choices" if has_choices else "range"


Dimension = Annotated[Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_form)]
"""What one strength may be, as a search samples it."""


def strengths(dimensions: Mapping[str, Dimension], coordinates: Mapping[str, Setting]) -> dict[str, Setting]:
    """The strengths that a trial's sampled coordinates stand for."""
    return {name: dimension.strength(coordinates[name]) for name, dimension in dimensions.items()}
