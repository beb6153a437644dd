"""What every child has: identity, labels and an owner, so that deleting the EdgeModel deletes it."""

from collections.abc import Mapping
from typing import Any

from edgemodel_operator.api.resource import GROUP, KIND, VERSION, EdgeModel
from edgemodel_operator.model.naming import labels
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


def covers(actual: object, wanted: object) -> bool:
    """Whether `actual` has everything that `wanted` says; what it has besides (defaults, others' fields) is fine."""
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        return all(key in actual and covers(actual[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(actual, list):
        return len(actual) == len(wanted) and all(covers(a, w) for a, w in zip(actual, wanted, strict=True))
    return bool(actual == wanted)
