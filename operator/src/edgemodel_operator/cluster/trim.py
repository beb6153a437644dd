"""What is kept of watched objects (pure): small, and free of what changes without meaning."""

import json
from collections.abc import Mapping
from typing import Any

from edgemodel_operator.model.naming import ANNOTATION_INDEX, ANNOTATION_REVISION, LABEL_JOB, LEADER

Body = Mapping[str, Any]

_WITH_STATUS = ("EdgeModel", "Job")
"""Kinds whose status is read; of other children it changes all the time and says nothing that matters here."""


def keep(kind: str, body: Body) -> dict[str, Any] | bytes:
    """A watched object as the index of its kind holds it: nodes and pods by what matters of them, all others packed."""
    if kind == "Node":
        return trim_node(body)
    if kind == "Pod":
        return trim_pod(body)
    return keep_child(kind, body)


def keep_child(kind: str, body: Body) -> bytes:
    """An EdgeModel, or what was made for one, packed; with its status only where that is read."""
    return pack(trim(body) if kind in _WITH_STATUS else trim_child(body))


def pack(body: Body) -> bytes:
    """A trimmed object as it is kept where there are thousands: dictionaries take six times the memory."""
    return json.dumps(body, separators=(",", ":")).encode()


def unpack(packed: bytes) -> dict[str, Any]:
    """What was packed."""
    body: dict[str, Any] = json.loads(packed)
    return body


def trim(body: Body) -> dict[str, Any]:
    """An object without the bookkeeping of field managers."""
    metadata = {key: value for key, value in body.get("metadata", {}).items() if key != "managedFields"}
    return {**{key: value for key, value in body.items() if key != "metadata"}, "metadata": metadata}


def trim_child(body: Body) -> dict[str, Any]:
    """A child without its status: a workload's counts change all the time and are read from its pods."""
    return {key: value for key, value in trim(body).items() if key != "status"}


def trim_node(body: Body) -> dict[str, Any]:
    """A node's labels, taints and readiness (None: the control plane lost sight of it)."""
    taints = [taint for taint in body.get("spec", {}).get("taints", []) if taint.get("effect") != "PreferNoSchedule"]
    return {
        "name": body["metadata"]["name"],
        "labels": dict(body["metadata"].get("labels", {})),
        "taints": [{key: taint.get(key, "") for key in ("key", "value", "effect")} for taint in taints],
        "ready": condition(body, "Ready"),
    }


_CALM = {"ErrImagePull": "ImagePullBackOff"}
"""Reasons that take turns while the same is tried again: one word for both, or the status would never rest."""


def trim_pod(body: Body) -> dict[str, Any]:
    """A pod's place, readiness and address, and the message that its container left at its end."""
    metadata, status = body["metadata"], body.get("status", {})
    containers = status.get("containerStatuses", [])
    states = [{**entry.get("lastState", {}), **entry.get("state", {})} for entry in containers]
    waits = [entry.get("state", {}).get("waiting", {}).get("reason", "") for entry in containers]
    ended = [state["terminated"] for state in states if "terminated" in state]
    return {
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "version": metadata.get("resourceVersion", "0"),
        "component": metadata.get("labels", {}).get("app.kubernetes.io/component", ""),
        "owner": next((o.get("kind", "") for o in metadata.get("ownerReferences", []) if o.get("controller")), ""),
        "job": metadata.get("labels", {}).get(LABEL_JOB, ""),
        "index": metadata.get("annotations", {}).get(ANNOTATION_INDEX, LEADER),
        "created": metadata.get("creationTimestamp", ""),
        "deleting": "deletionTimestamp" in metadata,
        "nudge": metadata.get("annotations", {}).get(ANNOTATION_REVISION, ""),
        "node": body.get("spec", {}).get("nodeName", ""),
        "address": status.get("podIP", ""),
        "phase": status.get("phase", ""),
        "ready": condition(body, "Ready"),
        "waiting": next((_CALM.get(reason, reason) for reason in waits if reason), _unscheduled(status)),
        "message": ended[0].get("message", "") if ended else "",
    }


def _unscheduled(status: Body) -> str:
    """Why no node may have the pod, in the scheduler's words."""
    scheduled = (entry for entry in status.get("conditions", []) if entry.get("type") == "PodScheduled")
    return next((entry.get("message", "") for entry in scheduled if entry.get("status") == "False"), "")


def condition(body: Body, type_: str) -> bool | None:
    """The status of one condition: None where it is Unknown or absent."""
    for entry in body.get("status", {}).get("conditions", []):
        if entry.get("type") == type_:
            return {"True": True, "False": False}.get(entry.get("status", ""))
    return None
