"""Whether a trusted key signed an artifact: asked before anything of it is fetched, and again when the keys change.

A signature is over the digest that the wish names, so what is fetched by that digest is what was signed. Without keys
in the wish nothing is asked, and nothing is imported.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgemodel.signature import key_id, short_id
from edgemodel.wish import Artifact, Wish
from edgemodel_inference import logs
from edgemodel_inference.disk.store import Store
from edgemodel_inference.errors import Unreachable, Untrusted
from edgemodel_inference.wish.pending import Pending
from edgemodel_inference.wish.serving import Serving
from edgemodel_registry import RegistryError, SignatureInvalid, SignatureMissing, Signatures

if TYPE_CHECKING:
    from edgemodel_registry import Client

EVERY = 60.0
"""Seconds after which the signature of what serves is looked for again."""

log = logs.Log("edgemodel.trust")


class Trust:
    """The keys of the wish, and what they signed. Used by the agent's thread; `doubt` may be read by others."""

    def __init__(self, store: Store, serving: Serving, client: "Callable[[], Client]") -> None:
        """`client` is asked for when a signature is not on the disk."""
        self._store = store
        self._serving = serving
        self._client = client
        self._keys: tuple[str, ...] = ()
        self._signed: set[str] = set()
        self.doubt: Pending | None = None
        """What serves although no trusted key signed it: it did so when the keys came."""

    @property
    def keys(self) -> list[str]:
        """The names of the trusted keys, shortened."""
        return [short_id(key_id(key)) for key in self._keys]

    def follow(self, wish: Wish) -> None:
        """Trust the keys of `wish` from now on."""
        keys = wish.trusted_keys or ()
        if keys != self._keys:
            self._keys = keys
            self._signed.clear()
            log.info("trusted keys", keys=self.keys)

    def has(self, digest: str) -> bool:
        """Whether the artifact may be taken into service as far as this disk knows; nobody is asked."""
        if not self._keys or digest in self._signed:
            return True
        try:
            self._check(digest, self._store.signatures(digest))
        except (SignatureMissing, SignatureInvalid):
            return False
        return True

    def require(self, artifact: Artifact) -> None:
        """Return when `artifact` may be taken into service; a signature that was fetched is on the disk by then.

        What serves may go on, whoever signed it: to stop it would be an outage and no gain.

        Raises:
            Untrusted: no trusted key signed it, as far as its origin knows.
            Unreachable: that cannot be known now.
        """
        if not self.exempts(artifact.digest):
            self._prove(artifact)

    def exempts(self, digest: str) -> bool:
        """Whether this is what serves, or did before the restart: it goes on, under whatever name."""
        active = self._serving.active or self._serving.last().active
        return active is not None and active.digest == digest

    def step(self, now: float) -> None:
        """Look for the signature of what serves since before there were keys. `now` is on the monotonic clock."""
        active, doubt = self._serving.active, self.doubt
        if active is None or not self._keys or active.digest in self._signed:
            self.doubt = None
        elif doubt is None or doubt.artifact != active.artifact or now >= doubt.retry_at:
            self.doubt = self._ask(active.artifact, now)

    def _prove(self, artifact: Artifact) -> None:
        if self.has(artifact.digest):
            return
        try:
            found = self._client().signatures(artifact.uri, artifact.digest)
            self._check(artifact.digest, found)
        except RegistryError as error:
            kind = Unreachable if error.retryable else Untrusted
            raise kind(type(error).__name__, str(error)) from error
        except OSError as error:  # a folder's file that cannot be read
            raise Unreachable("DiskTrouble", str(error)) from error
        try:
            self._store.keep_signatures(artifact.digest, found)
        except OSError as error:
            log.warning("signature not kept: it is fetched again after a restart", error=str(error))

    def _ask(self, artifact: Artifact, now: float) -> Pending | None:
        try:
            self._prove(artifact)
        except (Untrusted, Unreachable) as error:
            log.warning("serves on without a trusted signature", digest=artifact.digest, error=str(error))
            return Pending(artifact, error.code, str(error), retry_at=now + EVERY)
        return None

    def _check(self, digest: str, found: Signatures) -> None:
        from edgemodel_registry.signing import check  # noqa: PLC0415 (cryptography, which only signatures need)

        check(digest, found, self._keys)
        self._signed.add(digest)
