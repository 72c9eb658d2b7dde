"""What is known of a model that is handed over, made by hand."""

import numpy as np

from pipeline.calibration.conformal import fit_conformal
from pipeline.champion.judge import calibration_of, sets_of
from pipeline.results.champion import CalibratorResult, ChampionResults, Contender, PartResult, RowMean

_GENERATOR = np.random.default_rng(0)
PROBABILITIES = _GENERATOR.dirichlet(np.ones(10), 400)
LABELS = np.array([_GENERATOR.choice(10, p=row) for row in PROBABILITIES])
CLASSES = tuple("0123456789")


def _contender(name: str, nll: float, difference: float) -> Contender:
    return Contender(
        name=name,
        nll=RowMean(mean=nll, low=nll - 0.02, high=nll + 0.02),
        brier=RowMean(mean=0.051, low=0.042, high=0.063),
        accuracy=RowMean(mean=0.967, low=0.951, high=0.983),
        difference=RowMean(mean=difference, low=difference - 0.01, high=difference + 0.01),
    )


DIGITS = ChampionResults(
    dataset="digits",
    classes=CLASSES,
    train=400,
    test=1000,
    folds=5,
    parts=(
        PartResult(name="dropout", kind="network", held_out=0.131, share=0.5),
        PartResult(name="boosted_trees", kind="trees", held_out=0.142, share=0.3),
        PartResult(name="logistic_regression", kind="linear", held_out=0.153, share=0.2),
        PartResult(name="noise", kind="network", held_out=0.164, share=0.0),
    ),
    held_out=0.1,
    cross_fitted=0.108,
    champion=_contender("champion", 0.12, 0.0),
    contenders=(_contender("without networks", 0.13, 0.01), _contender("random_forest", 0.2, 0.08)),
    calibrator=CalibratorResult(
        name="temperature scaling", losses={"temperature scaling": 0.11, "vector scaling": 0.12}
    ),
    calibration=calibration_of(PROBABILITIES, LABELS, CLASSES),
    sets=sets_of(fit_conformal(PROBABILITIES, LABELS), PROBABILITIES, LABELS, coverage=0.9),
)
