"""The command `score`: what it prints, the page it writes, and what it leaves alone."""

import io
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project import ROOT, run, stage

from pipeline.__main__ import main
from pipeline.reporting.one_model import GENERATOR
from pipeline.reporting.table import WIDTH

HERE = {"PYTHONPATH": str(ROOT)}
HAS_NO = "predictions.csv:"
LOANS = "tests/corpus/predictions.csv"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / LOANS, tmp_path)
    monkeypatch.chdir(tmp_path)


def wine(path: str = "wine.parquet", *, rows: int = 600, sharpness: float = 2.0) -> Path:
    """Three classes whose probabilities are too extreme."""
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(rows, 3)) * 1.5
    true, given = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (logits, sharpness * logits))
    labels = (rng.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    frame = pd.DataFrame(given, columns=["red", "white", "<b>&rosé"])
    frame["truth"] = frame.columns.to_numpy()[labels]
    frame["vineyard"] = np.where(np.arange(rows) < 20, "tiny", "large")
    frame.to_parquet(path)
    return Path(path)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    printed = capsys.readouterr()
    assert printed.err == ""
    assert max(map(len, printed.out.splitlines())) <= WIDTH
    return printed.out


def test_two_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "predictions.csv", "--target", "default", "--group", "region"]) == 0
    out = said(capsys)
    lines = out.splitlines()
    assert lines[0] == "predictions.csv: 800 rows, 4 columns"
    assert lines[1:4] == [
        "  column 'p_yes' is the probability of class 'yes'",
        "  ignored: 'id'",
        "  Classes: no 464, yes 336",
    ]
    for expected in ("accuracy", "NLL, nats", "Brier score", "ECE of P(yes)", "debiased squared error"):
        assert re.search(rf"^{re.escape(expected)}", out, re.MULTILINE)
    assert re.search(r"^west +26 .*too few to tell$", out, re.MULTILINE)
    joined = " ".join(out.split())
    assert "NLL is infinite, for 1 of 800 rows had a probability of 0 for what came true" in joined
    assert "These probabilities are over-confident and too low for 'yes' on average: ECE .092" in joined
    assert "1 row had a probability of 0 for what came true (the first is data row 140): 0 means never." in joined
    assert [*Path().iterdir()] == [Path("predictions.csv")]


def test_numbers_are_those_that_can_be_computed_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    main(["score", "predictions.csv", "--target", "default"])
    out, frame = said(capsys), pd.read_csv("predictions.csv")
    y, p = (frame["default"] == "yes").to_numpy(), frame["p_yes"].to_numpy()
    accuracy = np.mean((p > 0.5) == y)
    brier = 2 * np.mean((p - y) ** 2)
    clipped = np.where(p == 0, 0.0005, np.where(p == 1, 1 - 0.0005, p))
    nll = -np.mean(np.log(np.where(y, clipped, 1 - clipped)))
    rate = y.mean()
    base = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    for name, value in (("accuracy", accuracy), ("Brier", brier), ("NLL", nll)):
        assert re.search(rf"{name}.* {f'{value:.3f}'.removeprefix('0')} \[", out)
    assert re.search(rf"NLL.* {f'{base:.3f}'.removeprefix('0')}$", out, re.MULTILINE)


@pytest.mark.slow
def test_several_classes_with_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["score", str(wine()), "--target", "truth", "--group", "vineyard", "--page", "p.html"]
    for _ in range(2):
        assert main(arguments) == 0
    out, page = " ".join(said(capsys).split()), Path("p.html").read_text(encoding="utf-8")
    assert "These probabilities are over-confident" in out
    assert re.search(r"temperature 2\.[0-3]\d* would gain \.\d+ \[\.\d+,\.\d+\] nats a row", out)
    assert "p.html: all of this on a page, with reliability diagrams" in out
    assert sorted(path.name for path in Path().iterdir()) == ["p.html", "predictions.csv", "wine.parquet"]
    assert GENERATOR in page[:2000]
    assert "&lt;b&gt;&amp;rosé" in page
    assert "<b>" not in page
    reader = Attributes()
    reader.feed(page)
    links = [value for name, value in reader.seen if name in ("src", "href")]
    assert all(link.startswith(("data:", "#")) for link in links)
    assert {link[1:] for link in links if link.startswith("#")} <= {
        value for name, value in reader.seen if name == "id"
    }


class Attributes(HTMLParser):
    """All attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "iframe"
        assert tag != "script" or not attrs  # of its own, from nowhere else
        self.seen += [(name, value or "") for name, value in attrs]


def test_few_rows_are_said_to_be_few(capsys: pytest.CaptureFixture[str]) -> None:
    main(["score", str(wine(rows=40, sharpness=1.0)), "--target", "truth"])
    assert "40 rows are too few to tell whether these probabilities can be trusted" in said(capsys)


def test_a_table_on_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    main(["score", "predictions.csv", "--target", "default"])
    file = said(capsys)
    stream = io.TextIOWrapper(io.BytesIO(Path("predictions.csv").read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["score", "-", "--target", "default"]) == 0
    assert said(capsys) == file.replace("predictions.csv", "standard input")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert main(["score", "-", "--target", "default"]) == 2
    assert capsys.readouterr().err == "error: standard input: must not be empty; got 0 bytes\n"


@pytest.mark.parametrize("name", ["t.tsv", "t.csv.gz", "t.zip", "t.xlsx"])
def test_other_kinds_of_files_say_the_same(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["score", "predictions.csv", "--target", "default"])
    numbers = said(capsys).split("Classes:")[1]
    frame = pd.read_csv("predictions.csv")
    if name.endswith("xlsx"):
        frame.to_excel(name, index=False)
    else:
        zipped = {"method": "zip", "archive_name": "t.csv"} if name.endswith("zip") else "infer"
        frame.to_csv(name, index=False, sep="\t" if name.endswith("tsv") else ",", compression=zipped)
    assert main(["score", name, "--target", "default"]) == 0
    assert said(capsys).split("Classes:")[1] == numbers


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--page", "p.txt"], "--page: must end in .html; got 'p.txt'"),
        (["--page", "nowhere/p.html"], "--page: folder 'nowhere' must exist"),
        (
            ["--page", "mine.html"],
            "mine.html: is no page of `score` and is left alone; move it, or choose another --page",
        ),
        (["--group", "city"], f"{HAS_NO} column 'city' does not exist; there are 'id', 'region', 'p_yes', 'default'"),
        (["--group", "id"], "predictions.csv: group column 'id' must name at most 50 groups; got 800"),
        (
            ["--positive", "perhaps"],
            f"{HAS_NO} target column 'default': class 'perhaps' does not exist; there are 'no', 'yes'",
        ),
    ],
)
def test_a_fault_is_one_line_and_nothing_is_written(
    options: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.html").write_text("mine")
    assert main(["score", "predictions.csv", "--target", "default", *options]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"error: {line}\n")
    assert sorted(path.name for path in Path().iterdir()) == ["mine.html", "predictions.csv"]
    assert Path("mine.html").read_text() == "mine"


@pytest.mark.slow
def test_a_page_that_cannot_be_written_leaves_the_old_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["score", "predictions.csv", "--target", "default", "--page", "p.html"]
    main(arguments)
    before = Path("p.html").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert main(arguments) == 2
    assert capsys.readouterr().err == "error: p.html: No space left on device; nothing was overwritten\n"
    assert Path("p.html").read_bytes() == before
    assert sorted(os.listdir()) == ["p.html", "predictions.csv"]


def test_help_teaches_the_names_of_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["score", "--help"])
    shown = capsys.readouterr().out
    flags = ["--probability COLUMN", "--positive CLASS", "--prefix TEXT", "--group COLUMN", "--page FILE.html"]
    for expected in (*flags, "--percent", "--separator", "p_CLASS", "python -m pipeline score predictions.csv"):
        assert expected in shown


@pytest.mark.slow
def test_the_command_itself_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("score", "predictions.csv", "--target", "default")
    main(arguments)
    done = stage(tmp_path, *arguments, **HERE)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", said(capsys))


@pytest.mark.slow
def test_a_million_rows_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    wine("big.parquet", rows=1_000_000)
    code = (
        "from pathlib import Path; from pipeline.__main__ import main\n"
        "assert main(['score', 'big.parquet', '--target', 'truth']) == 0\n"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )  # ru_maxrss would begin with what the process that starts this one has
    done = run(tmp_path, sys.executable, "-c", code, **HERE)
    assert "1,000,000 rows" in done.stdout
    assert int(done.stdout.split()[-1]) < 1_000_000  # KiB


def test_what_decisions_cost_is_told_where_costs_are(tmp_path, capsys) -> None:
    path = tmp_path / "p.csv"
    path.write_text("p_yes,y\n" + "".join(f"0.{i % 9 + 1},{'yes' if i % 3 else 'no'}\n" for i in range(90)))
    assert main(["score", str(path), "--target", "y"]) == 0
    assert "deciding by" not in capsys.readouterr().out
    assert main(["score", str(path), "--target", "y", "--cost", "yes", "no", "5", "--threshold", "0.4"]) == 0
    said = capsys.readouterr().out
    for rule in ("likeliest class", "least expected cost", "stated threshold", "tuned threshold"):
        assert f"\n{rule} " in said
    assert main(["score", str(path), "--target", "y", "--cost", "yes", "maybe", "5"]) == 2
    assert capsys.readouterr().err == "error: --cost: must name classes (no, yes), got 'maybe'\n"
