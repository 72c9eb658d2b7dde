"""Fitting of members in stacks: equal shapes together, cut into chunks, chunks spread over workers.

A member's result is the same to the last bit whatever it is trained beside, however the stacks are cut and
whichever workers fit them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from numpy.typing import NDArray

from pipeline.config.points import Point
from pipeline.config.settings import is_on
from pipeline.core.determinism import heed_cbwr, require_pinned
from pipeline.data.seed_data import SeedData
from pipeline.training.member import Fitted, Member, history_epochs
from pipeline.training.stack import Stack

CHUNK = 16  # members a worker fits at once: measured, enough to hide Python's overhead, few enough for the cache
RUNG_CHUNK = 50  # of stacks that shrink: measured, an eighth faster than 16 where two threads share an interpreter
COSTLY = ("early_stopping", "mixup", "cutmix", "cutout", "noise", "input_dropout", "r_drop")
"""Done for a whole stack if one member wants it."""
Tick = Callable[[int], None]
Groups = Sequence[Sequence[Member]]
MemberIndex = tuple[int, int]  # the group of a member, and its number there
Logits = NDArray[np.float32]
Survivors = Callable[[int, Mapping[int, Logits]], Collection[int]]


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

    Args:
        groups: what to fit; the members of a group have one shape, and come back together.
        data: seed -> its data.
        jobs: workers of joblib's current backend (`joblib.parallel_config` chooses it: threads, loky, dask, ray).
        chunk: members fitted at once, at most.
        tick: receives how many member-epochs are done: after every epoch by threads, after every chunk of processes.
        history: record the history, which takes about a fifth of the time.
        weights: give back the weights too.
        splits: of which there shall be logits; all that the data have, by default.

    Raises:
        InputError: the environment is not pinned, or a network does not fit the data.
    """
    members = [member for group in groups for member in group]
    chunks = list(_chunks(members, chunk, jobs))
    stacks = [[members[number] for number in numbers] for numbers in chunks]
    results = _fit_stacks(stacks, data, jobs=jobs, tick=tick, history=history, weights=weights, splits=splits)
    fitted = {
        number: result.row(row)
        for numbers, result in zip(chunks, results, strict=True)
        for row, number in enumerate(numbers)
    }
    ends = np.cumsum([len(group) for group in groups])
    return [
        Fitted.join([fitted[number] for number in range(end - len(group), end)])
        for group, end in zip(groups, ends, strict=True)
    ]


def _fit_stacks(
    stacks: Groups,
    data: Mapping[int, SeedData],
    *,
    jobs: int,
    tick: Tick | None,
    history: bool,
    weights: bool,
    splits: Sequence[str] | None,
) -> list[Fitted]:
    """Fit stacks of members of one shape, spread over workers."""
    backend = get_active_backend()[0]
    threads = getattr(backend, "supports_sharedmem", False)
    streams = getattr(backend, "supports_return_generator", False)
    ticking = tick if threads else None
    call = delayed(partial(fit_stack, tick=ticking, history=history, weights=weights, splits=splits))
    calls = (call(stack, {member.seed: data[member.seed] for member in stack}) for stack in stacks)
    finished = Parallel(n_jobs=jobs, return_as="generator" if streams else "list")(calls)
    results: list[Fitted] = []
    for stack, result in zip(stacks, finished, strict=True):
        results.append(result)
        if tick is not None and not threads:
            tick(sum(member.point.epochs for member in stack))
    return results


def fit_points(
    points: Sequence[Point],
    seeds: int,
    data: Mapping[int, SeedData],
    *,
    jobs: int = 1,
    tick: Tick | None = None,
    history: bool = True,
) -> list[tuple[dict[str, NDArray[np.generic]], dict[str, Any]]]:
    """Fit every point on its seeds, and give each point's arrays and JSON-ready description, ready to be stored.

    Arrays have the seed first: `logits/<split>` (seed, row, class) and `epochs` (seed,), those whose weights were kept;
    with a history `history/<metric>` (seed, epoch) and `history/epoch` (epoch,). `Any` is the edge to files.
    """
    groups = [[Member(point, seed) for seed in seeds_of(point, seeds)] for point in points]
    results = fit(groups, data, jobs=jobs, tick=tick, history=history)
    stored = []
    for point, group, fitted in zip(points, groups, results, strict=True):
        arrays: dict[str, NDArray[np.generic]] = {f"logits/{split}": logits for split, logits in fitted.logits.items()}
        arrays |= {f"history/{metric}": values for metric, values in fitted.history.items()}
        arrays |= {"epochs": fitted.epochs} | ({"history/epoch": history_epochs(point.epochs)} if history else {})
        stored.append((arrays, {"point": point.model_dump(mode="json"), "seeds": [member.seed for member in group]}))
    return stored


def seeds_of(point: Point, seeds: int) -> list[int]:
    """The seeds a point is trained with: the first ones, or for a replicate as many that nothing else uses."""
    return [seed + point.replicate * seeds for seed in range(seeds)]


def _shape(member: Member) -> tuple[object, ...]:
    """Members of equal shape may be stacked: the same arrays and masks, the same steps."""
    point = member.point
    network = (point.architecture, point.hidden, point.batch_norm, point.shared_dropout)
    return (*network, point.epochs, point.batch_size, point.optimizer, point.schedule)


def _costly(member: Member) -> tuple[bool, ...]:
    """Which costly operations a member needs: a stack does them for all, so members that need the same are adjacent."""
    return tuple(is_on(getattr(member.point, name)) for name in COSTLY)


def _chunks(members: Sequence[Member], size: int, jobs: int) -> Iterator[list[int]]:
    """Member numbers of each chunk: by shape, then by what costs, then by seed, for seeds share random numbers.

    Chunks of a shape differ by one member at most, and there is an equal number of them for each worker.
    """
    order = sorted(range(len(members)), key=lambda i: (repr(_shape(members[i])), _costly(members[i]), members[i].seed))
    for _, group in groupby(order, key=lambda i: _shape(members[i])):
        numbers = list(group)
        count = min(len(numbers), -(-len(numbers) // (size * jobs)) * jobs)
        ends = [len(numbers) * chunk // count for chunk in range(count + 1)]
        yield from (numbers[start:end] for start, end in pairwise(ends))


def fit_in_rungs(
    groups: Groups,
    data: Mapping[int, SeedData],
    *,
    rungs: Sequence[int],
    survivors: Survivors,
    jobs: int = 1,
    chunk: int = RUNG_CHUNK,
    tick: Tick | None = None,
) -> dict[int, Logits]:
    """Fit groups of members together, and stop at rungs those that are not worth more epochs.

    What is stopped does not change a bit of the others. All groups train for as many epochs.

    Args:
        groups: what to fit: the seeds of one trial, say.
        data: seed -> its data.
        rungs: epochs, ascending, at which groups may be stopped.
        survivors: receives the epoch and, by group, the validation logits (member, row, class) of those that are still
            there, of the weights that they would be used with; gives back the groups that go on.
        jobs: as in `fit`.
        chunk: as in `fit`.
        tick: receives how many member-epochs are done, or no longer needed.

    Returns:
        The validation logits of the groups that were never stopped, by group.
    """
    (epochs,) = {member.point.epochs for group in groups for member in group}
    indices = [(group, number) for group, members in enumerate(groups) for number in range(len(members))]
    chunks = _chunks([groups[group][number] for group, number in indices], chunk, jobs)
    parts = [_Part([indices[row] for row in rows]) for rows in chunks]
    for until in [*rungs, epochs]:
        parts = _train_all(parts, groups, data, until=until, jobs=jobs, tick=tick)
        reached = _regrouped(parts)
        if until < epochs:
            staying = set(survivors(until, reached))
            parts = [rest for part in parts if (rest := part.only(staying))]
            if tick is not None:
                tick(sum(len(groups[group]) for group in set(reached) - staying) * (epochs - until))
    return reached


@dataclass(frozen=True)
class _Part:
    """A stack on its way: its members' indices, the epochs done, and logits (member, row, class)."""

    indices: Sequence[MemberIndex]
    stack: Stack | None = None
    epoch: int = 0
    logits: Sequence[Logits] | Logits = ()

    def only(self, groups: Collection[int]) -> _Part | None:
        """The part with the members of these groups alone; None where there are none."""
        kept = [row for row, (group, _) in enumerate(self.indices) if group in groups]
        if kept and len(kept) < len(self.indices) and self.stack is not None:
            with torch.inference_mode():
                self.stack.keep(kept)
        return replace(self, indices=[self.indices[row] for row in kept]) if kept else None


def _train_all(
    parts: Sequence[_Part],
    groups: Groups,
    data: Mapping[int, SeedData],
    *,
    until: int,
    jobs: int,
    tick: Tick | None,
) -> list[_Part]:
    """Train every part to an epoch, spread over workers."""
    threads = getattr(get_active_backend()[0], "supports_sharedmem", False)
    ticking = tick if threads else None
    calls = (delayed(_train_on)(part, groups, data, until=until, tick=ticking) for part in parts)
    trained: list[_Part] = Parallel(n_jobs=jobs)(calls)
    if tick is not None and not threads:
        tick(sum(len(before.indices) * (until - before.epoch) for before in parts))
    return trained


def _train_on(part: _Part, groups: Groups, data: Mapping[int, SeedData], *, until: int, tick: Tick | None) -> _Part:
    """Train a part to an epoch: the work of one worker."""
    require_pinned()
    heed_cbwr()
    torch.set_num_threads(1)
    with torch.inference_mode():
        members = [groups[group][number] for group, number in part.indices]
        stack = part.stack or Stack(members, data, torch.float32, history=False)
        for epoch in range(part.epoch, until):
            stack.run_epoch(epoch)
            if tick is not None:
                tick(len(members))
        return replace(part, stack=stack, epoch=until, logits=stack.logits(["validation"])["validation"])


def _regrouped(parts: Sequence[_Part]) -> dict[int, Logits]:
    """Logits (member, row, class) by group."""
    logits = {index: part.logits[row] for part in parts for row, index in enumerate(part.indices)}
    groups: dict[int, list[Logits]] = {}
    for group, number in sorted(logits):
        groups.setdefault(group, []).append(logits[group, number])
    return {group: np.stack(rows) for group, rows in groups.items()}


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
        InputError: the environment is not pinned, or the network does not fit the data.
    """
    require_pinned()
    heed_cbwr()
    torch.set_num_threads(threads)
    with torch.inference_mode():
        stack = Stack(members, data, dtype, history=history)
        for epoch in range(stack.epochs):
            stack.run_epoch(epoch)
            if tick is not None:
                tick(len(members))
        return stack.finish(weights=weights, splits=splits)
