"""Dimensions of a search space: do coordinates, strengths, tables and Optuna's samples say the same?"""

import math

import optuna
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.stats import binom

from pipeline.config.dimensions import Choices, Dimension, Range, strengths
from pipeline.core.rng import Purpose, generator
from pipeline.search.trials import distributions

SWITCH, WORD = Choices(choices=(False, True)), Choices(choices=("none", "nll", "nll_calibrated"))


@st.composite
def ranges(draw):
    """Ranges as people write them: ends of four digits, a few powers of ten apart."""
    log, weak = draw(st.booleans()), draw(st.sampled_from(["low", "high"]))
    low, high = sorted(float(f"{draw(st.floats(0.01, 10)):.4g}") for _ in range(2))
    low = draw(st.sampled_from([low, 0.0])) if not log else low
    assume(low < high)
    off = draw(st.just(0.0) | st.floats(0.01, 0.5))
    return Range(low=low, high=high, log=log, off=off, weak=weak)


def axis(dimension, value):
    return math.log(value) if dimension.log else value


class TestRange:
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
        assert Range(**given_).sampled == pytest.approx(sampled, rel=1e-12)

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
        dimension, draws = Range(low=0.5, high=8.0, log=log, off=off, weak=weak), 4000
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
        dimension = Range(low=1.0, high=4.0, off=0.2, weak=weak)
        assert dimension.strength(off_at) == 0
        assert (dimension.strength(1.0), dimension.strength(4.0)) == (1.0, 4.0)

    def test_rounding_does_not_leave_the_range(self):
        dimension = Range(low=0.12344, high=0.61236)
        assert (dimension.strength(0.12344), dimension.strength(0.61236)) == (0.12344, 0.61236)
        assert (dimension.strength(0.12346), dimension.strength(0.61234)) == (0.1235, 0.6123)

    @given(ranges())
    def test_optuna_samples_the_same_axis(self, dimension):
        found = distributions({"x": dimension})["x"]
        assert (found.low, found.high, found.log) == (*dimension.sampled, dimension.log)

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
            Range(**range_)

    def test_strengths_of_several(self):
        space = {"a": Range(low=0.0, high=1.0, off=0.5), "b": Range(low=1.0, high=2.0)}
        assert strengths(space, {"b": 1.23456, "a": -0.1, "c": 3.0}) == {"a": 0.0, "b": 1.235}


def test_a_coordinate_stands_for_its_strength():
    for weak in ("low", "high"):
        dimension = Range(low=0.1, high=2.0, log=True, off=0.3, weak=weak)
        assert dimension.strength(dimension.coordinate(0.0)) == 0.0
        assert dimension.strength(dimension.coordinate(0.5)) == 0.5
        low, high = dimension.sampled
        assert low <= dimension.coordinate(0.0) <= high
    with pytest.raises(ValueError, match="must lie within 1 and 2, got 0"):
        Range(low=1.0, high=2.0).coordinate(0.0)


class TestChoices:
    @pytest.mark.parametrize("dimension", [SWITCH, WORD], ids=str)
    def test_a_choice_is_its_own_coordinate_and_reads_as_it_is_written(self, dimension):
        for choice in dimension.choices:
            assert dimension.strength(choice) is dimension.coordinate(choice) is choice
            assert dimension.read(str(choice)) is choice
            assert not dimension.is_near_end(choice)
        assert dimension.unset is dimension.choices[0]
        assert dimension.has_off

    @pytest.mark.parametrize("dimension", [SWITCH, WORD], ids=str)
    def test_optuna_samples_and_stores_the_choices(self, dimension, tmp_path):
        """A journal holds JSON: what comes back is a bool or a word, and no number in its place."""
        journal = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal"))
        study = optuna.create_study(storage=optuna.storages.JournalStorage(journal), study_name="x")
        study.enqueue_trial({"x": dimension.choices[-1]})
        for _ in range(6):
            study.tell(study.ask(distributions({"x": dimension})), 0.0)
        drawn = [trial.params["x"] for trial in study.get_trials()]
        assert drawn[0] is dimension.choices[-1] or drawn[0] == dimension.choices[-1]
        assert {type(each) for each in drawn} == {type(dimension.unset)}
        assert set(drawn) <= set(dimension.choices)

    @pytest.mark.parametrize("other", [1, 0.0, "true", "True", "nll "])
    def test_what_only_looks_like_a_choice_is_none(self, other):
        for dimension, listed in ((SWITCH, "false, true"), (WORD, "none, nll, nll_calibrated")):
            with pytest.raises(ValueError, match=f"must be one of {listed}, got"):
                dimension.coordinate(other)

    def test_a_table_with_another_word_is_damaged(self):
        with pytest.raises(ValueError, match="must be one of False, True, got 'maybe'"):
            SWITCH.read("maybe")

    @pytest.mark.parametrize(
        ("choices", "words"),
        [
            ([False], "at least 2 items"),
            ([False, False], "choices must differ, got false, false"),
            ([0, 5], "must be true, false or a word"),
            ([None, "nll"], "must be true, false or a word"),
        ],
    )
    def test_what_no_choices_are(self, choices, words):
        with pytest.raises(ValidationError, match=words):
            Choices(choices=choices)


def test_a_dimension_has_a_range_or_choices():
    adapter = TypeAdapter(Dimension)
    for written, dimension in (
        ({"low": 0.0, "high": 1.0}, Range(low=0.0, high=1.0)),
        ({"choices": [False, True]}, SWITCH),
    ):
        assert adapter.validate_python(written) == dimension
        assert adapter.validate_json(adapter.dump_json(dimension)) == dimension
    with pytest.raises(ValidationError, match="Extra inputs"):
        adapter.validate_python({"choices": [False, True], "low": 0.0})


@pytest.mark.parametrize("dimension", [Range(low=0.5, high=2.0, log=True, off=0.2), SWITCH, WORD], ids=str)
def test_all_dimensions_have_the_same_headings(dimension):
    assert list(dimension.words) == ["values", "sampled", "off"]
    assert all(dimension.words.values())
