"""Bundle manifests: equal files give equal bytes, and a manifest that lies is not believed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel import bundle
from edgemodel.bundle import Blob, BundleError

FILES = {
    bundle.MODEL: Blob("sha256:" + "1" * 64, 1000),
    bundle.CARD: Blob("sha256:" + "2" * 64, 10),
    bundle.GOLDEN: Blob("sha256:" + "3" * 64, 0),
}
CONFIG = Blob("sha256:" + "4" * 64, 5)
DATA = bundle.render_manifest(FILES, CONFIG)

Json = dict[str, Any]


def changed(*path: str | int, to: object) -> bytes:
    """The good manifest with one field replaced, or removed where `to` is Ellipsis."""
    document = json.loads(DATA)
    place = document
    for part in path[:-1]:
        place = place[part]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return json.dumps(document).encode()


def test_what_was_rendered_is_read() -> None:
    manifest = bundle.parse_manifest(DATA, bundle.digest_of(DATA))
    assert manifest == bundle.Manifest(bundle.TYPE_MODEL, CONFIG, FILES)


def test_the_same_files_in_another_order_are_the_same_bundle() -> None:
    assert bundle.render_manifest(dict(reversed(FILES.items())), CONFIG) == DATA


def test_the_digest_is_that_of_the_bytes() -> None:
    # sha256 of nothing: FIPS 180-4 test vector
    assert bundle.digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_one_other_byte_is_another_bundle() -> None:
    with pytest.raises(BundleError, match="want digest"):
        bundle.parse_manifest(DATA + b" ", bundle.digest_of(DATA))


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "C:x", ".hidden", "-x", "a\x00", "a\n", "ü", "x" * 129, 7],
)
def test_a_name_that_is_no_plain_file_name_is_refused(name: object) -> None:
    with pytest.raises(BundleError):
        bundle.parse_manifest(changed("layers", 0, "annotations", bundle.FILE_PATH, to=name))


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(BundleError, match=r"layers\[1\].*unique"):
        bundle.parse_manifest(changed("layers", 1, "annotations", bundle.FILE_PATH, to=bundle.CARD))


@pytest.mark.parametrize("digest", ["", "latest", "md5:" + "1" * 32, "sha256:" + "A" * 64, DATA.decode(), None, 5])
def test_a_digest_that_is_none_is_refused(digest: object) -> None:
    with pytest.raises(BundleError, match=r"layers\[0\]\.digest"):
        bundle.parse_manifest(changed("layers", 0, "digest", to=digest))


def test_a_digest_with_a_line_feed_is_refused() -> None:
    with pytest.raises(BundleError, match=r"layers\[0\]\.digest"):
        bundle.parse_manifest(changed("layers", 0, "digest", to="sha256:" + "1" * 64 + "\n"))


@pytest.mark.parametrize("size", [-1, 1.5, "7", True, None])
def test_a_size_that_is_none_is_refused(size: object) -> None:
    with pytest.raises(BundleError, match=r"config\.size"):
        bundle.parse_manifest(changed("config", "size", to=size))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b"\xff",
        b'{"layers": 7, "config": {}}',
        b"[" * 100_000,
        changed("layers", to=...),
        changed("config", to=...),
        changed("layers", to={"a": 1}),
        changed("layers", 0, to="x"),
        changed("layers", 0, to=None),
        changed("layers", 0, "size", to=...),
        changed("layers", 0, "annotations", to=...),
        changed("layers", 0, "annotations", to=None),
        changed("layers", 0, "annotations", to=[1]),
    ],
)
def test_bytes_that_are_no_manifest_are_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match=bundle.MANIFEST):
        bundle.parse_manifest(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["layers", "config", "artifactType"]), JSON)
def test_junk_never_ends_in_another_error(field: str, value: object) -> None:
    try:
        manifest = bundle.parse_manifest(changed(field, to=value))
    except BundleError:
        return
    assert all(blob.size >= 0 for blob in manifest.files.values())


@given(st.binary(max_size=200))
def test_random_bytes_never_end_in_another_error(data: bytes) -> None:
    with pytest.raises(BundleError):
        bundle.parse_manifest(data)


def test_a_card_says_what_a_model_eats_and_answers() -> None:
    tensor = bundle.Tensor(name="x", datatype="FP32", shape=(-1, 1, 8, 8))
    card = bundle.Card(name="digits", inputs=(tensor,), outputs=(tensor,), labels=("0", "1"))
    assert bundle.parse_card(card.dump().encode()) == card


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "bundle.json"),
        (b"{}", "bundle.json.name"),
        (b'{"name": "x", "inputs": [{"name": "a"}], "outputs": []}', "bundle.json.inputs[0].datatype"),
        (b'{"name": "x", "inputs": [], "outputs": [], "outputKind": "magic"}', "bundle.json.outputKind"),
    ],
)
def test_a_card_that_does_not_parse_names_the_field(data: bytes, named: str) -> None:
    with pytest.raises(BundleError) as caught:
        bundle.parse_card(data)
    assert any(line.startswith(f"{named}: ") for line in str(caught.value).splitlines())


def test_the_config_lists_the_files_digests() -> None:
    config: Json = json.loads(bundle.render_config("digits", FILES))
    assert config["modelfs"]["diffIds"] == [FILES[name].digest for name in sorted(FILES)]
