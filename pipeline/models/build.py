"""The network that a point asks for."""

from __future__ import annotations

from math import isqrt

from pipeline.config.points import Point
from pipeline.core.errors import InputError
from pipeline.models.conv import Convolution
from pipeline.models.gru import Recurrent
from pipeline.models.mlp import Perceptron
from pipeline.models.network import Network


def build(point: Point, features: int, classes: int) -> Network:
    """The network of a point for so many features and classes.

    Raises:
        InputError: the architecture reads images, and the features are no square.
    """
    if point.architecture == "mlp":
        return Perceptron((features, *point.hidden, classes), point.batch_norm)
    side = isqrt(features)
    if side**2 != features:
        raise InputError(f"architecture {point.architecture} needs a square number of features, got {features}")
    if point.architecture == "conv":
        return Convolution(side, point.hidden, classes, point.shared_dropout)
    return Recurrent(side, point.hidden[0], classes, point.shared_dropout)
