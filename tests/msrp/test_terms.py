"""What the two sides of a session agree on (RFC 4975 §8.6, §8.9)."""

import pytest

from dragoman.msrp import Direction, Terms


def test_a_star_takes_all() -> None:
    assert Terms(("*",)).accepts("model/vrml", "text/x")
    assert Terms(("message/cpim",), ("*",)).accepts("message/cpim", "text/x")
    assert not Terms(()).accepts("text/plain")


@pytest.mark.spec("MSRP-38")
@pytest.mark.parametrize(
    ("direction", "sends", "receives"),
    [
        (Direction.SENDRECV, True, True),
        (Direction.SENDONLY, True, False),
        (Direction.RECVONLY, False, True),
        (Direction.INACTIVE, False, False),
    ],
)
def test_directions(direction: Direction, sends: bool, receives: bool) -> None:
    assert (direction.sends, direction.receives) == (sends, receives)
