"""Time and memory that `predict` needs for a long table: `python -m benchmarks.predicting --rows 1000000`.

A model is fitted on 2,000 rows of 50 numbers, and a CSV file of as many rows as asked is predicted by the command.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline import RegularizedClassifier

FEATURES, TRAIN, CHUNK = 50, 2_000, 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--budget", default="small", help="of the model: small or full")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        model, table = Path(folder, "model.safetensors"), Path(folder, "rows.csv")
        fit(model, options.budget)
        write(table, options.rows)
        start = time.perf_counter()
        command = [sys.executable, "-m", "pipeline", "predict", str(model), str(table), "--out", str(table) + ".out"]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size = table.stat().st_size / 2**20
        print(
            f"{options.rows:,} rows of {FEATURES} numbers ({size:,.0f} MiB): {seconds:.0f} s, {memory:,.0f} MiB at most"
        )


def drawn(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, FEATURES))


def fit(path: Path, budget: str) -> None:
    import pandas as pd  # noqa: PLC0415

    features = drawn(TRAIN, 0)
    labels = np.where(features[:, :5].sum(axis=1) + np.random.default_rng(1).logistic(size=TRAIN) > 0, "yes", "no")
    frame = pd.DataFrame(features, columns=[f"x{place}" for place in range(FEATURES)])
    RegularizedClassifier(budget=budget).fit(frame, labels).save(path)


def write(path: Path, rows: int) -> None:
    with path.open("w") as stream:
        stream.write(",".join(f"x{place}" for place in range(FEATURES)) + "\n")
        for start in range(0, rows, CHUNK):
            np.savetxt(stream, drawn(min(CHUNK, rows - start), start + 2), fmt="%.6f", delimiter=",")


if __name__ == "__main__":
    main()
