"""What is a finished file made from? Where that is the same it is kept; and the data set that all begins with."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.data import datasets
from pipeline.data.data import Dataset
from pipeline.ground import store
from pipeline.ground.layout import data_file

# what a finished file depends on besides its input: folders or modules of this package, and libraries
TRAINING = (
    "calibration.calibrate calibration.predictions data ground.arithmetic ground.noise networks "
    "params.fields params.points params.reading params.tasks",
    "numpy scipy torch",
)
SCORING = ("calibration data ground.arithmetic ground.noise", "numpy scikit-learn scipy")
MEASURING = (
    "calibration data experiments ground.arithmetic ground.noise networks "
    "params.fields params.points params.reading params.tasks "
    "statistics.diagrams statistics.flips statistics.intervals statistics.overlap",
    "numpy scipy scikit-learn torch",
)
PACKAGE = Path(__file__).parents[1]


def load_data(dataset: str) -> Dataset:
    """A data set that `generate` has stored."""
    return datasets.from_arrays(*store.read_arrays(data_file(dataset)))


def described(dataset: str) -> dict[str, Any]:
    """What finished tables say of a data set."""
    source = data_file(dataset)
    _, about = store.read_arrays(source)
    own = {"name": dataset, "feature_names": about["features"], "md5": store.dvc_digest(source)}
    return {**about["summary"], **own}


def made_from(*depends: tuple[str, str], parts: Sequence[object] = (), files: Sequence[Path]) -> str:
    """A fingerprint of code and libraries (such as `TRAINING`), of JSON-ready parts, and of files."""
    names, libraries = (dict.fromkeys(" ".join(every).split()) for every in zip(*depends, strict=True))
    code = dict.fromkeys(path for name in names for path in code_of(name))
    return store.fingerprint({name: version(name) for name in libraries}, *parts, files=[*files, *code])


def code_of(name: str) -> list[Path]:
    """The files of a folder, or of a module, of this package."""
    place = PACKAGE / name.replace(".", "/")
    return sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
