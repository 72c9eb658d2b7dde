"""The notice that no learning rate was tuned: what no regularization gains from a rate of its own."""

from __future__ import annotations

from pipeline.metrics.names import MetricName
from pipeline.reporting.text.numbers import short
from pipeline.results.search import SearchResults
from pipeline.results.study import PointResult, StudyResults

LOSS = MetricName("test", "after", "nll")


def untuned(results: StudyResults, search: SearchResults) -> str:
    """What the study's results are worth beside no regularization at the rate that the search of its data set found."""
    plain, tuned = results.reference_point, search.results.reference_point
    before, after = plain.mean(LOSS), tuned.mean(LOSS)
    shared = len({point.parameters.learning_rate for point in results.points}) == 1
    lead = f"all points share the learning rate {_rate(plain)}, which" if shared else _alone(plain)
    if before is None or after is None:
        return f"{lead} was not tuned."
    return (
        f"{lead} was not tuned. At its own rate, {_rate(tuned)} as the search found, no regularization has a test NLL "
        f"of {short(after)} instead of {short(before)} after temperature scaling ({tuned.seeds} other seeds)"
        f"{_share(results, before - after)}.{_left(results, after)}"
    )


def better_than(results: StudyResults, loss: float) -> tuple[int, int]:
    """How many points are better than no regularization after scaling, and how many of them have a mean below this."""
    compared = ((point, point.comparison(LOSS)) for point in results.points)
    better = [point for point, entry in compared if entry is not None and entry.verdict == "better"]
    return len(better), sum(mean < loss for point in better if (mean := point.mean(LOSS)) is not None)


def _alone(plain: PointResult) -> str:
    return f"the learning rate of none, {_rate(plain)},"


def _rate(point: PointResult) -> str:
    return f"{point.parameters.learning_rate:.2g}"


def _share(results: StudyResults, gained: float) -> str:
    """What the rate alone gains of the advertised gain, where both gain."""
    choice = results.answer.after_scaling
    if choice.recommendation != "use" or choice.test is None or choice.test.difference is None or gained <= 0:
        return ""
    return f": the rate alone gains {short(gained)} of the {short(-choice.test.difference)} advertised here"


def _left(results: StudyResults, loss: float) -> str:
    better, lower = better_than(results, loss)
    return f" Of the {better} points that are better after scaling, {lower} have a lower mean than that." * bool(better)
