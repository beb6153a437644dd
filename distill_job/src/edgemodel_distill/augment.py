"""Other views of small images. Pure but for the generator that is handed in."""

import numpy as np

from edgemodel_distill.data import Floats


def shift(images: Floats, most: int, random: np.random.Generator) -> Floats:
    """Each image (N, C, H, W) moved by up to `most` pixels up or down and left or right; what comes in is zero.

    He et al., Deep Residual Learning for Image Recognition, 2016, section 4.2, do this with 4 pixels of 32.
    """
    count, _, height, width = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (most, most), (most, most)))
    rows = random.integers(0, 2 * most + 1, (count, 1)) + np.arange(height)  # (N, H)
    columns = random.integers(0, 2 * most + 1, (count, 1)) + np.arange(width)  # (N, W)
    moved = padded.transpose(0, 2, 3, 1)[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(moved.transpose(0, 3, 1, 2))


def flip(images: Floats, random: np.random.Generator) -> Floats:
    """Half of the images (N, C, H, W), by chance, with left and right exchanged."""
    flipped = random.random(len(images)) < 0.5  # noqa: PLR2004 (half)
    return np.where(flipped[:, None, None, None], images[..., ::-1], images)


def erase(images: Floats, side: int, random: np.random.Generator) -> Floats:
    """Each image (N, C, H, W) with a square of `side` pixels set to zero, somewhere; it may lie partly outside.

    DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.
    """
    count, _, height, width = images.shape
    top = random.integers(-side + 1, height, (count, 1)) if side else np.zeros((count, 1), np.int64)
    left = random.integers(-side + 1, width, (count, 1)) if side else np.zeros((count, 1), np.int64)
    rows = (np.arange(height) >= top) & (np.arange(height) < top + side)  # (N, H)
    columns = (np.arange(width) >= left) & (np.arange(width) < left + side)  # (N, W)
    hole = rows[:, None, :, None] & columns[:, None, None, :]  # (N, 1, H, W)
    return np.where(hole, np.float32(0), images)
