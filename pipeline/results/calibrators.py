"""Records of calibrators: whether verdicts on points survive each of them."""

from __future__ import annotations

from pipeline.results.record import Record
from pipeline.results.study import Comparison, Finding

DECIDED = ("better", "worse")


class CalibratorResult(Record):
    """What the study finds where this calibrator is fitted on every seed's validation rows.

    Attributes:
        name: What readers call it.
        nll: Mean test NLL of every point after it, in nats, by the point's key.
        against_reference: Test NLL of every point after it, compared with the unregularized point's; not the latter.
    """

    name: str
    nll: dict[str, float | None]
    against_reference: dict[str, Comparison]

    @property
    def findings(self) -> dict[str, Finding]:
        """What is found of every point but the unregularized one, by key."""
        return {key: entry.finding for key, entry in self.against_reference.items()}


class CalibratorResults(Record):
    """The finished table of calibrators, as reports/<dataset>/calibrators.json holds it.

    Attributes:
        seeds: Paired seeds.
        confidence: Of every interval.
        counted: Keys of the points that count: not the unregularized one, what equals it, the A/A check, or what
            diverged.
        usual: The study's own calibrator.
        others: All others.
    """

    seeds: int
    confidence: float
    counted: tuple[str, ...]
    usual: CalibratorResult
    others: tuple[CalibratorResult, ...]

    @property
    def decided(self) -> tuple[str, ...]:
        """Keys of the points that count and are better or worse after the study's own calibrator."""
        return tuple(key for key in self.counted if self.usual.findings[key] in DECIDED)

    def changed(self, other: CalibratorResult) -> tuple[str, ...]:
        """Keys of the points that count and of which something else is found after another calibrator."""
        return tuple(key for key in self.counted if other.findings[key] != self.usual.findings[key])

    def reversed_by(self, other: CalibratorResult) -> tuple[str, ...]:
        """Keys of the points that count and are better after one calibrator and worse after the other."""
        return tuple(key for key in self.decided if {self.usual.findings[key], other.findings[key]} == {*DECIDED})
