"""The textbook's files: `textbook/textbook.yaml`, what all topics share, and one file a topic, typed and strict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.config.claims import (
    AXES,
    Cell,
    Claim,
    Effect,
    Experiment,
    Shows,
    Topic,
    combinations_of,
    selected,
)
from pipeline.config.fields import Name, Names, Strict
from pipeline.config.points import Point, expand
from pipeline.config.reading import check_names, explained, look_up, read_yaml, validate
from pipeline.core.errors import InputError
from pipeline.core.paths import NO_CLAIM, NO_TOPIC, TEXTBOOK
from pipeline.data.sources import DatasetParams


class Textbook(Strict):
    """What all topics share."""

    topics: Names = Field(min_length=1, description="Names of the files of claims beside this one, in their order.")
    seeds: int = Field(ge=3, le=1000, description="Paired seeds of every cell; the jackknife needs three.")
    recipe: Cell = Field(description="What all cells share, keys of a variant or of a cell.")
    datasets: dict[Name, DatasetParams] = Field(min_length=1, description="As in params.yaml.")
    groups: dict[Name, Names] = Field(
        default_factory=dict, description="Names for several of the datasets, which an experiment may name instead."
    )


def load_textbook(path: Path) -> Textbook:
    """Read and check what all topics share.

    Raises:
        InputError: the file cannot be read, or a key is unknown, missing, of the wrong type or out of range.
    """
    raw = read_yaml(path)
    topics = raw.get("topics")
    check_names(topics if isinstance(topics, list) else (), path, "topics")
    textbook = validate(Textbook, raw, path, "")
    for name in textbook.topics:
        if name in NO_TOPIC or textbook.topics.count(name) > 1:
            others = " and ".join(NO_TOPIC)
            raise InputError(f"{path}: topics: must be different names, none of them {others}, got {name!r}")
    for name, members in textbook.groups.items():
        for member in members:
            look_up(member, textbook.datasets, f"{path}: groups.{name}")
    return textbook


def load_topic(path: Path, textbook: Textbook) -> Topic:
    """Read and check the file of one topic.

    Raises:
        InputError: the file cannot be read, a key is unknown, missing, of the wrong type or out of range, or an effect
            names what its experiment does not have.
    """
    raw = read_yaml(path)
    topic = validate(Topic, {**raw, "experiments": _experiments(raw, textbook, path)}, path, "")
    for name, experiment in topic.experiments.items():
        for dataset in experiment.datasets:
            look_up(dataset, textbook.datasets, f"{path}: experiments.{name}.datasets")
        if experiment.seeds > textbook.seeds:
            where, most = f"{path}: experiments.{name}.seeds", textbook.seeds
            raise InputError(f"{where}: must be at most those of {TEXTBOOK.name}, {most}, got {experiment.seeds}")
    for name, claim in topic.claims.items():
        if name in NO_CLAIM:
            raise InputError(f"{path}: claims: {', '.join(NO_CLAIM)} are other figures, got {name!r}")
        _check_claim(claim, topic, f"{path}: claims.{name}")
    return topic


def _experiments(raw: Mapping[str, Any], textbook: Textbook, path: Path) -> dict[str, object]:
    """The experiments of a topic's file, whose grids have become cells."""
    experiments = raw.get("experiments") or {}
    if not isinstance(experiments, dict):
        raise InputError(f"{path}: experiments: must be a mapping of names, got {experiments!r}")
    check_names(experiments, path, "experiments")
    return {name: _experiment(each, textbook, path, f"experiments.{name}") for name, each in experiments.items()}


def _experiment(raw: object, textbook: Textbook, path: Path, where: str) -> dict[str, object]:
    if not (isinstance(raw, dict) and "grid" in raw):
        raise InputError(f"{path}: {where}.grid: this key is missing")
    rest = {key: value for key, value in raw.items() if key not in ("grid", "recipe")}
    recipe = raw.get("recipe") or {}
    if not isinstance(recipe, dict):
        raise InputError(f"{path}: {where}.recipe: must be a row of hyperparameters, got {recipe!r}")
    base = {**textbook.recipe.model_dump(), **recipe}
    if isinstance(names := raw.get("datasets"), list):
        rest["datasets"] = [each for name in names for each in _members(name, textbook)]
    return {**rest, "grid": expand(Cell, raw["grid"], base, path, f"{where}.grid", "as it is")}


def _members(name: object, textbook: Textbook) -> list[object]:
    """The data sets of a group; a data set stands for itself."""
    return [*textbook.groups[name]] if isinstance(name, str) and name in textbook.groups else [name]


def _check_claim(claim: Claim, topic: Topic, where: str) -> None:
    for index, effect in enumerate(claim.effects):
        _check_effect(effect, _experiment_of(effect, claim, topic, where), f"{where}.effects.{index}")
    for index, shows in enumerate(claim.shows):
        _check_shows(shows, _experiment_of(shows, claim, topic, where), f"{where}.shows.{index}")


def _experiment_of(part: Effect | Shows, claim: Claim, topic: Topic, where: str) -> Experiment:
    return look_up(part.experiment or claim.experiment, topic.experiments, f"{where}.experiment")


def _check_effect(effect: Effect, experiment: Experiment, where: str) -> None:
    _check_datasets(effect.datasets, experiment, where)
    for levels in combinations_of(experiment, effect.each, f"{where}.each"):
        selected(experiment, effect.of, f"{where}.of", levels)
        if not isinstance(effect.against, float):
            selected(experiment, effect.against, f"{where}.against", levels)


def _check_shows(shows: Shows, experiment: Experiment, where: str) -> None:
    _check_datasets(shows.datasets, experiment, where)
    selected(experiment, [shows.where], f"{where}.where")
    for field in shows.by:
        look_up(field, Cell.model_fields, f"{where}.by")
    look_up(shows.x, dict.fromkeys([*AXES, *Cell.model_fields]), f"{where}.x")


def _check_datasets(names: Names, experiment: Experiment, where: str) -> None:
    for name in names:
        look_up(name, dict.fromkeys(experiment.datasets), f"{where}.datasets")


def explain_textbook() -> str:
    """Every key that the textbook's files may hold, by section."""
    inherited = set(Point.model_fields)
    return "\n\n".join(
        [
            explained(str(TEXTBOOK), Textbook),
            explained(str(TEXTBOOK.with_name("TOPIC.yaml")), Topic),
            explained("experiments.NAME", Experiment),
            explained("experiments.NAME.grid, beside what a variant may set", Cell, omit=inherited),
            explained("claims.ID", Claim),
            explained("claims.ID.effects", Effect),
            explained("claims.ID.shows", Shows),
        ]
    )
