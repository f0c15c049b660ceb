"""Fuzz target: a STUN datagram reads and prints the same, and its answer is small (RFC 8489)."""

from dragoman.errors import RemoteError
from dragoman.sip.stun import BINDING, REQUEST, Stun, answer

SOURCE = ("2001:db8::1", 5060)
ID = b"transaction!"
SEEDS = (
    bytes(Stun(REQUEST, BINDING, ID)),
    bytes(Stun(REQUEST, BINDING, ID, ((6, b"romeo"), (3, b"\0\0\0\6"), (0x8022, b"x")), True)),
)


def one_input(data: bytes) -> None:
    said = answer(data, SOURCE)
    try:
        message = Stun.parse(data)
    except RemoteError:
        assert said is None
        return
    assert Stun.parse(bytes(message)) == message
    if said is not None:
        assert len(said) <= len(data) + 24
        assert Stun.parse(said).transaction == message.transaction


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
