"""Studies as people find them in Optuna's dashboard: readable names, names of objectives, strengths of trials."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import count

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from pipeline.config.dimensions import strengths
from pipeline.config.search_space import Search, measure
from pipeline.config.settings import Setting
from pipeline.results.readable_names import readable_arms
from pipeline.search.storage import turn

SETTINGS = "settings"
"""The attribute of a study that says what its trials depend on."""


def strengths_of(trial: FrozenTrial, search: Search) -> dict[str, Setting]:
    """The strengths that a trial's coordinates stand for: 0, false or none where one is off.

    Coordinates beyond the weak end of a range mean off; they are numbers that nobody would understand.
    """
    return strengths({name: search.space[name] for name in trial.params}, trial.params)


def studies_of(storage: BaseStorage, dataset: str, settings: Mapping[str, str], search: Search) -> dict[str, str]:
    """The name of each arm's study, which is made where there is none.

    It is that of the data set and the arm, with a number from the second study on: other settings are another study,
    which is gone on with once they come back.

    Args:
        storage: where the studies are.
        dataset: its name.
        settings: by arm, a name of all that its trials depend on.
        search: what is searched.
    """
    with turn(storage) as is_ours:
        known = names_by_settings(storage)
        return {
            arm: known.get(each) or _made(storage, f"{dataset} {arm}", each, search, takes_over=is_ours)
            for arm, each in settings.items()
        }


def names_by_settings(storage: BaseStorage) -> dict[str, str]:
    """The names of the studies that there are; one without the attribute has the name of its settings itself."""
    summaries = optuna.get_all_study_summaries(storage)
    return {each.user_attrs.get(SETTINGS, each.study_name): each.study_name for each in summaries}


def _made(storage: BaseStorage, title: str, settings: str, search: Search, *, takes_over: bool) -> str:
    """Make a study with the first name that is free, or that was left half made, unless another search may be at it."""
    for number in count(1):
        name = readable_arms(title) + f" ({number})" * (number > 1)
        try:
            study = optuna.create_study(
                storage=storage, study_name=name, directions=["minimize"] * len(search.objectives)
            )
        except DuplicatedStudyError:
            study = optuna.load_study(study_name=name, storage=storage)
            if not (takes_over and _is_half_made(study)):
                continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([measure(objective) for objective in search.objectives])
        study.set_user_attr(SETTINGS, settings)
        return name
    raise AssertionError("numbers have no end")


def _is_half_made(study: optuna.Study) -> bool:
    """Whether a search was interrupted between making a study and saying what its settings are."""
    return SETTINGS not in study.user_attrs and not study.trials
