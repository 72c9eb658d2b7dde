"""The model that `champion` has stored, by the name of its data set, its folder or file, or as MLflow names it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.fields import is_name
from pipeline.core.arrays import read_arrays
from pipeline.core.errors import InputError
from pipeline.core.paths import model_file

if TYPE_CHECKING:
    from pipeline.champion.storage import Model


REGISTERED = "models:/"


def load_model(model: str) -> Model:
    """A model, by the name of its data set, the path of its folder or file, or MLflow's models:/NAME@ALIAS.

    Raises:
        InputError: there is none, or it is damaged.
    """
    if model.startswith(REGISTERED):
        return _registered(model)
    path = _place(model)
    if not path.is_file():
        raise InputError(f"{path}: there is no model; `dvc repro` fits one for every data set of the study")
    return _read(path, name=str(path))


def _registered(model: str) -> Model:
    from pipeline.tracking.registry import downloaded  # noqa: PLC0415
    from pipeline.tracking.store import tracking_uri  # noqa: PLC0415

    with downloaded(model, uri=tracking_uri(Path.cwd())) as path:
        return _read(path, name=model)


def _read(path: Path, *, name: str) -> Model:
    from pipeline.champion.storage import from_arrays  # noqa: PLC0415

    return from_arrays(*read_arrays(path), name=name)


def _place(model: str) -> Path:
    if is_name(model) and not Path(model).exists():
        return model_file(model)
    path = Path(model)
    return path / model_file("any").name if path.is_dir() else path
