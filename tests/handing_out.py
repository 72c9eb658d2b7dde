"""In which order and in what portions xdist hands out tests: what takes minutes first, and test by test."""

import pytest
from xdist.scheduler import LoadScopeScheduling

FIRST = (
    "tests/pipeline/test_study.py::TestStudy::test_prints_the_answer",  # makes the study that most others wait for
    "tests/test_readme.py::test_",  # makes another
    "tests/pipeline/test_search.py",  # needs neither
    "tests/test_readme.py::TestTable",
    "tests/pipeline/",
    "tests/test_ui.py",
    "tests/test_contributing.py",
)
"""How the names of tests begin that take longest, in the order in which they are to start."""
ONE_BY_ONE = "tests/pipeline/"
"""What these tests share is made once for all workers: each may run anywhere."""


def place(item: pytest.Item) -> int:
    """A key to sort tests by."""
    return next((place for place, start in enumerate(FIRST) if item.nodeid.startswith(start)), len(FIRST))


class Portions(LoadScopeScheduling):
    """Modules and classes, so that their fixtures are made once; alone what takes long and shares nothing else."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(ONE_BY_ONE) else str(super()._split_scope(nodeid))
