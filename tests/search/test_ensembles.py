"""Averages of winners compared with single networks and with each other: an oracle for every difference."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import point, tuning

from pipeline.evaluation.members import directions
from pipeline.metrics.names import MetricName
from pipeline.results.comparison import ScoredPoint, ScoredPoints
from pipeline.results.dataset import DatasetSummary
from pipeline.results.paired_columns import Protocol
from pipeline.search.ensembles import COMPARED, ENSEMBLE, SINGLE, ensemble_results
from pipeline.statistics.intervals import paired_difference

ARMS = ("dropout", "none", "decay")  # not in the order of the table
SPLITS = 6
PLACES = [(variant, arm) for variant in (SINGLE, ENSEMBLE) for arm in ARMS]
NAMES = [*COMPARED, "validation/nll", "validation/refinement"]
AFTER = MetricName("test", "after", "nll")
DATASET = DatasetSummary(
    name="task", rows=656, features=2, feature_names=("x0", "x1"), classes=(), seeds=20, train=256, validation=100,
    test=300, overlapping=False, md5="0",
)  # fmt: skip


def scored(**changes):
    values = np.random.default_rng(3).uniform(0.2, 0.4, (len(NAMES), len(PLACES), SPLITS))
    scores = dict(zip(NAMES, values, strict=True))
    return replace(
        ScoredPoints(
            points=[
                ScoredPoint(variant=variant, name=arm, parameters=point(), tuning=tuning([0.5]), md5="0")
                for variant, arm in PLACES
            ],
            scores=scores,
            directions=directions(NAMES),
            dataset=DATASET,
            protocol=Protocol(confidence=0.95, resamples=300, gamma=0.75, least_effect=0.005),
            base_rates=dict.fromkeys(("validation", "test"), np.full(SPLITS, 9.0)),
        ),
        **changes,
    )


def shifted(place, by):
    """Scores in which one place has lower ones."""
    made = scored()
    for values in made.scores.values():
        values[PLACES.index(place)] -= by
    return made


def test_none_is_first_and_the_sizes_are_told():
    found = ensemble_results(scored(), members=5)
    assert (found.members, found.splits) == (5, SPLITS)
    assert [entry.arm for entry in found.arms] == ["none", "dropout", "decay"]


@pytest.mark.parametrize(
    ("field", "of", "against"),
    [
        ("averaging", ENSEMBLE, None),
        ("single_against_none", SINGLE, (SINGLE, "none")),
        ("single_against_ensemble", SINGLE, (ENSEMBLE, "none")),
        ("ensemble_against_none", ENSEMBLE, (SINGLE, "none")),
        ("ensemble_against_ensemble", ENSEMBLE, (ENSEMBLE, "none")),
    ],
)
def test_differences_are_paired_over_splits(field, of, against):
    made = scored()
    for entry in ensemble_results(made, members=5).arms:
        reference, compared = against or (SINGLE, entry.arm), getattr(entry, field)
        if (of, entry.arm) == reference:
            assert compared == {}
            continue
        assert set(map(str, compared)) == set(COMPARED)
        for metric, comparison in compared.items():
            values = made.scores[str(metric)]
            a, b = (values[PLACES.index(place)] for place in ((of, entry.arm), reference))
            expected = [float(end) for end in paired_difference(a, b)]
            assert [comparison.difference, comparison.low, comparison.high, comparison.p] == pytest.approx(expected)


def test_means_are_of_one_network_and_of_the_average():
    made = scored()
    for entry in ensemble_results(made, members=5).arms:
        for variant, metrics in ((SINGLE, entry.single), (ENSEMBLE, entry.ensemble)):
            row = PLACES.index((variant, entry.arm))
            assert {str(name): summary.mean for name, summary in metrics.items()} == {
                name: pytest.approx(made.scores[name][row].mean()) for name in COMPARED
            }


def test_six_splits_allow_a_verdict_and_five_do_not():
    better = shifted((ENSEMBLE, "dropout"), 1.0)
    few = replace(better, scores={name: values[:, :5] for name, values in better.scores.items()})
    for made, verdict in ((better, "better"), (few, "no evidence")):
        rows = {entry.arm: entry for entry in ensemble_results(made, members=5).arms}
        assert rows["dropout"].ensemble_against_ensemble[AFTER].verdict == verdict
        assert rows["dropout"].averaging[AFTER].verdict == verdict


def test_an_average_that_diverged_is_left_out_and_no_other():
    entries = ensemble_results(shifted((ENSEMBLE, "decay"), np.nan), members=5).arms
    left = {entry.arm: entry.ensemble_against_none[AFTER].left_out is not None for entry in entries}
    assert left == {"none": False, "dropout": False, "decay": True}
