"""Optuna's studies of a search: the storage, and in it one study for each arm and settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pipeline.config.params import Params
from pipeline.core.fingerprint import fingerprint
from pipeline.core.paths import data_file, journal_file, output

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@contextmanager
def opened_studies(
    dataset: str, params: Params, arms: Iterable[str], *, url: str | None = None, fresh: bool = False
) -> Iterator[tuple[BaseStorage, dict[str, str]]]:
    """The storage of a data set's studies, and the name of each arm's, emptied where it is to be fresh.

    Raises:
        InputError: another search is running, or the storage cannot be opened.
    """
    from pipeline.search.storage import opened  # noqa: PLC0415
    from pipeline.search.studies import names_by_settings, strengths_of, studies_of  # noqa: PLC0415

    search, every = params.search, _settings(dataset, params)
    settings = {arm: every[arm] for arm in arms}
    describe = partial(strengths_of, search=search)
    with opened(output(journal_file(dataset)).absolute(), url, describe=describe) as storage:
        if fresh:
            known = names_by_settings(storage)
            _forget(storage, [known[each] for each in settings.values() if each in known])
        yield storage, studies_of(storage, dataset, settings, search)


def _settings(dataset: str, params: Params) -> dict[str, str]:
    """A name of all that each arm's trials depend on: other settings are another study."""
    search = params.search
    settings = search.model_dump(mode="json", exclude={"trials", "arms", "space"})
    shared = fingerprint(
        settings,
        params.base.model_dump(mode="json"),
        params.study.seeds,
        code=["search.optimize"],
        files=[data_file(dataset)],
    )
    ranges = {arm: [(n, d.model_dump(mode="json")) for n, d in search.dimensions(arm).items()] for arm in search.arms}
    return {arm: f"{dataset} {arm} {fingerprint(shared, space)[:8]}" for arm, space in ranges.items()}


def _forget(storage: BaseStorage, names: Iterable[str]) -> None:
    """Delete studies, so that they start anew."""
    import optuna  # noqa: PLC0415

    for name in names:
        optuna.delete_study(study_name=name, storage=storage)
