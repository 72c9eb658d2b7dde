"""Tables of the champion's benchmark: where they come from, how they are split and what contenders see of them.

Eight were chosen before anything had been fitted to them: numbers, categories and gaps, 344 to 48,842 rows, two to five
classes, public and much used; on adult and sick, boosted trees were expected to win. Three have numbers only and come
with scikit-learn. The others are read from `FOLDER/NAME.csv`, with OpenML's column names, or fetched from openml.org.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MOST_TEST_ROWS = 20_000
GAPS = ("?", " ", "")


@dataclass(frozen=True)
class Table:
    """A table, and the rows that each split trains on.

    Attributes:
        train: rows to train on; all others are tested on, `MOST_TEST_ROWS` of them at most.
        openml: number on openml.org; 0 where scikit-learn has the rows.
        target: column of the class in the CSV file.
        drop: columns that name a row, are empty, or are only known once the class is.
        source: who made it, and its licence as openml.org or the named source has it.
    """

    train: int
    openml: int = 0
    target: str = "class"
    drop: tuple[str, ...] = ()
    source: str = "scikit-learn (UCI, CC BY 4.0)"


TABLES = {
    "digits": Table(500),
    "breast_cancer": Table(300),
    "wine": Table(120),
    "titanic": Table(
        870, 40945, "survived", ("name", "ticket", "cabin", "boat", "body", "home.dest"),
        "Encyclopedia Titanica, titanic3.csv of Vanderbilt's biostatistics (public)",
    ),
    "penguins": Table(229, 42585, "species", (), "Palmer Station LTER, Gorman et al. 2014 (CC0)"),
    "credit_approval": Table(460, 29, "class", (), "UCI Credit Approval, Quinlan 1987 (CC BY 4.0)"),
    "colic": Table(245, 25, "surgical_lesion", (), "UCI Horse Colic, McLeish & Cecile 1989 (CC BY 4.0)"),
    "eucalyptus": Table(490, 188, "Utility", (), "Eucalyptus Soil Conservation, Thomson 1991, with Weka (public)"),
    "sick": Table(2000, 38, "Class", ("TBG", "TBG measured"), "UCI Thyroid Disease, Quinlan 1987 (CC BY 4.0)"),
    "telco_churn": Table(2000, 42178, "Churn", ("customerID",), "IBM sample data, Telco Customer Churn (public)"),
    "adult": Table(2000, 1590, "class", (), "UCI Adult, Becker & Kohavi 1996 (CC BY 4.0)"),
}  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Training and test rows as each kind of contender sees them; classes are 0, 1, ... in order of their names.

    Attributes:
        raw: as they were read.
        scaled: numbers standardized, gaps the median and an indicator; an indicator for each category, gaps are one.
        trees: the same, but numbers as they are and gaps NaN.
        native: numbers as in `scaled`, categories as pandas has them.
        labels: class of each row.
    """

    raw: tuple[pd.DataFrame, pd.DataFrame]
    scaled: tuple[NDArray[np.float64], NDArray[np.float64]]
    trees: tuple[NDArray[np.float64], NDArray[np.float64]]
    native: tuple[pd.DataFrame, pd.DataFrame]
    labels: tuple[NDArray[np.int64], NDArray[np.int64]]


def read(name: str, folder: Path | None) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Features and classes of a table."""
    table = TABLES[name]
    if not table.openml:
        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        return bunch.data, bunch.target.to_numpy(np.int64)
    text: Path | StringIO
    if folder is None:
        bunch = datasets.fetch_openml(data_id=table.openml, as_frame=True, parser="pandas")
        target, text = bunch.target.name, StringIO(bunch.frame.to_csv(index=False))
    else:
        target, text = table.target, folder / f"{name}.csv"
    frame = pd.read_csv(text, na_values=list(GAPS), keep_default_na=False)
    features, classes = frame.drop(columns=target), frame[target]
    features = features.drop(columns=[column for column in table.drop if column in features])
    texts = features.select_dtypes(exclude="number").columns
    features = features.astype(dict.fromkeys(texts, "str"))  # NaN stays NaN
    return features, np.unique(classes.astype(str), return_inverse=True)[1].astype(np.int64)


def split(name: str, folder: Path | None, seed: int) -> Split:
    """Rows of one stratified split."""
    features, labels = read(name, folder)
    train, test = train_test_split(
        np.arange(len(labels)),
        train_size=TABLES[name].train,
        test_size=min(len(labels) - TABLES[name].train, MOST_TEST_ROWS),
        stratify=labels,
        random_state=seed,
    )
    raw = tuple(features.iloc[rows].reset_index(drop=True) for rows in (train, test))
    return Split(
        raw=raw,
        scaled=_encoded(raw, scaled=True),
        trees=_encoded(raw, scaled=False),
        native=_native(raw),
        labels=(labels[train], labels[test]),
    )


def _encoded(raw: tuple[pd.DataFrame, pd.DataFrame], *, scaled: bool) -> tuple[Any, Any]:
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    texts = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    encoder = make_column_transformer(
        (numbers if scaled else "passthrough", make_column_selector(dtype_include="number")),
        (texts, make_column_selector(dtype_exclude="number")),
    )
    train = encoder.fit_transform(raw[0])
    return np.asarray(train, np.float64), np.asarray(encoder.transform(raw[1]), np.float64)


def _native(raw: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Numbers without gaps beside their indicators; categories, of which those that training rows lack are gaps."""
    train, test = (frame.copy() for frame in raw)
    for column in raw[0]:
        if pd.api.types.is_numeric_dtype(train[column]):
            gap, median = train[column].isna().any(), train[column].median()
            for frame in (train, test):
                if gap:
                    frame[f"{column} missing"] = frame[column].isna().astype(np.float64)
                frame[column] = frame[column].astype(np.float64).fillna(median)
        else:
            known = pd.CategoricalDtype([*sorted(train[column].dropna().unique()), "missing"])
            for frame in (train, test):
                frame[column] = frame[column].where(frame[column].isin(known.categories), "missing").astype(known)
    return train, test
