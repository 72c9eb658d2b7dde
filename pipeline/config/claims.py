"""Claims: sentences of the textbook, the effects that decide them, and the experiments that measure these.

An experiment is a grid of cells that are trained on some data sets, an effect is a paired difference between two of
its cells, and a claim holds if its effects do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.fields import MOST, Name, Names, Probability, Strength, Strict, as_tuple, is_name
from pipeline.config.points import Point
from pipeline.config.reading import look_up
from pipeline.core.errors import InputError

CHOICE = "validation/nll"  # by which one of several cells is chosen, seed by seed
CHOSEN = "chosen/"  # metrics that are not of the chosen cell but its field, as a logarithm to base 10
FIT = "fit="  # `validation/nll@fit=0.25`: where training NLL has fallen to a quarter of what it began with
# axes of figures beside the fields of cells; the last is that of weight decay, in epochs
EPOCH, INPUT_NOISE, CELL, TIMESCALE = AXES = ("epoch", "input_noise", "cell", "timescale")


def _as_set(value: object) -> object:
    """A number or word stands for itself alone; widths are a list already, so a set of them is a list of lists."""
    if not isinstance(value, list):
        return (value,)
    return tuple(tuple(item) if isinstance(item, list) else item for item in value)


Levels = Annotated[tuple[Any, ...], BeforeValidator(_as_set)]
Selector = dict[str, Levels]


def _as_sets(value: object) -> object:
    """One selector is a choice of one."""
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, dict) else value


def _id(value: object) -> object:
    if not (isinstance(value, str) and len(value) <= 60 and all(is_name(part) for part in value.split("."))):
        raise ValueError("ids are 1 to 60 letters, digits and underscores, with single dots between them")
    return value


Id = Annotated[str, BeforeValidator(_id)]  # of a claim: names, joined by dots
Finite = Annotated[float, Field(allow_inf_nan=False)]
Selectors = Annotated[tuple[Selector, ...], BeforeValidator(_as_sets), Field(min_length=1)]


class Cell(Point):
    """A point, and what its training rows are."""

    rows: int = Field(default=0, ge=0, description="So many training rows at most, the first; 0 takes all.")
    label_noise: Probability = Field(
        default=0.0, description="Probability that a training label is replaced by another class."
    )

    @property
    def point(self) -> Point:
        """How it is trained."""
        return Point.model_validate(self.model_dump(exclude={"rows", "label_noise"}))


class Experiment(Strict):
    """A grid of cells, all trained on the same paired seeds."""

    datasets: Names = Field(min_length=1, description="Names under datasets or groups in textbook.yaml.")
    seeds: int = Field(default=0, ge=0, description="Paired seeds of its cells, if fewer than textbook.yaml's.")
    cells: dict[str, Cell] = Field(
        alias="grid",
        description="Rows of hyperparameters, in which every list is a sweep; a `recipe` beside it is what they share.",
    )
    history: bool = Field(default=False, description="Record NLL and accuracy on the way, for `metric@epoch`.")
    input_noise: Annotated[tuple[Strength, ...], BeforeValidator(as_tuple)] = Field(
        default=(), max_length=MOST, description="Standard deviations of noise on the test inputs, for `test~0.5/...`."
    )
    samples: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Dropout masks, for their mean `sampled/...`, their geometric mean `geometric/...`, `masked/...` "
        "with one (eval() forgotten), `ablated/...` with half the units missing, and `scaled/...` without.",
    )
    weights: bool = Field(
        default=False,
        description="Record statistics of the weights, for `weights/norm` and `validation/input_gradient`.",
    )
    audit: bool = Field(default=False, description="Audit the estimators of calibration on the trained networks.")

    @property
    def needs_weights(self) -> bool:
        """Whether anything is computed from them."""
        return self.weights or self.samples > 0


class Effect(Strict):
    """A metric of one cell minus that of another, paired by seed, and which way the sentence says that it goes."""

    says: str = Field(min_length=1, description="What it is, in words.")
    metric: str = Field(min_length=1, description="Such as test/nll, gap/nll, test_calibrated/debiased, train/nll@200.")
    experiment: str = Field(default="", description="Measured in another experiment than the claim's.")
    of: Selectors = Field(default=({},), description="Which cell; of several, the best on validation by seed.")
    against: Selectors | Annotated[float, Field(allow_inf_nan=False)] = Field(
        default=({},), description="Which other cell, or a number."
    )
    against_metric: str = Field(default="", description="The other's metric, if it is another one.")
    each: Names = Field(default=(), description="Fields of cells: the effect is measured at every value of theirs.")
    direction: Literal["lower", "higher", "same"] = Field(description="Which way it goes.")
    least: Strength = Field(description="Smallest difference of interest; of `same`, the largest that is none.")
    datasets: Names = Field(default=(), description="On these data sets of the experiment only.")
    denied: bool = Field(default=False, description="The sentence says that there is no such effect.")
    aside: str = Field(
        default="", description="A setting of its own, in words: shown beside the sentence, it decides nothing."
    )


class Shows(Strict):
    """What a claim's figure shows beside its effects: metrics over an axis, a line for each value of a field."""

    y: Names = Field(min_length=1, description="Metrics, a panel each.")
    x: str = Field(description=f"A field of cells, or {', '.join(AXES)}.")
    by: Names = Field(default=(), description="Fields of cells: one line for each of their values.")
    experiment: str = Field(default="", description="Of another experiment than the claim's.")
    datasets: Names = Field(default=(), description="On these data sets of the experiment only.")
    where: Selector = Field(default_factory=dict, description="Of these cells only.")
    tuned: bool = Field(
        default=False, description="Where several cells stand at one place of a line, each seed takes the best."
    )
    together: bool = Field(default=False, description="All metrics in one panel.")


class Claim(Strict):
    """A sentence, and the effects that it stands or falls with."""

    sentence: str = Field(min_length=1, description="What the textbook says.")
    source: str = Field(min_length=1, description="Where.")
    experiment: str = Field(default="", description="The experiment that its effects are measured in.")
    effects: Annotated[tuple[Effect, ...], BeforeValidator(as_tuple)] = Field(default=(), description="What must hold.")
    checks: Names = Field(
        default=(), description="Names of exact checks that must hold, see pipeline/textbook/exact_checks."
    )
    quantifier: Literal["all", "any"] = Field(
        default="all", description="At a place every effect must hold, or one of them (`can hurt`)."
    )
    shows: Annotated[tuple[Shows, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="What its figure shows beside the effects."
    )
    note: str = Field(default="", description="What a reader should know of it.")

    @model_validator(mode="after")
    def _must_have_an_experiment(self) -> Claim:
        if not (self.effects or self.checks):
            raise ValueError("must have effects or checks, got neither")
        experiments = [effect.experiment for effect in self.effects] + [shows.experiment for shows in self.shows]
        if not (self.experiment or all(experiments)):
            raise ValueError("effects and figures need an experiment, got none")
        return self


class Topic(Strict):
    """Claims about one thing, and the experiments that they are measured in."""

    experiments: dict[Name, Experiment] = Field(description="By name.")
    claims: dict[Id, Claim] = Field(min_length=1, description="By id.")


def selected(
    experiment: Experiment,
    selectors: Sequence[Selector],
    where: str,
    levels: Mapping[str, Levels] = MappingProxyType({}),
) -> list[int]:
    """The positions of an experiment's cells that one of the selectors names: all its fields have one of its values.

    `levels` are fields and values that hold for all of them beside.

    Raises:
        InputError: there is no such field, or no such cell.
    """
    wanted = [{**selector, **levels} for selector in selectors]
    for field in dict.fromkeys(field for selector in wanted for field in selector):
        look_up(field, Cell.model_fields, where)
    positions = [
        index
        for index, cell in enumerate(experiment.cells.values())
        if any(all(getattr(cell, field) in values for field, values in selector.items()) for selector in wanted)
    ]
    if not positions:
        raise InputError(f"{where}: must name a cell of the grid ({'; '.join(experiment.cells)}), got {wanted}")
    return positions


def combinations_of(experiment: Experiment, fields: Sequence[str], where: str) -> list[dict[str, Levels]]:
    """The values of these fields that occur together in the grid, one selector for each combination."""
    for field in fields:
        look_up(field, Cell.model_fields, where)
    levels = [tuple(getattr(cell, field) for field in fields) for cell in experiment.cells.values()]
    return [dict(zip(fields, ((value,) for value in values), strict=True)) for values in dict.fromkeys(levels)]
