"""Does every reader learn the same of a sentence: where it holds, where not, and by how much?"""

import copy
from typing import Any

import pytest
from claim_tables import AIMED, CAN, CLAIMS, DENIED, EVERYWHERE, EXACT, FAILED, MANY, MIXED, SAME, table
from pipeline.reporting.text.textbook_words import listed, measure, scale

from pipeline.reporting.text.textbook import (
    brief,
    by_dataset,
    counted,
    decisive,
    finding,
    markdown,
    outcomes,
    render,
    rows,
    tally,
)

FOUND = {
    "dropout.everywhere": (
        "Supported on mixture and digits: “dropout 0.5 has a smaller gap”, "
        "gap of the NLL −0.120 [−0.150, −0.090] (on digits)."
    ),
    "dropout.mixed": (
        "Refuted on digits: “0.5 is better than 0.2”, test NLL +0.080 [+0.060, +0.100]; "
        "supported on mixture; open on breast cancer."
    ),
    "dropout.can": (
        "Supported on mixture: “dropout is worse”, test accuracy after TS +0.300 [+0.250, +0.350]; refuted on digits."
    ),
    "decay.denied": (
        "Open as a whole: refuted on mixture, if taken alone: “the sentence denies that dropout is better”, "
        "gap of the NLL −0.090 [−0.110, −0.070] (width 64)."
    ),
    "decay.exact": "Supported: all 2 exact checks hold.",
    "decay.failed": "Refuted: 1 of 2 exact checks hold, not “other”.",
    "smooth.same": (
        "Supported on mixture: “bias is larger”, bias of the NLL minus variance of the NLL +12.3 [+11.9, +12.7]."
    ),
    "combining.many": "Open on mixture: “it is better”, gap of the NLL −0.500 [−1.100, +0.100]; supported on digits.",
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["id"])
def test_a_finding_says_where_it_holds_and_what_decides(claim: dict[str, Any]) -> None:
    assert finding(claim) == FOUND[claim["id"]]


@pytest.mark.parametrize(
    ("claim", "dataset", "mean"),
    [(EVERYWHERE, "digits", -0.12), (MIXED, "digits", 0.08), (CAN, "mixture", 0.3), (DENIED, "mixture", -0.09)],
    ids=["the weakest support", "the strongest exception", "the strongest support of a can", "an exception alone"],
)
def test_what_decides(claim: dict[str, Any], dataset: str, mean: float) -> None:
    part = decisive(claim)
    assert part is not None
    assert (part.cell["dataset"], part.cell["mean"]) == (dataset, mean)


def test_exact_checks_decide_alone() -> None:
    assert decisive(EXACT) is None
    assert brief(FAILED) == "1 of 2 exact checks hold, not “other”"
    assert tally(EXACT) == "2 of 2 checks support it"


def test_a_can_that_is_refuted_everywhere_is_decided_by_what_comes_closest() -> None:
    claim = copy.deepcopy(CAN)
    claim["verdict"] = "refuted"
    claim["effects"][0]["cells"][0] |= {"mean": -0.01, "verdict": "refuted", "strict": "refuted"}
    part = decisive(claim)
    assert part is not None
    assert part.cell["mean"] == -0.01
    assert by_dataset(claim)["refuted"] == ["mixture", "digits"]


def test_data_sets_are_sorted_by_what_they_say() -> None:
    assert by_dataset(MIXED) == {"supported": ["mixture"], "refuted": ["digits"], "inconclusive": ["breast_cancer"]}
    assert by_dataset(CAN) == {"supported": ["mixture"], "refuted": ["digits"], "inconclusive": []}
    assert by_dataset(EXACT) == {"supported": [], "refuted": [], "inconclusive": []}


def test_every_comparison_is_put_into_words_once() -> None:
    said = outcomes(MIXED)
    assert [verdict for verdict, _ in said] == ["supported", "refuted", "inconclusive"]
    assert said[0][1] == [
        "0.5 is better than 0, smallest effect of interest 0.01 "
        "(mixture: −0.200 [−0.230, −0.170]; digits: −0.150 [−0.180, −0.120])",
        "0.5 is better than 0.2, smallest effect of interest 0.01 (mixture: −0.050 [−0.080, −0.020])",
    ]
    assert "breast cancer: not finite" in said[2][1][1]
    assert outcomes(DENIED)[0][1] == [
        "the sentence denies that dropout is better, smallest effect of interest 0.01 "
        "(mixture, width 64: −0.090 [−0.110, −0.070])"
    ]


class TestTable:
    def test_names_every_sentence_with_its_verdict_and_its_counts(self) -> None:
        made = rows(table())
        assert [(row["id"], row["verdict"]) for row in made] == [(one["id"], one["verdict"]) for one in CLAIMS]
        mixed = next(row for row in made if row["id"] == "dropout.mixed")
        assert mixed["tally"] == "3 / 1 / 2"
        assert (mixed["metric"], mixed["where"], mixed["n"]) == ("0.5 is better than 0.2: test NLL", "digits", 30)
        assert mixed["difference"] == "+0.080 [+0.060, +0.100]"
        assert mixed["datasets"] == "mixture, digits and breast cancer"

    @pytest.mark.parametrize("width", [80, 100])
    def test_wraps_words_and_cuts_none(self, width: int) -> None:
        text = render(table(AIMED, SAME), width=width)
        assert max(map(len, text.splitlines())) <= width
        wanted = "bias is larger: bias of the NLL minus variance = 0.998, target"
        assert set(wanted.split()) <= set(text.split())

    def test_fits_the_terminal_and_says_n_the_intervals_and_the_rule(self) -> None:
        text = render(table())
        assert max(map(len, text.splitlines())) <= 120
        flat = " ".join(text.split())
        assert "Of 8 sentences of the textbook, 4 are supported, 2 refuted and 2 open" in flat
        for wanted in (
            "n = 30 paired seeds",
            "95% Student t interval",
            "smallest effect of interest",
            "[max p] & so on.",
        ):
            assert wanted in flat
        assert "\x1b[" not in text

    def test_verdicts_have_colours_where_asked_for(self) -> None:
        text = render(table(), color=True)
        assert "\x1b[1;32msupported" in text
        assert "\x1b[1;31mrefuted" in text

    def test_of_the_readme_has_a_line_a_sentence(self) -> None:
        lines = markdown(table()).splitlines()
        assert lines[0].startswith(counted(table()))
        assert "n = 30 paired seeds, 95% intervals" in lines[0]
        assert len(lines) == 4 + len(CLAIMS)
        assert all(line.count(" | ") == 2 for line in lines[4:])
        assert lines[4] == (
            "| Dropout reduces the gap. | supported | 2 of 2 hold; "
            "dropout 0.5 has a smaller gap: gap of the NLL −0.120 [−0.150, −0.090] (digits) |"
        )
        assert "| **refuted** | 3 of 6 hold;" in lines[5]


@pytest.mark.parametrize(
    ("metric", "said", "unit"),
    [
        ("test/nll", "test NLL", "NLL (nats)"),
        ("gap_ts/nll@200", "gap of the NLL after TS at epoch 200", "NLL (nats)"),
        ("variance/brier", "variance of the Brier score", "Brier score"),
        ("weights/norm", "norm of the weights", "norm of the weights"),
        ("validation/input_gradient", "gradient by the inputs", "gradient by the inputs"),
        ("test/excess_brier_grouping", "test excess Brier: grouping", "excess Brier score"),
        ("theory/smoothing_error", "ε(E[max p] − 1/K)", "calibration error"),
        ("test~0.5_ts/accuracy", "test accuracy after TS, input noise 0.5", "accuracy"),
    ],
)
def test_metrics_have_names_and_units(metric: str, said: str, unit: str) -> None:
    assert (measure(metric), scale(metric)) == (said, unit)


def test_names_in_a_sentence() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b_c", "d"])] == ["a", "a and b", "a, b c and d"]


@pytest.mark.parametrize("claim", [SAME, MANY], ids=lambda claim: claim["id"])
def test_few_words_are_few(claim: dict[str, Any]) -> None:
    assert len(brief(claim)) < 110
