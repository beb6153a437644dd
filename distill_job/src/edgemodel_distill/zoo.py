"""The student zoo: small networks, shaped by the input and the number of classes.

All are chains (`nn.Sequential`) of plain layers and `Residual` blocks, so that `prune` can read them.
"""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

Shape = tuple[int, ...]
Layers = tuple[nn.Module, ...]
Factory = Callable[[int, Shape, int], nn.Module]
"""From width, input shape and number of classes to a network from inputs (batch, *shape) to logits (batch, classes)."""

_LARGE_IMAGE = 16
"""From this side on the first convolution halves the image: the stem is where the time goes."""


class Residual(nn.Module):
    """What `body` makes of the input, added to the input, or to a projection of it where shapes differ."""

    def __init__(self, body: nn.Sequential, projection: nn.Module | None) -> None:
        super().__init__()
        self.body, self.projection = body, projection or nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to (N, width, H/stride, W/stride)."""
        added: Tensor = nn.functional.relu(self.projection(images) + self.body(images))
        return added


def mlp(width: int, input_shape: Shape, classes: int) -> nn.Module:
    """One hidden layer."""
    features = 1
    for side in input_shape:
        features *= side
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.ReLU(), nn.Linear(width, classes))


def tiny_cnn(width: int, input_shape: Shape, classes: int) -> nn.Module:
    """Three convolutions, pooling, a hidden layer: 58,000 weights at width 16 for an image of 28 x 28."""
    channels, *sides = _image(input_shape)
    stem = _stem(sides)
    blocks = (  # (N, C, H, W) -> (N, w, H/stem, W/stem) -> (N, 2w, …/2) -> (N, 4w, …/4)
        *_block(channels, width, stem),
        *_block(width, 2 * width, 2),
        *_block(2 * width, 4 * width, 2),
    )
    sides = [-(-side // (stem * 4)) for side in sides]  # each stride rounds up
    pool = (max(1, sides[0] // 2), max(1, sides[1] // 2))
    features = 4 * width * (sides[0] // pool[0]) * (sides[1] // pool[1])
    head = (
        nn.AvgPool2d(pool),  # (N, 4w, 2, 2) for most sizes: enough to tell top from bottom and left from right
        nn.Flatten(),
        nn.Linear(features, 128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, classes),
    )
    return nn.Sequential(*blocks, *head)


def _block(channels: int, width: int, stride: int) -> Layers:
    convolution = nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(width), nn.ReLU()


def separable(width: int, input_shape: Shape, classes: int) -> nn.Module:
    """Depthwise-separable convolutions: Howard et al., MobileNets, 2017, table 1, far shorter."""
    channels, *sides = _image(input_shape)
    return nn.Sequential(
        *_block(channels, width, _stem(sides)),
        *_separable_block(width, 2 * width, 2),
        *_separable_block(2 * width, 2 * width, 1),
        *_separable_block(2 * width, 4 * width, 2),
        *_separable_block(4 * width, 4 * width, 1),
        *_classify(4 * width, classes),
    )


def resnet(depth: int) -> Factory:
    """6n + 2 layers, n = 1 (resnet8) or 3 (resnet20): He et al., Deep Residual Learning, 2016, section 4.2."""
    repeats = (depth - 2) // 6

    def build(width: int, input_shape: Shape, classes: int) -> nn.Module:
        channels, *sides = _image(input_shape)
        layers, before = list(_block(channels, width, _stem(sides))), width
        for stage in range(3):
            after = width * 2**stage
            for repeat in range(repeats):
                layers.append(_residual(before, after, stride=2 if stage and not repeat else 1))
                before = after
        return nn.Sequential(*layers, *_classify(before, classes))

    return build


ZOO: Mapping[str, Factory] = {
    "mlp": mlp,
    "tiny-cnn": tiny_cnn,
    "separable": separable,
    "resnet8": resnet(8),
    "resnet20": resnet(20),
}


def _image(input_shape: Shape) -> Shape:
    if len(input_shape) != 3:  # noqa: PLR2004 (channels, height, width)
        raise ValueError(f"it wants images (channels, height, width), and the input is {input_shape}; take mlp")
    return input_shape


def _stem(sides: list[int]) -> int:
    """Stride of the first convolution."""
    return 2 if min(sides) >= _LARGE_IMAGE else 1


def _separable_block(channels: int, width: int, stride: int) -> Layers:
    """A 3 x 3 convolution of each channel by itself, then a 1 x 1 convolution across them."""
    depthwise = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
    pointwise = nn.Conv2d(channels, width, 1, bias=False)
    return depthwise, nn.BatchNorm2d(channels), nn.ReLU(), pointwise, nn.BatchNorm2d(width), nn.ReLU()


def _residual(channels: int, width: int, stride: int) -> Residual:
    second = nn.Conv2d(width, width, 3, padding=1, bias=False)
    body = nn.Sequential(*_block(channels, width, stride), second, nn.BatchNorm2d(width))
    if stride == 1 and channels == width:
        return Residual(body, None)
    projection = nn.Sequential(nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))
    return Residual(body, projection)


def _classify(channels: int, classes: int) -> Layers:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)
