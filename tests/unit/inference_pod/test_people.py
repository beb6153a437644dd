"""What people get: predictions for pictures and lists, a page to try them, documentation that needs no network."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemodel.bundle import Card, Tensor
from edgemodel_inference.errors import BadRequest
from edgemodel_inference.model.models import Model, open_model
from edgemodel_inference.web.openapi import MAX_FILES
from edgemodel_inference.web.pages import FILES
from edgemodel_inference.web.pictures import MAX_PIXELS, picture_to_input
from tests.unit.inference_pod.asgi import Reply, call
from tests.unit.inference_pod.desk import Desk
from tests.unit.inference_pod.tiny_bundles import CARD, ONE, bundle, golden, graph


@pytest.fixture
def desk(tiny_model: Model) -> Desk:
    return Desk(tiny_model)


def picture(kind: str = "PNG", size: tuple[int, int] = (2, 2), mode: str = "L") -> bytes:
    """Pixels 0, 1, 2, …, as a file."""
    width, height = size
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.arange(width * height * channels, dtype=np.uint8).reshape(height, width, channels)
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(file, kind)
    return file.getvalue()


def card(shape: tuple[int, ...], scale: float = 1.0, datatype: str = "FP32") -> Card:
    tensor = Tensor(name="x", datatype=datatype, shape=shape)
    return CARD.model_copy(update={"inputs": (tensor,), "input_scale": scale})


async def upload(desk: Desk, data: bytes, kind: str = "image/png") -> Reply:
    return await call(desk.app, "POST", "/predict", data, content_type=kind)


async def test_a_picture_gets_the_prediction_that_its_pixels_get_as_json(desk: Desk) -> None:
    pixels = json.dumps({"input": [0, 1, 2, 3]}).encode()
    as_json = await call(desk.app, "POST", "/predict", pixels)
    assert (await upload(desk, picture())).json["top"] == as_json.json["top"]


async def test_an_answer_says_which_model_gave_it_and_how_long_it_took(desk: Desk, tiny_model: Model) -> None:
    answer = (await upload(desk, picture())).json
    assert (answer["model"], answer["version"], answer["digest"]) == ("tiny", "v1", tiny_model.digest)
    assert (answer["source"], answer["latency_ms"] > 0) == ("edge", True)


@pytest.mark.parametrize(
    ("shape", "mode", "want"),
    [
        ((-1, 1, 2, 2), "L", [[[[0, 1], [2, 3]]]]),
        ((-1, 2, 2, 1), "L", [[[[0], [1]], [[2], [3]]]]),
        ((-1, 3, 1, 1), "RGB", [[[[0]], [[1]], [[2]]]]),
        ((-1, -1, -1, 3), "RGB", [[[[0, 1, 2]]]]),
    ],
)
def test_pixels_are_laid_out_as_the_model_wants(shape: tuple[int, ...], mode: str, want: Any) -> None:
    data = picture(size=(1, 1) if mode == "RGB" else (2, 2), mode=mode)
    np.testing.assert_array_equal(picture_to_input(data, "image/png", card(shape)), want)


def test_pixels_are_divided_by_the_cards_scale_and_stay_bytes_where_the_model_eats_bytes() -> None:
    floats = picture_to_input(picture(), "image/png", card((-1, 1, 2, 2), scale=255.0))
    np.testing.assert_allclose(floats, np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2) / 255)
    octets = picture_to_input(picture(), "image/png", card((-1, 1, 2, 2), datatype="UINT8"))
    assert (octets.dtype, octets.ravel().tolist()) == (np.uint8, [0, 1, 2, 3])


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_picture_of_another_size_and_colour_is_made_to_fit(kind: str) -> None:
    data = picture(kind.upper(), size=(7, 5), mode="RGB")
    assert picture_to_input(data, f"image/{kind}", card((-1, 1, 2, 2))).shape == (1, 1, 2, 2)


def bomb() -> bytes:
    """A few kilobytes that declare more pixels than are ever decoded."""
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


BROKEN = {
    "no picture": (b"hello", "want image/png, and it is not"),
    "nothing": (b"", "want image/png, and it is not"),
    "half a picture": (picture(size=(40, 40))[:-60], "is damaged"),
    "a picture of another kind": (picture("JPEG"), "want image/png"),
    "a decompression bomb": (bomb(), f"want at most {MAX_PIXELS} pixels"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_broken_picture_is_told_what_was_expected(desk: Desk, what: str) -> None:
    data, message = BROKEN[what]
    reply = await upload(desk, data)
    assert (reply.status, message in reply.json["error"]) == (400, True), reply.body
    assert desk.count("invalid") == 1


async def test_a_picture_in_a_format_that_is_not_read_is_refused_by_its_type(desk: Desk) -> None:
    reply = await upload(desk, picture("GIF"), "image/gif")
    assert (reply.status, "want image/png or image/jpeg" in reply.json["error"]) == (415, True)


def form(*files: tuple[str, bytes], boundary: str = "xyz") -> bytes:
    """Files of a form, as browsers and curl send them: media type and bytes."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="pictures"; filename="{number}"\r\n'
        f"Content-Type: {kind}\r\n\r\n".encode()
        + data
        + b"\r\n"
        for number, (kind, data) in enumerate(files)
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


async def send_form(desk: Desk, body: bytes, path: str = "/batch_predict") -> Reply:
    return await call(desk.app, "POST", path, body, content_type="multipart/form-data; boundary=xyz")


async def test_the_files_of_a_form_get_the_predictions_that_they_get_one_by_one(desk: Desk) -> None:
    first, second = picture(), picture("JPEG", size=(9, 9), mode="RGB")
    reply = await send_form(desk, form(("image/png", first), ("image/jpeg", second)))
    alone = [(await upload(desk, first)).json, (await upload(desk, second, "image/jpeg")).json]
    assert reply.status == 200, reply.body
    assert [p["label"] for p in reply.json["predictions"]] == [answer["label"] for answer in alone]
    for got, want in zip(reply.json["predictions"], alone, strict=True):
        assert got["confidence"] == pytest.approx(want["confidence"], rel=1e-5)


async def test_one_picture_is_a_batch_too_and_one_file_is_an_input_too(desk: Desk) -> None:
    batch = await call(desk.app, "POST", "/batch_predict", picture(), content_type="image/png")
    assert len(batch.json["predictions"]) == 1
    assert (await send_form(desk, form(("image/png", picture())), "/predict")).status == 200


GOOD = ("image/png", picture())
BAD_FORMS = {
    "no file": (form(), 400, "pictures, got none"),
    "no form": (b"hello", 400, "want multipart/form-data"),
    "half a form": (form(GOOD)[:60], 400, "want multipart/form-data"),
    "a file that is no picture": (form(GOOD, ("image/png", b"x")), 400, "pictures[1] (1): want image/png"),
    "a file of another kind": (form(GOOD, ("text/plain", b"x")), 415, "pictures[1] (1): want image/png or image/jpeg"),
    "too many files": (form(*[GOOD] * (MAX_FILES + 1)), 400, f"Too many files. Maximum number of files is {MAX_FILES}"),
}


@pytest.mark.parametrize("what", BAD_FORMS)
async def test_a_bad_form_is_told_what_was_expected(desk: Desk, what: str) -> None:
    body, status, message = BAD_FORMS[what]
    reply = await send_form(desk, body)
    assert (reply.status, message in reply.json["error"]) == (status, True), reply.body
    assert desk.count("invalid") == 1


async def test_several_pictures_for_one_answer_are_sent_to_the_right_door(desk: Desk) -> None:
    reply = await send_form(desk, form(GOOD, GOOD), "/predict")
    assert (reply.status, "several go to /batch_predict" in reply.json["error"]) == (400, True)


@pytest.mark.parametrize(
    ("shape", "datatype"),
    [((-1, 4), "FP32"), ((-1, 2, 2, 2), "FP32"), ((8, 1, 2, 2), "FP32"), ((-1, 1, 2, 2), "INT64")],
)
def test_a_model_that_eats_no_pictures_says_what_it_eats(shape: tuple[int, ...], datatype: str) -> None:
    with pytest.raises(BadRequest, match="this model eats no pictures: its input is"):
        picture_to_input(picture(), "image/png", card(shape, datatype=datatype))


async def test_a_model_without_classes_sends_people_to_the_protocol(tmp_path: Path) -> None:
    artifact = bundle(tmp_path, "v1", card=CARD.model_copy(update={"output_kind": "other"}))
    desk = Desk(open_model(tmp_path / "v1", artifact, threads=1))
    reply = await call(desk.app, "POST", "/predict", json.dumps({"input": ONE[0].tolist()}).encode())
    assert (reply.status, "ask it at /v2/models/tiny/infer" in reply.json["error"]) == (400, True)


async def test_health_may_be_asked_without_its_body(desk: Desk) -> None:
    assert (await call(desk.app, "HEAD", "/health")).status == 200
    assert (await call(Desk(None).app, "HEAD", "/health")).status == 503


async def test_health_says_what_serves(desk: Desk, tiny_model: Model) -> None:
    reply = await call(desk.app, "GET", "/health")
    assert (reply.status, reply.json["status"], reply.json["digest"]) == (200, "ok", tiny_model.digest)
    reply = await call(Desk(None).app, "GET", "/health")
    assert (reply.status, reply.json["status"]) == (503, "no model is served yet")


async def test_the_card_tells_what_the_model_is(desk: Desk) -> None:
    reply = await call(desk.app, "GET", "/card")
    assert (reply.json["version"], reply.json["pictures"], reply.json["card"]["labels"]) == (
        "v1",
        True,
        ["a", "b", "c"],
    )


@pytest.mark.parametrize("path", FILES)
async def test_a_page_needs_nothing_from_elsewhere(desk: Desk, path: str) -> None:
    reply = await call(desk.app, "GET", path)
    assert reply.status == 200
    assert "script-src 'self'" in reply.headers["content-security-policy"]
    if reply.headers["content-type"].startswith("text/html"):
        named = re.findall(r'(?:src|href)="([^"]+)"', reply.body.decode())
        assert {f"/{name}" for name in named if name != "data:,"} <= {*FILES, "/openapi.json"}
        assert not re.search(r"<script>|<style>| on\w+=| style=", reply.body.decode())


async def test_the_page_has_what_its_script_fills_in_and_the_script_asks_what_is_there(desk: Desk) -> None:
    page = (await call(desk.app, "GET", "/")).body.decode()
    script = (await call(desk.app, "GET", "/page.js")).body.decode()
    paths = (await call(desk.app, "GET", "/openapi.json")).json["paths"].keys()
    places = set(re.findall(r'\bat\("([^"]+)"\)', script))
    assert {"card", "form", "picture", "input", "result"} <= places <= set(re.findall(r'id="([^"]+)"', page))
    asked = re.findall(r'ask\((?:others\.length \? )?"([^"]+)"(?: : "([^"]+)")?', script)
    assert {f"/{path}" for both in asked for path in both if path} == {"/card", "/predict", "/batch_predict"} & set(
        paths
    )


async def test_a_prediction_names_the_likeliest_five_of_many_classes(tmp_path: Path) -> None:
    matrix = np.arange(28, dtype=np.float32).reshape(4, 7)
    outputs = (CARD.outputs[0].model_copy(update={"shape": (-1, 7)}),)
    many = CARD.model_copy(update={"outputs": outputs, "labels": tuple("abcdefg")})
    artifact = bundle(tmp_path, "v1", card=many, model=graph(matrix), golden=golden(matrix))
    desk = Desk(open_model(tmp_path / "v1", artifact, threads=1))
    reply = await call(desk.app, "POST", "/predict", b'{"input": [1, 0, 0, 0]}')
    assert [guess["label"] for guess in reply.json["top"]] == ["g", "f", "e", "d", "c"]


async def test_the_documentation_has_the_protocol_too(desk: Desk) -> None:
    paths = (await call(desk.app, "GET", "/openapi.json")).json["paths"]
    assert {"/predict", "/batch_predict", "/health", "/v2", "/v2/models/tiny/infer"} <= paths.keys()
