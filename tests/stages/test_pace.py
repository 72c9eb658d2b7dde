"""A search within a time: made smaller by a clock that goes slower, and by nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from project import ROOT, STUDY, write_params

from pipeline.config.budget import FEWEST_SEEDS
from pipeline.config.cost import network_epochs, search_networks_of
from pipeline.config.params import Params, load_params
from pipeline.core.paths import PARAMS, result_file
from pipeline.results.record import read_record
from pipeline.results.search import SearchResults
from pipeline.stages.pace import Pace
from pipeline.stages.study_length import Speed


@pytest.fixture
def params() -> Params:
    """A sketch of the project's study."""
    params = load_params(ROOT / "params.yaml")
    ensembles = params.study.ensembles.model_copy(update={"members": 1})
    search = params.search.model_copy(update={"batch": 5, "stacked": 0})
    return params.model_copy(
        update={"search": search, "study": params.study.model_copy(update={"ensembles": ensembles})}
    )


def whole(params: Params, speed: float = 1.0) -> float:
    """Seconds of all that is planned."""
    return speed * network_epochs(params, search_networks_of(params))


class Machine:
    """A clock that a search moves on, by as many seconds an epoch as the machine takes at that time."""

    def __init__(self, params: Params, speed: Callable[[float], float]) -> None:
        self.params, self.speed, self.now = params, speed, 0.0

    def clock(self) -> float:
        return self.now

    def work(self, *, trials: int = 0, seeds: int = 0) -> None:
        """Search, or compare winners on seeds."""
        search = self.params.search.model_copy(update={"trials": trials})
        study = self.params.study.model_copy(update={"seeds": seeds})
        part = self.params.model_copy(update={"search": search, "study": study})
        networks = search_networks_of(part)
        networks = networks._replace(**{"contenders": 0, "averages": 0} if trials else {"trials": 0})
        for _ in range(100):
            self.now += self.speed(self.now) * network_epochs(part, networks) / 100

    def run(self, pace: Pace) -> tuple[int, int]:
        """What `search_alone` does, in time; trials and seeds that were made."""
        trials = 0
        while trials < pace(trials)[0]:
            self.work(trials=self.params.search.batch)
            trials += self.params.search.batch
        seeds = pace(trials)[1]
        self.work(seeds=seeds)
        return trials, seeds


def test_at_an_even_speed_all_is_done_that_was_planned(params: Params) -> None:
    machine = Machine(params, lambda _: 1.0)
    pace = Pace(params, 1.001 * whole(params), Speed(1.0), machine.clock)
    assert machine.run(pace) == (params.search.trials, params.study.seeds)


def test_a_machine_that_is_faster_does_no_more(params: Params) -> None:
    machine = Machine(params, lambda _: 0.1)
    assert machine.run(Pace(params, whole(params), Speed(1.0), machine.clock)) == (30, 30)


@pytest.mark.parametrize("slower", [1.3, 2.0, 3.0])
def test_a_first_measurement_that_was_too_good_costs_no_time(slower: float, params: Params) -> None:
    machine = Machine(params, lambda _: slower)
    trials, seeds = machine.run(Pace(params, whole(params), Speed(1.0), machine.clock))
    assert machine.now < 1.1 * whole(params)
    assert (trials, seeds) < (30, 30)
    assert trials >= params.search.batch
    assert seeds >= FEWEST_SEEDS


def test_a_machine_that_becomes_slower_in_the_middle_ends_not_much_later(params: Params) -> None:
    end = whole(params)
    machine = Machine(params, lambda now: 1.0 if now < end / 2 else 2.0)
    trials, seeds = machine.run(Pace(params, end, Speed(1.0), machine.clock))
    assert machine.now < 1.1 * end
    assert trials < 30 or seeds < 30


def test_without_any_time_the_least_is_done_that_decides_something(params: Params) -> None:
    machine = Machine(params, lambda _: 1.0)
    assert machine.run(Pace(params, 0.0, Speed(1.0), machine.clock)) == (params.search.batch, FEWEST_SEEDS)


@pytest.mark.slow
def test_a_limited_search_says_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.stages.generate import generate  # noqa: PLC0415
    from pipeline.stages.search import search_alone  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, STUDY)
    generate("wine")
    batch, seeds = load_params(PARAMS).search.batch, load_params(PARAMS).study.seeds
    asked: list[int] = []

    def limit(trials: int) -> tuple[int, int]:
        asked.append(trials)
        return 2 * batch, seeds - 1

    search_alone("wine", jobs=1, limit=limit)
    limited = read_record(SearchResults, result_file("wine", "search.json"))
    assert asked == [0, batch, 2 * batch, 2 * batch]
    assert limited.search.trials == 2 * batch
    assert {sum(arm.trials.model_dump().values()) for arm in limited.arms.values()} == {2 * batch}
    assert limited.results.protocol.seeds == seeds - 1
    search_alone("wine", jobs=1)
    full = read_record(SearchResults, result_file("wine", "search.json"))
    assert (full.search.trials, full.results.protocol.seeds) == (load_params(PARAMS).search.trials, seeds)
