"""Help, explanations, and the committed study."""

import json

import pytest
from project import (
    ROOT,
    stage,
)

from pipeline.__main__ import COMMANDS


class TestCommandLine:
    def test_help_lists_every_stage(self) -> None:
        shown = stage(ROOT, "--help").stdout
        assert all(f"    {name}" in shown for name in COMMANDS)
        assert "--backend" in stage(ROOT, "train", "--help").stdout

    def test_every_parameter_is_explained(self) -> None:
        explained = stage(ROOT, "params").stdout
        for key in (
            "dropout",
            "label_smoothing",
            "batch_size",
            "separation",
            "seeds",
            "hidden",
            "trials",
            "startup",
            "grid",
            "least",
        ):
            assert f"\n  {key}" in explained


@pytest.mark.parametrize("dataset", ["mixture", "digits"])
def test_the_committed_study_passes_its_a_a_check(dataset: str) -> None:
    results = json.loads((ROOT / f"reports/{dataset}/results.json").read_text())
    (a_a,) = (point for point in results["points"] if point["a_a"])
    verdicts = {metric: entry["verdict"] for metric, entry in a_a["against_reference"].items()}
    assert verdicts["test/nll"] == "no evidence"
    assert sum(verdict != "no evidence" for verdict in verdicts.values()) <= len(verdicts) * 0.05
    assert results["protocol"]["seeds"] == 30
    assert len(results["points"]) * 30 * 2 >= 1000
