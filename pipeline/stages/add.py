"""The command `add`: read the user's table, say what it is, and write it into params.yaml."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.budget import Changes
from pipeline.config.cost import networks_of
from pipeline.config.flags import given_by
from pipeline.config.params import Params, params_of
from pipeline.config.reading import parse_yaml, read_text
from pipeline.core.durations import duration
from pipeline.core.errors import InputError
from pipeline.core.files import add_file
from pipeline.core.paths import INPUTS, PARAMS
from pipeline.data.tables.messages import one_line
from pipeline.stages.own_table import OwnTable, check_name, default_name, read_own
from pipeline.stages.params_changes import Values, agreed, say_changes, write_changes
from pipeline.stages.study_length import CORES, Clock, fitted, hint

_COMPUTED = ("kind", "path", "expects")  # of an entry; all else is the user's


@dataclass(frozen=True)
class Addition:
    """What is to be written: a copy of a file, and values into params.yaml by their key paths."""

    name: str
    file: Path
    path: Path
    values: Values


def add(
    *,
    file: str,
    target: str,
    name: str | None,
    keep: list[str],
    study: bool,
    budget: float | None,
    dry_run: bool,
    yes: bool,
    **flags: object,
) -> str:
    """Read a table, say what it is and what its study costs, and write it into params.yaml where that is wanted.

    Raises:
        InputError: the table or a problem of it cannot be used as it is, or nobody is there to be asked.
    """
    text = read_text(PARAMS)
    raw = parse_yaml(text, PARAMS)
    params = params_of(raw, PARAMS)
    name = _name(Path(file), name, params)
    own = _read(Path(file), name, text, {"target": target, **given_by(flags)}, kept=keep)
    smaller = _say_cost(own, name, raw, params, budget)
    of_study: Values = {("study", "datasets"): [name]} if study else {}
    addition = _addition(own, Path(file), name, {**of_study, **smaller})
    if not _say(addition, text):
        return f"{PARAMS}: holds all of this already"
    if dry_run or not agreed(yes=yes):
        return "nothing was written"
    _write(addition, text)
    return _written(addition, params)


def _name(file: Path, name: str | None, params: Params) -> str:
    """The name that the user gave, or one after the file that no other kind of data set has."""
    others = {each for each, source in params.datasets.items() if not source.files}
    if name is None:
        return default_name(file, others)
    check_name(name)
    if name in others:
        kind = getattr(params.datasets[name], "kind", "")
        raise InputError(f"--name: {PARAMS} has a data set {name!r} of kind {kind}; choose another name")
    return name


def _read(file: Path, name: str, text: str, given: Mapping[str, object], *, kept: Collection[str]) -> OwnTable:
    """The table, under the options of an entry that params.yaml may have of it, and those that are given now."""
    present = parse_yaml(text, PARAMS)["datasets"].get(name, {})
    return read_own(file, _given(present, given), kept={*kept, *_features(present)})


def _given(present: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """The options of an entry that is there, and those that are given now; lists are added to."""
    merged = {name: value for name, value in present.items() if name not in _COMPUTED}
    for name, value in given.items():
        before = merged.get(name)
        if isinstance(before, list) and isinstance(value, list):
            merged[name] = [*before, *(each for each in value if each not in before)]
        else:
            merged[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _features(present: Mapping[str, object]) -> Iterator[str]:
    """The columns that an entry already uses."""
    expects = present.get("expects")
    kinds = expects if isinstance(expects, dict) else {}
    yield from (column for kind, columns in kinds.items() if kind != "classes" for column in columns)


def _say_cost(own: OwnTable, name: str, raw: Mapping[str, Any], whole: Params, budget: float | None) -> Changes:
    """Print how long the study takes on this table; give back what makes it fit into the budget."""
    clock = Clock({name: own.source(INPUTS / name).divide(own.rows, name, seeds=1)})
    changes, params = ({}, whole) if budget is None else fitted(raw, clock, budget)
    networks, seconds = networks_of(params).total, clock.seconds(params)
    each = f"{networks:,} networks of {own.rows_of('train'):,} rows on {params.study.seeds} seeds"
    less = hint(raw, clock) if budget is None else ""
    print(f"The study: {each}: about {duration(seconds)} on {CORES} cores{less}", flush=True)
    return changes


def _place(file: Path, name: str) -> Path:
    """Where in inputs/ the file is, or where its copy can be: another file of that name is left alone."""
    if file.resolve().is_relative_to(INPUTS.resolve()):
        return INPUTS / file.resolve().relative_to(INPUTS.resolve())
    content, number = file.read_bytes(), 1
    suffixes = "".join(file.suffixes[-2:]).lower() if file.suffix.lower() in (".gz", ".zip") else file.suffix.lower()
    while True:
        path = INPUTS / f"{name}{f'_{number}' if number > 1 else ''}{suffixes}"
        if not path.exists() or (path.is_file() and path.read_bytes() == content):
            return path
        number += 1


def _addition(own: OwnTable, file: Path, name: str, others: Values) -> Addition:
    """A table's entry, and other values beside it."""
    path = _place(file, name)
    entry = {"kind": "file", "path": path.as_posix(), **own.entry}
    return Addition(name, file, path, {("datasets", name): entry, **others})


def _say(addition: Addition, text: str) -> bool:
    """Print what would be written; whether there is anything."""
    changed, copied = say_changes(text, addition.values), not addition.path.exists()
    if copied:
        print(f"{addition.path}: a copy of {one_line(addition.file)}{_renamed(addition)}")
    return changed or copied


def _renamed(addition: Addition) -> str:
    usual = addition.path.name.startswith(f"{addition.name}.")
    return "" if usual else f"; {INPUTS} has another file called {addition.name}{''.join(addition.path.suffixes)}"


def _write(addition: Addition, shown: str) -> None:
    """Copy the file and write the values; without the values there is no copy either.

    Raises:
        InputError: what was shown is no longer what would be written.
    """
    copied = _copy(addition)
    try:
        write_changes(addition.values, shown)
    except (InputError, OSError):
        if copied:
            addition.path.unlink()
        raise


def _copy(addition: Addition) -> bool:
    try:
        return add_file(addition.path, addition.file.read_bytes())
    except FileExistsError:
        raise InputError(f"{addition.path}: was made meanwhile, by someone else; run the command again") from None


def _written(addition: Addition, params: Params) -> str:
    """What was done, and what is next."""
    done = f"{PARAMS}: datasets.{addition.name} is written"
    if ("study", "datasets") in addition.values or addition.name in params.study.datasets:
        return f"{done}; `dvc repro` runs the study"
    line = f"datasets: [{addition.name}]"
    return f"{done}; put `{line}` under `study` there, or add --study, and `dvc repro` runs the study"
