"""The CustomResourceDefinition, generated: ``python -m edgemodel_operator.api.crd > crds/edgemodels.yaml``."""

import sys
from typing import Any

import yaml

from edgemodel_operator.api.resource import GROUP, KIND, PLURAL, VERSION
from edgemodel_operator.api.schema import Schema, structural, with_messages, with_validations, without_defaults
from edgemodel_operator.api.spec import Spec
from edgemodel_operator.api.status import Status
from edgemodel_operator.api.validations import PATTERN_MESSAGES, VALIDATIONS

HEADER = "# Generated from the models in edgemodel_operator.api by `make generate`; do not edit.\n"

UNSEEN = {"observedGeneration": -1}
"""Status of an object that no operator has seen: tools with the kstatus rules then do not take it for ready."""


def render_crd() -> dict[str, Any]:
    """The CustomResourceDefinition of EdgeModel; equal models give an equal answer."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{PLURAL}.{GROUP}",
            # Uninstalling the chart must not take every EdgeModel of the cluster with it.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["em"],
                "categories": ["ml"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _schema()},
                    "subresources": {"status": {}, "scale": _scale()},
                    "additionalPrinterColumns": _columns(),
                }
            ],
        },
    }


def render_yaml() -> str:
    """The file crds/edgemodels.yaml."""
    return HEADER + yaml.dump(render_crd(), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)


def _schema() -> Schema:
    spec = with_messages(structural(Spec), PATTERN_MESSAGES)
    status = without_defaults(structural(Status))
    schema: Schema = {
        "type": "object",
        "description": "A model that serves on edge nodes, what counts as healthy, and what may be done about it.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "edgemodel.dev/v1alpha1."},
            "kind": {"type": "string", "description": "EdgeModel."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": {**status, "default": UNSEEN},
        },
    }
    return with_validations(schema, VALIDATIONS)


def _scale() -> dict[str, str]:
    return {
        "specReplicasPath": ".spec.placement.replicas",
        "statusReplicasPath": ".status.nodes.ready",
        "labelSelectorPath": ".status.selector",
    }


def _columns() -> list[dict[str, Any]]:
    return [
        _column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether every wanted node answers."),
        _column("Version", ".status.version", "The version that serves."),
        _column("Nodes", ".status.nodes.summary", "Ready and desired nodes."),
        _column("Fault", ".status.faults[0].name", "The first active fault."),
        _column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready, or not."),
        _column("Age", ".metadata.creationTimestamp", "Time since it was made.", type="date"),
        _column("Digest", ".status.shortDigest", "What serves.", priority=1),
        _column("LastGood", ".status.lastGood", "The last version that was proved good.", priority=1),
        _column("Candidate", ".status.distillation.candidate", "The last distilled version.", priority=1),
    ]


def _column(name: str, path: str, description: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string", "jsonPath": path, "description": description, **more}


class _Dumper(yaml.SafeDumper):
    """Writes equal parts twice instead of with anchors, which few tools read."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


if __name__ == "__main__":
    sys.stdout.write(render_yaml())
