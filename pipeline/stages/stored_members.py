"""What members predict, as `train` has stored it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pipeline.core.arrays import decode_arrays
from pipeline.core.errors import InputError
from pipeline.data.dataset import Dataset
from pipeline.data.splits import SPLITS

_AGAIN = "delete it and run `dvc repro`"


def decode_members(content: bytes, source: Path, pooled: Dataset) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """What members predict, and the description of them, from the content of the file that is named.

    Raises:
        InputError: it is damaged, or of members of another data set.
    """
    arrays, about = decode_arrays(content, source)
    seeds, most = about.get("seeds") if isinstance(about, dict) else None, len(pooled.splits.train)
    if not (isinstance(seeds, list) and all(type(each) is int and 0 <= each < most for each in seeds)):
        raise InputError(f"{source}: seeds must be of the data set's {most}, got {seeds!r}; {_AGAIN}")
    for split in SPLITS:
        wanted = (len(seeds), getattr(pooled.splits, split).shape[1], len(pooled.pool.classes))
        logits = arrays.get(f"logits/{split}")
        if logits is None or logits.shape != wanted:
            got = "none" if logits is None else logits.shape
            raise InputError(f"{source}: logits/{split} must be of shape {wanted}, got {got}; {_AGAIN}")
    return arrays, about
