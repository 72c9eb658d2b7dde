"""Columns: what each is understood as, how it becomes features, and what must be answered or known about it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from pipeline.data.options import TableOptions
from pipeline.data.schema import OTHER, CategoryColumn, Column, DateColumn, Finding, Kind, NumberColumn, NumberStyle
from pipeline.data.tables import findings
from pipeline.data.tables.categories import are_folded, are_integers, as_categories, in_order, is_yes_no
from pipeline.data.tables.cells import Cells, without
from pipeline.data.tables.dates import ISO, DateTexts, cycles_of, dates_of, read_dates
from pipeline.data.tables.encoding import LARGEST, numbers_of
from pipeline.data.tables.messages import in_yaml, listed, plural
from pipeline.data.tables.numbers import NumberTexts, choose_style, read_numbers, style_in_words

if TYPE_CHECKING:
    import pandas as pd

NA_NUMBERS = (
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""Words that pandas takes for a missing value; here they mean one in columns of numbers and dates."""

_IDENTIFIER = re.compile(r"(?i)(.*[ _.-])?(id|uuid|guid|index|row ?(number|nr|no)?)|.*[a-z]ID|unnamed \d+")
_OF_SEVERAL_ROWS = re.compile(
    r"(?i)(.*[ _.-])?(id|uuid|guid)"
    r"|(patient|subject|person|participant|customer|client|user|member|employee|household|family|individual)s?"
    r"([ _.-]?(id|no|nr|number|code))?"
)
_ROWS_OF_IDENTIFIERS = 20  # fewer may differ by chance
_WORDS_OF_TEXT = 3
_NEARLY_ALL = 0.9  # of the rows have another value in a column of identifiers
_FEW_NUMBERS = 20
_MANY_DATES = 20


@dataclass(frozen=True)
class Understanding:
    """What a column was understood as.

    Attributes:
        cells: those that are present under this understanding.
        kind: in a word.
        column: how it becomes features; None where a problem must be answered first.
        remarks: how it was read, in words.
        findings: problems and warnings.
    """

    cells: Cells
    kind: Kind
    column: Column | None
    remarks: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def understand_column(
    cells: Cells, options: TableOptions, *, numbers: NumberTexts, separator: str | None, decimal: str | None
) -> Understanding:
    """Understand one column.

    Args:
        cells: of the column.
        options: the user's.
        numbers: how its texts read as numbers.
        separator: of the fields of the file, None where it is no text.
        decimal: the decimal mark that other columns of the file show, None where they show none.
    """
    if cells.type == "other":
        return _unusable(cells, "text", findings.wrong_type(cells))
    present = without(cells, (*options.na_values, *NA_NUMBERS))
    if cells.name in options.categorical or cells.type == "code":
        understood = _category(cells, options)
    elif cells.type == "date" or cells.name in options.dates:
        understood = _dates(present, options, options.dates.get(cells.name, ISO))
    elif cells.type == "number" or not cells.values:
        understood = _numbers(present, NumberStyle())
    else:
        style = choose_style(numbers, decimal=decimal, separator=separator)
        understood = _texts(cells, present, options, numbers, style)
    return _completed(understood, cells, options)


def number_texts(cells: Cells, options: TableOptions) -> NumberTexts:
    """How the texts of a column read as numbers, those left out that mean a missing value; none where it has types."""
    if cells.type != "text" or cells.name in options.categorical:
        return read_numbers([])
    present = without(cells, (*options.na_values, *NA_NUMBERS))
    return read_numbers(present.texts, decimal=options.decimal, thousands=options.thousands)


def _texts(
    cells: Cells, present: Cells, options: TableOptions, numbers: NumberTexts, style: NumberStyle | None
) -> Understanding:
    """A column of texts: numbers or dates where all or most are, else categories."""
    if numbers.styles and not numbers.strays:
        return _ambiguous_numbers(present) if style is None else _numbers(present, style)
    if numbers.padded:
        return _category(cells, options, "zeros in front: codes, not numbers")
    dates = read_dates(present.texts)
    if dates is not None:
        return _written_dates(present, dates, options)
    if 2 * len(numbers.strays) < len(present.texts):
        return _unusable(present, "number", findings.strays(present, numbers.strays, "number"))
    return _category(cells, options)


def _written_dates(cells: Cells, dates: DateTexts, options: TableOptions) -> Understanding:
    if dates.strays:
        return _unusable(cells, "date", findings.strays(cells, dates.strays, "date"))
    if not dates.equal:
        return _unusable(cells, "date", findings.ambiguous_date(cells, dates.formats))
    return _dates(cells, options, dates.formats[0])


def _ambiguous_numbers(cells: Cells) -> Understanding:
    text = next(text for text in cells.texts if "," in text)
    return _unusable(cells, "number", findings.ambiguous_number(cells, text))


def _unusable(cells: Cells, kind: Kind, problem: Finding) -> Understanding:
    return Understanding(cells, kind, None, (), (problem,))


def _numbers(cells: Cells, style: NumberStyle) -> Understanding:
    column = NumberColumn(name=cells.name, style=style)
    numbers = np.array(numbers_of(cells, column), dtype=np.float64)
    for place in np.flatnonzero(~(np.abs(numbers) <= LARGEST)):
        return _unusable(cells, "number", findings.not_finite(cells, int(place), float(numbers[place])))
    origin = origin_of(numbers)
    remarks = [*style_in_words(style), *([f"counted from {origin:,.10g}"] if origin else [])]
    whole = are_integers(cells.texts)
    if whole and 3 <= len(numbers) <= _FEW_NUMBERS < len(cells.codes) / _FEW_NUMBERS:
        remarks.append(f"`{in_yaml({'categorical': [cells.name]})}` if they are codes")
    kind: Kind = "identifier" if whole and _is_identifier(cells, numbers) else "number"
    return Understanding(cells, kind, column.model_copy(update={"origin": origin}), tuple(remarks))


def origin_of(numbers: Float64[np.ndarray, " values"]) -> float:
    """The median where numbers lie so far from zero that 32 bits would merge some, else 0."""
    if len(numbers) < 2 or np.abs(numbers).max() <= 2 * np.ptp(numbers):
        return 0.0
    merge = len(np.unique(numbers.astype(np.float32))) < len(np.unique(numbers))
    return float(np.sort(numbers)[len(numbers) // 2]) if merge else 0.0


def _is_identifier(cells: Cells, numbers: Float64[np.ndarray, " values"]) -> bool:
    """Whether whole numbers differ in all rows, and count them or are called so."""
    consecutive = len(numbers) > 0 and np.ptp(numbers) == len(numbers) - 1
    return _all_differ(cells) and (consecutive or bool(_IDENTIFIER.fullmatch(cells.name)))


def _all_differ(cells: Cells) -> bool:
    return len(cells.values) == len(cells.codes) >= _ROWS_OF_IDENTIFIERS


def _dates(cells: Cells, options: TableOptions, form: str) -> Understanding:
    dates = dates_of(cells, form)
    if dates.isna().any():
        strays = [text for text, lacks in zip(cells.texts, dates.isna(), strict=True) if lacks]
        return _unusable(cells, "date", findings.strays(cells, strays, "date"))
    first = dates.min().isoformat() if len(dates) else "1970-01-01T00:00:00+00:00"
    cycles = cycles_of(dates) if cells.name in options.cyclical else ()
    column = DateColumn.model_validate({"name": cells.name, "format": form, "first": first, "cycles": cycles})
    written = "" if form == ISO else f", written {form}"
    years = ["69 to 99 are years from 1969, 00 to 68 from 2000"] if "%y" in form else []
    divided = options.group is not None or options.time is not None
    noticed = () if divided or not _are_in_order(cells, dates) else (findings.in_order_of_time(cells),)
    return Understanding(cells, "date", column, (f"days since {first[:10]}{written}", *years), noticed)


def _are_in_order(cells: Cells, dates: pd.DatetimeIndex) -> bool:
    """Whether rows are in the order of their dates, or the reverse, and the dates many."""
    steps = np.diff(dates.asi8[cells.codes])
    return (
        len(dates) >= _MANY_DATES and not cells.absent.any() and (bool((steps >= 0).all()) or bool((steps <= 0).all()))
    )


def _category(cells: Cells, options: TableOptions, *remarks: str) -> Understanding:
    present = without(cells, options.na_values)
    integers, folded = are_integers(present.texts), are_folded(present.texts)
    named = as_categories(present, integers=integers, folded=folded)
    most = options.max_categories or findings.MOST_CATEGORIES
    kind = _kind_of_texts(named)
    if len(named.values) > findings.MOST_CATEGORIES and options.max_categories is None:
        return _unusable(named, kind, findings.too_many_categories(named, kind))
    kept, pooled = keep_frequent(named, most)
    column = CategoryColumn(
        name=cells.name, categories=in_order(kept), integers=integers, folded=folded, pooled=bool(pooled)
    )
    said = [f"{plural(len(pooled), 'rare category', 'rare categories')} pooled as `other`"] if pooled else []
    what = f"column {cells.name!r}"
    noticed = () if cells.type == "code" else doubtful_names(named, what, "category", named.texts)
    return Understanding(named, kind, column, (*remarks, *name_remarks(present, named), *said), noticed)


def keep_frequent(cells: Cells, most: int) -> tuple[list[str], list[str]]:
    """The categories to keep and those to pool, so that at most so many are left with `other`."""
    order = np.argsort(-cells.counts(), kind="stable")
    names = [cells.texts[place] for place in order]
    if len(names) <= most:
        return names, []
    kept = [name for name in names[: most - 1] if name != OTHER]
    return kept, [name for name in names if name not in kept]


def doubtful_names(cells: Cells, what: str, taken_for: str, names: Sequence[str]) -> tuple[Finding, ...]:
    """Warnings of names that may mean a missing value, or differ from another in capital letters only."""
    lacking = [name for name in names if findings.like_missing(name)]
    spelt = Counter(name.casefold() for name in names)
    alike = sorted(name for name in names if spelt[name.casefold()] > 1)
    return (
        *([findings.missing_words(cells, lacking, what, taken_for)] if lacking else []),
        *([findings.differ_in_case(cells, alike, what)] if alike else []),
    )


def name_remarks(present: Cells, named: Cells) -> list[str]:
    """Which texts became one name."""
    merged = len(present.values) - len(named.values)
    return [f"{listed(list(present.texts))} are {plural(len(named.values), 'name')}"] if merged else []


def kind_of_names(texts: Sequence[str]) -> Kind:
    """Whether a few names are words for yes and no, or other categories."""
    return "yes-no" if is_yes_no(texts) else "category"


def _kind_of_texts(cells: Cells) -> Kind:
    texts = cells.texts
    if len(texts) <= findings.MOST_CATEGORIES:
        return "identifier" if _all_differ(cells) else kind_of_names(texts)
    words = sum(len(text.split()) for text in texts) / len(texts)
    if words >= _WORDS_OF_TEXT:
        return "text"
    return "identifier" if len(texts) > _NEARLY_ALL * (~cells.absent).sum() else "category"


def _is_of_several_rows(understood: Understanding) -> bool:
    """Whether a column is called an identifier, and its many values occur several times."""
    cells, column = understood.cells, understood.column
    numbers = isinstance(column, NumberColumn) and are_integers(cells.texts)
    rows = int((~cells.absent).sum())
    if not (numbers or understood.kind in ("category", "identifier", "text")):
        return False
    return _ROWS_OF_IDENTIFIERS <= len(cells.values) < rows and bool(_OF_SEVERAL_ROWS.fullmatch(cells.name))


def _completed(understood: Understanding, all_cells: Cells, options: TableOptions) -> Understanding:
    """With what holds for any kind: blanks, missing values, identifiers, constants."""
    cells, column, noticed = understood.cells, understood.column, list(understood.findings)
    remarks = [f"blanks around {listed(list(cells.stripped))} left out"] if cells.stripped else []
    absent = {*options.na_values, *NA_NUMBERS}
    words = [text for text in all_cells.texts if text in absent]
    if cells.absent.sum() > all_cells.absent.sum():
        remarks.append(f"{listed(words)} read as missing")
    if cells.absent.any():
        noticed += [findings.missing(cells)] if options.missing == "error" else []
        column = None if column is None else column.model_copy(update={"indicator": True})
    constant = len(cells.values) + bool(cells.absent.any()) == 1
    if constant:
        noticed.append(findings.constant(cells))
    elif understood.kind == "identifier" and column is not None:
        noticed.append(findings.identifier(cells))
    elif _is_of_several_rows(understood):
        divisible = options.group is None and options.time is None
        noticed = [each for each in noticed if each.topic != "categories"]
        noticed.append(findings.shared_identifier(cells, divisible=divisible, usable=column is not None))
    return replace(
        understood,
        kind="constant" if constant else understood.kind,
        column=column,
        remarks=(*understood.remarks, *remarks),
        findings=tuple(noticed),
    )
