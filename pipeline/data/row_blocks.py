"""Blocks of rows: what is computed row by row needs no intermediate numbers of more than a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 12


def by_blocks(encode: Callable[[NDArray[Any]], NDArray[Any]], rows: NDArray[Any], *, size: int = BLOCK) -> NDArray[Any]:
    """What `encode` makes of rows (row, ...), a block at a time; a row's numbers must depend on no other row.

    >>> by_blocks(lambda block: 2 * block, np.arange(5), size=2).tolist()
    [0, 2, 4, 6, 8]
    """
    first = encode(rows[:size])
    if len(rows) <= size:
        return first
    whole = np.empty((len(rows), *first.shape[1:]), first.dtype)
    whole[:size] = first
    for start in range(size, len(rows), size):
        whole[start : start + size] = encode(rows[start : start + size])
    return whole
