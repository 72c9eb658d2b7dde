"""Does the table of the training race say what was measured, of whom and when?"""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.reporting.text.training_race import Racer, TrainingRace, excess, markdown


def racer(name: str, **changes: Any) -> Racer:
    values = {
        "name": name, "title": name.title(), "library": "torch 2", "measured": "2026-01-02", "rounds": 3, "networks": 2,
        "seconds": 0.25, "wall": 0.5, "gain": 1.0, "range": (1.0, 1.0), "seeds": (0, 1), "losses": (0.2, 0.4),
    }  # fmt: skip
    return Racer.model_validate(values | changes)


def race(*racers: Racer, setting: str = "digits, 2 epochs") -> TrainingRace:
    return TrainingRace(machine="x86_64", setting=setting, rows=racers)


STACK = racer("stack")
TABM = racer("tabm", library="pytabkit 1", seconds=45.4, wall=4.56, gain=1234.5, seeds=(1,), losses=(0.39,))


def test_known_rows() -> None:
    assert markdown(race(STACK, TABM)).splitlines() == [
        "x86_64, one thread each, 2026-01-02: digits, 2 epochs; medians of 3 rounds; test NLL as mean ± standard "
        "deviation over seeds, and how far it is above the stack's on the same seeds (standard error).",
        "",
        "| | library | CPU s a network | by the clock | times the stack's | seeds | test NLL | above the stack's |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        "| Stack | torch 2 | 0.250 | 0.500 | 1.0 | 2 | 0.300 ± 0.141 | |",
        "| Tabm | pytabkit 1 | 45 | 4.56 | 1,234 | 1 | 0.390 | -0.010 |",
    ]


def test_a_row_of_another_day_says_so() -> None:
    older = TABM.model_copy(update={"measured": "2025-12-31, beside other work (load 2.0)", "rounds": 1})
    text = markdown(race(STACK, older))
    assert text.startswith("x86_64, one thread each, 2026-01-02: ")
    assert "| pytabkit 1; 2025-12-31, beside other work (load 2.0), 1 round |" in text


def test_losses_are_compared_on_the_seeds_that_both_have() -> None:
    assert excess(racer("loop", losses=(0.3, 0.7)), STACK) == pytest.approx((0.2, 0.1))
    assert "| 0.500 ± 0.283 | +0.200 (0.100) |" in markdown(race(STACK, racer("loop", losses=(0.3, 0.7))))
    assert excess(racer("loop", seeds=(1, 2), losses=(0.5, 9.0)), STACK) == (pytest.approx(0.1), None)
    assert excess(racer("loop", seeds=(2, 3)), STACK) is None
    assert "| 0.300 ± 0.141 | |" in markdown(race(racer("loop"))).splitlines()[-1]


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError):
        TrainingRace.model_validate({"machine": "m", "setting": "s", "rows": [], "more": 1})
