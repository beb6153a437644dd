"""A student of one's own, named by import path: found, built, and told by its name what is wrong with it.

Only what is importable can be named: in a Job what its image has, locally also what lies beside the configuration file.
See docs/decisions/0023-students-by-import-path.md.
"""

import importlib
import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from edgemodel.bundle import digest_of
from edgemodel_distill.errors import BadOrder
from edgemodel_distill.zoo import Factory, Shape

_NOT_ITS_LINES = (str(Path(__file__).parent), str(Path(torch.__file__).parent), "<frozen")
"""Files in which a traceback may end without telling its author anything."""


def is_own(architecture: str) -> bool:
    """Whether this is an import path, `module:callable`."""
    return ":" in architecture


def build(architecture: str, width: int, input_shape: Shape, classes: int) -> nn.Module:
    """What the callable makes, asked once whether it answers as a student does.

    Raises:
        BadOrder: says what it does instead.
    """
    factory = _find(architecture)
    with blaming(architecture, f"called with ({width}, {input_shape}, {classes})"):
        network = factory(width, input_shape, classes)
    if not isinstance(network, nn.Module):
        raise _wrong(architecture, f"want a torch.nn.Module from it, got a {type(network).__name__}")
    asked, wanted = (2, *input_shape), (2, classes)
    with blaming(architecture, f"asked about float32 inputs {asked}"), torch.no_grad():
        answer = network.eval()(torch.zeros(asked))
    if not isinstance(answer, Tensor) or answer.shape != wanted or answer.dtype != torch.float32:
        got = f"{answer.dtype} {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
        raise _wrong(architecture, f"want logits, torch.float32 {wanted}, for inputs {asked}, got {got}")
    if not any(weight.requires_grad for weight in network.parameters()):
        raise _wrong(architecture, "want weights to train, and it has none")
    return network


def source(architecture: str) -> str:
    """A digest of the module's file, or of a package all Python files in the module's folder; empty for the zoo.

    Raises:
        BadOrder: there is no such module, or nothing in it that can be called.
    """
    if not is_own(architecture):
        return ""
    _find(architecture)
    module = _module(architecture)
    file = Path(_file(module))
    files = sorted(file.parent.rglob("*.py")) if module.__package__ else [file]
    digests = {
        each.relative_to(file.parent).as_posix(): digest_of(each.read_bytes()) for each in files if each.is_file()
    }
    return digest_of(json.dumps(digests).encode())


@contextmanager
def blaming(architecture: str, doing: str) -> Iterator[None]:
    """Tell whatever is raised in here as a fault of the student, with the line of its code.

    Raises:
        BadOrder: in place of any other exception.
    """
    try:
        yield
    except (Exception, SystemExit) as error:  # someone else's code raises what it likes
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_not_its(frame.filename)]
        where = f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""
        raise _wrong(architecture, f"{doing}: {type(error).__name__}: {error!s:.300}{where}") from error


def _find(architecture: str) -> Factory:
    module, name = _module(architecture), architecture.partition(":")[2]
    factory = getattr(module, name, None)
    if not callable(factory):
        has = f"is {factory!r:.80}" if hasattr(module, name) else "is not there"
        raise _wrong(architecture, f"want a function or class, and {name} {has} in {_file(module) or module.__name__}")
    found: Factory = factory
    return found


def _module(architecture: str) -> ModuleType:
    with blaming(architecture, "want a module in the Job's image, or beside the configuration file"):
        return importlib.import_module(architecture.partition(":")[0])


def _file(module: ModuleType) -> str:
    """Empty where it has none, as what is compiled into Python."""
    return getattr(module, "__file__", None) or ""


def _is_not_its(file: str) -> bool:
    return file.startswith(_NOT_ITS_LINES)


def _wrong(architecture: str, why: str) -> BadOrder:
    return BadOrder(f"student.architecture: {architecture}: {why}")
