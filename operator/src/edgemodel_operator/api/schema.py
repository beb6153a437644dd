"""From a pydantic model's JSON schema to the structural schema that a CRD wants. Pure.

Structural schemas: no references, no null, no titles, item counts and exclusive bounds in OpenAPI 3.0's words.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from collections.abc import Mapping, Sequence
from typing import Any

from edgemodel.document import Document
from edgemodel_operator.api.validations import Validation

Schema = dict[str, Any]

_DROPPED = frozenset({"title", "$ref", "$defs", "anyOf", "default", "readOnly", "const", "propertyNames"})


def structural(model: type[Document]) -> Schema:
    """The structural schema of `model`'s wire form, every field described."""
    raw = model.model_json_schema(by_alias=True, mode="serialization")
    return _convert(raw, raw.get("$defs", {}))


def without_defaults(schema: Schema) -> Schema:
    """`schema` with no default anywhere: for a status, where absent means unknown."""
    bare = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in bare:
        bare["properties"] = {name: without_defaults(child) for name, child in bare["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in bare:
            bare[key] = without_defaults(bare[key])
    return bare


def with_messages(schema: Schema, messages: Mapping[str, str]) -> Schema:
    """`schema` with words for each string pattern that `messages` knows, beside the bare regular expression."""
    told = dict(schema)
    pattern = schema.get("pattern", "")
    if pattern in messages:
        told["x-kubernetes-validations"] = [{"rule": f"self.matches('{pattern}')", "message": messages[pattern]}]
    if "properties" in told:
        told["properties"] = {name: with_messages(child, messages) for name, child in told["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in told:
            told[key] = with_messages(told[key], messages)
    return told


def with_validations(schema: Schema, table: Mapping[str, Sequence[Validation]], path: str = "") -> Schema:
    """`schema` with the CEL rules of `table`, whose keys are paths such as ``spec.versions[]``."""
    ruled = dict(schema)
    if path in table:
        ruled["x-kubernetes-validations"] = [*schema.get("x-kubernetes-validations", ()), *map(dict, table[path])]
    if "properties" in ruled:
        ruled["properties"] = {
            name: with_validations(child, table, f"{path}.{name}" if path else name)
            for name, child in ruled["properties"].items()
        }
    if "items" in ruled:
        ruled["items"] = with_validations(ruled["items"], table, f"{path}[]")
    return ruled


def _convert(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    node = _resolve(node, definitions)
    schema = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in node:
        schema["enum"] = [node["const"]]
    if node.get("default") is not None:
        # An object's default is empty: the defaults of its fields fill it in, so that each is written once.
        schema["default"] = {} if isinstance(node["default"], dict) else node["default"]
    _convert_bound(schema, "exclusiveMinimum", "minimum")
    _convert_bound(schema, "exclusiveMaximum", "maximum")
    if "properties" in schema:
        _require_only_inputs(schema)
        schema["properties"] = {name: _convert(child, definitions) for name, child in schema["properties"].items()}
    if "items" in schema:
        schema["items"] = _convert(schema["items"], definitions)
        schema.setdefault("x-kubernetes-list-type", "atomic")
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = _convert(schema["additionalProperties"], definitions)
    else:
        schema.pop("additionalProperties", None)
    return schema


def _resolve(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """`node` with its reference inlined and its null alternative dropped; what stands beside them wins."""
    beside = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
    if "$ref" in node:
        return {**_resolve(definitions[node["$ref"].rsplit("/", 1)[1]], definitions), **beside}
    if "anyOf" in node:
        (alternative,) = (choice for choice in node["anyOf"] if choice.get("type") != "null")
        return {**_resolve(alternative, definitions), **beside}
    return beside


def _convert_bound(schema: Schema, exclusive: str, inclusive: str) -> None:
    """OpenAPI 3.0 has the exclusive bound as a flag beside the inclusive one."""
    if exclusive in schema:
        schema[inclusive] = schema.pop(exclusive)
        schema[exclusive] = True


def _require_only_inputs(schema: Schema) -> None:
    """Computed fields are always written, yet nobody has to give them."""
    properties = schema["properties"]
    required = [name for name in schema.pop("required", ()) if not properties[name].get("readOnly")]
    if required:
        schema["required"] = required
