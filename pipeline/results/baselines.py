"""Records of baselines: what each scores, and how it compares with no regularization and with the answer."""

from __future__ import annotations

from pipeline.config.baselines import Baseline
from pipeline.metrics.names import MetricName
from pipeline.results.record import Record
from pipeline.results.study import Comparison, Measured


class Rival(Measured):
    """A network that baselines are compared with; the answer has comparisons with no regularization."""

    name: str


class BaselineResult(Measured):
    """A baseline's metrics, and its comparisons with no regularization.

    Attributes:
        settings: Its row of params.yaml.
        md5: Of its members' file.
        against_answer: Its comparisons with the answer; nothing where that is no regularization.
    """

    name: str
    settings: Baseline
    md5: str
    against_answer: dict[MetricName, Comparison]


class BaselineResults(Record):
    """The finished table of baselines, as reports/<dataset>/baselines.json holds it.

    Attributes:
        seeds: Paired seeds that all were fitted on.
        confidence: Of every interval.
        none: The study's unregularized network, at the learning rate that suits it.
        answer: What the search recommends; None where that is no regularization.
        baselines: In the order of params.yaml; each comparison's family is that of the baselines alone.
    """

    seeds: int
    confidence: float
    none: Rival
    answer: Rival | None
    baselines: tuple[BaselineResult, ...]
