"""The champion as an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from jaxtyping import Bool, Float32
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from pipeline.calibration.conformal import SCORES, Conformal, fit_conformal
from pipeline.champion.model import row_losses
from pipeline.champion.portfolio import Portfolio, portfolio_of
from pipeline.champion.storage import Model
from pipeline.core.determinism import pin
from pipeline.core.errors import InputError
from pipeline.data.folds import folds_of
from pipeline.data.options import Scale
from pipeline.data.schema import CategoryColumn
from pipeline.data.tables.cells import text_of
from pipeline.data.tables.encoding import schema_of
from pipeline.estimator.fitted import Fitted, read_fitted, write_fitted
from pipeline.estimator.labels import labels_of
from pipeline.estimator.rows import (
    column_names,
    features_of_frame,
    features_of_numbers,
    is_frame,
    is_numeric,
    pool_of_frame,
    pool_of_numbers,
    takes_numbers,
    target_name,
    with_groups_that_suffice,
)
from pipeline.estimator.threads import own_threads

if TYPE_CHECKING:
    from pipeline.champion.library import Library
    from pipeline.data.dataset import Pool

SMALL_NETWORKS, SMALL_STEPS = 3, 0.2
"""The small budget: networks, and the share of `least_steps` that each trains at least."""
_SEEDS = 2**31
_NUMBERS = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
_A_COUNT = Interval(Integral, 1, None, closed="left")


class RegularizedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A calibrated blend of cross-fitted, regularized networks, boosted trees and logistic regression.

    Every part is fitted on all folds of the rows. Parts are selected greedily by the log-loss of the rows that each has
    not seen, and their average is calibrated on the same rows: `predict_proba` is meant to be taken at its word.

    Arrays, and frames of numbers alone, are taken as they are; NaN is a missing value. Any other DataFrame is
    understood as the project's tables are: categories, booleans, dates, numbers that are written as texts, missing
    values. What it asks is answered where there is a safe answer, and is one line of a `ValueError` where there is
    none. Rows that are equal, or belong to one group, are on one side of every fold.

    The same rows and parameters give the same bits on one machine. So they do on every x86-64 machine with AVX2, if
    this class was imported before numpy and torch were: the settings of both are read once.

    Parameters
    ----------
    budget : {"full", "small"} or int, default="full"
        Networks to train: all of the portfolio; its first 3 for a fifth of `least_steps`; or its first so many, 0 for
        trees and linear models alone. Small data take about a minute on one core with "full", seconds with "small".
    folds : int, default=5
        Folds of the rows, 2 to 20; every part is fitted on each. Fewer where the rows do not allow as many.
    size : int, default=25
        Picks of the greedy selection, with replacement; 1 keeps one network, as it was fitted on the first fold.
    least_steps : int, default=1500
        Steps that each network trains at least: few rows need more epochs.
    portfolio : dict, default=None
        The library, a row for each part, as `champion.portfolio` and `baselines` in params.yaml have them:
        `{"dropout": {"dropout": [0.1, 0.3]}, "trees": {"estimator": "HistGradientBoostingClassifier"}}`. Rows with an
        `estimator` (also "LogisticRegressionCV") are scikit-learn's, others are networks; lists are sweeps. None is
        the project's own.
    scale : {"standard", "robust", "quantile"}, default="standard"
        How networks and linear models see numbers; the latter two suit values far from the others.
    options : dict, default=None
        What else is to be known of the columns of a DataFrame, as a data set's entry in params.yaml has it:
        `{"dates": {"joined": "%d/%m/%Y"}, "categorical": ["zip"], "group": "patient"}`.
    n_jobs : int, default=None
        Workers; None is 1 unless joblib's context says otherwise, -1 all processors. They change no bit.
    random_state : int, default=None
        Of the folds, the networks' weights and all other random numbers. None is 0: fits repeat exactly.

    Attributes:
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, in the order of the columns of `predict_proba`.
    n_features_in_ : int
        Columns that `fit` saw.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names; only where all of them are strings.
    parts_ : list of dict
        Every part of the library, the largest share first: its `name`, `kind`, `share` of the blend, and `held_out`
        log-loss on the rows that it has not seen.
    held_out_loss_ : float
        Log-loss of the blend in nats, on rows that neither fitted a part nor chose or calibrated the blend; None where
        a command has fitted the model.

    Examples:
    --------
    >>> from pipeline import RegularizedClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = RegularizedClassifier(budget=0).fit(X, y)
    >>> model.predict(X[:2])
    array([0, 0])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "budget": [StrOptions({"full", "small"}), Interval(Integral, 0, None, closed="left")],
        "folds": [Interval(Integral, 2, 20, closed="both")],
        "size": [_A_COUNT],
        "least_steps": [Interval(Integral, 0, None, closed="left")],
        "portfolio": [dict, None],
        "scale": [StrOptions({"standard", "robust", "quantile"})],
        "options": [dict, None],
        "n_jobs": [Integral, None],
        "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both"), None],
    }

    def __init__(  # noqa: PLR0913  (scikit-learn has every parameter here)
        self,
        *,
        budget: Literal["full", "small"] | int = "full",
        folds: int = 5,
        size: int = 25,
        least_steps: int = 1500,
        portfolio: Mapping[str, Any] | None = None,
        scale: Scale = "standard",
        options: Mapping[str, object] | None = None,
        n_jobs: int | None = None,
        random_state: int | None = None,
    ) -> None:
        self.budget = budget
        self.folds = folds
        self.size = size
        self.least_steps = least_steps
        self.portfolio = portfolio
        self.scale = scale
        self.options = options
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the library on all rows, and blend its parts.

        Raises:
            ValueError: a parameter, a column or the classes cannot be used.
        """
        pin()
        self._validate_params()
        portfolio = self._portfolio()
        pool, classes = self._pool(X, y)
        with own_threads():
            library = self._library(pool, portfolio)
        if not library.candidates:
            raise InputError("portfolio: every network diverged; lower their learning_rate")
        champion, fresh = library.blend(size=int(self.size)).champion, library.cross_fitted(size=int(self.size))
        names = getattr(self, "feature_names_in_", None)
        fitted = Fitted(
            model=Model(champion, schema_of(pool), pool.classes, fit_conformal(fresh, library.labels)),
            classes=classes,
            columns=self.n_features_in_,
            names=None if names is None else tuple(names),
            parts=[dict(part) for part in library.results(champion)],
            loss=float(row_losses(fresh, library.labels).mean()),
        )
        return self._take(fitted)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Calibrated probabilities (row, class); a row's depend on no other row.

        Raises:
            ValueError: the columns are not those of `fit`, or a cell cannot be read.
        """
        check_is_fitted(self)
        features = self._features(X)
        with own_threads():
            return self._fitted.model.champion.probabilities(features)

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of each row."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        predicted: NDArray[Any] = self.classes_[likeliest]
        return predicted

    def predict_set(
        self, X: Any, *, coverage: float = 0.9, method: Literal["lac", "aps"] = "lac"
    ) -> Bool[np.ndarray, "rows classes"]:
        """Which classes (row, class) belong to each row's conformal set: it holds the row's own with this probability.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            New rows.
        coverage : float, default=0.9
            Above 0, below 1.
        method : {"lac", "aps"}, default="lac"
            The smallest sets, or sets that are larger where a row is hard.
        """
        if not 0 < coverage < 1 or method not in SCORES:
            raise InputError(f"coverage must lie between 0 and 1, and method be lac or aps; got {coverage}, {method!r}")
        conformal: Conformal = self._fitted.model.conformal
        return conformal.sets(self.predict_proba(X), coverage=coverage, method=method)

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to a new file, whole or not at all: numbers and JSON, in which no code hides.

        The command `predict` takes the file too.

        Raises:
            FileExistsError: there is another file of that name, which is left alone.
        """
        check_is_fitted(self)
        write_fitted(Path(path), self._fitted, self.get_params())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The estimator that `save` has written, to the bit, or a model that the command `champion` has.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no model, or damaged.
        """
        pin()
        fitted, params = read_fitted(Path(path))
        return cls(**params)._take(fitted)

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect: missing values are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` has come to its end."""
        return hasattr(self, "_fitted")

    def _portfolio(self) -> Portfolio:
        """What is fitted within the budget."""
        portfolio = portfolio_of(self.portfolio)
        if self.budget == "full":
            return portfolio
        chosen = portfolio.first(SMALL_NETWORKS if self.budget == "small" else int(self.budget))
        if not chosen.networks and not chosen.estimators:
            raise InputError(f"budget and portfolio must leave a part to fit; got budget={self.budget!r}")
        return chosen

    def _pool(self, X: Any, y: Any) -> tuple[Pool, NDArray[Any]]:
        """Rows as a pool, and the classes as they were given."""
        numbers = self.options is None and (not is_frame(X) or is_numeric(X))
        rows = validate_data(self, X, **_NUMBERS) if numbers else self._checked_frame(X, reset=True)
        labels, classes = labels_of(rows, y)
        target = CategoryColumn(name=target_name(X, y), categories=tuple(text_of(each) for each in classes.tolist()))
        if not numbers:
            pool = pool_of_frame(rows, labels, target, self.options or {})
        else:
            names = getattr(self, "feature_names_in_", None)
            pool = pool_of_numbers(rows, column_names(names, rows.shape[1]), labels, target)
        return with_groups_that_suffice(pool, int(self.folds)), classes

    def _library(self, pool: Pool, portfolio: Portfolio) -> Library:
        """All parts, fitted on every fold."""
        from pipeline.champion.fit import fit_library  # noqa: PLC0415  (torch takes a second to import)

        seed, count = int(self.random_state or 0), min(int(self.folds), len(pool.labels) // 2)
        folds = folds_of(pool, np.arange(len(pool.labels)), folds=count, seed=seed)
        least = round(self.least_steps * (SMALL_STEPS if self.budget == "small" else 1))
        networks, estimators = portfolio.recipes(len(folds[0].train), least=least)
        jobs, first = effective_n_jobs(self.n_jobs), seed * count % _SEEDS  # type: ignore[arg-type]  # None is a number too
        return fit_library(
            networks, estimators, pool, folds, scale=self.scale, jobs=jobs, tick=lambda _: None, seed=first
        )

    def _features(self, X: Any) -> Float32[np.ndarray, "rows features"]:
        """Rows as the champion takes them."""
        schema = self._fitted.model.schema
        names = column_names(self._fitted.names, self.n_features_in_)
        if takes_numbers(schema, names) and (not is_frame(X) or is_numeric(X)):
            return features_of_numbers(validate_data(self, X, reset=False, **_NUMBERS), schema)
        return features_of_frame(self._checked_frame(X, reset=False), schema)

    def _checked_frame(self, X: Any, *, reset: bool) -> Any:
        """A DataFrame with rows, whose columns are those of `fit`."""
        if not is_frame(X):
            raise InputError(f"X must be a DataFrame with the columns that `fit` is given; got {type(X).__name__}")
        if len(X) == 0:
            raise InputError(f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required.")
        return validate_data(self, X, reset=reset, skip_check_array=True)

    def _take(self, fitted: Fitted) -> Self:
        """Be fitted."""
        self._fitted = fitted
        self.classes_ = fitted.classes
        self.n_features_in_ = fitted.columns
        if fitted.names is not None:
            self.feature_names_in_ = np.array(fitted.names, dtype=object)
        self.parts_ = fitted.parts
        self.held_out_loss_ = fitted.loss
        return self
