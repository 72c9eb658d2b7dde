"""What no regularization gains from a learning rate of its own: the study has one untuned rate, the search tunes it."""

from collections.abc import Mapping
from typing import Any

from pipeline.reporting.text.numbers import short

Table = Mapping[str, Any]
LOSS = "test_ts/nll"


def untuned(results: Table, search: Table) -> str:
    """What the study's results are worth beside no regularization at the rate that the search found for it.

    Args:
        results: the study's finished table.
        search: the finished table of the same data set's search.
    """
    told, tuned = _reference(results), _reference(search["results"])
    before, after = (point["metrics"][LOSS]["mean"] for point in (told, tuned))
    rate, own = (_rate(point["parameters"]) for point in (told, tuned))
    one = len({point["parameters"]["learning_rate"] for point in results["points"]}) == 1
    lead = f"all points share the learning rate {rate}, which" if one else f"the learning rate of none, {rate},"
    if before is None or after is None:
        return f"{lead} was not tuned."
    return (
        f"{lead} was not tuned. At its own rate, {own} as the search found, no regularization has a test NLL of "
        f"{short(after)} instead of {short(before)} after temperature scaling ({tuned['seeds']} other seeds)"
        f"{_share(results, before - after)}.{_left(results, after)}"
    )


def better_than(results: Table, loss: float) -> tuple[int, int]:
    """How many points are better than no regularization after scaling, and how many of them have a mean below this."""
    compared = [point for point in results["points"] if point["against_reference"]]
    better = [point for point in compared if point["against_reference"][LOSS]["verdict"] == "better"]
    return len(better), sum(point["metrics"][LOSS]["mean"] < loss for point in better)


def _reference(results: Table) -> Table:
    point: Table = results["points"][results["reference"]["index"]]
    return point


def _rate(parameters: Table) -> str:
    return f"{parameters['learning_rate']:.2g}".removeprefix("0")


def _share(results: Table, gained: float) -> str:
    """What the rate alone gains of the advertised gain, where both gain."""
    choice = results["answer"]["after_scaling"]
    if choice["recommendation"] != "use" or gained <= 0:
        return ""
    return f": the rate alone gains {short(gained)} of the {short(-choice['test']['difference'])} advertised here"


def _left(results: Table, loss: float) -> str:
    better, lower = better_than(results, loss)
    return f" Of the {better} points that are better after scaling, {lower} have a lower mean than that." * bool(better)
