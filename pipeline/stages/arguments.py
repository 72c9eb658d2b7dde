"""Arguments of the command line: all commands, what they take, and the help that teaches them."""

from __future__ import annotations

import argparse
import os

from pipeline.core.durations import seconds_of
from pipeline.core.engines import VARIABLE, WORDS

COMMANDS = {  # command -> the names it takes, and what it does; the module and function of this name run it
    "add": ("", "read your own table, say what it is and what its study costs, and write it into params.yaml"),
    "advise": ("", "answer for your own table in a minute; nothing is written but one page, into advice/"),
    "plan": ("", "say how long the study takes, stage by stage, and make it fit into a time"),
    "score": ("", "say how well any model's probabilities are calibrated, from a table of its predictions"),
    "generate": ("dataset", "draw or read a data set and split it for every seed, into data/"),
    "train": ("dataset", "fit all points on every seed, into members/"),
    "evaluate": ("dataset", "score all members and compare the points, into scores/ and results/"),
    "calibrators": ("dataset", "see whether verdicts survive other calibrators, into results/"),
    "search": ("dataset", "tune every arm with Optuna, and train the winners on fresh seeds, into results/"),
    "baselines": ("dataset", "compare networks with scikit-learn's classifiers, into baselines/ and results/"),
    "champion": ("dataset", "fit the model that is handed over, and judge it on test rows, into models/"),
    "plot": ("dataset", "draw the figures and this data set's part of the report, into reports/"),
    "export": ("dataset", "copy the finished tables that git keeps, into reports/"),
    "report": ("", "join all parts of the report, into reports/index.html"),
    "track": ("", "publish what MLflow lacks of study, search and models, and print the results"),
    "predict": ("", "give calibrated probabilities for new rows, by the model of a data set"),
    "topic": ("topic", "train a topic's experiments and judge its claims, into claims/"),
    "map": ("rows", "train the map's arms at one number of training rows, into claims/map/"),
    "ledger": ("", "join the claims of all topics and write their page, reports/textbook.html"),
    "track-textbook": ("", "publish what MLflow lacks of the textbook, and print the verdicts"),
    "ui": ("", "serve MLflow's UI on this machine, and open the results in a browser"),
    "show": ("", "print the answers and the results tables again"),
    "readme": ("", "write the README's numbers from the results"),
    "params": ("", "explain every key of params.yaml and the textbook's files"),
    "unlock": ("", "set lock files of DVC aside that an interruption cut off, as `make repro` does where DVC fails"),
}
OWN_TABLE = {  # commands that take a file of the user's -> what their help teaches
    "add": """\
What each column is understood as is shown, and so are all problems, with an
answer to those that have a safe one. Nothing is written before you agree.

  python -m pipeline add loans.csv --target default --dry-run
  python -m pipeline add loans.csv --target default --study
  python -m pipeline add loans.csv --target default --categorical zip --ignore id""",
    "advise": """\
The protocol is that of the study, on as many seeds and trials as fit into the
time. Nothing has to be edited, and nothing is written but one page.

  python -m pipeline advise loans.csv --target default
  python -m pipeline advise loans.csv --target default --minutes 5""",
    "score": """\
The table holds the class that came true and a probability of each class, in
columns named CLASS, p_CLASS, p(CLASS), p=CLASS, prob_CLASS, proba_CLASS or
probability_CLASS; of two classes one is enough. All other columns are ignored.
FILE may be - for CSV on standard input. Nothing is written without --page.

  python -m pipeline score predictions.csv --target species
  python -m pipeline score predictions.csv --target default --probability risk --positive yes
  python -m pipeline score predictions.parquet --target y --group sex --page score.html
  python -m pipeline score predictions.csv --target default --cost yes no 20""",
}
ANYWHERE = ("score", "predict", "params")  # commands that need no project
PARALLEL = ("train", "evaluate", "calibrators", "search", "baselines", "champion", "plot", "topic", "map", "ledger")
FILES = {  # where a parameter's names stand, if not in params.yaml
    "topic": "textbook/textbook.yaml",
    "rows": "textbook/map.yaml",
}
DESCRIPTION = """\
Which regularization should I use on this data, how much does it close the
generalization gap, and can I then trust the probabilities?

Each stage below can be run by hand; `dvc repro` runs all that are out of date.
What is run stands in params.yaml, the textbook's claims in the files of textbook/;
`python -m pipeline params` explains both."""


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of all commands; those of the user's own table get their many flags only where one is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    stages = parser.add_subparsers(dest="command", required=True, metavar="STAGE")
    commands = {name: stages.add_parser(name, help=text, description=text) for name, (_, text) in COMMANDS.items()}
    for name, (parameters, _) in COMMANDS.items():
        for parameter in parameters.split():
            file = FILES.get(parameter, "params.yaml")
            commands[name].add_argument(parameter, help=f"a name under `{parameter.removesuffix('s')}s` in {file}")
    for name in PARALLEL:
        commands[name].add_argument(
            "--jobs", type=_count, default=os.cpu_count() or 1, help="workers (%(default)s, the cores)"
        )
        commands[name].add_argument(
            "--backend", metavar="ENGINE", help=f"who does the work: {WORDS}; also {VARIABLE} (auto)"
        )
    commands["train"].add_argument(
        "variants", nargs="*", metavar="VARIANT", help="names under `variants` in params.yaml (all)"
    )
    _take_search(commands["search"])
    commands["track"].add_argument(
        "--force-champion", action="store_true", help="the present models are the champions, better or not"
    )
    _take_rows(commands["predict"])
    commands["ui"].add_argument("--port", type=_port, default=5000, help="of 127.0.0.1 (%(default)s)")
    commands["ui"].add_argument(
        "--no-browser", dest="browser", action="store_false", help="only print where the results are"
    )
    commands["show"].add_argument(
        "dataset", nargs="?", help="a name under `datasets` in params.yaml (all of the study)"
    )
    commands["show"].add_argument(
        "--notes", action="store_true", help="say what the columns are, and what was corrected for"
    )
    _take_budget(commands["plan"], "make the study smaller, to take 90s, 5m or 2h, by writing its numbers")
    if command in OWN_TABLE:
        _take_file(commands[command], command)
    return parser


def _take_budget(parser: argparse.ArgumentParser, text: str) -> None:
    """Let a command change params.yaml, once that is agreed to."""
    parser.add_argument("--budget", type=seconds_of, metavar="TIME", help=text)
    parser.add_argument("--dry-run", action="store_true", help="only show what would be written")
    parser.add_argument("--yes", action="store_true", help="write it without asking")


def _take_search(search: argparse.ArgumentParser) -> None:
    """Let the search look around, start anew, and be shared."""
    search.add_argument("--trials", type=_count, help="of each arm (as in params.yaml); writes no results")
    search.add_argument("--arm", action="append", help="search this arm only, may be repeated; writes no results")
    search.add_argument("--fresh", action="store_true", help="forget the trials so far and start anew")
    search.add_argument(
        "--storage", help="database URL for Optuna's studies, also OPTUNA_STORAGE (a journal in studies/)"
    )


def _take_rows(predict: argparse.ArgumentParser) -> None:
    """Let a model take new rows."""
    predict.add_argument(
        "model", metavar="MODEL", help="a data set of the study, a model's folder or file, or models:/NAME@champion"
    )
    predict.add_argument("file", metavar="FILE", help="the rows, as `add` takes them; - for CSV on standard input")
    predict.add_argument("--out", metavar="FILE", help="a new file (standard output)")
    predict.add_argument(
        "--coverage", type=_share, metavar="SHARE", help="add a set of classes that holds the right one this often"
    )
    predict.add_argument(
        "--method", choices=("lac", "aps"), default="lac", help="of sets: the smallest, or larger where rows are hard"
    )
    predict.add_argument("--explain-input", action="store_true", help="only say how the first row is read")


def _take_file(parser: argparse.ArgumentParser, command: str) -> None:
    """Let a command take a file of the user's, and teach its use."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = f"{parser.description}.\n\n{OWN_TABLE[command]}"
    parser.add_argument("file", metavar="FILE", help=".csv, .tsv, .txt, .parquet, .npz, .xlsx, also in .gz or .zip")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column with the class")
    if command == "score":
        _take_predictions(parser)
    else:
        _take_own_table(parser, command)


def _take_predictions(parser: argparse.ArgumentParser) -> None:
    """Let a command take all that can be said of a table of predictions."""
    from pipeline.config.flags import add_flags  # noqa: PLC0415  (pydantic)
    from pipeline.data.options import Reading  # noqa: PLC0415

    for flag, metavar, text in (
        ("--probability", "COLUMN", "the probability of one of two classes"),
        ("--positive", "CLASS", "that class (the one that the column's name says, else 1, yes or true)"),
        ("--prefix", "TEXT", "what stands before the class in the names of columns, if another"),
        ("--group", "COLUMN", "show the same errors for each group of rows, too"),
        ("--page", "FILE.html", "write a page with reliability diagrams; a file that is no such page is left alone"),
    ):
        parser.add_argument(flag, metavar=metavar, help=text)
    parser.add_argument(
        "--cost",
        nargs=3,
        action="append",
        default=[],
        metavar=("TRUTH", "DECISION", "NUMBER"),
        help="what a wrong decision costs, may be repeated (1); shows what deciding costs, and the best threshold",
    )
    parser.add_argument(
        "--threshold", type=_share, metavar="P", help="of one of two classes: what deciding by it costs"
    )
    parser.add_argument("--percent", action="store_true", help="divide percentages by 100")
    add_flags(parser, Reading)


def _take_own_table(parser: argparse.ArgumentParser, command: str) -> None:
    """Let a command take a table to be studied, and all that can be said of it."""
    from pipeline.config.flags import add_flags  # noqa: PLC0415  (pydantic)
    from pipeline.data.sources import File  # noqa: PLC0415

    parser.add_argument("--name", help="of the data set (after the file)")
    parser.add_argument("--keep", action="append", default=[], metavar="COLUMN", help="one that is not to be ignored")
    if command == "add":
        parser.add_argument("--study", action="store_true", help="make it the study's only data set")
        _take_budget(parser, "make the study smaller, to take 90s, 5m or 2h")
    else:
        parser.add_argument("--minutes", type=_minutes, default=1.0, help="to spend, about (%(default)g)")
    add_flags(parser, File, omit=("kind", "path", "target", "expects"))


def _count(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, got {text!r}")
    return int(text)


def _share(text: str) -> float:
    """A number between 0 and 1."""
    return _between(text, 1, "a number between 0 and 1")


def _minutes(text: str) -> float:
    """A number above 0, of minutes."""
    return _between(text, 10_000, "a number of minutes above 0")


def _between(text: str, most: float, what: str) -> float:
    """A number above 0 and below `most`; `what` is what messages call it."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < most:
        raise argparse.ArgumentTypeError(f"must be {what}, got {text!r}")
    return number


def _port(text: str) -> int:
    """A port number."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 65535, got {text!r}")
    return int(text)
