"""The command `ledger`: join the claims of all topics, draw their figures, and write their page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.textbook import load_textbook
from pipeline.config.textbook_map import load_map
from pipeline.core import parallel
from pipeline.core.files import keep_only, write_bytes
from pipeline.core.paths import LEDGER, MAP, NO_CLAIM, TEXTBOOK, TEXTBOOK_PAGE, claim_figure_file, claims_file, map_file
from pipeline.core.progress import progress
from pipeline.stages.figure_files import Drawn, forms_at, written

if TYPE_CHECKING:
    from pipeline.results.textbook import TextbookResults


def ledger(*, jobs: int) -> str:
    """Join the claims of all topics, draw a figure for each, and write the textbook's page."""
    from pipeline.results.record import read_record, write_record  # noqa: PLC0415
    from pipeline.results.textbook import MapRow, TextbookResults, TopicResults  # noqa: PLC0415

    topics = load_textbook(TEXTBOOK).topics
    rows = [read_record(MapRow, map_file(str(rows))) for rows in load_map(MAP).rows]
    table = TextbookResults.join([read_record(TopicResults, claims_file(topic)) for topic in topics], rows)
    write_record(LEDGER, table)
    files = _write_page(table, jobs=jobs)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in table.counts.model_dump().items())
    return f"{LEDGER}: {len(table.claims)} claims, {counts}; {TEXTBOOK_PAGE}: with {files} files of figures"


def _write_page(table: TextbookResults, *, jobs: int) -> int:
    """Write the figures and the page that shows them; how many files of figures there are."""
    from pipeline.reporting.page import textbook_page  # noqa: PLC0415

    files, pictures = written(_draw_all(table, jobs=jobs))
    keep_only(claim_figure_file(""), files)
    write_bytes(TEXTBOOK_PAGE, textbook_page(table, pictures).encode())
    return len(files)


def _draw_all(table: TextbookResults, *, jobs: int) -> list[Drawn]:
    """Every figure, by processes of this machine, whose fonts and versions they depend on."""
    names = [*NO_CLAIM, *(claim.id for claim in table.claims)]
    figures: list[Drawn] = []
    with progress("claims: drawing", len(names), "figures") as tick:
        for figure in parallel.results(_draw, names, arguments=lambda name: (name, table), jobs=jobs, local=True):
            figures.append(figure)
            tick(1)
    return figures


def _draw(name: str, table: TextbookResults) -> Drawn:
    """A claim's figure, or one of the whole ledger: the work of one worker."""
    from pipeline.reporting.figures import audit, canvas, ledger, textbook, textbook_map  # noqa: PLC0415

    with canvas.styled():
        if name == "ledger":
            return forms_at(claim_figure_file(name), ledger.ledger_figure(table))
        if name == "map":
            return forms_at(claim_figure_file(name), textbook_map.map_figure(table.map))
        if name == "audit":
            return forms_at(claim_figure_file(name), audit.audit_figure(table.audit))
        claim = next(claim for claim in table.claims if claim.id == name)
        return forms_at(claim_figure_file(name), textbook.claim_figure(claim))
