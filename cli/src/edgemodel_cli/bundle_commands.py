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
    SignKey,
    Tags,
    TrustedKeys,
    follow,
    make_client,
    stderr,
    stdout,
    transfer_bar,
)
from edgemodel_cli.show import as_json, print_tables, shape_text
from edgemodel_cli.signatures import judge, keep_beside, need_trusted, read_keys, sign_folder, sign_pushed
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import check_folder, check_golden, read_card
from edgemodel_registry.signatures import read_signatures

app = typer.Typer(help="Make, push, pull and check model bundles.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A bundle's folder.", show_default=False)]
Source = Annotated[
    str, typer.Argument(metavar="DIR|URI", help="A folder, or an address with --digest.", show_default=False)
]
ItsDigest = Annotated[
    str | None, typer.Option("--digest", help="Of the manifest; with an address.", show_default=False)
]


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
    input_scale: Annotated[
        float, typer.Option(metavar="N", help="Pixels of pictures, 0 to 255, are divided by this: 255 gives 0 to 1.")
    ] = 1.0,
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
        input_scale=input_scale,
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
def push(  # noqa: PLR0913, PLR0917 - a command's options
    folder: Folder,
    uri: Annotated[str, typer.Argument(metavar="oci://HOST/REPOSITORY", show_default=False)],
    tag: Tags = None,
    sign_key: SignKey = None,
    ca_file: CaFile = None,
    docker_config: DockerConfig = None,
) -> None:
    """Push a bundle and its signatures to a registry; prints its digest alone on stdout.

    Example: edgemodel bundle push digits-v1 oci://registry.plant:5000/digits --tag v1
    """
    if sign_key is not None:
        sign_folder(_folder(folder), sign_key)
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
    """Pull a bundle by digest into a folder, with its signatures, and check every file; goes on where one broke off.

    Example: edgemodel bundle pull oci://registry.plant:5000/digits --digest sha256:… -o digits-v1
    """
    client = make_client(ca_file, docker_config)
    with transfer_bar() as bar:
        manifest = client.pull(uri, digest, output, progress=follow(bar, "pull"))
    keep_beside(output, digest, client.signatures(uri, digest))
    stderr.print(f"{len(manifest.files)} files in {output}, all as the digest says", soft_wrap=True)


@app.command()
def sign(
    source: Source,
    key: Annotated[
        Path,
        typer.Option("--key", help="The private key: edgemodel key create makes one.", show_default=False),
    ],
    digest: ItsDigest = None,
    ca_file: CaFile = None,
    docker_config: DockerConfig = None,
) -> None:
    """Sign a bundle or a data set: in its folder, or where it lies in a registry. Other keys' signatures stay.

    Example: edgemodel bundle sign digits-v1 --key plant.key
    """
    if "://" not in source:
        check_folder(_folder(Path(source)))
        sign_folder(Path(source), key)
    elif not source.startswith("oci://"):
        raise BadInput(f"{source}: only a folder or an oci:// address can be signed; sign the folder behind it")
    else:
        sign_pushed(make_client(ca_file, docker_config), source, _needed(digest), key)


@app.command()
def inspect(  # noqa: PLR0913, PLR0917 - a command's options
    source: Source,
    digest: ItsDigest = None,
    output: Annotated[Literal["table", "json"], typer.Option("-o", "--output", help="How to print it.")] = "table",
    trusted_key: TrustedKeys = None,
    ca_file: CaFile = None,
    docker_config: DockerConfig = None,
) -> None:
    """Show what a bundle eats and answers, its scores, where it comes from, who signed it, and its files.

    From an address only the card is fetched, not the model.

    Example: edgemodel bundle inspect oci://registry.plant:5000/digits --digest sha256:…
    """
    if "://" in source:
        client, digest = make_client(ca_file, docker_config), _needed(digest)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            manifest = client.pull(source, digest, folder, names={CARD})
            card = read_card(folder)
        found = client.signatures(source, digest)
    else:
        manifest = check_folder(_folder(Path(source)))
        card = read_card(Path(source))
        digest = digest_of((Path(source) / MANIFEST).read_bytes())
        found = read_signatures(Path(source))
    signers = judge(digest, found, read_keys(trusted_key))
    if output == "json":
        typer.echo(as_json(card, manifest, digest, signers))
    else:
        print_tables(stdout, card, manifest, digest, signers)


@app.command()
def verify(
    folder: Folder,
    tolerance: Annotated[
        float, typer.Option(min=0, help="How far an output may be off: absolute, and of its value.")
    ] = 1e-3,
    trusted_key: TrustedKeys = None,
) -> None:
    """Check every file's digest, who signed it, then run the golden inputs again and compare the outputs.

    Without --trusted-key nobody needs to have signed it.

    Example: edgemodel bundle verify digits-v1 --trusted-key plant.key.pub
    """
    from edgemodel_cli.golden import compare  # noqa: PLC0415 - ONNX Runtime takes a second
    from edgemodel_cli.model import read_model  # noqa: PLC0415

    manifest = check_folder(_folder(folder))
    if missing := EDGE_FILES - manifest.files.keys():
        raise NotVerified(f"{folder}: not a whole bundle: {', '.join(sorted(missing))} is not in its manifest")
    signed = ""
    if trusted_key:
        digest = digest_of((folder / MANIFEST).read_bytes())
        signed = f", signed by {need_trusted(digest, read_signatures(folder), read_keys(trusted_key))}"
    golden = read_arrays(folder / GOLDEN)
    check_golden(read_card(folder), golden)
    largest = compare(read_model(folder / MODEL), golden, tolerance)
    rows = len(next(iter(golden.values())))
    stdout.print(
        f"{len(manifest.files)} files as their digests say{signed}; {rows} golden inputs answered as recorded "
        f"(largest difference {largest:.2g})",
        soft_wrap=True,
    )


def _needed(digest: str | None) -> str:
    if not digest:
        raise BadInput("--digest: an address needs the digest of the bundle")
    return digest


def _folder(path: Path) -> Path:
    if path.is_file():
        raise BadInput(f"{path}: want a bundle's folder, got a file; edgemodel bundle create makes one of a model")
    return path
