"""Costs of decisions, as a file or a command names them: by true class, then by decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from pipeline.core.errors import InputError

_NAMED = 12

Costs = Mapping[str, Mapping[str, float]]


def cost_matrix(costs: Costs, classes: Sequence[str], where: str) -> list[list[float]]:
    """What deciding costs (truth, decision): 1 where nothing is said of it, and a right decision 0.

    Args:
        costs: what is said.
        classes: names, in the order of the probabilities.
        where: what messages call the place that says it.

    Raises:
        InputError: there is no such class, or a right decision costs as much as a wrong one.
    """
    for truth, row in costs.items():
        for name in (truth, *row):
            if name not in classes:
                raise InputError(f"{where}: must name classes ({', '.join(classes[:_NAMED])}), got {name!r}")
    matrix = [[costs.get(truth, {}).get(each, float(each != truth)) for each in classes] for truth in classes]
    for place, (truth, costly) in enumerate(zip(classes, matrix, strict=True)):
        if not 0 <= costly[place] < min([*costly[:place], *costly[place + 1 :]]) < inf:
            raise InputError(f"{where}: for {truth!r} a right decision must cost less than any other, got {costly}")
    return matrix
