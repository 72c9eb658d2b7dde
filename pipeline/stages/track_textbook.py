"""The command `track-textbook`: publish to MLflow what it lacks of the textbook's claims, and print their table."""

from __future__ import annotations

import sys

from pipeline.core.paths import LEDGER, claim_figure_file
from pipeline.results.record import read_record
from pipeline.results.textbook import TextbookResults
from pipeline.stages.track import publish_all


def track_textbook() -> str:
    """Publish the claims' verdicts to MLflow, where the store lacks them, and print them."""
    from pipeline.reporting.table import screen_width  # noqa: PLC0415
    from pipeline.reporting.text import textbook  # noqa: PLC0415
    from pipeline.tracking.textbook import experiment_of, records_of  # noqa: PLC0415 (numpy)

    results = read_record(TextbookResults, LEDGER)
    figures = {path.stem: path for path in claim_figure_file("").glob("*.png")}
    line = publish_all(records_of(results, figures), [experiment_of(results)])
    print(textbook.render(results, width=screen_width(), color=sys.stdout.isatty()))
    return line
