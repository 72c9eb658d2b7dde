"""The places at which a sentence is tried, the verdict at each, and what tells those where it holds from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.results.record import Level
from pipeline.results.textbook import CellVerdict, EffectCell, EffectResult, Place, Quantifier, Split
from pipeline.textbook.dependence import Case, best_split
from pipeline.textbook.verdicts import place_verdict

Properties = Mapping[str, Mapping[str, Level]]  # of data sets, by their names
PART = "part"


def places_of(effects: Sequence[EffectResult], quantifier: Quantifier) -> tuple[Place, ...]:
    """Every data set and level with the verdict of all effects there; those that stand aside do not count."""
    cells: dict[tuple[object, ...], list[EffectCell]] = {}
    for cell in (cell for effect in effects if not effect.aside for cell in effect.cells):
        cells.setdefault((cell.dataset, *cell.at.items()), []).append(cell)
    return tuple(
        Place(
            dataset=each[0].dataset,
            at=each[0].at,
            verdict=place_verdict([cell.verdict for cell in each], quantifier=quantifier),
            strict=place_verdict([cell.strict for cell in each], quantifier=quantifier),
        )
        for each in cells.values()
    )


def split_of(effects: Sequence[EffectResult], places: Sequence[Place], properties: Properties) -> Split | None:
    """What tells places apart, or the sentence's parts where it holds at no place with all of them."""
    if {place.verdict for place in places} >= {"supported", "refuted"}:
        split = best_split([_case(place.dataset, place.at, place.verdict, properties) for place in places])
        if split is not None:
            return split
    counted = [effect for effect in effects if not effect.aside]
    return best_split(
        [
            _case(cell.dataset, {PART: effect.says, **cell.at}, cell.verdict, properties)
            for effect in counted
            for cell in effect.cells
        ]
    )


def _case(dataset: str, at: Mapping[str, Level], verdict: CellVerdict, properties: Properties) -> Case:
    return Case({**at, **properties.get(dataset, {})}, verdict)
