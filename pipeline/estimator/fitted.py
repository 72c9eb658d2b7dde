"""A fitted estimator as a file: the model's own, with what the estimator knows beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.champion.storage import Model, from_arrays, to_arrays
from pipeline.core.arrays import encode_arrays, read_arrays
from pipeline.core.errors import InputError
from pipeline.core.files import create_file


@dataclass(frozen=True)
class Fitted:
    """What fitting has found.

    Attributes:
        model: the champion, and how it reads rows.
        classes: as they were given.
        columns: how many rows have.
        names: of the columns; None where they have none.
        parts: of the library, with what each is worth.
        loss: of the blend on rows that it has not seen; None where it is not known.
    """

    model: Model
    classes: NDArray[Any]
    columns: int
    names: tuple[str, ...] | None
    parts: list[dict[str, Any]]
    loss: float | None


def write_fitted(path: Path, fitted: Fitted, params: Mapping[str, Any]) -> None:
    """Write a model with the estimator's parameters, to a new file.

    Raises:
        FileExistsError: there is another file of that name.
    """
    arrays, about = to_arrays(fitted.model)
    estimator = {
        "params": _plain(params),
        "classes": {"type": fitted.classes.dtype.str, "values": fitted.classes.tolist()},
        "columns": fitted.columns,
        "names": None if fitted.names is None else list(fitted.names),
        "parts": fitted.parts,
        "loss": fitted.loss,
    }
    create_file(path, encode_arrays(arrays, {**about, "estimator": estimator}))


def read_fitted(path: Path) -> tuple[Fitted, dict[str, Any]]:
    """What `write_fitted` has written, or a model of the command `champion`, and the estimator's parameters.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is no model, or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        arrays, about = read_arrays(path)
        model = from_arrays(arrays, about, str(path))
        known = about.get("estimator") or _of_command(model)
        fitted = Fitted(
            model=model,
            classes=np.array(known["classes"]["values"], dtype=np.dtype(known["classes"]["type"])),
            columns=known["columns"],
            names=None if known["names"] is None else tuple(known["names"]),
            parts=known["parts"],
            loss=known["loss"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = " ".join(str(error).split()).removeprefix(f"{path}: ")
        raise InputError(f"{path}: cannot be loaded: {why:.200}") from error
    return fitted, dict(known["params"])


def _of_command(model: Model) -> dict[str, Any]:
    """What is known of a model that a command has fitted: its columns are those that became features."""
    champion, names = model.champion, [column.name for column in model.schema.columns]
    parts = zip(champion.parts, champion.shares, strict=True)
    return {
        "params": {"folds": len(champion.views), "scale": champion.views[0].preprocessor.scale},
        "classes": {"type": "|O", "values": list(model.classes)},
        "columns": len(names),
        "names": names,
        "parts": [{"name": part.name, "kind": part.kind, "held_out": None, "share": share} for part, share in parts],
        "loss": None,
    }


def _plain(value: Any) -> Any:
    """A parameter as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
