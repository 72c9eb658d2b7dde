"""Does MLflow's UI show the default study in a real browser, without an error and without leaving this machine?"""

import io
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from pipeline.config.points import Regularizers
from pipeline.core.paths import report_file
from pipeline.metrics.names import MetricName
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.record import read_record
from pipeline.results.search import SearchResults
from pipeline.results.study import PointResult, StudyResults
from pipeline.results.study_files import read_study
from pipeline.tracking.builder import AGAINST, LOSS, sentence
from pipeline.tracking.database import stored_experiments, stored_runs, uri_of
from pipeline.tracking.links import address
from pipeline.tracking.study import COMPARED, VIEW, experiment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # all runs of the study are published first
PROJECT = Path(__file__).parents[1]
DATASET = "mixture"
POINT = ("dropout", "dropout=0.5")
NEEDED = ("scores", "champions", "baselines", "models", f"reports/{DATASET}/figures")
PIPELINE = (sys.executable, "-m", "pipeline")
BASELINES = 4  # that are compared with the points
COMPARED_FIELDS = tuple(Regularizers.model_fields)
PRINTED = 5  # links: studies and searches of two data sets, and the textbook

# What MLflow 3.17's UI says of itself on an empty store, by what it looks like.
BENIGN = {
    # It asks who is logged in; a server without log-in answers 404 to that one address, and Chromium reports it.
    r"(404|error) \S+/ajax-api/2\.0/mlflow/users/current\b": "no log-in",
    # Chromium's note that a layout took two frames to settle; the pages' side panels do that.
    r"ResizeObserver loop completed with undelivered notifications": "layout",
    # Parallel coordinates are drawn a first time before their card has a height, where the machine is busy; what stays
    # drawn in the end is looked at by `drawn_to_nowhere`.
    r"error \S+\.chunk\.js Error: <\w+> attribute \w+: Expected (number|length), \".*NaN": "first drawing",
    r"error \S+\.chunk\.js Error: <\w+> attribute \w+: Trailing garbage, \".*NaN": "first drawing",
    r"error \S+\.chunk\.js Error: <rect> attribute height: A negative value is not valid": "first drawing",
}


@dataclass(frozen=True)
class Site:
    """A served store: its address, the links printed, the id of the data set's experiment, current run ids by key."""

    address: str
    links: dict[str, str]
    experiment: str
    runs: dict[str, str]
    results: StudyResults
    searched: StudyResults

    def run(self, *key: str) -> str:
        return self.at("record", self.runs["/".join([DATASET, *key])])

    def at(self, kind: str, target: str) -> str:
        return f"{self.address}/{address(kind, target, experiment=self.experiment)}"

    def points(self, *variants: str) -> dict[str, PointResult]:
        """The table's points by run id, of all variants or of these."""
        points = [point for point in self.results.points if not variants or point.variant in variants]
        return {self.runs[f"{DATASET}/{point.variant}/{point.name}"]: point for point in points}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    """What `track`, `track-textbook` and `ui` make of the finished study, in a store of its own."""
    if not all((PROJECT / folder).is_dir() for folder in NEEDED):
        pytest.skip("the study is not here; `make all` makes it")
    root = tmp_path_factory.mktemp("site")
    settings = {**os.environ, "MLFLOW_TRACKING_URI": uri_of(root / "mlflow.db")}
    for command in ("track", "track-textbook"):
        subprocess.run([*PIPELINE, command], cwd=PROJECT, env=settings, check=True, stdout=subprocess.DEVNULL)
    database = root / "mlflow.db"
    (number,) = [one.number for one in stored_experiments(database) if one.name == experiment(DATASET)]
    of_study = [run for run in stored_runs(database) if run.experiment == experiment(DATASET)]
    runs = {run.key: run.run_id for run in of_study}
    results = read_study(PROJECT / report_file(DATASET, "results.json"))
    searched = read_record(SearchResults, PROJECT / report_file(DATASET, "search.json")).results
    with served(settings) as links:
        at = next(iter(links.values())).partition("/#")[0]
        yield Site(at, links, number, runs, results, searched)


@contextmanager
def served(settings: dict[str, str]) -> Iterator[dict[str, str]]:
    """The links that `ui` prints, while its server answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [*PIPELINE, "ui", "--port", port, "--no-browser"]
    process = subprocess.Popen(
        command, cwd=PROJECT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        lines = iter(process.stdout.readline, "")
        assert port in next(lines)
        links = dict(itertools.islice((line.strip().split(": ", 1) for line in lines), PRINTED))
        for _ in range(900):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.2)
        yield links
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        process.stdout.close()


@pytest.fixture
def page(browser, site) -> Iterator[Any]:
    """A page that fails the test for every error, failed request and request that leaves the server."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(30_000)
    complaints: list[str] = []
    context.on(
        "console", lambda said: said.type == "error" and complaints.append(f"error {said.location['url']} {said.text}")
    )
    context.on("weberror", lambda caught: complaints.append(f"uncaught {caught.error}"))
    context.on("requestfailed", lambda asked: complaints.append(f"failed {asked.url} {asked.failure}"))
    context.on("response", lambda got: got.status >= 400 and complaints.append(f"{got.status} {got.url}"))
    context.on("request", lambda asked: leaves(asked.url, site) and complaints.append(f"outside {asked.url}"))
    page = context.new_page()
    page.goto(site.address)
    page.get_by_label("Close", exact=True).click()  # a panel that opens by itself on the first visit from this machine
    page.get_by_text("Model training", exact=True).click()
    yield page
    page.wait_for_timeout(200)
    nowhere = drawn_to_nowhere(page)
    told = [text for text in complaints if not any(re.search(pattern, text) for pattern in BENIGN)]
    context.close()
    assert told == []
    assert nowhere == []


def drawn_to_nowhere(page: Any) -> list[str]:
    """What of the page's drawings has no place: NaN where a number must stand."""
    read = "marks => marks.map(mark => mark.outerHTML.slice(0, 200))"
    found: list[str] = page.locator("[transform*=NaN], [d*=NaN], [height=NaN], [width=NaN]").evaluate_all(read)
    return found


def leaves(url: str, site: Site) -> bool:
    return urlsplit(url).scheme not in ("data", "blob") and not url.startswith(f"{site.address}/")


def shown(value: float) -> str:
    """A number as the UI writes it: six significant digits."""
    return f"{value:.6g}"


def opened(link: Any) -> Any:
    """The page that a link of a description opens: a tab of its own."""
    with link.page.context.expect_page() as found:
        link.click()
    return found.value


def cells(page: Any, count: int) -> dict[str, dict[str, str]]:
    """The cells of the runs table by run id and column, in the order of the rows, once there are so many rows."""
    rows = page.locator(".ag-center-cols-container .ag-row")
    rows.nth(count - 1).wait_for()
    read = """rows => rows.sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index')).map(row => [
        row.getAttribute('row-id'),
        [...row.querySelectorAll('.ag-cell')].map(cell => [
            cell.getAttribute('col-id'),
            (cell.querySelector('a') ?? cell).innerText,
        ]),
    ])"""
    found: dict[str, dict[str, str]] = {}
    for run, columns in page.locator(".ag-row[row-id]").evaluate_all(read):
        found.setdefault(run, {}).update(columns)
    assert len(found) == count
    return found


def axes(plot: Any) -> dict[str, tuple[str, ...]]:
    """The axes of a parallel coordinates plot of the page that compares runs: largest and smallest value by title."""
    read = """axes => axes.map(axis => [
        axis.querySelector('.axis-title').textContent,
        [...axis.querySelectorAll('.axis-extent-text')].map(text => text.textContent.replace('\u2212', '-')),
    ])"""
    return {title: tuple(ends) for title, ends in plot.locator(".y-axis").evaluate_all(read)}


def choose(page: Any, label: str, *options: str) -> None:
    """Replace what is chosen in a list of the page that compares runs; the list draws only what is scrolled to."""
    box = page.get_by_text(label).locator("xpath=following::*[contains(@class, 'select-multiple')][1]")
    for _ in range(box.locator("[class*=selection-item-remove]").count()):
        box.locator("[class*=selection-item-remove]").first.click()
    for option in options:
        found = page.locator(f"[class*=select-item-option][title='{option}']")
        for _ in range(300):  # round and round, and opened again, should the plot be slow to draw
            if found.count():
                break
            if box.get_by_role("combobox").get_attribute("aria-expanded") != "true":
                box.click()
            listed = page.locator(".rc-virtual-list-holder").last
            listed.evaluate(
                "list => { const at = list.scrollTop; list.scrollTop += 120; "
                "if (list.scrollTop === at) list.scrollTop = 0 }"
            )
            page.wait_for_timeout(50)
        found.click()
        box.get_by_title(option).or_(box.get_by_text(option)).first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("heading").first.click()


def picture(page: Any, name: str) -> None:
    """Keep what the page shows, in few colours, where the environment names a folder for pictures."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        shot = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
        shot.quantize(256, dither=Image.Dither.NONE).save(Path(folder, f"{name}.png"), optimize=True)


def test_every_link_that_is_printed_shows_runs(page, site):
    names = [f"{dataset} {kind}" for kind in ("regularization", "search") for dataset in ("mixture", "digits")]
    assert list(site.links) == [*names, "textbook"]
    for number, (name, link) in enumerate(site.links.items()):
        page.goto(link)
        page.get_by_role("link", name=name, exact=True).first.wait_for()
        page.locator(".ag-center-cols-container .ag-row").nth(5).wait_for()
        picture(page, f"link-{number}")


def test_the_best_on_validation_is_first(page, site):
    page.set_viewport_size({"width": 1700, "height": 1000})
    page.goto(site.at("table", VIEW))
    page.locator(".ag-center-cols-container .ag-row").nth(3).wait_for()
    first = page.locator(".ag-row[row-index='0'] a").first
    best = site.results.point(site.results.answer.key)
    assert first.inner_text() == readable(best.key)
    verdict = page.locator(".ag-row[row-index='0'] [col-id='tags.`verdict.after_calibration`']")
    assert verdict.inner_text() == best.comparison(LOSS).finding


def test_the_answer_has_the_parameters_of_what_is_recommended(page, site):
    page.goto(site.run())
    page.get_by_text("Parameters (").wait_for()
    recommended = site.searched.point(site.searched.recommended)
    changed = [name for name in COMPARED_FIELDS if getattr(recommended.parameters, name)]
    assert changed
    for name in changed:
        row = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))
        row.get_by_text(str(getattr(recommended.parameters, name)), exact=True).wait_for()


def test_the_experiments_page_leads_to_all_points_in_the_order_of_the_choice(page, site):
    page.goto(f"{site.address}/#/experiments/{site.experiment}?workflowType=machine_learning")
    page.get_by_text(sentence(site.searched, name=readable_arms)[:60]).first.wait_for()
    variants = list(dict.fromkeys(point.variant for point in site.results.points))
    found = cells(page, 3 + len(variants))
    names = [row["attributes.`Run Name`"] for row in found.values()]
    assert names[0] == "answer"
    assert set(names) == {"answer", "champion", "baselines", *map(readable, variants)}
    page.get_by_role("button", name="more").first.click()
    table = opened(page.get_by_role("link", name="a table", exact=True))
    table.set_viewport_size({"width": 2300, "height": 1700})
    points = site.points()
    found = cells(table, len(points) + BASELINES)
    order = [run for run in found if run in points and not points[run].a_a and not points[run].duplicate]
    assert order == sorted(order, key=lambda run: points[run].tuning.best.mean)
    for run, point in points.items():
        assert found[run]["attributes.`Run Name`"] == readable(point.key)
        for name in (*AGAINST, "test/nll", "test/accuracy"):
            assert found[run][f"metrics.`{name}`"] == shown(point.mean(MetricName.parse(name)))
        for name in COMPARED:
            assert float(found[run][f"params.`{name}`"]) == getattr(point.parameters, name)


def test_the_saved_view_draws_its_charts(page, site):
    page.set_viewport_size({"width": 1200, "height": 1000})
    page.goto(site.at("charts", VIEW))
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    parallel = cards.filter(has_text="Parallel Coordinates")
    parallel.locator("canvas, svg").first.wait_for()
    for name in (*COMPARED, *AGAINST):
        parallel.get_by_text(name, exact=True).wait_for(state="attached")  # long ones are shown shortened
    cards.nth(1).locator(".js-plotly-plot").wait_for()
    for section, titles in {
        "Results": AGAINST,
        "Training curves": ("curves/train/nll", "curves/validation/nll"),
    }.items():
        page.get_by_text(section, exact=True).scroll_into_view_if_needed()
        for title in titles:
            card = cards.filter(has=page.get_by_text(title, exact=True))
            card.last.scroll_into_view_if_needed()
            card.last.locator(".js-plotly-plot").wait_for()


def test_selected_runs_are_compared(page, site):
    points = site.points("none", *COMPARED)
    points = {run: point for run, point in points.items() if not point.a_a}
    page.set_viewport_size({"width": 1200, "height": 1600})
    page.goto(site.at("table", VIEW))
    cells(page, len(site.points()) + BASELINES)
    for run in points:
        page.locator(f".ag-row[row-id='{run}'] .ag-selection-checkbox input").check()
    page.get_by_test_id("runs-compare-button").click()
    page.get_by_text(f"Comparing {len(points)} Runs").wait_for()
    page.set_viewport_size({"width": 1200, "height": 640})
    plot = page.locator(".js-plotly-plot")
    plot.locator(".y-axis").nth(len(COMPARED)).wait_for()
    choose(page, "Parameters:", *COMPARED)
    choose(page, "Metrics:", *AGAINST)
    plot.locator(".axis-title").get_by_text(AGAINST[-1]).wait_for(state="attached")
    ends = {name: [getattr(point.parameters, name) for point in points.values()] for name in sorted(COMPARED)}
    ends |= {name: [point.mean(MetricName.parse(name)) for point in points.values()] for name in AGAINST}
    assert axes(plot) == {name: (f"{max(values):.5f}", f"{min(values):.5f}") for name, values in ends.items()}
    picture(page, "compare")


def test_artifacts_are_previewed(page, site):
    page.goto(site.run(*POINT).replace("?", "/artifacts?"))
    page.get_by_text("figures", exact=True).click()
    page.get_by_text("reliability.png", exact=True).click()
    diagram = page.get_by_alt_text("figures/reliability.png")
    diagram.wait_for()
    assert diagram.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.get_by_text("tables", exact=True).click()
    page.get_by_text("metrics.csv", exact=True).click()
    row = page.locator("tr").filter(has=page.get_by_text("test_calibrated/nll", exact=True))
    row.wait_for()
    nll = site.points("dropout")[site.runs["/".join([DATASET, *POINT])]].metrics[LOSS]
    assert row.locator("td").all_inner_texts()[:4] == [
        "test_calibrated/nll",
        *(shown(value) for value in (nll.mean, nll.low, nll.high)),
    ]


def test_descriptions_lead_from_child_to_parent_and_back(page, site):
    page.goto(site.run(*POINT))
    note = page.get_by_text("a point of variant")
    note.wait_for()
    page.get_by_text(f"{DATASET} ({site.results.dataset.md5})").wait_for()
    parent = opened(note.get_by_role("link", name=POINT[0], exact=True))
    listed = parent.get_by_text("its points, one run each")
    listed.wait_for()
    assert urlsplit(parent.url).fragment == urlsplit(site.run(POINT[0])).fragment
    names = [readable(point.key) for point in site.points(POINT[0]).values()]
    assert listed.get_by_role("link").all_inner_texts() == ["the study", *names]
    child = opened(listed.get_by_role("link", name=readable(POINT[1]), exact=True))
    child.get_by_text("a point of variant").wait_for()
    assert urlsplit(child.url).fragment == urlsplit(site.run(*POINT)).fragment
