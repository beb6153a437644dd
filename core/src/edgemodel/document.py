"""The base of every document that crosses a process boundary, and how its errors read."""

from difflib import get_close_matches
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
URI_PATTERN = r"^(oci|https|file)://.+$"

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN, max_length=71)]
"""``sha256:`` and 64 lower-case hexadecimal digits: the digest of an artifact's OCI manifest."""

Uri = Annotated[str, Field(pattern=URI_PATTERN, max_length=512)]
"""Where an artifact lies: ``oci://host[:port]/repository``, ``https://…/folder`` or ``file:///folder``."""


class Document(BaseModel):
    """A frozen document with camelCase names on the wire and snake_case names in Python.

    Unknown fields are ignored, so that an older reader survives a newer writer.
    """

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore", ser_json_inf_nan="constants"
    )

    def dump(self) -> str:
        """This document as compact JSON with wire names; equal documents give equal text."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


def describe(error: ValidationError, root: str = "", model: type[BaseModel] | None = None) -> str:
    """Each problem of `error` on one line: ``spec.health.rules[2].threshold: want …, got 'x'``.

    With the `model` that was wanted, a field that it does not have is told with those that it has.
    """
    return "\n".join(f"{_path(root, item['loc'])}: {_problem(item, model)}" for item in error.errors())


def _problem(item: ErrorDetails, model: type[BaseModel] | None) -> str:
    location = item["loc"]
    match item["type"]:
        case "missing":
            return "want a value, got none"
        case "extra_forbidden":
            names = _fields(model, location[:-1])
            if close := get_close_matches(str(location[-1]), names, n=1):
                return f"no such field; did you mean {close[0]}?"
            return f"no such field; there are {', '.join(names)}" if names else "no such field"
        case _:
            return f"{item['msg']}, got {item['input']!r:.80}"


def _fields(model: Any, location: tuple[int | str, ...]) -> list[str]:
    """Wire names of the fields of the document at `location` in `model`; none where that cannot be told."""
    for part in location:
        if not isinstance(part, int):
            known = {field.alias or name: field for name, field in model.model_fields.items()} if model else {}
            model = _document_in(known[part].annotation) if part in known else None
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _document_in(annotation: Any) -> Any:
    """The document that `annotation` is, holds, or may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _document_in(part))), None)


def _path(root: str, location: tuple[int | str, ...]) -> str:
    path = root
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "document"
