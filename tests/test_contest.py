"""The champion's benchmark as Markdown."""

import pytest

from pipeline.reporting.text.contest import ContestBenchmark, losses, markdown, ranks, splits

ABOUT = {"library": "x 1", "train": 10, "test": 5, "features": 2, "classes": 2, "seconds": 2.4}


def contest(*rows: tuple[str, int, str, dict[str, float]]) -> ContestBenchmark:
    contenders = [
        {"name": "champion", "title": "champion", "form": "single", "rival": False},
        {"name": "linear", "title": "Linear", "form": "single", "rival": True},
        {"name": "trees", "title": "Trees", "form": "bag", "rival": False},
    ]
    made = [ABOUT | {"table": table, "split": seed, "contender": name, "nll": nll} for table, seed, name, nll in rows]
    return ContestBenchmark.model_validate({"contenders": contenders, "rows": made}, strict=False)


MEASURED = (
    ("wine", 0, "champion", {"single": 0.2}),
    ("wine", 1, "champion", {"single": 0.4}),
    ("wine", 0, "linear", {"single": 0.3, "bag": 0.2}),
    ("wine", 1, "linear", {"single": 0.5, "bag": 0.2}),
    ("wine", 0, "trees", {"single": 0.1, "bag": 0.3}),
    ("wine", 1, "trees", {"single": 0.1, "bag": 0.1}),
    ("iris", 0, "champion", {"single": 0.5}),
    ("iris", 0, "linear", {"single": 0.4, "bag": 0.5}),
    ("iris", 0, "trees", {"single": 0.6, "bag": 0.7}),
    ("iris", 1, "trees", {"single": 9.0, "bag": 9.0}),
)


def test_losses_are_means_over_the_splits_that_count() -> None:
    made = contest(*MEASURED)
    assert splits(made, "wine") == [0, 1]
    assert splits(made, "iris") == [0]
    plain = losses(made, best=False)
    assert plain["wine"] == pytest.approx({"champion": 0.3, "linear": 0.4, "trees": 0.2})
    assert plain["iris"] == pytest.approx({"champion": 0.5, "linear": 0.4, "trees": 0.7})
    assert losses(made, best=True)["wine"] == pytest.approx({"champion": 0.3, "linear": 0.2, "trees": 0.1})


def test_ranks_are_means_over_tables_and_equal_ones_share_theirs() -> None:
    values = {"a": {"x": 1.0, "y": 2.0}, "b": {"x": 1.0, "y": 1.0}}
    assert ranks(values, ["x", "y"]) == [1.25, 1.75]


def test_the_tables_count_where_the_champion_does_not_lose() -> None:
    text = markdown(contest(*MEASURED))
    assert "| wine | 2 | 0.3000 | 0.4000 | **0.2000** |" in text
    assert "| **mean rank** |  | 2.00 | 2.00 | 2.00 |" in text
    assert "at or below the best of Linear on 1 of 2 tables, and of all on 0." in text
    assert "at or below the best of Linear on 0 of 2 tables, and of all on 0." in text
    assert "| iris | 2 | 2 | 2 |" in text


def test_without_the_champion_there_is_no_verdict() -> None:
    text = markdown(contest(*(row for row in MEASURED if row[2] != "champion")))
    assert "at or below" not in text
    assert "| wine | 2 | 0.4000 | **0.2000** |" in text


def test_who_lacks_a_split_that_counts_has_no_mean_and_who_lacks_a_table_no_rank() -> None:
    made = contest(*(row for row in MEASURED if row[:3] != ("wine", 1, "trees")))
    assert splits(made, "wine") == [0, 1]
    assert list(losses(made, best=False)["wine"]) == ["champion", "linear"]
    text = markdown(made)
    assert "| **mean rank** |  | 1.50 | 1.50 |  |" in text


def test_who_lacks_splits_stands_beside_all_others_on_those_that_all_have() -> None:
    made = contest(*(row for row in MEASURED if row[:3] != ("wine", 1, "trees")))
    whole, beside = markdown(made).split("on the splits that all have been measured on:")
    assert "| wine | 2 | **0.3000** | 0.4000 |  |" in whole
    assert "| wine | 1 | **0.2000** | 0.3000 | 0.3000 |" in beside
    assert "| iris | 1 | 0.5000 | **0.4000** | 0.7000 |" in beside
    assert "all have been measured" not in markdown(contest(*MEASURED))


def test_who_counts_nowhere_has_no_column() -> None:
    text = markdown(contest(*MEASURED[:4], ("wine", 2, "trees", {"single": 0.1, "bag": 0.3})))
    assert "| table | splits | champion | Linear |\n" in text
