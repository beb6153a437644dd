"""Uploaded pictures as what a model eats: PNG and JPEG, decoded under limits.

A few hundred bytes may declare a picture of gigabytes, so its size is looked at before any pixel is decoded.
"""

import io
import math

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgemodel.bundle import Card
from edgemodel_inference.errors import BadRequest
from edgemodel_inference.v2.datatypes import NUMPY
from edgemodel_inference.v2.values import Array
from edgemodel_inference.web.picture_layout import layout

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
"""Media type → Pillow's name. No other decoder is ever tried."""
MAX_PIXELS = 12_000_000
"""A camera's picture of 4000 x 3000; decoding one takes up to 100 MB."""

Image.MAX_IMAGE_PIXELS = None  # Pillow would warn at a size that is refused here anyway

_MODES = {1: "L", 3: "RGB"}
_DAMAGED = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError)
"""What Pillow raises for bytes that are no picture."""


def picture_to_input(data: bytes, kind: str, card: Card, where: str = "body") -> Array:
    """The picture as a batch of one, resized to what the model wants; values 0 to 255 are divided by `input_scale`.

    `where` it stood is for messages.

    Raises:
        BadRequest: it is no such picture, too large, or the model eats no pictures.
    """
    (tensor,) = card.inputs
    height, width, channels, first = layout(tensor)
    pixels = _decode(data, kind, channels, (width, height), where)
    rows = np.asarray(pixels).reshape(pixels.height, pixels.width, channels)
    values = rows.transpose(2, 0, 1) if first else rows
    dtype = NUMPY[tensor.datatype]
    scaled = values if math.isclose(card.input_scale, 1.0) else values / np.float32(card.input_scale)
    return np.ascontiguousarray(scaled[np.newaxis], dtype=dtype)


def _decode(data: bytes, kind: str, channels: int, size: tuple[int, int], where: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=[FORMATS[kind]]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadRequest(f"{where}: want at most {MAX_PIXELS} pixels, got {image.width} x {image.height}")
            pixels = image.convert(_MODES[channels])
    except _DAMAGED as error:
        raise BadRequest(f"{where}: want {kind}, and it is not or is damaged: {error!s:.200}") from error
    target = (size[0] if size[0] > 0 else pixels.width, size[1] if size[1] > 0 else pixels.height)
    return pixels if pixels.size == target else pixels.resize(target, Image.Resampling.BILINEAR)
