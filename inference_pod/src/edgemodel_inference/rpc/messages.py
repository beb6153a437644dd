"""The messages of ``inference.GRPCInferenceService``, made from a table when this module is loaded.

https://github.com/kserve/open-inference-protocol (specification/protocol/inference_grpc.md). A test holds every field
against the descriptors that tritonclient ships.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

PACKAGE = "inference"

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live 1",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready 1",),
    "ModelReadyRequest": ("string name 1", "string version 2"),
    "ModelReadyResponse": ("bool ready 1",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ("string name 1", "string version 2", "string* extensions 3"),
    "ModelMetadataRequest": ("string name 1", "string version 2"),
    "ModelMetadataResponse": (
        "string name 1",
        "string* versions 2",
        "string platform 3",
        "ModelMetadataResponse.TensorMetadata* inputs 4",
        "ModelMetadataResponse.TensorMetadata* outputs 5",
    ),
    "ModelMetadataResponse.TensorMetadata": ("string name 1", "string datatype 2", "int64* shape 3"),
    "ModelInferRequest": (
        "string model_name 1",
        "string model_version 2",
        "string id 3",
        "map parameters 4",
        "ModelInferRequest.InferInputTensor* inputs 5",
        "ModelInferRequest.InferRequestedOutputTensor* outputs 6",
        "bytes* raw_input_contents 7",
    ),
    "ModelInferRequest.InferInputTensor": (
        "string name 1",
        "string datatype 2",
        "int64* shape 3",
        "map parameters 4",
        "InferTensorContents contents 5",
    ),
    "ModelInferRequest.InferRequestedOutputTensor": ("string name 1", "map parameters 2"),
    "ModelInferResponse": (
        "string model_name 1",
        "string model_version 2",
        "string id 3",
        "map parameters 4",
        "ModelInferResponse.InferOutputTensor* outputs 5",
        "bytes* raw_output_contents 6",
    ),
    "ModelInferResponse.InferOutputTensor": (
        "string name 1",
        "string datatype 2",
        "int64* shape 3",
        "map parameters 4",
        "InferTensorContents contents 5",
    ),
    "InferParameter": ("one bool bool_param 1", "one int64 int64_param 2", "one string string_param 3"),
    "InferTensorContents": (
        "bool* bool_contents 1",
        "int32* int_contents 2",
        "int64* int64_contents 3",
        "uint32* uint_contents 4",
        "uint64* uint64_contents 5",
        "float* fp32_contents 6",
        "double* fp64_contents 7",
        "bytes* bytes_contents 8",
    ),
}
"""Message → its fields: type (``*``: repeated; ``map``: text to InferParameter; ``one``: of a union), name, number."""


def _messages() -> Mapping[str, Any]:
    pool = descriptor_pool.DescriptorPool()  # its own: another library may bring the same names
    pool.AddSerializedFile(_file().SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in _FIELDS}


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="open_inference_grpc.proto", package=PACKAGE, syntax="proto3")
    made: dict[str, DescriptorProto] = {}
    for name, fields in _FIELDS.items():
        owner, _, own = name.rpartition(".")
        message = made[owner].nested_type.add(name=own) if owner else file.message_type.add(name=own)
        made[name] = message
        for text in fields:
            _add_field(message, name, text.split())
    return file


def _add_field(message: DescriptorProto, owner: str, words: list[str]) -> None:
    in_union = words[0] == "one"
    kind, name, number = words[-3:]
    field = message.field.add(name=name, number=int(number), label=FieldDescriptorProto.LABEL_OPTIONAL)
    if in_union:
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind == "map":
        _add_map_entry(message, name)
        kind = f"{owner}.{_entry(name)}*"
    if kind.endswith("*"):
        kind = kind.removesuffix("*")
        field.label = FieldDescriptorProto.LABEL_REPEATED
    _set_type(field, kind)


def _add_map_entry(message: DescriptorProto, name: str) -> None:
    entry = message.nested_type.add(name=_entry(name))
    entry.options.map_entry = True
    for field, kind, number in (("key", "string", 1), ("value", "InferParameter", 2)):
        _set_type(entry.field.add(name=field, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL), kind)


def _entry(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_")) + "Entry"


def _set_type(field: FieldDescriptorProto, kind: str) -> None:
    if kind in _FIELDS or kind.endswith("Entry"):
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")


MESSAGES = _messages()
"""Name within the package → class."""
