"""Images are built and pushed where the registry does not have them, and only there."""

import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lab.container_images import IMAGES, Publisher, Registry
from lab.errors import LabError
from lab.home import Home
from lab.pki import Authority
from lab.progress import Progress


class Shelf:
    """A builder whose registry is a set: an image is there once it is pushed."""

    def __init__(self) -> None:
        self.built: list[str] = []
        self.paths: set[str] = {"/v2/"}

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        self.built.append(f"{dockerfile.relative_to(context)} {reference.partition('/')[2]}")

    def push(self, reference: str) -> None:
        name, _, tag = reference.partition("/")[2].partition(":")
        self.paths.add(f"/v2/{name}/manifests/{tag}")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    home.make_folders()
    Authority(home.pki).ensure()
    return home


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for image in IMAGES.values():
        (tmp_path / image.folder).mkdir()
        (tmp_path / image.folder / "Dockerfile").touch()
    return tmp_path


@pytest.fixture
def registry(home: Home, shelf: Shelf) -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200 if self.path in shelf.paths else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    pair = Authority(home.pki).issue("registry", hosts=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        yield Registry(f"127.0.0.1:{server.server_port}", Authority(home.pki).certificate)
        server.shutdown()


@pytest.fixture
def publisher(home: Home, registry: Registry, shelf: Shelf) -> Publisher:
    return Publisher(home, registry, shelf, Progress(lambda _: None))


def test_what_the_registry_does_not_have_is_built_and_pushed(
    publisher: Publisher, shelf: Shelf, repository: Path
) -> None:
    references = publisher.ensure(["operator"], repository)
    assert shelf.built == [f"operator/Dockerfile {references['operator'].partition('/')[2]}"]


def test_what_it_has_is_not_built_again(publisher: Publisher, shelf: Shelf, repository: Path) -> None:
    first = publisher.ensure([], repository)
    shelf.built.clear()
    assert (publisher.ensure([], repository), shelf.built) == (first, [])


def test_a_missing_dockerfile_is_named(publisher: Publisher, repository: Path) -> None:
    (repository / "operator" / "Dockerfile").unlink()
    with pytest.raises(LabError, match=r"operator/Dockerfile is missing"):
        publisher.ensure(["operator"], repository)


def test_a_registry_of_another_authority_does_not_count_as_an_answer(registry: Registry, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    other.ensure()
    assert registry.answers()
    assert not Registry(registry.address, other.certificate).answers()


def test_a_registry_that_does_not_answer_asks_whether_the_lab_is_up(home: Home) -> None:
    with pytest.raises(LabError, match=r"does not answer.*python -m lab up"):
        Registry("127.0.0.1:1", Authority(home.pki).certificate).has("edgemodel-operator", "x")
