"""Whether a model eats pictures, and how their pixels lie in its input; without the library that decodes them. Pure."""

from edgemodel.bundle import Card, Tensor
from edgemodel_inference.errors import BadRequest
from edgemodel_inference.v2.datatypes import NUMPY


def eats_pictures(card: Card) -> bool:
    """Whether a picture can be made into this model's input."""
    try:
        layout(card.inputs[0])
    except BadRequest:
        return False
    return len(card.inputs) == 1


def layout(tensor: Tensor) -> tuple[int, int, int, bool]:
    """Height, width (−1: any), channels, and whether the channels come first.

    Raises:
        BadRequest: pictures do not fit.
    """
    match tensor.shape:
        case (-1 | 1, (1 | 3) as channels, height, width):
            first = True
        case (-1 | 1, height, width, (1 | 3) as channels):
            first = False
        case _:
            raise BadRequest(
                f"this model eats no pictures: its input is {list(tensor.shape)}, not [n, 1 or 3, height, width]"
            )
    if NUMPY[tensor.datatype].kind not in "fu":
        raise BadRequest(f"this model eats no pictures: its input is {tensor.datatype}, not floats or bytes")
    return height, width, channels, first
