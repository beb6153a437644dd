"""The generated CRD: up to date, described and bounded in every field, structural; and the samples fit it."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from edgemodel_operator.api.crd import render_crd, render_yaml
from edgemodel_operator.api.resource import parse
from edgemodel_operator.api.validations import VALIDATIONS
from lab.home import REPOSITORY

Schema = dict[str, Any]


def schema() -> Schema:
    root: Schema = render_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root


def walk(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema below `node`, with its path: ``spec.versions[].name``, ``spec.placement.nodeSelector{}``."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}" if path else name)
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from walk(node["additionalProperties"], f"{path}{{}}")


def fields() -> list[tuple[str, Schema]]:
    return [(path, node) for path, node in walk(schema()) if path not in ("metadata", "apiVersion", "kind")]


def test_the_file_is_what_the_models_say() -> None:
    assert (REPOSITORY / "crds" / "edgemodels.yaml").read_text() == render_yaml()


def test_the_chart_installs_the_same_crd() -> None:
    chart = REPOSITORY / "charts" / "edgemodel-operator" / "files" / "edgemodels.yaml"
    assert chart.read_text() == render_yaml()


def test_every_field_has_a_description() -> None:
    named = [(path, node) for path, node in fields() if not path.endswith(("[]", "{}"))]
    assert [path for path, node in named if not node.get("description")] == []


def bounded(node: Schema) -> bool:
    """Whether a value of this schema cannot grow without end."""
    match node.get("type"):
        case "string":
            return "maxLength" in node or "enum" in node or node.get("format") == "date-time"
        case "array":
            return "maxItems" in node
        case "object":
            return "properties" in node or "maxProperties" in node
        case "integer" | "number" | "boolean":
            return True
        case _:
            return bool(node.get("x-kubernetes-int-or-string")) and "maxLength" in node


def test_every_string_list_and_map_has_a_bound() -> None:
    assert [path for path, node in fields() if not bounded(node)] == []


def test_every_number_of_the_spec_has_bounds_but_thresholds() -> None:
    numbers = [
        (path, node) for path, node in fields() if path.startswith("spec") and node.get("type") in ("integer", "number")
    ]
    unbounded = [path for path, node in numbers if "minimum" not in node or "maximum" not in node]
    assert unbounded == ["spec.health.rules[].threshold"]


def test_every_list_says_how_it_merges() -> None:
    assert [
        path for path, node in fields() if node.get("type") == "array" and "x-kubernetes-list-type" not in node
    ] == []


def test_nothing_is_left_that_a_structural_schema_forbids() -> None:
    forbidden = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "title", "const", "prefixItems", "readOnly"}
    assert [(path, key) for path, node in fields() for key in node if key in forbidden] == []


def test_no_default_stands_in_the_status_but_that_nobody_has_seen_it() -> None:
    assert [path for path, node in fields() if path.startswith("status") and "default" in node] == ["status"]
    assert schema()["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_every_rule_is_attached_to_a_field_that_exists() -> None:
    assert set(VALIDATIONS) <= {path for path, _ in walk(schema())}


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "manifests" / "samples").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_sample_parses(path: Any) -> None:
    body = yaml.safe_load(path.read_text())
    assert parse({**body, "metadata": {"namespace": "default", **body["metadata"]}}).spec.versions
