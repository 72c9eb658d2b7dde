"""Random numbers of the next steps, drawn by other threads while a device is busy with this one.

They are a pure function of the step, so that no bit depends on who draws them and when; numpy's generators and sorts
let other threads run meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from joblib import cpu_count
from torch import Tensor

DEPTH = 4  # steps, for which so many threads may draw at once
Draw = Callable[[int], Tensor]


class Ahead:
    """Functions of the step whose next values are on their way, by the name of each one's stream."""

    def __init__(self) -> None:
        self._coming: dict[Hashable, dict[int, Future[Tensor]]] = defaultdict(dict)

    def __call__(self, draw: Draw, step: int, stream: Hashable) -> Tensor:
        """What `draw` gives at a step; the next ones are begun, several where this one had been foreseen."""
        coming = self._coming[stream]
        foreseen = coming.pop(step, None)
        drawn = foreseen or _threads().submit(draw, step)
        for later in range(step + 1, step + 1 + (DEPTH if foreseen else 1)):
            if later not in coming:
                coming[later] = _threads().submit(draw, later)
        while len(coming) > 4 * DEPTH:  # the oldest were never asked for: the last step of an epoch has another shape
            coming.pop(next(iter(coming)))
        return drawn.result()

    def __reduce__(self) -> tuple[type[Ahead], tuple[()]]:
        """What is on its way is not sent to another process."""
        return Ahead, ()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cpu_count(), "random numbers")


def at_once(draw: Draw, step: int, stream: Hashable) -> Tensor:  # noqa: ARG001
    """The same, drawn when it is asked for."""
    return draw(step)
