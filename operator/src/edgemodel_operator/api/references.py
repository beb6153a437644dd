"""Parts of the spec that name objects of the cluster, in the words that every pod uses for them."""

from pydantic import Field

from edgemodel.document import Document
from edgemodel_operator.api.types import ObjectName, SecretKey


class PullSecret(Document):
    """A Secret of type kubernetes.io/dockerconfigjson in the EdgeModel's namespace."""

    name: ObjectName = Field(description="Name of the Secret.")


class TlsSecret(Document):
    """A Secret of type kubernetes.io/tls in the EdgeModel's namespace."""

    secret: ObjectName = Field(description="Name of the Secret; its keys are tls.crt and tls.key, as cert-manager has.")


class TokenSecret(Document):
    """A Secret in the EdgeModel's namespace with bearer tokens."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: SecretKey = Field(default="tokens", description="Its key that holds the tokens, one per line.")


class HeadersSecret(Document):
    """A Secret in the EdgeModel's namespace with headers for a collector, as OpenTelemetry writes them."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: SecretKey = Field(
        default="headers", description="Its key; it holds name=value, several with commas between, %20 for a space."
    )


class SigningSecret(Document):
    """A Secret in the EdgeModel's namespace with a private key."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: SecretKey = Field(
        default="signing.key",
        description="Its key that holds an Ed25519 private key, as edgemodel key create makes it.",
    )


class VolumeClaim(Document):
    """A PersistentVolumeClaim in the EdgeModel's namespace."""

    claim: ObjectName = Field(description="Name of the PersistentVolumeClaim.")


class CloudToken(Document):
    """A Secret in the EdgeModel's namespace with the token that the cloud asks for."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: SecretKey = Field(default="token", description="Its key that holds the token.")


class CaBundle(Document):
    """A ConfigMap in the EdgeModel's namespace with the key ca.crt."""

    config_map: ObjectName = Field(description="Name of the ConfigMap; its key ca.crt holds PEM certificates.")
