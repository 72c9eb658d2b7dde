"""A search within a time: how far it goes is told anew after every batch, by the speed of the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from pipeline.config.budget import scaled_down
from pipeline.config.cost import Networks, network_epochs, search_networks_of
from pipeline.config.params import Params
from pipeline.stages.study_length import Speed


@dataclass
class Pace:
    """Trials and seeds that still fit into the time; a callable as `search_alone` takes it.

    Only the clock decides, no result does: what is left of the plan is made smaller where the search turns out to be
    slower than was measured before it, as far down as something can be decided.

    Attributes:
        plan: The most that is done; what cannot be changed once the search runs stands in it.
        deadline: When training is to end, by `clock`.
        speed: Measured before the search, then of its last batch.
        clock: Seconds.
    """

    plan: Params
    deadline: float
    speed: Speed
    clock: Callable[[], float] = monotonic
    _trials: int = field(default=0, init=False)
    _moment: float = field(default=0.0, init=False)

    def __call__(self, trials: int) -> tuple[int, int]:
        """Trials of each arm, where it has so many, and seeds that winners are compared on."""
        now = self.clock()
        if trials > self._trials:
            epochs = network_epochs(self.plan, Networks(0, 0, self._networks(trials - self._trials), 0, 0))
            self.speed = Speed((now - self._moment) / epochs)
        self._trials, self._moment = trials, now
        extents = [(max(trials, each.search.trials), each.study.seeds) for each in scaled_down(self.plan)]
        return next((each for each in extents if self._seconds(*each) <= self.deadline - now), extents[-1])

    def _networks(self, trials: int) -> int:
        return trials * len(self.plan.search.arms) * self.plan.search.seeds

    def _seconds(self, trials: int, seeds: int) -> float:
        """How long it takes from here to so many trials of each arm, and to compare winners on so many seeds."""
        study = self.plan.study.model_copy(update={"seeds": seeds})
        search = self.plan.search.model_copy(update={"trials": trials - self._trials})
        ahead = self.plan.model_copy(update={"study": study, "search": search})
        return self.speed.seconds(ahead, search_networks_of(ahead))
