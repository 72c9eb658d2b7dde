"""A device that is not there ends every command that trains before it has done anything."""

import pytest
import torch
from project import STUDY, write_params

from pipeline.config.params import load_params
from pipeline.core import parallel
from pipeline.core.engines import Engine
from pipeline.core.errors import InputError
from pipeline.core.fingerprint import fingerprints
from pipeline.core.paths import PARAMS, data_file
from pipeline.stages.champion import champion
from pipeline.stages.devices import require_devices
from pipeline.stages.search import search, search_alone
from pipeline.stages.train import train

COMMANDS = {
    "train": lambda: train("wine", ["dropout"], jobs=1),
    "search": lambda: search("wine", arm=None, trials=None, fresh=False, storage=None, jobs=1),
    "search, as advise has it": lambda: search_alone("wine", jobs=1),
    "champion": lambda: champion("wine", jobs=1),
}


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    write_params(tmp_path, {**STUDY, "train": {**STUDY["train"], "device": "cuda"}})
    return load_params(PARAMS)


@pytest.mark.usefixtures("params")
@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_gpu_nothing_is_done(command, tmp_path):
    message = r"^params.yaml: train.device: cuda needs a GPU that torch can use, got torch [^\n]*$"
    with pytest.raises(InputError, match=message):
        COMMANDS[command]()
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_processes_of_this_machine_have_no_other_devices(params):
    with parallel.using(Engine("loky", workers=2)), pytest.raises(InputError, match=r"^params.yaml: train.device"):
        require_devices([params.base])


def test_a_clusters_workers_may_have_what_this_machine_lacks(params, monkeypatch):
    monkeypatch.setattr(parallel, "crew", lambda jobs: parallel.Crew(4, is_remote=True, are_threads=False))
    require_devices([params.base])


def test_the_cpu_is_always_there(params):
    require_devices([params.base.model_copy(update={"device": "cpu"})])


def test_a_result_of_a_gpu_is_not_taken_for_one_of_the_cpu(params, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/wine.safetensors").touch()
    points = {device: params.base.model_copy(update={"device": device}) for device in ("cpu", "cuda")}
    parts = {device: (point.model_dump(mode="json"),) for device, point in points.items()}
    keys = fingerprints(parts, code=["training.fit"], files=[data_file("wine")])
    assert len(set(keys.values())) == 2
