"""The textbook's claims as text: every reader learns the same of a sentence, where it holds, where not, by how much."""

import pytest
from claim_tables import AIMED, CAN, CLAIMS, DENIED, EVERYWHERE, EXACT, FAILED, MANY, MIXED, SAME, table

from pipeline.reporting.text.textbook import (
    Part,
    claims_table,
    compared,
    counted,
    decisive,
    difference,
    finding,
    markdown,
    outcomes,
    parts,
    quantity,
    render,
    says,
    stated,
)
from pipeline.reporting.text.textbook_figures import axis_of, decoded, titles
from pipeline.reporting.text.textbook_names import describe, listed, scale
from pipeline.reporting.text.textbook_places import asides, lead, tally
from pipeline.results.textbook import ClaimResult, Place

FOUND = {
    "dropout.everywhere": (
        "Holds on 2 of 2 data sets. That is 100% of them [16%, 100%]. What decides: dropout 0.5 has a smaller gap: "
        "−0.120 [−0.150, −0.090] on digits (gap of NLL, dropout 0.5 minus none)."
    ),
    "dropout.mixed": (
        "Holds on 1 of 3 data sets; fails on digits; open on breast cancer. That is 33% of them [1%, 99%]. What "
        "decides: 0.5 is better than 0.2: +0.080 [+0.060, +0.100] on digits (test NLL, dropout 0.5 minus none)."
    ),
    "dropout.can": (
        "Holds on 1 of 2 data sets; fails on digits; with classes above 3 it holds on 1 of 1, else on 0 of 1; “can”: "
        "one place is enough. That is 50% of them [1%, 99%]. What decides: dropout is worse: "
        "+0.300 [+0.250, +0.350] on mixture (test accuracy after calibration, dropout 0.5 minus none)."
    ),
    "decay.denied": (
        "Holds on 0 of 2 places; fails on mixture (width 64); open on mixture (width 256). That is 0% of them [0%, "
        "99%]. What decides: the sentence denies that dropout is better: +0.010 [−0.090, +0.110] on mixture, width 256 "
        "(gap of NLL, dropout 0.5 minus none)."
    ),
    "decay.exact": "2 of 2 exact checks hold.",
    "decay.failed": "1 of 2 exact checks hold, not “other”.",
    "smooth.same": (
        "Holds on mixture. What decides: bias is larger: +12.3 [+11.9, +12.7] on mixture (bias of NLL minus variance "
        "of NLL)."
    ),
    "combining.many": (
        "Holds on 1 of 2 data sets; open on mixture. That is 50% of them [1%, 100%]. What decides: it is better: "
        "−0.500 [−1.100, +0.100] on mixture (gap of NLL, dropout 0.5 minus none). Aside, the notebook's setting: “it "
        "is better” does not hold."
    ),
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_finding_leads_with_where_it_holds_and_says_what_decides(claim: ClaimResult) -> None:
    assert finding(claim) == FOUND[claim.id]


@pytest.mark.parametrize(
    ("claim", "dataset", "mean"),
    [(EVERYWHERE, "digits", -0.12), (MIXED, "digits", 0.08), (CAN, "mixture", 0.3), (DENIED, "mixture", 0.01)],
    ids=["the weakest support", "the strongest exception", "the strongest support of a can", "what is open"],
)
def test_what_decides(claim: ClaimResult, dataset: str, mean: float) -> None:
    part = decisive(claim)
    assert part is not None
    assert (part.cell.dataset, part.cell.mean) == (dataset, mean)


def test_exact_checks_decide_alone() -> None:
    assert decisive(EXACT) is None
    assert "1 of 2 exact checks hold, not “other”" in markdown(table(FAILED))
    assert tally(EXACT) == "2 of 2 exact checks hold"


def test_what_holds_nowhere_is_decided_by_what_comes_closest() -> None:
    effect = CAN.effects[0]
    near = effect.cells[0].model_copy(update={"mean": -0.01, "verdict": "refuted", "strict": "refuted"})
    changed = effect.model_copy(update={"cells": (near, *effect.cells[1:])})
    claim = CAN.model_copy(update={"verdict": "nowhere", "effects": (changed,)})
    part = decisive(claim)
    assert part is not None
    assert part.cell.mean == -0.01


def test_what_stands_aside_decides_nothing_and_is_told() -> None:
    part = decisive(MANY)
    assert part is not None
    assert not part.effect.aside
    assert compared(MANY) == {"supported": 1, "refuted": 0, "inconclusive": 1}
    (aside,) = asides(MANY)
    assert aside == "aside, the notebook's setting: “it is better” does not hold"
    assert says(MANY.effects[1]) == "the notebook's setting: it is better"


def test_more_than_three_places_are_counted() -> None:
    places = [
        Place(dataset=f"set_{number}", at={}, verdict="refuted" if number else "supported", strict="inconclusive")
        for number in range(6)
    ]
    assert lead(MIXED.model_copy(update={"places": tuple(places)})) == "holds on 1 of 6 data sets; fails on 5"


def test_every_comparison_is_put_into_words_once() -> None:
    listed = outcomes(MIXED)
    assert [verdict for verdict, _ in listed] == ["supported", "supported", "refuted", "inconclusive", "inconclusive"]
    assert [text for verdict, text in listed if verdict == "supported"] == [
        "0.5 is better than 0, smallest effect of interest 0.01 "
        "(mixture: −0.200 [−0.230, −0.170]; digits: −0.150 [−0.180, −0.120])",
        "0.5 is better than 0.2, smallest effect of interest 0.01 (mixture: −0.050 [−0.080, −0.020])",
    ]
    assert "breast cancer: not finite" in listed[-1][1]
    assert outcomes(DENIED)[0][1] == (
        "the sentence denies that dropout is better, smallest effect of interest 0.01 "
        "(mixture, width 64: −0.090 [−0.110, −0.070])"
    )


def part_of(claim: ClaimResult, **changes: float | str | None) -> Part:
    part = parts(claim)[0]
    return Part(part.effect, part.cell.model_copy(update=changes))


class TestNumbers:
    def test_differences_have_the_digits_of_the_smallest_effect_of_interest(self) -> None:
        assert difference(part_of(EVERYWHERE, mean=-0.42, low=-0.45, high=0.0)) == "−0.420 [−0.450, 0.000]"
        assert difference(part_of(EVERYWHERE, mean=12.34, low=-0.04, high=100.0)) == "+12.3 [0.0, +100.0]"
        assert difference(part_of(EVERYWHERE, mean=None)) == "not finite"

    def test_where_a_cell_is_compared_with_a_number_its_value_is_shown(self) -> None:
        assert difference(part_of(AIMED, mean=0.0, low=0.0, high=0.0)) == "1.000, target 1"
        assert difference(part_of(AIMED, mean=-0.5, low=-0.6, high=-0.4)) == "0.500 [0.400, 0.600], target 1"
        assert stated(parts(AIMED)[0]) == (
            "the accuracy is 1: 0.998, target 1 on random labels (training accuracy at epoch 200)"
        )

    def test_a_number_says_what_is_subtracted(self) -> None:
        assert quantity(part_of(EVERYWHERE)) == "gap of NLL, dropout 0.5 minus none"
        assert quantity(part_of(EVERYWHERE, against="dropout=0.5")) == "gap of NLL"
        assert quantity(parts(SAME)[1]) == "bias of NLL minus variance of NLL"


class TestTable:
    def test_names_every_sentence_with_its_verdict_and_its_counts(self) -> None:
        made = claims_table(table())
        assert [row[0].text for row in made.rows] == [claim.sentence for claim in CLAIMS]
        assert [row[0].target for row in made.rows][:2] == ["claim-dropout-everywhere", "claim-dropout-mixed"]
        assert [row[1].text for row in made.rows] == [claim.verdict for claim in CLAIMS]
        mixed = made.rows[CLAIMS.index(MIXED)]
        assert [cell.text for cell in mixed[2:]] == [
            "holds on 1 of 3 data sets; fails on digits; open on breast cancer",
            "3/1/2",
            "0.5 is better than 0.2: +0.080 [+0.060, +0.100] on digits (test NLL, dropout 0.5 minus none)",
            "30",
        ]

    @pytest.mark.parametrize("width", [80, 100])
    def test_wraps_words_and_cuts_none(self, width: int) -> None:
        text = render(table(AIMED, SAME), width=width).split("\n", 1)[1]
        assert max(map(len, text.splitlines())) <= width
        wanted = "holds on random labels where it holds, and where it fails"
        assert set(wanted.split()) <= set(text.split())

    def test_fits_the_terminal_and_says_n_the_intervals_and_the_rule(self) -> None:
        text = render(table())
        assert max(map(len, text.splitlines())) <= 120
        flat = " ".join(text.split())
        assert "3 hold everywhere that we tried, 3 depend on where, 0 hold nowhere and 2 are open" in flat
        for wanted in (
            "n = up to 30 paired seeds",
            "95% Student t interval",
            "smallest effect of interest",
            "<b>no</b>",
        ):
            assert wanted in flat
        assert {"&", "so", "on."} <= set(flat.split())
        assert "\x1b[" not in text

    def test_verdicts_have_colours_where_asked_for(self) -> None:
        text = render(table(), color=True)
        assert "\x1b[1;32meverywhere" in text
        nowhere = MIXED.model_copy(update={"verdict": "nowhere"})
        assert "\x1b[1;31mnowhere" in render(table(nowhere), color=True)

    def test_of_the_readme_has_a_line_a_sentence(self) -> None:
        lines = markdown(table()).splitlines()
        assert lines[0].startswith(counted(table()))
        assert "n = up to 30 paired seeds, 95% intervals" in lines[0]
        assert len(lines) == 4 + len(CLAIMS)
        assert all(line.count(" | ") == 3 for line in lines[4:])
        assert lines[4] == (
            "| Dropout reduces the gap. | everywhere | holds on 2 of 2 data sets | dropout 0.5 has a smaller gap: "
            "−0.120 [−0.150, −0.090] on digits (gap of NLL, dropout 0.5 minus none) |"
        )
        assert "| depends | holds on 1 of 3 data sets; fails on digits; open on breast cancer |" in lines[5]


@pytest.mark.parametrize(
    ("metric", "name", "unit"),
    [
        ("test/nll", "test NLL", "NLL (nats)"),
        ("gap_calibrated/nll@200", "gap of NLL after calibration at epoch 200", "NLL (nats)"),
        ("variance/brier", "variance of Brier score", "Brier score"),
        ("weights/norm", "weights’ norm", "weights’ norm"),
        ("validation/input_gradient", "validation gradient by the inputs", "gradient by the inputs"),
        ("test/excess_brier_grouping", "test excess Brier: grouping", "excess Brier score"),
        ("theory/smoothing_error", "ε(E[max p] − 1/K)", "calibration error"),
        ("test~0.5_calibrated/accuracy", "test accuracy after calibration with input noise 0.5", "accuracy"),
    ],
)
def test_metrics_have_names_and_units(metric: str, name: str, unit: str) -> None:
    assert (describe(metric), scale(metric)) == (name, unit)


def test_names_in_a_sentence() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b_c", "d"])] == ["a", "a and b", "a, b c and d"]


@pytest.mark.parametrize("claim", [SAME, MANY], ids=lambda claim: claim.id)
def test_what_decides_is_short(claim: ClaimResult) -> None:
    part = decisive(claim)
    assert part is not None
    assert len(stated(part)) < 110


class TestFigures:
    def test_axes_say_what_they_show(self) -> None:
        assert axis_of(EVERYWHERE.effects[0]) == "difference in gap of NLL"
        assert axis_of(AIMED.effects[0]) == "training accuracy at epoch 200"
        assert axis_of(SAME.effects[1]) == "bias of NLL minus variance of NLL"

    def test_values_with_a_text_are_decoded(self) -> None:
        line = SAME.axes[0].lines[0].model_copy(update={"line": {"shared_dropout": True, "dropout": 0.5}})
        assert decoded("dropout.spatial", line).line == {"": "spatial dropout", "dropout": 0.5}
        assert decoded("dropout.rates", line).line == line.line

    def test_axes_that_are_alike_are_told_apart(self) -> None:
        axes = SAME.axes[0]
        pair = [axes.model_copy(update={"where": {"label_noise": (noise,)}}) for noise in (0.0, 0.2)]
        assert titles(pair) == ["mixture, wrong labels 0", "mixture, wrong labels 0.2"]
        assert titles([axes]) == ["mixture"]
