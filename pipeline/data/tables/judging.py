"""Judging a table before it is studied: leaks, rows that occur several times, and rare classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from pipeline.data.schema import Finding, Topic
from pipeline.data.tables.findings import finding
from pipeline.data.tables.messages import plural, show

ALMOST_ALL = 0.98
"""A column that alone gets this share of every class right, on average over the classes, is a leak."""

RARE_ROWS = 10
"""Classes of fewer rows are rare: splits share them out badly."""

_FOLDS = 5
_JUDGED_ROWS = 1_000  # spread over the table: enough to see a leak
_NAMED = 12
_LEAST_ROWS = 20  # with fewer, a column predicts the class by chance


@dataclass(frozen=True)
class IdenticalRows:
    """How often rows repeat.

    Attributes:
        rows: those whose features equal another row's.
        distinct: how many they are when equal ones count once.
        conflicting: rows among them whose equals have different classes.
    """

    rows: int
    distinct: int
    conflicting: int


def judge(
    features: Float32[np.ndarray, "rows features"],
    labels: Int64[np.ndarray, " rows"],
    *,
    classes: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    together: bool = True,
) -> tuple[Finding, ...]:
    """All that there is to warn of in encoded rows.

    Args:
        features: of all rows, in the order of the file; NaN where a number is missing.
        labels: class of each row.
        classes: names of the classes.
        columns: names of the features that each column became, in the order of the features.
        together: whether splits keep rows with the same features on one side.
    """
    return (
        *find_leaks(features, labels, columns),
        *find_identical_rows(features, labels, together=together),
        *find_rare(labels, classes),
    )


def groups_of_identical_rows(features: Float32[np.ndarray, "rows features"]) -> Int64[np.ndarray, " rows"]:
    """A number for each row, the same for rows with the same features, counted in the order of the rows.

    Splits keep such rows together, so that no test row was trained on. Missing values are equal.
    """
    plain = np.where(np.isnan(features), np.float32(np.nan), features + np.float32(0))  # one NaN, and no -0
    keys = np.ascontiguousarray(plain).view(np.dtype((np.void, plain.dtype.itemsize * plain.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    groups: Int64[np.ndarray, " rows"] = rank[inverse].astype(np.int64)
    return groups


def repeated_rows(features: Float32[np.ndarray, "rows features"]) -> Int64[np.ndarray, " rows"] | None:
    """As `groups_of_identical_rows`; None where no row occurs twice."""
    groups = groups_of_identical_rows(features)
    return groups if groups.max(initial=0) + 1 < len(groups) else None


def identical_rows(features: Float32[np.ndarray, "rows features"], labels: Int64[np.ndarray, " rows"]) -> IdenticalRows:
    """Count rows that occur several times, and those of them that have different classes."""
    groups = groups_of_identical_rows(features)
    sizes = np.bincount(groups)
    lowest = np.full(len(sizes), labels.max(initial=0))
    highest = np.zeros(len(sizes), dtype=np.int64)
    np.minimum.at(lowest, groups, labels)
    np.maximum.at(highest, groups, labels)
    return IdenticalRows(
        rows=int(sizes[sizes > 1].sum()),
        distinct=int((sizes > 1).sum()),
        conflicting=int(sizes[lowest < highest].sum()),
    )


def find_identical_rows(
    features: Float32[np.ndarray, "rows features"], labels: Int64[np.ndarray, " rows"], *, together: bool = True
) -> Iterator[Finding]:
    """A warning where rows occur several times, and on which side of a split they are."""
    counts = identical_rows(features, labels)
    if counts.rows:
        share = counts.rows / len(labels)
        message = f"{plural(counts.rows, 'row')} ({share:.0%}) have the features of another row"
        conflict = f", {counts.conflicting:,} of them with equals of another class" if counts.conflicting else ""
        sides = "splits keep them on one side unless `duplicates: split`" if together else "they may be on two sides"
        yield finding("warning", "identical rows", f"{message}{conflict}; {sides}", number=share)


def find_shared_rows(
    train: Float32[np.ndarray, "rows features"], test: Float32[np.ndarray, "tested features"], *, names: tuple[str, str]
) -> Iterator[Finding]:
    """A warning where rows for testing, of the second file, occur in the first."""
    groups = groups_of_identical_rows(np.concatenate([train, test]))
    shared = int(np.isin(groups[len(train) :], groups[: len(train)]).sum())
    if shared:
        message = (
            f"{plural(shared, 'row')} of {names[1]} ({shared / len(test):.0%}) have the features of a row of {names[0]}"
        )
        yield finding("warning", "identical rows", message, number=shared / len(test))


def find_rare(labels: Int64[np.ndarray, " rows"], classes: Sequence[str]) -> Iterator[Finding]:
    """A warning where classes have few rows."""
    counts = np.bincount(labels, minlength=len(classes))
    rare = [(name, int(count)) for name, count in zip(classes, counts, strict=True) if count < RARE_ROWS]
    if rare:
        named = ", ".join(f"{show(name)} ({count})" for name, count in rare[:_NAMED])
        more = f", ... ({len(rare)} in all)" if len(rare) > _NAMED else ""
        message = f"classes of fewer than {RARE_ROWS} rows: {named}{more}"
        yield finding("warning", "rare class", message, {"rare": "drop"}, {"rare": "pool"}, number=len(rare))


def find_leaks(
    features: Float32[np.ndarray, "rows features"],
    labels: Int64[np.ndarray, " rows"],
    columns: Mapping[str, Sequence[str]],
) -> Iterator[Finding]:
    """A warning for each column, or its missing values, that alone predicts the class almost perfectly."""
    if len(labels) < _LEAST_ROWS:
        return
    places = iter(range(features.shape[1]))
    for column, names in columns.items():
        chosen = [next(places) for _ in names]
        parts = {False: chosen, True: []}
        if names[-1].endswith(" is missing"):
            parts = {False: chosen[:-1], True: chosen[-1:]}
        for indicator, part in parts.items():
            if part and (share := predicted_share(features[:, part], labels)) >= ALMOST_ALL:
                yield _leak(column, features[:, part], labels, share=share, indicator=indicator)


def predicted_share(features: Float32[np.ndarray, "rows features"], labels: Int64[np.ndarray, " rows"]) -> float:
    """Share of each class that a decision tree on these features gets right, averaged over the classes.

    Cross-validated on at most 1,000 rows that are spread over the table; 0 where no two classes have five of them.
    """
    from sklearn.metrics import balanced_accuracy_score  # noqa: PLC0415  (slow to import)
    from sklearn.model_selection import StratifiedKFold, cross_val_predict  # noqa: PLC0415
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415

    counts = np.bincount(labels)
    usable = np.flatnonzero(counts[labels] >= _FOLDS)
    rows = usable[np.linspace(0, len(usable) - 1, min(len(usable), _JUDGED_ROWS)).astype(np.int64)]
    rows = rows[np.bincount(labels[rows], minlength=len(counts))[labels[rows]] >= _FOLDS]
    if len(np.unique(labels[rows])) < 2:
        return 0.0
    tree = DecisionTreeClassifier(class_weight="balanced", random_state=0)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(tree, features[rows], labels[rows], cv=folds)
    return float(balanced_accuracy_score(labels[rows], predicted))


def _leak(
    column: str,
    features: Float32[np.ndarray, "rows features"],
    labels: Int64[np.ndarray, " rows"],
    *,
    share: float,
    indicator: bool,
) -> Finding:
    topic: Topic = "leak"
    subject = f"whether column {column!r} is missing" if indicator else f"column {column!r}"
    verdict = f"alone predicts {share:.1%} of the classes"
    if not indicator and _is_copy(features, labels):
        topic, verdict = "copy of the target", "is a copy of the target"
    elif not indicator and _counts_rows(features):
        topic, verdict = "row number", f"counts the rows, which are in order of their classes: it {verdict}"
    return finding("warning", topic, f"{subject} {verdict}", {"ignore": [column]}, column=column, number=share)


def _is_copy(features: Float32[np.ndarray, "rows features"], labels: Int64[np.ndarray, " rows"]) -> bool:
    """Whether features and classes stand for each other, one to one."""
    groups = groups_of_identical_rows(features)
    pairs = np.unique(np.stack([groups, labels]), axis=1).shape[1]
    return bool(pairs == len(np.unique(groups)) == len(np.unique(labels)))


def _counts_rows(features: Float32[np.ndarray, "rows features"]) -> bool:
    steps = np.unique(np.diff(features[:, 0]))
    return features.shape[1] == 1 and len(steps) == 1 and bool(steps[0] != 0)
