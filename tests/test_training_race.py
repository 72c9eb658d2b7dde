"""The race of ways to train: ratios, what is kept of earlier runs, and contenders that do learn."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from benchmarks.training_contenders import TRAIN, digits
from benchmarks.training_race import ENTRIES, Entry, Lap, installed, merged, rows
from pipeline.data.seed_data import SeedData
from pipeline.reporting.text.training_race import Racer, TrainingRace


def race(*racers: Racer, setting: str = "digits, 2 epochs") -> TrainingRace:
    return TrainingRace(machine="x86_64", setting=setting, rows=racers)


def racers(**laps: Lap) -> list[Racer]:
    return rows({name: [lap] for name, lap in laps.items()}, dict.fromkeys(laps, "torch 2"), "today")


STACK, SLOWER = Lap(2.0, 2.0, {0: 0.1, 1: 0.3}), Lap(4.0, 4.0, {0: 0.1, 1: 0.3})


def test_ratios_are_of_networks_of_the_same_round() -> None:
    laps = {
        "stack": [STACK, SLOWER],
        "tabm": [Lap(3.0, 5.0, {0: 0.2}), Lap(4.0, 6.0, {1: 0.4})],
    }
    stack, tabm = rows(laps, dict.fromkeys(laps, "torch 2"), "today")
    assert (stack.seconds, stack.gain, stack.range) == (1.5, 1.0, (1.0, 1.0))
    assert (tabm.seconds, tabm.wall, tabm.gain, tabm.range) == (3.5, 5.5, 2.5, (2.0, 3.0))
    assert (tabm.networks, tabm.rounds, tabm.seeds, tabm.losses) == (1, 2, (0, 1), (0.2, 0.4))


def test_what_was_not_measured_now_is_kept(tmp_path: Path) -> None:
    path, new = tmp_path / "race.json", race(*racers(stack=STACK, loop=SLOWER))
    assert merged(new, path) == new
    path.write_text(race(*racers(stack=SLOWER, tabm=SLOWER)).model_dump_json())
    assert [(row.name, row.seconds) for row in merged(new, path).rows] == [("stack", 1.0), ("loop", 2.0), ("tabm", 2.0)]
    path.write_text(race(*racers(stack=STACK, tabm=SLOWER), setting="digits, 3 epochs").model_dump_json())
    assert merged(new, path) == new


def test_who_is_not_installed_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ENTRIES, "tabm", Entry("Absent", "no-such-package"))
    assert list(installed(["stack", "tabm"])) == ["stack"]
    assert (
        capsys.readouterr().out == "Absent: left out, no-such-package is not installed (pip install no-such-package)\n"
    )


@pytest.fixture(scope="module")
def rows_of_seeds() -> dict[int, SeedData]:
    return digits(2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stack", "loop", "loader", "vmap", "skorch", "mlp"])
def test_contenders_learn_something_on_every_seed(name: str, rows_of_seeds: dict[int, SeedData]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probs = np.stack(list(TRAIN[name](rows_of_seeds, 20)))
    labels = np.stack([data.labels["test"] for data in rows_of_seeds.values()])
    assert probs.shape == (*labels.shape, 10)
    assert probs.sum(-1) == pytest.approx(np.ones(labels.shape), abs=1e-5)
    assert ((probs.argmax(-1) == labels).mean(1) > 0.8).all()
