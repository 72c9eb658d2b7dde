"""The study as a user runs it: a small one in an empty folder, through DVC."""

import json
import re
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from project import (
    PIPELINES,
    ROOT,
    STUDY,
    executed,
    in_turn,
    locked_stages,
    make_project,
    outputs,
    refuses,
    run,
    runs_in,
    stage,
    write_params,
)

from pipeline.core.arrays import read_arrays
from pipeline.reporting.text.answer import sentence
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.record import read_record
from pipeline.results.search import SearchResults

# outside the project; watched by keys; working states, which no result depends on
ELSEWHERE = ("..", "params.yaml", "textbook/textbook.yaml", ".cache/", "mlflow.db", "studies/", "watcher/")


def is_data(path: Path) -> bool:
    """Code is watched too, see test_architecture; and a file may be gone by now, or be a folder."""
    return path.is_file() and path.suffix not in (".py", ".pyc")


@pytest.mark.slow
class TestStudy:
    def test_prints_the_answer(self, finished: Path) -> None:
        printed = " ".join((finished / "printed.txt").read_text().split())  # lines are wrapped
        assert "P(better)" in printed
        for dataset in STUDY["study"]["datasets"]:
            searched = read_record(SearchResults, finished / f"reports/{dataset}/search.json").results
            assert " ".join(sentence(searched, name=readable_arms).split()) in printed
            results = json.loads((finished / f"reports/{dataset}/results.json").read_text())
            assert len(results["points"]) == 6

    def test_dvc_watches_every_file_that_a_stage_reads(self, finished: Path) -> None:
        lock = locked_stages(finished)
        opened = {tuple(line.split(" ", 1)) for line in (finished / "opened.txt").read_text().splitlines()}
        assert {stage for stage, _ in opened} == {*lock, "track", "track-textbook"}
        for name, path in opened:
            if not name.startswith("track") and not path.startswith(ELSEWHERE) and is_data(finished / path):
                known = {entry["path"] for kind in ("deps", "outs") for entry in lock[name].get(kind, [])}
                assert known & {path, *map(str, Path(path).parents)}, f"{name} reads {path}"

    def test_off_is_exactly_the_unregularized_point(self, finished: Path) -> None:
        none, _ = read_arrays(finished / "members/wine/none/none.safetensors")
        off, _ = read_arrays(finished / "members/wine/dropout/dropout=0.safetensors")
        assert all(np.array_equal(none[name], off[name]) for name in none)

    def test_two_threads_in_another_folder_give_the_same_hashes(self, finished: Path, tmp_path: Path) -> None:
        again = make_project(tmp_path)
        for pipeline in PIPELINES:
            run(again, "dvc", "repro", pipeline, OMP_NUM_THREADS="2")
        assert outputs(again) == outputs(finished)

    def test_processes_give_the_same_bytes(self, project: Path) -> None:
        before = (project / "members/wine/dropout/dropout=0.5.safetensors").read_bytes()
        shutil.rmtree(project / "members/wine/dropout")
        shutil.rmtree(project / ".cache")
        done = stage(project, "train", "wine", "dropout", "--backend", "loky", "--jobs", "2")
        assert done.returncode == 0, done.stderr
        assert (project / "members/wine/dropout/dropout=0.5.safetensors").read_bytes() == before

    def test_nothing_changed_runs_nothing_but_track(self, project: Path) -> None:
        run(project, "dvc", "repro")  # a copied project publishes anew: its runs are where the original is
        before = runs_in(project)
        assert executed(run(project, "dvc", "repro")) == {"track"}
        assert runs_in(project) == before

    def test_editing_one_strength_trains_that_point_alone_and_going_back_nothing(self, project: Path) -> None:
        before, both = outputs(project), STUDY["study"]["datasets"]
        stages = {f"{stage}@{d}" for stage in ("evaluate", "calibrators", "plot", "export") for d in both}
        stages |= {"report", "track"}
        write_params(project, {**STUDY, "variants": {**STUDY["variants"], "dropout": {"dropout": [0.0, 0.25]}}})
        done = run(project, "dvc", "repro")
        assert executed(done) == {f"train@{d}" for d in both} | stages
        assert done.stdout.count(": 3 networks trained, 15 recalled from the memo") == 2
        folder = project / "members/wine/dropout"
        names = {"dropout=0.25.safetensors", "dropout=0.safetensors", "tuning.json"}
        assert {path.name for path in folder.iterdir()} == names
        write_params(project, STUDY)
        back = run(project, "dvc", "repro")
        assert executed(back) == {"report", "track", *(f"export@{d}" for d in both)}
        assert outputs(project) == before

    def test_equal_points_are_trained_once(self, finished: Path) -> None:
        """The dropout of 0 is the unregularized point, whatever variant asks for it."""
        printed = (finished / "printed.txt").read_text()
        assert "members/wine: 15 networks trained, 3 recalled from the memo" in printed

    def test_an_edited_docstring_trains_and_measures_nothing(self, project: Path) -> None:
        before = outputs(project)
        path = project / "pipeline/training/fit.py"
        text = path.read_text()
        path.write_text(text.replace('"""', '"""Said otherwise. ', 1) + "\n\n# a remark\n")
        done = run(project, "dvc", "repro", "evaluate@wine")
        assert "train@wine" in executed(done)
        assert " 0 networks trained" in done.stdout
        assert not re.search(r" [1-9]\d* networks trained", done.stdout)
        assert outputs(project) == before

    def test_a_removed_variant_leaves_the_results_of_a_fresh_study(self, project: Path, tmp_path: Path) -> None:
        variants = {name: rows for name, rows in STUDY["variants"].items() if name != "dropout"}
        write_params(project, {**STUDY, "variants": variants})
        run(project, "dvc", "repro", "evaluate@wine")
        fresh = make_project(tmp_path / "fresh", {**STUDY, "variants": variants})
        run(fresh, "dvc", "repro", "evaluate@wine")
        evaluated = {path: md5 for path, md5 in outputs(fresh).items() if not path.startswith("members")}
        assert {path: outputs(project)[path] for path in evaluated} == evaluated

    def test_baselines_stand_beside_networks(self, finished: Path) -> None:
        printed = (finished / "printed.txt").read_text()
        page = (finished / "reports/index.html").read_text()
        runs = {run[:2] for run in runs_in(finished)}
        for dataset in STUDY["study"]["datasets"]:
            table = json.loads((finished / f"reports/{dataset}/baselines.json").read_text())
            assert [each["name"] for each in table["baselines"]] == list(STUDY["baselines"])
            assert table["seeds"] == STUDY["study"]["seeds"]
            assert f"Is a network worth it? Classifiers of scikit-learn, {dataset}" in printed
            assert {
                (f"{dataset} regularization", readable(name)) for name in (*STUDY["baselines"], "baselines")
            } <= runs
        assert page.count('<details id="baselines-') == len(STUDY["study"]["datasets"])

    def test_other_calibrators_are_compared(self, finished: Path) -> None:
        printed = (finished / "printed.txt").read_text()
        for dataset in STUDY["study"]["datasets"]:
            table = json.loads((finished / f"reports/{dataset}/calibrators.json").read_text())
            study = json.loads((finished / f"reports/{dataset}/results.json").read_text())
            assert len(table["others"]) == 4
            assert set(table["others"][0]["nll"]) == {point["key"] for point in study["points"]}
            assert f"Do verdicts survive other calibrators? {dataset}" in printed

    def test_editing_a_baseline_fits_it_alone_and_none_may_be_left(self, project: Path) -> None:
        before, both = outputs(project), STUDY["study"]["datasets"]
        stages = {f"{stage}@{d}" for stage in ("baselines", "champion", "plot", "export") for d in both}
        stages |= {"report", "track"}
        forest = {**STUDY["baselines"]["random_forest"], "n_estimators": 6}
        write_params(project, {**STUDY, "baselines": {**STUDY["baselines"], "random_forest": forest}})
        done = run(project, "dvc", "repro")
        assert executed(done) == stages
        assert done.stdout.count("3 classifiers fitted, 3 recalled from the memo") == 2
        alone = {**STUDY["champion"], "estimators": []}
        write_params(project, {**STUDY, "baselines": {}, "champion": alone})
        assert executed(run(project, "dvc", "repro")) == stages
        assert "is a network worth it?" not in (project / "reports/index.html").read_text()
        assert "Is a network worth it?" not in stage(project, "show").stdout
        changed = {path for path, md5 in outputs(project).items() if before[path] != md5}
        assert not [
            path for path in changed if path.startswith("results") and not re.search("baselines|champion", path)
        ]

    def test_a_table_is_printed_again(self, finished: Path) -> None:
        shown = stage(finished, "show").stdout
        one = stage(finished, "show", "wine").stdout
        assert one.splitlines()[0] == "wine"
        assert one.rstrip() in shown
        sentence = json.loads((finished / "reports/summary.json").read_text())["sentence"]
        assert sentence in " ".join(shown.split())
        assert sentence not in " ".join(one.split())
        assert shown.count("P(better)") > one.count("P(better)") > 0
        assert "\x1b[" not in shown  # colours are for terminals

    def test_a_port_that_is_taken_or_is_none_is_told(self, finished: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
            done = stage(finished, "ui", "--port", port)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: port {port} of 127.0.0.1 must be free")
        assert "got '70000'" in stage(finished, "ui", "--port", "70000").stderr

    def test_a_damaged_table_is_told(self, project: Path) -> None:
        (project / "results/wine/history.csv").write_text(
            "variant,name,epoch,metric,mean,low,high\nnone,none,x,nll,1,1,1\n"
        )
        done = stage(project, "plot", "wine")
        assert (done.returncode, done.stdout) == (2, "")
        assert "results/wine/history.csv: damaged" in done.stderr

    def test_metrics_and_plots_are_declared(self, finished: Path) -> None:
        shown = json.loads(run(finished, "dvc", "metrics", "show", "--json").stdout)[""]["data"]
        metrics = {Path(path).stem: file["data"] for path, file in shown.items()}
        assert set(metrics) == set(STUDY["study"]["datasets"])
        for name, dataset in metrics.items():
            answer = json.loads((finished / f"reports/{name}/results.json").read_text())["answer"]
            compared = {"difference", "low", "high"} if answer["test"] else set()
            assert {"nll", "nll_calibrated", "ece", *compared} <= set(dataset)
        plots = json.loads(run(finished, "dvc", "plots", "show", "--json").stdout)["data"]
        assert {Path(name).parent.name for name in plots} >= {"history", "sweeps", "reliability"}
        assert {Path(name).stem for name in plots} >= set(STUDY["study"]["datasets"])

    def test_metrics_are_readable_at_120_columns(self, finished: Path) -> None:
        printed = run(finished, "dvc", "metrics", "show", COLUMNS="120").stdout
        assert max(map(len, printed.splitlines())) <= 120


@pytest.mark.slow
def test_a_study_without_sweeps_and_with_a_diverging_point(tmp_path: Path) -> None:
    """Every stage by hand: nothing to plot in a sweep, and a point of which no seed is finite."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    variants = {"none": {}, "hot": {"optimizer": "sgd", "learning_rate": 1e30}}
    write_params(
        tmp_path, {**STUDY, "variants": variants, "study": {**STUDY["study"], "datasets": ["wine"], "seeds": 2}}
    )
    names = ("generate", "train", "evaluate", "calibrators", "search", "baselines", "champion", "plot", "export")
    done = in_turn(tmp_path, *((name, "wine") for name in names), ("report",))
    assert done.returncode == 0, done.stderr
    drawn = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "reports/wine/figures").rglob("*.png")}
    assert "reports/wine/figures/forest.png" in drawn
    assert {"reports/wine/figures/sweeps.png", "reports/wine/figures/points/hot/hot.png"}.isdisjoint(drawn)
    tracked = stage(tmp_path, "track")
    assert tracked.returncode == 0, tracked.stderr
    assert "left out" in tracked.stdout
    assert (tmp_path / "results/wine/sweeps.csv").read_text().startswith("variant,name,parameter")
    bins = np.genfromtxt(tmp_path / "results/wine/reliability.csv", delimiter=",", names=True, dtype=None)
    assert np.nanmin(bins["low"]) >= 0
    assert np.nanmax(bins["high"]) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("others", [{}, {"dropout": {"dropout": 0.5, "learning_rate": 0.01, "optimizer": "adam"}}])
def test_a_study_whose_reference_diverges(tmp_path: Path, others: dict) -> None:
    """With nothing to choose from it ends in a line; with another point there is a report that compares nothing."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    variants = {"none": {"optimizer": "sgd", "learning_rate": 1e30}, **others}
    write_params(
        tmp_path, {**STUDY, "variants": variants, "study": {**STUDY["study"], "datasets": ["wine"], "seeds": 2}}
    )
    assert in_turn(tmp_path, ("generate", "wine"), ("train", "wine")).returncode == 0
    if not others:
        refuses(tmp_path, "every point diverged", "evaluate", "wine")
        return
    names = ("evaluate", "calibrators", "search", "baselines", "champion", "plot", "export")
    done = in_turn(tmp_path, *((name, "wine") for name in names), ("report",), ("track",))
    assert done.returncode == 0, done.stderr
    assert "Leave it unregularized" in (tmp_path / "reports/index.html").read_text()
