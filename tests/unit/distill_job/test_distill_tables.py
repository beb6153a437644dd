"""Data sets in files of several kinds become the same arrays."""

import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import safetensors.numpy
from PIL import Image
from pyarrow import parquet

from edgemodel.bundle import Card, Tensor
from edgemodel_distill import tables
from edgemodel_distill.errors import BadOrder, DatasetInvalid
from edgemodel_registry import ArtifactMissing

INPUTS = np.arange(24, dtype=np.float32).reshape(2, 1, 3, 4)
LABELS = np.array([1, 0], np.int64)
CARD = Card(
    name="teacher",
    inputs=(Tensor(name="x", datatype="FP32", shape=(-1, 1, 3, 4)),),
    outputs=(Tensor(name="y", datatype="FP32", shape=(-1, 2)),),
    input_scale=255,
)


def png(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 3), grey).save(buffer, "png")
    return buffer.getvalue()


def write_parquet(path: Path, **columns: object) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def test_npz_safetensors_and_parquet_hold_the_same(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=INPUTS, labels=LABELS)
    safetensors.numpy.save_file({"inputs": INPUTS, "labels": LABELS}, tmp_path / "a.safetensors")
    write_parquet(tmp_path / "a.parquet", inputs=INPUTS.reshape(2, -1).tolist(), labels=LABELS)
    for name in ("a.npz", "a.safetensors", "a.parquet"):
        arrays = tables.read(tmp_path / name, CARD)
        assert np.array_equal(arrays["inputs"], INPUTS)
        assert np.array_equal(arrays["labels"], LABELS)


def test_lists_in_lists_are_one_input(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", inputs=INPUTS.tolist(), label=LABELS)
    assert np.array_equal(tables.read(path, CARD)["inputs"], INPUTS)


@pytest.mark.parametrize("rows", [[png(51), png(255)], [{"bytes": png(51)}, {"bytes": png(255)}]])
def test_image_files_in_parquet_are_scaled_as_the_teacher_wants_them(tmp_path: Path, rows: list) -> None:
    arrays = tables.read(write_parquet(tmp_path / "a.parquet", image=rows, label=LABELS), CARD)
    assert arrays["inputs"][:, 0, 0, 0] == pytest.approx([0.2, 1.0])
    assert arrays["labels"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"inputs": [[1.0, 2.0]]}, r"want \(1, 3, 4\) numbers a row, got 2"),
        ({"image": [b"no image"]}, "row 0: not an image"),
        ({"image": [{"path": "a.png"}]}, "row 0: want an image file's bytes, got NoneType"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path: Path, columns: dict, words: str) -> None:
    with pytest.raises(DatasetInvalid, match=words):
        tables.read(write_parquet(tmp_path / "a.parquet", **columns), CARD)


@pytest.mark.parametrize("name", ["a.safetensors", "a.parquet"])
def test_damaged_and_absent_files_are_told_apart(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactMissing):
        tables.read(tmp_path / name, CARD)
    (tmp_path / name).write_bytes(b"rubbish")
    with pytest.raises(DatasetInvalid, match=name):
        tables.read(tmp_path / name, CARD)


def test_without_pyarrow_a_parquet_file_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "a.parquet", label=LABELS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadOrder, match=r"edgemodel-distill\[parquet\]"):
        tables.read(path, CARD)
