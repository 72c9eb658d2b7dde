"""The map's file, `textbook/map.yaml`: over which grid of training rows and wrong labels which arms compete."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from pipeline.config.claims import Cell, Experiment
from pipeline.config.fields import MOST, LearningRates, Name, Probability, Strength, Strict, as_tuple
from pipeline.config.points import Fit, Network, expand
from pipeline.config.reading import check_names, explained, read_yaml, validate
from pipeline.core.errors import InputError
from pipeline.core.paths import MAP
from pipeline.data.sources import MOST_SEPARATION, Mixture

Rows = Annotated[int, Field(ge=3, le=1_000_000)]


class Task(Strict):
    """The mixture that is drawn at every place of the map, but for its training rows and wrong labels."""

    features: int = Field(ge=1, description="Number of features.")
    classes: int = Field(ge=2, description="Number of classes.")
    components: int = Field(ge=1, description="Gaussian components of each class.")
    separation: Strength = Field(
        le=MOST_SEPARATION, description="Scale of the component means, in standard deviations."
    )
    validation: int = Field(ge=2, description="Validation rows of each seed.")
    test: int = Field(ge=2, description="Rows of the test set that all seeds share.")


class Recipe(Network, Fit):
    """How every network of the map is trained, but for what an arm sets."""

    learning_rate: LearningRates = Field(min_length=1, description="Rates that every arm may take.")


class MapParams(Strict):
    """The grid, the arms and what they are trained on."""

    rows: Annotated[tuple[Rows, ...], BeforeValidator(as_tuple)] = Field(
        min_length=1, max_length=MOST, description="Training rows."
    )
    label_noise: Annotated[tuple[Probability, ...], BeforeValidator(as_tuple)] = Field(
        min_length=1, max_length=MOST, description="Probabilities that a label is replaced by another class."
    )
    seeds: int = Field(ge=4, le=1000, description="Paired seeds; one half chooses for the other.")
    task: Task = Field(description="The data.")
    recipe: Recipe = Field(description="The networks.")
    least: Strength = Field(description="Smallest gain of interest, in nats.")
    arms: dict[Name, dict[str, Any]] = Field(
        min_length=2, description="Rows of hyperparameters, lists are sweeps; the first is the baseline."
    )

    @field_validator("rows", "label_noise")
    @classmethod
    def _must_rise(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if list(values) != sorted(set(values)):
            raise ValueError(f"must rise, got {list(values)}")
        return values

    def source(self, rows: int, label_noise: float) -> Mixture:
        """The data set at a place of the map."""
        return Mixture(kind="mixture", train=rows, label_noise=label_noise, **self.task.model_dump())


def load_map(path: Path) -> MapParams:
    """Read and check the map's file.

    Raises:
        InputError: the file cannot be read, or a key is unknown, missing, of the wrong type or out of range.
    """
    raw = read_yaml(path)
    arms = raw.get("arms")
    check_names(arms if isinstance(arms, dict) else (), path, "arms")
    params = validate(MapParams, raw, path, "")
    arm_cells(params, path)
    return params


def arm_cells(params: MapParams, path: Path) -> dict[str, dict[str, Cell]]:
    """Every arm's cells by their labels: all its strengths at all learning rates.

    Raises:
        InputError: an arm sets what is unknown or out of range, or two arms have a cell in common.
    """
    base = {**params.recipe.model_dump(), "learning_rate": params.recipe.learning_rate[0]}
    rates = list(params.recipe.learning_rate)
    cells: dict[str, dict[str, Cell]] = {
        name: expand(Cell, {**row, "learning_rate": rates}, base, path, f"arms.{name}", "as it is")
        for name, row in params.arms.items()
    }
    _must_differ(cells, path)
    return cells


def _must_differ(cells: Mapping[str, Mapping[str, Cell]], path: Path) -> None:
    seen: dict[Cell, str] = {}
    for name, arm in cells.items():
        for cell in arm.values():
            if cell in seen:
                raise InputError(f"{path}: arms.{name}: must differ from arms.{seen[cell]}, got an equal cell in both")
            seen[cell] = name


def experiment_of(cells: Mapping[str, Mapping[str, Cell]]) -> Experiment:
    """All cells of all arms, one after the other, as an experiment."""
    labelled = {f"{name}: {label}": cell for name, arm in cells.items() for label, cell in arm.items()}
    return Experiment(datasets=("map",), grid=labelled)


def explain_map() -> str:
    """Every key that the map's file may hold, by section."""
    inherited = {*Network.model_fields, *Fit.model_fields}
    return "\n\n".join(
        [
            explained(str(MAP), MapParams),
            explained("task", Task),
            explained("recipe, beside what a network and a fit may set", Recipe, omit=inherited),
        ]
    )
