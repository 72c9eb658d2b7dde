"""Names of categories and classes: which texts mean the same one, and in what order they stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from pipeline.data.tables.cells import Cells, merged

_TRUE_OR_FALSE = ("False", "True")
_YES_NO = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}, {"on", "off"})
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]{0,299})([.]0*)?")
_DIGITS = re.compile(r"[+-]?[0-9]{1,300}")


def as_categories(cells: Cells, *, integers: bool, folded: bool) -> Cells:
    """Cells whose values are names of categories: texts that mean the same become one.

    Args:
        cells: of any type.
        integers: whether 1.0 and 1 are the same.
        folded: whether Yes and yes are the same.
    """
    return merged(cells, [category_of(text, integers=integers, folded=folded) for text in cells.texts])


def category_of(text: str, *, integers: bool, folded: bool) -> str:
    """The name of the category that a text means."""
    if integers:
        return str(int(text.partition(".")[0])) if _WHOLE.fullmatch(text) else text
    if folded:
        return text.title() if text.title() in _TRUE_OR_FALSE else text.casefold()
    return text


def are_integers(texts: Collection[str]) -> bool:
    """Whether all texts are whole numbers, 1.0 among them, with no zero in front."""
    return all(map(_WHOLE.fullmatch, texts))


def are_folded(texts: Collection[str]) -> bool:
    """Whether all texts are words for yes and no that are spelt in several ways, or for true and false."""
    folded = {text.casefold() for text in texts}
    return is_yes_no(texts) and (len(texts) > len(folded) or folded <= {"true", "false"})


def is_yes_no(texts: Iterable[str]) -> bool:
    """Whether all texts are words for yes and no, in any case."""
    folded = {text.casefold() for text in texts}
    return any(folded <= pair for pair in _YES_NO)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in numerical order when all are integers."""
    distinct = sorted(set(names))
    return tuple(sorted(distinct, key=int) if all(map(_DIGITS.fullmatch, distinct)) else distinct)
