"""Run records: what a run, or the page of an experiment, says; their checks, and digests of their content."""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.tracking.links import cited, resolved

Value = str | float | int | bool
Identity = tuple[str, str]
"""Experiment and key of a record."""

TAG_LIMIT = 8000
RESERVED = re.compile(r"record\..*|superseded|mlflow\.(parentRunId|runName|note\.content)")
VIEW = "mlflow.sharedViewState."
EXPERIMENT_DIGEST = "mlflow.record.digest"  # the UI hides tags of this prefix from its list of experiments
NAME = re.compile(r"[/\w.\- :]{1,250}")


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """The data a run was fitted on, as MLflow's dataset panel shows it.

    Attributes:
        name: shown name.
        digest: at most 36 characters that change when the data do.
        source: where it came from, relative to the project.
        schema: JSON of the columns, or None.
        profile: JSON of counts, or None.
        context: its role, such as "training".
    """

    name: str
    digest: str
    source: str
    schema: str | None = None
    profile: str | None = None
    context: str = "training"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything a run says.

    Attributes:
        key: its name in the store, such as "mixture/dropout/dropout=0.2"; unique within its experiment.
        experiment: name of the experiment, such as "mixture regularization".
        name: name of the run.
        parent: key of the parent record in the same experiment, or None.
        description: Markdown; may link to other records of the experiment by key, as `[dropout](record:KEY)`.
        params: hyperparameters, flat.
        tags: texts to filter by.
        metrics: (name, value, step), each name and step once; values that are not finite are allowed.
        artifacts: content, or the file that holds it, by path within the run.
        dataset: the data it was fitted on.
        status: "FINISHED" or "FAILED".
        times: when what it shows was trained, as milliseconds since 1970; None where nobody knows. They are no part of
            its content.

    Raises:
        InputError: a name or path the tracking store would refuse, or a repeated metric.
    """

    key: str
    experiment: str
    name: str
    parent: str | None = None
    description: str = ""
    params: Mapping[str, Value] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[tuple[str, float, int]] = ()
    artifacts: Mapping[str, bytes | Path] = field(default_factory=dict)
    dataset: DatasetInfo | None = None
    status: str = "FINISHED"
    times: tuple[int, int] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        names = {name for name, _, _ in self.metrics}
        self._check_all("metric or param names", {*names, *self.params}, _is_name)
        self._check_all("tag names not used by the publisher", self.tags, lambda tag: RESERVED.fullmatch(tag) is None)
        self._check_all("relative artifact paths", self.artifacts, _is_inside)
        if len({(name, step) for name, _, step in self.metrics}) != len(self.metrics):
            raise InputError(f"record {self.key!r} must have each metric once at a step, got a name and step twice")

    def _check_all(self, requirement: str, values: Iterable[str], holds: Callable[[str], bool]) -> None:
        for value in values:
            if not holds(value):
                raise InputError(f"record {self.key!r} must have {requirement}, got {value[:80]!r}")

    @property
    def identity(self) -> Identity:
        """Experiment and key: what stays the same when the content changes."""
        return self.experiment, self.key

    @property
    def refers(self) -> list[str]:
        """The keys of the records that this one names, each once: its parent's, then those in its description."""
        return list(dict.fromkeys([*([] if self.parent is None else [self.parent]), *cited(self.description)]))

    @property
    def not_finite(self) -> list[str]:
        """The metrics that are NaN or infinite, as "name@step=value"."""
        return [f"{name}@{step}={value}" for name, value, step in self.metrics if not math.isfinite(value)]


@dataclass(frozen=True, kw_only=True)
class ExperimentPage:
    """What the page of an experiment says.

    Attributes:
        name: its name, the same as in its records.
        description: Markdown; may link to its views by key, as `[the table](table:KEY)` or `[the charts](charts:KEY)`.
        views: saved views of its runs by key, as `pipeline.tracking.views.saved` writes them.
    """

    name: str
    description: str = ""
    views: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The name of its content: SHA-256 in hexadecimal digits."""
        return _fingerprint({"description": self.description, "views": dict(self.views)})


def digest(record: RunRecord) -> str:
    """Name the content of a record: SHA-256 in hexadecimal digits.

    It covers every field but `times`, and the bytes of every artifact, and not how an artifact was handed over (bytes
    or file), nor the order of mappings, nor the ids of runs.

    >>> record = RunRecord(key="a", experiment="e", name="n", params={"rate": 0.1, "depth": 3})
    >>> same = RunRecord(key="a", experiment="e", name="n", params={"depth": 3, "rate": 0.1})
    >>> digest(record) == digest(same)
    True
    """
    content = {
        **{name: getattr(record, name) for name in ("key", "experiment", "name", "parent", "description", "status")},
        "params": {name: str(value) for name, value in record.params.items()},
        "tags": dict(record.tags),
        "metrics": [(name, float(value), int(step)) for name, value, step in record.metrics],
        "artifacts": {path: hashlib.sha256(_content(source)).hexdigest() for path, source in record.artifacts.items()},
        "dataset": None if record.dataset is None else vars(record.dataset),
    }
    return _fingerprint(content)


def _fingerprint(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def size(source: bytes | Path) -> int:
    """Count an artifact's bytes."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def loggable(value: float) -> float:
    """Keep NaN, which MLflow gives back as NaN, and turn infinity into it, which it would give back as 1.8e308."""
    return float(value) if math.isfinite(value) else math.nan


def run_tags(
    record: RunRecord, provenance: Mapping[str, str], *, experiment: str, runs: Mapping[str, str]
) -> dict[str, str]:
    """Write a record's tags as MLflow shows them, all but the digest.

    Args:
        record: the record; what it says wins over the provenance.
        provenance: tags that name a publication rather than a content, such as a git commit.
        experiment: id of the experiment.
        runs: run ids of the records it refers to, by key.
    """
    not_finite = {"record.not_finite": _cut(", ".join(record.not_finite))} if record.not_finite else {}
    return {
        "mlflow.source.name": "dvc repro",
        "mlflow.source.type": "LOCAL",
        **provenance,
        **record.tags,
        **not_finite,
        **note_tag(record, experiment=experiment, runs=runs),
        **reference_tags(record, runs),
        "record.key": record.key,
        "superseded": "false",
    }


def note_tag(record: RunRecord, *, experiment: str, runs: Mapping[str, str]) -> dict[str, str]:
    """Write a record's description with the addresses of the runs it links to."""
    return {"mlflow.note.content": _cut(resolved(record.description, experiment=experiment, runs=runs))}


def reference_tags(record: RunRecord, runs: Mapping[str, str]) -> dict[str, str]:
    """Write the tags that change when a run that the record refers to gets a successor.

    The note changes with them, but is not compared: whoever edits it in the UI keeps the edit for as long as the
    links hold. "record.links" tells for which runs it was written.
    """
    parent = {} if record.parent is None else {"mlflow.parentRunId": runs[record.parent]}
    linked = [runs[key] for key in cited(record.description)]
    return parent | ({"record.links": _fingerprint(linked)} if linked else {})


def experiment_tags(experiment: ExperimentPage, number: str) -> dict[str, str]:
    """Write an experiment's tags as MLflow shows them; the digest comes last and says that the others are there.

    Args:
        experiment: what its page says.
        number: its id.
    """
    return {
        "mlflow.note.content": resolved(experiment.description, experiment=number, runs={}),
        **{f"{VIEW}{key}": view for key, view in experiment.views.items()},
        EXPERIMENT_DIGEST: experiment.digest,
    }


def _cut(text: str) -> str:
    """Fit a text into a tag, visibly and between words: MLflow would cut it without a word, and through a link."""
    mark = " ... (cut)"
    return text if len(text) <= TAG_LIMIT else text[: TAG_LIMIT - len(mark)].rsplit(maxsplit=1)[0] + mark


def _content(source: bytes | Path) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _is_name(name: str) -> bool:
    """Whether MLflow takes it: its characters, and no part that a path would resolve away."""
    return NAME.fullmatch(name) is not None and _is_inside(name)


def _is_inside(path: str) -> bool:
    return path not in ("", ".") and posixpath.normpath(path) == path and not path.startswith(("/", ".."))
