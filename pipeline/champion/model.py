"""The champion as a model: parts with a predictor for each fold, their shares, and calibrators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy.typing import NDArray

from pipeline.calibration.affine import AffineCalibrator
from pipeline.calibration.calibrator import Calibrator, calibrate
from pipeline.champion.predictors import Kind, Predictor
from pipeline.data.piecewise_linear import PiecewiseLinear
from pipeline.data.preprocessor import Preprocessor
from pipeline.data.row_blocks import by_blocks
from pipeline.metrics.probabilities import pick, softmax

Encoding = Literal["raw", "standard", "piecewise_linear"]
Features = Float32[np.ndarray, "rows features"]
Probabilities = Float64[np.ndarray, "rows classes"]

_LEAST = 1e-12  # of a probability, where its logarithm is taken


@dataclass(frozen=True)
class View:
    """What was fitted on the training rows of a fold to see rows by."""

    preprocessor: Preprocessor
    encoder: PiecewiseLinear

    def inputs(self, features: Features, encoding: Encoding) -> NDArray[Any]:
        """Rows as a part of this encoding sees them."""
        if encoding == "raw":
            return features
        standard = self.preprocessor.transform(features)
        return standard if encoding == "standard" else self.encoder.transform(standard)


@dataclass(frozen=True)
class Part:
    """One recipe, fitted on every fold.

    Attributes:
        name: of the recipe.
        kind: what it is.
        encoding: what it sees of a row.
        calibrator: of its out-of-fold logits.
        predictors: one for each fold.
    """

    name: str
    kind: Kind
    encoding: Encoding
    calibrator: Calibrator
    predictors: Sequence[Predictor]


@dataclass(frozen=True)
class Champion:
    """A blend: probabilities of parts, averaged over folds, then by their shares, then calibrated.

    Attributes:
        views: one for each fold.
        parts: those with a share.
        shares: (part,) above 0, together 1.
        calibrator: of the blend.
    """

    views: Sequence[View]
    parts: Sequence[Part]
    shares: Sequence[float]
    calibrator: AffineCalibrator

    def probabilities(self, features: Features) -> Probabilities:
        """Calibrated probabilities (row, class) of encoded rows; a row's bits depend on no other row."""
        return by_blocks(self._of_rows, features)

    def _of_rows(self, features: Features) -> Probabilities:
        encodings = {part.encoding for part in self.parts}
        seen = [{encoding: view.inputs(features, encoding) for encoding in encodings} for view in self.views]
        pairs = zip(self.parts, self.shares, strict=True)
        blend = np.add.reduce([share * _of_part(part, [each[part.encoding] for each in seen]) for part, share in pairs])
        return probabilities_of(self.calibrator.calibrate(log_of(blend)))


def _of_part(part: Part, inputs: Sequence[NDArray[Any]]) -> Probabilities:
    """Probabilities (row, class) of one part, calibrated, averaged over the folds, of which each has its inputs."""
    each = [
        calibrated(predictor.logits(rows), part.calibrator)
        for predictor, rows in zip(part.predictors, inputs, strict=True)
    ]
    mean: Probabilities = np.add.reduce(each) / len(each)
    return mean


def log_of(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms in nats, of 1e-12 for what is less."""
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities, _LEAST))
    return logs


def row_losses(probabilities: Probabilities, labels: Int64[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
    """Log-loss of each row in nats; a probability below 1e-12 counts as that."""
    return -log_of(pick(probabilities, labels))


def calibrated(logits: Float64[np.ndarray, "rows classes"], calibrator: Calibrator) -> Probabilities:
    """Probabilities (row, class) after calibration."""
    return probabilities_of(calibrate(logits, calibrator))


def probabilities_of(logits: Float64[np.ndarray, "rows classes"]) -> Probabilities:
    """Probabilities (row, class) of logits."""
    probabilities: Probabilities = softmax(logits)[0]
    return probabilities
