"""The learning rate as text: how it was tuned, and what tuning it alone is worth."""

from __future__ import annotations

from pipeline.reporting.text.numbers import short
from pipeline.results.readable_names import readable_arms
from pipeline.results.study import StudyResults

USUAL = 0.001  # Adam's default (Kingma & Ba 2015, algorithm 1), which most people leave as it is


def learning_rates(results: StudyResults, tuned: StudyResults) -> str:
    """How learning rates were chosen, and what no regularization gains from a rate of its own.

    Args:
        results: of the points, each at its own rate.
        tuned: of the arms, whose answer is the recommendation.
    """
    plain = results.reference_point.tuning
    rates = [trial.learning_rate for trial in plain.trials]
    if len(rates) == 1:
        return (
            f"all points share the learning rate {rates[0]:g}, which was not tuned: a strength is judged at that alone."
        )
    return (
        f"every point takes the best of {len(rates)} learning rates from {min(rates):g} to {max(rates):g}, by NLL on "
        f"validation rows of {len(plain.best.values)} other seeds; no regularization takes "
        f"{plain.best.learning_rate:g}.{_worth(results, tuned)}"
    )


def _worth(results: StudyResults, tuned: StudyResults) -> str:
    """What the answer gains on no regularization at the usual rate, and how much of it the rate alone gives."""
    answer, best = tuned.answer, tuned.reference_point.tuning.best
    usual = {trial.learning_rate: trial.mean for trial in results.reference_point.tuning.trials}.get(USUAL)
    if usual is None:
        return ""
    alone = usual - best.mean
    if answer.key == tuned.reference.key or answer.value >= usual:
        return f" Tuning the rate alone gains {short(alone)} on Adam's usual {USUAL:g}."
    return (
        f" On no regularization at Adam's usual {USUAL:g}, {readable_arms(answer.key)} gains "
        f"{short(usual - answer.value)}; tuning the rate alone gives {short(alone)} of it."
    )
