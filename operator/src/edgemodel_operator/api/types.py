"""Scalars of the resource whose wire form is text: durations, quantities, shares; and text that is cut to fit."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from edgemodel.quantity import QUANTITY_PATTERN, format_quantity, parse_quantity
from edgemodel.wish import NAME_LIMIT, WEBHOOK_PATTERN

DURATION_PATTERN = r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?$"
SHARE_PATTERN = r"^([1-9][0-9]?|100)%$"
OCI_PATTERN = r"^oci://.+$"
VERSION_PATTERN = r"^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$"
KEY_PATTERN = r"^[-._a-zA-Z0-9]+$"
LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"

SECOND, MINUTE, HOUR = 1.0, 60.0, 3600.0

KEYED_BY_NAME: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}

FaultName = Annotated[str, Field(min_length=1, max_length=52)]


def parse_duration(text: str) -> float:
    """Seconds of ``10s``, ``2m30s``, ``500ms`` or ``1h``.

    Raises:
        ValueError: `text` is none of these.
    """
    match = re.fullmatch(DURATION_PATTERN, text)
    if match is None or not text:
        raise ValueError(f"want a duration such as 10s, 2m30s or 500ms, got {text!r}")
    hours, minutes, seconds, millis = (int(re.sub(r"\D", "", group or "0")) for group in match.groups())
    return hours * HOUR + minutes * MINUTE + seconds + millis / 1000


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as `seconds`, to the millisecond."""
    rest, millis = divmod(round(seconds * 1000), 1000)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"), (millis, "ms"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def nodes_of(share: int | str, total: int) -> int:
    """How many of `total` nodes a number or percentage means: at least one, never more than there are."""
    wanted = share if isinstance(share, int) else -(-total * int(share.removesuffix("%")) // 100)
    return min(max(wanted, 1), total)


@dataclass(frozen=True, slots=True)
class DurationText:
    """Marks a float of seconds that is text on the wire; a number is taken as seconds. Bounds in seconds."""

    at_least: float = 0.0
    at_most: float = 24 * HOUR
    example: str = "10s"

    @property
    def wanted(self) -> str:
        """What the field takes, in words."""
        bounds = f"{format_duration(self.at_least)} to {format_duration(self.at_most)}"
        return f"want a duration of {bounds}, for example {self.example}"

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        to_text = core_schema.plain_serializer_function_ser_schema(
            format_duration, return_schema=core_schema.str_schema()
        )
        return core_schema.no_info_plain_validator_function(self._read, serialization=to_text)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        matches, least, most = (
            f"self.matches('{DURATION_PATTERN}')",
            f"duration(self) >= duration('{format_duration(self.at_least)}')",
            f"duration(self) <= duration('{format_duration(self.at_most)}')",
        )
        return {
            "type": "string",
            "pattern": DURATION_PATTERN,
            "minLength": 2,
            "maxLength": 31,
            "x-kubernetes-validations": [{"rule": f"{matches} && {least} && {most}", "message": self.wanted}],
        }

    def _read(self, value: object) -> float:
        try:
            seconds = parse_duration(value) if isinstance(value, str) else float(value)  # type: ignore[arg-type]  # refused just below
        except (TypeError, ValueError):
            raise PydanticCustomError("duration", "{wanted}", {"wanted": self.wanted}) from None
        if not self.at_least <= seconds <= self.at_most:
            raise PydanticCustomError("duration", "{wanted}", {"wanted": self.wanted})
        return seconds


@dataclass(frozen=True, slots=True)
class QuantityText:
    """Marks an int of bytes that is text on the wire; a number is taken as bytes."""

    wanted: str = "want a size above zero, for example 100Mi"

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        to_text = core_schema.plain_serializer_function_ser_schema(
            format_quantity, return_schema=core_schema.str_schema()
        )
        return core_schema.no_info_plain_validator_function(self._read, serialization=to_text)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        rule = f"self.matches('{QUANTITY_PATTERN}') && quantity(self).isGreaterThan(quantity('0'))"
        return {
            "type": "string",
            "pattern": QUANTITY_PATTERN,
            "minLength": 1,
            "maxLength": 17,
            "x-kubernetes-validations": [{"rule": rule, "message": self.wanted}],
        }

    def _read(self, value: object) -> int:
        try:
            size = value if isinstance(value, int) else parse_quantity(str(value))
        except ValueError:
            size = 0
        if size < 1:
            raise PydanticCustomError("quantity", "{wanted}", {"wanted": self.wanted})
        return size


@dataclass(frozen=True, slots=True)
class IntOrText:
    """Marks a value that Kubernetes calls int-or-string; text must match `pattern`, numbers be `at_least`."""

    pattern: str
    max_length: int
    at_least: int
    wanted: str

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        rule = f"type(self) == int ? int(self) >= {self.at_least} : string(self).matches('{self.pattern}')"
        return {
            "x-kubernetes-int-or-string": True,
            "maxLength": self.max_length,
            "x-kubernetes-validations": [{"rule": rule, "message": self.wanted}],
        }

    def _read(self, value: object) -> int | str:
        if isinstance(value, int) and not isinstance(value, bool) and value >= self.at_least:
            return value
        if isinstance(value, str) and len(value) <= self.max_length and re.fullmatch(self.pattern, value):
            return value
        raise PydanticCustomError("int_or_text", "{wanted}", {"wanted": self.wanted})


def cut(limit: int) -> BeforeValidator:
    """Cuts text to `limit` characters: what was found out is stored shortened rather than refused."""
    return BeforeValidator(
        lambda text: text[: limit - 1] + "…" if isinstance(text, str) and len(text) > limit else text
    )


def first(limit: int) -> BeforeValidator:
    """Keeps the first `limit` items of a list."""
    return BeforeValidator(lambda items: items[:limit] if isinstance(items, list | tuple) else items)


def last(limit: int) -> BeforeValidator:
    """Keeps the last `limit` items of a list."""
    return BeforeValidator(lambda items: items[-limit:] if isinstance(items, list | tuple) else items)


Duration = Annotated[float, DurationText()]
"""Seconds; text such as ``2m30s`` on the wire."""

Quantity = Annotated[int, QuantityText()]
"""Bytes; text such as ``100Mi`` on the wire."""

IntOrPercent = Annotated[
    int | str, IntOrText(SHARE_PATTERN, 4, 1, 'want a number of nodes or a percentage, for example 1 or "50%"')
]
"""A number of nodes, or a percentage of them such as ``50%``; see `nodes_of`."""

CpuOrMemory = Annotated[
    int | str,
    IntOrText(
        r"^[0-9]{1,15}([.][0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$", 20, 0, "want an amount, for example 500m or 512Mi"
    ),
]
"""An amount of cpu or memory, as in every pod."""

Time = AwareDatetime
"""A moment with a time zone; RFC 3339 on the wire."""

Name = Annotated[str, Field(max_length=253)]
"""A name as a status has it: of a node, a version, a rule."""

Word = Annotated[str, Field(max_length=128), cut(128)]
"""One word of a status, cut to fit."""

Message = Annotated[str, Field(max_length=1024), cut(1024)]
"""What a status tells people, cut to fit."""

OciUri = Annotated[str, Field(pattern=OCI_PATTERN, max_length=512)]
"""A repository that can be pushed to: ``oci://host[:port]/repository``."""

WebhookUrl = Annotated[str, Field(pattern=WEBHOOK_PATTERN, max_length=512)]
CollectorUrl = WebhookUrl
"""Where pods push metrics or traces."""
SecretKey = Annotated[str, Field(pattern=KEY_PATTERN, max_length=253)]
VersionName = Annotated[str, Field(pattern=VERSION_PATTERN, max_length=NAME_LIMIT)]
ObjectName = Annotated[str, Field(pattern=LABEL_PATTERN, max_length=253)]
"""Name of a node, Secret or ConfigMap."""
"""Key of a Secret."""
