"""The stage `calibrators` in a folder with a small data set: what it scores when."""

import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor
from project import STUDY, write_params

from pipeline.core.paths import member_file, result_file
from pipeline.results.calibrator_comparison import NLL
from pipeline.results.calibrators import CalibratorResults
from pipeline.results.record import read_record
from pipeline.results.study_files import read_study
from pipeline.stages import calibrators
from pipeline.stages.evaluate import evaluate
from pipeline.stages.generate import generate
from pipeline.stages.train import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with a study that is evaluated, to be read only."""
    get_reusable_executor().shutdown(wait=True)  # workers of another test stand in its folder
    folder = tmp_path_factory.mktemp("study")
    write_params(folder, STUDY)
    with chdir(folder):
        generate("wine")
        train("wine", (), jobs=1)
        evaluate("wine", jobs=1)
    return folder


@pytest.fixture
def evaluated(study, tmp_path, monkeypatch):
    get_reusable_executor().shutdown(wait=True)
    monkeypatch.chdir(shutil.copytree(study, tmp_path / "copy"))
    return read_study(result_file("wine", "results.json"))


def made(jobs=1):
    calibrators.calibrators("wine", jobs=jobs)
    return result_file("wine", "calibrators.json").read_bytes()


def test_the_usual_calibrator_is_the_studys(evaluated):
    made()
    table = read_record(CalibratorResults, result_file("wine", "calibrators.json"))
    assert table.usual.name == evaluated.protocol.calibrator
    of_the_study = {point.key: point.comparison(NLL) for point in evaluated.points if point.against_reference}
    assert table.usual.against_reference == of_the_study
    assert [other.name for other in table.others] == [
        "vector scaling",
        "matrix scaling",
        "isotonic regression",
        "Venn-Abers",
    ]


def test_workers_and_the_memo_make_no_difference(evaluated):
    alone = made()
    assert made() == alone
    for path in Path(".cache/memo").iterdir():
        path.unlink()
    assert made(jobs=3) == alone


def test_a_point_is_scored_once(evaluated, monkeypatch):
    made()
    monkeypatch.setattr(calibrators, "_score", None)
    made()
    other = member_file("wine", "none", "none")
    other.write_bytes(member_file("wine", "dropout", "dropout=0.5").read_bytes())
    made()
