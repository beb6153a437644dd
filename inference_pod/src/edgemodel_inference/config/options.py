"""The command line of ``edgemodel-serve``: options for people; a pod is told the same by its environment."""

import argparse
from collections.abc import Sequence

from edgemodel_inference.config.variables import VARIABLES, Variable, describe

_DESCRIPTION = """\
Serves a model over the Open Inference Protocol, watches it, and falls back by itself.

In a pod it serves what the mounted wish file names. On a bare machine, give it a bundle; what else it is to do
(rules, healing, a backup, samples, and under server whatever has a variable below) stands in a serve.yaml:

  edgemodel-serve --bundle ./digits-v1 --name digits --state ./state
  curl http://127.0.0.1:8080/v2/models/digits      # what it eats and answers
  curl http://127.0.0.1:8081/status                # what it did, and why
"""


def _default_of(variable: Variable) -> str:
    return f" (default: {variable.default()})" if variable.default() else ""


def read(arguments: Sequence[str]) -> dict[str, str]:
    """What `arguments` say, by the name of the variable that they replace. Ends the program on --help or nonsense."""
    parser = argparse.ArgumentParser(
        prog="edgemodel-serve",
        description=_DESCRIPTION,
        epilog="settings, from the environment:\n" + describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for variable in VARIABLES:
        if variable.option:
            help_text = f"{variable.help}{_default_of(variable)}".replace("%", "%%")
            parser.add_argument(variable.option, metavar=variable.metavar, dest=variable.name, help=help_text)
    return {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
