"""Names of metrics: which split, before or after calibration, and which metric."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Stage = Literal["before", "after"]
"""Before or after calibration fitted on validation rows."""

STAGES: tuple[Stage, ...] = get_args(Stage)
_SUFFIX: dict[Stage, str] = {"before": "", "after": "_calibrated"}


class MetricName(NamedTuple):
    """The name of a metric; as text `test/nll` before calibration, `test_calibrated/nll` after it.

    >>> str(MetricName("test", "after", "nll")), MetricName.parse("gap/nll")
    ('test_calibrated/nll', MetricName(split='gap', stage='before', metric='nll'))
    """

    split: str
    stage: Stage
    metric: str

    def __str__(self) -> str:
        return f"{self.split}{_SUFFIX[self.stage]}/{self.metric}"

    @classmethod
    def parse(cls, text: str) -> MetricName:
        """The name that `str` wrote.

        Raises:
            ValueError: there is no slash in the text.
        """
        split, slash, metric = text.partition("/")
        if not slash:
            raise ValueError(f"metric must be named split/metric, got {text!r}")
        stage: Stage = "after" if split.endswith(_SUFFIX["after"]) else "before"
        return cls(split.removesuffix(_SUFFIX["after"]), stage, metric)

    def on(self, split: str) -> MetricName:
        """The same metric on another split."""
        return self._replace(split=split)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        def known(value: Any) -> MetricName:
            return value if isinstance(value, cls) else cls.parse(value)

        text_or_name = core_schema.union_schema([core_schema.is_instance_schema(cls), core_schema.str_schema()])
        return core_schema.no_info_after_validator_function(
            known, text_or_name, serialization=core_schema.to_string_ser_schema()
        )
