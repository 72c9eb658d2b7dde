"""The same networks trained in every usual way: CPU seconds of each and its test log-loss, round after round.

Run `make bench`. Every contender has a process of its own with one thread, which has trained one network before the
first round; a round goes through all of them in turn, so that a machine whose speed drifts slows all, and seconds are
compared with the stack's of the same round. Who takes long trains fewer networks a round, in each round those of other
seeds. Whose library is not here is left out, and what an earlier run measured of it is kept.

    python -m benchmarks.training_race --write benchmarks/training_race.json
    python -m benchmarks.training_race --contenders stack loop skorch --rounds 1
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

from pipeline.reporting.text.training_race import STACK, Racer, TrainingRace, excess

SEEDS = 30
ROUNDS = 3
EPOCHS = 60
BUSY = 1.0  # load average of other work from which on a table says that there was some
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Entry:
    """Who takes part.

    Attributes:
        title: what readers call it.
        package: it comes from.
        networks: trained in a round, at most.
    """

    title: str
    package: str = "torch"
    networks: int = SEEDS


ENTRIES = {
    STACK: Entry("this project's stack"),
    "loop": Entry("the notebook's loop, in batches"),
    "loader": Entry("the same with `DataLoader`"),
    "vmap": Entry("`torch.func` vmap of all seeds"),
    "skorch": Entry("skorch", "skorch"),
    "lightning": Entry("Lightning", "pytorch-lightning"),
    "mlp": Entry("MLPClassifier", "scikit-learn"),
    "realmlp": Entry("RealMLP-TD, its own defaults", "pytabkit", 4),
    "tabm": Entry("TabM-D, its own defaults", "pytabkit", 1),
}


@dataclass(frozen=True)
class Lap:
    """One contender in one round: seconds of the CPU and by the clock for all its networks, and each seed's loss."""

    cpu: float
    wall: float
    losses: Mapping[int, float]


def lap(name: str, seeds: Sequence[int], epochs: int) -> Lap:
    """Train a network on each seed, in the process of this contender: training and predicting are on the clock."""
    if name == STACK:  # before numpy is imported; the others compute as they would anywhere
        from pipeline.core.determinism import heed_cbwr, pin  # noqa: PLC0415

        pin()
    import torch  # noqa: PLC0415
    from sklearn.metrics import log_loss  # noqa: PLC0415

    from benchmarks.training_contenders import TRAIN, digits  # noqa: PLC0415

    torch.set_num_threads(1)
    if name == STACK:
        heed_cbwr()
    everything = digits(SEEDS)
    data = {seed: everything[seed] for seed in seeds}
    cpu, wall = time.process_time(), time.perf_counter()
    found = list(TRAIN[name](data, epochs))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    labels = [each.labels["test"] for each in data.values()]
    classes = range(found[0].shape[1])
    whole = [probs.astype("f8") / probs.astype("f8").sum(axis=1, keepdims=True) for probs in found]
    scores = [float(log_loss(y, probs, labels=classes)) for y, probs in zip(labels, whole, strict=True)]
    return Lap(cpu, wall, dict(zip(data, scores, strict=True)))


def installed(names: Sequence[str]) -> dict[str, str]:
    """Those of the contenders whose library is here, with its version; says who is left out."""
    found = {}
    for name in names:
        package = ENTRIES[name].package
        try:
            found[name] = f"{package} {version(package).partition('+')[0]}"
        except PackageNotFoundError:
            print(f"{ENTRIES[name].title}: left out, {package} is not installed (pip install {package})", flush=True)
    return found


def race(names: Sequence[str], *, rounds: int, seeds: int, epochs: int) -> dict[str, list[Lap]]:
    """Laps of every contender that could train one network; who could not is named, and left out."""
    laps: dict[str, list[Lap]] = {}
    with ExitStack() as processes:
        ready = dict(_started(names, processes))
        for number in range(rounds):
            for name, process in ready.items():
                count = min(ENTRIES[name].networks, seeds)
                chosen = [(number * count + place) % seeds for place in range(count)]
                laps.setdefault(name, []).append(process.submit(lap, name, chosen, epochs).result())
                seconds = laps[name][-1].cpu / count
                print(f"round {number + 1}: {ENTRIES[name].title}: {seconds:.3f} s a network", flush=True)
    return laps


def _started(names: Sequence[str], processes: ExitStack) -> Iterator[tuple[str, Executor]]:
    """A process for each contender, warm."""
    for name in names:
        process = processes.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        try:
            process.submit(lap, name, [0], 1).result()
        except Exception as error:  # an old or a broken library: the others go on
            print(f"{ENTRIES[name].title}: left out, {type(error).__name__}: {error}", flush=True)
            continue
        yield name, process


def rows(laps: Mapping[str, list[Lap]], libraries: Mapping[str, str], measured: str) -> list[Racer]:
    """A row a contender: medians over rounds, and of the rounds' own ratios to the stack."""
    table = []
    for name, each in laps.items():
        cpu, wall = ([getattr(one, clock) / len(one.losses) for one in each] for clock in ("cpu", "wall"))
        ratios = [one / (base.cpu / len(base.losses)) for one, base in zip(cpu, laps[STACK], strict=True)]
        losses = {seed: loss for one in each for seed, loss in one.losses.items()}
        table.append(
            Racer(
                name=name,
                title=ENTRIES[name].title,
                library=libraries[name],
                measured=measured,
                rounds=len(each),
                networks=len(each[0].losses),
                seconds=round(statistics.median(cpu), 4),
                wall=round(statistics.median(wall), 4),
                gain=round(statistics.median(ratios), 2),
                range=(round(min(ratios), 2), round(max(ratios), 2)),
                seeds=tuple(sorted(losses)),
                losses=tuple(round(losses[seed], 5) for seed in sorted(losses)),
            )
        )
    return table


def merged(new: TrainingRace, path: Path) -> TrainingRace:
    """With the rows of the file, where it is of the same setting, for those that were not measured now."""
    before = TrainingRace.model_validate_json(path.read_bytes()) if path.exists() else new
    kept = before.rows if before.setting == new.setting else ()
    by_name = {row.name: row for row in (*kept, *new.rows)}
    return new.model_copy(update={"rows": tuple(by_name[name] for name in ENTRIES if name in by_name)})


def main() -> None:
    """Measure, print the table, and keep it where docs/performance.md finds it."""
    chosen = _options()
    load = os.getloadavg()[0]
    measured = f"{date.today()}" + (f", beside other work (load {load:.1f})" if load >= BUSY else "")
    os.environ |= dict.fromkeys(THREADS, "1")
    libraries = installed([name for name in ENTRIES if name in {STACK, *chosen.contenders}])
    laps = race(list(libraries), rounds=chosen.rounds, seeds=chosen.seeds, epochs=chosen.epochs)
    table = TrainingRace(
        machine=platform.machine(),
        setting=f"digits, 256 training rows, network 64-128-128-128-10, {chosen.epochs} epochs, dropout 0.2",
        rows=tuple(rows(laps, libraries, measured)),
    )
    _show(table)
    if chosen.write:
        whole = merged(table, chosen.write).model_dump(mode="json")
        lines = ",\n".join(json.dumps(row) for row in whole.pop("rows"))
        chosen.write.write_text(f'{json.dumps(whole)[:-1]}, "rows": [\n{lines}\n]}}\n')


def _show(table: TrainingRace) -> None:
    print(f"\n{table.machine}, {table.rows[0].measured}: {table.setting}")
    print(f"{'':40}{'CPU s':>9}{'clock s':>9}{'times the stack':>24}{'seeds':>7}{'test NLL':>10}{'above its':>11}")
    for row in table.rows:
        span = f"{row.gain:.1f} [{row.range[0]:.1f}, {row.range[1]:.1f}]"
        above = excess(row, table.rows[0]) or (float("nan"), None)
        scores = f"{statistics.fmean(row.losses):>10.4f}{above[0]:>+11.4f}"
        print(f"{row.title:40}{row.seconds:>9.3f}{row.wall:>9.3f}{span:>24}{len(row.seeds):>7}{scores}  {row.library}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", nargs="+", choices=ENTRIES, default=list(ENTRIES), help="besides the stack")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of all contenders (%(default)s)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="networks of a round, at most (%(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of a network (%(default)s)")
    parser.add_argument("--write", type=Path, help="JSON file for the table; `make readme` reads the committed one")
    return parser.parse_args()


if __name__ == "__main__":
    main()
