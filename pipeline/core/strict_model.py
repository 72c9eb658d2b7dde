"""Strict, frozen pydantic models: the base of configuration sections and of result records."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class OmitDefault:
    """Marks a field that is not written where it has its default: files from before it existed keep their bytes.

    Used as `Annotated[float, OmitDefault()]`.
    """


class StrictModel(BaseModel):
    """A frozen model: unknown keys, missing keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True, serialize_by_alias=True)

    @model_serializer(mode="wrap")
    def _without_omitted_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        for name, field in type(self).model_fields.items():
            omittable = any(isinstance(mark, OmitDefault) for mark in field.metadata)
            if omittable and getattr(self, name) == field.default:
                values.pop(field.alias or name, None)
        return values
