"""Does `dvc plots show` draw every committed table, from one page that needs no network?"""

import csv
import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from project import run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / ".dvc/plots/page.html"
TABLES = ("history", "reliability", "sweeps")
VENDORED = re.compile(r'<script id="(?P<name>[\w-]+)">\n(?P<code>.*?)\n</script>', re.DOTALL)
MARKS = ("line", "area", "rule", "symbol")
Table = list[dict[str, str]]


def read(path: Path) -> Table:
    with path.open() as file:
        return list(csv.DictReader(file))


def settings(rows: Table) -> set[tuple[str, str]]:
    return {(row["variant"], row["name"]) for row in rows}


def expected_marks(table: str, rows: Table) -> dict[str, int]:
    """How many marks of each kind a table asks for, with one revision; best epochs may tie, so there can be more."""
    count = len(settings(rows))
    if table == "history":
        points = sum(row["metric"].endswith("nll") for row in rows)
        return {"line": 2 * count, "area": 2 * count, "symbol": points + count}
    if table == "reliability":
        return {"line": count, "symbol": len(rows), "rule": sum(row["low"] != "" for row in rows)}
    shown = {"gap/nll", "test/nll", "test_calibrated/nll", "test/ece", "test_calibrated/ece", "test/accuracy"}
    points = {(row["variant"], row["name"], row["metric"]) for row in rows if row["metric"] in shown}
    return {"symbol": len(points), "rule": len(points)}


def write(path: Path, rows: Table) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def add_a_variant(path: Path) -> None:
    """A user's own variant, with the numbers of the first setting."""
    rows = read(path)
    mine = [{**row, "variant": "mine", "name": "mine=7"} for row in rows if row["name"] == rows[0]["name"]]
    write(path, rows + mine)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed project with the repository's tables, in which one variant is new, and its page in `dvc_plots`."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    for path in sorted(ROOT.glob("reports/plots/*/*.csv")):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        add_a_variant(copy)
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "tables")
    run(folder, "dvc", "plots", "show")
    return folder


@contextmanager
def opened(browser: Any, path: Path) -> Iterator[tuple[Any, list[str]]]:
    """The page at `path` without a network, all plots drawn, and a list that collects its faults."""
    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: None if request.url == path.as_uri() else faults.append(request.url[:200]))
    page.goto(path.as_uri())
    page.wait_for_timeout(500)
    page.wait_for_function(
        "[...document.querySelectorAll('main > div')].every((plot) => plot.querySelector('svg, .error'))"
    )
    yield page, faults
    context.close()


def drawn_marks(plot: Any) -> dict[str, int]:
    return {mark: plot.locator(f"svg .mark-{mark}.role-mark > *").count() for mark in MARKS}


def attributes(plot: Any, selector: str, name: str) -> list[str | None]:
    return plot.locator(f"svg {selector}").evaluate_all(
        "(marks, name) => marks.map((mark) => mark.getAttribute(name))", name
    )


def plot_of(page: Any, dataset: str, table: str) -> Any:
    return page.locator(f"#reports_plots_{table}_{dataset}_csv")


def test_the_page_has_the_places_dvc_fills_and_loads_nothing() -> None:
    page = PAGE.read_text(encoding="utf8")
    assert len(PAGE.read_bytes()) < 900_000
    assert page.count("{plot_divs}") == page.count("{refresh_tag}") == 1
    assert "{scripts}" not in page
    ours = VENDORED.sub("", page)
    assert not re.findall(r"https?:|\bsrc\s*=|\bhref\s*=|@import|url\(|\bimport\b|\bfetch\b|XMLHttpRequest", ours)


def test_the_vendored_code_is_what_the_page_says() -> None:
    page = PAGE.read_text(encoding="utf8")
    code = {script["name"]: script["code"] for script in VENDORED.finditer(page)}
    assert list(code) == ["vega", "vega-lite", "vega-embed"]
    assert len(VENDORED.sub("", page)) < 20_000
    for name, text in code.items():
        assert re.search(rf"^  {name} +\d+\.\d+\.\d+  {hashlib.sha256(text.encode()).hexdigest()}$", page, re.MULTILINE)
        assert "sourceMappingURL" not in text


@pytest.mark.slow
class TestDrawn:
    def test_every_table_is_drawn_without_a_network(self, study: Path, browser: Any) -> None:
        tables = sorted(study.glob("reports/plots/*/*.csv"))
        assert {path.parent.name for path in tables} == set(TABLES)
        with opened(browser, study / "dvc_plots/index.html") as (page, faults):
            assert page.locator("main > div").count() == len(tables)
            for path in tables:
                plot = plot_of(page, path.stem, path.parent.name)
                size = plot.locator("svg").first.bounding_box()
                assert min(size["width"], size["height"]) > 300
                drawn, expected = drawn_marks(plot), expected_marks(path.parent.name, read(path))
                assert min(expected.values()) > 0
                assert {mark: count for mark, count in expected.items() if drawn[mark] < count} == {}, drawn
                assert str(path.relative_to(study)) in plot.text_content()
                assert "mine=7" in plot.locator("svg").first.text_content()
            assert page.locator(".error:visible").count() == 0
            assert faults == []

    def test_points_and_intervals_of_reliability_are_where_the_numbers_say(self, study: Path, browser: Any) -> None:
        rows, side = read(study / "reports/plots/reliability/digits.csv"), 160
        points = [(side * float(row["confidence"]), side * (1 - float(row["accuracy"]))) for row in rows]
        bars = [side * (float(row["high"]) - float(row["low"])) for row in rows if row["low"]]
        with opened(browser, study / "dvc_plots/index.html") as (page, _):
            plot = plot_of(page, "digits", "reliability")
            places = attributes(plot, ".mark-symbol.role-mark path", "transform")
            lengths = attributes(plot, ".mark-rule.role-mark line", "y2")
        drawn = [tuple(map(float, re.findall(r"-?[\d.]+", place))) for place in places]
        np.testing.assert_allclose(sorted(drawn), sorted(points), atol=0.02)
        np.testing.assert_allclose(sorted(abs(float(length or 0)) for length in lengths), sorted(bars), atol=0.02)

    def test_colours_can_be_told_apart_and_mean_something(self, study: Path, browser: Any) -> None:
        wanted = {
            "history": {"#0072B2", "#D55E00"},
            "reliability": {"#0072B2", "#777777", "#D55E00"},
            "sweeps": {"#0072B2", "#000000", "#D55E00"},
        }
        with opened(browser, study / "dvc_plots/index.html") as (page, _):
            for table, colours in wanted.items():
                # No bin of the first points of digits is too confident.
                plot = plot_of(page, "mixture" if table == "reliability" else "digits", table)
                assert set(attributes(plot, ".mark-symbol.role-mark path", "fill")) == colours, table

    def test_part_of_a_name_chooses_settings_and_nonsense_keeps_them(self, study: Path, browser: Any) -> None:
        with opened(browser, study / "dvc_plots/index.html") as (page, faults):
            for table in TABLES:
                plot = plot_of(page, "mixture", table)
                before = drawn_marks(plot)
                plot.locator("input[type=search]").fill("MINE=")
                page.wait_for_timeout(300)
                chosen = drawn_marks(plot)
                assert 0 < chosen["symbol"] < before["symbol"]
                plot.locator("input[type=search]").fill("no such name")
                page.wait_for_timeout(300)
                assert drawn_marks(plot) == before
            assert faults == []

    def test_accuracy_can_be_shown_in_place_of_the_loss(self, study: Path, browser: Any) -> None:
        with opened(browser, study / "dvc_plots/index.html") as (page, faults):
            plot = plot_of(page, "mixture", "history")
            lines = drawn_marks(plot)["line"]
            assert "NLL (nats a row)" in plot.locator("svg").first.text_content()
            plot.locator("input[type=radio]").nth(1).click()
            page.wait_for_timeout(300)
            assert "NLL (nats a row)" not in plot.locator("svg").first.text_content()
            assert drawn_marks(plot)["line"] == lines
            assert faults == []

    def test_two_revisions_are_told_apart_on_a_page_that_was_moved(
        self, study: Path, browser: Any, tmp_path: Path
    ) -> None:
        changed = Path(shutil.copytree(study, tmp_path / "changed", symlinks=True))
        path = changed / "reports/plots/reliability/mixture.csv"
        write(path, [row for row in read(path) if row["variant"] != "mine"])
        run(changed, "dvc", "plots", "diff", "HEAD", "--out", "elsewhere")
        moved = Path(shutil.move(changed / "elsewhere/index.html", tmp_path / "moved.html"))
        with opened(browser, moved) as (page, faults):
            plot = plot_of(page, "mixture", "reliability")
            legend = plot.locator("svg .role-legend").all_text_contents()
            assert any("HEAD" in text and "workspace" in text for text in legend)
            both = len(read(path)) + len(read(study / "reports/plots/reliability/mixture.csv"))
            assert drawn_marks(plot)["symbol"] == both
            assert faults == []

    def test_one_seed_and_no_sweep_are_drawn_too(self, study: Path, browser: Any, tmp_path: Path) -> None:
        """One seed has no interval, and a study whose variants have one setting each has nothing to sweep."""
        small = Path(shutil.copytree(study, tmp_path / "small", symlinks=True))
        for table in ("history", "reliability"):
            path = small / f"reports/plots/{table}/mixture.csv"
            write(path, [{**row, "low": "", "high": ""} for row in read(path)])
        sweeps = small / "reports/plots/sweeps/mixture.csv"
        sweeps.write_text(sweeps.read_text().splitlines(keepends=True)[0])
        run(small, "dvc", "plots", "show")
        with opened(browser, small / "dvc_plots/index.html") as (page, faults):
            assert drawn_marks(plot_of(page, "mixture", "history"))["line"] > 0
            assert drawn_marks(plot_of(page, "mixture", "reliability"))["symbol"] > 0
            assert drawn_marks(plot_of(page, "digits", "sweeps"))["symbol"] > 0
            assert faults == []

    def test_a_plot_that_cannot_be_drawn_says_so(self, study: Path, browser: Any, tmp_path: Path) -> None:
        broken = Path(shutil.copytree(study, tmp_path / "broken", symlinks=True))
        template = broken / ".dvc/plots/sweeps.json"
        template.write_text(template.read_text().replace('"hconcat"', '"no_such_word"'))
        run(broken, "dvc", "plots", "show")
        with opened(browser, broken / "dvc_plots/index.html") as (page, _):
            assert "could not be drawn" in plot_of(page, "mixture", "sweeps").locator(".error").text_content()
            assert drawn_marks(plot_of(page, "mixture", "reliability"))["symbol"] > 0
