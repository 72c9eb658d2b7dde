"""Links to runs and views in MLflow's UI: Markdown names them by key; here keys become addresses.

Run ids are known only once runs are written, and a run may get a successor; so texts hold keys, as in
`[dropout](record:mixture/dropout)`, `[the table](table:points)` or `[the charts](charts:points)`.
"""

import re
from collections.abc import Mapping

LINK = re.compile(r"(?<=\]\()(record|table|charts):([^)\s]+)(?=\))")
TRAINING = "workflowType=machine_learning"  # without it the UI opens on its pages for chat applications
ADDRESSES = {
    "record": f"#/experiments/{{experiment}}/runs/{{target}}?{TRAINING}",
    "table": f"#/experiments/{{experiment}}/runs?{TRAINING}&viewStateShareKey={{target}}",
    "charts": f"#/experiments/{{experiment}}/runs?{TRAINING}&viewStateShareKey={{target}}&compareRunsMode=CHART",
}


def address(kind: str, target: str, *, experiment: str) -> str:
    """Write where something is, below the address of the UI.

    Args:
        kind: one of `ADDRESSES`.
        target: a run id where the kind is "record", otherwise the key of a view.
        experiment: id of the experiment.

    >>> address("charts", "points", experiment="1")
    '#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=points&compareRunsMode=CHART'
    """
    return ADDRESSES[kind].format(target=target, experiment=experiment)


def cited(text: str) -> list[str]:
    """List the records that a text links to, each once, by key.

    >>> cited("[a](record:study/a), [b](record:study/b), again [a](record:study/a) and [all](table:points)")
    ['study/a', 'study/b']
    """
    return list(dict.fromkeys(target for kind, target in LINK.findall(text) if kind == "record"))


def resolved(text: str, *, experiment: str, runs: Mapping[str, str]) -> str:
    """Replace every key in a text's links by the address of what it names.

    Args:
        text: Markdown.
        experiment: id of the experiment.
        runs: run ids of all records it cites, by key.

    >>> resolved("[a](record:study/a)", experiment="1", runs={"study/a": "7f"})
    '[a](#/experiments/1/runs/7f?workflowType=machine_learning)'
    """

    def replace(link: re.Match[str]) -> str:
        kind, key = link.groups()
        return address(kind, runs[key] if kind == "record" else key, experiment=experiment)

    return LINK.sub(replace, text)
