"""Scopes of metrics: the rows that they are computed on, and what their functions are given."""

from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from pipeline.calibration.calibrator import Calibrator
from pipeline.metrics.calibration_error import Uniforms
from pipeline.metrics.decompositions import Corp, ExcessRisk, corp_decomposition, excess_risk
from pipeline.metrics.predictions import Predictions
from pipeline.metrics.probabilities import Floats

Given = TypeVar("Given")


@dataclass(frozen=True)
class Split:
    """The predictions of all rows of a split at one stage, with what its metrics share.

    Attributes:
        predictions: `(S, n, K)` with labels; on test with the posterior, if known.
        refinement: `(S,)` log-loss after cross-fitted calibration of the logits as trained, nats.
    """

    predictions: Predictions
    refinement: Floats

    @cached_property
    def corp(self) -> Corp:
        """Parts of the top label's Brier score."""
        return corp_decomposition(self.predictions)


@dataclass(frozen=True)
class TestSplit(Split):
    """The test split, or its first rows under another condition.

    Attributes:
        uniforms: `(resamples, n)` uint16 for `calibration_p_value`.
    """

    uniforms: Uniforms

    @cached_property
    def excess(self) -> ExcessRisk:
        """Risk beyond the posterior."""
        return excess_risk(self.predictions)


@dataclass(frozen=True)
class Scope(Generic[Given]):
    """Where metrics are computed, and what their functions are given."""

    name: str


ROWS = Scope[Predictions]("any rows: every split, and groups of test rows")
BINARY = Scope[Predictions]("any rows of two classes")
SPLIT = Scope[Split]("all rows of a split")
TEST = Scope[TestSplit]("all rows of test")
POSTERIOR = Scope[TestSplit]("all rows of test, where the posterior is known")
CALIBRATOR = Scope[Calibrator]("the calibrator fitted on validation")
