"""The command `add`: what it says, what it writes, and what it leaves alone."""

import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from project import ROOT, STUDY, write_params

from pipeline.__main__ import main
from pipeline.config.params import load_params
from pipeline.core.paths import INPUTS, PARAMS
from pipeline.data.sources import File
from pipeline.stages import add as add_stage
from pipeline.stages import study_length
from pipeline.stages.add import Addition
from pipeline.stages.generate import generate
from pipeline.stages.study_length import Speed

TABLES = sorted((ROOT / "tests/corpus/tables").iterdir())
COMMENTED = "# the study of our department\n\n"
TARGETS = {"two_header_lines.csv": "default", "no_header.csv": "x2"}


@pytest.fixture(scope="module")
def commented_params(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("params")
    write_params(folder, STUDY)
    text = (folder / PARAMS).read_text()
    return COMMENTED + text.replace("network:\n", "# how large?\nnetwork: # small\n")


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commented_params: str) -> None:
    folder = tmp_path / "project"
    (folder / "inputs").mkdir(parents=True)
    (folder / PARAMS).write_text(commented_params)
    monkeypatch.chdir(folder)


@pytest.fixture
def told_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast networks train, without training any: for tests of what does not depend on it."""
    monkeypatch.setattr(study_length, "measured_speed", lambda *_: Speed(0.01))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table with what people's tables have: an identifier, blanks, a stray word, percent signs."""
    header = "id,age,job,rate,smoker,default\n"
    path = tmp_path / "Loan Data.csv"
    path.write_text(header + "".join(map(row, range(120))))
    return path


def row(i: int) -> str:
    age = {3: "", 7: "?"}.get(i, str(20 + i * 7 % 50))
    default = "yes" if i * 13 % 7 < 3 else "no"
    return f"c{1000 + i * 3},{age},{'abc'[i % 3]},{i * 5 % 11}%,{'yes' if i % 4 else 'no'},{default}\n"


def added(*arguments: object) -> int:
    return main(["add", *map(str, arguments), "--target", "default"])


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file() and ".cache" not in path.parts}


def entry(name: str = "loan_data") -> File:
    source = load_params(PARAMS).datasets[name]
    assert isinstance(source, File)
    return source


class TestShowing:
    def test_a_dry_run_says_all_and_writes_nothing(self, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = contents()
        assert added(table, "--dry-run") == 0
        assert contents() == before
        said = capsys.readouterr().out
        for pattern in (
            r"Loan Data\.csv: 120 rows, 6 columns",
            r"\nid +ignored, identifier +120 +c1000",
            r"\nage +number +2 +\d+ .*'\?' read as missing",
            r"\nrate +number .*percent signs left out",
            r"\ndefault +target, yes-no",
            r"missing: impute: column 'age'",
            r"na_values: \[\"\?\"\]: column 'age', data row 8: '\?' is not a number",
            r"The study: [\d,]+ networks of 60 rows on 3 seeds: about \d+ seconds on \d+ cores",
            r"\+    path: inputs/loan_data\.csv",
            r"inputs/loan_data\.csv: a copy of ",
            r"nothing was written\n$",
        ):
            assert re.search(pattern, said), pattern

    @pytest.mark.slow
    def test_changes_stand_below_their_sections_and_long_lines_are_cut(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "wide.csv"
        rows = [",".join(map(str, [i % 2, *((i * k) % 101 for k in range(1, 50))])) for i in range(120)]
        path.write_text("\n".join([",".join(["default", *(f"measure_{k}" for k in range(1, 50))]), *rows]) + "\n")
        assert added(path, "--dry-run", "--study") == 0
        lines = capsys.readouterr().out.split("params.yaml:\n")[1].splitlines()
        assert [line for line in lines if line.startswith("   ")] == ["   datasets:", "   study:"]
        assert lines.index("   datasets:") < lines.index("  +  wide:") < lines.index("   study:")
        (expects,) = [line for line in lines if "expects" in line]
        assert len(expects) <= 120
        assert expects.endswith(" ...")

    @pytest.mark.slow
    def test_nobody_to_ask_is_told_what_to_type(self, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = contents()
        assert added(table) == 2
        assert contents() == before
        assert "--yes writes it, --dry-run looks" in capsys.readouterr().err

    @pytest.mark.usefixtures("told_speed")
    @pytest.mark.parametrize(("answer", "written"), [("y", True), ("yes", True), ("", False), ("n", False)])
    def test_a_person_is_asked(
        self, table: Path, answer: str, *, written: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        monkeypatch.setattr("builtins.input", lambda _: answer)
        before = contents()
        assert added(table) == 0
        assert (contents() != before) == written

    @pytest.mark.usefixtures("told_speed")
    def test_all_problems_are_shown_at_once_with_what_answers_them(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "dates.csv"
        rows = [f"{1 + i % 12:02d}/{1 + i % 11:02d}/2020;{1 + i % 9},{i:03d};{i % 2}" for i in range(60)]
        path.write_text("\n".join(["when;price;default", *rows]))
        before = contents()
        assert added(path, "--yes") == 2
        assert contents() == before
        said = capsys.readouterr()
        assert "2 problems left to answer" in said.err
        assert said.err.count("\n") == 1
        flags = re.search(r"one way to answer: (.*)", said.err)
        assert flags is not None
        assert "--dates" in flags[1]
        assert "--decimal ," in flags[1]
        assert added(path, "--yes", "--dates", "when=%d/%m/%Y", "--decimal", ",") == 0
        assert entry("dates").dates == {"when": "%d/%m/%Y"}

    @pytest.mark.usefixtures("told_speed")
    @pytest.mark.parametrize(
        ("classes", "answer"),
        [
            (["yes"] * 40 + ["no"] * 20 + ["?"], ""),
            (["yes"] * 40 + ["no"] * 2 + ["?"], "--rare pool makes one class of those with fewer than 10"),
            (["yes"] * 40 + ["no"] * 2, "must be classes with more rows"),
            ([str(i // 2) for i in range(60)], "must be classes with more rows"),
        ],
    )
    def test_what_classes_of_too_few_rows_need_is_said(
        self, tmp_path: Path, classes: list[str], answer: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "classes.csv"
        path.write_text("\n".join(["size,default", *(f"{i * 7 % 31},{each}" for i, each in enumerate(classes))]))
        assert added(path, "--dry-run") == (2 if answer else 0)
        said = capsys.readouterr().err
        assert ("every class needs 3 rows" in said) == bool(answer)
        assert answer in said
        if "--rare pool" in answer:
            assert added(path, "--dry-run", "--rare", "pool") == 0

    @pytest.mark.usefixtures("told_speed")
    @pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
    def test_every_kind_of_table_ends_in_an_answer(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code = main(["add", str(path), "--target", TARGETS.get(path.name, "y"), "--dry-run"])
        said = capsys.readouterr()
        assert code in (0, 2)
        assert said.err.count("\n") == (code == 2)
        assert "Traceback" not in said.err


@pytest.mark.usefixtures("told_speed")
class TestWriting:
    def test_every_other_byte_of_the_parameters_stays(self, table: Path) -> None:
        before = PARAMS.read_text()
        assert added(table, "--yes") == 0
        after = PARAMS.read_text()
        start = after.index("  loan_data:\n")
        block = re.match(r"  loan_data:\n(    .*\n)+", after[start:])
        assert block is not None
        assert after[:start] + after[start + len(block[0]) :] == before
        assert (INPUTS / "loan_data.csv").read_bytes() == table.read_bytes()

    def test_the_entry_holds_what_is_proposed_and_the_data_set_can_be_made(
        self, table: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        added(table, "--yes")
        source = entry()
        assert (source.ignore, source.missing, source.na_values) == (("id",), "impute", ("?",))
        assert (source.train, source.validation) == (0.5, 0.25)
        assert source.expects is not None
        assert source.expects.number == ("age", "rate")
        assert source.expects.classes == ("no", "yes")
        assert "`dvc repro`" in capsys.readouterr().out
        assert "\ncolumns: 2 numbers, 1 category, 1 yes-no; ignored: id" in generate("loan_data")

    def test_a_far_value_is_named_and_scales_by_quartiles(
        self, table: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table.write_text(table.read_text().replace("c1003,27,", "c1003,9999,"))
        assert added(table, "--yes") == 0
        said = re.sub(r"\s+", " ", capsys.readouterr().out)
        assert "scale: robust: column 'age' has 9,999, 10.8 standard deviations from its mean; " in said
        assert "`scale: standard` clips at 10" in said
        assert entry().scale == "robust"
        assert added(table, "--dry-run") == 0
        assert "holds all of this already" in capsys.readouterr().out

    @pytest.mark.slow
    def test_a_scale_that_is_given_stands(self, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        table.write_text(table.read_text().replace("c1003,27,", "c1003,9999,"))
        assert added(table, "--yes", "--scale", "standard") == 0
        assert "robust" not in capsys.readouterr().out
        assert entry().scale == "standard"
        assert added(table, "--dry-run") == 0
        assert "holds all of this already" in capsys.readouterr().out

    @pytest.mark.parametrize(("option", "column"), [("group", "age"), ("time", "when")])
    def test_rows_that_are_related(
        self, option: str, column: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "visits.csv"
        days = [
            f"2020-{1 + i // 20:02d}-{1 + i % 20:02d},{20 + i % 40},{'no' if i * 13 % 7 < 3 else 'yes'}"
            for i in range(120)
        ]
        path.write_text("\n".join(["when,age,default", *days]))
        assert added(path, "--yes", f"--{option}", column) == 0
        assert re.search(rf"\n{column} +{option}, ", capsys.readouterr().out)
        assert getattr(entry("visits"), option) == column
        assert f"; {option}: {column}" in generate("visits")

    def test_what_the_user_says_comes_first(self, table: Path) -> None:
        added(table, "--yes", "--keep", "smoker", "--ignore", "smoker", "--train", "50", "--name", "Mine")
        assert entry("Mine").ignore == ("smoker", "id")
        assert entry("Mine").train == 50

    def test_the_study_and_its_budget_are_written_where_they_are_asked_for(self, table: Path) -> None:
        write_params(Path(), {**STUDY, "study": {**STUDY["study"], "seeds": 200}})
        assert added(table, "--yes", "--study", "--budget", "1m") == 0
        params = load_params(PARAMS)
        assert Speed(0.01).study_seconds(params) <= 60
        assert params.study.datasets == ("loan_data",)
        assert 6 <= params.study.seeds < 200

    def test_too_small_a_budget_is_refused(self, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert added(table, "--yes", "--budget", "1s") == 2
        assert "error: --budget: must be " in capsys.readouterr().err

    @pytest.mark.slow
    def test_adds_at_once_lose_nothing(self, table: Path) -> None:
        shown = PARAMS.read_text()
        additions = [
            Addition(f"n{i}", table, INPUTS / f"n{i}.csv", {("datasets", f"n{i}"): {**STUDY["datasets"]["wine"]}})
            for i in range(12)
        ]
        with ThreadPoolExecutor(12) as threads:
            list(threads.map(lambda addition: add_stage._write(addition, shown), additions))
        assert {f"n{i}" for i in range(12)} < load_params(PARAMS).datasets.keys()
        assert len([*INPUTS.iterdir()]) == 12

    def test_an_entry_that_changed_meanwhile_is_left_alone(
        self, table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        mine = PARAMS.read_text().replace("datasets:\n", "datasets:\n  loan_data: {kind: bundled, name: iris, train: 60, validation: 40}\n", 1)  # fmt: skip  # noqa: E501

        def edit(_: str) -> str:
            PARAMS.write_text(mine)
            return "y"

        monkeypatch.setattr("builtins.input", edit)
        assert added(table) == 2
        assert PARAMS.read_text() == mine
        assert not [*INPUTS.iterdir()]
        assert "datasets.loan_data has changed meanwhile" in capsys.readouterr().err


@pytest.mark.usefixtures("told_speed")
@pytest.mark.slow
class TestAgain:
    def test_the_same_again_changes_nothing(self, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        added(table, "--yes")
        before = contents()
        capsys.readouterr()
        assert added(table) == 0
        assert contents() == before
        assert "holds all of this already" in capsys.readouterr().out

    @pytest.mark.slow
    def test_a_change_is_shown_and_needs_a_yes(self, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        added(table, "--yes", "--train", "70")
        before = contents()
        capsys.readouterr()
        assert added(table, "--ignore", "job") == 2
        assert contents() == before
        said = capsys.readouterr().out
        assert "  -    ignore: [id]\n  +    ignore: [id, job]\n" in said
        assert "train" not in said.split("params.yaml:")[1]
        assert added(table, "--ignore", "job", "--yes") == 0
        assert (entry().ignore, entry().train) == (("id", "job"), 70)

    def test_a_file_that_means_something_else_is_noticed(self, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        added(table, "--yes")
        path = INPUTS / "loan_data.csv"
        changed = path.read_text().replace("%,", " to 10,").replace(",no\n", ",perhaps\n", 20).replace("job", "work")
        path.write_text(changed)
        assert main(["generate", "loan_data"]) == 2
        said = capsys.readouterr().err
        assert "inputs/loan_data.csv: means something else than when it was added: " in said
        assert "column 'rate' was a number and is a category" in said
        assert "column 'job' is gone; column 'work' is new" in said
        assert "class 'perhaps' is new" in said
        assert added(path, "--yes", "--name", "loan_data") == 0
        assert main(["generate", "loan_data"]) == 0


@pytest.mark.usefixtures("told_speed")
@pytest.mark.slow
class TestNames:
    def test_another_file_of_the_name_is_left_alone(self, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (INPUTS / "loan_data.csv").write_text("mine\n")
        assert added(table, "--yes") == 0
        assert (INPUTS / "loan_data.csv").read_text() == "mine\n"
        assert (INPUTS / "loan_data_2.csv").read_bytes() == table.read_bytes()
        assert entry().path == "inputs/loan_data_2.csv"
        assert "inputs has another file called loan_data.csv" in capsys.readouterr().out

    def test_a_file_that_lies_in_inputs_stays_where_it_is(self, table: Path) -> None:
        (INPUTS / "2024").mkdir()
        shutil.copy(table, INPUTS / "2024/my file.csv")
        assert added(INPUTS / "2024/my file.csv", "--yes") == 0
        assert entry("my_file").path == "inputs/2024/my file.csv"
        assert [path.name for path in INPUTS.iterdir()] == ["2024"]

    @pytest.mark.parametrize(
        "name", ["a; rm -rf x.csv", "new\nline.csv", "[red]$(x).csv", "ünï 😀.csv", "-rf.csv", ".csv.csv"]
    )
    def test_hostile_names_of_files(self, name: str, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = table.with_name(name)
        table.rename(path)
        assert main(["add", "--target", "default", "--yes", "--", str(path)]) == 0
        (copy,) = INPUTS.iterdir()
        assert re.fullmatch(r"[a-z0-9_]+\.csv", copy.name)
        assert copy.read_bytes() == path.read_bytes()
        assert all(line.isprintable() for line in capsys.readouterr().out.split("\n"))

    @pytest.mark.parametrize(
        "name",
        [
            *("a: #b", '"', "[bold red]x", "a\u2028b"),
            *(pytest.param(name, marks=pytest.mark.slow) for name in ("😀", "- x", "null", "=cmd()", "a,b")),
        ],
    )
    def test_hostile_names_of_columns(self, name: str, table: Path) -> None:
        quoted = '"' + name.replace('"', '""') + '"'
        table.write_text(table.read_text().replace("id,age", f"{quoted},age"))
        assert added(table, "--yes") == 0
        assert [each.strip() for each in entry().ignore] == [name.strip()]
        generate("loan_data")

    def test_a_name_of_another_kind_of_data_set_is_not_taken(
        self, table: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        wine = table.with_name("wine.csv")
        shutil.copy(table, wine)
        assert added(table, "--yes", "--name", "wine") == 2
        assert "has a data set 'wine' of kind bundled" in capsys.readouterr().err
        assert added(wine, "--yes") == 0
        assert entry("wine_2").path == "inputs/wine_2.csv"

    @pytest.mark.parametrize("name", ["../x", "", "figures", "a b", "x" * 61])
    def test_names_that_cannot_be(self, name: str, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert added(table, "--yes", "--name", name) == 2
        assert "error: --name: " in capsys.readouterr().err

    def test_a_target_that_is_not_there_brings_up_the_likeliest(
        self, table: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["add", str(table), "--target", "defualt"]) == 2
        assert "'defualt' does not exist (did you mean 'default'?)" in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["missing.csv", ".", "table.docx"])
    def test_files_that_cannot_be_read(self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "table.docx").write_text("x")
        before = contents()
        assert added(tmp_path / name, "--yes") == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert contents() == before
