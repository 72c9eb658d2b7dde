"""Smaller studies: what is given up first, how far, and that params.yaml then holds what was counted with."""

from collections.abc import Mapping
from functools import cache
from math import ceil
from typing import Any

import pytest
from project import ROOT

from pipeline.config.budget import FEWEST_SEEDS, LEAST_STEPS, scaled_down, smaller_studies
from pipeline.config.cost import library_epochs, network_epochs, networks_of
from pipeline.config.edits import with_value
from pipeline.config.params import Params, load_params, params_of
from pipeline.config.reading import parse_yaml, read_text
from pipeline.core.paths import PARAMS

TEXT = read_text(ROOT / PARAMS)
RAW: Mapping[str, Any] = parse_yaml(TEXT, PARAMS)
ROWS = (60, 256, 20_000, 600_000)


@cache
def written(text: str, keys: tuple[str, ...], value: object) -> str:
    """Studies begin with the same changes."""
    return with_value(text, keys, list(value) if isinstance(value, tuple) else value, PARAMS)


def study_steps(params: Params, rows: int) -> float:
    """Of all networks that the study trains."""
    return ceil(rows / params.train.batch_size) * network_epochs(params, networks_of(params))


def library_steps(params: Params, rows: int) -> int:
    """Of all networks of the champion's library."""
    (batch,) = {recipe.batch_size for recipe in params.champion.recipes.values()}
    return ceil(rows / batch) * library_epochs(params, rows)


def test_a_study_is_scaled_down_as_far_as_it_can_decide_something() -> None:
    params = load_params(ROOT / "params.yaml")
    smaller = list(scaled_down(params))
    totals = [networks_of(each).total for each in smaller]
    assert smaller[0] == params
    assert totals == sorted(set(totals), reverse=True)
    assert smaller[-1].study.seeds == FEWEST_SEEDS
    assert smaller[-1].study.ensembles.splits <= FEWEST_SEEDS
    assert smaller[-1].search.trials == params.search.batch


@pytest.mark.parametrize("rows", ROWS)
def test_each_is_less_work_than_the_one_before_it(rows: int) -> None:
    smaller = list(smaller_studies(RAW, rows))
    assert smaller[0] == ({}, params_of({**RAW}, PARAMS))
    for steps in (study_steps, library_steps):
        work = [steps(params, rows) for _, params in smaller]
        assert work == sorted(work, reverse=True)
    assert 4 * study_steps(smaller[-1][1], rows) < study_steps(smaller[0][1], rows)


@pytest.mark.parametrize("rows", [256, 600_000, *(pytest.param(rows, marks=pytest.mark.slow) for rows in (60, 20_000))])
def test_params_hold_what_was_counted_with_once_the_changes_are_written(rows: int) -> None:
    """One study of every set of keys that is changed, the first and the last."""
    smaller = list(smaller_studies(RAW, rows))
    first = {tuple(changes): (changes, params) for changes, params in reversed(smaller)}
    for changes, params in (*first.values(), smaller[-1]):
        text = TEXT
        for keys, value in changes.items():
            text = written(text, keys, tuple(value) if isinstance(value, list) else value)
        assert params_of(parse_yaml(text, PARAMS), PARAMS) == params


@pytest.mark.parametrize("rows", [60, 256])
def test_small_tables_keep_their_epochs_and_batches(rows: int) -> None:
    for _, params in smaller_studies(RAW, rows):
        assert (params.train.epochs, params.train.batch_size) == (60, 64)


@pytest.mark.parametrize("rows", [20_000, 600_000])
def test_large_tables_keep_steps_enough_and_give_up_epochs_before_seeds(rows: int) -> None:
    smaller = [params for _, params in smaller_studies(RAW, rows)]
    for params in smaller:
        assert params.train.epochs * ceil(rows / params.train.batch_size) >= LEAST_STEPS
        assert params.search.pruner.first in (params.train.epochs // 2, ceil(params.train.epochs / 2))
    shortest = min(params.train.epochs for params in smaller)
    assert all(params.train.epochs == shortest for params in smaller if params.study.seeds < 30)
    assert shortest < 60


def test_learning_rates_go_last() -> None:
    *_, params = (params for _, params in smaller_studies(RAW, 256))
    assert params.train.learning_rate == (0.0001, 0.001, 0.01)
    assert params.study.seeds == FEWEST_SEEDS
