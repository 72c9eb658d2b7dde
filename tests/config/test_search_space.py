import pytest
from pydantic import ValidationError

from pipeline.config.search_space import LEARNING_RATE, OBJECTIVES, Pruner, Search, singles

RATE = {"low": 0.001, "high": 0.1, "log": True}
SECTION = {
    "trials": 6,
    "batch": 2,
    "seeds": 2,
    "objectives": ["nll"],
    "sampler": {"kind": "tpe"},
    "pruner": {"kind": "halving"},
    "space": {LEARNING_RATE: RATE, "dropout": {"low": 0.0, "high": 0.6}, "noise": {"low": 0.0, "high": 1.0}},
    "arms": {"none": [], "dropout": ["dropout"], "both": ["dropout", "noise"]},
    "stacked": 4,
}
SWITCH, WORD = {"choices": [False, True]}, {"choices": ["none", "nll", "nll_calibrated"]}

WITH_CHOICES = {
    "space": {**SECTION["space"], "batch_norm": SWITCH, "early_stopping": WORD},
    "arms": {"none": [], "norm": ["batch_norm"], "all": ["batch_norm", "early_stopping"]},
}


@pytest.mark.parametrize(
    ("kind", "first", "factor", "epochs", "rungs"),
    [
        ("halving", 15, 2, 60, [15, 30]),
        ("median", 1, 3, 28, [1, 3, 9, 27]),
        ("hyperband", 1, 3, 27, [1, 3, 9]),
        ("halving", 60, 2, 60, []),
        ("none", 1, 2, 60, []),
    ],
)
def test_rungs_are_powers_apart_and_before_the_end(kind, first, factor, epochs, rungs):
    assert Pruner(kind=kind, first=first, factor=factor).rungs(epochs) == rungs


@pytest.mark.parametrize(
    ("arms", "alone"),
    [
        ({"none": ()}, []),
        ({"none": (), "a": ("x",)}, ["a"]),
        ({"all": ("x", "y", "z"), "none": (), "a": ("x",), "b": ("y", "z")}, ["a", "b"]),
        ({"none": (), "ab": ("x", "y"), "a": ("x",), "c": ("z", "w")}, ["a", "c"]),
        ({"none": (), "chain": ("x", "y", "z"), "link": ("x", "y"), "a": ("x",)}, ["a"]),
        ({"none": (), "a": ("x", "y"), "b": ("y", "z")}, ["a", "b"]),
    ],
)
def test_singles_contain_no_other_arm(arms, alone):
    assert singles(arms) == alone


class TestSearch:
    def test_every_arm_searches_the_learning_rate_first(self):
        search = Search.model_validate(SECTION)
        assert [list(search.dimensions(arm)) for arm in search.arms] == [
            [LEARNING_RATE],
            [LEARNING_RATE, "dropout"],
            [LEARNING_RATE, "dropout", "noise"],
        ]

    def test_every_objective_is_known(self):
        for name in OBJECTIVES:
            assert Search.model_validate({**SECTION, "objectives": [name]}).objectives == (name,)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"space": {"dropout": SECTION["space"]["dropout"]}}, "space must hold learning_rate"),
            ({"space": {**SECTION["space"], LEARNING_RATE: {**RATE, "off": 0.1}}}, "space.learning_rate.off must be 0"),
            ({"arms": {"dropout": ["dropout"]}}, "arms must hold none"),
            ({"arms": {"none": ["dropout"]}}, "arms must hold none"),
            ({"arms": {"none": [], "a": ["l2"]}}, "arms.a must name strengths of space (dropout, noise), got 'l2'"),
            ({"arms": {"none": [], "a": [LEARNING_RATE]}}, "(dropout, noise), got 'learning_rate'"),
            ({"arms": {"none": [], "a": ["noise", "noise"]}}, "arms.a must name each strength once"),
            ({"objectives": ["nll", "nll"], "pruner": {"kind": "none"}}, "objectives must differ, got ['nll', 'nll']"),
            ({"objectives": ["nll", "calibration"]}, "pruner.kind must be none with two objectives"),
            ({"batch": 1, "sampler": {"kind": "nsga2"}}, "batch must be at least 2 with nsga2"),
            ({"stacked": 1}, "stacked must be 0, or 2 and more: one arm is no stack, got 1"),
            ({"stacked": -1}, "greater than or equal to 0"),
            ({"space": {**SECTION["space"], LEARNING_RATE: SWITCH}}, "space.learning_rate.off must be 0"),
            ({"arms": {"none": [], "../../x": ["noise"]}}, "letters, digits and underscores"),
            ({"arms": {"none": [], "dropout+noise": ["noise"]}}, "letters, digits and underscores"),
            ({"arms": {"none": [], "a\nb": ["noise"]}}, "letters, digits and underscores"),
        ],
    )
    def test_parts_that_disagree(self, changes, words):
        with pytest.raises(ValidationError) as caught:
            Search.model_validate({**SECTION, **changes})
        (mistake,) = caught.value.errors()
        assert words in mistake["msg"]


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({"learning_rate": 0.001, "magic": 1.0}, "portfolio must name strengths of space"),
        ({"learning_rate": 0.001, "dropout": 0.99}, "portfolio.dropout must lie within"),
        ({"learning_rate": 0.001, "dropout": True}, "portfolio.dropout must lie within 0 and 0.6, got true"),
        ({"learning_rate": 0.001, "batch_norm": 1}, "portfolio.batch_norm must be one of false, true, got 1"),
        ({"learning_rate": 0.001, "early_stopping": "acc"}, "must be one of none, nll, nll_calibrated, got acc"),
        ({"dropout": 0.2}, "portfolio must give every row a learning_rate"),
    ],
)
def test_a_portfolio_lies_in_the_space(row, part):
    with pytest.raises(ValueError, match=part):
        Search.model_validate({**SECTION, **WITH_CHOICES, "portfolio": [row]})


def test_an_arm_tries_first_the_rows_whose_strengths_it_searches_with_all_else_off():
    rows = [
        {LEARNING_RATE: 0.01},
        {LEARNING_RATE: 0.02, "batch_norm": True},
        {LEARNING_RATE: 0.03, "early_stopping": "nll"},
    ]
    search = Search.model_validate({**SECTION, **WITH_CHOICES, "portfolio": rows})
    assert search.customary("none") == [{LEARNING_RATE: 0.01}]
    assert search.customary("norm") == [
        {LEARNING_RATE: 0.01, "batch_norm": False},
        {LEARNING_RATE: 0.02, "batch_norm": True},
    ]
    assert search.customary("all") == [
        {LEARNING_RATE: 0.01, "batch_norm": False, "early_stopping": "none"},
        {LEARNING_RATE: 0.02, "batch_norm": True, "early_stopping": "none"},
        {LEARNING_RATE: 0.03, "batch_norm": False, "early_stopping": "nll"},
    ]


def test_a_search_with_choices_is_read_as_it_was_written():
    """Its record holds true and false as JSON has them, and no number in their place."""
    search = Search.model_validate(
        {**SECTION, **WITH_CHOICES, "portfolio": [{LEARNING_RATE: 0.01, "batch_norm": True, "dropout": 0.0}]}
    )
    again = Search.model_validate_json(search.model_dump_json())
    assert again == search
    assert [type(each) for each in again.portfolio[0].values()] == [float, bool, float]
    assert search.model_dump(mode="json")["space"]["batch_norm"] == SWITCH
