"""The command `report`: join the data sets' parts to one page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.config.params import load_params
from pipeline.core.files import (
    read_json,
    write_bytes,
    write_json,
)
from pipeline.core.paths import (
    CLAIMS_SECTION,
    PAGE,
    PARAMS,
    SUMMARY,
    section_file,
    shared_figure_file,
)
from pipeline.stages.drawing import forms_at, written

if TYPE_CHECKING:
    pass


def report() -> str:
    """Join the data sets' sections to one page, and say what holds across them."""
    from pipeline.reporting.figures import canvas, study  # noqa: PLC0415
    from pipeline.reporting.page import page  # noqa: PLC0415
    from pipeline.results.record import significant  # noqa: PLC0415
    from pipeline.results.study import StudyResults  # noqa: PLC0415
    from pipeline.results.summary import summary  # noqa: PLC0415

    params = load_params(PARAMS)
    sections = [read_json(section_file(dataset)) for dataset in params.study.datasets]
    studies = [section["results"] for section in sections]
    records = [StudyResults.model_validate_json(json.dumps(study)) for study in studies]
    found = significant(summary(records).model_dump(mode="json"), 6)
    with canvas.styled():
        headline = forms_at(shared_figure_file("headline"), study.headline(studies))
        rankings = forms_at(shared_figure_file("rankings"), study.rankings(found, studies))
        best = forms_at(shared_figure_file("best"), study.best([section["search"] for section in sections]))
    _, pictures = written([headline, rankings, best])
    claims = read_json(CLAIMS_SECTION) if CLAIMS_SECTION.exists() else None
    text = page(sections, found, pictures, claims).encode()
    write_json(SUMMARY, found)
    write_bytes(PAGE, text)
    return f"{PAGE}: {len(studies)} data sets on one page of {len(text) / 1e6:.1f} MB; open it in a browser"
