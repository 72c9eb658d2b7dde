"""What does the textbook say, and how is it measured? Sentences, experiments and effects, typed and strict.

`claims.yaml` is data: an experiment is a grid of cells that are trained on some data sets, an effect is a paired
difference between two of its cells, and a claim holds if its effects do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.fields import Name, Names, Probability, Strength, Strict, as_tuple, is_name
from pipeline.config.points import Point, expand
from pipeline.config.reading import check_names, explained, look_up, read_yaml, validate
from pipeline.core.errors import InputError
from pipeline.data.sources import DatasetParams

CHOICE = "validation/nll"  # by which one of several cells is chosen, seed by seed
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

    datasets: Names = Field(min_length=1, description="Names under ledger.datasets.")
    cells: dict[str, Cell] = Field(
        alias="grid",
        description="Rows of hyperparameters, in which every list is a sweep; a `recipe` beside it is what they share.",
    )
    history: bool = Field(default=False, description="Measure NLL and accuracy on the way, for `metric@epoch`.")
    input_noise: Annotated[tuple[Strength, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="Standard deviations of noise on the test inputs, for `test~0.5/...`."
    )
    samples: int = Field(
        default=0,
        ge=0,
        description="Dropout masks of the Monte Carlo mean, for `sampled/...`, and `scaled/...` on the same rows.",
    )
    weights: bool = Field(
        default=False, description="Measure the weights, for `weights/norm` and `validation/input_gradient`."
    )
    audit: bool = Field(default=False, description="Audit the estimators of calibration on the trained networks.")

    @property
    def needs_weights(self) -> bool:
        """Whether anything is measured on them."""
        return self.weights or self.samples > 0


class Effect(Strict):
    """A metric of one cell minus that of another, paired by seed, and which way the sentence says that it goes."""

    says: str = Field(min_length=1, description="What is measured, in words.")
    metric: str = Field(min_length=1, description="Such as test/nll, gap/nll, test_ts/debiased, train/nll@200.")
    experiment: str = Field(default="", description="Measured in another experiment than the claim's.")
    of: Selectors = Field(default=({},), description="Which cell; of several, the best on validation by seed.")
    against: Selectors | float = Field(default=({},), description="Which other cell, or a number.")
    against_metric: str = Field(default="", description="The other's metric, if it is another one.")
    each: Names = Field(default=(), description="Fields of cells: the effect is measured at every value of theirs.")
    direction: Literal["lower", "higher", "same"] = Field(description="Which way it goes.")
    least: Strength = Field(description="Smallest difference of interest; of `same`, the largest that is none.")
    datasets: Names = Field(default=(), description="On these data sets of the experiment only.")
    denied: bool = Field(default=False, description="The sentence says that there is no such effect.")


class Shows(Strict):
    """What a claim's figure shows beside its effects: metrics over an axis, a line for each value of a field."""

    y: Names = Field(min_length=1, description="Metrics, a panel each.")
    x: str = Field(description=f"A field of cells, or {', '.join(AXES)}.")
    by: Names = Field(default=(), description="Fields of cells: one line for each of their values.")
    experiment: str = Field(default="", description="Of another experiment than the claim's.")
    datasets: Names = Field(default=(), description="On these data sets of the experiment only.")
    where: Selector = Field(default_factory=dict, description="Of these cells only.")
    together: bool = Field(default=False, description="All metrics in one panel.")


class Claim(Strict):
    """A sentence, and the effects that it stands or falls with."""

    sentence: str = Field(min_length=1, description="What the textbook says.")
    source: str = Field(min_length=1, description="Where.")
    experiment: str = Field(default="", description="The experiment that its effects are measured in.")
    effects: Annotated[tuple[Effect, ...], BeforeValidator(as_tuple)] = Field(default=(), description="What must hold.")
    checks: Names = Field(
        default=(), description="Names of exact checks that must hold, see pipeline/textbook/exact_checks.py."
    )
    quantifier: Literal["all", "any"] = Field(
        default="all", description="Every effect on every data set must hold, or one of them (`can hurt`)."
    )
    shows: Annotated[tuple[Shows, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="What its figure shows beside the effects."
    )
    note: str = Field(default="", description="What a reader should know of it.")

    @model_validator(mode="after")
    def _must_have_an_experiment(self) -> Claim:
        if not (self.effects or self.checks):
            raise ValueError("must have effects or checks, got neither")
        named = [effect.experiment for effect in self.effects] + [shown.experiment for shown in self.shows]
        if not (self.experiment or all(named)):
            raise ValueError("effects and figures need an experiment, got none")
        return self


class Topic(Strict):
    """Claims about one thing, and the experiments that they are measured in."""

    experiments: dict[Name, Experiment] = Field(description="By name.")
    claims: dict[Id, Claim] = Field(min_length=1, description="By id.")


class Ledger(Strict):
    """What all topics share; its `recipe` is what all cells share, keys of a variant or of a cell."""

    seeds: int = Field(ge=3, le=1000, description="Paired seeds of every cell; the jackknife needs three.")
    datasets: dict[Name, DatasetParams] = Field(min_length=1, description="As in params.yaml.")


class Claims(Strict):
    """All of claims.yaml."""

    ledger: Ledger
    topics: dict[Name, Topic]


def load_textbook(path: Path) -> Claims:
    """Read and check `claims.yaml`.

    Raises:
        InputError: the file cannot be read, a key is unknown, missing, of the wrong type or out of range, or an effect
            names what its experiment does not have.
    """
    raw = read_yaml(path)
    if not (isinstance(raw, dict) and isinstance(raw.get("topics"), dict) and isinstance(raw.get("ledger"), dict)):
        raise InputError(f"{path}: must hold the sections ledger and topics, got {raw!r:.80}")
    check_names(raw["topics"], path, "topics")
    ledger = {**raw["ledger"]}
    recipe = ledger.pop("recipe", {})
    validate(Cell, recipe, path, "ledger.recipe")
    topics = {name: _with_cells(topic, recipe, path, f"topics.{name}") for name, topic in raw["topics"].items()}
    claims = validate(Claims, {**raw, "ledger": ledger, "topics": topics}, path, "")
    for name, topic in claims.topics.items():
        _check(topic, claims.ledger, f"{path}: topics.{name}")
    return claims


def _with_cells(topic: Any, recipe: Mapping[str, Any], path: Path, where: str) -> Any:
    """A topic whose grids have become cells."""
    if not isinstance(topic, dict):
        raise InputError(f"{path}: {where}: must hold experiments and claims, got {topic!r}")
    experiments = topic.get("experiments") or {}
    if not isinstance(experiments, dict):
        raise InputError(f"{path}: {where}.experiments: must be a mapping of names, got {experiments!r}")
    check_names(experiments, path, f"{where}.experiments")
    return {
        **topic,
        "experiments": {
            name: _experiment(experiment, recipe, path, f"{where}.experiments.{name}")
            for name, experiment in experiments.items()
        },
    }


def _experiment(raw: Any, recipe: Mapping[str, Any], path: Path, where: str) -> dict[str, Any]:
    if not (isinstance(raw, dict) and "grid" in raw):
        raise InputError(f"{path}: {where}.grid: this key is missing")
    rest = {key: value for key, value in raw.items() if key not in ("grid", "recipe")}
    base = {**recipe, **(raw.get("recipe") or {})}
    return {**rest, "grid": expand(Cell, raw["grid"], base, path, f"{where}.grid", "as it is")}


def _check(topic: Topic, ledger: Ledger, where: str) -> None:
    for name, experiment in topic.experiments.items():
        for dataset in experiment.datasets:
            look_up(dataset, ledger.datasets, f"{where}.experiments.{name}.datasets")
    for name, claim in topic.claims.items():
        at = f"{where}.claims.{name}"
        for index, effect in enumerate(claim.effects):
            _check_effect(effect, _experiment_of(effect, claim, topic, at), f"{at}.effects.{index}")
        for index, shown in enumerate(claim.shows):
            _check_shown(shown, _experiment_of(shown, claim, topic, at), f"{at}.shows.{index}")


def _experiment_of(part: Effect | Shows, claim: Claim, topic: Topic, where: str) -> Experiment:
    return look_up(part.experiment or claim.experiment, topic.experiments, f"{where}.experiment")


def _check_effect(effect: Effect, experiment: Experiment, where: str) -> None:
    _check_datasets(effect.datasets, experiment, where)
    for levels in combinations_of(experiment, effect.each, f"{where}.each"):
        selected(experiment, effect.of, f"{where}.of", levels)
        if not isinstance(effect.against, float):
            selected(experiment, effect.against, f"{where}.against", levels)


def _check_shown(shown: Shows, experiment: Experiment, where: str) -> None:
    _check_datasets(shown.datasets, experiment, where)
    selected(experiment, [shown.where], f"{where}.where")
    for field in (*shown.by, shown.x):
        if field not in AXES:
            look_up(field, Cell.model_fields, where)


def _check_datasets(names: Names, experiment: Experiment, where: str) -> None:
    for name in names:
        look_up(name, {known: known for known in experiment.datasets}, f"{where}.datasets")


def selected(
    experiment: Experiment, selectors: Sequence[Selector], where: str, levels: Mapping[str, Any] = MappingProxyType({})
) -> list[int]:
    """The positions of an experiment's cells that one of the selectors names: all its fields have one of its values.

    `levels` are fields and values that hold for all of them beside.

    Raises:
        InputError: there is no such field, or no such cell.
    """
    wanted = [{**selector, **levels} for selector in selectors]
    for field in dict.fromkeys(field for selector in wanted for field in selector):
        look_up(field, Cell.model_fields, where)
    found = [
        index
        for index, cell in enumerate(experiment.cells.values())
        if any(all(getattr(cell, field) in values for field, values in selector.items()) for selector in wanted)
    ]
    if not found:
        raise InputError(f"{where}: must name a cell of the grid ({'; '.join(experiment.cells)}), got {wanted}")
    return found


def combinations_of(experiment: Experiment, fields: Sequence[str], where: str) -> list[dict[str, tuple[Any]]]:
    """The values of these fields that occur together in the grid, one selector for each combination."""
    for field in fields:
        look_up(field, Cell.model_fields, where)
    found = [tuple(getattr(cell, field) for field in fields) for cell in experiment.cells.values()]
    return [dict(zip(fields, ((value,) for value in values), strict=True)) for values in dict.fromkeys(found)]


def explain_textbook() -> str:
    """Every key that claims.yaml may hold, by section."""
    topic, inherited = "topics.NAME", set(Point.model_fields)
    return "\n\n".join(
        [
            explained("ledger", Ledger),
            explained(topic, Topic),
            explained(f"{topic}.experiments.NAME", Experiment),
            explained(f"{topic}.experiments.NAME.grid, beside what a variant may set", Cell, omit=inherited),
            explained(f"{topic}.claims.ID", Claim),
            explained(f"{topic}.claims.ID.effects", Effect),
            explained(f"{topic}.claims.ID.shows", Shows),
        ]
    )
