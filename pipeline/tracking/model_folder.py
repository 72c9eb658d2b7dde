"""The folder of a model as MLflow has it: the one file, code that reads it, signature, example and requirements."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.schema import CategoryColumn, Column, DateColumn, NumberColumn
from pipeline.data.tables.dates import ISO
from pipeline.data.tables.encoding import feature_names

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model as Description
    from mlflow.models import ModelSignature

    from pipeline.champion.storage import Model

PACKAGE = Path(__file__).parents[1]
CODE = Path(__file__).with_name("served_model.py")
FILE = "artifacts/model.safetensors"
CARD = "model_card.md"
REQUIRED = ("mlflow", "jaxtyping", "numpy", "pandas", "pydantic", "safetensors", "scikit-learn", "scipy", "torch")
"""What predicting imports."""


def save_folder(folder: Path, file: Path, model: Model, *, card: str, description: Description) -> None:
    """Write the folder of a model.

    Args:
        folder: a new one.
        file: of the model.
        model: what the file holds.
        card: Markdown.
        description: MLflow's, of the model's ids.
    """
    from mlflow.pyfunc import save_model  # noqa: PLC0415 (seconds)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's code gives some about itself
        save_model(
            folder,
            python_model=os.path.relpath(CODE),  # as are all paths that MLflow writes into the folder
            artifacts={"model": os.path.relpath(file)},
            code_paths=[str(PACKAGE)],
            signature=signature_of(model),
            input_example=example_of(model),
            pip_requirements=requirements(),
            mlflow_model=description,
        )
    (folder / CARD).write_text(card, encoding="utf-8")


def requirements() -> list[str]:
    """Pins of what predicting imports, as they are installed here, without a build's suffix such as `+cpu`."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in REQUIRED]


def signature_of(model: Model) -> ModelSignature:
    """Numbers as doubles, all else as strings; out come a class and a probability of each."""
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    kinds = {column.name: "double" if isinstance(column, NumberColumn) else "string" for column in model.schema.columns}
    told = model.columns(np.zeros((1, len(model.classes))))
    results = {name: "string" if isinstance(cells, list) else "double" for name, cells in told.items()}
    inputs, outputs = (Schema([ColSpec(kind, name) for name, kind in each.items()]) for each in (kinds, results))
    return ModelSignature(inputs, outputs)


def example_of(model: Model) -> pd.DataFrame:
    """A row that no one has: numbers in the middle of the training rows, first categories and first dates."""
    import pandas as pd  # noqa: PLC0415 (slow to import)

    return pd.DataFrame([dict(_example_cells(model))])


def _example_cells(model: Model) -> Iterator[tuple[str, float | str]]:
    centers, place = model.champion.views[0].preprocessor.center, 0
    for column in model.schema.columns:
        yield column.name, _example_cell(column, float(np.nan_to_num(centers[place])))
        place += len(feature_names(column))


def _example_cell(column: Column, center: float) -> float | str:
    match column:
        case NumberColumn():
            return float(f"{column.origin + center:.6g}")
        case CategoryColumn():
            return column.categories[0]
        case DateColumn():
            return _date(column)


def _date(column: DateColumn) -> str:
    """The first date of the training rows, as the column writes dates."""
    import pandas as pd  # noqa: PLC0415

    return column.first if column.format == ISO else pd.Timestamp(column.first).strftime(column.format)
