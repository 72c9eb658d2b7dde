"""Smaller studies: what is given up first where a study is to take less time, as far as something is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from math import ceil
from typing import Any

from pipeline.config.edits import replaced, value_at
from pipeline.config.params import Params, params_of
from pipeline.core.paths import PARAMS

FEWEST_SEEDS = 6
"""Of the study: fewer decide nothing."""
FEWEST_TUNING_SEEDS = 2
FEWEST_RATES = 3
LEAST_STEPS = 1_500
"""That a network trains, where it trained more: as many as the champion's train at least."""
MOST_ROWS, LEAST_STEPS_OF_EPOCH = 1_024, 100
"""Of a batch that is made larger, and how many batches a table must have for that."""
_SHARES = 100
_SHORTER = 0.7

Changes = dict[tuple[str, ...], object]
"""Values of params.yaml by their paths of keys."""


def smaller_studies(raw: Mapping[str, Any], rows: int) -> Iterator[tuple[Changes, Params]]:
    """The same study made ever smaller, as far down as something can be decided; the first is the study itself.

    Tables of many rows first have larger batches, then fewer epochs, down to `LEAST_STEPS`; then there are fewer
    trials and seeds, down to `FEWEST_SEEDS`; last, fewer learning rates.

    Args:
        raw: what params.yaml holds.
        rows: of the smallest table to train on.

    Returns:
        What is to be changed in params.yaml, and the parameters that it then holds.
    """
    changes: Changes = {}
    for more in _shorter_training(raw, rows):
        changes |= more
        yield {**changes}, _changed(raw, changes)
    base = _changed(raw, changes)
    for params in scaled_down(base):
        fewer = changes_between(base, params)
        if fewer:
            yield {**changes, **fewer}, params
    changes |= fewer
    rates = value_at(raw, ("train", "learning_rate"))
    while isinstance(rates, list) and len(rates) > FEWEST_RATES:
        rates = rates[::2]
        changes |= {("train", "learning_rate"): rates}
        yield {**changes}, _changed(raw, changes)


def scaled_down(params: Params) -> Iterator[Params]:
    """The same study with ever fewer seeds and trials, the most first, as far down as something can be decided."""
    before = None
    for step in range(_SHARES, 0, -1):
        smaller = _scaled(params, step / _SHARES)
        if smaller != before:
            yield smaller
        before = smaller


def changes_between(before: Params, after: Params) -> Changes:
    """What `scaled_down` has changed."""
    values = {
        ("study", "seeds"): (before.study.seeds, after.study.seeds),
        ("study", "ensembles", "splits"): (before.study.ensembles.splits, after.study.ensembles.splits),
        ("search", "trials"): (before.search.trials, after.search.trials),
        ("search", "seeds"): (before.search.seeds, after.search.seeds),
    }
    return {keys: new for keys, (old, new) in values.items() if old != new}


def _shorter_training(raw: Mapping[str, Any], rows: int) -> Iterator[Changes]:
    """Nothing, then batches of twice the rows, as often as a table of many rows allows it, then fewer epochs."""
    yield {}
    batches = {keys: value_at(raw, keys) for keys in (("train", "batch_size"), ("champion", "common", "batch_size"))}
    batch, epochs = batches["train", "batch_size"], value_at(raw, ("train", "epochs"))
    while 2 * batch <= min(MOST_ROWS, rows // LEAST_STEPS_OF_EPOCH):
        batch *= 2
        yield {keys: max(batch, own) for keys, own in batches.items() if own is not None}
    least = min(epochs, ceil(LEAST_STEPS / ceil(rows / batch)))
    shares = (round(epochs * _SHORTER**step) for step in range(1, _SHARES))
    for fewer in dict.fromkeys([*takewhile(lambda each: each > least, shares), least]):
        if fewer < epochs:
            yield {("train", "epochs"): fewer, **_earlier(raw, fewer / epochs)}


def _earlier(raw: Mapping[str, Any], share: float) -> Changes:
    """The first rung of the search's pruner, as early in shorter training."""
    keys = ("search", "pruner", "first")
    first = value_at(raw, keys)
    return {} if first is None else {keys: max(1, round(first * share))}


def _scaled(params: Params, share: float) -> Params:
    """The study with this share of its seeds and trials; what decides nothing is not gone below."""
    study, search = params.study, params.search
    seeds = _at_least(FEWEST_SEEDS, study.seeds, share)
    ensembles = study.ensembles.model_copy(update={"splits": min(study.ensembles.splits, seeds)})
    batches = _at_least(1, ceil(search.trials / search.batch), share)
    tuned = {
        "trials": min(search.trials, batches * search.batch),
        "seeds": _at_least(FEWEST_TUNING_SEEDS, search.seeds, share),
    }
    return params.model_copy(
        update={
            "study": study.model_copy(update={"seeds": seeds, "ensembles": ensembles}),
            "search": search.model_copy(update=tuned),
        }
    )


def _at_least(least: int, count: int, share: float) -> int:
    """This share of a count, but no less than is sensible, nor more than there was."""
    return min(count, max(least, round(share * count)))


def _changed(raw: Mapping[str, Any], changes: Changes) -> Params:
    """The parameters, once these values are changed."""
    edited: Mapping[str, Any] = raw
    for keys, value in changes.items():
        edited = replaced(edited, keys, value)
    return params_of({**edited}, PARAMS)
