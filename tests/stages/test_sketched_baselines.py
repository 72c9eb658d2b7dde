"""Baselines beside a sketch: the numbers of the study's own stage, on as many splits as there is time for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from project import STUDY, write_params

from pipeline.config.params import load_params
from pipeline.core.arrays import read_arrays
from pipeline.core.paths import PARAMS
from pipeline.results.answer import LOSS
from pipeline.stages import sketched_baselines
from pipeline.stages.baselines import write_fits
from pipeline.stages.generate import generate
from pipeline.stages.scores import write_scores

SEEDS = 3
FITS, SCORES = Path("baselines/fits.safetensors"), Path("baselines/scores.safetensors")


def test_losses_are_those_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, STUDY)
    params = load_params(PARAMS)
    (dataset, *_), (name, row) = params.study.datasets, next(iter(params.baselines.items()))
    generate(dataset)
    write_fits({FITS: row}, SEEDS, dataset, jobs=1)
    write_scores({SCORES: FITS}, dataset, jobs=1)
    expected = read_arrays(SCORES)[0][f"score/{LOSS}"]
    monkeypatch.setattr(sketched_baselines, "_of_networks", lambda *_, splits: {"the answer": (0.0,) * splits})
    results = Results(SEEDS)
    losses = sketched_baselines.losses_beside(dataset, {name: row}, results, seconds=1e9, jobs=1)
    np.testing.assert_allclose(losses[name], expected, rtol=1e-6)
    few = sketched_baselines.losses_beside(dataset, {name: row}, results, seconds=0.0, jobs=1)
    assert few == {name: losses[name][:1], "the answer": (0.0,)}


class Results:
    """As much of a finished search as tells how many seeds it has."""

    def __init__(self, seeds: int) -> None:
        self.seeds = seeds

    @property
    def results(self) -> Results:
        return self

    @property
    def protocol(self) -> Results:
        return self
