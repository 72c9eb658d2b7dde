"""Is what the README says true? Its numbers are those of the results files, its figures those of `dvc.lock`, its links
lead somewhere, and every code block and every command of its table works in a clone with a small study.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.request import urlopen

import pytest
from claim_tables import table as claims_table
from project import environment, outputs, run, stage

from pipeline.__main__ import main
from pipeline.config.params import load_params
from pipeline.config.reading import read_yaml
from pipeline.config.textbook import load_textbook, load_topic
from pipeline.core.errors import InputError
from pipeline.core.files import read_json
from pipeline.reporting.readme import PARTS, EngineBenchmark, SearchBenchmark, Sources, generated_parts, refresh
from pipeline.reporting.text.answer import card, params_row, sentence
from pipeline.reporting.text.contest import ContestBenchmark
from pipeline.reporting.text.large_tables import LargeBenchmark
from pipeline.reporting.text.learning_rate import learning_rates
from pipeline.reporting.text.reliability import Campaign
from pipeline.reporting.text.training_race import TrainingRace
from pipeline.results.record import Record, read_record
from pipeline.results.search import SearchResults
from pipeline.results.study import GapChange, PointResult, Ranking, StudyResults
from pipeline.results.study_files import read_study
from pipeline.results.summary import Summary, summary
from pipeline.results.textbook import TextbookResults
from pipeline.results.tuning import RateTrial, Tuning
from pipeline.stages.readme import readme

ROOT = Path(__file__).parents[1]
DOCUMENTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in PARTS}
README = DOCUMENTS["README.md"]
EVERYTHING = {**DOCUMENTS, "SECURITY.md": (ROOT / "SECURITY.md").read_text(encoding="utf-8")}
MARKED = [(document, part) for document, names in PARTS.items() for part in names]
LINKS = sorted(
    {
        (Path(name).parent / link.partition("#")[0]).as_posix()
        for name, text in EVERYTHING.items()
        for link in re.findall(r"\]\(([^)\s]+)\)", text)
        if not re.match(r"\w+:|#", link)
    }
)
IMAGES = re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", README)
DATASETS = load_params(ROOT / "params.yaml").study.datasets
RESULTS = (
    *(f"reports/{name}/{file}" for name in DATASETS for file in ("results.json", "points.parquet")),
    "reports/summary.json",
)
SEARCHES = tuple(f"reports/{name}/search.json" for name in DATASETS)
LEDGER = "reports/claims.json"
BENCHES = ("engine", "search", "training_race", "champion", "campaign", "large")
BENCHMARKS = tuple(f"benchmarks/{name}.json" for name in BENCHES)
KINDS = (EngineBenchmark, SearchBenchmark, TrainingRace, ContestBenchmark, Campaign, LargeBenchmark)
ENGINE, RACE, TRAINING, CONTEST, CAMPAIGN, LARGE = (
    read_record(kind, ROOT / path) for kind, path in zip(KINDS, BENCHMARKS, strict=True)
)
STUDIES = {name: read_study(ROOT / f"reports/{name}/results.json") for name in DATASETS}
SEARCHED = {name: read_record(SearchResults, ROOT / f"reports/{name}/search.json") for name in DATASETS}
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
ACTIVATE = "source .venv/bin/activate"
SMALL = """\
datasets:
  mixture: {kind: mixture, features: 4, classes: 3, components: 1, separation: 3.0, label_noise: 0.1, train: 40, validation: 40, test: 500}
  wine: {kind: bundled, name: wine, train: 60, validation: 50}

network:
  hidden: [8]

train:
  epochs: 4
  batch_size: 32
  optimizer: adam
  learning_rate: 0.01
  schedule: constant
  momentum: 0.9

variants:
  none: {replicate: [0, 1]}
  dropout: {dropout: 0.5}

search:
  {trials: 2, batch: 2, seeds: 2, objectives: [nll], sampler: {kind: tpe}, pruner: {kind: halving, first: 2},
   space: {learning_rate: {low: 0.001, high: 0.03, log: true}, dropout: {low: 0.0, high: 0.6, off: 0.2},
           weight_decay: {low: 0.001, high: 1.0, log: true, off: 0.2}},
   arms: {none: [], dropout: [dropout], weight_decay: [weight_decay], cocktail: [dropout, weight_decay]},
   stacked: 2}
baselines: {forest: {estimator: RandomForestClassifier, n_estimators: 5}}
champion: {folds: 2, size: 3, least_steps: 0, portfolio: {plain: {}}, estimators: []}
study:
  datasets: [mixture, wine]
  seeds: 3
  least_effect: 0.005
  ensembles: {members: 2, splits: 2}
"""  # noqa: E501  (as the rows of params.yaml are)
SMALL_TEXTBOOK = """\
topics: [dropout]
seeds: 3
recipe: {hidden: [8], epochs: 4, batch_size: 32, optimizer: adam, learning_rate: 0.01, schedule: constant, momentum: 0.9}
datasets:
  mixture: {kind: mixture, features: 4, classes: 3, components: 1, separation: 3.0, label_noise: 0.1, train: 40, validation: 40, test: 500}
groups: {}
"""  # noqa: E501
SMALL_TOPIC = """\
experiments:
  rates:
    datasets: [mixture]
    grid: {dropout: [0.0, 0.5]}
claims:
  dropout.better:
    sentence: Dropout is better than none.
    source: here
    experiment: rates
    effects: [{says: "0.5 is better than 0", metric: test/nll, of: {dropout: 0.5}, against: {dropout: 0.0}, direction: lower, least: 0.01}]
    shows: [{x: dropout, y: [test/nll]}]
"""  # noqa: E501
SMALL_MAP = """\
rows: [16]
label_noise: [0.0]
seeds: 4
task: {features: 4, classes: 2, components: 1, separation: 2.0, validation: 20, test: 50}
recipe: {hidden: [8], epochs: 4, batch_size: 32, optimizer: adam, learning_rate: 0.01, schedule: constant, momentum: 0.9}
least: 0.005
arms: {none: {}, dropout: {dropout: 0.5}}
"""  # noqa: E501


# numbers


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The generated parts by name, from what is committed."""
    return generated_parts(
        Sources(
            studies=list(STUDIES.values()),
            sentence=read_record(Summary, ROOT / "reports/summary.json").sentence,
            searches=list(SEARCHED.values()),
            textbook=read_record(TextbookResults, ROOT / LEDGER),
            engine=ENGINE,
            race=RACE,
            training_race=TRAINING,
            contest=CONTEST,
            campaign=CAMPAIGN,
            large=LARGE,
            stages=STAGES,
        )
    )


def of_document(document: str, made: dict[str, str]) -> dict[str, str]:
    """The parts that belong into a document."""
    return {name: made[name] for name in PARTS[document]}


def spans(text: str) -> Iterator[tuple[str, int, int]]:
    """Where each generated part begins and ends."""
    for marked in re.finditer(r"<!-- begin (\w+) -->\n(.*?)<!-- end \1 -->", text, re.DOTALL):
        yield marked[1], *marked.span(2)


def with_another_digit(text: str, part: str) -> str:
    """The text with the last digit of a part, or of what stands for one there, changed."""
    begin, end = next(ends for name, *ends in spans(text) if name == part)
    at = begin + max(digit.start() for digit in re.finditer(r"\d|plot", text[begin:end]))
    return f"{text[:at]}{'8' if text[at] != '8' else '3'}{text[at + 1 :]}"


@pytest.mark.parametrize("document", PARTS)
def test_the_generated_parts_are_what_the_results_say(document: str, made: dict[str, str]) -> None:
    text = DOCUMENTS[document]
    assert sorted(name for name, *_ in spans(text)) == sorted(PARTS[document])
    assert refresh(text, of_document(document, made), document=document) == text


def test_every_generated_part_belongs_into_a_document(made: dict[str, str]) -> None:
    assert sorted(made) == sorted(part for _, part in MARKED)


@pytest.mark.parametrize(("document", "part"), MARKED)
def test_another_digit_is_noticed_and_put_right(document: str, part: str, made: dict[str, str]) -> None:
    parts = of_document(document, made)
    right = refresh(DOCUMENTS[document], parts, document=document)
    changed = with_another_digit(right, part)
    assert sum(a != b for a, b in zip(right, changed, strict=True)) == 1
    assert refresh(changed, parts, document=document) == right


def test_make_readme_writes_the_parts_from_the_files(
    made: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*RESULTS, *SEARCHES, LEDGER, *BENCHMARKS, *PARTS, "params.yaml", "dvc.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for document, part in MARKED:
        path = tmp_path / document
        path.write_text(with_another_digit(path.read_text(encoding="utf-8"), part), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    readme()
    for document, text in DOCUMENTS.items():
        written = (tmp_path / document).read_text(encoding="utf-8")
        assert written == refresh(text, of_document(document, made), document=document)


def test_numbers_in_the_prose_are_those_of_the_files() -> None:
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert [f"torch=={version}" in pinned for version in re.findall(r"page for version (\S+)", README)] == [True]
    assert load_params(ROOT / "params.yaml").study.seeds == 30
    assert "thirty paired seeds each" in README.replace("\n", " ")


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 1200


def test_the_first_screen_has_commands_an_answer_a_figure_and_who_it_is_not_for() -> None:
    first = README.partition("\n## ")[0]
    places = [first.index(part) for part in ("```sh", "<!-- begin card -->", "reports/figures/best.png", "Not for you")]
    assert places == sorted(places)
    assert first.count("![") == 1
    for name in DATASETS:
        assert first.index(f"**{name}**,") < first.index("<!-- begin card -->")


def test_the_readme_explains_the_words_of_its_table() -> None:
    explained = set(re.findall(r"^\| ([^|]+) \|", README.partition("## What each number means")[2], re.MULTILINE))
    assert {"NLL", "ECE", "floor", "temperature scaling", "paired seeds", "gap", "none", "verdict"} <= explained


def test_its_table_has_three_rows_a_data_set_and_a_star_each(made: dict[str, str]) -> None:
    head, _, *rows = made["finds"].splitlines()
    assert head.startswith("| data set | point | NLL cal. |")
    for name, search in SEARCHED.items():
        mine = [row for row in rows if row.startswith(f"| {name} |")]
        assert len(mine) == 3
        assert mine[0].startswith(f"| {name} | {search.results.answer.key} ★ |")
        assert mine[2].startswith(f"| {name} | none |")


def test_the_card_is_that_of_the_page(made: dict[str, str]) -> None:
    results = SEARCHED["digits"].results
    for number in card(results).numbers:
        assert f"| **{number.value}** | {number.label}; {number.beside} |" in made["card"]
    assert f"`{params_row(results)}`" in made["card"]


def test_every_point_takes_the_learning_rate_that_suits_it() -> None:
    rates = set(load_params(ROOT / "params.yaml").train.learning_rate)
    for name, results in STUDIES.items():
        for point in results.points:
            means = {trial.learning_rate: trial.mean for trial in point.tuning.trials}
            assert set(means) == rates
            assert means[point.parameters.learning_rate] == min(means.values())
        assert learning_rates(results, SEARCHED[name].results) in DOCUMENTS["docs/method.md"].replace("\n", " ")


def changed(record: Record, **changes: Any) -> Any:
    """The same record with other fields."""
    return record.model_copy(update=changes)


def test_what_the_learning_rate_alone_is_worth() -> None:
    """Of the means on the tuning seeds, 0.5 at the usual rate, 0.4 at the best, the answer gains 0.2."""
    results, tuned = STUDIES["mixture"], SEARCHED["mixture"].results
    trials = [RateTrial(learning_rate=rate, values=(loss, loss)) for rate, loss in ((0.001, 0.5), (0.01, 0.4))]
    tuning = Tuning(objective="refinement", trials=tuple(trials))
    assert results.reference.index == tuned.reference.index == 0
    study, search = (
        changed(each, points=(changed(each.reference_point, tuning=tuning), *each.points[1:]))
        for each in (results, tuned)
    )
    search = changed(search, answer=changed(search.answer, value=0.3))
    text = learning_rates(study, search)
    assert text.startswith("every point takes the best of 2 learning rates from 0.001 to 0.01, by NLL on validation")
    assert text.endswith("gains .200; tuning the rate alone gives .100 of it.")
    kept = learning_rates(study, changed(search, answer=changed(search.answer, key=search.reference.key)))
    assert kept.endswith("Tuning the rate alone gains .100 on Adam's usual 0.001.")
    one = changed(study.reference_point, tuning=changed(tuning, trials=tuple(trials[:1])))
    assert "0.001, which was not tuned" in learning_rates(changed(study, points=(one, *study.points[1:])), search)


def test_the_sample_and_the_commands_beside_it_are_what_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")
    method = DOCUMENTS["docs/method.md"]
    beside = method[method.index("<!-- end results -->") : method.index("<!-- begin sample -->")]
    everything, single = re.findall(r"`python -m pipeline ([^`]+)`", beside)
    assert main(everything.split()) == 0
    printed = capsys.readouterr().out
    (sample,) = (block.text for block in BLOCKS if block.language == "text")
    assert set(sample.splitlines()) <= set(printed.splitlines())
    assert main(single.split()) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{single.split()[-1]}\n")
    assert shown in printed


# the parts of other studies


TEXT = "# Title\n<!-- begin one -->\nold\n<!-- end one -->\nbetween\n<!-- begin two -->\n<!-- end two -->\nlast\n"


def test_refresh_replaces_what_is_between_the_marks_once_and_for_all() -> None:
    new = {"one": "1\n2", "two": "3"}
    once = refresh(TEXT, new, document="README.md")
    assert once == TEXT.replace("old", "1\n2").replace("two -->\n<", "two -->\n3\n<")
    assert refresh(once, new, document="README.md") == once


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("two", "three"),
        TEXT[: TEXT.index("between")],
        TEXT + "<!-- begin three -->\n<!-- end three -->\n",
        TEXT + TEXT,
        TEXT.replace("<!-- end two -->\n", ""),
    ],
    ids=["an unknown part", "a missing part", "one too many", "parts twice", "no end"],
)
def test_refresh_refuses_a_text_with_other_parts(text: str) -> None:
    with pytest.raises(InputError, match=r"README\.md"):
        refresh(text, {"one": "1", "two": "2"}, document="README.md")


def mixture(*keys: str) -> StudyResults:
    """The committed table with a few points: the reference, and usually the sample and a point of one more variant."""
    results = STUDIES["mixture"]
    points = tuple(point for point in results.points if point.key in {"none", *(keys or ("dropout=0.5", "l2=0.01"))})
    order = tuple(key for key in results.ranking["nll"].after if key in {point.key for point in points})
    return cast("StudyResults", changed(results, points=points, ranking={"nll": Ranking(before=order, after=order)}))


def parts_of(*studies: StudyResults, stages: dict[str, Any] = STAGES) -> dict[str, str]:
    return generated_parts(
        Sources(
            studies,
            summary(studies).sentence,
            (),
            textbook=claims_table(),
            engine=ENGINE,
            race=RACE,
            training_race=TRAINING,
            contest=CONTEST,
            campaign=CAMPAIGN,
            large=LARGE,
            stages=stages,
        )
    )


def row_of(results: StudyResults, name: str) -> list[str]:
    """The cells of a point's row in the results part."""
    (line,) = (line for line in parts_of(results)["results"].splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def with_choice(results: StudyResults, **changes: Any) -> StudyResults:
    """A table whose answer is another."""
    return cast("StudyResults", changed(results, answer=changed(results.answer, **changes)))


def test_a_study_that_no_regularizer_helps_says_so() -> None:
    results = with_choice(mixture(), recommendation="leave it unregularized")
    answer = parts_of(results)["answer"].splitlines()[0]
    assert answer == f"- **mixture**. {sentence(results)}"
    assert "Leave it unregularized: noise 0.5, chosen on validation," in answer
    assert "use **" not in answer


def without_values(point: PointResult) -> PointResult:
    """A point of which no seed is finite, as the finished table holds it."""
    nothing: dict[str, Any] = dict.fromkeys(("mean", "low", "high"))
    none: dict[str, Any] = dict.fromkeys(("difference", "low", "high", "p", "more_seeds"))
    none |= {"left_out": "30 of 30 seeds of this point have no finite value", "verdict": "no evidence"}
    metrics = {name: changed(entry, **nothing) for name, entry in point.metrics.items()}
    compared = {name: changed(entry, **none) for name, entry in point.against_reference.items()}
    return cast("PointResult", changed(point, metrics=metrics, against_reference=compared))


def test_a_point_without_finite_values_has_dashes_and_no_verdict() -> None:
    results = mixture()
    whole = row_of(results, "l2 0.01")
    *points, last = results.points
    order = tuple(key for key in results.ranking["nll"].after if key != "l2=0.01")
    ranking = {"nll": Ranking(before=results.ranking["nll"].before, after=order)}
    bare = row_of(changed(results, points=(*points, without_values(last)), ranking=ranking), "l2 0.01")
    assert len(bare) == len(whole)
    assert bare[1:6] == ["-", "-", "-/-", "-", "-/-"]
    assert "left out" in " ".join(bare[6:])
    assert not re.search(r"None|nan|better|worse|evidence", " ".join(bare))


def test_a_gap_that_is_not_known_is_left_out() -> None:
    answer = parts_of(with_choice(mixture(), gap=GapChange(reference=None, chosen=None)))["answer"]
    assert "use **" in answer
    assert "None" not in answer


def test_a_study_without_the_sample_point_has_another_sample() -> None:
    *_, header, line = parts_of(mixture("l2=0.01"))["sample"].splitlines()[1:-1]
    assert header.startswith("point ")
    assert line.split()[0] in {"none", "l2"}


def test_one_data_set_is_not_called_every_data_set() -> None:
    results = mixture()
    other = changed(results, dataset=changed(results.dataset, name="other"))
    assert "every data set" in parts_of(results, other)["answer"]
    single = parts_of(results)
    assert not re.search(r"every data set|one data set|another", single["answer"])
    assert single["answer"].count("- **") == single["results"].count("paired seeds") == 1


def test_the_graph_has_an_arrow_from_what_makes_a_file_to_what_reads_it() -> None:
    stages = {
        "cook": {"matrix": {"dish": "x", "day": "y"}, "outs": [{"meals/${item.dish}": {"cache": False}}]},
        "serve": {"deps": ["meals", "plates/blue"], "metrics": ["happiness"]},
        "rest": {"deps": ["happy"]},
        "wash": {"deps": ["meals/${item.dish}/pot"]},
    }
    graph = parts_of(mixture(), stages=stages)["graph"]
    assert [line.strip() for line in graph.splitlines()[2:-1]] == [
        'cook["cook@dish-day"]',
        'serve["serve"]',
        'rest["rest"]',
        'wash["wash"]',
        "cook --> serve",
        "cook --> wash",
    ]


# figures and links


def tracked() -> set[str]:
    return set(run(ROOT, "git", "ls-files", "-z").stdout.split("\0"))


@pytest.mark.parametrize("link", LINKS)
def test_what_is_linked_is_in_git(link: str) -> None:
    path = os.path.normpath(link)
    assert path in tracked()
    assert (ROOT / path).stat().st_size > 0


@pytest.mark.parametrize(
    ("path", "names"), re.findall(r"`(tests/[\w/]+\.py)`(?: \(([^)]*)\))?", EVERYTHING["SECURITY.md"])
)
def test_what_security_names_as_shown_is_tested(path: str, names: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert all(name in text for name in re.findall(r"`([^`]+)`", names))


def md5(path: Path) -> str:
    """What dvc.lock records of a file, or of the files in a folder."""
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest()
    files = sorted((file.relative_to(path).as_posix(), md5(file)) for file in path.rglob("*") if file.is_file())
    listed = json.dumps([{"md5": digest, "relpath": name} for name, digest in files])
    return f"{hashlib.md5(listed.encode()).hexdigest()}.dir"


@pytest.fixture(scope="module")
def recorded() -> dict[str, str]:
    """Every output and its hash, as DVC has them."""
    return outputs(ROOT)


@pytest.mark.parametrize("path", [*RESULTS, *SEARCHES, LEDGER, "reports/figures"])
def test_the_numbers_and_figures_are_those_that_dvc_recorded(path: str, recorded: dict[str, str]) -> None:
    assert md5(ROOT / path) == recorded[path]


def test_the_figures_are_made_by_a_stage_and_changing_one_is_noticed(tmp_path: Path, recorded: dict[str, str]) -> None:
    figures = [Path(image) for image in IMAGES if image.startswith("reports/")]
    assert figures
    assert {str(figure.parent) for figure in figures} == {"reports/figures"}
    altered = Path(shutil.copytree(ROOT / "reports/figures", tmp_path / "figures"))
    assert md5(altered) == recorded["reports/figures"]
    with (altered / figures[0].name).open("ab") as file:
        file.write(b"\0")
    assert md5(altered) != recorded["reports/figures"]


# code blocks


class Block(NamedTuple):
    """A fenced block: its language, its text, and where in which document it begins."""

    language: str
    text: str
    start: int
    document: str


def blocks(text: str, document: str = "README.md") -> list[Block]:
    fence = re.compile(r"^(?P<edge> *)(?P<fence>`{3,}|~{3,})(?P<info>.*)\n(?P<text>(.*\n)*?)(?P=edge)(?P=fence)$", re.M)
    return [Block(each["info"].strip(), each["text"], each.start(), document) for each in fence.finditer(text)]


def commands(block: Block) -> dict[str, str]:
    """The lines of a block by the command in them, which is what stands before a comment."""
    lines = {line.partition("#")[0].strip(): line for line in block.text.splitlines()}
    return {command: line for command, line in lines.items() if command}


BLOCKS = [block for document, text in EVERYTHING.items() for block in blocks(text, document)]


def test_no_block_is_overlooked() -> None:
    text = "```sh\nls # all\n\n```\n~~~~ yaml\n```\na: 1\n~~~~\n  ```\n  no language\n  ```\n"
    assert [block[:2] for block in blocks(text)] == [
        ("sh", "ls # all\n\n"),
        ("yaml", "```\na: 1\n"),
        ("", "  no language\n"),
    ]
    assert commands(blocks(text)[0]) == {"ls": "ls # all"}
    fences = [re.findall(r"^ *(?:```|~~~)", text, re.MULTILINE) for text in EVERYTHING.values()]
    assert sum(map(len, fences)) == 2 * len(BLOCKS) > 0


# A PATH without the environment: `make` has to find it by itself.
BARE = os.pathsep.join(
    part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != Path(sys.executable).parent
)


def clone(folder: Path) -> Path:
    """What a clone has, from the working tree, committed, with the environment already there and a small study."""
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "params.yaml").write_text(SMALL)
    (folder / "textbook/textbook.yaml").write_text(SMALL_TEXTBOOK)
    (folder / "textbook/dropout.yaml").write_text(SMALL_TOPIC)
    (folder / "textbook/map.yaml").write_text(SMALL_MAP)
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != ".ready":
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv/.ready").touch()  # later than constraints.txt, so that make installs nothing
    run(folder, "git", "init", "-q")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "all")


def typed(folder: Path, line: str, *, check: bool = True) -> subprocess.CompletedProcess:
    """A line as a reader types it into a new shell."""
    return run(folder, "bash", "-c", line, check=check, PATH=BARE)


class Study(NamedTuple):
    """A project whose study has run, and what that printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="session")
def study(once: Callable[[str, Callable[[Path], None]], Path]) -> Study:
    def fill(folder: Path) -> None:
        clone(folder)
        printed = "".join(typed(folder, line).stdout for line in ("make repro", "make all"))
        folder.with_suffix(".printed").write_text(printed)

    folder = once("study", fill)
    return Study(folder, folder.with_suffix(".printed").read_text())


ADD = "python -m pipeline add mine.csv --target outcome --study"
ADVISE = "python -m pipeline advise mine.csv --target outcome"


def rows() -> str:
    """A small file with a number, a category and the column that the README names as the target."""
    return "age,city,outcome\n" + "".join(f"{i % 37},{'abc'[i % 3]},{'yes' if i % 5 else 'no'}\n" for i in range(120))


@pytest.fixture(scope="session")
def mine(study: Study, once: Callable[[str, Callable[[Path], None]], Path]) -> Study:
    """The same project with a reader's own data, committed."""

    def fill(folder: Path) -> None:
        shutil.copytree(study.folder, folder, symlinks=True, dirs_exist_ok=True)
        for name in ("mine.csv", "new.csv"):
            (folder / name).write_text(rows())
        printed = typed(folder, f"{ACTIVATE} && {ADD} --yes").stdout + typed(folder, "make repro").stdout
        commit(folder)
        folder.with_suffix(".printed").write_text(printed)

    folder = once("mine", fill)
    return Study(folder, folder.with_suffix(".printed").read_text())


def copied(made: Study, folder: Path) -> Study:
    """The same project in another folder, to be written to."""
    return Study(Path(shutil.copytree(made.folder, folder, symlinks=True)), made.printed)


@pytest.fixture
def copy_of_study(study: Study, tmp_path: Path) -> Study:
    return copied(study, tmp_path / "study")


@pytest.fixture
def copy_of_mine(mine: Study, tmp_path: Path) -> Study:
    return copied(mine, tmp_path / "mine")


def with_a_claim(text: str) -> str:
    """A topic's file with a document's block under its claims, as the document says."""
    (block,) = (block.text for block in BLOCKS if block.language == "yml")
    experiments, heading, others = text.partition("\nclaims:\n")
    assert heading
    return experiments + heading + block + others


def answers(done: Study, line: str) -> None:
    """The answer is printed and every result is there."""
    datasets = load_params(done.folder / "params.yaml").study.datasets
    for name in datasets:
        results = read_json(done.folder / f"reports/{name}/results.json")
        assert results["answer"]["sentence"] in done.printed.replace("\n", " ")
        assert results["protocol"]["seeds"] == 3
    page = (done.folder / "reports/index.html").read_text(encoding="utf-8")
    assert all(f">{name}<" in page for name in datasets)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def started(folder: Path, line: str, **extra: str) -> Iterator[subprocess.Popen]:
    """A command that goes on, in a group of its own that ends with the block; what it prints is in `printed.txt`."""
    with (folder / "printed.txt").open("w") as file:
        process = subprocess.Popen(
            ["bash", "-c", line], cwd=folder, env=environment(PATH=BARE, **extra), start_new_session=True,
            stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def answered(address: str, process: subprocess.Popen) -> bytes:
    """The page at an address, once its server answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urlopen(address, timeout=10) as page:
            return bytes(page.read())
        time.sleep(0.1)
    raise AssertionError(f"{address}: no answer, exit status {process.poll()}")


def serves(done: Study, line: str) -> None:
    """The UI answers where it says, and says where each data set is; what the README says is the usual place."""
    (usual,) = re.findall(r"http://127.0.0.1:(\d+)", line)
    assert f"--port {usual}" in typed(done.folder, "make -n ui").stdout
    port = free_port()
    with started(done.folder, line, UI_PORT=str(port)) as process:
        assert b"MLflow" in answered(f"http://127.0.0.1:{port}/", process)
        printed = (done.folder / "printed.txt").read_text()
    for name in load_params(done.folder / "params.yaml").study.datasets:
        assert re.search(rf"{name} regularization: http://127\.0\.0\.1:{port}/#/experiments/\d+", printed)


def claims(done: Study, line: str) -> None:
    """Every sentence has its verdict in print, in the table and on the page."""
    table = read_record(TextbookResults, done.folder / LEDGER)
    page = (done.folder / "reports/textbook.html").read_text(encoding="utf-8")
    assert [claim.sentence for claim in table.claims] == ["Dropout is better than none."]
    for claim in table.claims:
        assert claim.sentence in done.printed
        assert claim.sentence in page


def both(done: Study, line: str) -> None:
    """Study and textbook are there."""
    answers(done, line)
    claims(done, line)


def installs(done: Study, line: str) -> None:
    """The environment is there."""
    assert line.partition("#")[0].strip().endswith(ACTIVATE)
    assert (done.folder / ".venv/.ready").exists()


def adds(done: Study, line: str) -> None:
    """The reader's own data are in params.yaml, and the study has run on them."""
    assert list(load_params(done.folder / "params.yaml").study.datasets) == ["mine"]
    assert "params.yaml: datasets.mine is written" in done.printed
    answers(done, line)
    table = read_json(done.folder / "reports/mine/results.json")["dataset"]["table"]
    assert [column["name"] for column in table["summaries"]] == ["age", "city", "outcome"]
    assert "What its 3 columns were understood as" in (done.folder / "reports/index.html").read_text(encoding="utf-8")


def advises(done: Study, line: str) -> None:
    """There is an answer, and a page."""
    said = typed(done.folder, f"{ACTIVATE} && {line.partition('#')[0].strip()} --minutes 0.2").stdout
    assert "Leave it unregularized" in said or "Use " in said
    assert (done.folder / "advice/mine.html").exists()


LINES: dict[str, Callable[[Study, str], None]] = {
    f"make setup && {ACTIVATE}": installs,
    ADVISE: advises,
    ADD: adds,
    "make repro": answers,
    "make textbook": claims,
    "make all": both,
    "make ui": serves,
}
Fixture = Callable[[str], Any]


def run_shell(block: Block, fixture: Fixture) -> None:
    """Every line is a command that is known here, since it matters what it did."""
    for command, line in commands(block).items():
        LINES[command](fixture("copy_of_mine" if command in (ADD, ADVISE) else "copy_of_study"), line)


def scores(command: str, shown: str, folder: Path) -> None:
    """A transcript of `score`: the command prints exactly this."""
    shutil.copy(ROOT / "tests/corpus/predictions.csv", folder)
    assert stage(folder, *command.split()[3:], PYTHONPATH=str(ROOT)).stdout == shown


def shows(block: Block, fixture: Fixture) -> None:
    """A transcript: the command prints these lines, up to what depends on the machine."""
    command, _, shown = block.text.removeprefix("$ ").partition("\n")
    if " score " in command:
        scores(command, shown, fixture("tmp_path"))
        return
    folder = fixture("copy_of_study").folder
    shutil.copy(ROOT / "tests/corpus/loans.csv", folder)
    option = "--yes" if " add " in command else "--minutes 0.2"
    printed = typed(folder, f"{ACTIVATE} && {command} {option}").stdout.splitlines()
    expected = [line for line in shown.splitlines() if line not in ("...", "Write this? [y/N] y")]
    measured = next(place for place, line in enumerate(expected) if " networks of " in line)
    assert set(expected[:measured]) <= set(printed)
    if " add " in command:
        assert expected[measured + 1 :] == printed[-len(expected) + measured + 1 :]


def fits_the_claims(block: Block, fixture: Fixture) -> None:
    """A reader's own sentence: it is accepted beside those of the project, for an experiment that is there."""
    textbook, original = load_textbook(ROOT / "textbook/textbook.yaml"), ROOT / "textbook/dropout.yaml"
    path = fixture("tmp_path") / "dropout.yaml"
    path.write_text(with_a_claim(original.read_text()))
    topic = load_topic(path, textbook)
    claim = next(iter(topic.claims.values()))
    assert claim.sentence in block.text
    assert claim.experiment in topic.experiments
    assert len(topic.claims) == len(load_topic(original, textbook).claims) + 1


def is_generated(block: Block, fixture: Fixture) -> None:
    """It is not to be run, but it is made from the results: the tests of the numbers cover it."""
    assert any(begin <= block.start < end for _, begin, end in spans(EVERYTHING[block.document]))


def runs_in_python(block: Block, fixture: Fixture) -> None:
    """In a notebook beside the results: what is shown is computed, and stays where it is saved."""
    folder = fixture("tmp_path")
    shutil.copy(ROOT / "tests/corpus/loans.csv", folder)
    (folder / "reports").symlink_to(ROOT / "reports")
    done = run(folder, sys.executable, "-c", block.text, PYTHONPATH=str(ROOT), check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "loans.safetensors").exists() is ("loans.safetensors" in block.text)
    assert bool(done.stdout) is ("print(" in block.text)


RUNNERS = {
    "python": runs_in_python,
    "sh": run_shell,
    "console": shows,
    "yml": fits_the_claims,
    "text": is_generated,
    "mermaid": is_generated,
}
SLOW = {"sh", "console", "python"}


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{block.language}-{number}", marks=[pytest.mark.slow] if block.language in SLOW else [])
        for number, block in enumerate(BLOCKS)
    ],
)
def test_every_code_block_is_run(block: Block, request: pytest.FixtureRequest) -> None:
    assert block.language in RUNNERS, "a block of a language that no test runs"
    RUNNERS[block.language](block, request.getfixturevalue)


def test_every_command_of_a_block_is_known_here() -> None:
    assert {command for block in BLOCKS if block.language == "sh" for command in commands(block)} == set(LINES)


# the table of what to look at or type


def table() -> list[str]:
    """What the second column of the table of wishes names."""
    lines = README.split("| you want |")[1].split("\n\n")[0].splitlines()[2:]
    return [name for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[2])]


PLACES = [name for name in table() if name.startswith("reports/")]
COMMANDS = [name for name in table() if name not in PLACES and name not in LINES]
SAYS = {
    "python -m pipeline show": r"P\(better\)",
    "python -m pipeline params": "label_smoothing",
    "python -m pipeline predict": "class,p_",
    "dvc metrics show": r"reports/metrics/mine\.json",
    "dvc metrics diff": "workspace",
    "dvc plots show": "dvc_plots/index.html",
    "dvc plots diff": "dvc_plots/index.html",
    "dvc exp run": "applied to your workspace",
    "dvc exp diff": r"params\.yaml +train\.epochs +4 +200",
    "git checkout params.yaml": "",
    "dvc repro": "Leave it unregularized|Use ",
}


def pattern_of(command: str) -> str:
    """What a command must print, whatever its options are."""
    (pattern,) = (pattern for start, pattern in SAYS.items() if command.startswith(start))
    return pattern


def test_the_table_names_only_what_is_tried_here() -> None:
    assert ACTIVATE in README
    assert len(PLACES) >= 4
    assert [bool(re.compile(pattern_of(command))) for command in COMMANDS] == [True] * len(SAYS)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`make (\w+)`", "".join(EVERYTHING.values())))))
def test_every_make_command_is_known(command: str) -> None:
    assert f"\n{command}: " in (ROOT / "Makefile").read_text()


class Tried(NamedTuple):
    """What each command did, where, and the results it began and ended with."""

    done: dict[str, subprocess.CompletedProcess]
    folder: Path
    before: dict[str, str]
    between: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="module")
def tried(mine: Study, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """The commands of the table, one after the other: first the change, so that there is a difference to be shown."""
    change = next(command for command in COMMANDS if command.startswith("dvc exp run"))
    others = [command for command in COMMANDS if command != change]
    folder = copied(mine, tmp_path_factory.mktemp("tried") / "copy").folder
    before, done = outputs(folder), {}
    done[change] = typed(folder, f"{ACTIVATE} && {change}", check=False)
    between = outputs(folder)
    for command in others:
        done[command] = typed(folder, f"{ACTIVATE} && {command}", check=False)
    return Tried(done, folder, before, between, outputs(folder))


@pytest.mark.slow
class TestTable:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_works(self, tried: Tried, command: str) -> None:
        done = tried.done[command]
        assert done.returncode == 0, done.stderr
        assert re.search(pattern_of(command), done.stdout)

    def test_another_setting_changes_the_results_and_they_come_back(self, tried: Tried) -> None:
        changed = {path for path in tried.before if tried.before[path] != tried.between[path]}
        assert {"members/mine", "reports/mine/results.json", "reports/index.html"} <= changed
        assert tried.after == tried.before

    def test_the_difference_is_shown(self, tried: Tried) -> None:
        shown = tried.done["dvc metrics diff"].stdout
        assert re.search(r"reports/metrics/mine\.json +nll +[\d.]+ +[\d.]+ +-?[\d.]+", shown)

    def test_the_difference_of_experiments_fits_a_terminal(self, tried: Tried) -> None:
        assert max(map(len, tried.done["dvc exp diff"].stdout.splitlines())) <= 120

    @pytest.mark.parametrize("place", PLACES)
    def test_every_place_is_there(self, study: Study, place: str) -> None:
        for name in ("mixture", "wine"):
            path = study.folder / place.replace("<dataset>", name)
            assert [*path.rglob("*.png")] if place.endswith("/") else path.stat().st_size > 0
