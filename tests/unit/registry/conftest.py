"""Registries and a bundle to push."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgemodel.bundle import Card, Tensor
from edgemodel_registry import write_bundle
from tests.unit.registry.real_registry import BASIC_LOGIN, Certificate, RealRegistry, make_certificate, run_registry
from tests.unit.registry.token_service import ISSUER, SERVICE, run_token_service

MODEL_BYTES = np.random.default_rng(0).bytes(300_000)
"""The registry does not look into a model."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """Plain HTTP, no login."""
    with run_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def guarded_registry(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[RealRegistry]:
    """TLS by an authority of its own, and a login."""
    with run_registry(tmp_path_factory.mktemp("guarded"), tls=certificate, auth=BASIC_LOGIN) as running:
        yield running


@pytest.fixture(scope="session")
def token_registry(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[RealRegistry]:
    """Plain HTTP, and bearer tokens from a token service that wants a login."""
    with run_token_service(certificate) as realm:
        keys = f"rootcertbundle: {certificate.certificate}"
        auth = f"auth: {{{{token: {{{{realm: '{realm}', service: {SERVICE}, issuer: {ISSUER}, {keys}}}}}}}}}"
        with run_registry(tmp_path_factory.mktemp("token"), auth=auth) as running:
            yield running


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle's folder."""
    tensor = {"datatype": "FP32", "shape": (-1, 2)}
    card = Card(name="v1", inputs=(Tensor(name="x", **tensor),), outputs=(Tensor(name="y", **tensor),))
    golden = {"input:x": np.zeros((3, 2), np.float32), "output:y": np.ones((3, 2), np.float32)}
    write_bundle(tmp_path / "bundle", card, MODEL_BYTES, golden)
    return tmp_path / "bundle"
