"""The device's memory: how many members fit into it at once, and fewer where that was too many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TypeVar

import torch

from pipeline.core.errors import InputError
from pipeline.data.seed_data import SeedData
from pipeline.models.build import build
from pipeline.models.network import Network
from pipeline.training.device import BLOCK, CPU
from pipeline.training.member import Member

SHARE = 0.8  # of the free memory that is planned with: what allocators need for themselves is unknown
COPIES = 10  # of the weights: gradient, moments, what early stopping keeps, averages
PASSES = 8  # of a batch's units: activations, their gradients, masks, what is mixed
Item = TypeVar("Item")
Result = TypeVar("Result")


def members_at_once(members: Sequence[Member], data: Mapping[int, SeedData]) -> int:
    """How many of these members, which have one shape, are trained at once; on the CPU all."""
    first = members[0]
    if first.point.device == CPU:
        return len(members)
    of_seed = data[first.seed]
    features = of_seed.take("train", slice(0)).shape[1]
    network = build(first.point, features, of_seed.classes)
    return capacity(network, features=features, batch=first.point.batch_size, free=free_bytes(first.point.device))


def capacity(network: Network, *, features: int, batch: int, free: int) -> int:
    """Members, in whole blocks and one block at least, that so many free bytes are likely to hold in training."""
    numbers = COPIES * network.layout.size
    numbers += PASSES * (_units(network, batch) + batch * features)
    numbers += 2 * (_units(network, network.block) + network.block * features)
    return max(1, int(SHARE * free) // (4 * numbers * BLOCK)) * BLOCK


def _units(network: Network, rows: int) -> int:
    return sum(prod(shape) for shape in network.masks(rows))


def free_bytes(device: str) -> int:
    """Bytes that the device has left."""
    return int(torch.cuda.mem_get_info(device)[0])


def in_parts(work: Callable[[Sequence[Item]], Result], items: Sequence[Item], size: int) -> list[Result]:
    """The results of work on all items, in their order, `size` of them at a time; half as many where memory runs out.

    Raises:
        InputError: it runs out with one block too.
    """
    results, start = [], 0
    while start < len(items):
        part = items[start : start + size]
        result = _unless_too_large(work, part)
        if result is not None:
            results.append(result)
            start += len(part)
        elif len(part) <= BLOCK:
            raise InputError(f"device: must have the memory for {BLOCK} networks at once, got too little")
        else:
            size = max(BLOCK, len(part) // (2 * BLOCK) * BLOCK)
    return results


def _unless_too_large(work: Callable[[Sequence[Item]], Result], items: Sequence[Item]) -> Result | None:
    """None where the device's memory did not suffice; what was allocated is free again by then."""
    try:
        return work(items)
    except torch.OutOfMemoryError:
        pass
    torch.cuda.empty_cache()
    return None
