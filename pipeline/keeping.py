"""What is a finished file made from? Where that is the same it is kept; and the data set that all begins with."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import datasets, store
from pipeline.data import Dataset
from pipeline.layout import data_file

# what a finished file depends on besides its input: modules of this package, and libraries
TRAINING = (
    "arithmetic calibrate config convolution data datasets fields kinds networks noise optimizers perceptron "
    "predictions recurrent regularize spaces stack train watch",
    "numpy scipy torch",
)
SCORING = (
    "arithmetic calibrate data datasets evaluation metrics noise predictions reliability score",
    "numpy scikit-learn scipy",
)
MEASURING = (
    "arithmetic bias_variance calibrate claims compare config convolution data datasets diagrams estimators "
    "evaluation experiments fields flips kinds measures metrics networks noise optimizers perceptron predictions "
    "probes recurrent regularize reliability samples score smoothing spaces stack train watch",
    "numpy scipy scikit-learn torch",
)


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
    """A fingerprint of modules and libraries (such as `TRAINING`), of JSON-ready parts, and of files."""
    modules, libraries = (" ".join(names).split() for names in zip(*depends, strict=True))
    code = [Path(__file__).with_name(f"{module}.py") for module in modules]
    return store.fingerprint({name: version(name) for name in libraries}, *parts, files=[*files, *dict.fromkeys(code)])
