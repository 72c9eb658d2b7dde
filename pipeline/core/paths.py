"""Where is what? The files of the project, relative to its folder."""

from pathlib import Path

PARAMS = Path("params.yaml")
LOCKS = (Path("dvc.lock"), Path("textbook/dvc.lock"))
RWLOCK = Path(".dvc/tmp/rwlock")
TEXTBOOK = Path("textbook/textbook.yaml")
MAP = Path("textbook/map.yaml")
LEDGER = Path("reports/claims.json")
PAGE = Path("reports/index.html")
TEXTBOOK_PAGE = Path("reports/textbook.html")
SUMMARY = Path("reports/summary.json")
README = Path("README.md")
DOCUMENTS = (
    README,
    *(
        Path("docs") / f"{name}.md"
        for name in ("method", "guide", "textbook", "performance", "reliability", "architecture")
    ),
)
MEMO = Path(".cache/memo")
PARAMS_LOCK = Path(".cache/params.lock")
INPUTS = Path("inputs")  # where users' files lie: DVC watches it
OUTPUTS = (
    *("data", "members", "scores", "champions", "baselines", "models", "results", "claims", "pictures", "reports"),
    *("studies", "advice", ".cache"),
)
MADE = Path(".cache/made")  # lists of what each output folder holds of the project's own
NO_DATASET = ("figures", "metrics", "plots", "textbook", "claims", "index", "summary")
"""What of reports/ belongs to no data set."""
NO_TOPIC = (TEXTBOOK.stem, MAP.stem, "dvc")  # YAML files beside those of the topics
NO_CLAIM = ("map", "ledger", "audit")  # figures of all claims together
REWRITTEN = (*DOCUMENTS, PARAMS)  # files outside of these folders that the project writes itself


def output(path: Path) -> Path:
    """The path of an output, relative to the project's folder, which is the working directory.

    The words of the path decide: an output folder may be a link to where there is more room.

    Raises:
        ValueError: it neither lies below one of `OUTPUTS` nor is one of `REWRITTEN`, or it leads upwards by `..`.
    """
    here = Path.cwd() if path.is_absolute() else Path()
    inside = path.relative_to(here) if path.is_relative_to(here) else path
    below = len(inside.parts) > 1 and inside.parts[0] in OUTPUTS
    if ".." in inside.parts or not (below or inside in REWRITTEN):
        folders, files = ", ".join(OUTPUTS), " or ".join(map(str, REWRITTEN))
        raise ValueError(f"path must lie below {folders} or be {files}, got {path}")
    return inside


def input_file(path: Path) -> Path:
    """The path of a file in `INPUTS`, relative to the project's folder, which is the working directory.

    Raises:
        ValueError: it does not lie below that folder.
    """
    if ".." in path.parts or path.parts[:1] != INPUTS.parts or len(path.parts) == 1:
        raise ValueError(f"path must lie below {INPUTS}, got {path}")
    return path


def data_file(dataset: str) -> Path:
    """Where `generate` puts a data set."""
    return Path("data") / f"{dataset}.safetensors"


def member_file(dataset: str, variant: str, label: str) -> Path:
    """Where `train` puts what a point's members predict."""
    return Path("members") / dataset / variant / f"{label}.safetensors"


def tuning_file(dataset: str, variant: str) -> Path:
    """Where `train` puts the learning rates that a variant's points were tried with."""
    return Path("members") / dataset / variant / "tuning.json"


def score_file(dataset: str, variant: str, label: str) -> Path:
    """Where `evaluate` puts the scores of a point's members."""
    return Path("scores") / dataset / variant / f"{label}.safetensors"


def result_file(dataset: str, name: str) -> Path:
    """Where `evaluate`, `search` and `baselines` put a finished table."""
    return Path("results") / dataset / name


def report_file(dataset: str, name: str) -> Path:
    """Where `export` puts a finished table that git keeps."""
    return Path("reports") / dataset / name


def metrics_file(dataset: str) -> Path:
    """Where `report` puts the few numbers that `dvc metrics show` prints."""
    return Path("reports/metrics") / f"{dataset}.json"


def plot_file(kind: str, dataset: str) -> Path:
    """Where `export` puts a table for DVC's plots."""
    return Path("reports/plots") / kind / f"{dataset}.csv"


def figure_file(dataset: str, name: str) -> Path:
    """Where `plot` puts a figure of one data set."""
    return report_file(dataset, "figures") / name


def pictures_file(dataset: str) -> Path:
    """Where `plot` puts a data set's figures as the page embeds them."""
    return Path("pictures") / f"{dataset}.json"


def shared_figure_file(name: str) -> Path:
    """Where `report` puts a figure of all data sets."""
    return Path("reports/figures") / name


def trials_file(dataset: str) -> Path:
    """Where `search` puts the table of all trials."""
    return result_file(dataset, "trials.csv")


def champion_file(dataset: str, kind: str, name: str) -> Path:
    """Where `search` puts the scores of a winner, or of a combination of winners, on fresh seeds."""
    return Path("champions") / dataset / kind / f"{name}.safetensors"


def baseline_file(dataset: str, name: str) -> Path:
    """Where `baselines` puts the scores of a classifier's members."""
    return Path("baselines") / dataset / f"{name}.safetensors"


def model_file(dataset: str) -> Path:
    """Where `champion` puts the model that is handed over."""
    return Path("models") / dataset / "model.safetensors"


def journal_file(dataset: str) -> Path:
    """Where Optuna keeps a data set's studies: working state that nothing else depends on."""
    return Path("studies") / f"{dataset}.journal"


def advice_file(dataset: str) -> Path:
    """Where `advise` puts its page."""
    return Path("advice") / f"{dataset}.html"


def topic_file(topic: str) -> Path:
    """Where a topic's claims and experiments are declared."""
    return TEXTBOOK.with_name(f"{topic}.yaml")


def claims_file(topic: str) -> Path:
    """Where `topic` puts the verdicts on a topic's claims."""
    return Path("claims") / f"{topic}.json"


def map_file(rows: str) -> Path:
    """Where `map` puts who wins with so many training rows."""
    return Path("claims/map") / f"{rows}.json"


def claim_figure_file(name: str) -> Path:
    """Where `ledger` puts a claim's figure."""
    return Path("reports/textbook") / name
