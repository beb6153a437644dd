"""The EdgeModel plant-a/digits of these tests, and artifacts that are easy to tell apart."""

from typing import Any

from edgemodel_operator.api.states import VersionState
from edgemodel_operator.decide import Images
from edgemodel_operator.model.naming import Key

STEP = 5.0
"""Seconds of a step."""
KEY = Key("plant-a", "digits")
UID = "11111111-2222-3333-4444-555555555555"
IMAGES = Images(inference="registry/inference:1", distill="registry/distill:1")
BARRED = (VersionState.QUARANTINED, VersionState.REJECTED)

Body = dict[str, Any]


def digest(number: int) -> str:
    """A digest that is easy to tell from others."""
    return f"sha256:{number:08x}{'0' * 56}"


def artifact(name: str, number: int) -> Body:
    """An entry of spec.versions."""
    return {"name": name, "uri": "oci://registry:5000/digits", "digest": digest(number)}


def student(attempt: int) -> str:
    """Digest of the student that a Job makes unless scripted otherwise."""
    return digest(900 + attempt)


SPEC: Body = {
    "versions": [artifact("v1", 1), artifact("v2", 2), artifact("v3", 3)],
    "version": "v1",
    "placement": {"nodeSelector": {"edge": ""}},
    "serving": {"samples": {"sink": "oci://registry:5000/samples"}},
    "health": {
        "interval": "2s",
        "rules": [
            {"name": "low-confidence", "metric": "model_confidence_mean", "operator": "<", "threshold": 0.7},
            {"name": "high-latency", "metric": "inference_latency_ms", "operator": ">", "threshold": 100},
        ],
    },
    "healing": {
        "strategies": [
            {
                "faults": ["low-confidence"],
                "actions": [{"type": "SwitchModel"}, {"type": "Redistill", "samples": 10}, {"type": "Alert"}],
            },
            {"faults": ["high-latency"], "actions": [{"type": "SwitchModel"}]},
        ],
        "settle": "20s",
        "minSamples": 30,
        "cooldown": "60s",
        "maxPerHour": 6,
    },
    "distillation": {
        "teacher": {"uri": "oci://registry:5000/teacher", "digest": digest(800)},
        "dataset": {"uri": "oci://registry:5000/dataset", "digest": digest(801)},
        "push": "oci://registry:5000/digits",
    },
    "rollout": {"steps": [{"nodes": 1, "hold": "20s"}], "judge": {"minSamples": 50}, "progressDeadline": "5m"},
}
