"""Numbers as people write them: decimal marks, grouped digits, currencies, percent signs and units."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from pipeline.data.schema import NumberStyle

_MARKS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
"""Decimal mark and separator of thousands, the most usual first."""

# A sign, a currency, digits with marks among them, and a percent sign, a currency or a word.
_NUMBER = re.compile(
    r"(?P<sign>[+\-−]?)\s?(?P<prefix>[$€£¥]?)\s?(?P<inner>[+\-−]?)"
    r"(?P<digits>[0-9.,' \u00a0\u202f’]*[0-9][.,]?(?:[eE][+-]?[0-9]+)?)"
    r"\s?(?P<unit>%|[$€£¥]|[^\W\d_]*)"
)
_USUAL = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_DIGITS = re.compile(r"[+\-−]?[0-9]+")
_PLAIN = str.maketrans({"\u00a0": " ", "\u202f": " ", "’": "'", "−": "-"})


class _Token(NamedTuple):
    prefix: str
    unit: str
    negative: bool
    digits: str


@dataclass(frozen=True)
class NumberTexts:
    """How the distinct texts of a column read as numbers.

    Attributes:
        styles: those under which most texts are numbers, the most usual first.
        strays: texts that are no numbers under the first of them.
        padded: whether all texts are digits, and some have a zero in front.
        equal: whether all styles give the same numbers.
    """

    styles: tuple[NumberStyle, ...]
    strays: tuple[str, ...]
    padded: bool
    equal: bool

    @property
    def decimals(self) -> frozenset[str]:
        """The decimal marks that the texts allow."""
        return frozenset(style.decimal for style in self.styles)


def read_numbers(texts: Sequence[str], *, decimal: str | None = None, thousands: str | None = None) -> NumberTexts:
    """Find how texts are written as numbers, under the marks that the user gave if there are any."""
    usual = texts and all(map(_USUAL.fullmatch, texts)) and decimal in (None, ".") and not thousands
    return (_usual_numbers if usual else _any_numbers)(texts, decimal=decimal, thousands=thousands)


def _any_numbers(texts: Sequence[str], *, decimal: str | None, thousands: str | None) -> NumberTexts:
    tokens = [_token(text) for text in texts]
    affixes = Counter((token.prefix, token.unit) for token in tokens if token)
    prefix, unit = affixes.most_common(1)[0][0] if affixes else ("", "")
    occurring = "".join(texts).translate(_PLAIN)
    styles = [
        NumberStyle.model_validate({"decimal": mark, "thousands": group, "prefix": prefix, "unit": unit})
        for mark, group in _MARKS
        if decimal in (None, mark) and (group in occurring if thousands is None else group == thousands)
    ]
    numbers = {style: [_number(token, style) for token in tokens] for style in styles}
    counts = {style: len(texts) - read.count(None) for style, read in numbers.items()}
    most = max(counts.values(), default=0)
    best = tuple(style for style, count in counts.items() if count == most > 0)
    read = numbers[best[0]] if best else [None] * len(texts)
    strays = tuple(text for text, number in zip(texts, read, strict=True) if number is None)
    return NumberTexts(
        styles=best,
        strays=strays,
        padded=bool(strays) and all(_DIGITS.fullmatch(text) for text in texts),
        equal=all(numbers[style] == read for style in best),
    )


def _usual_numbers(texts: Sequence[str], *, decimal: str | None, thousands: str | None) -> NumberTexts:
    """As `_any_numbers`, of texts that are all numbers in the usual way: another style must read all of them too."""
    points = any("." in text for text in texts)
    groups = {"", "."} if points and thousands is None else {""}
    styles = [
        NumberStyle.model_validate({"decimal": mark, "thousands": group, "prefix": "", "unit": ""})
        for mark, group in _MARKS
        if decimal in (None, mark) and group in groups
    ]
    read = {style: _all_numbers(texts, style) for style in styles[1:]} if points else {}
    best = (styles[0], *(style for style in styles[1:] if not points or read[style] is not None))
    usual = parse_numbers(texts, styles[0]) if points and len(best) > 1 else None
    return NumberTexts(
        styles=best, strays=(), padded=False, equal=usual is None or all(read[style] == usual for style in best[1:])
    )


def _all_numbers(texts: Sequence[str], style: NumberStyle) -> list[float | None] | None:
    """The numbers that texts are under a style; None where one is none."""
    numbers: list[float | None] = []
    for text in texts:
        numbers.append(_number(_token(text), style))
        if numbers[-1] is None:
            return None
    return numbers


def choose_style(numbers: NumberTexts, *, decimal: str | None, separator: str | None) -> NumberStyle | None:
    """The style that texts such as 1,234 or 1.234 have in a file; None where it may be either.

    Args:
        numbers: what `read_numbers` found.
        decimal: the file's decimal mark, as its other columns show it; None where they do not.
        separator: what separates the file's fields, None for a file that is no text.
    """
    first = numbers.styles[0] if numbers.styles else None
    if first is None or numbers.equal:
        return first
    if decimal is not None:
        return next((style for style in numbers.styles if style.decimal == decimal), first)
    return first if not first.thousands or separator in (None, ",") else None


def shared_decimal(columns: Sequence[NumberTexts]) -> str | None:
    """The decimal mark of a file: that of the columns which allow only one, None where they differ or none does."""
    shown = {next(iter(column.decimals)) for column in columns if len(column.decimals) == 1 and not column.strays}
    return shown.pop() if len(shown) == 1 else None


def parse_numbers(texts: Sequence[str], style: NumberStyle) -> list[float | None]:
    """The numbers that texts are under a style, None where one is none; a zero in front of digits makes it a code."""
    usual = style == NumberStyle()
    if usual and all(map(_USUAL.fullmatch, texts)):
        return [*map(float, texts)]
    return [float(text) if usual and _USUAL.fullmatch(text) else _number(_token(text), style) for text in texts]


def looks_numeric(text: str) -> bool:
    """Whether a text has the shape of a number under some style."""
    return _token(text) is not None


def style_in_words(style: NumberStyle) -> list[str]:
    """What is unusual about a style."""
    groups = {",": "commas", ".": "points", " ": "blanks", "'": "apostrophes"}
    words = {
        "decimal commas": style.decimal == ",",
        f"thousands separated by {groups.get(style.thousands)}": bool(style.thousands),
        f"{style.prefix} in front left out": bool(style.prefix),
        "percent signs left out": style.unit == "%",
        f"unit {style.unit!r} left out": style.unit not in ("", "%"),
    }
    return [word for word, applies in words.items() if applies]


def _token(text: str) -> _Token | None:
    """The parts of a text that has the shape of a number."""
    if _USUAL.fullmatch(text):
        return _Token("", "", text[0] == "-", text.lstrip("+-"))
    if _INFINITE.fullmatch(text):
        return _Token("", "", text[0] == "-", "inf")
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    negative = "-" in (found["sign"] + found["inner"]).translate(_PLAIN)
    return _Token(found["prefix"], _singular(found["unit"]), negative, found["digits"].translate(_PLAIN))


def _number(token: _Token | None, style: NumberStyle) -> float | None:
    if token is None or token.prefix != style.prefix or token.unit != style.unit:
        return None
    digits = token.digits
    if digits != "inf":
        if not _pattern(style.decimal, style.thousands).fullmatch(digits):
            return None
        plain = digits.replace(style.thousands, "") if style.thousands else digits
        digits = plain.replace(style.decimal, ".")
    return -float(digits) if token.negative else float(digits)


def _singular(unit: str) -> str:
    """`year` and `Years` are one unit."""
    small = unit.casefold()
    return small.removesuffix("s") if len(small) > 1 else small


@cache
def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    mark, group = re.escape(decimal), re.escape(thousands)
    grouped = rf"[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+|" if thousands else ""
    whole = rf"(?:{grouped}0|[1-9][0-9]*)"
    return re.compile(rf"(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?")
