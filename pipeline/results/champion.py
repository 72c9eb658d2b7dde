"""Records of a champion: its parts, what each is worth, and how it does on test rows."""

from __future__ import annotations

from typing import Annotated

from pipeline.core.strict_model import OmitDefault
from pipeline.results.decisions import DecisionResult
from pipeline.results.event_scores import Estimate, EventDiagram, EventScores
from pipeline.results.record import Record


class PartResult(Record):
    """A recipe of the library.

    Attributes:
        name: of the recipe.
        kind: "network", "linear" or "trees".
        held_out: log-loss of rows that it was not fitted on, calibrated, nats.
        share: of the blend, 0 where it was not selected.
    """

    name: str
    kind: str
    held_out: float
    share: float


class RowMean(Record):
    """A mean over test rows with its 95% interval."""

    mean: float
    low: float
    high: float


class Contender(Record):
    """A model on the test rows.

    Attributes:
        name: of the model.
        nll: log-loss, nats.
        brier: multiclass Brier score, 0 to 2.
        accuracy: share of correct predictions.
        difference: its log-loss minus the champion's, paired by row; above 0 the champion is better.
    """

    name: str
    nll: RowMean
    brier: RowMean
    accuracy: RowMean
    difference: RowMean


class CalibratorResult(Record):
    """How the blend is calibrated.

    Attributes:
        name: of the calibrator.
        losses: cross-fitted log-loss of all that it was chosen among; nothing where rows or errors were too few.
    """

    name: str
    losses: dict[str, float]


class ChampionCalibration(Record):
    """How well the champion's probabilities of test rows are calibrated.

    Attributes:
        event: of class 1 of two, or of the top label where there are more.
        each: of every class against the rest; none of two.
        gain: log-loss after another calibrator, fitted on other test rows, minus before; below 0 where it would help.
        diagram: of the event.
    """

    event: EventScores
    each: tuple[EventScores, ...]
    gain: Estimate
    diagram: EventDiagram


class SetResult(Record):
    """Conformal prediction sets of test rows.

    Attributes:
        method: "lac" or "aps".
        asked: the share of rows whose set is to hold their class.
        covered: the share whose set does.
        size: classes of a set.
    """

    method: str
    asked: float
    covered: RowMean
    size: RowMean


class ChampionResults(Record):
    """The model that is handed over.

    Attributes:
        dataset: that it was fitted on.
        classes: their names.
        train: rows that it was fitted on, in `folds` folds.
        test: rows that judge it.
        parts: of the library, those with the largest share first.
        held_out: log-loss of the blend on the rows that have selected it.
        cross_fitted: the same where selection and calibrator did not see the rows; what it is more is winner's curse.
        champion: on the test rows.
        contenders: others on the same rows: the champion without networks, without trees and linear models, and
            ordinary models.
        calibrator: of the blend.
        calibration: of its probabilities of the test rows.
        sets: conformal sets by each method.
        decisions: what each rule costs, where params.yaml says what mistakes cost.
    """

    dataset: str
    classes: tuple[str, ...]
    train: int
    test: int
    folds: int
    parts: tuple[PartResult, ...]
    held_out: float
    cross_fitted: float
    champion: Contender
    contenders: tuple[Contender, ...]
    calibrator: CalibratorResult
    calibration: ChampionCalibration
    sets: tuple[SetResult, ...]
    decisions: Annotated[tuple[DecisionResult, ...], OmitDefault()] = ()
