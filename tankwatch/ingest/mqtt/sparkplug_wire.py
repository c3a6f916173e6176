"""Sparkplug B on the wire: the fields of its payload that tell values, names, times and quality.

Field numbers and types are those of chapter 6.4 of the Sparkplug specification, version 3.0; what
is left out here (data sets, templates, metadata) is skipped by protobuf as unknown.  The
specification calls a named value a metric; here it is a `Named`.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from tankwatch.errors import SourceError

_FIELD = descriptor_pb2.FieldDescriptorProto
_U32, _U64 = _FIELD.TYPE_UINT32, _FIELD.TYPE_UINT64
_TEXT, _BOOL, _BYTES = _FIELD.TYPE_STRING, _FIELD.TYPE_BOOL, _FIELD.TYPE_BYTES
_FLOAT, _DOUBLE = _FIELD.TYPE_FLOAT, _FIELD.TYPE_DOUBLE

# Message: fields as (name, number, type or message, where it stands: alone, in the oneof, a list).
_ALONE, _CHOICE, _LIST = "alone", "choice", "list"
_MESSAGES: dict[str, tuple[tuple[str, int, Any, str], ...]] = {
    "Property": (
        ("type", 1, _U32, _ALONE),
        ("is_null", 2, _BOOL, _ALONE),
        ("int_value", 3, _U32, _CHOICE),
        ("long_value", 4, _U64, _CHOICE),
        ("float_value", 5, _FLOAT, _CHOICE),
        ("double_value", 6, _DOUBLE, _CHOICE),
        ("boolean_value", 7, _BOOL, _CHOICE),
        ("string_value", 8, _TEXT, _CHOICE),
    ),
    "Properties": (("keys", 1, _TEXT, _LIST), ("values", 2, "Property", _LIST)),
    "Named": (
        ("name", 1, _TEXT, _ALONE),
        ("alias", 2, _U64, _ALONE),
        ("timestamp", 3, _U64, _ALONE),
        ("datatype", 4, _U32, _ALONE),
        ("is_historical", 5, _BOOL, _ALONE),
        ("is_transient", 6, _BOOL, _ALONE),
        ("is_null", 7, _BOOL, _ALONE),
        ("properties", 9, "Properties", _ALONE),
        ("int_value", 10, _U32, _CHOICE),
        ("long_value", 11, _U64, _CHOICE),
        ("float_value", 12, _FLOAT, _CHOICE),
        ("double_value", 13, _DOUBLE, _CHOICE),
        ("boolean_value", 14, _BOOL, _CHOICE),
        ("string_value", 15, _TEXT, _CHOICE),
        ("bytes_value", 16, _BYTES, _CHOICE),
    ),
    "Payload": (
        ("timestamp", 1, _U64, _ALONE),
        ("values", 2, "Named", _LIST),
        ("seq", 3, _U64, _ALONE),
        ("uuid", 4, _TEXT, _ALONE),
        ("body", 5, _BYTES, _ALONE),
    ),
}
_PACKAGE = "tankwatch.sparkplug"
BOOLEAN = 11
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}


def _build() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="sparkplug.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        message.oneof_decl.add(name="value")
        for label, number, kind, place in fields:
            added = message.field.add(name=label, number=number)
            added.label = _FIELD.LABEL_REPEATED if place == _LIST else _FIELD.LABEL_OPTIONAL
            if isinstance(kind, str):
                added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = kind
            if place == _CHOICE:
                added.oneof_index = 0
        if not any(place == _CHOICE for *_, place in fields):
            del message.oneof_decl[:]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"{_PACKAGE}.Payload")
    return message_factory.GetMessageClass(found)


Payload: Any = _build()


def decode(data: bytes) -> Any:
    """Return the payload that `data` holds.

    Raises:
        SourceError: it holds none, or a packed one.
    """
    try:
        payload = Payload.FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        message = f"not a Sparkplug B payload: {error}"
        raise SourceError(message) from error
    if payload.HasField("uuid") and payload.uuid == "SPBV1.0_COMPRESSED":
        message = "the payload is compressed: switch that off in the edge node"
        raise SourceError(message)
    return payload


def value_of(named: Any, datatype: int) -> float | str | bool | None:
    """Return the value of a `Named`, signed where its data type is; None where there is none."""
    kind = named.WhichOneof("value")
    if kind is None or named.is_null:
        return None
    value: float | str | bool | bytes = getattr(named, kind)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    bits = _SIGNED_BITS.get(datatype)
    if bits is not None and isinstance(value, int) and kind in {"int_value", "long_value"}:
        low = value & ((1 << bits) - 1)
        return low - (1 << bits) if low >> (bits - 1) else low
    return value


def properties_of(named: Any) -> dict[str, Any]:
    """Return the properties of a `Named` that hold a plain value, by their key in small letters."""
    if not named.HasField("properties"):
        return {}
    found = {}
    for key, held in zip(named.properties.keys, named.properties.values, strict=False):
        kind = held.WhichOneof("value")
        if kind is not None and not held.is_null:
            found[key.casefold()] = getattr(held, kind)
    return found


def rebirth(at_ms: int) -> bytes:
    """Return the command that asks an edge node for its births."""
    payload = Payload(timestamp=at_ms)
    payload.values.add(
        name="Node Control/Rebirth", timestamp=at_ms, datatype=BOOLEAN, boolean_value=True
    )
    data: bytes = payload.SerializeToString()
    return data
