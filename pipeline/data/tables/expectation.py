"""Expectations of a table: what its columns and classes meant when it was added, so that a change is noticed."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from pipeline.core.errors import InputError
from pipeline.core.strict_model import StrictModel
from pipeline.data.options import Columns
from pipeline.data.schema import Schema
from pipeline.data.tables.messages import listed

RULES = ("number", "category", "date")


class Expectation(StrictModel):
    """What a table's columns and classes mean."""

    number: Columns = ()
    category: Columns = ()
    date: Columns = ()
    classes: Columns = Field(default=())


def expectation_of(schema: Schema) -> Expectation:
    """What a table means now."""
    names = {rule: tuple(column.name for column in schema.columns if column.rule == rule) for rule in RULES}
    return Expectation(**names, classes=schema.target.categories)


def check_expected(schema: Schema, expected: Expectation, name: str) -> None:
    """Raise InputError where a table means something else than it did; names all that changed."""
    changes = list(_changes(expectation_of(schema), expected))
    if changes:
        again = "`python -m pipeline add` shows it and takes it over; without `expects` nothing is compared"
        raise InputError(f"{name}: means something else than when it was added: {'; '.join(changes)}; {again}")


def _changes(now: Expectation, then: Expectation) -> Iterator[str]:
    kinds, before = _kinds(now), _kinds(then)
    for column, kind in before.items():
        if column in kinds and kinds[column] != kind:
            yield f"column {column!r} was a {kind} and is a {kinds[column]}"
    yield from _named("column", [column for column in before if column not in kinds], "gone")
    yield from _named("column", [column for column in kinds if column not in before], "new")
    yield from _named("class", [each for each in then.classes if each not in now.classes], "gone")
    yield from _named("class", [each for each in now.classes if each not in then.classes], "new")


def _named(noun: str, names: list[str], what: str) -> Iterator[str]:
    if names:
        yield f"{noun} {listed(names)} {'is' if len(names) == 1 else 'are'} {what}"


def _kinds(expected: Expectation) -> dict[str, str]:
    return {column: rule for rule in RULES for column in getattr(expected, rule)}
