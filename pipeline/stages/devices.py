"""Whether the device that points are to train on is there: asked before any work is done."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.config.points import Point
from pipeline.core import parallel
from pipeline.core.errors import InputError
from pipeline.core.paths import PARAMS


def require_devices(points: Iterable[Point]) -> None:
    """Raise InputError unless this machine can train the points; those of a cluster's workers are asked by them."""
    others = {point.device for point in points} - {"cpu"}
    if not others or parallel.crew(1).is_remote:
        return
    from pipeline.training.device import require  # noqa: PLC0415  (torch takes a second to import)

    for device in sorted(others):
        try:
            require(device)
        except InputError as error:
            raise InputError(f"{PARAMS}: train.{error}") from None
