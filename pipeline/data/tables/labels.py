"""The target: which texts are one class, which classes are too rare, and what cannot be a class."""

from __future__ import annotations

from pipeline.core.errors import InputError
from pipeline.data.options import TableOptions
from pipeline.data.schema import OTHER, CategoryColumn
from pipeline.data.tables.categories import are_folded, are_integers, as_categories, in_order
from pipeline.data.tables.cells import Cells, without
from pipeline.data.tables.columns import Understanding, doubtful_names, kind_of_names, name_remarks
from pipeline.data.tables.findings import like_missing, unlabeled
from pipeline.data.tables.judging import RARE_ROWS
from pipeline.data.tables.messages import listed, plural, show
from pipeline.data.tables.numbers import parse_numbers, read_numbers


def understand_target(cells: Cells, options: TableOptions, name: str) -> tuple[CategoryColumn, Understanding]:
    """The classes of a table; `name` is what messages call it. `NA` and the like are classes unless in `na_values`.

    Raises:
        InputError: the values are no classes, all the same, or all missing; names the row and value.
    """
    where = f"{name}: target column {cells.name!r}"
    if cells.type in ("other", "date"):
        got = cells.described or "dates or times"
        raise InputError(f"{where} must hold numbers, strings, booleans or categories; got {got}")
    present = without(cells, options.na_values)
    if not present.values:
        raise InputError(f"{where} must hold classes; every value is missing")
    _check_no_regression(present, where)
    integers, folded = are_integers(present.texts), are_folded(present.texts)
    named = as_categories(present, integers=integers, folded=folded)
    kept, rare = _kept_classes(named, options)
    pooled = bool(rare) and options.rare == "pool"
    if len(kept) + pooled < 2:
        of_rows = f" of {RARE_ROWS} rows or more; got {listed(kept)}" if rare else f"; every row is {show(kept[0])}"
        raise InputError(f"{where} must hold at least two classes{of_rows}")
    column = CategoryColumn(name=cells.name, categories=in_order(kept), integers=integers, folded=folded, pooled=pooled)
    blanks = [f"blanks around {listed(list(cells.stripped))} left out"] if cells.stripped else []
    remarks = (*blanks, *name_remarks(present, named), *_rare_remarks(rare, options))
    noticed = list(doubtful_names(named, f"target column {cells.name!r}", "class", kept))
    if present.absent.any() and options.unlabeled == "error":
        noticed.append(unlabeled(present))
    return column, Understanding(named, kind_of_names(named.texts), column, remarks, tuple(noticed))


def _check_no_regression(cells: Cells, where: str) -> None:
    """Raise InputError where the target is numbers that are not whole."""
    texts = [text for text in cells.texts if not like_missing(text)]
    read = read_numbers(texts)
    if not read.styles or read.strays:
        return
    for text, number in zip(texts, parse_numbers(texts, read.styles[0]), strict=True):
        if number is not None and not number.is_integer():
            got = f"data row {cells.row_of(cells.texts.index(text))} is {number:g}"
            raise InputError(f"{where} must hold strings or integers; {got}; this looks like a regression target")


def _kept_classes(cells: Cells, options: TableOptions) -> tuple[list[str], list[str]]:
    """Classes to keep, and those to drop or pool; `other` is pooled with the rare ones."""
    rows = dict(zip(cells.texts, cells.counts().tolist(), strict=True))
    rare = [] if options.rare == "error" else [name for name, count in rows.items() if count < RARE_ROWS]
    if rare and options.rare == "pool" and OTHER in rows and OTHER not in rare:
        rare.append(OTHER)
    return [name for name in rows if name not in rare], rare


def _rare_remarks(rare: list[str], options: TableOptions) -> list[str]:
    done = {"drop": "left out", "pool": f"pooled as {OTHER!r}", "error": ""}[options.rare]
    return (
        [f"{plural(len(rare), 'class', 'classes')} of fewer than {RARE_ROWS} rows {done}: {listed(rare)}"]
        if rare
        else []
    )
