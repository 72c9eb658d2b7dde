"""The command `map`: train all arms at one number of training rows, over all shares of wrong labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.reading import look_up
from pipeline.config.textbook_map import arm_cells, experiment_of, load_map
from pipeline.core.paths import MAP, map_file

if TYPE_CHECKING:
    from pipeline.config.textbook_map import MapParams
    from pipeline.results.textbook import MapPlace


def map(rows: str, *, jobs: int) -> str:
    """Train the map's arms at so many training rows, except those that the memo holds, and say who wins."""
    from pipeline.results.record import write_record  # noqa: PLC0415
    from pipeline.results.textbook import MapRow  # noqa: PLC0415

    params = load_map(MAP)
    chosen = look_up(rows, {str(each): each for each in params.rows}, f"{MAP}: rows")
    places = tuple(_place(params, chosen, noise, jobs=jobs) for noise in params.label_noise)
    target = map_file(rows)
    write_record(target, MapRow(rows=chosen, least=params.least, arms=tuple(params.arms), places=places))
    won = sum(place.verdict == "supported" for place in places)
    return f"{target}: {len(places)} places judged, a regularizer wins at {won}"


def _place(params: MapParams, rows: int, label_noise: float, *, jobs: int) -> MapPlace:
    from pipeline.textbook.cell_training import SeedSplits  # noqa: PLC0415
    from pipeline.textbook.experiments import run  # noqa: PLC0415
    from pipeline.textbook.regularizer_map import map_place, tuned  # noqa: PLC0415

    arms = arm_cells(params, MAP)
    title = f"map: {rows} rows, {label_noise:g} wrong labels"
    dataset = params.source(rows, label_noise).load(title, seeds=params.seeds)
    result = run(experiment_of(arms), SeedSplits(dataset, params.seeds), name="map", jobs=jobs, title=title)
    values = tuned(result.arrays, {name: len(cells) for name, cells in arms.items()})
    return map_place(values, rows=rows, label_noise=label_noise, least=params.least)
