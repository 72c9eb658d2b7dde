"""Saved views of MLflow's UI: columns, filter, order, and charts in sections.

The UI keeps a view as an experiment tag and lists it under "Views"; this writes what its own "Save view" would.
"""

import json
from collections.abc import Iterable, Sequence

Chart = dict[str, object]
Section = tuple[dict[str, object], list[Chart]]
"""A section, and its charts."""
COMPARED = 'tags.superseded = "false" AND tags.`verdict.after_calibration` != ""'
"""Points, contenders and baselines, each with its latest results."""
TOGETHER = 100  # runs in one chart


def metric(name: str) -> str:
    """Name a metric's column."""
    return f"metrics.`{name}`"


def param(name: str) -> str:
    """Name a parameter's column."""
    return f"params.`{name}`"


def tag(name: str) -> str:
    """Name a tag's column."""
    return f"tags.`{name}`"


def parallel(params: Sequence[str], metrics: Sequence[str]) -> Chart:
    """Draw a line a run through its parameters and metrics; the last metric colours it."""
    chosen = {"selectedParams": list(params), "selectedMetrics": list(metrics), "showAllRuns": False}
    return _chart("PARALLEL", "-".join([*params, *metrics])) | chosen


def bars(name: str) -> Chart:
    """Draw a bar a run, as long as a metric's value."""
    return _chart("BAR", name) | {"metricKey": name}


def lines(name: str) -> Chart:
    """Draw a line a run, a metric against its steps."""
    axes = {"xAxisKey": "step", "yAxisKey": "metric", "xAxisScaleType": "linear", "scaleType": "linear", "range": {}}
    smooth = {"lineSmoothness": 0, "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True, "displayPoints": False}
    return _chart("LINE", name) | {"metricKey": name, "selectedMetricKeys": [name]} | axes | smooth


def section(title: str, charts: Sequence[Chart], *, columns: int, height: int) -> Section:
    """Put charts under a title, so many side by side, each so many pixels high."""
    return _section(title, display=True) | {"columns": columns, "cardHeight": height}, list(charts)


def headline_columns(tuned: str, metrics: Iterable[str], parameters: Iterable[str]) -> list[str]:
    """Columns of compared points, what decides first: verdicts, headline metrics, and these parameters.

    Args:
        tuned: the metric that the choice was made by.
        metrics: the headline metrics that come first.
        parameters: the parameters.
    """
    headline = (tuned, *metrics, "against_none/test_calibrated/nll", "test/nll", "test/accuracy")
    verdicts = (tag("verdict.after_calibration"), tag("verdict.as_trained"))
    return [*verdicts, *map(metric, headline), *map(param, parameters), "attributes.`Description`"]


def saved(
    title: str,
    *,
    columns: Sequence[str],
    search: str,
    order_by: str,
    sections: Sequence[Section],
    folded: Iterable[str] = (),
) -> str:
    """Write a saved view.

    Args:
        title: its name in the UI's list of views.
        columns: the table's columns after the run's name, in this order.
        search: filter, in MLflow's language.
        order_by: column whose smallest value comes first.
        sections: what `section` has made.
        folded: groups of metrics, such as "train" of "train/nll", whose charts the UI adds by itself, kept folded.
    """
    charts = [chart | {"metricSectionId": part["uuid"]} for part, of_part in sections for chart in of_part]
    shown = [part for part, _ in sections]
    state = {
        "searchFilter": search,
        "orderByKey": order_by,
        "orderByAsc": True,
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": charts,
        "compareRunSections": shown + [_section(name, display=False) for name in folded],
        "isAccordionReordered": True,  # or the UI would sort the sections by name
    }
    return json.dumps({"name": title, "createdAt": 0, "state": json.dumps(state)})


def _chart(kind: str, name: str) -> Chart:
    common = {"deleted": False, "isGenerated": False, "runsCountToCompare": TOGETHER}
    return {"uuid": f"{kind.lower()}-{name}", "type": kind, **common}


def _section(title: str, *, display: bool) -> Chart:
    return {"uuid": title, "name": title, "display": display, "isReordered": False, "deleted": False}
