"""Contenders of the champion's benchmark: what people would pick, fitted and calibrated.

Each is fitted on all training rows ("single") and on five folds of them, whose mean is the "bag". Both are taken as
they are and calibrated as the champion is, by Platt or temperature scaling on the rows that each fold has not seen.
Parameters that are not given are the library's own. LightGBM stops early on the rows that a fold leaves out, and on a
fifth of all rows where it is single; the others hold out rows of their own, or none. TabM is single only: six fits
would take minutes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier

from benchmarks.champion_tables import Split
from pipeline.calibration.calibrator import calibrate, fit_calibrator
from pipeline.reporting.text.contest import CHAMPION

FOLDS = 5
TREES = 500

Rows = Any  # an array or a frame
Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]
Fit = Callable[[Rows, Labels, tuple[Rows, Labels], int], Any]
"""Training rows, their classes, rows to stop early on, seed: what has `predict_proba`."""


@dataclass(frozen=True)
class Contender:
    """A model that people would pick.

    Attributes:
        title: what readers call it.
        view: what it sees of the rows.
        fit: see `Fit`.
        library: the package that it comes from.
        floor: least probability that its calibrator sees, half a vote of a forest.
        bag: whether it is fitted on folds too, to be bagged and calibrated.
        form: in which one would use it.
    """

    title: str
    view: Literal["scaled", "trees", "native"]
    fit: Fit
    library: str = "scikit-learn"
    floor: float = 1e-9
    bag: bool = True
    form: Literal["single", "bag"] = "single"


def _logistic(x: Rows, y: Labels, _: tuple[Rows, Labels], __: int) -> Any:
    model = LogisticRegressionCV(
        Cs=10, scoring="neg_log_loss", max_iter=2000, l1_ratios=(0.0,), use_legacy_attributes=False
    )
    return model.fit(x, y)


def _boosting(x: Rows, y: Labels, _: tuple[Rows, Labels], seed: int) -> Any:
    return HistGradientBoostingClassifier(early_stopping=True, random_state=seed).fit(x, y)


def _forest(x: Rows, y: Labels, _: tuple[Rows, Labels], seed: int) -> Any:
    return RandomForestClassifier(n_estimators=TREES, random_state=seed).fit(x, y)


def _mlp(x: Rows, y: Labels, _: tuple[Rows, Labels], seed: int) -> Any:
    return MLPClassifier(random_state=seed).fit(x, y)


def _mlp_stopped(x: Rows, y: Labels, _: tuple[Rows, Labels], seed: int) -> Any:
    return MLPClassifier(early_stopping=True, max_iter=1000, random_state=seed).fit(x, y)


def _lightgbm(x: Rows, y: Labels, held: tuple[Rows, Labels], seed: int) -> Any:
    from lightgbm import LGBMClassifier, early_stopping  # noqa: PLC0415

    model = LGBMClassifier(n_estimators=2000, learning_rate=0.05, random_state=seed, n_jobs=1, verbose=-1)
    return model.fit(x, y, eval_set=[held], callbacks=[early_stopping(50, verbose=False)])


def _realmlp(x: Rows, y: Labels, _: tuple[Rows, Labels], seed: int) -> Any:
    """Without label smoothing and with the epoch of least log-loss, as its documentation has it for log-loss."""
    from pytabkit import RealMLP_TD_Classifier  # noqa: PLC0415

    model = RealMLP_TD_Classifier(
        device="cpu", random_state=seed, n_threads=1, val_metric_name="cross_entropy", use_ls=False
    )
    return model.fit(x, y)


def _tabm(x: Rows, y: Labels, _: tuple[Rows, Labels], seed: int) -> Any:
    """With the epoch of least log-loss."""
    from pytabkit import TabM_D_Classifier  # noqa: PLC0415

    model = TabM_D_Classifier(device="cpu", random_state=seed, n_threads=1, val_metric_name="cross_entropy")
    return model.fit(x, y)


CONTENDERS = {
    "logistic": Contender("LogisticRegressionCV", "scaled", _logistic),
    "boosting": Contender("HistGradientBoosting", "trees", _boosting),
    "forest": Contender("RandomForest", "scaled", _forest, floor=0.5 / TREES),
    "mlp": Contender("MLPClassifier", "scaled", _mlp),
    "mlp_stopped": Contender("MLPClassifier, early stopping", "scaled", _mlp_stopped),
    "lightgbm": Contender("LightGBM", "trees", _lightgbm, "lightgbm", form="bag"),
    "realmlp": Contender("RealMLP-TD", "native", _realmlp, "pytabkit"),
    "tabm": Contender("TabM-D", "native", _tabm, "pytabkit", bag=False),
}
RIVALS = ("logistic", "boosting", "forest", "mlp", "mlp_stopped")
"""What the champion must not lose to."""
NAMES = (CHAMPION, *CONTENDERS)


def losses(name: str, rows: Split, seed: int) -> dict[str, float]:
    """Test log-loss in nats of each form of a contender; the champion has one."""
    if name == CHAMPION:
        from pipeline import RegularizedClassifier  # noqa: PLC0415

        model = RegularizedClassifier(random_state=seed).fit(rows.raw[0], rows.labels[0])
        return {"single": _loss(model.predict_proba(rows.raw[1]), rows.labels[1])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence: the default number of iterations is part of the default
        return _forms(CONTENDERS[name], rows, seed)


def library(name: str) -> str:
    """The package that a contender comes from, with its version."""
    if name == CHAMPION:
        return "this project"
    package = CONTENDERS[name].library
    return f"{package} {version(package)}"


def _forms(contender: Contender, rows: Split, seed: int) -> dict[str, float]:
    (x, test), y = getattr(rows, contender.view), rows.labels[0]
    part, held = train_test_split(np.arange(len(y)), test_size=1 / FOLDS, stratify=y, random_state=seed)
    part = part if contender.fit is _lightgbm else np.arange(len(y))  # all others need no rows to stop early on
    forms = {"single": _fitted(contender, x, y, (part, held), seed).predict_proba(test)}
    if contender.bag:
        parts, unseen = [], np.zeros((len(y), y.max() + 1))
        for part, held in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y):
            model = _fitted(contender, x, y, (part, held), seed)
            unseen[held] = model.predict_proba(_take(x, held))
            parts.append(model.predict_proba(test))
        forms["bag"] = np.mean(parts, axis=0, dtype=np.float64)
        forms |= _calibrated(forms, unseen, y, contender.floor)
    return {form: _loss(probabilities, rows.labels[1]) for form, probabilities in forms.items()}


def _fitted(contender: Contender, x: Rows, y: Labels, rows: tuple[Labels, Labels], seed: int) -> Any:
    part, held = rows
    return contender.fit(_take(x, part), y[part], (_take(x, held), y[held]), seed)


def _calibrated(
    forms: dict[str, Probabilities], unseen: Probabilities, y: Labels, floor: float
) -> dict[str, Probabilities]:
    """Every form by the calibrator of the rows that each fold has not seen."""
    calibrator = fit_calibrator(_logs(unseen, floor), y)
    return {
        f"{form}, calibrated": softmax(calibrate(_logs(probabilities, floor), calibrator), axis=1)
        for form, probabilities in forms.items()
    }


def _take(x: Rows, rows: NDArray[np.int64]) -> Rows:
    return x.iloc[rows].reset_index(drop=True) if hasattr(x, "iloc") else x[rows]


def _logs(probabilities: Probabilities, floor: float) -> NDArray[np.float64]:
    return np.log(np.maximum(np.asarray(probabilities, np.float64), floor))


def _loss(probabilities: Probabilities, labels: Labels) -> float:
    """Mean log-loss; a probability of 0 counts as 2.2e-16, as scikit-learn has it."""
    values = np.asarray(probabilities, np.float64)
    return float(log_loss(labels, values / values.sum(axis=1, keepdims=True), labels=np.arange(values.shape[1])))
