"""Whose artifacts a distillation learns from, and the key that its student is signed with."""

from edgemodel.distillation import Order, Source
from edgemodel.signature import key_id, short_id
from edgemodel_distill.config import Settings
from edgemodel_distill.errors import BadSettings
from edgemodel_registry import Client, SettingsInvalid
from edgemodel_registry.signing import SigningKey, check, read_signing_key

_VARIABLE = "signingKey or EDGEMODEL_SIGNING_KEY"


def check_signed(order: Order, source: Source, client: Client) -> None:
    """Return when a key that the order trusts signed `source`, or it trusts none in particular.

    Raises:
        RegistryError: SignatureMissing, SignatureInvalid, or why that cannot be known.
    """
    if order.trusted_keys is not None:
        check(source.digest, client.signatures(source.uri, source.digest), order.trusted_keys)


def signing_key(order: Order, settings: Settings) -> SigningKey | None:
    """The key to sign the student with; None: it is not signed.

    Raises:
        BadSettings: there is no such key, or none of the nodes would take what it signs: said before any training.
    """
    try:
        key = read_signing_key(settings.signing_key) if settings.signing_key is not None else None
    except SettingsInvalid as error:
        raise BadSettings(f"{_VARIABLE}: {error} (in a cluster: spec.distillation.signingSecret)") from error
    if order.trusted_keys is None:
        return key
    if key is None:
        raise BadSettings(f"{_VARIABLE}: want the file of a private key: nothing unsigned is to serve")
    if key.public not in order.trusted_keys:
        raise BadSettings(
            f"{_VARIABLE}: no node would take what this key signs: it is {short_id(key_id(key.public))}; want one of "
            f"{', '.join(short_id(key_id(trusted)) for trusted in order.trusted_keys)} (spec.registry.trustedKeys)"
        )
    return key
