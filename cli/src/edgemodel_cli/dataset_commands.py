"""``edgemodel dataset``: labelled data for the distillation Job."""

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from edgemodel_cli.errors import BadInput
from edgemodel_cli.options import CaFile, DockerConfig, Output, SignKey, Tags, follow, make_client, stderr, transfer_bar
from edgemodel_cli.signatures import sign_folder
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import write_dataset

app = typer.Typer(help="Make and push data sets for distillation.", no_args_is_help=True)

File = Annotated[
    Path, typer.Argument(metavar="FILE.npz", help="float32 inputs (N, …), int64 labels (N,).", show_default=False)
]


@app.callback()
def dataset() -> None:
    """Make and push data sets for distillation."""


@app.command()
def create(file: File, output: Output, sign_key: SignKey = None) -> None:
    """Check a data set and make a folder of it, for a volume; prints its digest alone on stdout.

    Example: edgemodel dataset create digits.npz -o /mnt/training-data/digits
    """
    typer.echo(_write(file, output, sign_key))


@app.command()
def push(  # noqa: PLR0913, PLR0917 - a command's options
    file: File,
    uri: Annotated[str, typer.Argument(metavar="oci://HOST/REPOSITORY", show_default=False)],
    tag: Tags = None,
    sign_key: SignKey = None,
    ca_file: CaFile = None,
    docker_config: DockerConfig = None,
) -> None:
    """Check a data set and push it; prints its digest alone on stdout.

    Example: edgemodel dataset push digits.npz oci://registry.plant:5000/digits-data
    """
    with tempfile.TemporaryDirectory() as temporary, transfer_bar() as bar:
        folder = Path(temporary) / "dataset"
        _write(file, folder, sign_key)
        digest = make_client(ca_file, docker_config).push(folder, uri, tag or (), progress=follow(bar, "push"))
    typer.echo(digest)


def _write(file: Path, folder: Path, sign_key: Path | None) -> str:
    """Check the arrays, make the artifact's folder, signed where there is a key, and return its digest."""
    arrays = read_arrays(file)
    if arrays.keys() != {"inputs", "labels"}:
        raise BadInput(f"{file}: want the arrays 'inputs' and 'labels', got {sorted(arrays)}")
    digest = write_dataset(folder, file.stem, arrays["inputs"], arrays["labels"])
    classes = len(np.unique(arrays["labels"]))
    stderr.print(f"{len(arrays['inputs'])} inputs of {classes} classes", soft_wrap=True)
    if sign_key is not None:
        sign_folder(folder, sign_key)
    return digest
