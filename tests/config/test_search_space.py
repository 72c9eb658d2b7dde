import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binom

from pipeline.config.search_space import LEARNING_RATE, OBJECTIVES, Dimension, Pruner, Search, singles, strengths
from pipeline.core.rng import Purpose, generator
from pipeline.search.trials import distributions

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
}


@st.composite
def ranges(draw):
    """Dimensions as people write them: ends of four digits, a few powers of ten apart."""
    log, weak = draw(st.booleans()), draw(st.sampled_from(["low", "high"]))
    low, high = sorted(float(f"{draw(st.floats(0.01, 10)):.4g}") for _ in range(2))
    low = draw(st.sampled_from([low, 0.0])) if not log else low
    assume(low < high)
    off = draw(st.just(0.0) | st.floats(0.01, 0.5))
    return Dimension(low=low, high=high, log=log, off=off, weak=weak)


def axis(dimension, value):
    return math.log(value) if dimension.log else value


class TestDimension:
    @pytest.mark.parametrize(
        ("given_", "sampled"),
        [
            ({"low": 0.0, "high": 0.6}, (0.0, 0.6)),
            ({"low": 0.0, "high": 0.6, "off": 0.25}, (-0.2, 0.6)),
            ({"low": 1.0, "high": 4.0, "off": 0.25, "weak": "high"}, (1.0, 5.0)),
            ({"low": 0.0001, "high": 1.0, "log": True, "off": 0.2}, (0.00001, 1.0)),
            ({"low": 1.0, "high": 4.0, "log": True, "off": 0.5, "weak": "high"}, (1.0, 16.0)),
        ],
    )
    def test_known_ranges(self, given_, sampled):
        assert Dimension(**given_).sampled == pytest.approx(sampled, rel=1e-12)

    @given(ranges())
    def test_off_is_its_share_of_the_axis_beyond_the_weak_end(self, dimension):
        low, high = (axis(dimension, end) for end in dimension.sampled)
        on = axis(dimension, dimension.high) - axis(dimension, dimension.low)
        assert (high - low - on) / (high - low) == pytest.approx(dimension.off, abs=1e-5)
        strong = "high" if dimension.weak == "low" else "low"
        assert dimension.sampled[strong == "high"] == getattr(dimension, strong)

    @given(ranges(), st.floats(0, 1))
    def test_a_strength_lies_within_the_range_or_is_0(self, dimension, place):
        low, high = dimension.sampled
        coordinate = min(max(low + place * (high - low), low), high)
        strength = dimension.strength(coordinate)
        if dimension.low <= coordinate <= dimension.high:
            assert dimension.low <= strength <= dimension.high
            assert strength == pytest.approx(coordinate, rel=5e-4)
        else:
            assert strength == 0

    @given(ranges(), st.floats(0, 1))
    def test_a_strength_has_four_digits_and_stands_for_itself(self, dimension, place):
        strength = dimension.strength(dimension.low + place * (dimension.high - dimension.low))
        assert strength == float(f"{strength:.4g}")
        assert dimension.strength(strength) == strength or dimension.low > 0 == strength

    @pytest.mark.parametrize("weak", ["low", "high"])
    @pytest.mark.parametrize("log", [False, True])
    @pytest.mark.parametrize("off", [0.0, 0.2, 0.5])
    def test_even_draws_are_off_as_often_as_they_should(self, weak, log, off):
        """The bounds leave out one in a million studies of a correct range."""
        dimension, draws = Dimension(low=0.5, high=8.0, log=log, off=off, weak=weak), 4000
        low, high = (axis(dimension, end) for end in dimension.sampled)
        places = generator(3, Purpose.SEARCH).uniform(low, high, draws)
        drawn = [dimension.strength(math.exp(place) if log else place) for place in places]
        assert binom.ppf(5e-7, draws, off) <= drawn.count(0.0) <= binom.ppf(1 - 5e-7, draws, off)
        on = [value for value in drawn if value]
        assert min(on) >= 0.5
        assert max(on) <= 8
        middle = 2.0 if log else 4.25
        below = sum(value < middle for value in on)
        assert binom.ppf(5e-7, len(on), 0.5) <= below <= binom.ppf(1 - 5e-7, len(on), 0.5)

    @pytest.mark.parametrize(("weak", "off_at"), [("low", 0.999), ("high", 4.001)])
    def test_just_beyond_the_weak_end_it_is_off(self, weak, off_at):
        dimension = Dimension(low=1.0, high=4.0, off=0.2, weak=weak)
        assert dimension.strength(off_at) == 0
        assert (dimension.strength(1.0), dimension.strength(4.0)) == (1.0, 4.0)

    def test_rounding_does_not_leave_the_range(self):
        dimension = Dimension(low=0.12344, high=0.61236)
        assert (dimension.strength(0.12344), dimension.strength(0.61236)) == (0.12344, 0.61236)
        assert (dimension.strength(0.12346), dimension.strength(0.61234)) == (0.1235, 0.6123)

    @given(ranges())
    def test_optuna_samples_the_same_axis(self, dimension):
        found = distributions({"x": dimension})["x"]
        assert (found.low, found.high, found.log) == (*dimension.sampled, dimension.log)

    def test_strengths_of_several(self):
        space = {"a": Dimension(low=0.0, high=1.0, off=0.5), "b": Dimension(low=1.0, high=2.0)}
        assert strengths(space, {"b": 1.23456, "a": -0.1, "c": 3.0}) == {"a": 0.0, "b": 1.235}


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
        ("range_", "words"),
        [
            ({"low": 1.0, "high": 1.0}, "low must be below high, got 1 and 1"),
            ({"low": 2.0, "high": 1.0}, "low must be below high, got 2 and 1"),
            ({"low": 0.0, "high": 1.0, "log": True}, "low must be above 0 where log is true"),
        ],
    )
    def test_ends_that_disagree(self, range_, words):
        with pytest.raises(ValidationError, match=words):
            Dimension(**range_)


def test_a_coordinate_stands_for_its_strength():
    for weak in ("low", "high"):
        dimension = Dimension(low=0.1, high=2.0, log=True, off=0.3, weak=weak)
        assert dimension.strength(dimension.coordinate(0.0)) == 0.0
        assert dimension.strength(dimension.coordinate(0.5)) == 0.5
        low, high = dimension.sampled
        assert low <= dimension.coordinate(0.0) <= high
    with pytest.raises(ValueError, match="must lie within 1 and 2, got 0"):
        Dimension(low=1.0, high=2.0).coordinate(0.0)


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({"learning_rate": 0.001, "magic": 1.0}, "portfolio must name strengths of space"),
        ({"learning_rate": 0.001, "dropout": 0.99}, "portfolio.dropout must lie within"),
        ({"dropout": 0.2}, "portfolio must give every row a learning_rate"),
    ],
)
def test_a_portfolio_lies_in_the_space(row, part):
    with pytest.raises(ValueError, match=part):
        Search.model_validate({**SECTION, "portfolio": [row]})
