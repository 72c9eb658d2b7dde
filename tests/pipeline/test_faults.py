"""What a user can get wrong: one line, exit code 2, nothing overwritten."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from project import (
    ROOT,
    STUDY,
    refuses,
    write_params,
)

from pipeline.__main__ import main
from pipeline.core.arrays import read_arrays

GOOD = "age,city,outcome\n" + "".join(f"{i % 37},{'abc'[i % 3]},{'yes' if i % 2 else 'no'}\n" for i in range(120))
FAULTS = {
    "a zero-byte file": (b"", "0 bytes"),
    "infinity": (GOOD.replace("\n5,", "\ninf,", 1).encode(), "'age'"),
    "a missing value": (GOOD.replace("\n5,", "\n,", 1).encode(), "missing: impute"),
    "no target": (GOOD.replace("outcome", "result", 1).encode(), "'outcome'"),
    "one class": (GOOD.replace("yes", "no").encode(), "two classes"),
    "a rare class": ((GOOD + "3,a,maybe\n").encode(), "maybe"),
    "two columns of the target": (GOOD.replace("city", "outcome", 1).encode(), "'outcome'"),
    "a truncated line": (GOOD[:-5].encode(), "fields"),
}


Refused = Callable[..., None]


class TestFaults:
    """What a user can get wrong ends in one line and exit code 2, and overwrites nothing."""

    @staticmethod
    def with_file(folder: Path, content: bytes, **fields: object) -> Path:
        (folder / "inputs").mkdir()
        (folder / "inputs/mine.csv").write_bytes(content)
        mine = {"kind": "file", "path": "inputs/mine.csv", "target": "outcome", "train": 60, "validation": 30, **fields}
        study = {
            **STUDY,
            "datasets": {"mine": mine},
            "study": {**STUDY["study"], "datasets": ["mine"], "seeds": 2},
        }
        write_params(folder, study)
        return folder

    @pytest.fixture(autouse=True)
    def importable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))

    @pytest.fixture
    def refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
        """`refuses` in this process, which has imported the pipeline."""
        monkeypatch.chdir(tmp_path)

        def refused(line: str, *arguments: str) -> None:
            assert main(list(arguments)) == 2
            said = capsys.readouterr()
            assert said.out == ""
            assert said.err.startswith("error: ")
            assert said.err.count("\n") == 1
            assert line in said.err

        return refused

    @pytest.mark.slow
    @pytest.mark.parametrize("name", FAULTS)
    def test_a_file_that_cannot_be_used(self, tmp_path: Path, name: str) -> None:
        content, said = FAULTS[name]
        folder = self.with_file(tmp_path, content)
        (folder / "data").mkdir()
        (folder / "data/mine.safetensors").write_bytes(b"earlier")
        refuses(folder, said, "generate", "mine")
        assert (folder / "data/mine.safetensors").read_bytes() == b"earlier"

    def test_a_file_outside_inputs(self, tmp_path: Path, refused: Refused) -> None:
        self.with_file(tmp_path, GOOD.encode(), path="../mine.csv")
        refused("datasets.mine.path", "generate", "mine")

    def test_a_wrong_parameter(self, tmp_path: Path, refused: Refused) -> None:
        write_params(tmp_path, {**STUDY, "variants": {"none": {}, "dropout": {"dropout": 1.0}}})
        refused("variants.dropout.dropout: should be less than 1, got 1.0", "generate", "mixture")

    @pytest.mark.slow
    def test_an_unknown_name(self, tmp_path: Path) -> None:
        write_params(tmp_path, STUDY)
        refuses(tmp_path, "got 'nosuch'", "generate", "nosuch")
        refuses(tmp_path, "dvc repro", "train", "wine", "none")
        refuses(tmp_path, "dvc repro", "evaluate", "wine")
        refuses(tmp_path, "dvc repro", "search", "wine")
        refuses(tmp_path, "got 'nosuch'", "search", "nosuch")
        refuses(tmp_path, "dvc repro", "plot", "wine")
        refuses(tmp_path, "got 'nosuch'", "plot", "nosuch")
        refuses(tmp_path, "dvc repro", "report")
        refuses(tmp_path, "dvc repro", "show")
        refuses(tmp_path, "got 'nosuch'", "show", "nosuch")
        refuses(tmp_path, "dvc repro", "ui")
        refuses(tmp_path, "dvc repro", "track")

    def test_a_damaged_intermediate_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_params(tmp_path, STUDY)
        monkeypatch.chdir(tmp_path)
        assert main(["generate", "mixture"]) == 0
        path = Path("data/mixture.safetensors")
        path.write_bytes(path.read_bytes()[:-100])
        capsys.readouterr()
        assert main(["train", "mixture", "none"]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: data/mixture.safetensors: damaged")
        assert said.err.count("\n") == 1

    @pytest.mark.parametrize("option", [("--jobs", "0"), ("--jobs", "x"), ("--backend", "nosuch")])
    def test_arguments_that_make_no_sense(
        self,
        option: tuple[str, str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        try:
            code = main(["train", "wine", "none", *option])
        except SystemExit as ended:
            code = ended.code
        assert code == 2
        assert repr(option[1]) in capsys.readouterr().err

    def test_a_good_file_with_categories_and_missing_values(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = self.with_file(tmp_path, GOOD.replace("\n5,", "\n,", 1).encode(), missing="impute")
        monkeypatch.chdir(folder)
        assert main(["generate", "mine"]) == 0
        arrays, about = read_arrays(folder / "data/mine.safetensors")
        assert about["classes"] == ["no", "yes"]
        assert np.isnan(arrays["features"]).sum() == 1

    def test_read_only_and_full_disks(self, tmp_path: Path) -> None:
        folder = tmp_path / "small"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            pytest.skip("a small file system can be mounted by root only")
        try:
            write_params(folder, STUDY)
            refuses(folder, "data/mixture.safetensors: No space left on device", "generate", "mixture")
            assert [path.name for path in folder.rglob("*") if path.is_file()] == ["params.yaml"]
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
            refuses(folder, "Read-only file system", "generate", "mixture")
        finally:
            subprocess.run(["umount", str(folder)], check=True)
