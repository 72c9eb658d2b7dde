"""Do the figures of claims show what their tables say, whatever shape these have, the same to the byte?"""

from typing import Any

import matplotlib.pyplot as plt
import pytest
from claim_tables import (
    AIMED,
    AUDIT,
    CAN,
    CLAIMS,
    DENIED,
    EVERYWHERE,
    EXACT,
    FAILED,
    MANY,
    MAP,
    MIXED,
    SAME,
    STRENGTHS,
    cell,
    claim,
    effect,
    table,
)
from claim_tables import axes as made_axes
from claim_tables import line as made_line
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.reporting.figures import canvas, textbook_axes, textbook_forest, textbook_looks
from pipeline.reporting.figures.audit import audit_figure
from pipeline.reporting.figures.ledger import ledger_figure
from pipeline.reporting.figures.textbook import claim_figure
from pipeline.reporting.figures.textbook_blocks import packed
from pipeline.reporting.figures.textbook_forest import COLOUR, HELD, SENTENCE_COLOUR, SMALL
from pipeline.reporting.figures.textbook_map import map_figure
from pipeline.reporting.text.textbook import SIGNS, checked, compared, counted, difference, parts
from pipeline.reporting.text.textbook_map import reading
from pipeline.reporting.text.textbook_places import tally
from pipeline.results.textbook import ENOUGH, ClaimResult


@pytest.fixture(autouse=True)
def _styled() -> Any:
    with canvas.styled():
        yield
    assert plt.get_fignums() == []


def texts(figure: Figure) -> list[str]:
    inside = [text for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels(), axes.title)]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    return [text.get_text() for text in (*figure.texts, *inside)] + titles


def forests(figure: Figure) -> list[Axes]:
    """Axes beside which numbers stand."""
    return [axes for axes in figure.axes if any("[95%]" in text.get_text() for text in axes.texts)]


def line_axes(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.axison and axes not in forests(figure)]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
@pytest.mark.slow
class TestEveryClaim:
    def test_draws_its_sentence_its_verdict_and_its_axes(self, claim: ClaimResult) -> None:
        figure = claim_figure(claim).figure
        shown = [text.replace("\n", " ") for text in texts(figure)]
        assert claim.sentence in shown
        assert tally(claim) in shown
        word = f"{SIGNS[claim.verdict]} {claim.verdict}"
        (verdict,) = (text for text in figure.texts if text.get_text() == word)
        assert verdict.get_color() == SENTENCE_COLOUR[claim.verdict]
        assert len(line_axes(figure)) == len(claim.axes)

    def test_states_every_difference_in_its_colour(self, claim: ClaimResult) -> None:
        numbers = {}
        for axes in forests(claim_figure(claim).figure):
            numbers |= {text.get_text()[2:]: text.get_color() for text in axes.texts}
        for part in parts(claim):
            assert numbers[difference(part)] == canvas.DARK[COLOUR[part.cell.verdict]]

    def test_says_n_the_intervals_and_the_data(self, claim: ClaimResult) -> None:
        caption = claim_figure(claim).caption
        assert claim.source in caption
        if claim.effects:
            assert "n = 30 paired seeds" in caption
            assert "95% Student t intervals" in caption
            assert all(name.replace("_", " ") in caption for name in claim.datasets)
        assert ("have no interval" in caption) == bool(claim.checks)
        assert ("widened" in caption) == (claim.id == "dropout.everywhere")

    def test_is_the_same_to_the_byte(self, claim: ClaimResult) -> None:
        first, second = (canvas.forms(claim_figure(claim)) for _ in range(2))
        assert first == second
        assert first.png.startswith(b"\x89PNG")

    def test_fits_a_page(self, claim: ClaimResult) -> None:
        width, height = claim_figure(claim).figure.get_size_inches()
        assert width == 11
        assert 1.5 < height < 17


class TestForest:
    def test_dots_stand_where_the_table_says_with_the_colours_of_verdicts(self) -> None:
        (axes,) = forests(claim_figure(MIXED).figure)
        dots = {
            float(x[0]): to_hex(line.get_color())
            for line in axes.lines
            for x in [line.get_xdata()]
            if len(x) == 1 and line.get_marker() != "None"
        }
        known = [part.cell for part in parts(MIXED) if part.cell.mean is not None]
        assert dots == {entry.mean: COLOUR[entry.verdict].lower() for entry in known}
        assert sum("not finite" in text.get_text() for text in axes.texts) == 1

    @pytest.mark.parametrize(
        ("claim", "held", "small"),
        [
            (EVERYWHERE, [(-1e6, -0.01)], [(-0.01, 0.01)]),
            (CAN, [(0.01, 1e6)], [(-0.01, 0.01)]),
            (DENIED, [(-0.01, 1e6)], []),
        ],
        ids=["lower", "higher", "denied"],
    )
    def test_the_sentences_side_is_shaded(self, claim: ClaimResult, held: list[Any], small: list[Any]) -> None:
        (axes,) = forests(claim_figure(claim).figure)
        boxes = [patch for patch in axes.get_children() if isinstance(patch, Rectangle) and patch is not axes.patch]
        for colour, wanted in ((HELD, held), (SMALL, small)):
            shaded = [box for box in boxes if to_hex(box.get_facecolor()) == colour.lower()]
            ranges = [(box.get_x(), box.get_x() + box.get_width()) for box in shaded]
            assert ranges == [pytest.approx(pair) for pair in wanted]

    def test_of_the_same_is_inside_the_margin(self) -> None:
        axes = forests(claim_figure(SAME).figure)[-1]
        box = next(patch for patch in axes.patches if to_hex(patch.get_facecolor()) == HELD.lower())
        assert isinstance(box, Rectangle)
        assert (box.get_x(), box.get_width()) == (-0.01, 0.02)

    def test_scales_and_experiments_have_axes_of_their_own(self) -> None:
        other = effect("elsewhere", cell("mixture", -9.0), experiment="other")
        accuracy = effect("higher", cell("mixture", 0.1), metric="test/accuracy", direction="higher")
        made = claim("a.b", "A.", "everywhere", effect("one", cell("mixture", -0.1)), other, accuracy)
        labels = [axes.get_xlabel() for axes in forests(claim_figure(made).figure)]
        gap = "difference in gap of NLL (nats)"
        assert labels == [gap, gap, "difference in test accuracy"]

    def test_what_is_small_beside_others_has_an_axis_of_its_own(self) -> None:
        large, small = (effect("one", cell("mixture", mean, 0.001), least=0.001) for mean in (-1.0, -0.01))
        assert textbook_forest.groups([small, large]) == [[large], [small]]

    def test_what_is_compared_with_a_number_is_drawn_as_its_value(self) -> None:
        (axes,) = forests(claim_figure(AIMED).figure)
        assert axes.get_xlabel() == "training accuracy at epoch 200"
        assert [list(line.get_xdata()) for line in axes.lines] == [[1, 1], [0.998, 0.998], [0.998]]
        assert "✓ 0.998, target 1" in [text.get_text() for text in axes.texts]
        assert textbook_forest.reach(AIMED.effects)[0] == pytest.approx(0.987 - 0.00104)

    def test_what_lies_far_outside_is_an_arrow_with_its_number(self) -> None:
        cells = [cell("mixture", -0.1), cell("digits", -0.2), cell("breast_cancer", -40.0)]
        (axes,) = forests(claim_figure(claim("a.b", "A.", "everywhere", effect("one", *cells))).figure)
        left, right = axes.get_xlim()
        assert -1 < left < -0.2 < 0 < right
        assert any("−40.0" in text.get_text() for text in axes.texts)
        assert [line.get_marker() for line in axes.lines].count("<") == 1

    def test_zero_everywhere_shows_the_margin(self) -> None:
        axes = Figure().subplots()
        textbook_forest.forest(axes, [effect("none", cell("mixture", 0.0, 0.0), direction="same")])
        left, right = axes.get_xlim()
        assert -0.02 < left < -0.01 < 0.01 < right < 0.02


@pytest.mark.slow
class TestLines:
    def test_strengths_stand_at_their_numbers_and_have_their_intervals(self) -> None:
        axes = line_axes(claim_figure(EVERYWHERE).figure)[0]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.2", "0.5"]
        assert list(axes.get_xticks()) == [0, 0.2, 0.5]
        assert axes.get_xscale() == "linear"
        (line,) = axes.lines
        assert list(line.get_ydata()) == [0.7, 0.4, 0.3]
        (bars,) = axes.collections
        assert [tuple(segment[:, 1]) for segment in bars.get_segments()] == [
            pytest.approx((value - 0.05, value + 0.05)) for value in (0.7, 0.4, 0.3)
        ]

    def test_widths_are_numbers_in_their_order(self) -> None:
        axes = line_axes(claim_figure(DENIED).figure)[0]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["64", "256"]
        assert axes.get_xlabel() == "width of the hidden layers"
        assert list(axes.get_xticks()) == [64, 256]

    @pytest.mark.parametrize(
        ("values", "scale"),
        [((0.0, 0.2, 0.5), "linear"), ((0.1, 1.0, 10.0), "log"), ((0.0, 0.1, 10.0), "symlog")],
        ids=["near", "far", "far with none"],
    )
    def test_strengths_far_apart_have_a_logarithmic_axis(self, values: tuple[float, ...], scale: str) -> None:
        drawn = [made_axes("mixture", "weight_decay", made_line("test/nll", values, (1, 2, 3)))]
        (axes,) = line_axes(claim_figure(claim("a.b", "A.", "everywhere", axes=drawn)).figure)
        assert axes.get_xscale() == scale
        assert list(axes.get_xticks()) == list(values)
        assert axes.lines[0].get_xdata() == pytest.approx(values)

    def test_an_absurd_interval_does_not_flatten_the_others(self) -> None:
        wild = made_line("test/nll", STRENGTHS, (0.5, 0.4, 70.0))
        wild = wild.model_copy(update={"low": (*wild.low[:2], -500.0), "high": (*wild.high[:2], 600.0)})
        drawn = [made_axes("mixture", "dropout", made_line("train/nll", STRENGTHS, (0.2, 0.3, 0.4)), wild)]
        (axes,) = line_axes(claim_figure(claim("a.b", "A.", "everywhere", axes=drawn)).figure)
        low, high = axes.get_ylim()
        assert 0 < low < 0.15 < 0.55 < high < 1
        assert sorted(str(line.get_marker()) for line in axes.lines)[:2] == ["^", "o"]
        assert [line.get_marker() for line in axes.lines].count("v") == 1

    def test_a_strength_of_none_on_one_line_only_is_a_reference(self) -> None:
        lines = [
            made_line("test/nll", (0.0, 0.25, 0.5), (0.5, 0.6, 0.7), shared_dropout=False),
            made_line("test/nll", (0.25, 0.5), (0.6, 0.5), shared_dropout=True),
        ]
        drawn = [made_axes("digits", "dropout", *lines)]
        figure = claim_figure(claim("dropout.spatial", "A.", "everywhere", axes=drawn)).figure
        (axes,) = line_axes(figure)
        assert [list(line.get_ydata()) for line in axes.lines] == [[0.6, 0.7], [0.6, 0.5], [0.5, 0.5]]
        assert "no dropout" in texts(figure)
        boxes = [legend for each in figure.axes if (legend := each.get_legend())]
        legends = [text.get_text() for legend in boxes for text in legend.get_texts()]
        assert legends == ["plain dropout", "spatial dropout"]

    def test_names_of_strengths_do_not_touch(self) -> None:
        axes = Figure().subplots()
        axes.set_xticks([0.0, 0.05, 0.1, 0.2], ["0", "0.05", "0.1", "0.2"])
        axes.set_xlim(0, 0.2)
        textbook_axes.thin(axes, 1.0)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "", "0.1", "0.2"]

    def test_a_missing_mean_is_a_gap(self) -> None:
        axes = line_axes(claim_figure(MIXED).figure)[0]
        values = [list(line.get_ydata()) for line in axes.lines]
        assert all(value[1] != value[1] for value in values)

    def test_epochs_have_bands_and_cells_have_names(self) -> None:
        drawn_axes = line_axes(claim_figure(SAME).figure)
        epochs = next(axes for axes in drawn_axes if axes.get_xlabel() == "epoch")
        assert (epochs.get_xscale(), len(epochs.collections), epochs.get_xlim()) == ("symlog", 2, (0, 100))
        cells = next(axes for axes in drawn_axes if axes.yaxis_inverted())
        assert [label.get_text() for label in cells.get_yticklabels()] == ["none", "dropout 0.5"]

    def test_theory_is_dashed_and_named(self) -> None:
        figure = claim_figure(SAME).figure
        legends = [text for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
        assert "ε(E[max p] − 1/K)" in [text.get_text() for text in legends]
        axes = next(axes for axes in line_axes(figure) if axes.get_xlabel() == "smoothing ε")
        theory = next(line for line in axes.lines if list(line.get_ydata()) == [0, 0.1, 0.2])
        assert (to_hex(theory.get_color()), theory.is_dashed()) == ("#000000", True)
        assert len(axes.collections) == 1

    def test_axes_of_one_metric_share_a_line_and_its_axis(self) -> None:
        assert [[len(block.parts) for block in line] for line in packed(MANY.axes)] == [[4], [4], [4]]
        drawn_axes = line_axes(claim_figure(MANY).figure)
        assert drawn_axes[1].get_shared_y_axes().joined(drawn_axes[0], drawn_axes[3])
        assert not drawn_axes[0].get_shared_y_axes().joined(drawn_axes[0], drawn_axes[4])
        assert [axes.get_ylabel() for axes in drawn_axes[::4]] == ["test accuracy", "test NLL (nats)", "test ECE"]

    def test_a_data_set_of_another_size_has_an_axis_of_its_own(self) -> None:
        drawn = [
            made_axes(name, "dropout", made_line("test/nll", (0, 1), (0.5, high)))
            for name, high in (("mixture", 30.0), ("digits", 1.0))
        ]
        first, second = line_axes(claim_figure(claim("a.b", "A.", "everywhere", axes=drawn)).figure)
        assert not first.get_shared_y_axes().joined(first, second)

    def test_two_crossed_fields_are_colours_and_dashes(self) -> None:
        lines = MANY.axes[0].lines
        looks = textbook_looks.looks(lines)
        assert len({(look.color, str(look.linestyle)) for look in looks.values()}) == 4
        labels = [handle.get_label() for handle in textbook_looks.handles(lines, looks)]
        assert labels == ["weight decay 0", "weight decay 1", "label smoothing 0", "label smoothing 0.1"]

    def test_axes_that_are_otherwise_alike_say_what_tells_them_apart(self) -> None:
        drawn = [
            made_axes("digits", "dropout", made_line("test/nll", (0, 1), (1, 2)), where={"label_noise": (noise,)})
            for noise in (0.0, 0.2)
        ]
        figure = claim_figure(claim("a.b", "A.", "everywhere", axes=drawn)).figure
        titles = [axes.get_title(loc="left") for axes in line_axes(figure)]
        assert titles == ["digits, wrong labels 0", "digits, wrong labels 0.2"]


def test_exact_checks_are_a_table_of_numbers() -> None:
    shown = texts(claim_figure(FAILED).figure)
    for wanted in ("one", "other", "1.2e−07", "0 ± 1e−06", "✓", "✗"):
        assert wanted in shown


class TestLedger:
    def test_has_every_sentence_and_bars_of_its_shares(self) -> None:
        made = table()
        figure = ledger_figure(made).figure
        shown = texts(figure)
        assert f"{counted(made)}." in shown
        assert [claim.sentence in shown for claim in CLAIMS] == [True] * len(CLAIMS)
        assert [shown.count(claim.verdict) > 0 for claim in CLAIMS] == [True] * len(CLAIMS)
        bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
        for verdict, colour in COLOUR.items():
            widths = [bar.get_width() for bar in bars if to_hex(bar.get_facecolor()) == colour.lower()]
            counts = [compared(claim) for claim in CLAIMS]
            shares = [count[verdict] / sum(count.values()) for count in counts if count[verdict]]
            assert widths == pytest.approx(shares)

    def test_wraps_a_long_sentence(self) -> None:
        long = EXACT.model_copy(update={"sentence": "word " * 40})
        (shown,) = (text for text in texts(ledger_figure(table(long)).figure) if text.startswith("word"))
        assert shown.split() == ["word"] * 40

    def test_says_how_many_exact_checks_hold_beside_the_bars(self) -> None:
        shown = texts(ledger_figure(table()).figure)
        assert [checked(claim) in shown for claim in (EXACT, FAILED)] == [True, True]

    def test_explains_marks_n_and_intervals(self) -> None:
        caption = ledger_figure(table()).caption
        for wanted in ("n = 30 paired seeds", "95% Student t interval", "Bonferroni", "the mirror image"):
            assert wanted in caption

    @pytest.mark.slow
    def test_is_the_same_to_the_byte(self) -> None:
        assert canvas.forms(ledger_figure(table())) == canvas.forms(ledger_figure(table()))


class TestMap:
    def test_every_place_is_a_tile_with_its_gain_and_its_winner(self) -> None:
        drawing = map_figure(MAP)
        assert drawing is not None
        (axes,) = drawing.figure.axes
        tiles = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert [tile.get_xy() for tile in tiles] == [(0, 0), (0, 1), (1, 0), (1, 1)]
        shown = [text.get_text() for text in axes.texts]
        assert shown == ["+0.200", "dropout", "", "+0.100", "mixup", "≈ dropout", "+0.010", "open", "+0.000", "none"]
        faces = [to_hex(tile.get_facecolor()) for tile in tiles]
        assert (faces[0], faces[1] != faces[0], faces[2:]) == (canvas.COLOURS[0].lower(), True, ["#ffffff"] * 2)
        assert [bool(tile.get_hatch()) for tile in tiles] == [False, False, True, False]

    def test_its_reading_is_two_sentences(self) -> None:
        assert reading(MAP) == (
            "A tuned regularizer beats the tuned network without one at 2 of 4 places (dropout at 1 and mixup at 1), "
            "most at 16 training rows with 0% wrong labels, by 0.200 nats. None gains 0.005 nats at 1 place (64 "
            "training rows, 20% wrong labels), and at 1 it is open."
        )

    def test_without_a_map_nothing_is_drawn(self) -> None:
        assert map_figure([]) is None

    @pytest.mark.slow
    def test_is_the_same_to_the_byte(self) -> None:
        first, second = map_figure(MAP), map_figure(MAP)
        assert first is not None
        assert second is not None
        assert canvas.forms(first) == canvas.forms(second)


class TestAudit:
    def test_bias_and_coverage_stand_where_the_rows_say(self) -> None:
        drawing = audit_figure(AUDIT)
        assert drawing is not None
        above, below = drawing.figure.axes[0], drawing.figure.axes[2]
        biases = {line.get_label(): list(line.get_ydata()) for line in above.lines if str(line.get_label())[0] != "_"}
        (legend,) = drawing.figure.legends
        shown = [text.get_text() for text in legend.get_texts()]
        assert shown == ["ECE", "smooth CE", "debiased²", "interval over networks", "bootstrap of one network"]
        percents = {"ECE": [30, 3], "debiased²": [1, 0.1], "smooth CE": [-10, -1]}
        assert biases == {name: pytest.approx(values) for name, values in percents.items()}
        coverages = [(list(line.get_ydata()), line.get_linestyle()) for line in below.lines]
        assert coverages == [
            ([one] * 2, dashes) for one, dashes in ((0.85, "-"), (0.97, "-"), (0.95, "-"), (0.95, "--"))
        ]
        (band,) = below.patches
        assert isinstance(band, Rectangle)
        assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx(ENOUGH)
        assert "93 to 98 percent" in drawing.caption

    @pytest.mark.slow
    def test_is_the_same_to_the_byte(self) -> None:
        first, second = (audit_figure(AUDIT) for _ in range(2))
        assert first is not None
        assert second is not None
        assert canvas.forms(first) == canvas.forms(second)

    def test_nothing_audited_draws_nothing(self) -> None:
        assert audit_figure([]) is None
