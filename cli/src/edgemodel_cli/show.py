"""Bundles as tables for people and as JSON for programs."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from edgemodel.bundle import Card, Manifest, Tensor
from edgemodel_cli.signatures import Signers


def as_json(card: Card, manifest: Manifest, digest: str, signers: Signers) -> str:
    """One JSON document with wire names."""
    files = {name: {"digest": blob.digest, "size": blob.size} for name, blob in sorted(manifest.files.items())}
    document: dict[str, Any] = {"digest": digest, "artifactType": manifest.artifact_type, "files": files}
    document["signatures"] = {"keys": signers.names, "trusted": signers.trusted, "problem": signers.problem}
    return json.dumps(document | {"card": card.model_dump(mode="json", by_alias=True, exclude_none=True)}, indent=2)


def print_tables(console: Console, card: Card, manifest: Manifest, digest: str, signers: Signers) -> None:
    """What a person asks about a bundle: what goes in, what comes out, how good, from where, how large."""
    # Not a table: that would cut digests, which are copied from here, to the terminal's width.
    for name, value in [*_about(card, digest), ("signed by", signers.text)]:
        console.print(f"{name:13} {_printable(value)}", soft_wrap=True, markup=False, highlight=False)
    tensors = Table("", "name", "datatype", "shape", box=None, pad_edge=False)
    for kind, group in (("input", card.inputs), ("output", card.outputs)):
        for tensor in group:
            tensors.add_row(kind, _printable(tensor.name), tensor.datatype, shape_text(tensor))
    console.print()
    console.print(tensors)
    files = Table("file", "size", "digest", box=None, pad_edge=False)
    files.columns[1].justify = "right"
    for name, blob in sorted(manifest.blobs.items()):
        files.add_row(name, size_text(blob.size), blob.digest[:19])
    console.print()
    console.print(files)


def shape_text(tensor: Tensor) -> str:
    """``N,1,8,8``: N is the batch, ? another free dimension."""
    first = ["N" if size == -1 else str(size) for size in tensor.shape[:1]]
    return ",".join(first + ["?" if size == -1 else str(size) for size in tensor.shape[1:]])


def size_text(size: int) -> str:
    """Bytes with a binary prefix."""
    number = float(size)
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:  # noqa: PLR2004 - binary prefixes
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def _printable(text: str) -> str:
    """A stranger's text without what would move the cursor or set the terminal's title."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _about(card: Card, digest: str) -> list[tuple[str, str]]:
    rows = [("name", card.name), ("digest", digest)]
    if card.description:
        rows.append(("description", card.description))
    labels = ", ".join(card.labels[:20]) + (", …" if len(card.labels) > 20 else "")  # noqa: PLR2004 - one screen line
    rows += [("labels", f"{len(card.labels)}: {labels}" if labels else "none"), ("output", card.output_kind)]
    if card.input_scale != 1:
        rows.append(("pixels", f"divided by {card.input_scale:g}"))
    scores = card.scores.model_dump(exclude_none=True)
    rows.append(("scores", ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in scores.items()) or "none"))
    for name, value in card.lineage.model_dump(exclude_none=True, exclude={"config"}).items():
        text = ", ".join(value) if isinstance(value, tuple) else str(value)
        if text:
            rows.append((name.replace("_", " "), text))
    recipe = ", ".join(f"{name} {value}" for name, value in _flat(card.lineage.config or {}))
    return [*rows, ("recipe", recipe)] if recipe else rows


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name.replace("_", " "), value
