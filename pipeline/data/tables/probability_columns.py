"""Columns of predicted probabilities: which of a table's columns is of which class, by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.core.errors import InputError
from pipeline.data.tables.categories import in_order, is_yes_no
from pipeline.data.tables.messages import check_known, listed, show

ClassOf = Callable[[str], str]


class Form(NamedTuple):
    """What stands before and after a class in a column's name."""

    before: str
    after: str = ""

    def class_in(self, column: str) -> str:
        """The class that a column's name says, "" where it has another form; the case of what is before is ignored."""
        has_form = column.casefold().startswith(self.before.casefold()) and column.endswith(self.after)
        return column[len(self.before) : len(column) - len(self.after)] if has_form else ""


FORMS = tuple(
    Form(*pair) for pair in (("",), ("p_",), ("p(", ")"), ("proba_",), ("prob_",), ("probability_",), ("p=",))
)
_WORDS = ", ".join(f"{form.before}CLASS{form.after}" for form in FORMS[1:])
_OF_ONE_CLASS = ("p", "prob", "proba", "probability")


@dataclass(frozen=True)
class Wanted:
    """What the user said about the columns; None where nothing.

    Attributes:
        prefix: what stands before the class in the names of the columns.
        probability: the column that holds the probability of one of two classes.
        positive: that class; class 1 of two.
    """

    prefix: str | None = None
    probability: str | None = None
    positive: str | None = None

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that names may have."""
        if self.prefix is None:
            return FORMS
        return (Form(self.prefix, ")"), Form(self.prefix)) if self.prefix.endswith("(") else (Form(self.prefix),)


@dataclass(frozen=True)
class ProbabilityColumns:
    """The columns of a table's classes.

    Attributes:
        classes: all of them, in order.
        columns: by class; of two classes one may be missing, whose probability is the rest.
        spare: by class, those of the same form for classes that no row has: they count where rows lack them.
    """

    classes: tuple[str, ...]
    columns: Mapping[str, str]
    spare: Mapping[str, str]


def find_columns(
    names: Sequence[str], seen: Sequence[str], wanted: Wanted, *, name: str, target: str, class_of: ClassOf
) -> ProbabilityColumns:
    """Find the probability column of every class.

    Args:
        names: of the columns that may be meant.
        seen: the classes that rows have.
        wanted: what the user said.
        name: of the table, for messages.
        target: the column of the classes, for messages.
        class_of: the class that a text means.

    Raises:
        InputError: a class has no column, or it is not clear which is meant.
    """
    where = f"{name}: target column {target!r}"
    if wanted.probability is not None:
        check_known(wanted.probability, list(names), f"{name}: probability column")
        return _one_column(wanted.probability, "", seen, wanted, where)
    named = {form: _by_class(names, seen, form, class_of) for form in wanted.forms}
    complete = [form for form, columns in named.items() if set(seen) <= columns.keys()]
    single = list(_single(names, seen, named))
    if len(complete) == 1:
        return _all_columns(named[complete[0]], seen, wanted, complete[0], where)
    if not complete and len(seen) == 2 and len(single) == 1:
        return _one_column(*single[0], seen, wanted, where)
    raise InputError(f"{name}: {_ambiguous(complete) if complete else _missing(names, seen, named, wanted)}")


def in_class_order(classes: Iterable[str], positive: str | None, where: str) -> tuple[str, ...]:
    """Classes in order, or of two the positive one last, which is then class 1.

    Raises:
        InputError: a positive class is given where there are not two, or is none of them.
    """
    ordered = in_order(classes)
    if positive is None:
        return ordered
    if len(ordered) != 2:
        raise InputError(f"{where}: --positive is for two classes; got {len(ordered)}: {listed(list(ordered))}")
    check_known(positive, list(ordered), f"{where}: class")
    return tuple(sorted(ordered, key=positive.__eq__))


def _by_class(names: Sequence[str], seen: Sequence[str], form: Form, class_of: ClassOf) -> dict[str, str]:
    """Columns of a form by their class; a class that differs from one of the rows only in case is that one."""
    columns: dict[str, str] = {}
    alike = {each.casefold(): each for each in seen}
    for column in names:
        written = class_of(form.class_in(column).strip())
        known = written if written in seen else alike.get(written.casefold(), written)
        if known and (form.before or known in seen):
            columns.setdefault(known, column)
    return columns


def _all_columns(
    columns: Mapping[str, str], seen: Sequence[str], wanted: Wanted, form: Form, where: str
) -> ProbabilityColumns:
    spare = {each: column for each, column in columns.items() if each not in seen and form.before}
    positive = wanted.positive if len(seen) > 1 else None
    return ProbabilityColumns(
        in_class_order(seen, positive, where), {each: columns[each] for each in in_order(seen)}, spare
    )


def _single(
    names: Sequence[str], seen: Sequence[str], named: Mapping[Form, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    """Columns that may be those of one class, and that class where the name says it."""
    for columns in named.values():
        yield from ((column, each) for each, column in columns.items() if each in seen)
    yield from ((column, "") for column in names if column.casefold() in _OF_ONE_CLASS)


def _one_column(column: str, said: str, seen: Sequence[str], wanted: Wanted, where: str) -> ProbabilityColumns:
    """A column that holds the probability of one of two classes."""
    classes = in_order([*seen, *filter(None, [wanted.positive])] if len(seen) == 1 else seen)
    if len(classes) != 2:
        raise InputError(
            f"{where} must hold two classes where one column is their probability; got {len(classes)}: "
            f"{listed(list(classes))}"
        )
    positive = wanted.positive or said or _named_in(column, classes) or _second(classes)
    if not positive:
        raise InputError(f"{where}: --positive must say of which class column {column!r} is: {listed(list(classes))}")
    return ProbabilityColumns(in_class_order(classes, positive, where), {positive: column}, {})


def _named_in(column: str, classes: Sequence[str]) -> str:
    """The class that a column's name says."""
    said = {form.class_in(column).strip().casefold() for form in FORMS}
    return next((each for each in classes if each.casefold() in said), "")


def _second(classes: Sequence[str]) -> str:
    """The class that is the positive one where classes are 0 and 1, no and yes, or false and true."""
    return classes[1] if tuple(classes) == ("0", "1") or is_yes_no(classes) else ""


def _ambiguous(forms: Sequence[Form]) -> str:
    """Say how to choose among columns of several forms."""
    meant = " or ".join(f"--prefix {show(form.before)}" for form in forms)
    return f"one column for each class must be meant; say {meant}"


def _missing(names: Sequence[str], seen: Sequence[str], named: Mapping[Form, Mapping[str, str]], wanted: Wanted) -> str:
    """Say which class has no column, and how columns are named."""
    best = max(named.values(), key=lambda columns: len(columns.keys() & set(seen)))
    lacking = [each for each in in_order(seen) if each not in best]
    forms = f"CLASS, {_WORDS}" if wanted.prefix is None else ", ".join(f"{f.before}CLASS{f.after}" for f in named)
    other = "; --prefix TEXT is for other names" if wanted.prefix is None else ""
    one = ", --probability COLUMN for one of two classes" if len(seen) == 2 and wanted.prefix is None else ""
    what = f"a probability column for each class, named {forms}"
    return f"must have {what}; there is none for {listed(lacking)} among {listed(list(names))}{other}{one}"
