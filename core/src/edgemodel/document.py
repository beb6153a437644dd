"""The base of every document that crosses a process boundary, and how its errors read."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

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


def describe(error: ValidationError, root: str = "") -> str:
    """Each problem of `error` on one line: ``spec.health.rules[2].threshold: want …, got 'x'``."""
    return "\n".join(f"{_path(root, item['loc'])}: {item['msg']}, got {item['input']!r:.80}" for item in error.errors())


def _path(root: str, location: tuple[int | str, ...]) -> str:
    path = root
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "document"
