"""The page of advice: an answer in a minute for the user's own table, with how sure it is and what was read."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.reporting.page import environment, figure_of
from pipeline.reporting.sections import Picture
from pipeline.reporting.text import references, search
from pipeline.reporting.text.answer import card
from pipeline.reporting.text.columns import columns_table, finding_notes
from pipeline.results.search import SearchResults

GENERATOR = "Regularization Lab, advise"
"""Marks a page as one that may be replaced by the next."""


def advice_page(
    results: SearchResults, picture: Picture, *, file: str, sure: Sequence[str], commands: Sequence[str]
) -> str:
    """The page.

    Args:
        results: what was found; its data set is the user's own table.
        picture: of the arms.
        file: what the table's file is called.
        sure: how sure the answer is, in sentences.
        commands: what makes it reproducible.
    """
    data = results.results.dataset
    assert data.table is not None
    return environment().get_template("advice.html.jinja").render(
        generator=GENERATOR,
        name=data.name,
        file=file,
        data=data,
        protocol=results.results.protocol,
        card=card(results.results),
        conclusion=search.conclusion(results),
        sure=sure,
        commands=commands,
        columns=columns_table(data.table),
        findings=(*data.table.remarks, *finding_notes(data.table.findings)),
        budget=search.budget(results),
        arms=search.arms_table(results),
        contenders=search.contenders_table(results),
        search_notes=search.comparison_notes(results),
        picture=figure_of("arms", picture, data.name),
        references=references.STUDY,
    )  # fmt: skip
