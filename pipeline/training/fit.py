"""Fitting of members in stacks: equal shapes together, cut into chunks, chunks spread over an engine's workers.

A member's result is the same to the last bit whatever it is trained beside, however the stacks are cut and
whichever workers fit them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.config.points import Point
from pipeline.core import parallel
from pipeline.data.seed_data import SeedData
from pipeline.training.chunks import chunk_size, chunks
from pipeline.training.device import prepare
from pipeline.training.member import Fitted, Member, history_epochs
from pipeline.training.memory import in_parts, members_at_once
from pipeline.training.stack import Stack

LONG = 100_000  # steps of members, half a minute of a core's time: processes are worth their start of two seconds
CHUNK = 16  # members a worker fits at once: measured, enough to hide Python's overhead, few enough for the cache
Tick = Callable[[int], None]
Groups = Sequence[Sequence[Member]]


def fit(
    groups: Groups,
    data: Mapping[int, SeedData],
    *,
    jobs: int = 1,
    chunk: int = CHUNK,
    tick: Tick | None = None,
    history: bool = True,
    weights: bool = False,
    splits: Sequence[str] | None = None,
) -> list[Fitted]:
    """Fit groups of members (the seeds of one point, say), of any shapes, on the data of their seeds.

    Arguments and errors are those of `fit_each`.
    """
    how = {"history": history, "weights": weights, "splits": splits}
    return list(fit_each(groups, data, jobs=jobs, chunk=chunk, together=max(1, len(groups)), tick=tick, **how))


def fit_each(
    groups: Groups,
    data: Mapping[int, SeedData],
    *,
    together: int,
    jobs: int = 1,
    chunk: int = CHUNK,
    tick: Tick | None = None,
    **how: Any,
) -> Iterator[Fitted]:
    """Fit groups of members, and give back each as soon as it and those before it are whole.

    Args:
        groups: what to fit; the members of a group have one shape, and come back together.
        data: seed -> its data.
        together: groups whose members may share a chunk, and which are whole at about the same time.
        jobs: workers of this machine; see `pipeline.core.parallel`. Where no engine is chosen they are threads, or
            processes where it is long or they are there already.
        chunk: members fitted at once, at most.
        tick: receives how many member-epochs are done: after every epoch by threads, after every chunk of others.
        how: `history`, `weights` and `splits` as `fit_stack` has them.

    Raises:
        InputError: the environment is not pinned, or a network does not fit the data.
    """
    long = sum(_steps(member, data) for group in groups for member in group) > LONG
    crew = parallel.crew(jobs, threads=True, long=long)
    size = chunk_size(sum(map(len, groups)), chunk, crew)
    batches = [groups[start : start + together] for start in range(0, len(groups), together)]
    members = [[member for group in batch for member in group] for batch in batches]
    cuts = [list(chunks(each, size, crew)) for each in members]
    stacks = [[each[number] for number in numbers] for each, cut in zip(members, cuts, strict=True) for numbers in cut]
    call = partial(fit_stack, tick=tick if crew.are_threads else None, **how)
    fitted = parallel.results(call, stacks, arguments=sender(data, crew), jobs=jobs, threads=True, long=long)
    told = _telling(fitted, stacks, tick=None if crew.are_threads else tick)
    for batch, cut in zip(batches, cuts, strict=True):
        yield from _joined(batch, cut, told)


def _steps(member: Member, data: Mapping[int, SeedData]) -> int:
    """How many steps a member takes."""
    return member.point.epochs * -(-len(data[member.seed].labels["train"]) // member.point.batch_size)


def _joined(groups: Groups, cut: Sequence[Sequence[int]], fitted: Iterator[Fitted]) -> list[Fitted]:
    """The groups, from the chunks that their members were cut into."""
    chunks_of_groups = zip(cut, islice(fitted, len(cut)), strict=True)
    rows = {number: result.row(row) for numbers, result in chunks_of_groups for row, number in enumerate(numbers)}
    ends = np.cumsum([len(group) for group in groups])
    return [
        Fitted.join([rows[number] for number in range(end - len(group), end)])
        for group, end in zip(groups, ends, strict=True)
    ]


def _telling(fitted: Iterator[Fitted], stacks: Groups, *, tick: Tick | None) -> Iterator[Fitted]:
    """The same, with each stack told of."""
    for stack, result in zip(stacks, fitted, strict=True):
        if tick is not None:
            tick(sum(member.point.epochs for member in stack))
        yield result


def sender(
    data: Mapping[int, SeedData], crew: parallel.Crew
) -> Callable[[Sequence[Member]], tuple[Sequence[Member], Any]]:
    """What a worker is sent for a stack: of the data what its seeds need, or all, which a cluster's is sent once."""
    whole = parallel.shared(data, crew.size) if crew.is_remote else None
    return lambda stack: (stack, whole or {member.seed: data[member.seed] for member in stack})


def fit_points(
    points: Sequence[Point],
    seeds: int,
    data: Mapping[int, SeedData],
    *,
    together: int,
    jobs: int = 1,
    tick: Tick | None = None,
    history: bool = True,
) -> Iterator[tuple[dict[str, NDArray[np.generic]], dict[str, Any]]]:
    """Fit every point on its seeds, and give each point's arrays and JSON-ready description, ready to be stored.

    Arrays have the seed first: `logits/<split>` (seed, row, class) and `epochs` (seed,), those whose weights were kept;
    with a history `history/<metric>` (seed, epoch) and `history/epoch` (epoch,). `Any` is the edge to files.
    """
    groups = [[Member(point, seed) for seed in seeds_of(point, seeds)] for point in points]
    results = fit_each(groups, data, together=together, jobs=jobs, tick=tick, history=history)
    for point, group, fitted in zip(points, groups, results, strict=True):
        arrays: dict[str, NDArray[np.generic]] = {f"logits/{split}": logits for split, logits in fitted.logits.items()}
        arrays |= {f"history/{metric}": values for metric, values in fitted.history.items()}
        arrays |= {"epochs": fitted.epochs} | ({"history/epoch": history_epochs(point.epochs)} if history else {})
        yield arrays, {"point": point.model_dump(mode="json"), "seeds": [member.seed for member in group]}


def seeds_of(point: Point, seeds: int) -> list[int]:
    """The seeds a point is trained with: the first ones, or for a replicate as many that nothing else uses."""
    return [seed + point.replicate * seeds for seed in range(seeds)]


def fit_stack(
    members: Sequence[Member],
    data: Mapping[int, SeedData],
    *,
    threads: int = 1,
    dtype: torch.dtype = torch.float32,
    tick: Tick | None = None,
    history: bool = True,
    weights: bool = False,
    splits: Sequence[str] | None = None,
) -> Fitted:
    """Fit members of one shape as one stack, in the calling thread, with `threads` threads inside the kernels.

    Raises:
        InputError: the environment is not pinned, the network does not fit the data, or the device is not there.
    """
    prepare(*(member.point.device for member in members), threads=threads)

    def train(some: Sequence[Member]) -> Fitted:
        stack = Stack(some, data, dtype, history=history)
        for epoch in range(stack.epochs):
            stack.run_epoch(epoch)
            if tick is not None:
                tick(len(some))
        return stack.finish(weights=weights, splits=splits)

    with torch.inference_mode():
        parts = in_parts(train, members, members_at_once(members, data))
    return parts[0] if len(parts) == 1 else Fitted.join(parts)
