"""The model that `champion` has stored, by the name of its data set, its folder or its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.fields import is_name
from pipeline.core.errors import InputError
from pipeline.core.files import read_arrays
from pipeline.core.paths import model_file

if TYPE_CHECKING:
    from pipeline.champion.storage import Model


def load_model(model: str) -> Model:
    """A model, by the name of its data set, or the path of its folder or file.

    Raises:
        InputError: there is none, or it is damaged.
    """
    from pipeline.champion.storage import from_arrays  # noqa: PLC0415

    path = _place(model)
    if not path.is_file():
        raise InputError(f"{path}: there is no model; `dvc repro` fits one for every data set of the study")
    return from_arrays(*read_arrays(path), name=str(path))


def _place(model: str) -> Path:
    if is_name(model) and not Path(model).exists():
        return model_file(model)
    path = Path(model)
    return path / model_file("any").name if path.is_dir() else path
