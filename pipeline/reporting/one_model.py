"""The page of one model's probabilities: whether they can be trusted, scores, reliability diagrams, classes, groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from pipeline.evaluation.one_model import ModelReport
from pipeline.reporting.page import environment, figure_of
from pipeline.reporting.sections import Picture
from pipeline.reporting.text.one_model import classes_table, groups_table, scores_table
from pipeline.reporting.text.references import ONE_MODEL

GENERATOR = "Regularization Lab, score"
"""Marks a page as one that may be replaced by the next."""
_MADE_WITH = ("numpy", "scipy", "scikit-learn", "matplotlib")


@dataclass(frozen=True)
class Spoken:
    """What is said of a table of predictions.

    Attributes:
        file: what it is called.
        remarks: what was found in it.
        closing: whether the probabilities can be trusted.
        group: the column of the groups, "" where there is none.
    """

    file: str
    remarks: Sequence[str]
    closing: Sequence[str]
    group: str


def model_page(report: ModelReport, spoken: Spoken, picture: Picture) -> str:
    """The page; it needs nothing from outside."""
    return environment().get_template("score.html.jinja").render(
        generator=GENERATOR,
        spoken=spoken,
        rows=report.rows,
        scores=scores_table(report),
        each=classes_table(report) if report.each else None,
        groups=groups_table(report, spoken.group) if report.groups else None,
        picture=figure_of("reliability", picture, "predictions"),
        made_with={name: version(name) for name in _MADE_WITH},
        references=ONE_MODEL,
    )  # fmt: skip
