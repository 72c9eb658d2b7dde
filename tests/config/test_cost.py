"""How many networks a study trains: counted from its parameters, and counted while it trains them."""

from pathlib import Path
from typing import Any

import pytest
from project import ROOT, STUDY, write_params

from pipeline.config.cost import library_epochs, network_epochs, networks_of, point_networks_of, search_networks_of
from pipeline.config.params import Params, load_params
from pipeline.core.paths import PARAMS


@pytest.fixture
def params(tmp_path: Path) -> Params:
    write_params(tmp_path, STUDY)
    return load_params(tmp_path / PARAMS)


def test_networks_are_counted_by_hand(params: Params) -> None:
    networks = networks_of(params)
    assert networks.rates == 2 * 4  # none, dropout 0.5 and two ways to stop early, at one rate, on two seeds
    assert networks.points == 3 * 5  # and the A/A check
    assert networks.trials == 5 * 6 * 2  # five arms, three batches of two
    assert networks.contenders == 3 * (5 + 1) + 2 * (5 + 1 * 2)
    assert networks.averages == 5 * 1 * 2
    assert networks.total == 8 + 15 + 60 + 32 + 10


def test_stages_have_all_networks_between_them(params: Params) -> None:
    whole, points, search = networks_of(params), point_networks_of(params), search_networks_of(params)
    assert tuple(map(sum, zip(points, search, strict=True))) == whole
    assert points.trials == points.contenders == search.rates == search.points == 0


def test_the_library_trains_epochs_until_it_has_made_its_steps() -> None:
    params = load_params(ROOT / "params.yaml")
    few = library_epochs(params, 320)  # ten batches of 32 rows
    assert few == params.champion.folds * len(params.champion.recipes) * params.champion.least_steps // 10
    assert library_epochs(params, 320_000) == params.champion.folds * len(params.champion.recipes) * params.train.epochs


def test_half_of_the_trials_end_at_a_rung(params: Params) -> None:
    networks = networks_of(params)
    assert network_epochs(params, networks) == pytest.approx(4 * (networks.total - 60 / 4))


@pytest.mark.slow
def test_a_study_trains_as_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.stages.evaluate import evaluate  # noqa: PLC0415
    from pipeline.stages.generate import generate  # noqa: PLC0415
    from pipeline.stages.search import search_alone  # noqa: PLC0415
    from pipeline.stages.train import train  # noqa: PLC0415
    from pipeline.training import fit, rungs  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, STUDY)
    counted: list[int] = []
    original: Any = fit.Stack

    def counting(members: Any, *arguments: Any, **options: Any) -> Any:
        counted.append(len(members))
        return original(members, *arguments, **options)

    for module in (fit, rungs):
        monkeypatch.setattr(module, "Stack", counting)
    params = load_params(PARAMS)
    networks = networks_of(params)
    generate("wine")
    train("wine", (), jobs=1)
    assert sum(counted) == networks.rates + networks.points
    evaluate("wine", jobs=1)
    search_alone("wine", jobs=1)
    assert networks.total - sum(counted) in range(0, 20)  # winners may be the same point, and share their networks
