"""Fashion-MNIST from Debian's package: Xiao, Rasul, Vollgraf, Fashion-MNIST, 2017. 60,000 to train, 10,000 to test."""

import gzip
import os
from pathlib import Path

import numpy as np
from scipy import ndimage

from edgemodel_distill.data import Floats, Labelled

FOLDER = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
SHAPE, CLASSES = (1, 28, 28), 10


class DatasetAbsent(Exception):
    """The Debian package is not installed."""


def train_set() -> Labelled:
    """60,000 images (N, 1, 28, 28) from 0 to 1."""
    return _read("train")


def test_set() -> Labelled:
    """10,000 images that nothing is chosen by."""
    return _read("t10k")


def drift(images: Floats, seed: int) -> Floats:
    """The images turned by 15 to 45 degrees, one way, with noise: a camera that was knocked, at dusk."""
    random = np.random.default_rng(seed)
    angles = random.uniform(15, 45, len(images))
    turned = [
        ndimage.rotate(image, angle, axes=(1, 2), reshape=False, order=1)
        for image, angle in zip(images, angles, strict=True)
    ]
    noisy = np.stack(turned) + random.normal(0, 0.1, images.shape)
    return np.clip(noisy, 0, 1).astype(np.float32)


def _read(part: str) -> Labelled:
    images = _bytes(f"{part}-images-idx3-ubyte.gz", header=16).reshape(-1, *SHAPE)
    labels = _bytes(f"{part}-labels-idx1-ubyte.gz", header=8)
    return Labelled(images.astype(np.float32) / np.float32(255), labels.astype(np.int64))


def _bytes(name: str, header: int) -> np.ndarray:
    try:
        return np.frombuffer(gzip.decompress((FOLDER / name).read_bytes()), np.uint8, offset=header)
    except FileNotFoundError as error:
        raise DatasetAbsent(f"{FOLDER / name} is not there: apt-get install dataset-fashion-mnist") from error
