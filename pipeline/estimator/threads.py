"""Threads of torch: training and prediction take one, and leave as many as there were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_threads() -> Iterator[None]:
    """Leave torch with as many threads as it had."""
    import torch  # noqa: PLC0415  (a second to import)

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
