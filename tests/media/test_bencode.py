import pytest

from dragoman.errors import LocalError
from dragoman.media.bencode import MAX_DEPTH, MAX_SIZE, BencodeError, Value, Written, decode, encode

PAIRS: list[tuple[bytes, Value]] = [
    (b"i42e", 42),
    (b"i-3e", -3),
    (b"i0e", 0),
    (b"i18446744073709551615e", 2**64 - 1),
    (b"4:spam", b"spam"),
    (b"0:", b""),
    (b"3:\xff: ", b"\xff: "),
    (b"le", []),
    (b"l4:spami1ee", [b"spam", 1]),
    (b"de", {}),
    (b"d3:cow3:moo4:spam4:eggse", {b"cow": b"moo", b"spam": b"eggs"}),
    (b"d4:spaml1:a1:bee", {b"spam": [b"a", b"b"]}),
    (b"d7:command4:pinge", {b"command": b"ping"}),
]


@pytest.mark.parametrize(("data", "value"), PAIRS)
def test_values_read(data: bytes, value: Value) -> None:
    assert decode(data) == value


@pytest.mark.parametrize(("data", "value"), PAIRS)
def test_values_print(data: bytes, value: Value) -> None:
    assert encode(_writable(value)) == data


def _writable(value: Value) -> Written:
    if isinstance(value, dict):
        return {key.decode(): _writable(each) for key, each in value.items()}
    return [_writable(each) for each in value] if isinstance(value, list) else value


def test_keys_are_printed_in_order_and_read_in_any() -> None:
    assert encode({"b": 1, "a": "x"}) == b"d1:a1:x1:bi1ee"
    assert decode(b"d1:bi1e1:a1:x1:bi2ee") == {b"a": b"x", b"b": 2}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"i",
        b"ie",
        b"i-e",
        b"i--1e",
        b"i1",
        b"i1.5e",
        b"i" + b"9" * 40 + b"e",
        b":",
        b"-1:",
        b"5:spam",
        b"999999:",
        b"1234567:a",
        b"l",
        b"l4:spam",
        b"d",
        b"di1ei2ee",
        b"d1:a",
        b"d1:ae",
        b"d1:ai1e",
        b"i1ei2e",
        b"le ",
        b"4:spam\n",
        "٣:abc".encode(),
    ],
)
def test_nothing_else_does(data: bytes) -> None:
    with pytest.raises(BencodeError):
        decode(data)


def test_depth_has_a_bound() -> None:
    deepest = b"l" * MAX_DEPTH + b"e" * MAX_DEPTH
    value = decode(deepest)
    with pytest.raises(BencodeError, match="deep"):
        decode(b"l" + deepest + b"e")
    with pytest.raises(BencodeError, match="deep"):
        decode(b"d1:a" * 15_000)
    assert isinstance(value, list)
    with pytest.raises(LocalError, match="deep"):
        encode([[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]])


def test_size_has_a_bound() -> None:
    whole = b"%d:" % (MAX_SIZE - 6)
    whole += bytes(MAX_SIZE - len(whole))
    assert len(whole) == MAX_SIZE
    assert decode(whole) == bytes(MAX_SIZE - 6)
    with pytest.raises(BencodeError, match="octets"):
        decode(whole + b"x")
