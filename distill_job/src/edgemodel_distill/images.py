"""Folders of images as arrays of the shape that a model takes."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edgemodel_distill.data import Floats, Labelled, Shape
from edgemodel_distill.errors import DatasetInvalid
from edgemodel_registry import TooLarge
from edgemodel_registry.arrays import MAX_BYTES

_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
_MODES = {1: "L", 3: "RGB"}
"""Pillow's mode for that many channels."""


def class_names(folder: Path) -> tuple[str, ...]:
    """The names of the sub-folders of `folder`, sorted, numbers by their value."""
    names = (path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return tuple(sorted(names, key=_natural))


def read_labelled(folder: Path, shape: Shape, scale: float, labels: Sequence[str]) -> Labelled:
    """The images in the sub-folders of `folder`, a class each.

    Args:
        folder: holds one sub-folder per class.
        shape: (channels, height, width); images of another size are resized.
        scale: pixels of 0 to 255 are divided by this.
        labels: the sub-folders' names in the order of the teacher's classes; empty: that of `class_names`.

    Raises:
        DatasetInvalid: names the folder or file that is wrong.
        TooLarge: they would not fit into an artifact; said before any is read.
    """
    there = class_names(folder)
    if unknown := set(there) - set(labels or there):
        raise DatasetInvalid(f"{folder}: labels: want one for each sub-folder, got none for {sorted(unknown)}")
    files = [(path, number) for number, name in enumerate(labels or there) for path in _images(folder / name)]
    if not files:
        raise DatasetInvalid(f"{folder}: want a sub-folder of images for each class, got no image")
    inputs = _stack([path for path, _ in files], shape, scale)
    return Labelled(inputs, np.array([number for _, number in files], np.int64))


def read_unlabelled(folder: Path, shape: Shape, scale: float) -> Floats:
    """All images in `folder` and below it, as inputs (N, *shape).

    Raises:
        DatasetInvalid: names the folder or file that is wrong.
        TooLarge: they would not fit into an artifact; said before any is read.
    """
    files = _images(folder)
    if not files:
        raise DatasetInvalid(f"{folder}: want images, got none")
    return _stack(files, shape, scale)


def _images(folder: Path) -> list[Path]:
    """All below `folder`, without what programs hide there: previews, forks of resources."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _stack(files: Sequence[Path], shape: Shape, scale: float) -> Floats:
    needed = len(files) * math.prod(shape) * np.dtype(np.float32).itemsize
    if needed > MAX_BYTES:
        raise TooLarge(
            f"{len(files)} images of {shape} take {needed / 2**30:.1f} GiB: want {MAX_BYTES // 2**30} GiB or less; "
            "leave some out, or take a teacher with a smaller input"
        )
    return np.stack([read(file, str(file), shape) for file in files]) / np.float32(scale)


def read(file: Path | IO[bytes], name: str, shape: Shape) -> Floats:
    """One image as (channels, height, width) from 0 to 255; `name` is the subject of errors.

    Raises:
        DatasetInvalid: it is no image, or `shape` is none of an image.
    """
    if len(shape) != 3 or shape[0] not in _MODES:  # noqa: PLR2004 (channels, height, width)
        raise DatasetInvalid(
            f"images: want a teacher whose input is (1 or 3, height, width), got {shape}; "
            "put a Transpose or Reshape before it in the ONNX file, or give the inputs as .npz"
        )
    channels, height, width = shape
    try:
        with Image.open(file) as image:
            pixels = _eight_bits(ImageOps.exif_transpose(image)).convert(_MODES[channels])
            if pixels.size != (width, height):
                pixels = pixels.resize((width, height), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetInvalid(f"{name}: not an image that can be read: {error!s:.200}") from error
    values = np.asarray(pixels, np.float32).reshape(height, width, channels)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow itself clips deeper pixels, and makes an image of 16 bits black and white.

    Raises:
        ValueError: numbers without a largest one.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in {"I", "F"}:
        raise ValueError(f"want pixels of 8 or 16 bits, got Pillow's mode {image.mode}; save it as PNG, or use .npz")
    return image


def _natural(name: str) -> tuple[int, int, str]:
    return (0, int(name), "") if name.isdecimal() else (1, 0, name)
