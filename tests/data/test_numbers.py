from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.tables.numbers import _any_numbers, _usual_numbers, read_numbers

USUAL = st.from_regex(r"[+-]?(0|[1-9][0-9]{0,6})([.]([0-9]{3}|[0-9]{1,4}))?", fullmatch=True)


@settings(deadline=None, max_examples=300)
@given(
    texts=st.lists(USUAL, min_size=1, max_size=5),
    decimal=st.sampled_from([None, "."]),
    thousands=st.sampled_from([None, ""]),
)
def test_the_short_way_of_usual_numbers_finds_what_the_long_one_does(texts, decimal, thousands):
    marks = {"decimal": decimal, "thousands": thousands}
    assert _usual_numbers(texts, **marks) == _any_numbers(texts, **marks) == read_numbers(texts, **marks)


def test_points_that_may_group_digits_are_noticed():
    assert not read_numbers(["1.234", "12.500"]).equal
    assert read_numbers(["1.234", "12.5"]).equal
    assert [style.decimal for style in read_numbers(["1.234", "12.5"]).styles] == ["."]
    assert read_numbers(["1", "-20"]).decimals == {".", ","}
