"""Bencoding (BEP 3), which the NG protocol of rtpengine speaks: values to octets and back."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from dragoman.errors import LocalError, RemoteError

Value: TypeAlias = int | bytes | list["Value"] | dict[bytes, "Value"]
"""What is read."""
Written: TypeAlias = int | bytes | str | Sequence["Written"] | Mapping[str, "Written"]
"""What can be written; text goes as UTF-8."""

MAX_SIZE: Final = 65_536
MAX_DEPTH: Final = 16
"""Lists and dictionaries within one another; a call of rtpengine's `query` has 7."""
_DIGITS: Final = 20
_LENGTH: Final = 5
"""Digits of the longest string's length."""


class BencodeError(RemoteError):
    """These octets are no value, or one beyond our bounds."""


def encode(value: Written) -> bytes:
    """Return the octets of a value, keys in order (BEP 3); LocalError where it is too deep."""
    return b"".join(_pieces(value, 0))


def _pieces(value: Written, depth: int) -> list[bytes]:
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return [b"%d:" % len(value), value]
    if isinstance(value, int):
        return [b"i%de" % value]
    if depth == MAX_DEPTH:
        raise LocalError("a value nested too deep")
    found = [b"d" if isinstance(value, Mapping) else b"l"]
    if isinstance(value, Mapping):
        for key, each in sorted((key.encode(), each) for key, each in value.items()):
            found += [b"%d:" % len(key), key, *_pieces(each, depth + 1)]
    else:
        for each in value:
            found += _pieces(each, depth + 1)
    return [*found, b"e"]


def decode(data: bytes) -> Value:
    """Return the value that is all of `data`; BencodeError for none.

    Keys may come in any order, as rtpengine has them; of one that comes twice the last counts.
    """
    if len(data) > MAX_SIZE:
        raise BencodeError(f"{len(data)} octets, more than {MAX_SIZE}")
    value, end = _value(data, 0, 0)
    if end != len(data):
        raise BencodeError("octets after the end")
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    match data[at : at + 1]:
        case b"i":
            return _integer(data, at + 1)
        case b"l" | b"d" if depth == MAX_DEPTH:
            raise BencodeError("nested too deep")
        case b"l":
            return _list(data, at + 1, depth + 1)
        case b"d":
            return _dictionary(data, at + 1, depth + 1)
        case _:
            return _string(data, at)


def _integer(data: bytes, at: int) -> tuple[int, int]:
    end = data.find(b"e", at, at + _DIGITS + 2)
    text = data[at:end] if end > at else b""
    if not text.removeprefix(b"-").isdigit():
        raise BencodeError("not an integer")
    return int(text), end + 1


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    colon = data.find(b":", at, at + _LENGTH + 1)
    length = data[at:colon] if colon > at else b""
    if not length.isdigit():
        raise BencodeError("not a value")
    end = colon + 1 + int(length)
    if end > len(data):
        raise BencodeError("a string that is cut off")
    return data[colon + 1 : end], end


def _list(data: bytes, at: int, depth: int) -> tuple[list[Value], int]:
    found: list[Value] = []
    while data[at : at + 1] != b"e":
        value, at = _value(data, at, depth)
        found.append(value)
    return found, at + 1


def _dictionary(data: bytes, at: int, depth: int) -> tuple[dict[bytes, Value], int]:
    found: dict[bytes, Value] = {}
    while data[at : at + 1] != b"e":
        key, at = _string(data, at)
        found[key], at = _value(data, at, depth)
    return found, at + 1
