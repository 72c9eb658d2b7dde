"""Fit members in stacks: equal shapes together, cut into chunks, chunks spread over workers.

A member's result is the same to the last bit whatever it is trained beside, however the stacks are cut and
whichever workers fit them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from numpy.typing import NDArray

from pipeline.arithmetic import heed_cbwr
from pipeline.config import Point
from pipeline.data import SeedData
from pipeline.stack import Fitted, Member, Stack, history_epochs

CHUNK = 16  # members a worker fits at once: measured, enough to hide Python's overhead, few enough for the cache
Tick = Callable[[int], None]


def fit(
    groups: Sequence[Sequence[Member]],
    data: Mapping[int, SeedData],
    *,
    jobs: int = 1,
    chunk: int = CHUNK,
    tick: Tick | None = None,
) -> list[Fitted]:
    """Fit groups of members (the seeds of one point, say), of any shapes, on the data of their seeds.

    Args:
        groups: what to fit; the members of a group have one shape, and come back together.
        data: seed -> its data.
        jobs: workers of joblib's current backend (`joblib.parallel_config` chooses it: threads, loky, dask, ray).
        chunk: members fitted at once.
        tick: told how many member-epochs are done: after every epoch by threads, after every chunk of processes.
    """
    members = [member for group in groups for member in group]
    chunks = list(_chunks(members, chunk))
    stacks = [[members[row] for row in rows] for rows in chunks]
    backend = get_active_backend()[0]
    threads = getattr(backend, "supports_sharedmem", False)
    streams = getattr(backend, "supports_return_generator", False)
    told = tick if threads else None
    calls = (delayed(fit_stack)(stack, {m.seed: data[m.seed] for m in stack}, tick=told) for stack in stacks)
    finished = Parallel(n_jobs=jobs, return_as="generator" if streams else "list")(calls)
    results: list[Fitted] = []
    for stack, result in zip(stacks, finished, strict=True):
        results.append(result)
        if tick is not None and not threads:
            tick(sum(member.point.epochs for member in stack))
    alone = {
        row: result.row(place) for rows, result in zip(chunks, results, strict=True) for place, row in enumerate(rows)
    }
    ends = np.cumsum([len(group) for group in groups])
    return [
        Fitted.join([alone[row] for row in range(end - len(group), end)])
        for group, end in zip(groups, ends, strict=True)
    ]


def fit_points(
    points: Sequence[Point], seeds: int, data: Mapping[int, SeedData], *, jobs: int = 1, tick: Tick | None = None
) -> list[tuple[dict[str, NDArray[Any]], dict[str, Any]]]:
    """Fit every point on its seeds, and give each point's arrays and JSON-ready description, ready to be stored.

    Arrays have the seed first: `logits/<split>`, `history/<measure>`, `epochs` (kept), and `history/epoch` (epoch,).
    """
    groups = [[Member(point, seed) for seed in seeds_of(point, seeds)] for point in points]
    stored = []
    for point, group, fitted in zip(points, groups, fit(groups, data, jobs=jobs, tick=tick), strict=True):
        arrays: dict[str, NDArray[Any]] = {f"logits/{split}": logits for split, logits in fitted.logits.items()}
        arrays |= {f"history/{measure}": values for measure, values in fitted.history.items()}
        arrays |= {"history/epoch": history_epochs(point.epochs), "epochs": fitted.epochs}
        stored.append((arrays, {"point": point.model_dump(mode="json"), "seeds": [member.seed for member in group]}))
    return stored


def seeds_of(point: Point, seeds: int) -> list[int]:
    """The seeds a point is trained with: the first ones, or for a replicate as many that nothing else uses."""
    return [seed + point.replicate * seeds for seed in range(seeds)]


def _shape(member: Member) -> tuple[object, ...]:
    """Members of equal shape may be stacked: the same arrays, the same steps."""
    point = member.point
    return (point.hidden, point.batch_norm, point.epochs, point.batch_size, point.optimizer, point.schedule)


def _chunks(members: Sequence[Member], size: int) -> Iterator[list[int]]:
    """Member numbers of each chunk: by shape, then seed by seed, so that neighbours share their random numbers."""
    order = sorted(range(len(members)), key=lambda i: (repr(_shape(members[i])), members[i].seed))
    for _, group in groupby(order, key=lambda i: _shape(members[i])):
        rows = list(group)
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def fit_stack(
    members: Sequence[Member],
    data: Mapping[int, SeedData],
    *,
    threads: int = 1,
    dtype: torch.dtype = torch.float32,
    tick: Tick | None = None,
) -> Fitted:
    """Fit members of one shape as one stack, in the calling thread, with `threads` threads inside the kernels."""
    heed_cbwr()
    torch.set_num_threads(threads)
    lone = len(members) == 1  # it is fitted twice: a single matrix product may take another kernel than a batch does
    with torch.inference_mode():
        stack = Stack([*members, *members] if lone else members, data, dtype)
        for epoch in range(stack.epochs):
            stack.run_epoch(epoch)
            if tick is not None:
                tick(len(members))
        return stack.finish().row(0) if lone else stack.finish()
