import asyncio
import socket
from random import SystemRandom

import pytest

from dragoman.errors import LocalError
from dragoman.media.plane import MediaError, Trouble
from dragoman.net.rtp import Pair, Ports

HOST = "127.0.0.1"


def ports(first: int = 43000, last: int = 43009) -> Ports:
    return Ports(first, last, SystemRandom())


@pytest.mark.parametrize(("first", "last"), [(0, 10), (5, 4), (40001, 40002), (60000, 70000)])
def test_a_range_has_a_pair(first: int, last: int) -> None:
    with pytest.raises(LocalError):
        ports(first, last)


@pytest.mark.parametrize(("first", "last", "pairs"), [(43000, 43009, 5), (43001, 43008, 3)])
def test_pairs_are_even_and_odd_and_end(first: int, last: int, pairs: int) -> None:
    found, made = ports(first, last), []
    for count in range(pairs):
        rtp, rtcp = found.bind(HOST)
        made += [rtp, rtcp]
        port = rtp.getsockname()[1]
        assert (port % 2, rtcp.getsockname()[1]) == (0, port + 1)
        assert first <= port < last
        assert len(found) == count + 1
    with pytest.raises(MediaError) as full:
        found.bind(HOST)
    assert full.value.trouble is Trouble.FULL
    for each in made:
        each.close()
    found.release(port + 1)
    for each in found.bind(HOST):
        assert each.getsockname()[1] in (port, port + 1)
        each.close()


def test_what_others_have_is_passed_over() -> None:
    found = ports(43000, 43003)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 43001))
        rtp, rtcp = found.bind(HOST)
        assert rtp.getsockname()[1] == 43002
        with pytest.raises(MediaError):
            found.bind(HOST)
    rtp.close()
    rtcp.close()


def test_an_address_that_is_not_ours_has_no_ports() -> None:
    with pytest.raises(MediaError) as full:
        ports().bind("192.0.2.1")
    assert full.value.trouble is Trouble.FULL


async def test_a_pair_hears_and_sends_and_gives_back() -> None:
    found = ports()
    heard: asyncio.Queue[tuple[int, bytes, tuple[str, int]]] = asyncio.Queue()
    pair = await Pair.open(found, HOST, lambda *each: heard.put_nowait(each))
    rtp, rtcp = pair.ports
    pair.sender(0)(b"x", (HOST, rtcp))
    async with asyncio.timeout(5):
        assert await heard.get() == (1, b"x", (HOST, rtp))
    await pair.aclose()
    pair.close()
    assert len(found) == 0
