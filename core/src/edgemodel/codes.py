"""The codes with which a node says why it does not serve an artifact: what each means, and what to do about it.

Series carry the code alone; conditions and the command line add the words.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One code's words; `remedy` empty: nothing but to wait, it is tried again by itself."""

    meaning: str
    remedy: str = ""


_REBUILD = "make it anew with edgemodel bundle create, try it with edgemodel bundle verify, and wish the new digest"
_LIGHTER = "wish a smaller model, or raise spec.placement.resources.limits"

CODES: Mapping[str, Code] = {
    # It cannot be had now, and is tried again.
    "Fetching": Code("it is on its way"),
    "Unreachable": Code(
        "the registry does not answer, or asks to come back later", "see that it runs and that the node reaches it"
    ),
    "NameUnresolved": Code(
        "the registry's name has no address on the node", "correct the host in the version's uri, or the node's DNS"
    ),
    "ConnectionRefused": Code(
        "nobody listens where the registry should be", "start the registry, or correct the port in the version's uri"
    ),
    "CertificateUntrusted": Code(
        "the registry's TLS certificate is not trusted: another authority, another name, or out of date",
        "put the right authority into the ConfigMap that spec.registry.caBundle names",
    ),
    "DiskFull": Code("the node's disk is full", "free space on the node, or lower spec.serving.cacheSize"),
    "DiskTrouble": Code("the node's disk gives errors", "look at the node's disk"),
    # What the origin says.
    "SettingsInvalid": Code(
        "the uri, the CA file or the login cannot be used", "correct the version's uri, or what spec.registry names"
    ),
    "ArtifactMissing": Code("the registry has no such manifest or file", "push the bundle, or correct uri and digest"),
    "ArtifactInvalid": Code("its manifest cannot be trusted", _REBUILD),
    "DigestMismatch": Code(
        "the bytes are not those that the digest names", "push the bundle again; a mirror may hold other bytes"
    ),
    "TooLarge": Code("it is larger than a node may keep", "raise spec.serving.cacheSize above the size of two bundles"),
    "SignatureMissing": Code(
        "nobody signed it, and only signed artifacts are to serve",
        "sign it with edgemodel bundle sign and a key of spec.registry.trustedKeys; it is looked at again every minute",
    ),
    "SignatureInvalid": Code(
        "none of its signatures is by a trusted key",
        "sign it with edgemodel bundle sign and a key of spec.registry.trustedKeys, or add the key there",
    ),
    "Unauthorised": Code(
        "the registry wants a login, or this login may not read it", "name a Secret in spec.registry.pullSecret"
    ),
    "Refused": Code("the registry said no", "see the registry's log"),
    # What is wrong with the bundle.
    "ModelMissing": Code("model.onnx is not in the bundle", _REBUILD),
    "CardInvalid": Code("bundle.json is missing or not valid", _REBUILD),
    "CardMismatch": Code("bundle.json and the graph name other inputs or outputs", _REBUILD),
    "GoldenMissing": Code("golden.npz is not in the bundle", _REBUILD),
    "GoldenInvalid": Code("golden.npz does not fit the card", _REBUILD),
    "GoldenMismatch": Code("its outputs on the node differ from its golden outputs", _REBUILD),
    "NotFinite": Code("a golden input gives NaN or infinity", _REBUILD),
    "NotOnnx": Code("model.onnx is no ONNX graph", _REBUILD),
    "GraphInvalid": Code("ONNX Runtime does not take the graph", _REBUILD),
    "ExternalData": Code("weights lie outside model.onnx", _REBUILD),
    "TensorInvalid": Code("a tensor's shape is not valid", _REBUILD),
    "TooDeep": Code("its graphs are nested too deep", _REBUILD),
    "UnknownOperator": Code("it has an operator that this server does not know", _REBUILD),
    "UnknownOpset": Code(
        "its operator set is newer than this server", "export it with an older operator set, or upgrade the operator"
    ),
    # What happened when it was tried.
    "TooMuchMemory": Code("it takes more memory than a model of its size may", _LIGHTER),
    "TooSlow": Code(
        "opening it and its golden inputs takes that node too much computing; it is tried again",
        "raise spec.serving.trialTime, or wish a smaller model",
    ),
    "JailCrashed": Code("opening it kills the process", _REBUILD),
    "JailFailed": Code("the process that tries it ended without a result", "see the pod's log"),
    "JailOutOfMemory": Code("the node had no memory to try it", _LIGHTER),
    "JailTimeout": Code("the node was too busy to try it in time"),
    "WorkerCrashed": Code("it killed the serving process again and again", _REBUILD),
}

OF_NODE = frozenset({"TooSlow", "JailOutOfMemory", "JailTimeout"})
"""Codes that say what the node is like and not what the artifact is: another node may take the same bytes."""


def explain(code: str) -> str:
    """`code` with its words; a code without any, such as a fault's name, stands alone."""
    known = CODES.get(code)
    if known is None:
        return code
    return f"{code}: {known.meaning}" + (f"; {known.remedy}" if known.remedy else "")
