"""The command `predict`: calibrated probabilities of new rows, as a table."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import link
from pathlib import Path
from secrets import token_hex
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import InputError
from pipeline.data.options import Reading
from pipeline.data.tables.messages import one_line, plural
from pipeline.stages.stored_model import load_model

if TYPE_CHECKING:
    from pipeline.calibration.conformal import Method
    from pipeline.champion.storage import Model
    from pipeline.data.tables.table import Table

_DIGITS = 9  # significant, of a probability


def predict(
    *, model: str, file: str, out: str | None, coverage: float | None, method: Method, explain_input: bool
) -> str:
    """Write the class and the probabilities of every row of a table, as CSV.

    Args:
        model: the name of a data set, or the path of a model's folder or file.
        file: the table, "-" for standard input.
        out: the file to write, standard output where None.
        coverage: of conformal sets, which are written where it is given.
        method: of these.
        explain_input: say how the first row was read instead of predicting.

    Raises:
        InputError: the model or the table cannot be used, or the file is there already.
    """
    from pipeline.data.tables.chunks import read_chunks  # noqa: PLC0415

    loaded = load_model(model)
    reading = Reading(na_values=loaded.schema.reading.na_values)
    tables = read_chunks(file, reading, target=loaded.schema.target.name)
    if explain_input:
        return _explained(next(tables), loaded)
    noted, rows = Counter[str](), 0
    with _opened(out) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for table in tables:
            probabilities = _probabilities(table, loaded, noted)
            told: dict[str, Sequence[object]] = {
                name: list(cells) for name, cells in loaded.columns(probabilities).items()
            }
            if coverage is not None:
                told["set"] = loaded.sets(probabilities, coverage=coverage, method=method)
            if not rows:
                writer.writerow(told)
            rows += len(probabilities)
            writer.writerows(zip(*map(_cells, told.values()), strict=True))
            print(f"{plural(rows, 'row')} predicted", end="\r", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for note, count in noted.items():
        print(f"note: {note}" + (f" ({plural(count, 'row')})" if count else ""), file=sys.stderr)
    return ""


def _probabilities(table: Table, model: Model, noted: Counter[str]) -> NDArray[np.float64]:
    """Of the rows of a chunk; what was noticed about it is counted."""
    from pipeline.data.tables.encoding import encode, unread  # noqa: PLC0415

    for what, count in unread(table, model.schema).items():
        noted[what] += count
    return model.champion.probabilities(encode(table, model.schema))


def _cells(column: Sequence[object]) -> Iterator[str]:
    """A column as text."""
    return (f"{each:.{_DIGITS}g}" if isinstance(each, float) else str(each) for each in column)


@contextmanager
def _opened(out: str | None) -> Iterator[IO[str]]:
    """Standard output, or a new file that is there only once it is whole."""
    if out is None:
        yield sys.stdout
        return
    path, part = Path(out), Path(f"{out}.{token_hex(4)}.part")
    if path.exists() or path.is_symlink():
        raise InputError(f"{one_line(path)}: is there already; choose another --out")
    with part.open("x", encoding="utf-8", newline="") as stream:
        try:
            yield stream
            stream.close()
            link(part, path)  # never over another file
        finally:
            part.unlink()


def _explained(table: Table, model: Model) -> str:
    """How the first row of a table is read: every column's cell, and the features that it became."""
    from dataclasses import replace  # noqa: PLC0415

    from pipeline.data.tables.encoding import encode, feature_names  # noqa: PLC0415

    first = replace(table, frame=table.frame.head(1))
    values, lines, place = encode(first, model.schema)[0], list[str](), 0
    for column in model.schema.columns:
        names = feature_names(column)
        features = values[place : place + len(names)]
        place += len(names)
        cell = str(first.frame[column.name].iloc[0])
        on = [f"{name} = {value:g}" for name, value in zip(names, features, strict=True) if value or len(names) == 1]
        lines.append(f"  {column.name}: {cell!r} -> {', '.join(on) or 'none of the known categories'}")
    return "\n".join([f"{table.name}, data row 1:", *lines])
