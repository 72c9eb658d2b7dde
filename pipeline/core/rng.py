"""Random numbers as a pure function of (seed, purpose, step): no state, no order, no device.

All points of a seed share these numbers, so differences between points are paired. A stream is the
counter-based generator Philox 4x64-10 (Salmon et al. 2011) with the key (seed, purpose and step).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Purpose(IntEnum):
    """What a stream is for; streams of different purposes are independent."""

    WEIGHTS = 1
    ORDER = 2
    DROPOUT = 3
    INPUT_DROPOUT = 4
    MIXUP = 5
    CUTMIX = 6
    CUTMIX_FEATURES = 7
    CUTOUT = 8
    INPUT_NOISE = 9
    CALIBRATION = 10
    BOOTSTRAP = 11
    SEARCH = 12
    OUTPUT_DROPOUT = 13
    LABEL_NOISE = 14
    TEST_NOISE = 15
    MONTE_CARLO = 16


def philox(seed: int, purpose: Purpose, step: int = 0) -> np.random.Philox:
    """The stream of a seed for a purpose at a step (each at least 0, step below 2**48)."""
    return np.random.Philox(key=np.array([seed, (purpose << 48) + step], dtype=np.uint64))


def generator(seed: int, purpose: Purpose, step: int = 0) -> np.random.Generator:
    """The same stream behind numpy's generator interface."""
    return np.random.Generator(philox(seed, purpose, step))


def uniform16(seed: int, purpose: Purpose, step: int, size: int) -> NDArray[np.int16]:
    """Return `size` independent integers, uniform on -32768..32767 (four from each 64-bit draw)."""
    words: NDArray[np.uint64] = philox(seed, purpose, step).random_raw(-(-size // 4))
    return words.astype("<u8", copy=False).view("<i2")[:size]


def threshold16(rate: float) -> int:
    """The integer t for which `uniform16 < t` has probability `rate`, to the nearest 1/65536."""
    return min(round(rate * 65536), 65535) - 32768
