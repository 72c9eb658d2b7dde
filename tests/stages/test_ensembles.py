"""Averages of winners in a folder with a small data set: what their networks are, and what is trained when."""

from pathlib import Path

import numpy as np
import pytest
from project import STUDY, write_params

from pipeline.config.params import load_params
from pipeline.core.arrays import read_arrays
from pipeline.core.paths import PARAMS, champion_file
from pipeline.data.seed_data import seed_data
from pipeline.evaluation.ensembles import mean_of_members
from pipeline.results.tuning import RateTrial, Tuning
from pipeline.search.ensembles import ENSEMBLE, SINGLE
from pipeline.stages import ensembles
from pipeline.stages.ensembles import compared_averages, write_averages
from pipeline.stages.generate import generate
from pipeline.stages.members import write_members
from pipeline.stages.scores import write_scores
from pipeline.stages.stored_dataset import load_data
from pipeline.training.fit import fit_stack
from pipeline.training.member import Member

MEMBERS, SPLITS = 3, 2
HOW = {"jobs": 1}


def params_of(members):
    study = {**STUDY["study"], "ensembles": {"members": members, "splits": SPLITS}}
    write_params(Path(), {**STUDY, "study": study})
    return load_params(PARAMS)


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = params_of(MEMBERS)
    generate("wine")
    return made


@pytest.fixture
def winners(params):
    return {
        "none": params.base,
        "dropout": params.base.model_copy(update={"dropout": 0.5, "learning_rate": 0.02}),
        "off": params.base,
    }


@pytest.fixture
def firsts(params, winners):
    """The networks on the study's own seeds, as the search trains them."""
    files = {arm: Path(".cache") / champion_file("wine", "tuned", arm) for arm in winners}
    points = {files[arm]: point for arm, point in winners.items()}
    write_members(points, params.study.seeds, "wine", **HOW, history=False)
    return files


def written(params, winners, firsts):
    return write_averages(winners, firsts, "wine", params, **HOW)


def logits_of(path, split="test"):
    return read_arrays(path)[0][f"logits/{split}"]


def trained(monkeypatch, *, at_most=99):
    """How many points are trained from now on, until an interruption after so many."""
    made, train = [], ensembles._train

    def counting(*arguments, **options):
        for content in train(*arguments, **options):
            if len(made) == at_most:
                raise KeyboardInterrupt
            made.append(content)
            yield content

    monkeypatch.setattr(ensembles, "_train", counting)
    return made


def test_an_average_is_that_of_networks_trained_alone(params, winners, firsts):
    """An oracle: every network by itself, on the rows of its split; the first is that of the study's own seed."""
    files, pooled = written(params, winners, firsts), load_data("wine")
    for arm, point in winners.items():
        found = logits_of(files[champion_file("wine", ENSEMBLE, arm)])
        for split in range(SPLITS):
            seeds = [split, *(seed for seed, rows in params.ensemble_seeds.items() if rows == split)]
            data = seed_data(pooled, split)
            alone = [fit_stack([Member(point, seed)], {seed: data}).logits["test"] for seed in seeds]
            assert len(alone) == MEMBERS
            assert len({logits.tobytes() for logits in alone}) == MEMBERS
            assert np.array_equal(found[split], mean_of_members(np.stack(alone))[0])


def test_the_first_network_is_the_study_s_own(params, winners, firsts):
    files = written(params, winners, firsts)
    for arm, first in firsts.items():
        for split in ("train", "validation", "test"):
            single = logits_of(files[champion_file("wine", SINGLE, arm)], split)
            assert np.array_equal(single, logits_of(first, split)[:SPLITS])


def test_networks_of_a_larger_ensemble_are_those_of_a_smaller_one(params, winners, firsts):
    few = [read_arrays(path)[0] for path in ensembles._further(winners, firsts, "wine", params, **HOW).values()]
    many = [read_arrays(path)[0] for path in ensembles._further(winners, firsts, "wine", params_of(5), **HOW).values()]
    for fewer, more in zip(few, many, strict=True):
        assert all(np.array_equal(more[name][: len(logits)], logits) for name, logits in fewer.items())


def test_winners_that_are_the_same_point_share_their_networks(params, winners, firsts, monkeypatch):
    made = trained(monkeypatch)
    files = written(params, winners, firsts)
    assert len(made) == 2
    none, off = (logits_of(files[champion_file("wine", ENSEMBLE, arm)]) for arm in ("none", "off"))
    assert np.array_equal(none, off)


def test_what_was_trained_is_recalled_also_after_an_interruption(params, winners, firsts, monkeypatch):
    with monkeypatch.context() as patch:
        trained(patch, at_most=1)
        with pytest.raises(KeyboardInterrupt):
            written(params, winners, firsts)
    made = trained(monkeypatch)
    before = {path: source.read_bytes() for path, source in written(params, winners, firsts).items()}
    assert len(made) == 1
    assert {path: source.read_bytes() for path, source in written(params, winners, firsts).items()} == before
    assert len(made) == 1


def test_averages_are_scored_as_networks_are(params, winners, firsts):
    files = written(params, winners, firsts)
    own = {champion_file("wine", "tuned", arm): source for arm, source in firsts.items()}
    write_scores(files | own, "wine", jobs=1)
    for arm in winners:
        whole, part = (read_arrays(champion_file("wine", variant, arm))[0] for variant in ("tuned", SINGLE))
        names = {name for name in whole if name.startswith("score/")}
        assert names == {name for name in part if name.startswith("score/")}
        assert all(np.array_equal(part[name], whole[name][:SPLITS], equal_nan=True) for name in names)
    tuning = Tuning(objective="nll", trials=(RateTrial(learning_rate=0.01, values=(0.5,)),))
    table = compared_averages("wine", dict.fromkeys(winners, tuning), params)
    assert (table.members, table.splits) == (MEMBERS, SPLITS)
    assert [entry.arm for entry in table.arms] == list(winners)


def test_one_member_averages_nothing(params, winners, firsts):
    alone = params_of(1)
    assert written(alone, winners, firsts) == {}
    assert compared_averages("wine", {}, alone) is None
    assert not (firsts["none"].parents[1] / ensembles.FURTHER).exists()
