from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState
from oracles import (
    ARMS,
    SPACE,
    calibrated_nll,
    contents_of,
    held_out_logits,
    members_of,
    search_of,
    task_of,
    toy_data,
    train_one,
)
from scipy.special import log_softmax as log_softmax_of

from pipeline.calibration.calibrator import refinement_loss
from pipeline.config.search_space import OBJECTIVES as NAMES
from pipeline.core.engines import parse
from pipeline.core.errors import InputError
from pipeline.core.parallel import using
from pipeline.core.rng import Purpose, generator
from pipeline.search.objectives import OBJECTIVES, by_seed
from pipeline.search.optimize import next_batch, run
from pipeline.search.trials import STATES
from pipeline.training.fit import fit, fit_stack
from pipeline.training.member import Fitted

BOTH = ["nll", "calibration"]
QUICK = [("tpe", "halving"), ("nsga2", BOTH)]
OTHERS = [
    *(("tpe", pruner) for pruner in ("none", "hyperband", "median")),
    *(("random", "halving"), ("nsga2", "halving"), ("nsga2", "none"), ("tpe", BOTH), ("random", BOTH)),
]
GAUSSIAN = [("gp", "halving"), ("gp", BOTH)]


def made_task(sampler, told, **changes):
    """A task with one objective and a pruner, or with two objectives and none."""
    if isinstance(told, str):
        return task_of(search_of(sampler=sampler, pruner=told, **changes))
    return task_of(search_of(sampler=sampler, pruner="none", objectives=told, **changes))


def searched(task, trials, storage=None, arms=None, **options):
    """What a search has found when it is done."""
    *_, found = run(
        task, storage or InMemoryStorage(), {arm: f"study {arm}" for arm in arms or ARMS}, trials=trials, **options
    )
    return found


@cache
def whole_search(sampler, told):
    """What six trials find in every arm, in one go: many tests reach it another way. To be read only."""
    return searched(made_task(sampler, list(told) if isinstance(told, tuple) else told), 6)


def whole_of(sampler, told):
    return whole_search(sampler, tuple(told) if isinstance(told, list) else told)


def stored(task, found):
    """A storage with these trials, as an interrupted search leaves it."""
    storage = InMemoryStorage()
    for arm, trials in found.items():
        study = optuna.create_study(
            storage=storage, study_name=f"study {arm}", directions=["minimize"] * len(task.search.objectives)
        )
        study.add_trials(trials)
    return storage


def cases(*slow):
    """Samplers, each with a pruner or with two objectives; those that are given run among the slow tests."""
    marked = (pytest.param(*pair, marks=pytest.mark.slow) for pair in slow)
    return pytest.mark.parametrize(("sampler", "told"), [*QUICK, *marked], ids=str)


class TestABatch:
    @cases(*OTHERS, *GAUSSIAN)
    def test_is_a_function_of_the_finished_trials(self, sampler, told):
        task, whole = made_task(sampler, told), whole_of(sampler, told)
        finished = searched(task, 4)
        np.random.seed(1)  # noqa: NPY002  (nothing may be read from the global state)
        once = next_batch(task, finished)
        np.random.seed(2)  # noqa: NPY002
        again = next_batch(task, {arm: [*trials] for arm, trials in finished.items()})
        assert contents_of(once) == contents_of(again)
        assert {arm: len(batch) for arm, batch in once.items()} == dict.fromkeys(ARMS, 2)
        assert all(trial.state.is_finished() for batch in once.values() for trial in batch)
        first = {arm: trials[:4] for arm, trials in contents_of(whole).items()}
        assert contents_of(finished) == first  # what was given is left alone

    @cases(*OTHERS, *GAUSSIAN)
    def test_does_not_depend_on_arms_beside_it(self, sampler, told):
        task = made_task(sampler, told)
        together = whole_of(sampler, told)
        for arm in ARMS:
            alone = searched(task, 6, arms=[arm])
            assert contents_of(alone) == {arm: contents_of(together)[arm]}

    def test_does_not_depend_on_what_else_a_search_has(self):
        """Neither a strength that other arms search, nor the budget, nor the other arms' names."""
        task = made_task("tpe", "halving")
        space = {**SPACE, "noise": {"low": 0.0, "high": 1.0}}
        other = task_of(
            search_of(trials=99, space=space, arms={"none": [], "noise": ["noise"], "dropout": ["dropout"]})
        )
        mine, theirs = (searched(one, 6, arms=["none", "dropout"]) for one in (task, other))
        assert contents_of(mine) == contents_of(theirs)

    @pytest.mark.parametrize("told", ["halving", ["nll", "nll_calibrated"]], ids=str)
    def test_does_not_depend_on_jobs(self, told):
        task = made_task("tpe", told)
        with using(parse("threads")):
            many = searched(task, 6, jobs=2)
        assert contents_of(many) == contents_of(whole_of("tpe", told))

    @pytest.mark.slow
    def test_does_not_depend_on_processes(self):
        task = made_task("tpe", "halving")
        with using(parse("loky")):
            many = searched(task, 4, jobs=2)
        assert contents_of(many) == contents_of(searched(task, 4))

    def test_another_seed_draws_others(self):
        draws = [searched(task_of(search_of(seed=seed)), 2)["all"][0].params for seed in (0, 1, 2)]
        assert all(one != other for one, other in combinations(draws, 2))

    def test_another_batch_draws_others(self):
        """A sampler that is made anew does not begin its stream anew."""
        task = made_task("random", "none")
        params = [trial.params["dropout"] for trial in searched(task, 6)["all"]]
        assert len(set(params)) == 6

    def test_draws_are_those_of_the_stated_stream(self):
        task = made_task("random", "none")
        found = searched(task, 6)["none"]
        for start in (0, 2, 4):
            seed = int(generator(0, Purpose.SEARCH, start).integers(2**32))
            study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
            for place in range(2):
                drawn = study.ask().suggest_float("learning_rate", 0.001, 0.1, log=True)
                assert found[start + place].params == {"learning_rate": drawn}


def objectives_of(logits, labels):
    """Every objective of one network, from its definition."""
    logs = log_softmax_of(logits.astype(np.float64), axis=-1)
    nll = -float(np.mean([row[label] for row, label in zip(logs, labels, strict=True)]))
    left = float(refinement_loss(logits, labels))
    return {
        "nll": nll,
        "nll_calibrated": calibrated_nll(logits, labels),
        "calibration": nll - left,
        "refinement": left,
    }


class TestAValue:
    """Trials say what their networks, trained one by one, are worth."""

    @pytest.mark.parametrize("name", NAMES)
    def test_of_every_objective(self, name):
        task = task_of(search_of(pruner="none", objectives=[name], sampler="random", trials=2))
        for arm, trials in searched(task, 2).items():
            for trial in trials:
                point = task.point(arm, trial)
                by_seed = []
                for member in members_of([point], sorted(task.data)):
                    logits = fit_stack([member], task.data).logits["validation"][0]
                    by_seed.append(objectives_of(logits, task.data[member.seed].labels["validation"])[name])
                assert trial.user_attrs["seeds"] == pytest.approx(by_seed, abs=1e-9)
                assert trial.value == pytest.approx(np.mean(by_seed), abs=1e-9)

    def test_objectives_are_those_of_params(self):
        assert tuple(OBJECTIVES) == NAMES

    def test_of_two_objectives_seeds_have_the_first(self):
        task = task_of(search_of(pruner="none", objectives=["refinement", "calibration"]))
        for trial in searched(task, 2)["dropout"]:
            (member, _) = members_of([task.point("dropout", trial)], sorted(task.data))
            logits = fit_stack([member], task.data).logits["validation"][0]
            found = objectives_of(logits, task.data[member.seed].labels["validation"])
            assert trial.user_attrs["seeds"][0] == pytest.approx(found["refinement"], abs=1e-9)
            assert trial.values[0] == pytest.approx(np.mean(trial.user_attrs["seeds"]))

    def test_at_a_rung_is_that_of_a_shorter_training(self):
        task = made_task("random", "median")
        for arm, trials in searched(task, 4).items():
            for trial in trials:
                assert list(trial.intermediate_values) == [1, 2]
                for epoch, value in trial.intermediate_values.items():
                    shorter = task.point(arm, trial).model_copy(update={"epochs": epoch})
                    members = members_of([shorter], sorted(task.data))
                    fitted = Fitted.join([fit_stack([member], task.data) for member in members])
                    labels = [task.data[member.seed].labels["validation"] for member in members]
                    expected = [
                        objectives_of(one, label)["nll"]
                        for one, label in zip(fitted.logits["validation"], labels, strict=True)
                    ]
                    assert value == pytest.approx(np.mean(expected), abs=1e-9)

    def test_is_of_the_point_that_coordinates_stand_for(self):
        task = made_task("random", "none")
        (trial, *_) = searched(task, 2)["all"]
        point = task.point("all", trial)
        space = task.search.space
        for name in ("learning_rate", "dropout", "averaging", "mixup"):
            assert getattr(point, name) == space[name].strength(trial.params[name])
        assert point.model_copy(update=dict.fromkeys(("dropout", "averaging", "mixup"), 0.0)) == task.base.model_copy(
            update={"learning_rate": point.learning_rate}
        )


STOPPING = {
    "space": {**SPACE, "early_stopping": {"choices": ["none", "nll", "nll_calibrated"]}},
    "arms": {"none": [], "stopping": ["early_stopping"], "all": ["early_stopping", "dropout", "averaging", "mixup"]},
    "portfolio": [{"learning_rate": 0.05, "early_stopping": rule} for rule in ("none", "nll", "nll_calibrated")],
}


def by_the_book(point, data, seed):
    """Logits of the validation rows, of epochs that other rows have chosen; their labels; and the epoch of all."""
    evaluations, kept = train_one(point, data, seed)
    labels = data.labels["validation"]
    return held_out_logits(point, evaluations, labels), labels, kept


@pytest.mark.slow
class TestEarlyStopping:
    """It is judged on validation rows that it has not seen, and nothing else changes because of that."""

    def task(self, pruner="none", **changes):
        return task_of(search_of(pruner=pruner, sampler="random", batch=3, **STOPPING, **changes), learning_rate=0.05)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_value_is_that_of_an_obvious_loop(self, name):
        task = self.task(objectives=[name])
        kept = []
        for trial in searched(task, 3, arms=["stopping"])["stopping"][1:]:
            point, values = task.point("stopping", trial), []
            assert point.early_stopping != "none"
            for seed, data in task.data.items():
                logits, labels, epoch = by_the_book(point, data, seed)
                values.append(objectives_of(logits, labels)[name])
                kept.append(epoch)
            assert trial.user_attrs["seeds"] == pytest.approx(values, rel=1e-3, abs=1e-5)
        assert min(kept) < task.base.epochs

    def test_at_a_rung_a_value_is_that_of_a_shorter_training(self):
        task = self.task("median")
        for trial in searched(task, 3, arms=["stopping"])["stopping"][1:]:
            assert list(trial.intermediate_values) == [1, 2]
            for epoch, value in trial.intermediate_values.items():
                shorter = task.point("stopping", trial).model_copy(update={"epochs": epoch})
                found = [by_the_book(shorter, data, seed) for seed, data in task.data.items()]
                expected = np.mean([objectives_of(logits, labels)["nll"] for logits, labels, _ in found])
                assert value == pytest.approx(expected, rel=1e-3)

    @pytest.mark.parametrize("width", [9, pytest.param(128, marks=pytest.mark.slow)])
    def test_trials_without_it_have_the_bits_that_all_validation_rows_give(self, width):
        """Beside trials with it, at a width and at numbers of rows for which kernels differ."""
        rows = {"train": 65, "validation": 257, "test": 5}
        data = {seed: toy_data(seed, rows=rows) for seed in (4, 5)}
        task = replace(self.task("median", objectives=["refinement"]), data=data)
        task = replace(task, base=task.base.model_copy(update={"hidden": (width, width)}))
        labels = np.stack([each.labels["validation"] for each in data.values()])
        plain = 0
        for arm, trials in searched(task, 6, arms=list(STOPPING["arms"])).items():
            for trial in trials:
                point = task.point(arm, trial)
                if point.early_stopping != "none":
                    continue
                plain += 1
                for epoch, value in (*trial.intermediate_values.items(), (point.epochs, trial.value)):
                    (fitted,) = fit([members_of([point.model_copy(update={"epochs": epoch})], (4, 5))], data)
                    expected = by_seed("refinement", fitted.logits["validation"], labels)
                    assert value == float(expected.mean())
                assert trial.user_attrs["seeds"] == expected.tolist()
        assert plain >= 6 + 2

    def test_what_a_batch_finds_does_not_depend_on_jobs(self):
        task = self.task("halving")
        arms = list(STOPPING["arms"])
        with using(parse("threads")):
            many = searched(task, 6, arms=arms, jobs=2)
        assert contents_of(many) == contents_of(searched(task, 6, arms=arms))

    @pytest.mark.slow
    @pytest.mark.parametrize(("sampler", "told"), [*QUICK, *OTHERS, *GAUSSIAN], ids=str)
    def test_every_sampler_and_pruner_can_choose(self, sampler, told):
        task = made_task(sampler, told, **STOPPING)
        arms = list(STOPPING["arms"])
        whole = searched(task, 8, arms=arms)
        assert contents_of(searched(task, 8, arms=arms)) == contents_of(whole)
        assert {trial.params["early_stopping"] for trial in whole["all"]} <= {"none", "nll", "nll_calibrated"}


class TestLettingGo:
    def test_halving_lets_go_of_those_that_a_short_loop_lets_go_of(self):
        """Who is asked at a rung goes on if among the best half of those that were asked before, or is the best."""
        task = task_of(search_of(sampler="random", batch=4, trials=12))
        found = searched(task, 12)
        states = [trial.state.name for trials in found.values() for trial in trials]
        assert states.count("PRUNED") > 5
        assert states.count("COMPLETE") > 5
        for trials in found.values():
            for epoch in (1, 2):
                asked = []
                for trial in trials:
                    if epoch not in trial.intermediate_values:
                        continue
                    value = trial.intermediate_values[epoch]
                    asked.append(value)
                    stays = value <= sorted(asked)[max(len(asked) // 2 - 1, 0)]
                    went_on = trial.state is TrialState.COMPLETE or max(trial.intermediate_values) > epoch
                    assert went_on == stays

    def test_those_that_were_let_go_have_no_value_of_their_own(self):
        task = task_of(search_of(sampler="random", batch=4))
        trials = [trial for found in searched(task, 8).values() for trial in found]
        for trial in trials:
            if trial.state is TrialState.PRUNED:
                assert "seeds" not in trial.user_attrs
                assert max(trial.intermediate_values) in (1, 2)

    def test_ticks_count_every_member_and_epoch(self):
        ticks = []
        task = task_of(search_of(sampler="random"))
        searched(task, 6, tick=ticks.append)
        assert sum(ticks) == len(ARMS) * 6 * 2 * task.base.epochs


class TestDivergence:
    SPACE = SPACE | {"learning_rate": {"low": 0.01, "high": 1e30, "log": True}}

    def wild(self, **changes):
        return task_of(search_of(space=self.SPACE, sampler="random", **changes), optimizer="sgd")

    @pytest.mark.parametrize("pruner", ["none", "halving"])
    def test_a_trial_that_diverges_has_failed_and_the_search_goes_on(self, pruner):
        found = searched(self.wild(pruner=pruner), 8)
        for trials in found.values():
            states = {trial.state for trial in trials}
            assert {TrialState.FAIL, TrialState.COMPLETE} <= states <= set(STATES)
            assert (TrialState.PRUNED in states) <= (pruner == "halving")
            for trial in trials:
                assert (trial.values is None) == (trial.state is TrialState.FAIL)
                assert ("seeds" in trial.user_attrs) == (trial.state is TrialState.COMPLETE)
                assert all(map(np.isfinite, trial.intermediate_values.values()))

    @pytest.mark.slow
    @pytest.mark.parametrize("pruner", ["halving", "hyperband", "median"])
    @pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
    def test_no_pruner_and_no_sampler_stumbles_over_it(self, sampler, pruner):
        search = search_of(space=self.SPACE, sampler=sampler, pruner=pruner)
        task = task_of(search, optimizer="sgd")
        found = searched(task, 8)
        assert all(len(trials) == 8 for trials in found.values())
        trials = [trial for of_arm in found.values() for trial in of_arm]
        assert all(np.isfinite(trial.value) for trial in trials if trial.state is TrialState.COMPLETE)
        assert any(trial.params["learning_rate"] > 1e6 for trial in trials)
        assert contents_of(found) == contents_of(searched(task, 8))

    def test_one_seed_is_enough(self):
        """A network of one seed alone blows up: the trial has failed, though the other seed's is finite."""
        task = self.wild(pruner="none")
        part = task.data[5]
        wild = {**part.features, "train": part.features["train"] * np.float32(1e30)}
        task = replace(task, data={**task.data, 5: replace(part, features=wild)})
        found = searched(task, 4)
        assert {trial.state for trials in found.values() for trial in trials} == {TrialState.FAIL}


@pytest.mark.slow
class TestGoingOn:
    @pytest.mark.parametrize(
        ("sampler", "told"),
        [QUICK[0], *(pytest.param(*pair, marks=pytest.mark.slow) for pair in [*QUICK[1:], *OTHERS])],
        ids=str,
    )
    def test_from_any_commit_it_finds_the_same(self, sampler, told):
        """Arms are stored one after the other, a trial at a time: killed after any of them, nothing else comes out."""
        task, whole = made_task(sampler, told), whole_of(sampler, told)
        commits = [(arm, batch + place) for batch in (0, 2, 4) for arm in ARMS for place in (0, 1)]
        for killed_after in range(len(commits) + 1):
            done = commits[:killed_after]
            left = {arm: [whole[arm][place] for of, place in done if of == arm] for arm in ARMS}
            assert contents_of(searched(task, 6, stored(task, left))) == contents_of(whole)

    @pytest.mark.slow
    @pytest.mark.parametrize(("sampler", "told"), GAUSSIAN, ids=str)
    def test_from_any_commit_a_gaussian_process_finds_the_same(self, sampler, told):
        task = made_task(sampler, told)
        whole = {arm: whole_of(sampler, told)[arm] for arm in ("none", "dropout")}
        for size in range(6):
            left = {arm: whole[arm][: size + (arm == "none")] for arm in ("none", "dropout")}
            found = searched(task, 6, stored(task, left), arms=["none", "dropout"])
            assert contents_of(found) == contents_of(whole)

    @pytest.mark.slow
    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_from_any_numbers_of_trials(self, draw):
        case = draw.draw(st.sampled_from([*QUICK, *OTHERS]))
        task, whole = made_task(*case), whole_of(*case)
        left = {arm: whole[arm][: draw.draw(st.integers(0, 6))] for arm in ARMS}
        assert contents_of(searched(task, 6, stored(task, left))) == contents_of(whole)

    @cases(*OTHERS, *GAUSSIAN)
    def test_two_and_then_six_are_six(self, sampler, told):
        task, storage = made_task(sampler, told), InMemoryStorage()
        assert {len(trials) for trials in searched(task, 2, storage).values()} == {2}
        assert contents_of(searched(task, 6, storage)) == contents_of(whole_of(sampler, told))

    @pytest.mark.parametrize("trials", [1, 3, 5])
    def test_a_budget_may_end_within_a_batch(self, trials):
        task, storage = made_task("tpe", "halving"), InMemoryStorage()
        whole = contents_of(whole_of("tpe", "halving"))
        assert contents_of(searched(task, trials, storage)) == {arm: found[:trials] for arm, found in whole.items()}
        study = optuna.load_study(storage=storage, study_name="study all")
        assert len(study.get_trials()) == trials + 1  # the batch is stored whole, and used when the budget grows
        assert contents_of(searched(task, 6, storage)) == whole

    def test_an_arm_that_comes_later_catches_up(self):
        task, storage = made_task("tpe", "halving"), InMemoryStorage()
        searched(task, 4, storage, arms=["none"])
        assert contents_of(searched(task, 6, storage)) == contents_of(whole_of("tpe", "halving"))

    def test_it_tells_what_is_finished_after_every_batch(self):
        task = made_task("tpe", "halving")
        told = list(run(task, InMemoryStorage(), {arm: arm for arm in ARMS}, trials=5))
        assert [{len(trials) for trials in found.values()} for found in told] == [{0}, {2}, {4}, {5}]
        assert contents_of(told[1])["all"] == contents_of(told[3])["all"][:2]

    def test_a_finished_search_trains_nothing(self, monkeypatch):
        task, storage = made_task("tpe", "halving"), InMemoryStorage()
        whole = searched(task, 6, storage)
        monkeypatch.setattr("pipeline.search.optimize.next_batch", None)
        assert contents_of(searched(task, 4, storage)) == {arm: found[:4] for arm, found in contents_of(whole).items()}

    def test_trials_that_somebody_else_asked_for_are_left_out(self):
        task, whole = made_task("tpe", "halving"), whole_of("tpe", "halving")
        left = {arm: trials[:4] for arm, trials in whole.items()}
        storage = stored(task, left)
        optuna.load_study(storage=storage, study_name="study none").ask()
        found = searched(task, 6, storage)
        assert [t.params for t in found["none"]] == [t.params for t in whole["none"]]

    def test_somebody_else_is_noticed(self):
        task, storage = made_task("tpe", "halving"), InMemoryStorage()
        other = searched(task, 2)["all"][0]

        def intrude(_):
            study = optuna.load_study(storage=storage, study_name="all")
            if not study.get_trials():
                study.add_trial(other)

        search = run(task, storage, {arm: arm for arm in ARMS}, trials=6, tick=intrude)
        next(search)
        with pytest.raises(InputError, match="study 'all' must have one search at a time"):
            next(search)


class TestThePortfolio:
    ROWS = ({"learning_rate": 0.01}, {"learning_rate": 0.02, "dropout": 0.3}, {"learning_rate": 0.03, "mixup": 0.5})

    def task(self):
        task = made_task("tpe", "none")
        return replace(task, search=task.search.model_copy(update={"portfolio": self.ROWS}))

    def test_an_arm_tries_first_what_it_searches_all_of(self):
        task = self.task()
        task = replace(task, search=task.search.model_copy(update={"batch": 3}))
        batch = next_batch(task, {"none": [], "dropout": []})
        points = {arm: [task.point(arm, trial) for trial in trials] for arm, trials in batch.items()}
        assert points["none"][0].learning_rate == 0.01
        assert [(one.learning_rate, one.dropout) for one in points["dropout"][:2]] == [(0.01, 0.0), (0.02, 0.3)]
        assert points["dropout"][2].learning_rate not in (0.01, 0.02, 0.03)

    def test_goes_on_where_it_was_interrupted(self):
        """The second batch of one trial has the second row."""
        task = self.task()
        task = replace(task, search=task.search.model_copy(update={"batch": 1}))
        first = next_batch(task, {"dropout": []})["dropout"]
        second = next_batch(task, {"dropout": first})["dropout"]
        assert [task.point("dropout", trial).learning_rate for trial in (*first, *second)] == [0.01, 0.02]
