"""Does the map say who wins, by how much, and on seeds that did not choose?"""

from pathlib import Path

import numpy as np
import pytest
from config.test_textbook import change
from ruamel.yaml import YAML

from pipeline.config.textbook_map import arm_cells, experiment_of, load_map
from pipeline.core.errors import InputError
from pipeline.core.paths import MAP
from pipeline.textbook.regularizer_map import CHOICE, METRIC, map_place, tuned

ROOT = Path(__file__).parents[2]
SEEDS = 20


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "map.yaml"
    made.write_text((ROOT / MAP).read_text())
    return made


def noise(number, scale=0.01):
    return scale * np.random.default_rng(number).standard_normal(SEEDS)


def judged(**values):
    return map_place(values, rows=16, label_noise=0.2, least=0.005)


def test_an_arm_takes_its_best_cell_on_validation_seed_by_seed():
    arrays = {METRIC: np.arange(8.0).reshape(4, 2), CHOICE: np.array([[0, 1], [1, 0], [5, 1], [4, 2]])}
    found = tuned(arrays, {"none": 2, "dropout": 2})
    assert {name: each.tolist() for name, each in found.items()} == {"none": [0, 3], "dropout": [6, 5]}


def test_the_winner_gains_what_it_has_on_the_other_half():
    found = judged(none=0.5 + noise(0), dropout=0.3 + noise(1), mixup=0.4 + noise(2))
    assert (found.winner, found.verdict, found.rivals, found.n) == ("dropout", "supported", (), SEEDS)
    assert found.gain == pytest.approx(np.mean(0.2 + noise(0) - noise(1)))


def test_what_is_chosen_on_one_half_is_judged_on_the_other():
    """Each arm is good on the half that chooses it and bad on the half that judges it."""
    even = np.arange(SEEDS) % 2 == 0
    found = judged(none=np.full(SEEDS, 0.5), a=np.where(even, 0.0, 0.9), b=np.where(even, 0.9, 0.0))
    assert found.gain == pytest.approx(0.5 - 0.9)
    assert found.verdict == "refuted"


def test_none_wins_where_all_are_alike_and_chance_gains_nothing():
    gains = []
    for number in range(200):
        arms = {name: 0.5 + noise(10 * number + at) for at, name in enumerate("abcdef", 1)}
        gains.append(judged(none=0.5 + noise(10 * number), **arms).gain)
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(200)


def test_arms_that_cannot_be_told_from_the_winner_are_its_rivals():
    found = judged(none=0.5 + noise(0), a=0.3 + noise(1), b=0.3005 + noise(2), c=0.45 + noise(3))
    assert found.rivals == (({"a", "b"} - {found.winner}).pop(),)


def test_the_map_of_the_textbook_has_the_rows_that_dvc_runs(file):
    params = load_map(file)
    arms = arm_cells(params, file)
    assert next(iter(arms)) == "none"
    assert len(experiment_of(arms).cells) == sum(map(len, arms.values()))
    assert params.source(16, 0.2).label_noise == 0.2
    assert list(params.rows) == YAML(typ="safe").load((ROOT / MAP).read_text())["rows"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("rows",), [64, 16], "rows: must rise, got [64, 16]"),
        (("seeds",), 3, "seeds: should be greater than or equal to 4"),
        (("arms", "dropout"), {"droput": 0.5}, "arms.dropout.droput: unknown key"),
        (("arms", "dropout"), {}, "must differ from arms.dropout, got an equal cell in both"),
        (("arms", "a b"), {}, "arms: names are 1 to 60 letters, digits and underscores, got 'a b'"),
        (("tusk",), 1, "tusk: unknown key"),
    ],
)
def test_mistakes_are_one_line_that_names_the_place(file, path, value, message):
    change(file, *path, value=value)
    with pytest.raises(InputError) as caught:
        load_map(file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
