"""Findings about a table: problems and warnings in words, each with the options that answer it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from pipeline.data.schema import Finding, Kind, Option, Severity, Topic
from pipeline.data.tables.cells import Cells
from pipeline.data.tables.encoding import LARGEST
from pipeline.data.tables.messages import in_yaml, listed, plural, show

MOST_CATEGORIES = 50
"""The most that a column may have unless the rare ones are pooled."""

_LIKE_MISSING = ("?", "-", "--", ".", "na", "n/a", "nan", "null", "none", "missing", "unknown", "#n/a", "<na>")
_ERRORS = 0.02  # the largest share of rows that typing errors have
_EFFECTS = {
    "missing": "allows it",
    "unlabeled": "leaves their rows out",
    "rare: drop": "leaves their rows out",
    "rare: pool": "makes them one class",
    "ignore": "leaves it out",
    "group": "keeps rows of one value on one side of a split",
    "time": "trains on earlier rows and tests on later ones, as when the future is to be predicted",
    "na_values": "makes it missing",
    "categorical": "keeps its texts as categories",
    "max_categories": "pools the rare ones",
    "dates": "says which",
    "decimal": "says which",
    "thousands": "says which",
}


def finding(
    severity: Severity,
    topic: Topic,
    message: str,
    *answers: Option,
    column: str | None = None,
    row: int | None = None,
    value: str | None = None,
    number: float | None = None,
) -> Finding:
    """A finding whose hint says what each of these options does; the first of them is the proposal."""
    return Finding(
        severity=severity,
        topic=topic,
        column=column,
        row=row,
        value=value,
        number=number,
        message=message,
        hint=_hint(answers),
        option=answers[0] if answers else {},
    )


def _hint(answers: Sequence[Option]) -> str:
    """What each option does; those that do the same stand together."""
    effects: dict[str, list[str]] = {}
    for option in answers:
        effects.setdefault(_effect(option), []).append(f"`{in_yaml(option)}`")
    return ", ".join(f"{' or '.join(options)} {effect}" for effect, options in effects.items())


def _effect(option: Option) -> str:
    key, value = next(iter(option.items()))
    return _EFFECTS.get(f"{key}: {value}", _EFFECTS.get(key, ""))


def like_missing(text: str) -> bool:
    """Whether a text is one of the usual ways to write that a value is missing."""
    return text.casefold() in _LIKE_MISSING


def missing(cells: Cells) -> Finding:
    """A value is missing, and that is not allowed."""
    row = int(cells.absent.argmax()) + 1
    message = f"column {cells.name!r}, data row {row}: missing value"
    rows = int(cells.absent.sum())
    return finding("problem", "missing", message, {"missing": "impute"}, column=cells.name, row=row, number=rows)


def unlabeled(cells: Cells) -> Finding:
    """A row has no class, and that is not allowed."""
    row = int(cells.absent.argmax()) + 1
    message = f"target column {cells.name!r}, data row {row}: missing value, and every row needs a class"
    rows = int(cells.absent.sum())
    return finding("problem", "missing", message, {"unlabeled": "drop"}, column=cells.name, row=row, number=rows)


def wrong_type(cells: Cells) -> Finding:
    """A column holds lists, durations and the like."""
    must = "must hold numbers, strings, booleans, categories or dates"
    message = f"column {cells.name!r} {must}; got {cells.described}"
    return finding("problem", "type", message, {"ignore": [cells.name]}, column=cells.name)


def strays(cells: Cells, texts: Sequence[str], kind: Kind) -> Finding:
    """Texts among numbers or dates."""
    place = cells.texts.index(min(texts, key=lambda text: cells.row_of(cells.texts.index(text))))
    first, row = cells.texts[place], cells.row_of(place)
    ordered = [first, *(text for text in texts if text != first)]
    others = f", nor are {listed(ordered[1:])}" if len(texts) > 1 else ""
    message = f"column {cells.name!r}, data row {row}: {show(first)} is not a {kind}{others}"
    as_missing: Option = {"na_values": ordered}
    as_codes: Option = {"categorical": [cells.name]}
    answers = [as_codes, as_missing] if _are_codes(cells, texts) else [as_missing]
    return finding(
        "problem", "stray text", message, *answers, column=cells.name, row=row, value=first, number=len(texts)
    )


def _are_codes(cells: Cells, strays: Sequence[str]) -> bool:
    """Whether strays are rather codes among others, such as 3+, than a missing value or a typing error."""
    if len(cells.values) > MOST_CATEGORIES or all(map(like_missing, strays)):
        return False
    rows = cells.counts()[[cells.texts.index(text) for text in strays]].sum()
    return bool(rows > _ERRORS * (~cells.absent).sum())


def ambiguous_number(cells: Cells, text: str) -> Finding:
    """A comma that may be a decimal mark or group thousands."""
    row = cells.row_of(cells.texts.index(text))
    message = f"column {cells.name!r}, data row {row}: {show(text)} may have a decimal comma, or group thousands"
    answers: tuple[Option, ...] = ({"decimal": ","}, {"thousands": ","})
    return finding("problem", "ambiguous", message, *answers, column=cells.name, row=row, value=text)


def ambiguous_date(cells: Cells, formats: Sequence[str]) -> Finding:
    """A date whose day may be its month."""
    message = f"column {cells.name!r}, data row 1: {show(cells.texts[0])} may be one of two dates"
    answers: list[Option] = [{"dates": {cells.name: each}} for each in formats]
    return finding("problem", "ambiguous", message, *answers, column=cells.name, row=1, value=cells.texts[0])


def not_finite(cells: Cells, place: int, number: float) -> Finding:
    """A number that is infinite, or too large for 32 bits."""
    row, text = cells.row_of(place), cells.texts[place]
    must = f"be within ±{LARGEST:.3g}" if isfinite(number) else "be finite"
    message = f"column {cells.name!r}, data row {row}: must {must}; got {number:g}"
    answer: Option = {"na_values": [text]}
    return finding("problem", "not finite", message, answer, column=cells.name, row=row, value=text, number=number)


def too_many_categories(cells: Cells, kind: Kind) -> Finding:
    """More categories than a column may have."""
    count = len(cells.values)
    called = {"identifier": "looks like an identifier", "text": "looks like free text"}
    suspect = f" ({called[kind]})" if kind in called else ""
    message = f"column {cells.name!r} must have at most {MOST_CATEGORIES} categories; got {count}{suspect}"
    leave_out: Option = {"ignore": [cells.name]}
    answers = [leave_out] if kind in called else [{"max_categories": MOST_CATEGORIES}, leave_out]
    return finding("problem", "categories", message, *answers, column=cells.name, number=count)


def missing_words(cells: Cells, words: Sequence[str], what: str, taken_for: str) -> Finding:
    """Categories or classes that may mean a missing value; rows without a class must be left out."""
    rows = int(cells.counts()[[cells.texts.index(word) for word in words]].sum())
    message = f"{what} takes {listed(list(words))} for a {taken_for} ({plural(rows, 'row')})"
    answer: Option = {"na_values": list(words), **({"unlabeled": "drop"} if taken_for == "class" else {})}
    return finding("warning", "missing word", message, answer, column=cells.name, value=words[0], number=rows)


def differ_in_case(cells: Cells, names: Sequence[str], what: str) -> Finding:
    """Categories or classes that are equal but for capital letters."""
    message = f"{what} holds names that differ in capital letters only: {listed(list(names))}"
    return finding("warning", "case", message, column=cells.name, number=len(names))


def identifier(cells: Cells) -> Finding:
    """Every row has a value of its own."""
    message = f"column {cells.name!r} has another value in every row, as an identifier has"
    return finding("warning", "identifier", message, {"ignore": [cells.name]}, column=cells.name)


def shared_identifier(cells: Cells, *, divisible: bool, usable: bool) -> Finding:
    """Several rows have one identifier, that of a patient say.

    Args:
        cells: of the column.
        divisible: whether splits may be made by this column; nothing else divides rows.
        usable: whether it could be a feature.
    """
    message = (
        f"column {cells.name!r} has {len(cells.values):,} values in {plural(int((~cells.absent).sum()), 'row')}, "
        "as an identifier of patients or customers has"
    )
    leave_out: Option = {"ignore": [cells.name]}
    answers = [{"group": cells.name}, leave_out] if divisible else [leave_out]
    return finding("warning" if usable else "problem", "identifier", message, *answers, column=cells.name)


def in_order_of_time(cells: Cells) -> Finding:
    """Rows are in the order of a column of dates."""
    message = f"rows are in the order of column {cells.name!r}"
    return finding("warning", "time", message, {"time": cells.name}, column=cells.name)


def constant(cells: Cells) -> Finding:
    """All rows have one value, or none."""
    value = show(cells.texts[0]) if cells.texts else "missing"
    message = f"column {cells.name!r} is always {value}"
    return finding("warning", "constant", message, {"ignore": [cells.name]}, column=cells.name)
