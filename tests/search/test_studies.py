"""Can a person read what Optuna's dashboard shows, and is the search the same?"""

from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.storages import InMemoryStorage
from oracles import ARMS, contents_of, search_of, task_of

from pipeline.config.dimensions import Range
from pipeline.search.optimize import run
from pipeline.search.storage import opened
from pipeline.search.studies import SETTINGS, names_by_settings, strengths_of, studies_of

SEARCH = search_of()
SETTINGS_OF = {arm: f"wine {arm} 0123abcd" for arm in ARMS}


def test_a_study_has_the_name_of_data_set_and_arm_and_those_of_its_objectives():
    storage, search = InMemoryStorage(), search_of(pruner="none", objectives=["nll_calibrated", "refinement"])
    names = studies_of(storage, "wine", {"weight_decay": "wine weight_decay 0123abcd"}, search)
    assert names == {"weight_decay": "wine weight decay"}
    study = optuna.load_study(storage=storage, study_name="wine weight decay")
    assert study.metric_names == ["validation_calibrated/nll", "validation/refinement"]
    assert study.user_attrs[SETTINGS] == "wine weight_decay 0123abcd"


def test_other_settings_are_another_study_that_is_gone_on_with():
    storage = InMemoryStorage()
    first = studies_of(storage, "wine", SETTINGS_OF, SEARCH)
    others = {arm: f"{each} other" for arm, each in SETTINGS_OF.items()}
    second = studies_of(storage, "wine", others, SEARCH)
    assert set(second.values()) == {f"{name} (2)" for name in first.values()}
    assert studies_of(storage, "wine", SETTINGS_OF, SEARCH) == first
    assert studies_of(storage, "wine", others, SEARCH) == second
    assert names_by_settings(storage).keys() == {*SETTINGS_OF.values(), *others.values()}


def test_a_study_that_has_the_name_of_its_settings_is_gone_on_with():
    storage, arm = InMemoryStorage(), "dropout"
    optuna.create_study(storage=storage, study_name=SETTINGS_OF[arm])
    assert studies_of(storage, "wine", {arm: SETTINGS_OF[arm]}, SEARCH) == {arm: SETTINGS_OF[arm]}


def test_a_study_that_an_interruption_left_half_made_is_taken_over(tmp_path):
    arm = "weight_decay"
    with opened(tmp_path / "j") as storage:
        optuna.create_study(storage=storage, study_name="wine weight decay")
        assert studies_of(storage, "wine", {arm: "mine"}, SEARCH) == {arm: "wine weight decay"}
        assert studies_of(storage, "wine", {arm: "other"}, SEARCH) == {arm: "wine weight decay (2)"}
        assert studies_of(storage, "wine", {arm: "mine"}, SEARCH) == {arm: "wine weight decay"}


def test_a_study_that_holds_trials_or_may_be_another_search_s_is_left_alone(tmp_path):
    arm, name = "weight_decay", "wine weight decay"
    with opened(tmp_path / "j") as storage:
        study = optuna.create_study(storage=storage, study_name=name)
        study.add_trial(optuna.trial.create_trial(value=1.0))
        assert studies_of(storage, "wine", {arm: "mine"}, SEARCH) == {arm: f"{name} (2)"}
    with opened(tmp_path / "k", f"sqlite:///{tmp_path}/x.db") as storage:
        optuna.create_study(storage=storage, study_name=name)
        assert studies_of(storage, "wine", {arm: "mine"}, SEARCH) == {arm: f"{name} (2)"}


@pytest.mark.slow
class TestPostgreSQL:
    """A database of which a search knows that no other one is making studies."""

    def test_a_study_that_an_interruption_left_half_made_is_taken_over(self, database_url, tmp_path):
        with opened(tmp_path / "j", database_url) as storage:
            optuna.create_study(storage=storage, study_name="wine dropout")
            assert studies_of(storage, "wine", {"dropout": "mine"}, SEARCH) == {"dropout": "wine dropout"}
            assert studies_of(storage, "wine", {"dropout": "other"}, SEARCH) == {"dropout": "wine dropout (2)"}

    def test_searches_that_start_at_once_make_one_study_of_each_arm(self, database_url, tmp_path):
        def made(number):
            with opened(tmp_path / f"{number}.journal", database_url) as storage:
                return studies_of(storage, "wine", SETTINGS_OF, SEARCH)

        with ThreadPoolExecutor(4) as threads:
            first, *others = threads.map(made, range(4))
        assert others == [first] * 3
        with opened(tmp_path / "j", database_url) as storage:
            assert {*optuna.get_all_study_names(storage)} == {*first.values()}


@pytest.mark.parametrize("database", [False, True])
def test_trials_say_their_strengths_and_are_the_same_without(tmp_path, database):
    task = task_of(SEARCH)
    names = {arm: f"study {arm}" for arm in ARMS}
    *_, plain = run(task, InMemoryStorage(), names, trials=4)
    url = f"sqlite:///{tmp_path}/optuna.db" if database else None
    with opened(tmp_path / "j", url, describe=lambda trial: strengths_of(trial, SEARCH)) as storage:
        *_, described = run(task, storage, names, trials=4)
    for trials in described.values():
        for trial in trials:
            expected = {name: SEARCH.space[name].strength(place) for name, place in trial.params.items()}
            assert expected.items() <= trial.user_attrs.items()
            for name in trial.params:
                trial.user_attrs.pop(name)
    assert contents_of(described) == contents_of(plain)


def test_what_is_off_is_shown_as_zero():
    name = next(name for name, each in SEARCH.space.items() if isinstance(each, Range) and each.off)
    coordinate = SEARCH.space[name].sampled[0]
    trial = optuna.trial.create_trial(
        params={name: coordinate},
        distributions={name: optuna.distributions.FloatDistribution(coordinate, 1.0)},
        value=0.0,
    )
    assert strengths_of(trial, SEARCH) == {name: 0.0}
    assert coordinate != 0.0
