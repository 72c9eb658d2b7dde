"""Settings of regularizers: is what is off the default, and does a word read as params.yaml has it?"""

import pytest
from ruamel.yaml import YAML

from pipeline.config.points import Regularizers
from pipeline.config.settings import is_on, word


def test_nothing_is_on_by_default():
    assert not any(is_on(setting) for _, setting in Regularizers())


@pytest.mark.parametrize("setting", [True, False, 0.0, 0.5, 1e-5, "none", "nll_calibrated"])
def test_a_word_is_what_yaml_reads(setting):
    assert YAML(typ="safe", pure=True).load(word(setting)) == setting
