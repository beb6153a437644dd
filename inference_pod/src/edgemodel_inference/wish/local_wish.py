"""The wish of a machine without Kubernetes: rendered from a bundle's address and, for the rest, from ``serve.yaml``.

Everything behind it is as in a cluster: the same document, agent, detector and healing. What the wish is made of is
looked at again when a file changes: another bundle in the folder, or a new ``serve.yaml``, is a new wish.
"""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from edgemodel.bundle import MANIFEST, digest_of
from edgemodel.cloud import Cloud
from edgemodel.document import Digest, Document, describe
from edgemodel.faults import Rule
from edgemodel.signature import TrustedKeys, parse_public_keys
from edgemodel.wish import Artifact, Assignment, Healing, Sampling, Wish, WishError, parse
from edgemodel_inference.config.origin import Folder, Origin, Pinned, parse_origin
from edgemodel_inference.config.settings import Settings
from edgemodel_inference.disk.files import Stamp, read_capped, stamp_of


class ServeFile(Document):
    """``serve.yaml``: the parts of a wish that a person writes; durations in seconds."""

    server: object = None
    """The supervisor's, at the start (see `edgemodel_inference.config.server_block`)."""
    bundle: str | None = None
    backup: str | None = None
    """What is kept resident to fall back to; by default the version that served before."""
    cleared: tuple[Digest, ...] = ()
    """Digests that may serve again although this node refused them."""
    interval: Annotated[float, Field(gt=0)] = 10.0
    rules: tuple[Rule, ...] = ()
    healing: Healing = Healing()
    sampling: Sampling | None = None
    trusted_keys: TrustedKeys | None = None
    cloud: Cloud | None = None


class LocalWish:
    """Renders the wish; see `edgemodel_inference.wish.news.WishOrigin`."""

    def __init__(self, settings: Settings, copy: Path) -> None:
        """`copy`: where the last wish is kept, for its revision."""
        self._settings = settings
        self._copy = copy
        self._last: Wish | None = None
        self._folders: tuple[Path, ...] = ()

    def stamp(self) -> Stamp | None:
        """Changes with ``serve.yaml`` and with the bundle in each folder that is named."""
        config, bundle, keys = self._settings.config, self._settings.bundle, self._settings.trusted_keys
        first = {bundle.path} if isinstance(bundle, Folder) else set()
        paths = [path for path in (config, keys) if path] + [
            path / MANIFEST for path in sorted(first.union(self._folders))
        ]
        return tuple(number for path in paths for number in stamp_of(path) or (0, 0, 0))

    def load(self) -> Wish:
        """The wish as things are now; its revision grows when it differs from the last one.

        Raises:
            WishError: names the file and the field.
            OSError: a file cannot be read.
        """
        wish = self._render(self._read())
        last = self._last or self._read_copy()
        if last is not None:
            changed = wish.model_copy(update={"revision": last.revision}) != last
            wish = wish.model_copy(update={"revision": last.revision + changed})
        self._last = wish
        return wish

    def _read(self) -> ServeFile:
        path = self._settings.config
        if path is None:
            return ServeFile()
        if path.exists() and not path.is_file():
            raise WishError(f"{path}: want a file")  # a pipe would be waited for
        try:
            document = yaml.safe_load(read_capped(path)) or {}
            if not isinstance(document, dict):
                raise WishError(f"{path}: want fields and their values, as in interval: 2, got {document!r:.80}")
            # Written by hand: a misspelt field is an error here, not one of a newer writer.
            return ServeFile.model_validate(document, extra="forbid")
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise WishError(f"{path}: want YAML: {' '.join(str(error).split())}"[:500]) from error
        except ValidationError as error:
            problems = describe(error, model=ServeFile).splitlines()
            raise WishError("\n".join(f"{path}: {problem}" for problem in problems)) from error

    def _render(self, file: ServeFile) -> Wish:
        active, backup = self._bundle(file), self._origin("backup", file.backup)
        self._folders = tuple(origin.path for origin in (active, backup) if isinstance(origin, Folder))
        standing_by = artifact_of(backup) if backup is not None else None
        return Wish(
            revision=1,
            namespace=self._settings.namespace,
            model=self._settings.name,
            default=Assignment(active=artifact_of(active), backup=standing_by),
            cleared=file.cleared,
            interval=file.interval,
            rules=file.rules,
            healing=file.healing,
            sampling=file.sampling,
            trusted_keys=self._trusted_keys(file),
            cloud=file.cloud,
        )

    def _trusted_keys(self, file: ServeFile) -> tuple[str, ...] | None:
        path = self._settings.trusted_keys
        if path is None:
            return file.trusted_keys
        if file.trusted_keys is not None:
            raise WishError(f"{self._settings.config}: trustedKeys: are given by --trusted-keys already; want one")
        try:
            return parse_public_keys(read_capped(path).decode())
        except ValueError as error:  # no text, or no keys
            raise WishError(f"{path}: {error}") from error

    def _bundle(self, file: ServeFile) -> Origin:
        given, written = self._settings.bundle, self._origin("bundle", file.bundle)
        if given is not None and written is not None:
            raise WishError(f"{self._settings.config}: bundle: is given by --bundle already; want one of the two")
        bundle = given or written
        if bundle is None:
            raise WishError(f"{self._settings.config}: bundle: want a bundle's folder or address, here or by --bundle")
        return bundle

    def _origin(self, field: str, text: str | None) -> Origin | None:
        try:
            return parse_origin(text) if text is not None else None
        except ValueError as error:
            raise WishError(f"{self._settings.config}: {field}: {error}, got {text!r:.200}") from error

    def _read_copy(self) -> Wish | None:
        try:
            return parse(read_capped(self._copy))
        except (OSError, WishError):
            return None  # the first start, or a damaged copy: revisions begin anew


def artifact_of(origin: Origin) -> Artifact:
    """What lies at `origin` now. Its name for people is its folder's, or the digest's beginning.

    Raises:
        WishError: a folder without a bundle.
        OSError: it cannot be read.
    """
    if isinstance(origin, Pinned):
        return Artifact(name=origin.digest.removeprefix("sha256:")[:12], uri=origin.uri, digest=origin.digest)
    folder = origin.path.resolve()  # a link that is pointed elsewhere is how folders are switched
    if not (folder / MANIFEST).is_file():
        raise WishError(f"{origin.path}: no {MANIFEST} there; want a bundle's folder (see: edgemodel bundle create)")
    try:
        return Artifact(name=folder.name[:52], uri=folder.as_uri(), digest=digest_of(read_capped(folder / MANIFEST)))
    except ValidationError as error:
        raise WishError(f"{origin.path}: {describe(error)}") from error
