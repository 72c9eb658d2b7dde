"""The section of the champion: rows with sweeps, and what is wrong in one line."""

from __future__ import annotations

from typing import Any

import pytest
from project import STUDY

from pipeline.config.champion import with_steps
from pipeline.config.params import params_of
from pipeline.core.errors import InputError
from pipeline.core.paths import PARAMS


def section(**changes: Any) -> dict[str, Any]:
    return {**STUDY, "champion": {**STUDY["champion"], **changes}}


def test_a_sweep_is_several_recipes_with_names_of_their_own() -> None:
    portfolio = {
        "noise": {"noise": 0.3, "encoding": ["standard", "piecewise_linear"]},
        "strong": {"dropout": [0.2, 0.5], "weight_decay": 0.1},
        "plain": {},
    }
    champion = params_of(section(portfolio=portfolio), PARAMS).champion
    assert list(champion.recipes) == [
        "noise", "noise encoding=piecewise_linear", "strong dropout=0.2", "strong dropout=0.5", "plain",
    ]  # fmt: skip
    assert champion.recipes["noise encoding=piecewise_linear"].encoding == "piecewise_linear"
    assert champion.recipes["strong dropout=0.5"].point.dropout == 0.5
    assert not hasattr(champion.recipes["plain"].point, "encoding")


def test_rows_share_what_is_common() -> None:
    common = {"learning_rate": 0.02, "averaging": 0.5}
    portfolio = {"one": {}, "two": {"averaging": 0.9}}
    one, two = params_of(section(common=common, portfolio=portfolio), PARAMS).champion.recipes.values()
    assert (one.learning_rate, one.averaging) == (0.02, 0.5)
    assert (two.learning_rate, two.averaging) == (0.02, 0.9)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"folds": 1}, "champion.folds: should be greater than or equal to 2, got 1"),
        ({"size": 0}, "champion.size: should be greater than or equal to 1, got 0"),
        ({"pots": 3}, "champion.pots: unknown key (its value is 3)"),
        ({"portfolio": {}}, "champion.portfolio: "),
        ({"portfolio": [{}]}, "champion.portfolio: must be a mapping of names, got [{}]"),
        ({"portfolio": {"a": 3}}, "champion.portfolio.a: must be a row of hyperparameters, got 3"),
        ({"common": 3}, "champion.common: must be a mapping of names, got 3"),
        ({"common": {"input_dropout": "much"}}, "champion.portfolio.dropout.input_dropout: "),
        ({"common": {"deepness": 3}}, "champion.portfolio.dropout.deepness: unknown key"),
        ({"portfolio": {"a b": {}}}, "a b"),
        ({"portfolio": {"a": {"dropout": 2.0}}}, "champion.portfolio.a.dropout: should be less than 1, got 2.0"),
        ({"portfolio": {"a": {"encoding": "bins"}}}, "champion.portfolio.a.encoding: "),
        ({"estimators": ["random_forest"]}, "champion.estimators: must name baselines that are a LogisticRegressionCV"),
        ({"estimators": ["nobody"]}, "got 'nobody'"),
    ],
)
def test_a_mistake_is_one_line(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        params_of(section(**changes), PARAMS)
    assert str(caught.value).startswith("params.yaml: champion")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_few_rows_need_epochs() -> None:
    point = params_of(STUDY, PARAMS).champion.recipes["dropout"].point
    assert with_steps(point, 64, least=100).epochs == 50
    assert with_steps(point, 64_000, least=100).epochs == point.epochs
