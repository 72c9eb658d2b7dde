"""The model that is handed over, against what people would pick: test log-loss on eleven tables and five splits.

Every contender of a split has a process of its own, with one thread. What has been measured is kept in `--write` and
not measured again, so that contenders can run on different days, and in environments of their own: but for the
champion, this needs of the project's packages numpy, pandas, pydantic, scikit-learn and jaxtyping.

    python -m benchmarks.champion --contenders champion --folder TABLES --write benchmarks/champion.json
    python -m benchmarks.champion --markdown benchmarks/champion.json

All tables come in turn, then the next contender, then the next split.
"""

from __future__ import annotations

from pipeline.core.determinism import pin

pin()

import argparse  # noqa: E402  (numpy and torch must find the environment pinned)
import fcntl  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterable, Iterator  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from multiprocessing import get_context  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks.champion_contenders import CONTENDERS, NAMES, RIVALS, library, losses  # noqa: E402
from benchmarks.champion_tables import TABLES, split  # noqa: E402
from pipeline.reporting.text.contest import CHAMPION, ContestBenchmark, markdown  # noqa: E402

SPLITS = 5
Row = dict[str, Any]


def measure(table: str, seed: int, contender: str, folder: Path | None) -> Row:
    """One contender on one split: test log-loss of its forms, and the CPU seconds of fits and predictions."""
    rows = split(table, folder, seed)
    begin = time.process_time()
    found = losses(contender, rows, seed)
    seconds = time.process_time() - begin
    return {
        "table": table, "split": seed, "contender": contender, "library": library(contender),
        "train": len(rows.labels[0]), "test": len(rows.labels[1]), "features": rows.raw[0].shape[1],
        "classes": int(rows.labels[0].max()) + 1, "seconds": round(seconds, 1),
        "nll": {form: round(value, 5) for form, value in found.items()},
    }  # fmt: skip


def key(row: Row) -> tuple[int, int, int]:
    """Where a row stands in the file; rows of equal key are the same measurement."""
    return list(TABLES).index(row["table"]), row["split"], NAMES.index(row["contender"])


def read(path: Path | None) -> list[Row]:
    """What has been measured."""
    rows: list[Row] = json.loads(path.read_text())["rows"] if path and path.exists() else []
    return rows


def add(path: Path, new: list[Row]) -> None:
    """Merge rows into the file, which several runs may write to."""
    with _locked(path.parent):
        rows = {key(row): row for row in [*read(path), *new]}
        part = path.with_suffix(".part")
        part.write_text(
            f'{{"contenders": [\n{_lines(_contenders())}\n], "rows": [\n{_lines(rows[k] for k in sorted(rows))}\n]}}\n'
        )
        part.replace(path)


def _contenders() -> list[Row]:
    """Who takes part, as the report is to show them."""
    champion = {"name": CHAMPION, "title": CHAMPION, "form": "single", "rival": False}
    others = [
        {"name": name, "title": each.title, "form": each.form, "rival": name in RIVALS}
        for name, each in CONTENDERS.items()
    ]
    return [champion, *others]


def _lines(rows: Iterable[Row]) -> str:
    return ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main() -> None:
    """Measure what is missing, and print the tables."""
    chosen = _options()
    if chosen.markdown:
        print(markdown(ContestBenchmark.model_validate_json(chosen.markdown.read_bytes())))
        return
    for path in chosen.merge:
        add(chosen.write, read(path))
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = {key(row) for row in read(chosen.write)}
    for seed, contender, table in itertools.product(chosen.splits, chosen.contenders, chosen.tables):
        if key({"table": table, "split": seed, "contender": contender}) in done:
            continue
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            try:
                row = process.submit(measure, table, seed, contender, chosen.folder).result()
            except Exception as error:  # the others go on, and the next run tries it again
                print(f"{table} {seed} {contender}: {type(error).__name__}: {error}", flush=True)
                continue
        print(json.dumps(row), flush=True)
        if chosen.write:
            add(chosen.write, [row])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", nargs="+", type=int, default=range(SPLITS))
    parser.add_argument("--folder", type=Path, help="of NAME.csv files; without it, they are fetched from openml.org")
    parser.add_argument("--write", type=Path, help="the JSON file that keeps what is measured")
    parser.add_argument("--markdown", type=Path, metavar="JSON", help="print the tables of a file, and measure nothing")
    parser.add_argument(
        "--merge", nargs="+", type=Path, default=[], metavar="JSON", help="files to add to --write first"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
