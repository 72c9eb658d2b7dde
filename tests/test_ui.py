"""Does MLflow's UI show the default study in a real browser, without an error and without leaving this machine?"""

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from tracking.test_publish import server

from pipeline.core.files import read_arrays
from pipeline.core.paths import report_file, score_file
from pipeline.metrics.names import MetricName
from pipeline.results.record import read_record
from pipeline.results.study import PointResult, StudyResults
from pipeline.tracking.builder import AGAINST, NLL
from pipeline.tracking.database import stored_experiments, stored_runs, uri_of
from pipeline.tracking.links import address
from pipeline.tracking.publish import publish
from pipeline.tracking.study import COMPARED, VIEW, experiment, experiment_of, records_of

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[1]
DATASET = "mixture"
POINT = ("dropout", "dropout=0.5")

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
    """A served store: its address, the id of the data set's experiment, and current run ids by key."""

    address: str
    experiment: str
    runs: dict[str, str]
    results: StudyResults

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
    """The default study, published to a folder of its own and served."""
    root = tmp_path_factory.mktemp("site")
    studies = [read_record(StudyResults, path) for path in sorted(PROJECT.glob("reports/*/results.json"))]
    records, pages = [], []
    for results in studies:
        found = records_of(results, arrays_of(results), figures_of(results, root / "figures"))
        records += found
        pages.append(experiment_of(results, found))
    database = root / "mlflow.db"
    publish(records, uri=uri_of(database), provenance={}, pages=pages, complete=True)
    (number,) = [one.number for one in stored_experiments(database) if one.name == experiment(DATASET)]
    runs = {run.key: run.run_id for run in stored_runs(database)}
    (results,) = [results for results in studies if results.dataset.name == DATASET]
    with server(root, []) as at:
        yield Site(at, number, runs, results)


def arrays_of(results: StudyResults) -> list[dict[str, Any]]:
    places = [(point.variant, point.name) for point in results.points]
    paths = [PROJECT / score_file(results.dataset.name, *place) for place in places]
    if not all(path.exists() for path in paths):
        pytest.skip("the study's scores are not here; `make repro` makes them")
    return [read_arrays(path)[0] for path in paths]


def figures_of(results: StudyResults, folder: Path) -> dict[str, Path]:
    """The study's drawn figures, or stand-ins where they are not drawn."""
    drawn = PROJECT / report_file(results.dataset.name, "figures")
    found = {path.relative_to(drawn).as_posix(): path for path in sorted(drawn.rglob("*.png"))}
    names = ["headline.png", *(f"points/{point.variant}/{point.name}.png" for point in results.points)]
    return {name: stand_in(folder / name) for name in names} | found


def stand_in(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (320, 240), "steelblue").save(path)
    return path


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


def test_the_experiments_page_leads_to_all_points_best_first(page, site):
    page.goto(f"{site.address}/#/experiments/{site.experiment}?workflowType=machine_learning")
    page.get_by_text(site.results.answer.sentence[:60]).wait_for()
    variants = list(dict.fromkeys(point.variant for point in site.results.points))
    found = cells(page, 1 + len(variants))
    assert [row["attributes.`Run Name`"] for row in found.values()] == ["answer", *reversed(variants)]
    page.get_by_role("button", name="more").first.click()
    table = opened(page.get_by_role("link", name="a table", exact=True))
    table.set_viewport_size({"width": 1700, "height": 1600})
    points = site.points()
    found = cells(table, len(points))
    assert list(found) == sorted(found, key=lambda run: points[run].mean(NLL))
    for run, point in points.items():
        assert found[run]["attributes.`Run Name`"] == point.name
        for name in (*AGAINST, "test_calibrated/nll", "test/accuracy"):
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
        parallel.get_by_text(name, exact=True).wait_for()
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
    cells(page, len(site.points()))
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
    row = page.locator("tr").filter(has=page.get_by_text("test/nll", exact=True))
    row.wait_for()
    nll = site.points("dropout")[site.runs["/".join([DATASET, *POINT])]].metrics[NLL]
    assert row.locator("td").all_inner_texts()[:4] == [
        "test/nll",
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
    names = [point.name for point in site.points(POINT[0]).values()]
    assert listed.get_by_role("link").all_inner_texts() == ["the study", *names]
    child = opened(listed.get_by_role("link", name=POINT[1], exact=True))
    child.get_by_text("a point of variant").wait_for()
    assert urlsplit(child.url).fragment == urlsplit(site.run(*POINT)).fragment
