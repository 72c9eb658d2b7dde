"""What a table means: a schema for encoding it, a line for each column, and all problems at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.core.errors import InputError
from pipeline.data.options import Reading, TableOptions
from pipeline.data.schema import CategoryColumn, Column, ColumnSummary, Finding, Role, Schema, Understood
from pipeline.data.tables.cells import cells_of
from pipeline.data.tables.columns import NA_NUMBERS, Understanding, number_texts, understand_column
from pipeline.data.tables.encoding import feature_names
from pipeline.data.tables.labels import understand_target
from pipeline.data.tables.messages import check_known, check_unique
from pipeline.data.tables.numbers import shared_decimal
from pipeline.data.tables.related import understand_time
from pipeline.data.tables.table import Table

_SHOWN = 12  # problems that have one answer


def understand(table: Table, options: TableOptions) -> Understood:
    """Understand every column of a table. Problems are among the findings: see `check_answered`.

    Raises:
        InputError: an option names no column, there are no rows or features, or the target cannot be classes.
    """
    names = [str(column) for column in table.frame.columns]
    features = _feature_columns(names, table.name, options)
    if len(table.frame) == 0:
        raise InputError(f"{table.name}: must have data rows; got none")
    target, classes = understand_target(cells_of(table.frame[options.target], options.target), options, table.name)
    numbers = {name: number_texts(cells_of(table.frame[name], name), options) for name in names}
    decimal = options.decimal or shared_decimal([numbers[name] for name in features])

    def column_of(name: str) -> Understanding:
        """Made anew whenever it is asked for: the cells of all columns would be far more than the table."""
        cells, separator = cells_of(table.frame[name], name), table.reading.separator
        return understand_column(cells, options, numbers=numbers[name], separator=separator, decimal=decimal)

    columns = {
        name: _described(name, classes if name == options.target else column_of(name), options) for name in names
    }
    usable = tuple(column for name in features if (column := columns[name].column) is not None)
    _check_features(usable, table.name)
    understood = Understood(
        table=_schema(table, options, target, usable, decimal),
        summaries=tuple(each.summary for each in columns.values()),
        remarks=table.remarks,
        findings=(*classes.findings, *(finding for name in features for finding in columns[name].findings)),
    )
    if options.time is None:
        return understood
    return _in_time(understood, column_of(options.time), table.name, is_feature=options.time in features)


def _in_time(understood: Understood, column: Understanding, name: str, *, is_feature: bool) -> Understood:
    """With the column that orders rows."""
    time, findings = understand_time(column, name, is_feature=is_feature)
    schema = understood.table.model_copy(update={"time": time})
    return understood.model_copy(update={"table": schema, "findings": (*understood.findings, *findings)})


def check_answered(understood: Understood, name: str) -> None:
    """Raise InputError unless all problems are answered: one line with each, those with one answer together."""
    by_hint: dict[str, list[str]] = {}
    for problem in understood.problems:
        by_hint.setdefault(problem.hint, []).append(problem.message)
    lines = ["; ".join([*_shortened(messages), hint]) for hint, messages in by_hint.items()]
    numbered = lines if len(lines) == 1 else [f"({k}) {line}" for k, line in enumerate(lines, 1)]
    if lines:
        raise InputError(f"{name}: {' '.join(numbered)}")


def _shortened(messages: list[str]) -> list[str]:
    more = [f"... ({len(messages)} in all)"] if len(messages) > _SHOWN else []
    return messages[:_SHOWN] + more


def proposed_options(findings: Sequence[Finding]) -> dict[str, object]:
    """The options that these findings propose, as one mapping: lists are joined, the first of other values stands."""
    proposed: dict[str, object] = {}
    for finding in findings:
        for key, value in finding.option.items():
            present = proposed.get(key)
            if isinstance(value, list) and isinstance(present, list):
                proposed[key] = [*present, *(each for each in value if each not in present)]
            elif isinstance(value, dict) and isinstance(present, dict):
                proposed[key] = value | present
            else:
                proposed.setdefault(key, value)
    return proposed


def _feature_columns(columns: list[str], name: str, options: TableOptions) -> list[str]:
    check_unique(columns, name)
    check_known(options.target, columns, f"{name}: target column")
    named = {"ignored": options.ignore, "categorical": options.categorical, "cyclical": options.cyclical}
    related = {"group": options.group, "time": options.time}
    single = {what: (chosen,) for what, chosen in related.items() if chosen is not None}
    for what, chosen in {**named, "date": tuple(options.dates), **single}.items():
        for column in chosen:
            check_known(column, columns, f"{name}: {what} column")
    for what, chosen in {"ignore": options.ignore, **single}.items():
        if options.target in chosen:
            raise InputError(f"{name}: {what} must not name the target; got {options.target!r}")
    features = [column for column in columns if column not in (options.target, options.group, *options.ignore)]
    if not features:
        left = f"none is left beside {options.target!r} and ignore={list(options.ignore)}"
        raise InputError(f"{name}: must have a feature column; {left}")
    return features


def _schema(
    table: Table, options: TableOptions, target: CategoryColumn, columns: tuple[Column, ...], decimal: str | None
) -> Schema:
    resolved = {"decimal": decimal, "thousands": options.thousands, "na_values": options.na_values}
    reading = {name: getattr(table.reading, name) for name in Reading.model_fields} | resolved
    return Schema(
        reading=Reading.model_validate(reading),
        target=target,
        columns=columns,
        na_numbers=NA_NUMBERS,
        missing=options.missing,
        rare=options.rare,
        unlabeled=options.unlabeled,
        group=options.group,
    )


def _check_features(columns: Sequence[Column], name: str) -> None:
    owners: dict[str, str] = {}
    for column in columns:
        for feature in feature_names(column):
            if feature in owners:
                raise InputError(f"{name}: column {column.name!r} gives a second feature called {feature!r}; rename it")
            owners[feature] = column.name


class _Described(NamedTuple):
    """What is kept of a column that was understood: not its cells."""

    column: Column | None
    findings: tuple[Finding, ...]
    summary: ColumnSummary


def _described(name: str, understood: Understanding, options: TableOptions) -> _Described:
    roles: dict[str, Role] = {options.target: "target", **dict.fromkeys(options.ignore, "ignored")}
    related: dict[str | None, Role] = {options.group: "group", options.time: "time"}
    roles |= {related_name: role for related_name, role in related.items() if related_name is not None}
    cells = understood.cells
    summary = ColumnSummary(
        name=name,
        role=roles.get(name, "feature"),
        kind=understood.kind,
        missing=int(cells.absent.sum()),
        distinct=len(cells.values),
        example=next(iter(cells.texts), ""),
        remark="; ".join(understood.remarks),
    )
    return _Described(understood.column, understood.findings, summary)
