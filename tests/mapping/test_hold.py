"""Hold, in what a phone says of its streams (RFC 3264 §8.4)."""

import pytest

from dragoman.mapping.hold import Turn, turned
from dragoman.sdp.session import Direction, SessionDescription

RECVONLY, INACTIVE, SENDONLY = Direction.RECVONLY, Direction.INACTIVE, Direction.SENDONLY
KINDS = ("audio", "video")


def said(*ways: str, host: str = "192.0.2.1") -> SessionDescription:
    """Return a description whose streams go these ways; "" for one that is refused."""
    lines = [f"c=IN IP4 {host}"]
    for kind, way in zip(KINDS, ways, strict=False):
        lines += [f"m={kind} {5000 if way else 0} RTP/AVP 0", f"a={way or 'inactive'}"]
    return SessionDescription.parse("".join(f"{line}\r\n" for line in lines).encode())


@pytest.mark.spec("MED-15")
@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (("sendrecv",), ("sendrecv",), Turn()),
        (("sendrecv",), ("sendonly",), Turn(held=True)),
        (("sendrecv",), ("inactive",), Turn(held=True)),
        (("recvonly",), ("inactive",), Turn(held=True)),
        (("sendonly",), ("inactive",), Turn()),
        (("sendonly",), ("sendrecv",), Turn(held=False)),
        (("inactive",), ("recvonly",), Turn(held=False)),
        (("sendrecv",), ("recvonly",), Turn()),
        (("sendrecv", "sendrecv"), ("sendonly", "sendonly"), Turn(held=True)),
        (("sendrecv", "sendrecv"), ("sendonly", "inactive"), Turn(held=True)),
        (("sendrecv", "sendonly"), ("sendonly", "sendonly"), Turn(held=True)),
        (("inactive", "sendonly"), ("sendrecv", "sendrecv"), Turn(held=False)),
        (("inactive", "inactive"), ("sendrecv", "inactive"), Turn(False, ((1, INACTIVE),))),
        (("sendrecv", "sendrecv"), ("sendrecv", "sendonly"), Turn(None, ((1, SENDONLY),))),
        (
            ("sendonly", "recvonly"),
            ("recvonly", "inactive"),
            Turn(None, ((0, RECVONLY), (1, INACTIVE))),
        ),
        (("sendrecv", "sendrecv"), ("sendrecv", ""), Turn()),
        (("sendrecv", "sendrecv"), ("sendonly", ""), Turn(held=True)),
        (("sendrecv",), ("sendrecv", "inactive"), Turn()),
        (("",), ("sendonly",), Turn()),
    ],
)
def test_what_a_phone_turns_around(
    before: tuple[str, ...], now: tuple[str, ...], expected: Turn
) -> None:
    assert turned(said(*before), said(*now)) == expected


@pytest.mark.spec("MED-15")
def test_hold_as_rfc_2543_has_it() -> None:
    nowhere = said("sendrecv", host="0.0.0.0")  # noqa: S104 - what SDP says for no address
    assert turned(said("sendrecv"), nowhere) == Turn(held=True)
    assert turned(nowhere, said("sendrecv")) == Turn(held=False)


def test_who_said_nothing_before_received_all() -> None:
    assert turned(None, said("sendonly", "sendrecv")) == Turn(None, ((0, SENDONLY),))
    assert turned(None, said("sendonly")) == Turn(held=True)
