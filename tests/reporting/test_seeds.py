"""Too few seeds are told of before the work, with numbers that are the statistics' own."""

import pytest

from pipeline.config.params import Study, explain_params
from pipeline.reporting.text.seeds import GAMMA, too_few_seeds
from pipeline.results.comparison import protocol_of
from pipeline.statistics.paired_comparison import fewest_seeds, paired_runs_needed

LEAST, ENOUGH = fewest_seeds(), paired_runs_needed(GAMMA)


def test_the_probability_that_matters_is_the_studys() -> None:
    protocol = protocol_of(0.005)
    assert protocol.gamma == GAMMA
    assert fewest_seeds(protocol.confidence) == LEAST


@pytest.mark.parametrize(("seeds", "chance"), [(2, 2), (5, 16)])
def test_seeds_that_decide_nothing(seeds: int, chance: int) -> None:
    line = too_few_seeds(seeds)
    assert f"{seeds} cannot decide" in line
    assert f"by chance in 1 of {chance};" in line
    assert f"{LEAST} is the least, and {ENOUGH} reveal a probability of 0.75" in line
    assert "\n" not in line


@pytest.mark.parametrize("seeds", [LEAST, ENOUGH - 1])
def test_seeds_that_decide_only_what_is_plain(seeds: int) -> None:
    line = too_few_seeds(seeds)
    assert f"{seeds} decide only what wins nearly every seed; {ENOUGH} reveal" in line
    assert "cannot" not in line


@pytest.mark.parametrize("seeds", [ENOUGH, 30, 1000])
def test_enough_seeds_need_no_word(seeds: int) -> None:
    assert too_few_seeds(seeds) == ""


def test_the_explanation_of_the_parameter_has_the_same_numbers() -> None:
    description = Study.model_fields["seeds"].description
    assert description in explain_params()
    assert f"fewer than {LEAST} decide nothing, {ENOUGH} reveal a P(better) of {GAMMA:g}" in description
