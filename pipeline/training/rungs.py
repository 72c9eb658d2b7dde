"""Fitting in rungs: groups of members that are trained together, and stopped where they are not worth more epochs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.core import parallel
from pipeline.data.seed_data import SeedData
from pipeline.training.chunks import chunk_size, chunks
from pipeline.training.device import prepare
from pipeline.training.fit import Groups, Tick, sender
from pipeline.training.member import Member
from pipeline.training.memory import in_parts, members_at_once
from pipeline.training.stack import Stack

RUNG_CHUNK = 50  # of stacks that shrink: measured, an eighth faster than 16 where two threads share an interpreter
MemberIndex = tuple[int, int]  # the group of a member, and its number there
Logits = NDArray[np.float32]
Survivors = Callable[[int, Mapping[int, Logits]], Collection[int]]


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
    crew = parallel.crew(jobs, threads=True)
    size = chunk_size(len(indices), chunk, crew)
    cut = chunks([groups[group][number] for group, number in indices], size, crew)
    parts = [_Part([indices[row] for row in rows]) for rows in cut]
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
    crew = parallel.crew(jobs, threads=True)
    sent = sender(data, crew)

    def arguments(part: _Part) -> tuple[Any, ...]:
        return part, *sent([groups[group][number] for group, number in part.indices])

    call = partial(_train_on, until=until, tick=tick if crew.are_threads else None)
    made = parallel.results(call, parts, arguments=arguments, jobs=jobs, threads=True)
    trained = [each for some in made for each in some]
    if tick is not None and not crew.are_threads:
        tick(sum(len(before.indices) * (until - before.epoch) for before in parts))
    return trained


def _train_on(
    part: _Part, members: Sequence[Member], data: Mapping[int, SeedData], *, until: int, tick: Tick | None
) -> list[_Part]:
    """Train a part to an epoch: the work of one worker, who makes several of it where memory does not suffice."""
    prepare(*(member.point.device for member in members))
    member_of = dict(zip(part.indices, members, strict=True))

    def train(indices: Sequence[MemberIndex]) -> _Part:
        stack = part.stack or Stack([member_of[each] for each in indices], data, torch.float32, history=False)
        for epoch in range(part.epoch, until):
            stack.run_epoch(epoch)
            if tick is not None:
                tick(len(indices))
        return _Part(indices, stack, until, stack.logits(["validation"])["validation"])

    with torch.inference_mode():
        return [train(part.indices)] if part.stack else in_parts(train, part.indices, members_at_once(members, data))


def _regrouped(parts: Sequence[_Part]) -> dict[int, Logits]:
    """Logits (member, row, class) by group."""
    logits = {index: part.logits[row] for part in parts for row, index in enumerate(part.indices)}
    groups: dict[int, list[Logits]] = {}
    for group, number in sorted(logits):
        groups.setdefault(group, []).append(logits[group, number])
    return {group: np.stack(rows) for group, rows in groups.items()}
