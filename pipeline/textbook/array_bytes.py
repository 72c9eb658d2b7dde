"""Named arrays as bytes, in the safetensors format: what the memo holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

Arrays = dict[str, NDArray[Any]]


def bytes_of(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Equal bytes for equal arrays."""
    content: bytes = save({name: np.ascontiguousarray(values) for name, values in arrays.items()})
    return content


def arrays_of(content: bytes) -> Arrays:
    """The arrays that `bytes_of` wrote."""
    return dict(load(content))
