"""Every parameter of the laboratory: typed, frozen and strict.

`params.yaml` is read once by `load`; a mistake in it ends in an `InputError` that names the key path and the
value. A variant expands to points, and a point is one complete row of hyperparameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.config.baselines import BASELINES, Baseline, read_baselines
from pipeline.config.champion import STORABLE, Champion, Recipe, with_recipes
from pipeline.config.dimensions import Choices, Dimension, Range
from pipeline.config.fields import Name, Names, Strict
from pipeline.config.points import Network, Point, Regularizers, Train, Variant, expand
from pipeline.config.reading import check_names, explained, printable, read_yaml, validate
from pipeline.config.search_space import LEARNING_RATE, Pruner, Sampler, Search
from pipeline.config.settings import Setting, word
from pipeline.core.errors import InputError
from pipeline.core.paths import NO_DATASET
from pipeline.data.sources import SOURCES, DatasetParams


class Ensembles(Strict):
    """Averages of networks that share a split, which the winners of the search are compared with."""

    members: int = Field(ge=1, le=1000, description="Networks of an average; with 1 there are no averages.")
    splits: int = Field(
        ge=2, description="Splits that they are compared on, the first of the study's; fewer than 6 allow no verdict."
    )


class Study(Strict):
    """What is run."""

    datasets: Names = Field(min_length=1, description="Names under `datasets` that the study trains on.")
    seeds: int = Field(
        ge=2,
        le=10_000,
        description="Paired seeds of every point: fewer than 6 decide nothing, 29 reveal a P(better) of 0.75.",
    )
    least_effect: float = Field(
        ge=0,
        allow_inf_nan=False,
        description="Smallest gain in NLL, in nats, that is worth a recommendation: the interval must lie beyond it.",
    )
    ensembles: Ensembles = Field(description="Averages of the search's winners.")


class Params(Strict):
    """All of params.yaml."""

    datasets: dict[Name, DatasetParams] = Field(min_length=1)
    network: Network
    train: Train
    variants: dict[Name, Variant]
    search: Search
    baselines: dict[Name, Baseline]
    champion: Champion
    study: Study

    @property
    def base(self) -> Point:
        """The unregularized point, at the first learning rate."""
        rate = self.train.learning_rate[0]
        return Point.model_validate({**dict(self.network), **dict(self.train), "learning_rate": rate})

    @property
    def tuning_seeds(self) -> range:
        """Seeds on which learning rates and strengths are chosen: after those of the study and of its A/A check."""
        return range(2 * self.study.seeds, 2 * self.study.seeds + self.search.seeds)

    @property
    def ensemble_seeds(self) -> dict[int, int]:
        """Seeds of the further networks of ensembles, after all others, each with the split whose rows it has.

        They are ordered by member, then by split. The first network of a split is the study's own, of the split's seed.
        """
        ensembles, first = self.study.ensembles, self.tuning_seeds.stop
        further = (ensembles.members - 1) * ensembles.splits
        return {first + place: place % ensembles.splits for place in range(further)}


def load_params(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        InputError: the file cannot be read, or a key is unknown, missing, of the wrong type or out of range.
    """
    return params_of(read_yaml(path), path)


def params_of(raw: dict[str, Any], path: Path) -> Params:
    """The parameters in the values of a file; `path` is what messages call it.

    Raises:
        InputError: a key is unknown, missing, of the wrong type or out of range.
    """
    validate(Network, raw.get("network"), path, "network")
    rates = validate(Train, raw.get("train"), path, "train").learning_rate
    _check_datasets(_section(raw, "datasets", path), path)
    bases = [{**raw["network"], **raw["train"], "learning_rate": rate} for rate in rates]
    variants = _section(raw, "variants", path)
    expanded = {name: _expand(name, rows, bases, path) for name, rows in variants.items()}
    sections = {"variants": expanded, "champion": with_recipes(_section(raw, "champion", path), bases[0], path)}
    if "baselines" in raw:
        sections["baselines"] = read_baselines(raw["baselines"], path)
    params = validate(Params, {**raw, **sections}, path, "")
    _check_champion(params, path)
    _check_study(params, path)
    _check_search(params, path)
    return params


def _section(raw: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = raw.get(name)
    if not isinstance(section, dict) or not section:
        raise InputError(f"{path}: {name}: must be a mapping of names, got {section!r}")
    check_names(section, path, name)
    return section


def _check_datasets(section: dict[str, Any], path: Path) -> None:
    """A data set's results have a folder beside what is of all data sets together."""
    for name in section:
        if name in NO_DATASET:
            others = ", ".join(NO_DATASET)
            raise InputError(f"{path}: datasets: {others} are other files of reports/, got {name!r}")


def _expand(name: str, rows: Any, bases: Sequence[dict[str, Any]], path: Path) -> Variant:
    """A row or a list of rows, in which every list value is a sweep, becomes points at the learning rate of each base.

    A row that sets a learning rate of its own is one candidate.
    """
    at_rates = [expand(Point, rows, base, path, f"variants.{name}", name) for base in bases]
    candidates = [tuple(dict.fromkeys(points)) for points in zip(*(each.values() for each in at_rates), strict=True)]
    return Variant(name=name, candidates=tuple(candidates), labels=tuple(at_rates[0]))


def _check_study(params: Params, path: Path) -> None:
    for name in params.study.datasets:
        if name not in params.datasets:
            known = ", ".join(params.datasets)
            raise InputError(f"{path}: study.datasets: must name a key of datasets ({known}), got {name!r}")
    if len(set(params.study.datasets)) < len(params.study.datasets):
        raise InputError(f"{path}: study.datasets: names must differ, got {list(params.study.datasets)}")
    splits, seeds = params.study.ensembles.splits, params.study.seeds
    if splits > seeds:
        raise InputError(f"{path}: study.ensembles.splits: must be study.seeds ({seeds}) or fewer, got {splits}")
    _check_reference(params.variants, path)


def _check_search(params: Params, path: Path) -> None:
    """Every strength must be one of `Regularizers`, all extremes together a point, and a first choice what is off."""
    known = (LEARNING_RATE, *Regularizers.model_fields)
    space = params.search.space
    for name in space:
        if name not in known:
            raise InputError(f"{path}: search.space: must name strengths ({', '.join(known)}), got {printable(name)}")
    base = params.base.model_dump()
    for row in _extremes(space):
        validate(Point, {**base, **row}, path, "search.space")
    for name, off in Regularizers():
        if name in space and space[name].unset != off:
            got = f"{word(off)}, got {word(space[name].unset)}"
            raise InputError(f"{path}: search.space.{name}: the first choice must be what is off, {got}")


def _extremes(space: Mapping[str, Dimension]) -> list[dict[str, Setting]]:
    """The first extremes of all dimensions, the second ones, and so on; one that has no more stays at its last."""
    most = max(len(dimension.extremes) for dimension in space.values())
    return [
        {name: dimension.extremes[min(place, len(dimension.extremes) - 1)] for name, dimension in space.items()}
        for place in range(most)
    ]


def _check_champion(params: Params, path: Path) -> None:
    """What stands beside the networks must be a baseline that can be stored."""
    for name in params.champion.estimators:
        row = params.baselines.get(name)
        if row is None or row.estimator not in STORABLE:
            known = ", ".join(each for each, row in params.baselines.items() if row.estimator in STORABLE) or "none"
            must = f"must name baselines that are a {' or '.join(STORABLE)} (there are {known})"
            raise InputError(f"{path}: champion.estimators: {must}, got {name!r}")


def _check_reference(variants: dict[str, Variant], path: Path) -> None:
    """All points are compared with the first of `none`, and a replicate of that one is the A/A check."""
    if "none" not in variants:
        raise InputError(f"{path}: variants.none: must be there: all other points are compared with it")
    reference = variants["none"].points[0]
    for field, off in {**dict(Regularizers()), "replicate": 0}.items():
        if (value := getattr(reference, field)) != off:
            raise InputError(f"{path}: variants.none.{field}: must be {off} in the first point, got {value}")
    for name, variant in variants.items():
        for point in variant.points:
            if point.replicate and point.model_copy(update={"replicate": 0}) != reference:
                raise InputError(f"{path}: variants.{name}.replicate: only the first point of none is repeated, got 1")


def explain_params() -> str:
    """Every key that params.yaml may hold, by section: whether it must be given, and what it means."""
    elsewhere = {
        key: section for section, model in (("network", Network), ("train", Train)) for key in model.model_fields
    }
    search: dict[str, type[Strict]] = {
        "": Search,
        ".space.NAME, a number": Range,
        ".space.NAME, no number": Choices,
        ".sampler": Sampler,
        ".pruner": Pruner,
    }
    return "\n\n".join(
        [
            *(explained(f"datasets.NAME, kind: {kind}", source, omit={"kind"}) for kind, source in SOURCES.items()),
            explained("network", Network),
            explained("train", Train),
            explained("variants.NAME", Point, elsewhere=elsewhere),
            *(explained(f"search{title}", model) for title, model in search.items()),
            *(
                explained(f"baselines.NAME, estimator: {name}", model, omit={"estimator"})
                for name, model in BASELINES.items()
            ),
            explained("champion", Champion),
            explained("champion.portfolio.NAME", Recipe, elsewhere=elsewhere, omit={"replicate"}),
            explained("study", Study),
            explained("study.ensembles", Ensembles),
        ]
    )
