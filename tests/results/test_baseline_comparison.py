"""Baselines compared with no regularization and with the answer: an oracle for every difference, and families."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.config.baselines import RandomForest
from pipeline.evaluation.members import directions
from pipeline.metrics.names import MetricName
from pipeline.results.baseline_comparison import Entrant, Entrants, baseline_results
from pipeline.results.dataset import DatasetSummary
from pipeline.results.paired_columns import Protocol
from pipeline.statistics.intervals import paired_difference
from pipeline.statistics.paired_comparison import holm

SEEDS, GROUPS = 12, 5
NAMES = ("test/nll", "test/accuracy", "test_calibrated/nll", "test_calibrated/ece", "validation/nll")
AFTER = MetricName("test", "after", "nll")
ROW = RandomForest(estimator="RandomForestClassifier")
DATASET = DatasetSummary(
    name="task", rows=656, features=2, feature_names=("x0", "x1"), classes=(), seeds=20, train=256, validation=100,
    test=300, overlapping=False, md5="0",
)  # fmt: skip


def entrant(name, seed, *, shift=0.0, groups=False):
    rng = np.random.default_rng(seed)
    scores = {metric: rng.uniform(0.2, 0.4, SEEDS) + shift for metric in NAMES}
    of_groups = rng.normal(0, 0.3, GROUPS)  # what each group of test rows does to all seeds alike
    parts = {metric: values[:, None] + of_groups for metric, values in scores.items()}
    return Entrant(name, "0", scores, parts if groups else {})


def entrants(count=3, *, answer=True, groups=False):
    return Entrants(
        none=entrant("none", 0, groups=groups),
        answer=entrant("cocktail", 1, groups=groups) if answer else None,
        baselines=[(ROW, entrant(f"baseline{i}", 2 + i, groups=groups)) for i in range(count)],
        directions=directions(NAMES),
        dataset=DATASET,
        protocol=Protocol(confidence=0.95, resamples=300, gamma=0.75, least_effect=0.005),
    )


def test_differences_are_paired_over_seeds():
    made = entrants()
    table = baseline_results(made)
    assert table.seeds == SEEDS
    for result, (_, fitted) in zip(table.baselines, made.baselines, strict=True):
        for rival, compared in ((made.none, result.against_reference), (made.answer, result.against_answer)):
            assert set(map(str, compared)) == set(made.directions)
            for metric, comparison in compared.items():
                expected = map(float, paired_difference(fitted.scores[str(metric)], rival.scores[str(metric)]))
                found = [comparison.difference, comparison.low, comparison.high, comparison.p]
                assert found == pytest.approx(list(expected))


def test_means_are_those_of_the_scores():
    made = entrants()
    table = baseline_results(made)
    shown = {each.name: each for each in (table.none, table.answer, *table.baselines)}
    for each in (made.none, made.answer, *(fitted for _, fitted in made.baselines)):
        assert {str(name): summary.mean for name, summary in shown[each.name].metrics.items()} == {
            name: pytest.approx(values.mean()) for name, values in each.scores.items()
        }


def test_baselines_are_a_family_and_the_answer_is_another():
    table = baseline_results(entrants())
    for field in ("against_reference", "against_answer"):
        compared = [getattr(each, field)[AFTER] for each in table.baselines]
        expected = holm(np.array([each.p for each in compared]))
        assert [each.p_holm for each in compared] == pytest.approx(expected.tolist())
    of_the_answer = table.answer.against_reference[AFTER]
    assert of_the_answer.p_holm == of_the_answer.p


def test_a_further_baseline_changes_nothing_but_the_family():
    few, many = (baseline_results(entrants(count, groups=True)) for count in (2, 3))

    def but_the_family(each):
        return each.model_dump(exclude={"against_reference": {"__all__": {"p_holm"}}, "against_answer": True})

    assert [*map(but_the_family, few.baselines)] == [*map(but_the_family, many.baselines[:2])]
    assert few.answer == many.answer


def test_shared_test_rows_widen_the_interval():
    plain, measured = (baseline_results(entrants(groups=groups)).baselines[0] for groups in (False, True))
    assert plain.against_answer[AFTER].inflation == 0
    assert measured.against_answer[AFTER].inflation > 0


@pytest.mark.parametrize(("shift", "verdict"), [(-1.0, "better"), (1.0, "worse")])
def test_known_differences_are_found(shift, verdict):
    made = entrants()
    table = baseline_results(replace(made, baselines=[(ROW, entrant("far", 9, shift=shift))]))
    found = table.baselines[0]
    assert {found.against_reference[AFTER].verdict, found.against_answer[AFTER].verdict} == {verdict}
    assert found.against_answer[MetricName.parse("test/accuracy")].verdict != verdict


def test_what_diverged_is_left_out_of_its_own_comparisons_alone():
    made = entrants()
    broken = entrant("none", 0)
    broken.scores[str(AFTER)][3] = np.nan
    table = baseline_results(replace(made, none=broken))
    assert "seed 3" in table.baselines[0].against_reference[AFTER].left_out
    assert table.baselines[0].against_answer[AFTER].left_out is None


def test_without_an_answer_nothing_is_compared_with_it():
    table = baseline_results(entrants(answer=False))
    assert table.answer is None
    assert [each.against_answer for each in table.baselines] == [{}] * 3


def test_no_baselines_are_a_table_too():
    assert baseline_results(entrants(0)).baselines == ()
