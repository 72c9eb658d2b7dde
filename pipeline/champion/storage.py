"""Storage of a champion: named arrays and a JSON-ready description, in which no code hides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.affine import AffineCalibrator
from pipeline.calibration.calibrator import Calibrator
from pipeline.calibration.conformal import SCORES, Conformal, Method
from pipeline.champion.model import Champion, Part, Probabilities, View
from pipeline.champion.predictors import Arrays, LinearPredictor, NetworkPredictor, Predictor, TreesPredictor
from pipeline.config.points import Point
from pipeline.core.errors import InputError
from pipeline.data.piecewise_linear import PiecewiseLinear
from pipeline.data.preprocessor import Preprocessor
from pipeline.data.schema import Schema
from pipeline.data.tables.encoding import feature_names
from pipeline.metrics.decisions import Costs, cheapest

FORMAT = 2
"""Of the files; another one is refused."""


@dataclass(frozen=True)
class Model:
    """A champion with what reads a table for it.

    Attributes:
        champion: the fitted blend.
        schema: how a row of a table becomes features.
        classes: their names, in the order of the probabilities.
        conformal: scores of rows held out, for prediction sets.
        costs: (truth, decision) what deciding costs, where that was said.
    """

    champion: Champion
    schema: Schema
    classes: tuple[str, ...]
    conformal: Conformal
    costs: Costs | None = None

    def columns(self, probabilities: Probabilities) -> dict[str, list[str] | NDArray[np.float64]]:
        """What is told of rows: likeliest class, cheapest decision where costs are known, probability of every class.

        Equal probabilities go to the first class.
        """
        told: dict[str, list[str] | NDArray[np.float64]] = {"class": self._names(probabilities.argmax(axis=1))}
        if self.costs is not None:
            told["decision"] = self._names(cheapest(probabilities, self.costs))
        return told | {f"p_{name}": probabilities[:, place] for place, name in enumerate(self.classes)}

    def sets(self, probabilities: Probabilities, *, coverage: float, method: Method) -> list[str]:
        """The classes of each row's conformal set, with "|" between them, before which a name has a backslash."""
        names = [name.replace("|", "\\|") for name in self.classes]
        within = self.conformal.sets(probabilities, coverage=coverage, method=method)
        return ["|".join(name for name, inside in zip(names, row, strict=True) if inside) for row in within.tolist()]

    def _names(self, places: NDArray[np.int64]) -> list[str]:
        return [self.classes[place] for place in places.tolist()]


def to_arrays(model: Model) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """A model as named arrays and a JSON-ready description."""
    champion = model.champion
    arrays: dict[str, NDArray[Any]] = {"shares": np.array(champion.shares)}
    arrays |= {
        "calibrator/weights": champion.calibrator.weights,
        "calibrator/intercepts": champion.calibrator.intercepts,
    }
    arrays |= {f"conformal/{method}": getattr(model.conformal, method) for method in SCORES}
    arrays |= {} if model.costs is None else {"costs": model.costs}
    for number, view in enumerate(champion.views):
        fitted, _ = view.preprocessor.to_arrays()
        encoder = {"edges": view.encoder.edges, "plain": view.encoder.plain}
        arrays |= {f"view/{number}/{name}": array for name, array in {**fitted, **encoder}.items()}
    for place, part in enumerate(champion.parts):
        arrays |= _of_calibrator(f"part/{place}/", part.calibrator)
        for number, predictor in enumerate(part.predictors):
            arrays |= {f"part/{place}/{number}/{name}": array for name, array in predictor.arrays.items()}
    about = {
        "format": FORMAT,
        "classes": list(model.classes),
        "scale": champion.views[0].preprocessor.scale,
        "folds": len(champion.views),
        "parts": [_described(part) for part in champion.parts],
        "schema": model.schema.model_dump(mode="json"),
    }
    return arrays, about


def from_arrays(arrays: Arrays, about: Mapping[str, Any], name: str) -> Model:
    """The model that `to_arrays` took apart; `name` is what messages call its file.

    Raises:
        InputError: it is of another format, or damaged.
    """
    try:
        if about["format"] != FORMAT:
            raise InputError(f"{name}: must be of format {FORMAT}, got {about['format']!r}; train the model again")
        model = _model(arrays, about)
        with np.errstate(all="ignore"):
            _check(model)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError) as error:
        raise InputError(f"{name}: is no model, or damaged: {' '.join(str(error).split())[:200]}") from error
    return model


def _check(model: Model) -> None:
    """Raise ValueError unless the parts of a model go together: it can predict a row, and say what is to be told."""
    features = sum(len(feature_names(column)) for column in model.schema.columns)
    probabilities = model.champion.probabilities(np.zeros((1, features), dtype=np.float32))
    if probabilities.shape != (1, len(model.classes)):
        raise ValueError(f"probabilities must be of {len(model.classes)} classes, got {probabilities.shape[1]}")
    model.columns(probabilities)
    for method in SCORES:
        model.sets(probabilities, coverage=0.5, method=method)


def _model(arrays: Arrays, about: Mapping[str, Any]) -> Model:
    classes, folds = tuple(about["classes"]), range(about["folds"])
    views = [_view(_below(arrays, f"view/{number}/"), about["scale"]) for number in folds]
    features = len(views[0].preprocessor.center)
    parts = [
        Part(
            name=each["name"],
            kind=each["kind"],
            encoding=each["encoding"],
            calibrator=_calibrator(_below(arrays, f"part/{place}/")),
            predictors=[_predictor(_below(arrays, f"part/{place}/{k}/"), each, len(classes), features) for k in folds],
        )
        for place, each in enumerate(about["parts"])
    ]
    calibrator = AffineCalibrator(arrays["calibrator/weights"], arrays["calibrator/intercepts"])
    champion = Champion(views, parts, arrays["shares"].tolist(), calibrator)
    conformal = Conformal(**{method: arrays[f"conformal/{method}"] for method in SCORES})
    schema = Schema.model_validate(about["schema"], strict=False)
    return Model(champion, schema, classes, conformal, arrays.get("costs"))


def _view(arrays: Arrays, scale: str) -> View:
    preprocessor = Preprocessor.from_arrays(dict(arrays), {"scale": scale})
    return View(preprocessor, PiecewiseLinear(arrays["edges"], arrays["plain"]))


def _described(part: Part) -> dict[str, Any]:
    first = part.predictors[0]
    about = {"name": part.name, "kind": part.kind, "encoding": part.encoding}
    return about | ({"point": first.point.model_dump(mode="json")} if isinstance(first, NetworkPredictor) else {})


def _predictor(arrays: Arrays, about: Mapping[str, Any], classes: int, features: int) -> Predictor:
    match about["kind"]:
        case "network":
            return NetworkPredictor(Point.model_validate(about["point"], strict=False), classes, arrays["weights"])
        case "linear":
            return LinearPredictor(arrays["weights"], arrays["intercepts"])
        case "trees":
            known = {name: arrays[name] for name in ("nodes", "sizes", "start", "known")}
            return TreesPredictor(**known, classes=classes, features=features)
        case kind:
            raise ValueError(f"unknown kind of part {kind!r}")


def _below(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _of_calibrator(prefix: str, calibrator: Calibrator) -> dict[str, NDArray[Any]]:
    return {f"{prefix}calibrator": np.array([calibrator.slope, calibrator.intercept], dtype=np.float64)}


def _calibrator(arrays: Arrays) -> Calibrator:
    slope, intercept = arrays["calibrator"]
    return Calibrator(np.asarray(slope), np.asarray(intercept))
