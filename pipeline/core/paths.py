"""Where is what? The files of the project, relative to its folder."""

from pathlib import Path

PARAMS = Path("params.yaml")
LOCK = Path("dvc.lock")
CLAIMS = Path("claims.yaml")
LEDGER = Path("reports/claims.json")
CLAIMS_SECTION = Path("sections/claims.json")
PAGE = Path("reports/index.html")
SUMMARY = Path("reports/summary.json")
README = Path("README.md")
DOCUMENTS = (
    README,
    *(Path("docs") / f"{name}.md" for name in ("method", "guide", "textbook", "performance", "architecture")),
)
MEMO = Path(".cache/memo")
OUTPUTS = ("data", "members", "scores", "champions", "claims", "sections", "reports", "studies", ".cache")
REWRITTEN = (*DOCUMENTS, LOCK)  # files outside of these folders that the project writes itself


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


def data_file(dataset: str) -> Path:
    """Where `generate` puts a data set."""
    return Path("data") / f"{dataset}.safetensors"


def member_file(dataset: str, variant: str, label: str) -> Path:
    """Where `train` puts what a point's members predict."""
    return Path("members") / dataset / variant / f"{label}.safetensors"


def score_file(dataset: str, variant: str, label: str) -> Path:
    """Where `evaluate` puts the scores of a point's members."""
    return Path("scores") / dataset / variant / f"{label}.safetensors"


def report_file(dataset: str, name: str) -> Path:
    """Where `evaluate` puts a finished table."""
    return Path("reports") / dataset / name


def figure_file(dataset: str, name: str) -> Path:
    """Where `plot` puts a figure of one data set."""
    return report_file(dataset, "figures") / name


def section_file(dataset: str) -> Path:
    """Where `plot` puts what the report says of a data set."""
    return Path("sections") / f"{dataset}.json"


def shared_figure_file(name: str) -> Path:
    """Where `report` puts a figure of all data sets."""
    return Path("reports/figures") / name


def trials_file(dataset: str) -> Path:
    """Where `search` puts the table of all trials."""
    return report_file(dataset, "trials.csv")


def champion_file(dataset: str, kind: str, name: str) -> Path:
    """Where `search` puts the scores of a winner, or of a combination of winners, on fresh seeds."""
    return Path("champions") / dataset / kind / f"{name}.safetensors"


def journal_file(dataset: str) -> Path:
    """Where Optuna keeps a data set's studies: working state that nothing else depends on."""
    return Path("studies") / f"{dataset}.journal"


def measured_file(topic: str, experiment: str, dataset: str) -> Path:
    """Where `claims` puts what an experiment measured on a data set."""
    return Path("claims") / topic / experiment / f"{dataset}.safetensors"


def claims_file(topic: str) -> Path:
    """Where `claims` puts what it found of a topic's sentences."""
    return Path("claims") / f"{topic}.json"


def claim_figure_file(name: str) -> Path:
    """Where `ledger` puts a claim's figure."""
    return Path("reports/claims") / name
