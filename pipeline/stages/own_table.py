"""The user's own table, as `add` and `advise` take it: read, with what is proposed, and what there is to say of it."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.config.fields import NAMING, is_name
from pipeline.config.flags import as_flags
from pipeline.core.errors import InputError
from pipeline.core.paths import NO_DATASET
from pipeline.data.dataset import Pool
from pipeline.data.options import TableOptions
from pipeline.data.preprocessor import LIMIT
from pipeline.data.schema import Finding, Understood
from pipeline.data.sources import File
from pipeline.data.tables.expectation import expectation_of
from pipeline.data.tables.judging import RARE_ROWS
from pipeline.data.tables.messages import in_yaml, one_line, plural, show
from pipeline.data.tables.proposing import LEAST_ROWS, FarValue, Proposal, propose, proposed_sizes
from pipeline.data.tables.reading import read_table

if TYPE_CHECKING:
    from pipeline.reporting.table import Table

_UNNAMED = "table"
_LONGEST = 60
_CLASSES = 12
_SHOWN = 3  # findings that one option answers
_ROBUST = {"scale": "robust"}


@dataclass(frozen=True)
class OwnTable:
    """A table that can be studied.

    Attributes:
        rows: all of them, encoded.
        entry: its options as `params.yaml` has them, all but `kind` and `path`.
    """

    rows: Pool
    entry: Mapping[str, object]

    def source(self, path: Path) -> File:
        """The data set, from a file at a path."""
        return File.model_validate({"kind": "file", "path": path.as_posix(), **self.entry})

    def rows_of(self, split: Literal["train", "validation"]) -> int:
        """Rows of each seed."""
        size = self.entry[split]
        assert isinstance(size, int | float)
        return round(size * len(self.rows.labels)) if size < 1 else int(size)


def read_own(file: Path, given: Mapping[str, object], *, kept: Collection[str]) -> OwnTable:
    """Read a table, say what it is and what is proposed, and give it back.

    Args:
        file: where it is.
        given: options as `params.yaml` has them, with the target, and perhaps sizes.
        kept: columns that are not to be ignored.

    Raises:
        InputError: it cannot be read, or the user must answer a problem first; all of them have been printed.
    """
    of_table = {name: value for name, value in given.items() if name in TableOptions.model_fields}
    options = TableOptions.model_validate(of_table)
    table = read_table(file, options, target=options.target)
    print(
        f"{one_line(file)}: {plural(len(table.frame), 'row')}, {plural(len(table.frame.columns), 'column')}", flush=True
    )
    proposal = propose(table, of_table, kept=kept)
    print(_introduction(proposal.understood), flush=True)
    scale = _ROBUST if proposal.far and "scale" not in given else {}
    _print_findings(proposal, far=proposal.far if scale else ())
    if proposal.pool is None:
        problems = proposal.understood.problems
        types = " ".join(dict.fromkeys(as_flags(each.option) for each in problems if each.option))
        answer = f"one way to answer: {types}" if types else "the lines above say what"
        raise InputError(f"{one_line(file)}: {plural(len(problems), 'problem')} left to answer; {answer}")
    print(_classes(proposal.pool), flush=True)
    _check_classes(proposal.pool, one_line(file))
    return OwnTable(proposal.pool, _entry({**scale, **given}, proposal, proposal.pool))


def default_name(file: Path, taken: Collection[str]) -> str:
    """A name for a data set, from that of its file.

    >>> default_name(Path("Loan Data (1).csv.gz"), ()), default_name(Path("2024.csv"), ["table_2024"])
    ('loan_data_1', 'table_2024_2')
    """
    stem = file.name.lstrip(".").partition(".")[0]
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not name or name[0].isdecimal() or name in NO_DATASET:
        name = f"{_UNNAMED}_{name}".strip("_")
    name = name[: _LONGEST - 4]
    numbered = (name if number == 1 else f"{name}_{number}" for number in range(1, len(taken) + 2))
    return next(each for each in numbered if each not in taken)


def check_name(name: str) -> None:
    """Raise InputError unless a data set may have this name."""
    if not is_name(name) or name in NO_DATASET:
        raise InputError(f"--name: {NAMING}, and not {', '.join(NO_DATASET)}; got {name!r}")


def _entry(given: Mapping[str, object], proposal: Proposal, rows: Pool) -> dict[str, object]:
    train, validation = proposed_sizes(len(rows.labels))
    sizes = {"train": given.get("train", train), "validation": given.get("validation", validation)}
    others = {name: value for name, value in given.items() if name not in TableOptions.model_fields}
    understood = expectation_of(proposal.understood.table)
    expects = {name: list(values) for name, values in understood if values}
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in proposal.options.items()}
    return {"target": options.pop("target"), **sizes, **options, **others, "expects": expects}


def _introduction(understood: Understood) -> str:
    """What was read: how the file is written, and a table of its columns."""
    from pipeline.reporting.table import terminal  # noqa: PLC0415
    from pipeline.reporting.text.columns import columns_table  # noqa: PLC0415

    table: Table = columns_table(understood)
    return "\n".join(
        [
            *(fill(remark, 120, initial_indent="  ", subsequent_indent="  ") for remark in understood.remarks),
            "",
            terminal(table, color=sys.stdout.isatty()).rstrip("\n"),
            "",
        ]
    )


def _classes(rows: Pool) -> str:
    """How many rows each class has, the first of them."""
    from pipeline.reporting.text.understood import shown  # noqa: PLC0415

    counts = np.bincount(rows.labels, minlength=len(rows.classes))
    named = [f"{shown(name)} {count:,}" for name, count in zip(rows.classes, counts, strict=True)]
    more = [f"... ({len(named)} in all)"] if len(named) > _CLASSES else []
    return f"Classes: {', '.join([*named[:_CLASSES], *more])}"


def _check_classes(rows: Pool, file: str) -> None:
    """Raise InputError unless every class has three rows; says what would help."""
    counts = np.bincount(rows.labels, minlength=len(rows.classes))
    if counts.min() >= LEAST_ROWS:
        return
    poolable = (counts >= RARE_ROWS).any() and counts[counts < RARE_ROWS].sum() >= LEAST_ROWS
    pooled = f"--rare pool makes one class of those with fewer than {RARE_ROWS}"
    more = "the target must be classes with more rows, not a number to predict"
    fewest = int(counts.argmin())
    raise InputError(
        f"{file}: every class needs {LEAST_ROWS} rows, one each to train, validate and test; "
        f"class {show(rows.classes[fewest])} has {counts[fewest]}; {pooled if poolable else more}"
    )


def _print_findings(proposal: Proposal, *, far: Sequence[FarValue]) -> None:
    """Print what is answered by proposal, what is to be known, and what is left to answer."""
    warnings = [each for each in proposal.understood.findings if each.severity == "warning"]
    sections = {
        "Answered, unless you say otherwise:": [*_answers(proposal.answered), *_scaled(far)],
        "To know:": [each.text for each in warnings],
        "To answer:": [each.text for each in proposal.understood.problems],
    }
    for title, lines in sections.items():
        if lines:
            wrapped = [fill(line, 120, initial_indent="  ", subsequent_indent="      ") for line in lines]
            print("\n".join([title, *wrapped, ""]), flush=True)


def _answers(findings: Collection[Finding]) -> Iterator[str]:
    """Each option with the findings that it answers."""
    by_option: dict[str, list[str]] = {}
    for finding in findings:
        key = next(iter(finding.option))
        option = in_yaml(finding.option) if key != "ignore" else "ignore"
        by_option.setdefault(option, []).append(finding.message)
    for option, messages in by_option.items():
        more = [f"... ({len(messages)} in all)"] if len(messages) > _SHOWN else []
        yield f"{option}: {'; '.join([*messages[:_SHOWN], *more])}"


def _scaled(far: Sequence[FarValue]) -> Iterator[str]:
    """Why features are scaled by their quartiles, where they are."""
    if not far:
        return
    named = [
        f"column {each.column!r} has {each.value:,.6g}, {each.deviations:.1f} standard deviations from its mean"
        for each in far[:_SHOWN]
    ]
    more = [f"... ({plural(len(far), 'column')} in all)"] if len(far) > _SHOWN else []
    yield f"{in_yaml(_ROBUST)}: {'; '.join([*named, *more])}; `scale: standard` clips at {LIMIT:g}"
