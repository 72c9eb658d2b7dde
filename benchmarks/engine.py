"""Microseconds per member and training step: the stack engine, its matrix-product bound, and an ordinary loop.

Run `make bench`. Everything is measured in one process with one thread, the contenders in turn, round after round,
so that a machine whose speed drifts slows all of them; the table gives medians over rounds and their range. Bounds
are two: the matrix products of as many members, and those of a stack small enough to stay in the processor's cache.
"""

from __future__ import annotations

from pipeline.core.determinism import heed_cbwr, pin

pin()

import argparse  # noqa: E402  (numpy and torch must find the environment pinned)
import itertools  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from datetime import date  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from pipeline.config.points import Point  # noqa: E402
from pipeline.data.seed_data import SeedData  # noqa: E402
from pipeline.training.member import Member  # noqa: E402
from pipeline.training.stack import Stack  # noqa: E402

WIDTHS = (64, 128, 128, 128, 10)
BATCH = 64
ROWS = 256
STACKS = (1, 8, 30, 60, 120)
IN_CACHE = 8  # members whose products are the in-cache bound: 4.5 MB, and the fewest microseconds of all bounds
POINT = Point(
    hidden=WIDTHS[1:-1], epochs=10, batch_size=BATCH, optimizer="adam", learning_rate=0.003, schedule="constant",
    momentum=0.9, dropout=0.5, label_smoothing=0.1, weight_decay=0.1,
)  # fmt: skip


def seed_data(seed: int) -> SeedData:
    """Random rows: what they say does not matter to the clock."""
    draw = np.random.default_rng(seed)
    sizes = {"train": ROWS, "validation": BATCH, "test": BATCH}
    features = {split: draw.standard_normal((rows, WIDTHS[0]), np.float32) for split, rows in sizes.items()}
    return SeedData(features, {split: draw.integers(0, WIDTHS[-1], rows) for split, rows in sizes.items()}, WIDTHS[-1])


@torch.inference_mode()
def engine(members: int, per_seed: int) -> Callable[[], None]:
    """One epoch of a stack, `per_seed` points to a seed (points of a seed share their random numbers)."""
    seeds = -(-members // per_seed)
    rates = np.linspace(0.2, 0.6, per_seed)
    points = [POINT.model_copy(update={"dropout": float(rate)}) for rate in rates]
    stack = Stack(
        [Member(point, seed) for seed in range(seeds) for point in points][:members],
        {seed: seed_data(seed) for seed in range(seeds)},
        torch.float32,
    )
    stack.history_epochs = np.array([0])  # training alone: the history has its own, smaller cost

    @torch.inference_mode()
    def epoch() -> None:
        stack.run_epoch(0)

    return epoch


@torch.inference_mode()
def bound(members: int) -> Callable[[], None]:
    """The matrix products of one epoch and nothing else, on buffers made beforehand."""
    layers = [
        (torch.randn(members, BATCH, a), torch.randn(members, a, b), torch.randn(members, BATCH, b))
        for a, b in itertools.pairwise(WIDTHS)
    ]
    outputs = [(torch.empty_like(x), torch.empty_like(w), torch.empty_like(y)) for x, w, y in layers]

    @torch.inference_mode()
    def epoch() -> None:
        for _ in range(ROWS // BATCH):
            for index, ((x, w, y), (gx, gw, gy)) in enumerate(zip(layers, outputs, strict=True)):
                torch.bmm(x, w, out=gy)
                torch.bmm(x.transpose(1, 2), y, out=gw)
                if index:
                    torch.bmm(y, w.transpose(1, 2), out=gx)

    return epoch


def ordinary(loader: bool) -> Callable[[], None]:
    """One epoch of one network the usual way: `nn.Sequential`, AdamW, and a `DataLoader` or sliced tensors."""
    parts = [
        (torch.nn.Linear(a, b), torch.nn.ReLU(), torch.nn.Dropout(0.5)) for a, b in itertools.pairwise(WIDTHS[:-1])
    ]
    model = torch.nn.Sequential(*(module for part in parts for module in part), torch.nn.Linear(*WIDTHS[-2:]))
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.1)
    data = seed_data(0)
    features, labels = torch.from_numpy(data.features["train"]), torch.from_numpy(data.labels["train"])
    batches = DataLoader(TensorDataset(features, labels), batch_size=BATCH, shuffle=True)

    def epoch() -> None:
        sliced = zip(features.split(BATCH), labels.split(BATCH), strict=True)
        for x, y in batches if loader else sliced:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()

    return epoch


def rounds(contenders: dict[str, tuple[Callable[[], None], int]], count: int) -> dict[str, list[float]]:
    """Microseconds per member and step of each contender (an epoch and its members), in every round."""
    for run, _ in contenders.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(count):
        for name, (run, members) in contenders.items():
            repeats = max(1, 16 // members)
            start = time.perf_counter()
            for _ in range(repeats):
                run()
            steps = repeats * members * (ROWS // BATCH)
            times[name].append((time.perf_counter() - start) * 1e6 / steps)
    return times


def summary(times: dict[str, list[float]]) -> list[dict[str, Any]]:
    """A row a contender: median and range of its times, and medians of the rounds' own ratios."""
    loop = times["nn.Sequential, DataLoader"]
    rows = []
    for name, values in times.items():
        members = next((number for number in map(str, STACKS) if name.endswith(f" {number}")), "1")
        own, cached = times[f"bound, {members}"], times[f"bound, {IN_CACHE}"]
        rows.append(
            {
                "name": name,
                "microseconds": round(statistics.median(values), 1),
                "range": [round(min(values), 1), round(max(values), 1)],
                "bound": _ratio(values, own),
                "cached": _ratio(values, cached),
                "gain": _ratio(loop, values),
            }
        )
    return rows


def _ratio(times: list[float], others: list[float]) -> float:
    """Median of the rounds' own ratios."""
    return round(statistics.median(a / b for a, b in zip(times, others, strict=True)), 2)


def main() -> None:
    """Measure, print the table, and keep it where the README finds it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of all contenders (%(default)s)")
    parser.add_argument("--points", type=int, default=4, help="points that share a seed's random numbers (%(default)s)")
    parser.add_argument(
        "--write", type=Path, help="JSON file for the table; `make readme` reads benchmarks/engine.json"
    )
    options = parser.parse_args()
    heed_cbwr()
    torch.set_num_threads(1)
    contenders: dict[str, tuple[Callable[[], None], int]] = {}
    for members in STACKS:
        contenders[f"bound, {members}"] = bound(members), members
        contenders[f"stack of {members}"] = engine(members, min(options.points, members)), members
    contenders["nn.Sequential, sliced tensors"] = ordinary(loader=False), 1
    contenders["nn.Sequential, DataLoader"] = ordinary(loader=True), 1
    rows = summary(rounds(contenders, options.rounds))
    machine = f"{platform.machine()}, torch {torch.__version__}, one thread"
    network = f"network {'-'.join(map(str, WIDTHS))}, batch {BATCH}"
    print(f"{machine}; {network}")
    print("microseconds per member and step, median [range]; ratios are medians of the rounds' own ratios\n")
    print(f"{'':32}{'time':>22}{'/ bound':>9}{'/ in cache':>12}{'DataLoader /':>14}")
    for row in rows:
        shown = f"{row['microseconds']:,.0f} [{row['range'][0]:,.0f}, {row['range'][1]:,.0f}]"
        print(f"{row['name']:32}{shown:>22}{row['bound']:>9.2f}{row['cached']:>12.2f}{row['gain']:>14.1f}")
    if options.write:
        content = {"machine": f"{machine}, {date.today()}", "network": network, "rounds": options.rounds, "rows": rows}
        options.write.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
