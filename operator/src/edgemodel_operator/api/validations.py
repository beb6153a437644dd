"""What one field alone cannot show, as CEL for the API server; `checks` says the same in Python.

Keys are paths in the schema; ``[]`` stands for the items of a list. The API server puts the failing field's path in
front of each message. CEL in CRDs: https://kubernetes.io/docs/reference/using-api/cel/
"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from edgemodel import signature
from edgemodel.cloud import CLOUD_PATTERN
from edgemodel.distillation import ARCHITECTURE_PATTERN, ARCHITECTURE_WANTED
from edgemodel.document import DIGEST_PATTERN, URI_PATTERN
from edgemodel.wish import WEBHOOK_PATTERN
from edgemodel_operator.api.resource import NAME_LIMIT
from edgemodel_operator.api.types import KEY_PATTERN, LABEL_PATTERN, OCI_PATTERN, VERSION_PATTERN


class Validation(TypedDict):
    """One entry of ``x-kubernetes-validations``."""

    rule: str
    message: str
    messageExpression: NotRequired[str]
    fieldPath: NotRequired[str]


RULE_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

PATTERN_MESSAGES: Mapping[str, str] = {
    DIGEST_PATTERN: "want sha256: and 64 lower-case hexadecimal digits, as edgemodel bundle push prints them",
    URI_PATTERN: "want an address such as oci://registry.example:5000/digits, https://host/folder or file:///folder",
    OCI_PATTERN: "want an address such as oci://registry.example:5000/digits",
    signature.KEY_PATTERN: "want an Ed25519 public key in one line, as edgemodel key create prints it",
    VERSION_PATTERN: "want letters, digits, '-', '.' and '_' between letters or digits, for example v1",
    WEBHOOK_PATTERN: "want http:// or https://, a host, and no login or fragment, for example https://host.example/heal",
    CLOUD_PATTERN: (
        "want a model such as https://cloud.example/v2/models/digits; plain http only for localhost and Services of "
        "the cluster, such as http://big.plant-a.svc/v2/models/digits"
    ),
    KEY_PATTERN: "want letters, digits, '-', '.' and '_', for example tokens",
    LABEL_PATTERN: "want lower-case letters, digits, '-' and '.' between letters or digits, for example registry-login",
    ARCHITECTURE_PATTERN: ARCHITECTURE_WANTED,
    RULE_NAME_PATTERN: "want lower-case letters, digits and '-' between letters or digits, for example high-latency",
}
"""What a string with this pattern wants, in words."""

_KNOWN_VERSION = "'want the name of one of spec.versions, for example ' + self.versions[0].name + ', got ' + {}"
_NO_REDISTILL = "self.healing.strategies.all(s, s.actions.all(a, a.type != 'Redistill'))"
_REPLICAS = "(has(self.mode) && self.mode == 'Replicas')"
"""The API server tries rules on a bare default, whose fields have none of theirs yet: hence `has`."""
_ON_CLOUD = "self.health.rules.exists(r, r.metric == 'cloud_ratio' && {})"
_NO_SAMPLES = "self.healing.strategies.all(s, s.actions.all(a, !has(a.samples)))"

_NO_TRUST = "!has(self.registry) || !has(self.registry.trustedKeys)"

VALIDATIONS: Mapping[str, Sequence[Validation]] = {
    "": (
        {
            "rule": f"size(self.metadata.name) <= {NAME_LIMIT}",
            "message": f"metadata.name: want at most {NAME_LIMIT} characters, for example digits",
        },
        {
            "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "message": (
                "metadata.name: want a letter, then lower-case letters, digits and '-', for example digits; "
                "the Service of that name needs it"
            ),
        },
    ),
    "spec": (
        {
            "rule": "self.versions.exists(v, v.name == self.version)",
            "message": "want the name of one of spec.versions",
            "messageExpression": _KNOWN_VERSION.format("self.version"),
            "fieldPath": ".version",
        },
        {
            "rule": "!has(self.backup) || self.versions.exists(v, v.name == self.backup)",
            "message": "want the name of one of spec.versions",
            "messageExpression": _KNOWN_VERSION.format("self.backup"),
            "fieldPath": ".backup",
        },
        {
            "rule": "!has(self.backup) || self.backup != self.version",
            "message": "want another version than spec.version, for example the one that served before",
            "fieldPath": ".backup",
        },
        {
            "rule": (
                "self.healing.strategies.all(s, s.faults.all(f, "
                "has(self.health.rules) && self.health.rules.exists(r, r.name == f)))"
            ),
            "message": "want only names of rules in spec.health.rules as faults, for example high-latency",
            "fieldPath": ".healing.strategies",
        },
        {
            "rule": f"has(self.distillation) || {_NO_REDISTILL}",
            "message": "spec.distillation: want teacher, dataset and push: spec.healing has the action Redistill",
        },
        {
            "rule": f"has(self.serving.samples) || {_NO_SAMPLES}",
            "message": (
                "spec.serving.samples: want a sink, for example oci://registry.example:5000/digits-samples, because an "
                "action of spec.healing waits for samples"
            ),
        },
        {
            "rule": f"{_NO_TRUST} || !has(self.distillation) || has(self.distillation.signingSecret)",
            "message": (
                "spec.distillation.signingSecret: want a Secret with a private key, for example name: signing-key, "
                "because spec.registry.trustedKeys lets nothing unsigned serve"
            ),
        },
        {
            "rule": f"has(self.cloud) || !has(self.health.rules) || !{_ON_CLOUD.format('true')}",
            "message": (
                "spec.cloud: want url, for example https://cloud.example/v2/models/digits, because a rule of "
                "spec.health watches cloud_ratio"
            ),
        },
        {
            "rule": (
                "self.healing.strategies.all(s, s.actions.all(a, a.type in ['Webhook', 'Alert']) || "
                f"!has(self.health.rules) || !{_ON_CLOUD.format('r.name in s.faults')})"
            ),
            "message": (
                "want only Webhook and Alert for a fault on cloud_ratio: another version or process on the node "
                "does not change the cloud"
            ),
            "fieldPath": ".healing.strategies",
        },
    ),
    "spec.versions[]": (
        {
            "rule": "self.digest == oldSelf.digest",
            "message": "want the digest that this name always had; add a version with a new name, for example v2",
            "messageExpression": "'want ' + oldSelf.digest + ', which ' + self.name + ' always had; "
            "add a version with a new name instead'",
            "fieldPath": ".digest",
        },
    ),
    "spec.placement": (
        {
            "rule": f"!{_REPLICAS} || has(self.replicas)",
            "message": "spec.placement.replicas: want a number with mode Replicas, for example 2",
        },
        {
            "rule": f"{_REPLICAS} || !has(self.replicas)",
            "message": "want no replicas with mode EveryNode; mode Replicas has them",
            "fieldPath": ".replicas",
        },
    ),
    "spec.distillation": (
        {
            "rule": "!has(self.checkpoints) || !has(self.volume) || self.checkpoints.claim != self.volume.claim",
            "message": (
                "want another claim than that of spec.distillation.volume, which is read-only, for example "
                "training-checkpoints"
            ),
            "fieldPath": ".checkpoints.claim",
        },
    ),
    "spec.health.rules[]": (
        {
            "rule": "!(self.operator in ['trend_up', 'trend_down']) || self.window >= 3",
            "message": "want 3 or more for a trend, for example 30",
            "fieldPath": ".window",
        },
        {
            "rule": "self.operator != 'change_rate' || self.window >= 2",
            "message": "want 2 or more for change_rate, for example 10",
            "fieldPath": ".window",
        },
    ),
    "spec.healing.strategies[].actions[]": (
        {
            "rule": "self.type == 'Redistill' || (!has(self.samples) && !has(self.epochs))",
            "message": "want samples and epochs only with type Redistill",
        },
        {
            "rule": "(self.type == 'Webhook') == has(self.webhook)",
            "message": "want webhook, with url and secret, with type Webhook and with no other",
        },
    ),
}
