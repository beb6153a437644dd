"""`spec.versions`, `registry`, `placement` and `serving`: what serves, where and how."""

from typing import Annotated, Literal

from pydantic import Field

from edgemodel.document import Digest, Document, Uri
from edgemodel.signature import TrustedKeys
from edgemodel_operator.api.references import (
    CaBundle,
    HeadersSecret,
    PullSecret,
    TlsSecret,
    TokenSecret,
)
from edgemodel_operator.api.scheduling import Scheduling
from edgemodel_operator.api.types import (
    CollectorUrl,
    CpuOrMemory,
    DurationText,
    OciUri,
    Quantity,
    VersionName,
)


class Version(Document):
    """One version that may serve. What a name stands for never changes."""

    name: VersionName = Field(description="Name of the version, for example v1; its digest never changes.")
    uri: Uri = Field(description="Where the bundle lies: oci://host[:port]/repository, https://… or file://….")
    digest: Digest = Field(description="sha256 digest of the bundle's manifest, as edgemodel bundle push prints it.")


class Registry(Document):
    """How private registries are reached; mounted into pods and Jobs, never read over the API."""

    pull_secret: PullSecret | None = Field(
        default=None, description="Secret of type kubernetes.io/dockerconfigjson to log in with."
    )
    ca_bundle: CaBundle | None = Field(default=None, description="Certificates to trust besides the public ones.")
    trusted_keys: TrustedKeys | None = Field(
        default=None,
        description=(
            "Ed25519 public keys, as edgemodel key create prints them: nodes take only into service, and the Job only "
            "learns from, what one of them signed. Absent: nobody needs to sign."
        ),
    )
    bandwidth: Quantity | None = Field(
        default=None,
        description="Bytes per second that one node fetches models and pushes samples with, like 1Mi; absent: all.",
    )


class Resources(Document):
    """Requests and limits of one container."""

    limits: Annotated[dict[str, CpuOrMemory], Field(max_length=16)] = Field(
        default={}, description="Most of each resource that the container may use, for example memory: 512Mi."
    )
    requests: Annotated[dict[str, CpuOrMemory], Field(max_length=16)] = Field(
        default={}, description="What the scheduler sets aside for the container, for example cpu: 250m."
    )


class Placement(Scheduling):
    """Where the model serves."""

    mode: Literal["EveryNode", "Replicas"] = Field(
        default="EveryNode",
        description="EveryNode: a pod on each node that matches (DaemonSet). Replicas: that many pods (Deployment).",
    )
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="How many pods; only with mode Replicas, where it must be set. Autoscalers write it."
    )
    resources: Resources = Field(default=Resources(), description="Requests and limits of the inference container.")


class Samples(Document):
    """Keeping the inputs the model was least sure of."""

    keep_hardest: int = Field(default=500, ge=1, le=10_000, description="How many inputs each node keeps.")
    sink: OciUri = Field(description="Repository that nodes push them to, for example oci://registry:5000/samples.")


class Batching(Document):
    """Requests that wait at the same time are run together, where the node measured that it pays."""

    max_size: int = Field(default=8, ge=1, le=1024, description="Most rows in one run; 1: each request alone.")
    max_delay: Annotated[float, DurationText(at_most=1, example="2ms")] = Field(
        default=0.0,
        description="Time that a batch which is not full waits for more, for example 2ms; 0s: only what waits anyway.",
    )


class Otlp(Document):
    """Pushing by OTLP over HTTP, from nodes that cannot be scraped."""

    metrics: CollectorUrl | None = Field(
        default=None, description="Where metrics go, for example http://collector:4318/v1/metrics; absent: nowhere."
    )
    traces: CollectorUrl | None = Field(
        default=None, description="Where traces go, for example http://collector:4318/v1/traces; absent: nowhere."
    )
    trace_ratio: float = Field(
        default=0.01, ge=0, le=1, description="Share of the requests to trace whose callers leave that open."
    )
    headers_secret: HeadersSecret | None = Field(
        default=None, description="Headers to log in with at the collector; absent: none."
    )


class Serving(Document):
    """How a node serves."""

    device: Literal["auto", "cpu", "cuda", "tensorrt", "openvino"] = Field(
        default="auto",
        description="What runs the model, where it works; else the processor, and the pod's /status says why.",
    )
    threads: int = Field(default=1, ge=1, le=256, description="Threads of the inference session.")
    batching: Batching = Field(default=Batching(), description="Waiting requests run together.")
    trial_time: Annotated[float, DurationText(at_least=1, at_most=600, example="30s")] = Field(
        default=5,
        description="Processor time in which a node tries a new version before it serves; more for slow boards.",
    )
    host_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None,
        description="Port of the node that answers too, for example 8080; needs more than the restricted standard.",
    )
    tls: TlsSecret | None = Field(
        default=None,
        description="Answer over TLS with this certificate, also when it is renewed; absent: plain HTTP.",
    )
    token_secret: TokenSecret | None = Field(
        default=None, description="Ask callers for one of these bearer tokens; absent: everyone may ask."
    )
    grpc: bool = Field(
        default=False, description="Answer over gRPC too, on port 8082 of the pods and the Service; same certificate."
    )
    cache_size: Quantity = Field(
        default=100 << 20, description="Disk for artifacts on each node; what serves and the last good one stay."
    )
    otlp: Otlp | None = Field(default=None, description="Push metrics and traces; absent: pods are scraped.")
    samples: Samples | None = Field(default=None, description="Keep hard inputs for re-distillation; absent: off.")
