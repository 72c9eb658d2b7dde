"""What `generate` says of a data set, and of too few seeds."""

from pathlib import Path

import pytest
from project import STUDY, write_params

from pipeline.stages.generate import generate


@pytest.mark.parametrize(("seeds", "warning"), [(3, "3 cannot decide"), (10, "10 decide only"), (29, "")])
def test_too_few_seeds_are_told_of_before_anything_is_trained(
    seeds: int, warning: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, {**STUDY, "study": {**STUDY["study"], "seeds": seeds}})
    first, *more = generate("wine").splitlines()
    assert first.startswith("data/wine.safetensors: 178 rows, 3 classes; each seed 60 train")
    assert len(more) == bool(warning)
    assert not warning or more[0].startswith(f"study.seeds: {warning}")
