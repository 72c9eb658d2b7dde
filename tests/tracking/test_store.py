"""Does a copy of the project that DVC makes for an experiment publish to the project's own store?"""

import sys
from pathlib import Path

import pytest
from project import ROOT, run, write_yaml

from pipeline.tracking.database import uri_of
from pipeline.tracking.store import VARIABLE, tracking_uri

SHOW = """
import pathlib, sys
sys.path.insert(0, {root!r})
from pipeline.tracking.store import tracking_uri
print("publishes to", tracking_uri(pathlib.Path.cwd()))
"""


@pytest.mark.parametrize("copy", [".dvc/tmp/exps/standalone/tmpa1", ".dvc/tmp/exps/tmpa1", "."])
@pytest.mark.parametrize(
    ("uri", "store"),
    [
        (None, "mlflow.db"),
        ("sqlite:///own/x.db", "own/x.db"),
        ("sqlite:////elsewhere/x.db", "/elsewhere/x.db"),
        ("http://127.0.0.1:5000", None),
    ],
)
def test_the_store_is_the_project_s(tmp_path, monkeypatch, copy: str, uri: str | None, store: str | None) -> None:
    folder = tmp_path / copy
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv(VARIABLE, raising=False)
    if uri is not None:
        monkeypatch.setenv(VARIABLE, uri)
    kept = copy == "." and uri is not None
    assert tracking_uri(Path.cwd()) == (uri if store is None or kept else uri_of(tmp_path / store))


@pytest.mark.slow
def test_an_experiment_in_a_copy_of_dvc_s_publishes_to_the_project(tmp_path) -> None:
    (tmp_path / "show.py").write_text(SHOW.format(root=str(ROOT)))
    command = f"{sys.executable} show.py"
    write_yaml(tmp_path / "dvc.yaml", {"stages": {"track": {"cmd": command, "params": ["x"], "deps": ["show.py"]}}})
    write_yaml(tmp_path / "params.yaml", {"x": 1})
    for words in ("init -q", "config user.name me", "config user.email me@here"):
        run(tmp_path, "git", *words.split())
    run(tmp_path, "dvc", "init", "-q")
    run(tmp_path, "git", "add", "-A")
    run(tmp_path, "git", "commit", "-qm", "A project")
    done = run(tmp_path, "dvc", "exp", "run", "--temp", "-S", "x=2")
    assert f"publishes to {uri_of(tmp_path / 'mlflow.db')}" in done.stdout
