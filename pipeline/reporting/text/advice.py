"""Advice in words: how sure it is, what more time would settle, and what else stands beside the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.data.tables.messages import plural
from pipeline.metrics.names import MetricName
from pipeline.reporting.text.numbers import short
from pipeline.reporting.text.points import CLASS_FREQUENCIES, mean_text, test_nll
from pipeline.reporting.text.seeds import too_few_seeds
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.search import SearchResults

ACCURACY = MetricName("test", "before", "accuracy")


def baseline(search: SearchResults) -> str:
    """What the class frequencies alone score, beside no regularization and the answer."""
    results = search.results
    answer = readable_arms(results.answer.key)
    scored = {CLASS_FREQUENCIES: results.base_rates, answer: results.point(results.answer.key)}
    if results.answer.key != results.reference.key:
        scored["no regularization"] = results.reference_point
    texts = [
        f"{name} {mean_text(point, test_nll('after'))} (accuracy {mean_text(point, ACCURACY)})"
        for name, point in scored.items()
    ]
    return f"Test NLL after calibration: {', '.join(texts)}."


def beside(losses: Mapping[str, Sequence[float]]) -> str:
    """What ordinary classifiers lose on the same splits, the best first.

    Args:
        losses: test NLL after calibration by split, of classifiers, of the answer and of no regularization.
    """
    means = {readable(name): sum(each) / len(each) for name, each in losses.items()}
    listed = ", ".join(f"{name} {short(means[name])}" for name in sorted(means, key=means.__getitem__))
    splits = len(next(iter(losses.values())))
    return (
        f"Beside other classifiers, test NLL after calibration, mean of {plural(splits, 'split')}: {listed}. The study "
        "compares them with intervals, and blends the best into the model that it leaves."
    )


def how_sure(search: SearchResults, *, seeds: int, trials: int, minutes: float) -> Iterator[str]:
    """How sure the answer is, and what more time would settle.

    Args:
        search: what was found.
        seeds: of the study that could be run instead.
        trials: of each of its arms.
        minutes: that the answer took.
    """
    spent, results = search.search, search.results
    yield (
        f"This is a sketch: {results.protocol.seeds} seeds and {spent.trials} trials of each arm, where the study has "
        f"{seeds} and {trials}; intervals are as wide as that makes them."
    )
    few = too_few_seeds(results.protocol.seeds)
    if few:
        yield f"{few.replace('study.seeds: ', 'Seeds: ')}."
    test = results.answer.test
    if test is None or test.left_out or results.answer.recommendation == "use":
        yield "More time would search longer, and may find a stronger setting; the study compares single strengths too."
    elif test.equivalent:
        yield "More time would hardly change that: the difference is shown to matter less than what is worth it."
    elif test.more_seeds is None:
        yield "More rows would settle it, not more time."
    elif test.more_seeds:
        longer = minutes * (results.protocol.seeds + test.more_seeds) / results.protocol.seeds
        yield f"`--minutes {longer:.0f}` has the seeds that would settle it with even chances."
