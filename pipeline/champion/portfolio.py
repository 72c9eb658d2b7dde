"""The portfolio: which networks and estimators a library has, by the project's default or as rows say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.baselines import Baseline, read_baselines
from pipeline.config.champion import STORABLE, Champion, Recipe, with_recipes, with_steps
from pipeline.config.points import Network, Train
from pipeline.config.reading import check_names, look_up, read_yaml, validate
from pipeline.core.errors import InputError

if TYPE_CHECKING:
    from pipeline.champion.fit import EstimatorRecipe, NetworkRecipe

DEFAULT = Path(__file__).with_name("default.yaml")
"""Sections of params.yaml, as they are there."""

_GIVEN = Path("portfolio")  # what messages call rows that were given in Python


@dataclass(frozen=True)
class Portfolio:
    """What a library is made of.

    Attributes:
        networks: by name.
        estimators: baselines by name, each of a kind that can be stored.
    """

    networks: Mapping[str, Recipe]
    estimators: Mapping[str, Baseline]

    def first(self, networks: int) -> Portfolio:
        """With so many networks at most."""
        return replace(self, networks=dict(islice(self.networks.items(), networks)))

    def recipes(self, rows: int, *, least: int) -> tuple[list[NetworkRecipe], list[EstimatorRecipe]]:
        """What is fitted on so many training rows; networks train `least` steps or more."""
        return networks_of(self.networks, rows, least=least), estimators_of(self.estimators)


def networks_of(recipes: Mapping[str, Recipe], rows: int, *, least: int) -> list[NetworkRecipe]:
    """Networks with epochs enough for so many training rows."""
    from pipeline.champion.fit import NetworkRecipe  # noqa: PLC0415  (torch takes a second to import)

    return [
        NetworkRecipe(name, with_steps(recipe.point, rows, least=least), recipe.encoding)
        for name, recipe in recipes.items()
    ]


def estimators_of(rows: Mapping[str, Baseline]) -> list[EstimatorRecipe]:
    """Estimators by what their rows set."""
    from pipeline.champion.fit import EstimatorRecipe  # noqa: PLC0415
    from pipeline.models.baselines import make  # noqa: PLC0415

    return [EstimatorRecipe(name, STORABLE[row.estimator], partial(make, row)) for name, row in rows.items()]


@cache
def default_champion() -> tuple[Champion, Mapping[str, Baseline]]:
    """The default recipe, and the baselines that it may name."""
    raw = read_yaml(DEFAULT)
    section = with_recipes(raw["champion"], _base(raw), DEFAULT)
    return validate(Champion, section, DEFAULT, "champion"), read_baselines(raw["baselines"], DEFAULT)


def portfolio_of(rows: Mapping[str, Any] | None) -> Portfolio:
    """The default portfolio, or that of rows: those that name an `estimator` are baselines, all others networks.

    Raises:
        InputError: a row sets what is unknown or out of range, or names an estimator that cannot be stored.
    """
    if rows is None:
        champion, baselines = default_champion()
        return Portfolio(champion.recipes, {name: baselines[name] for name in champion.estimators})
    check_names(rows, _GIVEN, "rows")
    if not rows:
        raise InputError(f"{_GIVEN}: must have a row, got {{}}")
    estimators = {name: row for name, row in rows.items() if isinstance(row, Mapping) and "estimator" in row}
    for name, row in estimators.items():
        look_up(row["estimator"], STORABLE, f"{_GIVEN}: {name}.estimator")
    networks = {name: row for name, row in rows.items() if name not in estimators}
    return Portfolio(_networks(networks), read_baselines(estimators, _GIVEN))


def _networks(rows: Mapping[str, Any]) -> Mapping[str, Recipe]:
    """Rows as the default's stand in its section, with all that its rows share."""
    if not rows:
        return {}
    raw = read_yaml(DEFAULT)
    section = with_recipes(raw["champion"] | {"portfolio": rows}, _base(raw), _GIVEN)
    return validate(Champion, section, _GIVEN, "").recipes


def _base(raw: Mapping[str, Any]) -> dict[str, object]:
    """What a network is where nothing is said of it: as in params.yaml, at the first learning rate."""
    rates: Sequence[float] = validate(Train, raw["train"], DEFAULT, "train").learning_rate
    return {**dict(validate(Network, raw["network"], DEFAULT, "network")), **raw["train"], "learning_rate": rates[0]}
