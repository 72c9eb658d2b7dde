"""Proposed options: answers to what a table asks, given round by round until nothing is open that has a safe answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from pipeline.data.dataset import Pool
from pipeline.data.options import TableOptions
from pipeline.data.preprocessor import LIMIT
from pipeline.data.schema import Finding, NumberColumn, Topic, Understood
from pipeline.data.tables.encoding import feature_names
from pipeline.data.tables.judging import RARE_ROWS
from pipeline.data.tables.load import to_pool
from pipeline.data.tables.table import Table
from pipeline.data.tables.understanding import proposed_options, understand

Given = Mapping[str, object]

ANSWERED: tuple[Topic, ...] = (
    *("missing", "stray text", "not finite", "type", "categories", "identifier", "text", "constant", "row number"),
    "copy of the target",
)
"""What is answered by proposal; anything else, such as a date whose day may be its month, is the user's to say."""

LEAST_ROWS = 3
"""Every class needs so many: one row each to train, to validate and to test."""

_ROUNDS = 10
_FEW, _MANY = 300, 10_000  # rows


@dataclass(frozen=True)
class FarValue:
    """The value of a column of numbers that is farthest from its mean, in standard deviations."""

    column: str
    value: float
    deviations: float


@dataclass(frozen=True)
class Proposal:
    """A table with answers to what it asks.

    Attributes:
        options: the user's and those that are proposed, without defaults.
        understood: the table under these options; its problems are the user's to answer.
        answered: findings that the proposed options answer.
        pool: its rows; None while problems are open.
        far: values for which `scale: robust` is proposed, the farthest first; none where nothing is.
    """

    options: Given
    understood: Understood
    answered: tuple[Finding, ...]
    pool: Pool | None
    far: tuple[FarValue, ...] = ()


def propose(
    table: Table, given: Given, *, kept: Collection[str] = (), topics: Collection[Topic] = ANSWERED
) -> Proposal:
    """Understand a table, and answer what it asks where the answer changes nothing else than what it says.

    Args:
        table: as it was read.
        given: the user's options, which no proposal changes; lists are added to.
        kept: columns that are not to be ignored.
        topics: what is answered.

    Raises:
        InputError: an option names no column, there are no rows or features, or the target cannot be classes.
    """
    options, answered = dict(given), list[Finding]()
    for _ in range(_ROUNDS):
        understood, pool = _understood(table, TableOptions.model_validate(options))
        asked = [each for each in _asked(understood, pool, kept, topics) if each not in answered]
        more = _merged(options, proposed_options(asked))
        if more == options:
            break
        options, answered = more, [*answered, *(each for each in asked if _holds(each.option, more))]
    return Proposal(options, understood, tuple(answered), pool, () if pool is None else far_values(pool))


def _understood(table: Table, options: TableOptions) -> tuple[Understood, Pool | None]:
    """A table as far as it can be understood, with its rows where no problem is open."""
    understood = understand(table, options)
    if understood.problems:
        return understood, None
    pool = to_pool(table, options)
    return pool.understood or understood, pool


def _asked(
    understood: Understood, pool: Pool | None, kept: Collection[str], topics: Collection[Topic]
) -> list[Finding]:
    """The findings that a proposal answers."""
    return [
        finding
        for finding in understood.findings
        if (finding.topic in topics or (finding.topic == "rare class" and _can_be_dropped(pool)))
        and not (finding.column in kept and not {"ignore", "group"}.isdisjoint(finding.option))
    ]


def _can_be_dropped(pool: Pool | None) -> bool:
    """Whether a class has too few rows to be divided, and two others have enough."""
    if pool is None:
        return False
    counts = np.bincount(pool.labels, minlength=len(pool.classes))
    return bool(counts.min() < LEAST_ROWS and (counts >= RARE_ROWS).sum() >= 2)


def _merged(given: Given, proposed: Given) -> dict[str, object]:
    """Options with more in their lists and mappings, and with others that were not given."""
    return {**proposed, **{key: _joined(value, proposed.get(key)) for key, value in given.items()}}


def _holds(option: Given, options: Given) -> bool:
    """Whether options, which have all that lists and mappings propose, say what this one does."""
    return all(isinstance(value, list | dict) or options[key] == value for key, value in option.items())


def _joined(value: object, more: object) -> object:
    if isinstance(value, Sequence) and not isinstance(value, str) and isinstance(more, list):
        return [*value, *(each for each in more if each not in value)]
    return {**more, **value} if isinstance(value, dict) and isinstance(more, dict) else value


def far_values(pool: Pool) -> tuple[FarValue, ...]:
    """What standard scaling would clip: the farthest value of each column that has one beyond 10 standard deviations.

    Not counted are columns whose quartiles are equal, of which a few rows differ from all others: `robust` would scale
    them by half their range, and so by those rows. Of 100 rows none can be as far.
    """
    if pool.understood is None:
        return ()
    rows = _before_the_test(pool)
    values = dict(zip(pool.feature_names, pool.features[rows].T, strict=True))
    columns = [column for column in pool.understood.table.columns if isinstance(column, NumberColumn)]
    far = [found for column in columns if (found := _far_value(column, values[feature_names(column)[0]]))]
    return tuple(sorted(far, key=lambda each: -each.deviations))


def _before_the_test(pool: Pool) -> Int64[np.ndarray, " rows"]:
    """Rows that some seed may train on: all of them, or the earlier half where the latest are for testing."""
    if pool.times is None:
        return np.arange(len(pool.labels), dtype=np.int64)
    in_time: Int64[np.ndarray, " rows"] = np.argsort(pool.times, kind="stable").astype(np.int64)
    return in_time[: len(in_time) // 2]


def _far_value(column: NumberColumn, values: Float32[np.ndarray, " rows"]) -> FarValue | None:
    """A column's farthest value, where that is beyond the limit and its quartiles differ."""
    present = values[~np.isnan(values)].astype(np.float64)
    if not len(present) or np.ptp(np.quantile(present, [0.25, 0.75])) == 0:
        return None
    deviations = np.abs(present - present.mean()) / present.std()
    place = int(deviations.argmax())
    if deviations[place] <= LIMIT:
        return None
    return FarValue(column.name, float(present[place]) + column.origin, float(deviations[place]))


def proposed_sizes(rows: int) -> tuple[int | float, int | float]:
    """Training and validation rows of each seed: shares of all rows, or numbers where there are very many.

    Few rows leave a larger part to calibrate and to test on, and more than 10,000 training rows make a study long.

    >>> proposed_sizes(150), proposed_sizes(1_000), proposed_sizes(1_000_000)
    ((0.5, 0.25), (0.6, 0.2), (10000, 5000))
    """
    if rows < _FEW:
        return 0.5, 0.25
    return (0.6, 0.2) if 0.6 * rows <= _MANY else (_MANY, _MANY // 2)
