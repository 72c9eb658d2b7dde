"""Networks that train at once on a GPU: against its memory and its arithmetic, and against one at a time.

`python -m benchmarks.device` trains the engine benchmark's network in stacks of several sizes. The bound of a step is
what it must read and write, at the speed of a copy, or what it must multiply, at the speed of one large product,
whichever takes longer; both speeds are measured first. `--device cpu` tries the benchmark where there is no GPU, though
caches hold there what a GPU has to read.
"""

from __future__ import annotations

from pipeline.core.determinism import pin

pin()

import argparse  # noqa: E402  (numpy and torch must find the environment pinned)
import itertools  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from benchmarks.engine import BATCH, POINT, ROWS, WIDTHS, seed_data  # noqa: E402
from pipeline.core.rng import Purpose  # noqa: E402
from pipeline.training.device import prepare  # noqa: E402
from pipeline.training.member import Member  # noqa: E402
from pipeline.training.random_streams import RandomStreams  # noqa: E402
from pipeline.training.stack import Stack  # noqa: E402

STEPS = ROWS // BATCH
SEEDS = 30
PARAMETERS = sum(a * b + b for a, b in itertools.pairwise(WIDTHS))
FLOPS = 2 * BATCH * (3 * sum(a * b for a, b in itertools.pairwise(WIDTHS)) - WIDTHS[0] * WIDTHS[1])
"""Of a member's step: a product forward and two backward for each layer, but for the inputs' gradient."""
NUMBERS = 13 * PARAMETERS + BATCH * (3 * WIDTHS[0] + 12 * sum(WIDTHS[1:-1]))
"""Read or written in a member's step: weights thrice by products and twice by the decay; a gradient written and read;
weights and two moments read and written by Adam; units by products, ReLU and masks, forward and backward."""


def stack_epoch(members: int, device: str) -> Callable[[], None]:
    """One epoch of a stack, whose points share the random numbers of up to 30 seeds."""
    seeds = min(SEEDS, members)
    rates = np.linspace(0.2, 0.6, -(-members // seeds))
    points = [POINT.model_copy(update={"dropout": float(rate), "device": device}) for rate in rates]
    with torch.inference_mode():
        stack = Stack(
            [Member(point, seed) for seed in range(seeds) for point in points][:members],
            {seed: seed_data(seed) for seed in range(seeds)},
            torch.float32,
            history=False,
        )
    epochs = itertools.cycle(range(stack.epochs - 1))  # after the last one the weights are kept, which is not training

    @torch.inference_mode()
    def run() -> None:
        stack.run_epoch(next(epochs))

    return run


def one_epoch(device: str) -> Callable[[], None]:
    """One epoch of one network the usual way: `nn.Sequential`, fused AdamW, sliced tensors that lie on the device."""
    pairs = list(itertools.pairwise(WIDTHS))
    parts = [(torch.nn.Linear(a, b), torch.nn.ReLU(), torch.nn.Dropout(0.5)) for a, b in pairs[:-1]]
    model = torch.nn.Sequential(*itertools.chain(*parts), torch.nn.Linear(*pairs[-1])).to(device)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.1, fused=True)
    data = seed_data(0)
    x, y = (torch.from_numpy(each["train"]).to(device) for each in (data.features, data.labels))

    def run() -> None:
        for features, labels in zip(torch.split(x, BATCH), torch.split(y, BATCH), strict=True):
            optimizer.zero_grad()
            criterion(model(features), labels).backward()
            optimizer.step()

    return run


def draws(streams: RandomStreams) -> Callable[[], None]:
    """The masks of one epoch for 30 seeds, drawn by one thread of the CPU and nothing else."""
    steps = itertools.count(step=STEPS)

    def run() -> None:
        first = next(steps)
        for step in range(first, first + STEPS):
            streams.uniforms16(Purpose.DROPOUT, step, (BATCH, sum(WIDTHS[1:-1])))

    return run


def seconds(run: Callable[[], object], device: str, rounds: int) -> float:
    """The median time of a run, until the device has finished."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        run()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def peaks(device: str, rounds: int) -> tuple[float, float]:
    """Bytes a second of a copy, and operations a second of a product, of sizes that the device is good at."""
    size = 4096 if device != "cpu" else 1024
    a, b = (torch.rand(size, size, device=device) for _ in range(2))
    source, target = (torch.zeros(16 * size * size, device=device) for _ in range(2))
    copied = seconds(lambda: target.copy_(source), device, rounds)
    multiplied = seconds(lambda: torch.mm(a, b, out=target[: size * size].view(size, size)), device, rounds)
    return 2 * source.nbytes / copied, 2 * size**3 / multiplied


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda", help="what trains (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="epochs of each size (%(default)s)")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 64, 256, 1024, 4096], help="sizes of stacks")
    options = parser.parse_args()
    device, rounds = options.device, options.rounds
    if device == "cuda" and not torch.cuda.is_available():
        print(f"no GPU: torch {torch.__version__} finds none, and nothing was measured")
        return
    prepare(device)
    bandwidth, arithmetic = peaks(device, rounds)
    reading, computing = 4 * NUMBERS / bandwidth, FLOPS / arithmetic
    bound, binds = max((reading, "memory"), (computing, "products"))
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU, one thread"
    print(f"{name}, torch {torch.__version__}: {bandwidth / 1e9:,.0f} GB/s, {arithmetic / 1e9:,.0f} GFLOP/s")
    print(f"network {'-'.join(map(str, WIDTHS))}, batch {BATCH}; a member's step has {FLOPS / 1e6:.1f} MFLOP and")
    print(f"{4 * NUMBERS / 1e6:.2f} MB, which take at least {bound * 1e6:.2f} µs, by its {binds}\n")
    print(f"{'':24}{'steps/s':>12}{'µs':>10}{'GB/s':>8}{'GFLOP/s':>9}{'/ bound':>9}{'/ one':>8}")
    contenders = {"one at a time": (1, one_epoch(device))}
    contenders |= {f"stack of {members:,}": (members, stack_epoch(members, device)) for members in options.members}
    times = {label: seconds(run, device, rounds) / STEPS / members for label, (members, run) in contenders.items()}
    for label, each in times.items():
        speeds = f"{4 * NUMBERS / each / 1e9:>8,.0f}{FLOPS / each / 1e9:>9,.0f}"
        gain = times["one at a time"] / each
        print(f"{label:24}{1 / each:>12,.0f}{each * 1e6:>10.2f}{speeds}{each / bound:>9.1f}{gain:>8.1f}")
    drawn = seconds(draws(RandomStreams(range(SEEDS))), "cpu", rounds) / STEPS
    print(f"\nthe masks of a step of {SEEDS} seeds take one thread of the CPU {drawn * 1e6:,.0f} µs")


if __name__ == "__main__":
    main()
