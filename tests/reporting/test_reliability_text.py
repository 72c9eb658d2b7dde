"""Does the table of the campaign count what was tried, and say what was not?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.reporting.text.reliability import Campaign, Fault, markdown

COUNTS = st.integers(0, 50).flatmap(lambda tried: st.tuples(st.just(tried), st.integers(0, tried)))


def test_known_rows() -> None:
    faults = (
        Fault(name="SIGKILL", place="train@wine", tried=7, survived=7),
        Fault(name="full disk", place="every stage", tried=3, survived=2, remark="a | b"),
        Fault(name="server down", place="MLflow", tried=0, survived=0, remark="none is installed"),
    )
    assert markdown(Campaign(machine="x86_64, 2 cores", minutes=18.4, faults=faults)).splitlines() == [
        "x86_64, 2 cores, 18 minutes: 9 of 10 faults survived.",
        "",
        "| what was done | to what | tried | survived | |",
        "|---|---|---:|---:|---|",
        "| SIGKILL | train@wine | 7 | 7 |  |",
        "| full disk | every stage | 3 | 2 | a / b |",
        "| server down | MLflow | – | – | none is installed |",
    ]


@given(st.lists(COUNTS, max_size=5))
def test_sums(counts: list[tuple[int, int]]) -> None:
    faults = tuple(Fault(name="a", place="b", tried=tried, survived=survived) for tried, survived in counts)
    text = markdown(Campaign(machine="m", minutes=1, faults=faults))
    assert f": {sum(s for _, s in counts)} of {sum(t for t, _ in counts)} faults survived." in text


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError):
        Campaign.model_validate({"machine": "m", "minutes": 1, "faults": [], "more": 1})
