"""The pages of study and textbook: they say the answer, need nothing from outside, fit a phone and print."""

import base64
import io
import itertools
import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from claim_tables import AUDIT, CLAIMS, table
from markupsafe import escape
from PIL import Image
from search_tables import averaged

from pipeline.config.decay_timescale import DecayTimescale
from pipeline.metrics.names import MetricName
from pipeline.reporting import page as page_module
from pipeline.reporting.figures.embedding import data_uri
from pipeline.reporting.page import study_page, textbook_page
from pipeline.reporting.sections import Picture, Section
from pipeline.reporting.text import baselines as text_of_baselines
from pipeline.reporting.text import calibrators as text_of_calibrators
from pipeline.reporting.text import champion as text_of_champion
from pipeline.reporting.text import ensembles, textbook
from pipeline.reporting.text.answer import card, params_row
from pipeline.reporting.text.glossary import TERMS
from pipeline.reporting.text.learning_rate import learning_rates
from pipeline.reporting.text.numbers import interval, short
from pipeline.reporting.text.search import conclusion
from pipeline.reporting.text.study import protocol_sentences
from pipeline.results.baselines import BaselineResults
from pipeline.results.calibrators import CalibratorResults
from pipeline.results.champion import ChampionResults
from pipeline.results.readable_names import readable, readable_arms
from pipeline.results.record import Record, read_record
from pipeline.results.search import SearchResults
from pipeline.results.study import GapChange, Ranking
from pipeline.results.study_files import read_study
from pipeline.results.summary import summary
from pipeline.results.textbook import ClaimResult, TextbookResults

ROOT = Path(__file__).parents[2]
PAGES = {name: ROOT / f"reports/{name}.html" for name in ("index", "textbook")}
DATASETS = ("mixture", "digits")
STUDIES = {name: read_study(ROOT / f"reports/{name}/results.json") for name in DATASETS}
BASELINES = {name: read_record(BaselineResults, ROOT / f"reports/{name}/baselines.json") for name in DATASETS}
SEARCHES = {name: read_record(SearchResults, ROOT / f"reports/{name}/search.json") for name in DATASETS}
CHAMPIONS = {name: read_record(ChampionResults, ROOT / f"reports/{name}/champion.json") for name in DATASETS}
CALIBRATORS = {name: read_record(CalibratorResults, ROOT / f"reports/{name}/calibrators.json") for name in DATASETS}
PICTURE = Picture(svg='<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', caption="what it says & means")
SHARED = {"headline": PICTURE, "rankings": PICTURE, "best": PICTURE}
DRAWN = dict.fromkeys(("forest", "calibration", "reliability", "curves", "arms", "interactions", "champion"), PICTURE)
VOID = {"meta", "link", "img", "br", "input"}


def changed(record: Record, **changes: Any) -> Any:
    """The same record with other fields."""
    return record.model_copy(update=changes)


def made(
    *names: str, textbook_link: str = "", searches: Any = SEARCHES, baselines: Any = BASELINES, **changes: Any
) -> str:
    studies = [changed(STUDIES[name], **changes) for name in names or DATASETS]
    sections = [
        Section(
            results=s,
            search=searches[name],
            calibrators=CALIBRATORS[name],
            baselines=baselines[name],
            champion=CHAMPIONS[name],
            pictures=DRAWN,
        )
        for s in studies
        for name in [s.dataset.name]
    ]
    return study_page(sections, summary(studies), SHARED, textbook_link=textbook_link)


def made_textbook(*, audit: bool = True) -> str:
    pictures = dict.fromkeys(("ledger", "audit", *(claim.id for claim in CLAIMS)), PICTURE)
    return textbook_page(table(audit=AUDIT if audit else ()), pictures)


def plain(text: str) -> str:
    """What is read of a piece of the page."""
    return " ".join(unescape(re.sub("<[^>]+>", "", text)).split())


def part(text: str, name: str) -> str:
    """The part of the page below a heading of the second level."""
    start = text.index(f'id="{name}"')
    return text[start : text.index("<h2", start)]


class Reader(HTMLParser):
    """Checks that tags close in order, and keeps ids, links, pictures and headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, attribute: str) -> list[str]:
        return [value for _, attrs in self.seen if (value := attrs.get(attribute)) is not None]


def folded(text: str, name: str) -> str:
    """What a fold of the page holds."""
    start = text.index(f'<details id="{name}"')
    return text[start : text.index("</details>", start)]


class TestPage:
    def test_says_how_learning_rates_were_chosen(self) -> None:
        text = made()
        for name in DATASETS:
            assert str(escape(learning_rates(STUDIES[name], SEARCHES[name].results))) in part(text, f"data-{name}")

    @pytest.mark.parametrize("page", [made, made_textbook])
    def test_is_well_formed_and_refers_to_itself_only(self, page: Any) -> None:
        reader = Reader(page())
        ids = reader.values("id")
        assert len(set(ids)) == len(ids)
        for target in reader.values("href"):
            assert target == "data:," or target[1:] in ids
        assert all(source.startswith("data:image/svg+xml,%3Csvg ") for source in reader.values("src"))
        tags = [tag for tag, _ in reader.seen]
        assert not {"iframe", "object", "embed"} & set(tags)
        assert tags.count("script") == 1
        assert ("script", {}) in reader.seen

    @pytest.mark.parametrize("page", [made, made_textbook])
    def test_headings_step_down_and_pictures_have_words(self, page: Any) -> None:
        reader = Reader(page())
        levels = [int(tag[1]) for tag, _ in reader.seen if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
        assert all(attrs.get("alt") for tag, attrs in reader.seen if tag == "img")

    def test_the_answer_comes_first_with_three_numbers_and_a_setting_to_paste(self) -> None:
        text = made()
        top = text[text.index('id="answer"') : text.index('id="best"')]
        for search in SEARCHES.values():
            choice = search.results.answer
            assert choice.test is not None
            closed = search.results.point(choice.key).against_reference[MetricName("gap", "before", "nll")].closed
            assert f"Use {readable_arms(choice.key)} ★" in top
            assert f"<code>{escape(params_row(search.results))}</code>" in top
            assert f"<strong>{interval(choice.test.difference, choice.test, sign=True)}</strong>" in top
            assert f"<strong>{closed.percent:.0f}%</strong>" in top
            assert f"from {short(choice.gap.reference)} to {short(choice.gap.chosen)} as trained" in top
            assert f"<strong>{short(choice.calibration.chosen.after)}</strong>" in top
            assert f"of {choice.seeds} paired seeds" in top
        assert top.count("<strong>") == 3 * len(SEARCHES)

    def test_sections_come_in_the_order_of_a_readers_questions(self) -> None:
        text = made()
        order = ["answer", "best", "points", "calibration", "data-mixture", "data-digits", "methods", "limits"]
        places = [text.index(f'id="{name}"') for name in order]
        assert places == sorted(places)

    def test_all_else_is_folded(self) -> None:
        unfolded = re.sub("<details.*?</details>", "", made(), flags=re.DOTALL)
        assert re.findall('<figure id="(.*?)"', unfolded) == ["best-all"]
        assert re.findall('<table class=".*?" id="(.*?)"', unfolded) == ["leaderboard"]
        assert unfolded.count("<table") == 1

    def test_methods_are_said_once(self) -> None:
        text = plain(part(made(), "methods"))
        for name in DATASETS:
            for sentence in protocol_sentences(STUDIES[name].protocol):
                assert text.count(sentence) == 1
        assert text.count("paired seeds; every seed has its own") == 1

    def test_terms_have_tooltips_and_are_listed(self) -> None:
        text = made()
        words = text[text.index('id="words"') :]
        for term, meaning in TERMS.items():
            assert f"<strong>{term}</strong>: {meaning}" in words
        assert f'<abbr title="{TERMS["NLL"]}">NLL</abbr>' in part(text, "points")

    def test_changes_of_verdict_and_more_measures_follow_their_figures(self) -> None:
        text = part(made(), "data-digits")
        order = ["calibration-digits", "Changes of sign or verdict, digits", "reliability-digits"]
        order += ["More measures of calibration, digits", "curves-digits"]
        places = [text.index(wanted) for wanted in order]
        assert places == sorted(places)

    def test_other_calibrators_have_a_folded_table_and_are_said(self) -> None:
        text = part(made(), "data-digits")
        for said in text_of_calibrators.sentences(CALIBRATORS["digits"]):
            assert str(escape(said)) in text
        rows = folded(text, "calibrators-digits").count('<tr><th scope="row">')
        assert rows == len(STUDIES["digits"].points) - 1

    def test_what_paper_leaves_out_is_said_there(self) -> None:
        text = made()
        left_out = re.findall('<details id="(.*?)" class="screen">', text)
        assert len(left_out) == text.count('<p class="on-paper soft">') > 0
        assert {f"{kind}-{name}" for kind in ("pairs", "measures", "calibrators") for name in DATASETS} <= set(left_out)

    def test_where_no_points_are_compared_other_calibrators_are_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(CALIBRATORS, "digits", changed(CALIBRATORS["digits"], counted=()))
        assert "survive other calibrators" not in part(made(), "data-digits")

    def test_what_survives_and_what_flips_is_listed(self) -> None:
        text, shared = made(), summary(list(STUDIES.values()))
        lists = text[text.index('id="calibration"') :].split("<ul>")[1:3]
        for listed, which in zip(lists, ("survives", "conflict"), strict=True):
            names = re.findall("<li>(.*?)</li>", listed.split("</ul>")[0])
            points = [point for point in shared.points if getattr(point, which)]
            assert names == ([readable(point.key) for point in points] or ["none"])

    def test_one_data_set_is_not_compared_with_another(self) -> None:
        text = made("digits")
        assert "every data set" not in text
        assert "better on one data set, worse on another" not in text

    def test_leaving_it_unregularized_is_an_answer(self) -> None:
        search = SEARCHES["digits"]
        answer = changed(search.results.answer, recommendation="leave it unregularized")
        text = made("digits", searches={"digits": changed(search, results=changed(search.results, answer=answer))})
        assert "Leave it unregularized ★" in text
        assert "was chosen on validation, but is not shown to be better on test" in text
        assert re.findall('class="chosen"><th scope="row">(.*?)</th>', text)[:1] == ["none ★"]

    def test_names_cannot_become_markup(self) -> None:
        points = list(STUDIES["digits"].points)
        points[3] = changed(points[3], key="<script>alert(1)</script>")
        ranking = {"nll": Ranking(before=(), after=())}
        text = made("digits", points=tuple(points), ranking=ranking, verdict_changes=())
        assert "&lt;script&gt;" in text
        assert "<script>alert" not in text

    def test_the_same_tables_give_the_same_bytes(self) -> None:
        assert made() == made()


class TestLeaderboard:
    def rows(self, text: str) -> list[tuple[str, ...]]:
        table = text[text.index('id="leaderboard"') :].split("</table>", maxsplit=1)[0]
        body = table[table.index("<tbody>") :]
        lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("<tr")[1:]]
        return [tuple(map(plain, line)) for line in lines]

    def test_has_every_point_winner_and_classifier_once_and_no_copy_of_none(self) -> None:
        rows = self.rows(made())
        for name in DATASETS:
            star, winners = SEARCHES[name].results.answer.key, SEARCHES[name].results.points
            names = [(readable_arms(point.name) + " ★" * (point.key == star), point.kind) for point in winners]
            names += [(readable(p.key), "set") for p in STUDIES[name].points if not p.a_a and not p.duplicate]
            names += [(readable(each.name), "classifier") for each in BASELINES[name].baselines]
            names.append(("class frequencies", "no model"))
            assert sorted((row[0], row[2]) for row in rows if row[1] == name) == sorted(names)
        assert not any("A/A" in row[0] for row in rows)

    def test_begins_with_the_lowest_loss_after_calibration(self) -> None:
        for name in DATASETS:
            losses = [float(row[3]) for row in self.rows(made()) if row[1] == name and row[2] != "no model"]
            assert losses == sorted(losses)

    def test_what_is_recommended_is_marked_and_nothing_else(self) -> None:
        text = made()
        marked = re.findall('<tr class="chosen"><th scope="row">(.*?)</th>', text)
        assert set(marked) == {f"{readable_arms(search.results.answer.key)} ★" for search in SEARCHES.values()}
        assert text[: text.index('id="calibration"')].count('class="chosen"') == len(DATASETS)


class TestSearch:
    def test_begins_with_its_answer_and_names_the_best_single_arm(self) -> None:
        text = part(made(), "data-digits")
        assert str(escape(conclusion(SEARCHES["digits"])[0])) in folded(text, "search-digits")
        assert str(escape(conclusion(SEARCHES["digits"])[1])) in text[: text.index("<details")]
        assert "The best arm" in conclusion(SEARCHES["digits"])[1]

    @pytest.mark.parametrize("name", DATASETS)
    def test_every_arm_and_every_stack_has_its_rows(self, name: str) -> None:
        text, search = part(made(), f"data-{name}"), SEARCHES[name]
        for point in search.results.points:
            rows = sum(text.count(f'<th scope="row">{readable_arms(point.name)}{star}</th>') for star in ("", " ★"))
            baseline = any(each.name == point.name for each in STUDIES[name].points)
            assert rows >= (3 + (search.ensembles is not None) if point.kind == "tuned" else 1) + baseline
        for arm in search.arms.values():
            assert interval(arm.optimism.mean, arm.optimism, sign=True) in text
            assert f"<td>{arm.trials.complete}/{arm.trials.pruned}/{arm.trials.failed}</td>" in text

    def test_edges_and_decay_that_does_nothing_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        search = SEARCHES["digits"]
        decay = DecayTimescale(epochs=25929.0, lost=0.002, of=60, warning="no-op")
        arm = changed(search.arms["weight_decay"], edges=("weight_decay",), decay=decay)
        monkeypatch.setitem(SEARCHES, "digits", changed(search, arms={**search.arms, "weight_decay": arm}))
        text = part(made(), "data-digits")
        assert "weight decay is near the end of its range" in text
        assert "25,929 epochs, of 60 in all: no-op" in text

    def test_unregularized_may_be_as_good(self, monkeypatch: pytest.MonkeyPatch) -> None:
        search = SEARCHES["mixture"]
        points = tuple(
            changed(
                point,
                against_reference={
                    name: changed(entry, verdict="no evidence") for name, entry in point.against_reference.items()
                },
            )
            for point in search.results.points
        )
        monkeypatch.setitem(SEARCHES, "mixture", changed(search, results=changed(search.results, points=points)))
        assert "Unregularized is as good" in part(made(), "data-mixture")
        assert "Unregularized is as good" not in part(made(), "data-digits")

    def test_budgets_and_limits_are_said(self) -> None:
        text = made()
        methods, limits = part(text, "methods"), text[text.index('id="limits"') :]
        assert "30 trials of each arm, 5 seeds and up to 60 epochs each, proposed 10 at a time by TPE" in methods
        assert "successive halving" in methods
        assert "which the search has not seen" in " ".join(methods.split())
        assert "Pruning favours what learns fast" in limits
        assert "On digits the search’s seeds are not those" in limits
        assert "On mixture the search’s seeds" not in limits
        assert "not with the runners-up" not in text

    def test_the_model_has_its_tables_and_is_said(self) -> None:
        page, results = made("digits"), CHAMPIONS["digits"]
        text = folded(page, "model-digits")
        rows = 1 + len(results.contenders) + len(results.calibration.each) + len(results.decisions)
        assert text.count('<tr><th scope="row">') == rows
        assert folded(page, "parts-digits").count('<tr><th scope="row">') == len(results.parts)
        assert 'href="#model-digits"' in page
        for said in text_of_champion.sentences(results):
            assert str(escape(said)) in text

    def test_baselines_have_a_table_and_are_said_where_there_are_some(self) -> None:
        page, fitted = made("digits"), BASELINES["digits"]
        assert folded(page, "baselines-digits").count('<tr><th scope="row">') == 2 + len(fitted.baselines) + 1
        for said in text_of_baselines.sentences(fitted):
            assert part(page, "data-digits").count(str(escape(said))) == 1
        without = made("digits", baselines={"digits": changed(fitted, baselines=())})
        assert "baselines-digits" not in without
        assert "scikit-learn do" not in without

    def test_averages_have_a_table_and_are_said_where_there_are_some(self) -> None:
        plain_search = changed(SEARCHES["digits"], ensembles=None)
        assert "bagging" not in made("digits", searches={"digits": plain_search})
        search = averaged(plain_search)
        page = made("digits", searches={"digits": search})
        for said in ensembles.sentences(search):
            assert part(page, "data-digits").count(str(escape(said))) == 1
        rows = folded(page, "averages-digits")
        assert rows.count('<th scope="row">') == len(search.arms)
        assert "members of an ensemble share a split" in rows

    def test_its_pictures_are_in_their_folds(self) -> None:
        text = made()
        assert '<figure id="arms-digits"' in folded(text, "search-digits")
        assert '<figure id="interactions-digits"' in folded(text, "search-interactions-digits")


class TestTextbook:
    def test_the_study_does_not_speak_of_it_unless_it_is_linked(self) -> None:
        text = made()
        assert "textbook" not in text
        assert "claims" not in text
        assert '<a href="textbook.html">Textbook</a>' in made(textbook_link="textbook.html")

    def test_every_sentence_is_a_row_and_a_heading(self) -> None:
        text = made_textbook()
        for claim in CLAIMS:
            sentence, anchor = str(escape(claim.sentence)), textbook.anchor(claim)
            assert text.count(f'<a href="#{anchor}">{sentence}</a>') == 1
            assert text.count(f'<h3 id="{anchor}">{sentence}</h3>') == 1
            assert f'<figure id="{anchor}">' not in text
        assert "<b>no</b>" not in text

    def test_counts_come_first_then_the_figure_the_table_and_topic_by_topic(self) -> None:
        text = made_textbook()
        order = [
            "Of 8 sentences of the textbook, 3 hold everywhere", 'id="ledger-all"', "All sentences and their verdicts",
            "How a verdict is reached", ">Dropout</h2>", ">Decay</h2>", ">Smooth</h2>", 'id="estimators"',
        ]  # fmt: skip
        places = [text.index(wanted) for wanted in order]
        assert places == sorted(places)

    @pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
    def test_each_has_its_finding_its_note_and_its_source(self, claim: ClaimResult) -> None:
        text = made_textbook()
        start = text.index(f'<h3 id="{textbook.anchor(claim)}"')
        shown = plain(text[start : text.index("<h", start + 1)])
        for wanted in (claim.verdict, textbook.finding(claim), claim.note, claim.source):
            assert wanted in shown
        for _, sentence in textbook.outcomes(claim):
            assert sentence in shown

    def test_the_rule_the_smallest_effects_and_the_corrections_are_said(self) -> None:
        text = plain(made_textbook())
        for wanted in (
            "smallest effect of interest",
            "Bonferroni",
            "widened for the rows that seeds share",
            "drawn afresh for every seed",
            "A verdict counts for these data sets",
        ):
            assert wanted in text

    def test_estimators_outside_the_band_are_marked(self) -> None:
        text = made_textbook()
        audit = part(text, "estimators")
        assert set(re.findall(r'<td><span class="bad">(.*?)</span></td>', audit)) == {"85"}
        assert "<td>95</td>" in audit
        assert audit.count('<tr><th scope="row">') == 2 * (3 + 1)
        assert 'id="estimators"' not in made_textbook(audit=False)


class TestEmbedding:
    def test_keeps_the_drawing_and_nothing_before_it(self) -> None:
        svg = '<svg width="9pt">\n<text style="font-family: \'DejaVu Sans\'">5% ✓ &lt; 6%</text>\n</svg>\n'
        head, _, drawing = data_uri(f'<?xml version="1.0"?>\n<!DOCTYPE svg>\n{svg}').partition(",")
        assert head == "data:image/svg+xml"
        assert unquote(drawing) == svg

    def test_no_markup_leaves_the_attribute(self) -> None:
        uri = data_uri(
            '<svg a="100%"><!-- "><script>alert(1)</script> --><title>a &amp; "b" &lt;script&gt;</title></svg>'
        )
        assert not set('"\n<>&') & set(uri)
        assert unquote(uri).count("&amp;") == 1
        assert "100%25" in uri

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["headline", "rankings", "best"])
    def test_looks_the_same_in_a_browser(self, browser: Any, name: str) -> None:
        svg = (ROOT / f"reports/figures/{name}.svg").read_text()
        whole = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
        shots = []
        with browser.new_context(viewport={"width": 1100, "height": 900}) as context:
            tab = context.new_page()
            for source in (whole, data_uri(svg)):
                tab.set_content(f'<body style="margin:0"><img style="width:1100px" src="{source}">', wait_until="load")
                shots.append(np.asarray(Image.open(io.BytesIO(tab.screenshot()))).astype(int)[..., :3])
        assert shots[0].std() > 10
        assert (np.abs(shots[0] - shots[1]).max(-1) > 128).mean() < 1e-4


def test_a_card_that_recommends_nothing_has_the_numbers_of_none() -> None:
    results = SEARCHES["digits"].results
    choice = changed(results.answer, recommendation="leave it unregularized")
    shown = card(changed(results, answer=choice))
    difference, gap, trust = shown.numbers
    assert f"with {readable_arms(choice.key)}, minus that of none" in difference.label
    assert gap.value == short(choice.gap.reference)
    assert "closed" not in gap.label
    assert trust.value == short(choice.calibration.reference.after)
    assert not shown.setting
    assert len(shown.notes) == 1


def test_a_card_of_a_reference_that_wins_has_no_difference() -> None:
    answer = STUDIES["digits"].answer
    leave: dict[str, Any] = {
        "key": "none",
        "test": None,
        "gap": GapChange(reference=None, chosen=None),
        "recommendation": "leave it unregularized",
    }
    shown = card(changed(STUDIES["digits"], answer=changed(answer, **leave)))
    assert not shown.use
    assert not shown.setting
    assert [number.label.split()[0] for number in shown.numbers] == ["ECE"]


@pytest.fixture(scope="module", params=PAGES)
def finished(request: pytest.FixtureRequest) -> Path:
    path = PAGES[request.param]
    if not path.exists():
        pytest.skip("the default study's pages are not there: run `make repro` first")
    return path


@pytest.fixture
def opened(finished: Path, browser: Any) -> Iterator[Any]:
    """A page of the default study in a tab; what the console says and what is requested must stay empty."""
    with browser.new_context(viewport={"width": 1200, "height": 900}) as context:
        tab = context.new_page()
        heard: list[str] = []
        tab.on("console", lambda message: heard.append(message.text))
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("request", lambda request: heard.append(request.url) if not request.url.startswith("data:") else None)
        tab.on("requestfailed", lambda request: heard.append(f"failed: {request.url[:80]}"))
        tab.goto(finished.as_uri(), wait_until="load")
        yield tab
        assert heard == [finished.as_uri()]


def is_study(finished: Path) -> bool:
    return finished == PAGES["index"]


@pytest.mark.slow
class TestInABrowser:
    def test_shows_its_lead_and_every_picture(self, opened: Any, finished: Path) -> None:
        first = opened.get_by_role("heading", level=2).first.inner_text()
        widths = opened.eval_on_selector_all("img", "images => images.map(i => i.complete ? i.naturalWidth : 0)")
        assert min(widths) > 300
        if not is_study(finished):
            claims = read_record(TextbookResults, ROOT / "reports/claims.json")
            assert first == "Which tuned regularizer wins?"
            assert len(widths) == len(claims.claims) + 2 + bool(claims.audit)  # the map and the ledger
            return
        assert first == "The answer"
        for search in SEARCHES.values():
            test = search.results.answer.test
            assert test is not None
            wanted = interval(test.difference, test, sign=True)
            assert opened.get_by_text(wanted, exact=True).first.is_visible()
        assert len(widths) == 3 + (5 + 3) * len(DATASETS)

    def test_its_links_lead_somewhere_and_open_what_is_folded(self, opened: Any, finished: Path) -> None:
        for link in opened.query_selector_all("nav a"):
            target = link.get_attribute("href")
            if not target.startswith("#"):
                assert (finished.parent / target).exists()
                continue
            link.click()
            assert opened.locator(target).is_visible()
            if opened.locator(target).evaluate("e => e.tagName") == "DETAILS":
                assert opened.locator(target).evaluate("e => e.open")

    def test_a_link_from_outside_opens_every_fold_around_its_target(self, opened: Any, finished: Path) -> None:
        if not is_study(finished):
            pytest.skip("folds of the study")
        assert not opened.locator("#reliability-digits").is_visible()
        opened.evaluate("location.hash = '#reliability-digits'")
        opened.locator("#reliability-digits").wait_for(state="visible")
        assert opened.locator("#study-reliability-digits").evaluate("e => e.open")

    def test_the_contents_stay_in_view(self, opened: Any) -> None:
        opened.evaluate("scrollTo({top: 3000, behavior: 'instant'})")
        assert opened.evaluate("Math.abs(document.querySelector('nav').getBoundingClientRect().top)") < 1

    def test_is_within_its_limits(self, opened: Any, finished: Path) -> None:
        """Twelve screens before anything is unfolded; the textbook, a figure a sentence, has no such limits."""
        if is_study(finished):
            assert finished.stat().st_size < 3_000_000
            assert opened.evaluate("document.documentElement.scrollHeight") <= 12 * 900

    def test_a_click_sorts_by_a_column_and_another_turns_it_round(self, opened: Any, finished: Path) -> None:
        if not is_study(finished):
            pytest.skip("the study's table")
        head = opened.locator("#leaderboard thead th").nth(8)
        for order in (1, -1):
            head.click()
            gaps = [signed(text) for text in column(opened, 8) if text]
            assert [order * gap for gap in gaps] == sorted(order * gap for gap in gaps)
            assert head.get_attribute("aria-sort") == {1: "ascending", -1: "descending"}[order]
        opened.locator("#leaderboard thead th").first.focus()
        opened.keyboard.press("Enter")
        names = [name.removesuffix(" ★").lower() for name in column(opened, 0)]
        assert names[0] < names[-1]

    def test_words_and_a_data_set_filter_the_rows(self, opened: Any, finished: Path) -> None:
        if not is_study(finished):
            pytest.skip("the study's table")
        count = len(column(opened, 0))
        opened.locator("select[name=among]").select_option("digits")
        opened.get_by_role("searchbox").fill("dropout tuned")
        shown = opened.locator("#leaderboard tbody tr:visible")
        rows = [" ".join(text.split()) for text in shown.all_inner_texts()]
        assert rows
        assert all("dropout" in row and "digits" in row and "tuned" in row for row in rows)
        assert opened.locator("form.filter output").inner_text() == f"{len(rows)} of {count}"

    @pytest.mark.parametrize("width", [320, 390, 768])
    def test_fits_a_phone_without_sideways_scrolling(self, opened: Any, width: int) -> None:
        opened.set_viewport_size({"width": width, "height": 844})
        opened.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        opened.evaluate("window.scrollTo(500, 0)")
        assert opened.evaluate("window.scrollX") == 0
        clipped = opened.evaluate(
            """() => [...document.querySelectorAll('h1, h2, h3, h4, summary, p, li, dd, dt, figcaption')].filter(
                element => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('.wide')
            ).map(element => element.innerText.slice(0, 60))"""
        )
        assert clipped == []

    def test_the_dark_page_is_dark_and_so_are_its_figures(self, opened: Any) -> None:
        """Most of what is seen is dark, text stands out from it, and figures have the page's background."""
        opened.emulate_media(color_scheme="dark")
        assert levels(opened.screenshot()).mean() < 70
        picture = opened.locator("figure img").first
        picture.scroll_into_view_if_needed()
        pixels = levels(picture.screenshot())
        assert np.median(pixels) < 40
        assert pixels.max() > 180
        opened.emulate_media(color_scheme="light")
        assert levels(opened.screenshot()).mean() > 180

    def test_prints_whole_tables_and_pictures(self, opened: Any, finished: Path) -> None:
        opened.emulate_media(media="print")
        opened.set_viewport_size({"width": 703, "height": 1000})  # A4 less its margins, in CSS pixels
        cut = opened.evaluate(
            """() => [...document.querySelectorAll('.wide')].filter(
                element => element.scrollWidth > element.clientWidth + 1).length"""
        )
        assert cut == 0
        printed = opened.pdf(format="A4")
        assert printed.startswith(b"%PDF")
        assert 8 < len(re.findall(rb"/Type\s*/Page\b", printed)) <= (20 if is_study(finished) else 100)

    def test_paper_has_what_is_folded_but_for_long_tables(self, opened: Any, finished: Path) -> None:
        if not is_study(finished):
            pytest.skip("folds of the study")
        opened.emulate_media(media="print")
        opened.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert opened.locator("#curves-digits").is_visible()
        assert opened.locator("#methods + details li").first.is_visible()
        assert not opened.locator("#measures-digits").is_visible()
        assert opened.locator("p.on-paper").first.is_visible()
        opened.evaluate("dispatchEvent(new Event('afterprint'))")
        opened.emulate_media(media="screen")
        assert not opened.locator("#curves-digits").is_visible()


def column(opened: Any, place: int) -> list[str]:
    """The texts of a column of the leaderboard, from the top down."""
    return [
        text.strip() for text in opened.locator(f"#leaderboard tbody tr > :nth-child({place + 1})").all_inner_texts()
    ]


def signed(text: str) -> float:
    return float(text.replace("−", "-"))


def levels(shot: bytes) -> Any:
    """The grey levels of a screenshot, from black, 0, to white, 255."""
    return np.asarray(Image.open(io.BytesIO(shot)).convert("L")).astype(int)


def test_every_build_of_a_version_makes_the_same_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's processor build says 2.13.0+cpu of itself, those of a Mac and with CUDA 2.13.0."""
    monkeypatch.setattr(page_module, "version", lambda _: "1.2.3+cpu")
    made_with = page_module.environment.__wrapped__().globals["made_with"]
    assert set(made_with.values()) == {"1.2.3"}
    assert "torch" in made_with
