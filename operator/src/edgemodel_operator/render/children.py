"""What every child has: identity, labels, an owner (so that deleting the EdgeModel deletes it) and a stamp."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from edgemodel_operator.api.resource import GROUP, KIND, VERSION, EdgeModel
from edgemodel_operator.model.naming import ANNOTATION_STAMP, labels
from edgemodel_operator.model.plan import Object


def child(model: EdgeModel, api_version: str, kind: str, name: str, component: str, **fields: Any) -> Object:
    """A child of `model`; `fields` are its top-level fields besides metadata."""
    owner = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "name": model.name,
        "uid": model.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    metadata = {
        "name": name,
        "namespace": model.namespace,
        "labels": labels(model.name, component),
        "ownerReferences": [owner],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def stamp(body: Object) -> Object:
    """`body` with an annotation that changes when, and only when, anything that we want changes.

    It shows that something is no longer wanted, which a comparison of what is wanted cannot.
    """
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
    metadata = {
        **body["metadata"],
        "annotations": {**body["metadata"].get("annotations", {}), ANNOTATION_STAMP: digest},
    }
    return {**body, "metadata": metadata}


def covers(actual: object, wanted: object) -> bool:
    """Whether `actual` has everything that `wanted` says; what it has besides (defaults, others' fields) is fine.

    Items of a list that have names are found by name, as server-side apply does, so that an admission webhook's
    sidecar or variable is no reason to write; other lists must be equally long.
    """
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        return all(key in actual and covers(actual[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(actual, list):
        if wanted and all(isinstance(item, Mapping) and "name" in item for item in (*actual, *wanted)):
            by_name = {item["name"]: item for item in actual}
            return all(item["name"] in by_name and covers(by_name[item["name"]], item) for item in wanted)
        return len(actual) == len(wanted) and all(covers(a, w) for a, w in zip(actual, wanted, strict=True))
    return bool(actual == wanted)
