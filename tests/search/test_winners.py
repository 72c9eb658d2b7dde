import json
import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import point, tuning
from scipy.stats import t as student

from pipeline.config.decay_timescale import decay_timescale
from pipeline.config.search_space import OBJECTIVES, STACKED, TUNED, Search, measure, singles
from pipeline.evaluation.members import directions
from pipeline.metrics.names import MetricName
from pipeline.results.dataset import DatasetSummary
from pipeline.results.paired_columns import Protocol
from pipeline.results.scored_points import BaseRateScores, ScoredPoint, ScoredPoints
from pipeline.results.search import Optimism, TrialCounts
from pipeline.search.trials import Trial
from pipeline.search.winners import (
    COMPARED,
    contenders,
    optimism,
    search_results,
)
from pipeline.statistics.intervals import paired_difference

SPACE = {
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "dropout": {"low": 0.0, "high": 0.5, "off": 0.2},
    "weight_decay": {"low": 0.01, "high": 1.0, "log": True, "off": 0.2},
    "mixup": {"low": 0.0, "high": 1.0, "off": 0.2},
    "max_norm": {"low": 1.0, "high": 4.0, "off": 0.2, "weak": "high"},
}
SEARCH = Search.model_validate(
    {
        "trials": 3,
        "batch": 3,
        "seeds": 3,
        "objectives": ["nll"],
        "sampler": {"kind": "random"},
        "pruner": {"kind": "none"},
        "space": SPACE,
        "arms": {
            "none": [],
            "dropout": ["dropout"],
            "decay": ["weight_decay"],
            "mixing": ["mixup"],
            "all": ["dropout", "weight_decay", "mixup", "max_norm"],
        },
        "stacked": 4,
    }
)
BASE = point(hidden=(5,), epochs=20, batch_size=64)


def trial(arm, number, value, rate, **strengths):
    """A completed trial; a strength of 0 has the coordinate that is as far off as can be."""
    sampled = {"learning_rate": rate}
    for name in SEARCH.arms[arm]:
        dimension = SEARCH.space[name]
        sampled[name] = strengths.get(name) or dimension.sampled[dimension.weak == "high"]
    given_ = dict.fromkeys(SPACE, 0.0) | {"learning_rate": rate} | strengths
    seed_values = tuple(value + 0.01 * (n - 1) for n in range(3))
    return Trial(arm, number, "complete", {"nll": value}, seed_values, {}, given_, sampled)


WINNERS = {
    "none": trial("none", 2, 0.60, 0.003),
    "dropout": trial("dropout", 0, 0.50, 0.004, dropout=0.3),
    "decay": trial("decay", 1, 0.55, 0.005, weight_decay=0.02),
    "mixing": trial("mixing", 1, 0.52, 0.006, mixup=0.0),
    "all": trial("all", 0, 0.45, 0.007, dropout=0.2, weight_decay=0.5, mixup=0.4, max_norm=3.0),
}
TRIALS = [
    *WINNERS.values(),
    trial("dropout", 1, 0.51, 0.01, dropout=0.1),
    replace(trial("dropout", 2, 0.7, 0.01, dropout=0.4), state="pruned", values={}),
    replace(trial("none", 1, 0.7, 0.01), state="failed", values={}),
]


def chosen(one):
    return {name: value for name in SPACE if (value := getattr(one, name))}


class TestCombinations:
    def test_winners_and_their_strengths_stacked(self):
        found = contenders(WINNERS, SEARCH, BASE)
        assert {place: chosen(one) for place, one in found.items()} == {
            (TUNED, "none"): {"learning_rate": 0.003},
            (TUNED, "dropout"): {"learning_rate": 0.004, "dropout": 0.3},
            (TUNED, "decay"): {"learning_rate": 0.005, "weight_decay": 0.02},
            (TUNED, "mixing"): {"learning_rate": 0.006},
            (TUNED, "all"): {
                "learning_rate": 0.007, "dropout": 0.2, "weight_decay": 0.5, "mixup": 0.4, "max_norm": 3.0,
            },
            (STACKED, "dropout+decay"): {"learning_rate": 0.004, "dropout": 0.3, "weight_decay": 0.02},
            (STACKED, "dropout+mixing"): {"learning_rate": 0.004, "dropout": 0.3},
            (STACKED, "decay+mixing"): {"learning_rate": 0.006, "weight_decay": 0.02},
            (STACKED, "dropout+decay+mixing"): {"learning_rate": 0.004, "dropout": 0.3, "weight_decay": 0.02},
        }  # fmt: skip
        assert next(iter(found)) == (TUNED, "none")

    def test_all_else_is_that_of_the_base(self):
        for one in contenders(WINNERS, SEARCH, BASE).values():
            off = dict.fromkeys(SPACE, 0.0) | {"learning_rate": BASE.learning_rate}
            assert one.model_copy(update=off) == BASE

    def test_strengths_that_a_row_has_for_other_arms_are_not_taken(self):
        none = WINNERS["none"]
        stray = {**WINNERS, "none": replace(none, strengths={**none.strengths, "dropout": 0.4})}
        assert chosen(contenders(stray, SEARCH, BASE)[TUNED, "none"]) == {"learning_rate": 0.003}

    @pytest.mark.parametrize(
        ("missing", "stacks"),
        [
            ((), ["dropout+decay", "dropout+mixing", "decay+mixing", "dropout+decay+mixing"]),
            (("decay",), ["dropout+mixing"]),
            (("decay", "mixing"), []),
            (("dropout", "decay", "mixing", "all"), []),
        ],
    )
    def test_an_arm_of_which_nothing_was_completed_is_left_out(self, missing, stacks):
        left = {arm: row for arm, row in WINNERS.items() if arm not in missing}
        found = contenders(left, SEARCH, BASE)
        assert [name for kind, name in found if kind == STACKED] == stacks
        assert [name for kind, name in found if kind == TUNED] == list(left)

    @pytest.mark.parametrize(
        ("stacked", "stacks"),
        [
            (0, []),
            (2, ["dropout+mixing"]),
            (3, ["dropout+decay", "dropout+mixing", "decay+mixing", "dropout+decay+mixing"]),
        ],
    )
    def test_only_the_best_single_arms_are_stacked_in_the_order_of_the_arms(self, stacked, stacks):
        found = contenders(WINNERS, SEARCH.model_copy(update={"stacked": stacked}), BASE)
        assert [name for kind, name in found if kind == STACKED] == stacks
        assert [name for kind, name in found if kind == TUNED] == list(WINNERS)

    def test_seven_single_arms_make_seven_stacks(self):
        """The cocktail alone contains batch normalization and early stopping; what has won while off stacks too."""
        names = [*(name for name in SPACE if name != "learning_rate"), "batch_norm", "early_stopping", "noise"]
        space = SPACE | {
            "noise": {"low": 0.0, "high": 1.0},
            "batch_norm": {"choices": [False, True]},
            "early_stopping": {"choices": ["none", "nll"]},
        }
        arms = {"none": [], "cocktail": names} | {name: [name] for name in names}
        search = Search.model_validate({**SEARCH.model_dump(), "space": space, "arms": arms})
        on = {"batch_norm": True, "early_stopping": "none"}
        winners = {
            arm: Trial(arm, 0, "complete", {"nll": place / 10}, (), {}, dict.fromkeys(space, 0.1) | on, {})
            for place, arm in enumerate(dict.fromkeys(["none", "batch_norm", "early_stopping", *arms]))
        }
        found = contenders(winners, search, BASE)
        assert len(singles(search.arms)) == 7
        stacks = [name for kind, name in found if kind == STACKED]
        assert len(stacks) == 4 * 3 // 2 + 1
        both = found[STACKED, "batch_norm+early_stopping"]
        assert (both.batch_norm, both.early_stopping) == (True, "none")

    def test_the_learning_rate_is_that_of_the_best_by_the_first_objective(self):
        search = SEARCH.model_copy(update={"objectives": ("calibration", "nll")})
        winners = {
            arm: replace(each, values={**each.values, "calibration": -each.values["nll"]})
            for arm, each in WINNERS.items()
            if arm in ("dropout", "decay")
        }
        stacked = contenders(winners, search, BASE)[STACKED, "dropout+decay"]
        assert stacked.learning_rate == 0.005


def welch(searched, fresh, confidence):
    """Welch's interval as in a textbook."""
    (n, m), (s, f) = (len(searched), len(fresh)), (np.var(searched, ddof=1), np.var(fresh, ddof=1))
    error = math.sqrt(s / n + f / m)
    freedom = (s / n + f / m) ** 2 / ((s / n) ** 2 / (n - 1) + (f / m) ** 2 / (m - 1))
    mean = np.mean(fresh) - np.mean(searched)
    half = student.ppf((1 + confidence) / 2, freedom) * error
    return {"searched": np.mean(searched), "mean": mean, "low": mean - half, "high": mean + half}


SCORES = st.lists(st.floats(0, 10).map(lambda value: round(value, 3)), min_size=2, max_size=12, unique=True)


class TestOptimism:
    @given(SCORES, SCORES, st.sampled_from([0.5, 0.9, 0.95]))
    def test_is_welchs_interval(self, searched, fresh, confidence):
        found = optimism(searched, np.array(fresh), confidence=confidence)
        assert found.model_dump() == pytest.approx(welch(searched, fresh, confidence), rel=1e-9, abs=1e-9)

    def test_a_known_one(self):
        found = optimism([1.0, 2.0, 3.0], np.array([3.0, 5.0, 7.0, 9.0]))
        assert found.model_dump() == pytest.approx(
            {"searched": 2.0, "mean": 4.0, "low": 0.102025, "high": 7.897975}, abs=1e-5
        )

    def test_positive_is_worse_on_fresh_seeds(self):
        assert optimism([0.1, 0.2], np.array([0.5, 0.6])).mean == pytest.approx(0.4)
        assert optimism([0.5, 0.6], np.array([0.1, 0.2])).mean == pytest.approx(-0.4)

    @pytest.mark.parametrize(("searched", "fresh"), [([0.5], [0.7, 0.8]), ([0.5, 0.6], [0.7])])
    def test_one_seed_has_no_interval(self, searched, fresh):
        found = optimism(searched, np.array(fresh))
        assert (found.low, found.high) == (None, None)
        assert found.mean == pytest.approx(np.mean(fresh) - np.mean(searched))

    @pytest.mark.parametrize("broken", [math.nan, math.inf])
    def test_a_fresh_seed_that_diverged_leaves_nothing_to_say(self, broken):
        found = optimism([0.5, 0.7], np.array([0.5, broken, 0.6]))
        assert found.searched == pytest.approx(0.6)
        assert found == Optimism(searched=found.searched, mean=None, low=None, high=None)


def told(rows=256, **changes):
    decayed = {"learning_rate": 0.01, "weight_decay": 0.1, "batch_size": 64, "epochs": 20}
    return decay_timescale(BASE.model_copy(update={**decayed, **changes}), rows)


class TestDecay:
    def test_known_timescales(self):
        found = told()
        assert found.epochs == pytest.approx(250)  # 1 / (0.01 * 0.1 * 4 steps)
        assert found.lost == pytest.approx(1 - math.exp(-20 / 250))
        assert (found.of, found.warning) == (20, None)
        assert told(rows=257).epochs == pytest.approx(200)  # a step for the row that is left over
        assert told(rows=63).epochs == pytest.approx(1000)

    def test_off_has_none(self):
        assert told(weight_decay=0.0) is None

    def test_what_is_lost_is_what_weights_lose_that_nothing_else_moves(self):
        weight = 1.0
        for _ in range(20 * 4):
            weight *= 1 - 0.01 * 0.1
        assert told().lost == pytest.approx(1 - weight, rel=1e-3)

    @pytest.mark.parametrize(
        ("decay", "warning"),
        [
            (1e-6, "no-op"),
            (-math.log(0.95) / 80 / 0.01 * 0.999, "no-op"),
            (-math.log(0.95) / 80 / 0.01 * 1.001, None),
            (math.log(2) / 4 / 0.01 * 0.999, None),
            (math.log(2) / 4 / 0.01 * 1.001, "too strong"),
            (100.0, "too strong"),
        ],
    )
    def test_warnings_begin_where_they_should(self, decay, warning):
        assert told(weight_decay=decay).warning == warning


METRICS = [
    *(
        f"{split}{stage}/{short}"
        for split in ("test", "gap")
        for stage in ("", "_calibrated")
        for short in ("nll", "ece")
    ),
    *("test/accuracy", "test/debiased", "test_calibrated/debiased", "test/ece_floor", "test_calibrated/ece_floor"),
    *map(measure, OBJECTIVES),
]
BASE_METRICS = ("validation/nll", "test/nll", "test_calibrated/nll")
SEEDS = 7
PROTOCOL = Protocol(confidence=0.95, resamples=300, gamma=0.75, least_effect=0.005)
DATASET = DatasetSummary(
    name="task",
    rows=656,
    features=2,
    feature_names=("x0", "x1"),
    classes=(),
    seeds=SEEDS,
    train=256,
    validation=100,
    test=300,
    overlapping=False,
    md5="0",
)


def table_of(winners=WINNERS, search=SEARCH, *, trials=TRIALS, seed=0, broken=None, overlapping=False):
    """A finished table of random scores, the same for a contender whatever the others are; the scores and names."""
    points = contenders(winners, search, BASE)
    draws = [
        np.random.default_rng([seed, *name.encode()]).uniform(0.2, 1.2, (len(METRICS), SEEDS)) for _, name in points
    ]
    scores = dict(zip(METRICS, np.stack(draws, 1), strict=True))
    if broken is not None:
        for values in scores.values():
            values[broken] = np.nan
    entrants = ScoredPoints(
        points=[
            ScoredPoint(variant=name, name=name, kind=kind, parameters=one, tuning=tuning(values), md5="0")
            for ((kind, name), one), values in zip(points.items(), scores["validation_calibrated/nll"], strict=True)
        ],
        scores=scores,
        groups={},
        directions=directions(METRICS),
        dataset=DATASET.model_copy(update={"overlapping": overlapping}),
        protocol=PROTOCOL,
        base_rates=BaseRateScores(dict.fromkeys(BASE_METRICS, np.full((1, SEEDS), 9.0))),
    )
    by_arm = {arm: [each for each in trials if each.arm == arm] for arm in search.arms}
    return search_results(entrants, winners=winners, trials=by_arm, search=search), scores, entrants.names


@pytest.fixture(scope="module")
def made():
    return table_of()


NLL = MetricName("test", "before", "nll")


class TestATable:
    def test_compares_all_contenders_with_the_tuned_unregularized_network(self, made):
        table, _, names = made
        points = table.results.points
        assert [row.name for row in points] == names
        assert table.results.reference.key == "none"
        assert points[0].against_reference == {}
        assert table.results.answer.sentence
        assert table.search == SEARCH

    def test_pairs_are_all_pairs_of_winners_once(self, made):
        table, _, _ = made
        found = [frozenset((pair.a, pair.b)) for pair in table.pairs]
        assert set(found) == {frozenset(pair) for pair in combinations(WINNERS, 2)}
        assert len(found) == len(set(found))

    def test_a_pair_is_the_paired_difference_of_its_scores(self, made):
        table, scores, names = made
        for entry in table.pairs:
            self.check(entry.metrics, scores, names.index(entry.a), names.index(entry.b))

    def test_an_interaction_is_compared_with_the_best_of_its_singles(self, made):
        table, scores, names = made
        for entry in table.interactions:
            self.check(entry.metrics, scores, names.index(entry.name), names.index(entry.best_single))

    def check(self, metrics, scores, a, b):
        assert set(map(str, metrics)) == set(COMPARED)
        for metric, entry in metrics.items():
            name = str(metric)
            expected = paired_difference(scores[name][a], scores[name][b])
            found = [entry.difference, entry.low, entry.high, entry.p]
            assert found == pytest.approx([float(field) for field in expected], rel=1e-12)
            higher = name.endswith("accuracy")
            wins = np.mean(scores[name][a] > scores[name][b] if higher else scores[name][a] < scores[name][b])
            assert entry.p_better.estimate == pytest.approx(wins)
            assert entry.left_out is None

    @settings(max_examples=8, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.booleans())
    def test_pairs_are_antisymmetric(self, seed, overlapping):
        """What is said of a against b is the mirror image, to the bit, of what is said of b against a."""
        forth, back = (
            {(pair.a, pair.b): pair.metrics for pair in table_of(winners, seed=seed, **more)[0].pairs}
            for more in [{"overlapping": overlapping}]
            for winners in (WINNERS, dict(reversed(WINNERS.items())))
        )
        opposite = {"better": "worse", "worse": "better", "no evidence": "no evidence"}
        for (a, b), metrics in forth.items():
            for name, ab in metrics.items():
                ba = back[b, a][name]
                assert ab.difference == -ba.difference
                assert (ab.low, ab.high) == (-ba.high, -ba.low)
                assert (ab.p, ab.verdict) == (ba.p, opposite[ba.verdict])
                assert ab.p_better.low == pytest.approx(1 - ba.p_better.high, abs=1e-12)

    def test_interactions_are_stacks_and_arms_that_contain_singles(self, made):
        table, _, _ = made
        told = [
            {key: getattr(entry, key) for key in ("name", "kind", "parts", "best_single")}
            for entry in table.interactions
        ]
        assert told == [
            {"name": "all", "kind": TUNED, "parts": ("dropout", "decay", "mixing"), "best_single": "dropout"},
            {"name": "dropout+decay", "kind": STACKED, "parts": ("dropout", "decay"), "best_single": "dropout"},
            {"name": "dropout+mixing", "kind": STACKED, "parts": ("dropout", "mixing"), "best_single": "dropout"},
            {"name": "decay+mixing", "kind": STACKED, "parts": ("decay", "mixing"), "best_single": "mixing"},
            {
                "name": "dropout+decay+mixing", "kind": STACKED, "parts": ("dropout", "decay", "mixing"),
                "best_single": "dropout",
            },
        ]  # fmt: skip

    def test_a_cocktail_is_compared_with_singles_that_were_not_stacked(self):
        table, _, _ = table_of(search=SEARCH.model_copy(update={"stacked": 2}))
        told = {entry.name: (entry.kind, entry.parts, entry.best_single) for entry in table.interactions}
        assert told == {
            "all": (TUNED, ("dropout", "decay", "mixing"), "dropout"),
            "dropout+mixing": (STACKED, ("dropout", "mixing"), "dropout"),
        }

    def test_an_arm_says_what_won_and_what_became_of_its_trials(self, made):
        table, scores, names = made
        found = table.arms["dropout"]
        assert found.trial == 0
        assert found.value == 0.5
        assert found.strengths == {"learning_rate": 0.004, "dropout": 0.3}
        assert found.trials == TrialCounts(complete=2, pruned=1, failed=0)
        assert table.arms["none"].trials == TrialCounts(complete=1, pruned=0, failed=1)
        assert found.network_epochs == 3 * 3 * BASE.epochs  # trials without rungs, of three seeds
        assert found.front == ({"trial": 0, "nll": 0.5},)
        fresh = scores["validation/nll"][names.index("dropout")]
        assert found.optimism.model_dump() == pytest.approx(welch([0.49, 0.5, 0.51], fresh, 0.95))
        assert found.decay is None
        decayed = BASE.model_copy(update={"learning_rate": 0.005, "weight_decay": 0.02})
        assert table.arms["decay"].decay == decay_timescale(decayed, 256)
        assert list(table.arms) == list(WINNERS)

    def test_a_winner_that_is_off_is_the_reference_with_another_learning_rate(self, made):
        table, _, _ = made
        assert table.arms["mixing"].strengths == {"learning_rate": 0.006, "mixup": 0.0}
        assert table.arms["mixing"].edges == ()

    @pytest.mark.parametrize("objective", OBJECTIVES)
    def test_optimism_is_of_the_first_objective(self, objective):
        search = SEARCH.model_copy(update={"objectives": (objective,)})
        trials = [replace(each, values={objective: each.values.get("nll")}) for each in TRIALS]
        winners = {arm: replace(each, values={objective: each.values["nll"]}) for arm, each in WINNERS.items()}
        table, scores, names = table_of(winners, search, trials=trials)
        fresh = scores[measure(objective)][names.index("all")]
        assert table.arms["all"].optimism.mean == pytest.approx(float(fresh.mean()) - 0.45)

    def test_a_contender_that_diverged_on_fresh_seeds_is_told(self):
        table, _, _ = table_of(broken=1)
        assert table.arms["dropout"].optimism.model_dump() == {
            "searched": pytest.approx(0.5), "mean": None, "low": None, "high": None,
        }  # fmt: skip
        (pair,) = [pair for pair in table.pairs if {pair.a, pair.b} == {"none", "dropout"}]
        assert pair.metrics[NLL].difference is None
        assert "no finite value" in pair.metrics[NLL].left_out

    def test_nothing_else_but_what_was_searched_has_a_place(self, made):
        assert json.loads(json.dumps(made[0].model_dump(mode="json"), allow_nan=False)).keys() == {
            "search", "results", "arms", "pairs", "interactions",
        }  # fmt: skip


class TestEdges:
    @pytest.mark.parametrize(
        ("strengths", "edges"),
        [
            ({"dropout": 0.3, "weight_decay": 0.1, "mixup": 0.5, "max_norm": 2.5}, []),
            ({"dropout": 0.49, "weight_decay": 0.1, "mixup": 0.5, "max_norm": 2.5}, ["dropout"]),
            ({"dropout": 0.3, "weight_decay": 0.99, "mixup": 0.5, "max_norm": 1.01}, ["weight_decay", "max_norm"]),
            ({"dropout": 0.001, "weight_decay": 0.0101, "mixup": 0.001, "max_norm": 3.99}, []),
            ({"dropout": 0.0, "weight_decay": 0.0, "mixup": 0.0, "max_norm": 0.0}, []),
        ],
    )
    def test_the_weak_end_is_none(self, strengths, edges):
        winners = {"none": WINNERS["none"], "all": trial("all", 0, 0.45, 0.007, **strengths)}
        assert table_of(winners)[0].arms["all"].edges == tuple(edges)

    @pytest.mark.parametrize(
        ("rate", "edges"),
        [
            (0.00101, ["learning_rate"]),
            (0.001 * 100**0.049, ["learning_rate"]),
            (0.001 * 100**0.051, []),
            (0.001 * 100**0.949, []),
            (0.001 * 100**0.951, ["learning_rate"]),
        ],
    )
    def test_a_twentieth_of_the_sampled_axis_is_near(self, rate, edges):
        assert table_of({"none": trial("none", 0, 0.6, rate)})[0].arms["none"].edges == tuple(edges)
