"""Ensembles of winners: further networks on the same splits, recalled or trained, averaged, scored as a network is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.config.params import Params
from pipeline.config.points import Point
from pipeline.core.arrays import encode_arrays, read_arrays, write_arrays
from pipeline.core.files import discard
from pipeline.core.fingerprint import fingerprints
from pipeline.core.memo import fill
from pipeline.core.paths import champion_file, data_file
from pipeline.core.progress import progress
from pipeline.data.seed_data import seed_data
from pipeline.data.splits import SPLITS
from pipeline.stages.members import TOGETHER
from pipeline.stages.scores import ScoreFile, scored_points
from pipeline.stages.stored_dataset import load_data

if TYPE_CHECKING:
    from pipeline.results.search import EnsembleResults
    from pipeline.results.tuning import Tuning

FURTHER = "further"  # networks beside the first of each split
Logits = Mapping[str, NDArray[np.float32]]


def write_averages(
    winners: Mapping[str, Point], firsts: Mapping[str, Path], dataset: str, params: Params, *, jobs: int
) -> dict[Path, Path]:
    """Write what one network of every winner, and the mean of several, predict on each split, for `write_scores`.

    Args:
        winners: points by arm.
        firsts: by arm, the file of the point's members on the study's seeds: each is the first network of its split.
        dataset: what they are trained on.
        params: how many networks are averaged, and on how many splits.
        jobs: workers.

    Returns:
        The file with the logits of each file of scores; nothing where a mean is of one network.
    """
    if params.study.ensembles.members == 1:
        return {}
    further = _further(winners, firsts, dataset, params, jobs=jobs)
    sources: dict[Path, Path] = {}
    for arm, point in winners.items():
        networks = _networks(firsts[arm], further[arm], params.study.ensembles.splits)
        about = {"point": point.model_dump(mode="json"), "seeds": list(range(params.study.ensembles.splits))}
        for variant, logits in _entrants(networks).items():
            source = _beside(firsts[arm], variant)
            write_arrays(source, {f"logits/{split}": values for split, values in logits.items()}, about)
            sources[champion_file(dataset, variant, arm)] = source
    for path in {*further.values()}:
        discard(path, within=path.parents[1])
    return sources


def compared_averages(dataset: str, tuning: Mapping[str, Tuning], params: Params) -> EnsembleResults | None:
    """The scores of what `write_averages` wrote, compared; None where nothing is averaged.

    Args:
        dataset: what the networks were trained on.
        tuning: of every winner, by arm.
        params: the same as before.
    """
    from pipeline.search.ensembles import ENSEMBLE, SINGLE, ensemble_results  # noqa: PLC0415

    members = params.study.ensembles.members
    if members == 1:
        return None
    files = [
        ScoreFile(champion_file(dataset, variant, arm), variant, arm, of_arm)
        for variant in (SINGLE, ENSEMBLE)
        for arm, of_arm in tuning.items()
    ]
    return ensemble_results(scored_points(dataset, files, least_effect=params.study.least_effect), members=members)


def _further(
    winners: Mapping[str, Point], firsts: Mapping[str, Path], dataset: str, params: Params, *, jobs: int
) -> dict[str, Path]:
    """Files of the further networks of every winner, by arm; winners that are the same point share theirs."""
    seeds = list(params.ensemble_seeds.items())
    files = {arm: _beside(firsts[arm], FURTHER) for arm in winners}
    points = {files[arm]: point for arm, point in winners.items()}
    parts = {path: ("ensemble", point.model_dump(mode="json"), seeds) for path, point in points.items()}
    keys = fingerprints(parts, code=["training.fit"], files=[data_file(dataset)])
    fill(keys, lambda paths: _train([points[path] for path in paths], dataset, params, jobs=jobs))
    return files


def _beside(first: Path, variant: str) -> Path:
    return first.parent.parent / variant / first.name


def _networks(first: Path, further: Path, splits: int) -> Logits:
    """Logits (member, split, row, class) of the networks of each split, the study's own network first."""
    own, others = read_arrays(first)[0], read_arrays(further)[0]
    networks = {}
    for split in SPLITS:
        on_splits = own[f"logits/{split}"][:splits]
        networks[split] = np.concatenate([on_splits[None], others[f"logits/{split}"].reshape(-1, *on_splits.shape)])
    return networks


def _entrants(networks: Logits) -> dict[str, Logits]:
    """Logits (split, row, class) of the first network and of the mean of all."""
    from pipeline.evaluation.ensembles import mean_of_members  # noqa: PLC0415
    from pipeline.search.ensembles import ENSEMBLE, SINGLE  # noqa: PLC0415

    return {
        SINGLE: {split: logits[0] for split, logits in networks.items()},
        ENSEMBLE: {split: mean_of_members(logits) for split, logits in networks.items()},
    }


def _train(points: Sequence[Point], dataset: str, params: Params, *, jobs: int) -> Iterator[bytes]:
    """The further networks of points, each point's as soon as they and those before them are trained."""
    from pipeline.training.fit import fit_each  # noqa: PLC0415  (torch takes a second to import)
    from pipeline.training.member import Member  # noqa: PLC0415

    pooled, seeds = load_data(dataset), params.ensemble_seeds
    rows = {split: seed_data(pooled, split) for split in range(params.study.ensembles.splits)}
    data = {seed: rows[split] for seed, split in seeds.items()}
    total = sum(point.epochs for point in points) * len(seeds)
    with progress(f"{len(points) * len(seeds)} networks to average", total, "epochs") as tick:
        groups = [[Member(point, seed) for seed in seeds] for point in points]
        networks = fit_each(groups, data, together=TOGETHER, jobs=jobs, tick=tick, history=False)
        for point, fitted in zip(points, networks, strict=True):
            arrays = {f"logits/{split}": logits for split, logits in fitted.logits.items()}
            yield encode_arrays(arrays, {"point": point.model_dump(mode="json"), "seeds": list(seeds)})
