"""The model as MLflow serves it: this file is the model's code, and its folder holds no pickle.

MLflow runs the file wherever the model is loaded, beside a copy of the package; nothing of this project imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.determinism import pin

pin()  # before torch is imported; numpy is there already, see docs/guide.md

import pandas as pd  # noqa: E402
from mlflow.models import set_model  # noqa: E402
from mlflow.pyfunc.model import PythonModel, PythonModelContext  # noqa: E402

from pipeline.champion.storage import Model, from_arrays  # noqa: E402
from pipeline.core.arrays import read_arrays  # noqa: E402
from pipeline.data.options import Reading  # noqa: E402
from pipeline.data.tables.encoding import encode  # noqa: E402
from pipeline.data.tables.table import Table  # noqa: E402


class ServedModel(PythonModel):
    """Gives the class and the probabilities of rows, as `python -m pipeline predict` does."""

    model: Model

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model's one file."""
        path = Path(context.artifacts["model"])
        self.model = from_arrays(*read_arrays(path), name=path.name)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Each row's likeliest class, all its probabilities, and the cheapest decision where costs are known.

        Raises:
            InputError: a column is missing, or holds what its rule cannot read.
        """
        table = Table("the request", model_input.reset_index(drop=True), Reading())
        probabilities = self.model.champion.probabilities(encode(table, self.model.schema))
        return pd.DataFrame(self.model.columns(probabilities))


set_model(ServedModel())
