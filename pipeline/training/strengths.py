"""The strengths of a stack's regularizers as tensors: one number a member, exactly 0 is off."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
import torch
from torch import Tensor

from pipeline.config.points import STRENGTHS, Point
from pipeline.training.device import place
from pipeline.training.regularizers import dropout_thresholds

DROPOUTS = ("dropout", "input_dropout", "output_dropout")


class Strengths:
    """Every strength of the points of a stack's members.

    Attributes:
        on: by name, whether any member's is above 0: an operation that is off for all is left out.
        exact: by name (member,) in float64.
        values: by name (member,) in the type of training; `max_norm` is inf where it is off, and `decay` is learning
            rate times weight decay.
        dropped: by name of a dropout, its integer thresholds (member,) and scales (member,).
    """

    def __init__(self, points: Sequence[Point], dtype: torch.dtype) -> None:
        self.exact = {name: np.array([getattr(point, name) for point in points]) for name in STRENGTHS}
        self.on = {name: bool(values.any()) for name, values in self.exact.items()}
        changed = {
            "max_norm": np.array([point.max_norm or inf for point in points]),
            "decay": np.array([point.learning_rate * point.weight_decay for point in points]),
        }
        device, numbers = points[0].device, self.exact | changed
        self.values = {name: place(torch.from_numpy(values).to(dtype), device) for name, values in numbers.items()}
        self.dropped: dict[str, tuple[Tensor, Tensor]] = {}
        for name in DROPOUTS:
            thresholds, scales = dropout_thresholds(self.exact[name].tolist())
            self.dropped[name] = (
                place(torch.from_numpy(thresholds), device),
                place(torch.from_numpy(scales).to(dtype), device),
            )

    def where_on(self, name: str) -> Tensor | None:
        """The values (member,) of a strength, or None where it is off for all."""
        return self.values[name] if self.on[name] else None
