"""``edgemodel bundle``: from an ONNX file to something that a node can serve."""

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from edgemodel.bundle import CARD, EDGE_FILES, GOLDEN, MANIFEST, MODEL, digest_of
from edgemodel_cli.errors import BadInput, NotVerified
from edgemodel_cli.options import (
    CaFile,
    Digest,
    DockerConfig,
    Output,
    Tags,
    follow,
    make_client,
    stderr,
    stdout,
    transfer_bar,
)
from edgemodel_cli.show import as_json, print_tables, shape_text
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import check_folder, check_golden, read_card

app = typer.Typer(help="Make, push, pull and check model bundles.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A bundle's folder.", show_default=False)]


@app.command()
def create(  # noqa: PLR0913, PLR0917 - a command's options
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", show_default=False, help="The model, in one file.")],
    output: Output,
    name: Annotated[str, typer.Option(help="Name of the version; without it the file's.")] = "",
    labels: Annotated[str, typer.Option(help="Class names: a,b,c or a file with one a line.")] = "",
    golden: Annotated[
        str,
        typer.Option(
            metavar="FILE.npz|N", help="Inputs to check the model with on every node: a file, or N random ones."
        ),
    ] = "4",
    output_kind: Annotated[
        Literal["logits", "probabilities", "other"] | None,
        typer.Option(help="What the first output is; without it: seen from the answers.", show_default=False),
    ] = None,
    description: Annotated[str, typer.Option(help="A sentence for people.")] = "",
) -> None:
    """Make a bundle from an ONNX file; prints its digest.

    Example: edgemodel bundle create digits.onnx --labels 0,1,2,3,4,5,6,7,8,9 -o digits-v1
    """
    from edgemodel_cli.create import Wanted, create_bundle, parse_labels  # noqa: PLC0415 - ONNX Runtime takes a second

    wanted = Wanted(
        name=name or model.stem,
        description=description,
        labels=parse_labels(labels),
        output_kind=output_kind,
        golden=golden,
    )
    created = create_bundle(model, wanted, output)
    for kind, tensors in (("input", created.card.inputs), ("output", created.card.outputs)):
        for tensor in tensors:
            stderr.print(f"{kind} {tensor.name}: {tensor.datatype} {shape_text(tensor)}", soft_wrap=True)
    stderr.print(
        f"first output is {created.card.output_kind}; {created.golden_rows} golden inputs; wrote {output}",
        soft_wrap=True,
    )
    typer.echo(created.digest)


@app.command()
def push(
    folder: Folder,
    uri: Annotated[str, typer.Argument(metavar="oci://HOST/REPOSITORY", show_default=False)],
    tag: Tags = None,
    ca_file: CaFile = None,
    docker_config: DockerConfig = None,
) -> None:
    """Push a bundle to a registry; prints its digest alone on stdout.

    Example: edgemodel bundle push digits-v1 oci://registry.plant:5000/digits --tag v1
    """
    with transfer_bar() as bar:
        digest = make_client(ca_file, docker_config).push(_folder(folder), uri, tag or (), progress=follow(bar, "push"))
    typer.echo(digest)


@app.command()
def pull(
    uri: Annotated[str, typer.Argument(metavar="URI", help="oci://…, https://… or file://…", show_default=False)],
    digest: Digest,
    output: Output,
    ca_file: CaFile = None,
    docker_config: DockerConfig = None,
) -> None:
    """Pull a bundle by digest into a folder and check every file; goes on where an earlier pull broke off.

    Example: edgemodel bundle pull oci://registry.plant:5000/digits --digest sha256:… -o digits-v1
    """
    with transfer_bar() as bar:
        manifest = make_client(ca_file, docker_config).pull(uri, digest, output, progress=follow(bar, "pull"))
    stderr.print(f"{len(manifest.files)} files in {output}, all as the digest says", soft_wrap=True)


@app.command()
def inspect(
    source: Annotated[
        str, typer.Argument(metavar="DIR|URI", help="A folder, or an address with --digest.", show_default=False)
    ],
    digest: Annotated[
        str | None, typer.Option("--digest", help="Of the manifest; with an address.", show_default=False)
    ] = None,
    output: Annotated[Literal["table", "json"], typer.Option("-o", "--output", help="How to print it.")] = "table",
    ca_file: CaFile = None,
    docker_config: DockerConfig = None,
) -> None:
    """Show what a bundle eats and answers, its scores, where it comes from, and its files.

    From an address only the card is fetched, not the model.

    Example: edgemodel bundle inspect oci://registry.plant:5000/digits --digest sha256:…
    """
    if "://" in source:
        if not digest:
            raise BadInput("--digest: an address needs the digest of the bundle")
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            manifest = make_client(ca_file, docker_config).pull(source, digest, folder, names={CARD})
            card = read_card(folder)
    else:
        manifest = check_folder(_folder(Path(source)))
        card = read_card(Path(source))
        digest = digest_of((Path(source) / MANIFEST).read_bytes())
    if output == "json":
        typer.echo(as_json(card, manifest, digest))
    else:
        print_tables(stdout, card, manifest, digest)


@app.command()
def verify(
    folder: Folder,
    tolerance: Annotated[
        float, typer.Option(min=0, help="How far an output may be off: absolute, and of its value.")
    ] = 1e-3,
) -> None:
    """Check every file's digest, then run the golden inputs again and compare the outputs.

    Example: edgemodel bundle verify digits-v1
    """
    from edgemodel_cli.golden import compare  # noqa: PLC0415 - ONNX Runtime takes a second
    from edgemodel_cli.model import read_model  # noqa: PLC0415

    manifest = check_folder(_folder(folder))
    if missing := EDGE_FILES - manifest.files.keys():
        raise NotVerified(f"{folder}: not a whole bundle: {', '.join(sorted(missing))} is not in its manifest")
    golden = read_arrays(folder / GOLDEN)
    check_golden(read_card(folder), golden)
    largest = compare(read_model(folder / MODEL), golden, tolerance)
    rows = len(next(iter(golden.values())))
    stdout.print(
        f"{len(manifest.files)} files as their digests say; {rows} golden inputs answered as recorded "
        f"(largest difference {largest:.2g})",
        soft_wrap=True,
    )


def _folder(path: Path) -> Path:
    if path.is_file():
        raise BadInput(f"{path}: want a bundle's folder, got a file; edgemodel bundle create makes one of a model")
    return path
