"""Which stages does dvc.lock hold whole? DVC writes it in place, so an interruption may leave it cut off anywhere."""

import re

from pipeline.core.errors import InputError

HEADER = "schema: '2.0'\nstages:\n"
_STAGE = re.compile(r"^  [^ :]", re.MULTILINE)  # a long name is written `? name`, and then `: ` before what it holds


def whole(text: str) -> str:
    """The text itself where DVC accepts it, else without its last stage, which was cut off; "" where none is whole.

    Raises:
        InputError: it is not only the last stage that is broken, so no interruption did that.
    """
    if not _fault(text):
        return text
    begins = stages(text)
    rest = text[: begins[-1]] if begins else text
    if HEADER.startswith(rest.rstrip(" ")):
        return ""
    if fault := _fault(rest):
        raise InputError(f"dvc.lock: damaged ({fault}); `git checkout dvc.lock` restores the committed one")
    return rest


def stages(text: str) -> list[int]:
    """Where each stage begins."""
    return [found.start() for found in _STAGE.finditer(text)]


def _fault(text: str) -> str:
    """What DVC has against the text, and where; nothing where it accepts it."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # noqa: PLC0415
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415
    from voluptuous import Invalid  # noqa: PLC0415

    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(text))
    except (YAMLError, ValueError, Invalid) as error:
        return " ".join(str(error).replace('"<unicode string>", ', "").partition(":\n")[0].split())
    return ""
