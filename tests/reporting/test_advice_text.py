"""What is said beside a sketched answer."""

from __future__ import annotations

from pipeline.reporting.text.advice import beside


def test_other_classifiers_stand_in_the_order_of_their_loss() -> None:
    said = beside({"random_forest": (0.4, 0.2), "the answer": (0.2, 0.3), "mlp": (0.5, 0.7)})
    assert "mean of 2 splits: the answer .250, random forest .300, mlp .600." in said
    assert "mean of 1 split: mlp .500." in beside({"mlp": (0.5,)})
