"""Chunks: members of equal shape that one worker fits at once, as many as keep all workers busy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from pipeline.config.settings import is_on
from pipeline.core.parallel import Crew
from pipeline.training.device import CPU
from pipeline.training.member import Member

DEVICE_CHUNK = 4096  # members that a device is given at once: it takes fewer where it lacks the memory
LEAST = 8  # members of a chunk that is sent to a cluster, where there are as many
COSTLY = ("early_stopping", "mixup", "cutmix", "cutout", "noise", "input_dropout", "r_drop")
"""Done for a whole stack if one member wants it."""


def chunk_size(members: int, chunk: int, crew: Crew) -> int:
    """Members of a chunk: on a cluster so many that all its cores have work, on one machine as many as there may be."""
    return max(min(LEAST, chunk), min(chunk, -(-members // crew.size))) if crew.is_remote else chunk


def chunks(members: Sequence[Member], size: int, crew: Crew) -> Iterator[list[int]]:
    """Member numbers of each chunk: by shape, then by what costs, then by seed, for seeds share random numbers.

    Chunks of a shape differ by one member at most, and there is an equal number of them for each worker of a machine.
    """
    order = sorted(range(len(members)), key=lambda i: (repr(_shape(members[i])), _costly(members[i]), members[i].seed))
    workers = 1 if crew.is_remote else crew.size
    for _, group in groupby(order, key=lambda i: _shape(members[i])):
        numbers = list(group)
        most, turn = (size, workers) if members[numbers[0]].point.device == CPU else (DEVICE_CHUNK, 1)
        count = min(len(numbers), -(-len(numbers) // (most * turn)) * turn)
        ends = [len(numbers) * part // count for part in range(count + 1)]
        yield from (numbers[start:end] for start, end in pairwise(ends))


def _shape(member: Member) -> tuple[object, ...]:
    """Members of equal shape may be stacked: the same arrays and masks, the same steps."""
    point = member.point
    network = (point.architecture, point.hidden, point.batch_norm, point.shared_dropout)
    return (*network, point.epochs, point.batch_size, point.optimizer, point.schedule, point.device)


def _costly(member: Member) -> tuple[bool, ...]:
    """Which costly operations a member needs: a stack does them for all, so members that need the same are adjacent."""
    return tuple(is_on(getattr(member.point, name)) for name in COSTLY)
