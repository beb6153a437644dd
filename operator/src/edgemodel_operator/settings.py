"""What an administrator sets, read from the environment once at start."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from edgemodel_operator.render.pod import PLAIN, Id

HIDDEN = "hidden"
"""Type of the errors about values that are shown to nobody, for they may have a secret in them."""


def _without_login(url: str) -> str:
    """An address that may be logged, or none."""
    if "@" in url:
        raise PydanticCustomError(
            HIDDEN,
            "want no login in the address, which stands in logs: put a bearer token into the file that "
            "OPERATOR_PROMETHEUS_TOKEN_FILE names (chart: prometheus.existingSecret)",
        )
    return url


class Settings(BaseSettings):
    """Variables carry the prefix ``OPERATOR_``: ``OPERATOR_INFERENCE_IMAGE`` and so on; ``--help`` has these words."""

    model_config = SettingsConfigDict(env_prefix="OPERATOR_", frozen=True, use_attribute_docstrings=True)

    inference_image: Annotated[str, Field(min_length=1)]
    """Image of the serving pods."""
    distill_image: Annotated[str, Field(min_length=1)]
    """Image of the distillation Jobs."""
    pod_ids: dict[Id, Annotated[int, Field(ge=1)]] = dict(PLAIN.ids)
    """User and groups of the pods of both, as JSON; what is absent the image or the cluster chooses."""
    pod_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    """When their images are pulled; empty: as Kubernetes does by the image's tag."""
    prometheus_url: Annotated[str, BeforeValidator(_without_login), Field(pattern=r"^(https?://[^?#\s]+)?$")] = ""
    """Base address of Prometheus, without a login; empty: scrape the pods."""
    prometheus_token_file: Path | None = None
    """File with the bearer token for Prometheus; read at each question."""
    prometheus_ca_file: Path | None = None
    """File with certificates by which Prometheus is known, besides the public ones; read at each question."""
    prometheus_rules: bool = False
    """Whether the cluster knows PrometheusRules, so that one is made for each EdgeModel."""
    prometheus_rule_labels: dict[str, str] = {}
    """Labels that they are to have, as JSON: those by which Prometheus selects its rules."""
    signal_interval: Annotated[float, Field(ge=0.5, le=300)] = 10.0
    """Seconds between two readings of Prometheus or of the pods."""
    webhook_port: Annotated[int, Field(ge=1, le=65535)] = 8088
    """Port of POST /alerts."""
    webhook_token_file: Path = Path("/etc/edgemodel/webhook/token")
    """File with the bearer token that /alerts asks for; read at each request."""
    health_port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """Port of /healthz."""
    metrics_port: Annotated[int, Field(ge=1, le=65535)] = 8081
    """Port of /metrics and /readyz."""
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    namespaces: str = ""
    """Namespaces whose EdgeModels are looked after, with commas between; empty: all."""
    workers: Annotated[int, Field(ge=1, le=64)] = 4
    """EdgeModels that are decided on at the same time."""

    def watched(self) -> tuple[str, ...]:
        """The namespaces to watch; empty means all."""
        return tuple(name.strip() for name in self.namespaces.split(",") if name.strip())
