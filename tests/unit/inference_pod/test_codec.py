"""The V2 codec: what goes in comes out, and whatever else comes is a sentence that says what was expected."""

import contextlib
import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgemodel.bundle import Tensor
from edgemodel_inference.errors import BadRequest, Unprocessable
from edgemodel_inference.v2 import codec
from edgemodel_inference.v2.codec import InferRequest, encode
from edgemodel_inference.v2.datatypes import NAMES, NUMPY
from edgemodel_inference.v2.heads import LONGEST_HEAD, MOST_HEADS, Heads
from edgemodel_inference.v2.values import array_of

FREE = {name: Tensor(name="x", datatype=name, shape=(-1, -1)) for name in NUMPY}
MATRICES = st.sampled_from([dtype for dtype in NUMPY.values() if dtype.kind != "O"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=_finite(dtype))
)
ALL = InferRequest(None, {}, None, binary=False)


def _finite(dtype: "np.dtype[Any]") -> Any:
    return hnp.from_dtype(dtype, allow_nan=False, allow_infinity=False)


def _no_surrogates() -> Any:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


TEXTS = hnp.arrays(np.object_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=_no_surrogates())


def decode(data: bytes, json_length: int | None, inputs: list[Tensor]) -> InferRequest:
    """Read a request to a model with the output y."""
    return codec.decode(data, json_length, inputs, ["y"])


def body(array: Any, **changed: Any) -> dict[str, Any]:
    """A sound request for one matrix, with `changed` fields of its input."""
    tensor = {"name": "x", "shape": list(array.shape), "datatype": NAMES[array.dtype], "data": array.tolist()}
    return {"inputs": [{**tensor, **changed}]}


@given(MATRICES)
def test_json_tensors_arrive_as_they_were_sent(array: Any) -> None:
    request = decode(orjson.dumps(body(array)), None, [FREE[NAMES[array.dtype]]])
    np.testing.assert_array_equal(request.feeds["x"], array)


JSON_VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans(), st.none(), st.text(max_size=3)
)


def read(values: list[Any], *, truths: bool) -> Any:
    """The array, or what the refusal says."""
    try:
        return array_of(values, np.dtype(np.float32), "x", truths=truths).tolist()
    except BadRequest as error:
        return str(error)


@given(st.lists(st.one_of(JSON_VALUES.filter(lambda value: not isinstance(value, bool)), st.lists(JSON_VALUES))))
def test_floats_read_the_quick_way_are_those_of_the_slow_one(values: list[Any]) -> None:
    if not any(value in (True, False) for nested in values if isinstance(nested, list) for value in nested):
        assert read(values, truths=False) == read(values, truths=True)


@pytest.mark.parametrize(
    "text",
    [
        '"data": [1.5, true]}]}',
        '"data": [false, 1.5]}], "outputs": [{"name": "y"}], "id": "full"}',
        '"d\\u0061ta": [1.5, true]}], "id": "data"}',
        '"data": [1.5, true], "parameters": {"data": 1}}]}',
    ],
)
def test_a_truth_value_among_floats_is_refused_wherever_it_stands(text: str) -> None:
    with pytest.raises(BadRequest, match="want FP32 values only"):
        decode(
            f'{{"inputs": [{{"name": "x", "shape": [1, 2], "datatype": "FP32", {text}'.encode(), None, [FREE["FP32"]]
        )


@given(MATRICES)
def test_binary_tensors_arrive_as_they_were_sent(array: Any) -> None:
    head = body(array, parameters={"binary_data_size": array.nbytes})
    del head["inputs"][0]["data"]
    text = orjson.dumps(head)
    request = decode(text + array.tobytes(), len(text), [FREE[NAMES[array.dtype]]])
    np.testing.assert_array_equal(request.feeds["x"], array)


def binary(array: Any, **other: Any) -> tuple[bytes, int]:
    """A sound request for one matrix in binary, and the length of its JSON part."""
    tensor = {"name": "x", "shape": list(array.shape), "datatype": NAMES[array.dtype]}
    text = orjson.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": array.nbytes}}], **other})
    return text + array.tobytes(), len(text)


TWO = np.array([[1, 2]], dtype=np.float32)


def test_a_head_that_was_read_before_is_read_no_more_and_what_follows_it_is() -> None:
    heads: Heads = {}
    for array in (TWO, TWO + 1):
        request = codec.decode(*binary(array), [FREE["FP32"]], ["y"], heads)
        np.testing.assert_array_equal(request.feeds["x"], array)
    assert len(heads) == 1


def test_the_bytes_after_a_known_head_are_looked_at_as_closely() -> None:
    heads: Heads = {}
    data, length = binary(TWO)
    codec.decode(data, length, [FREE["FP32"]], ["y"], heads)
    for wrong in (data[:-1], data + b"x", data[:-4] + np.float32("nan").tobytes()):
        with pytest.raises(BadRequest):
            codec.decode(wrong, length, [FREE["FP32"]], ["y"], heads)


def test_heads_that_come_once_are_not_kept_and_no_more_than_some_are() -> None:
    heads: Heads = {}
    codec.decode(*binary(TWO, id="7"), [FREE["FP32"]], ["y"], heads)
    codec.decode(*binary(TWO, parameters={"long": "x" * LONGEST_HEAD}), [FREE["FP32"]], ["y"], heads)
    assert heads == {}
    for number in range(3 * MOST_HEADS):
        codec.decode(*binary(TWO, parameters={"number": number}), [FREE["FP32"]], ["y"], heads)
    assert 0 < len(heads) <= MOST_HEADS


@given(MATRICES)
def test_an_answer_reads_back_as_json(array: Any) -> None:
    text, length = encode({"model_name": "tiny"}, [("y", array)], ALL)
    (output,) = json.loads(text)["outputs"]
    back = np.array(output["data"], dtype=NUMPY[output["datatype"]]).reshape(output["shape"])
    np.testing.assert_array_equal(back, array)
    assert length is None


@given(MATRICES)
def test_an_answer_reads_back_as_binary_when_the_caller_asks_for_it(array: Any) -> None:
    text, length = encode({}, [("y", array)], InferRequest("7", {}, None, binary=True))
    assert length is not None
    head = json.loads(text[:length])
    assert (head["id"], head["outputs"][0]["parameters"]) == ("7", {"binary_data_size": array.nbytes})
    assert text[length:] == array.tobytes()


@given(TEXTS)
def test_texts_arrive_and_come_back_as_json_and_as_binary(array: Any) -> None:
    request = decode(orjson.dumps(body(array)), None, [FREE["BYTES"]])
    text, length = encode({}, [("x", request.feeds["x"])], InferRequest(None, {}, None, binary=True))
    assert length is not None
    (output,) = json.loads(text[:length])["outputs"]
    head = orjson.dumps({"inputs": [output]})
    again = decode(head + text[length:], len(head), [FREE["BYTES"]])
    assert again.feeds["x"].tolist() == array.tolist()


WRONG_TEXTS = {
    "one that is cut off": (b"\x05\x00\x00\x00abcd", "element 0 is longer than the data"),
    "one too many": (b"\x01\x00\x00\x00a" * 3, "want 2 elements"),
    "one too few": (b"\x07\x00\x00\x00abcdefg", "want 2 elements"),
    "bytes that are no text": (b"\x01\x00\x00\x00\xff\x00\x00\x00\x00", "element 0: want UTF-8"),
    "no room for the lengths": (b"abc", "want 2 elements"),
}


@pytest.mark.parametrize("what", WRONG_TEXTS)
def test_broken_binary_texts_are_refused(what: str) -> None:
    data, message = WRONG_TEXTS[what]
    tensor = {"name": "x", "shape": [1, 2], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    head = orjson.dumps({"inputs": [tensor]})
    with pytest.raises(BadRequest, match=message):
        decode(head + data, len(head), [FREE["BYTES"]])


def test_a_truth_value_in_binary_may_be_any_byte_but_zero() -> None:
    head = orjson.dumps(
        {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "BOOL", "parameters": {"binary_data_size": 3}}]}
    )
    feeds = decode(head + b"\x00\x01\xff", len(head), [FREE["BOOL"]]).feeds
    assert feeds["x"].view(np.uint8).tolist() == [[0, 1, 1]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("x") | JSON,
        "shape": st.just([1, 2]) | st.lists(st.integers(-3, 2**70), max_size=3) | JSON,
        "datatype": st.just("FP32") | JSON,
        "data": st.just([1, 2]) | JSON,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers() | JSON}) | JSON,
    },
)
REQUESTS = st.fixed_dictionaries(
    {}, optional={"id": JSON, "inputs": st.lists(ITEMS, max_size=3) | JSON, "outputs": JSON}
)


@given(REQUESTS | JSON, st.none() | st.integers(-5, 200), st.binary(max_size=20))
def test_no_body_ends_in_anything_but_arrays_or_a_bad_request(document: Any, length: int | None, rest: bytes) -> None:
    data = json.dumps(document).encode() + rest
    with contextlib.suppress(BadRequest):
        assert decode(data, length, [FREE["FP32"]]).feeds["x"].dtype == np.float32


@given(st.binary(max_size=50))
def test_no_bytes_end_in_anything_but_a_bad_request(data: bytes) -> None:
    with pytest.raises(BadRequest, match=r"."):
        decode(data, None, [FREE["FP32"]])


FOUR = Tensor(name="x", datatype="FP32", shape=(-1, 4))
SOUND = np.array([[0.5, 1.5, 2.5, 3.5]], dtype=np.float32)
WRONG = {
    "another name": ({"name": "y"}, r"inputs\[0\].name: want each of \['x'\] once, got 'y'"),
    "another datatype": ({"datatype": "INT64"}, r"inputs\[0\].datatype: want 'FP32', got 'INT64'"),
    "another rank": ({"shape": [4]}, r"inputs\[0\].shape: want \[-1, 4\]"),
    "another width": ({"shape": [1, 5]}, r"inputs\[0\].shape: want \[-1, 4\]"),
    "an empty batch": ({"shape": [0, 4], "data": []}, r"inputs\[0\].shape: want \[-1, 4\]"),
    "a huge batch": ({"shape": [2**62, 4]}, r"want 18446744073709551616 values"),
    "a shape of truth values": ({"shape": [True, 4]}, r"shape: want a list of whole numbers"),
    "too few values": ({"data": [1, 2, 3]}, r"want 4 values for shape \[1, 4\], got 3"),
    "text": ({"data": ["1", "2", "3", "4"]}, r"data: want FP32 values only"),
    "truth values": ({"data": [True, False, True, False]}, r"data: want FP32 values only"),
    "nothing where a number should be": ({"data": [1, 2, 3, None]}, r"data: want FP32 values only"),
    "ragged lists": ({"data": [[1, 2, 3], [4]]}, r"data: want equally long lists"),
    "a value beyond the datatype": ({"data": [1, 2, 3, 1e300]}, r"want finite FP32 values, number 3 is inf"),
    "a wrong binary size": ({"parameters": {"binary_data_size": 12}}, r"want 12 bytes of binary data, got 0"),
    "more binary than there is": ({"parameters": {"binary_data_size": 16}}, r"want 16 bytes of binary data, got 0"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_input_is_told_what_was_expected(what: str) -> None:
    changed, message = WRONG[what]
    with pytest.raises(BadRequest, match=message):
        decode(orjson.dumps(body(SOUND, **changed)), None, [FOUR])


def test_deep_nesting_is_refused() -> None:
    data: Any = 1.0
    for _ in range(100):
        data = [data]
    with pytest.raises(BadRequest, match="at most 16 deep"):
        decode(orjson.dumps(body(SOUND, data=data)), None, [FOUR])


def test_an_integer_beyond_its_datatype_is_refused() -> None:
    tensor = Tensor(name="x", datatype="UINT8", shape=(-1, 2))
    request = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "UINT8", "data": [1, 256]}]}
    with pytest.raises(BadRequest, match="beyond the range of UINT8"):
        decode(orjson.dumps(request), None, [tensor])


def test_an_output_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"outputs\[0\].name: want one of \['y'\], got 'z'"):
        decode(orjson.dumps({**body(SOUND), "outputs": [{"name": "z"}]}), None, [FOUR])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["FP16", "FP32", "FP64"])
def test_a_binary_number_that_is_not_finite_is_refused_as_in_json(name: str, value: float) -> None:
    array = np.array([[0, 0, value, 0]], dtype=NUMPY[name])
    head = body(array, parameters={"binary_data_size": array.nbytes})
    del head["inputs"][0]["data"]
    text = orjson.dumps(head)
    with pytest.raises(BadRequest, match=rf"inputs\[0\] \(x\): want finite {name} values, number 2 is {value}"):
        decode(text + array.tobytes(), len(text), [FREE[name]])


def test_an_answer_that_is_not_finite_goes_out_as_binary_and_is_refused_as_json() -> None:
    array = np.array([[1, np.nan]], dtype=np.float32)
    text, length = encode({}, [("y", array)], InferRequest(None, {}, None, binary=True))
    assert text[length:] == array.tobytes()
    with pytest.raises(Unprocessable, match="y: value 1 is nan, which JSON cannot say; ask for binary"):
        encode({}, [("y", array)], ALL)
