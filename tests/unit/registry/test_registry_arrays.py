"""Arrays from strangers: whatever is in the file, no code runs, no memory bursts, and the error says what is wrong."""

import contextlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from edgemodel_registry import ArtifactInvalid, ArtifactMissing, TooLarge
from edgemodel_registry.arrays import pack_arrays, parse_arrays, read_arrays

NUMBERS = nps.arrays(
    st.sampled_from([np.float32, np.int64, np.uint8, np.bool_]), nps.array_shapes(min_dims=0, min_side=0)
)


def header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@given(array=NUMBERS)
def test_what_is_packed_reads_back(array: np.ndarray) -> None:
    packed = pack_arrays({"input:x y/z": array})
    np.testing.assert_array_equal(parse_arrays(packed, "a.npz")["input:x y/z"], array)


def test_numpy_s_own_files_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(3))
    assert read_arrays(tmp_path / "a.npz")["x"].tolist() == [0, 1, 2]


def test_python_objects_are_not_packed() -> None:
    with pytest.raises(ArtifactInvalid, match="Python objects"):
        pack_arrays({"x": np.array([object()])})


def test_python_objects_are_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ArtifactInvalid, match="Python objects"):
        read_arrays(tmp_path / "a.npz")


def test_a_header_that_claims_a_petabyte_takes_no_memory(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header((2**48,)))
    with pytest.raises(ArtifactInvalid, match="header claims"):
        read_arrays(tmp_path / "a.npz")


def test_a_file_that_unpacks_to_more_than_allowed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(pack_arrays({"x": np.zeros(100_000)}))
    with pytest.raises(TooLarge, match="10000 bytes"):
        read_arrays(tmp_path / "a.npz", max_bytes=10_000)


def test_a_member_that_unpacks_to_less_than_it_says_is_refused(tmp_path: Path) -> None:
    data = pack_arrays({"x": np.zeros(1000)})
    cut = data[:200] + bytes(len(data[200:260])) + data[260:]
    (tmp_path / "a.npz").write_bytes(cut)
    with pytest.raises(ArtifactInvalid):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x05\x06" + bytes(10)])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ArtifactInvalid):
        read_arrays(tmp_path / "a.npz")


def test_a_member_that_is_no_array_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ArtifactInvalid, match=r"readme\.txt"):
        read_arrays(tmp_path / "a.npz")


@given(position=st.integers(0, 399), bit=st.integers(0, 7))
def test_a_flipped_bit_never_breaks_the_reader(position: int, bit: int) -> None:
    data = bytearray(pack_arrays({"x": np.arange(40, dtype=np.float32)}))
    data[position % len(data)] ^= 1 << bit
    with contextlib.suppress(ArtifactInvalid, TooLarge):
        parse_arrays(bytes(data), "a.npz")


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing):
        read_arrays(tmp_path / "a.npz")
