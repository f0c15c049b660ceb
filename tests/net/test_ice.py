import asyncio
from collections.abc import Sequence
from random import SystemRandom
from typing import cast

import pytest
from aioice.stun import Class, Message, Method, parse_message

from dragoman.media.plane import MediaError
from dragoman.media.remote import MOST_CANDIDATES, Credentials
from dragoman.net import ice
from dragoman.net.ice import Agent, LiteAgent
from dragoman.net.rtp import Ports
from dragoman.net.servers import Server as ServerOf
from dragoman.net.servers import Servers
from dragoman.sdp.ice import Candidate

HOST, OUTSIDE = "127.0.0.1", ("203.0.113.9", 7777)
CREDENTIALS = Credentials("ufragufr", "p" * 24)


class Server(asyncio.DatagramProtocol):
    """A server of STUN, which may be silent."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.silent:
            return
        asked = parse_message(data)
        said = Message(Method.BINDING, Class.RESPONSE, asked.transaction_id)
        said.attributes["XOR-MAPPED-ADDRESS"] = OUTSIDE
        self.transport.sendto(bytes(said), addr)


def agent(ports: Ports, servers: Servers | None = None, components: int = 1) -> Agent:
    return Agent(
        ports,
        HOST,
        "198.51.100.1",
        controlling=True,
        credentials=CREDENTIALS,
        components=components,
        servers=servers,
        arrived=lambda *_: None,
        connected=lambda: None,
        lost=lambda _: None,
    )


def shown(candidates: Sequence[Candidate]) -> list[tuple[int, str, str]]:
    return [(each.component, each.type, each.address) for each in candidates]


async def test_candidates_are_of_the_address_that_is_told() -> None:
    ports = Ports(43100, 43109, SystemRandom())
    one = agent(ports, components=2)
    found = await one.gather()
    assert shown(found) == [(1, "host", "198.51.100.1"), (2, "host", "198.51.100.1")]
    assert found[1].port == found[0].port + 1
    await one.aclose()
    assert len(ports) == 0


@pytest.mark.parametrize("silent", [False, True])
async def test_a_server_says_where_we_are_if_it_says_anything(
    monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    if silent:
        monkeypatch.setattr(ice, "GATHERING", 0.01)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Server(silent=silent), local_addr=(HOST, 0)
    )
    place = transport.get_extra_info("sockname")
    ports = Ports(43100, 43109, SystemRandom())
    servers = Servers([ServerOf.parse(f"stun:{HOST}:{place[1]}")])
    one = agent(ports, servers)
    found = await one.gather()
    assert bool(servers.asked()) is not silent  # the next call does not wait for it
    outside = [] if silent else [(1, "srflx", OUTSIDE[0])]
    assert shown(found) == [(1, "host", "198.51.100.1"), *outside]
    assert [each.related for each in found[1:]] == [("198.51.100.1", found[0].port)] * len(outside)
    await one.aclose()
    transport.close()
    assert len(ports) == 0


async def test_a_relay_that_does_not_let_go_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a call waits for no server of TURN that is gone."""
    monkeypatch.setattr(ice, "CLOSING", 0.01)
    ports = Ports(43100, 43109, SystemRandom())
    one = agent(ports)
    await one.gather()
    monkeypatch.setattr(one, "close", asyncio.Event().wait)
    async with asyncio.timeout(5):
        await one.aclose()
    assert len(ports) == 0


async def test_without_ports_there_is_no_agent() -> None:
    ports = Ports(43100, 43101, SystemRandom())
    one, two = agent(ports), agent(ports)
    await one.gather()
    with pytest.raises(MediaError):
        await two.gather()
    await two.aclose()
    await one.aclose()
    assert len(ports) == 0


async def test_candidates_of_a_peer_have_a_bound_and_are_addresses() -> None:
    one = agent(Ports(43100, 43109, SystemRandom()))
    await one.gather()
    for odd in (
        Candidate("1", 1, "tcp", 1, "192.0.2.1", 9, "host"),
        Candidate("1", 1, "udp", 1, "x.local", 4000, "host"),
        Candidate("1", 2, "udp", 1, "192.0.2.1", 4000, "host"),
        Candidate("1", 1, "udp", 1, "192.0.2.1", 0, "host"),
        Candidate("1", 1, "udp", 1, "192.0.2.1", 4000, "strange"),
    ):
        one.add([odd])
    assert one.remote_candidates == []
    one.add([Candidate("1", 1, "udp", 1, "192.0.2.1", 4000 + n, "host") for n in range(99)])
    assert len(one.remote_candidates) == MOST_CANDIDATES
    one.add([], complete=True)
    one.add([], complete=True)
    await one.aclose()
    one.start(CREDENTIALS, lite=False, components=1)  # too late: nothing begins


class Asker(asyncio.DatagramProtocol):
    """A peer that checks, with our password."""

    def __init__(self) -> None:
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.answers += 1

    def check(self, port: int) -> None:
        names: dict[str, object] = {
            "USERNAME": f"{CREDENTIALS.ufrag}:theirs",
            "ICE-CONTROLLING": 1,
            "USE-CANDIDATE": None,
        }
        asked = Message(Method.BINDING, Class.REQUEST, attributes=names)
        asked.add_message_integrity(CREDENTIALS.password.encode())
        self.transport.sendto(bytes(asked), (HOST, port))


@pytest.mark.parametrize("plain", [False, True])
async def test_a_peer_that_ceases_to_check_is_gone(plain: bool) -> None:
    """RFC 7675 §5.1, for who asks nobody; but none who turned out to have no ICE."""
    ports, told = Ports(43140, 43149, SystemRandom()), list[str]()
    connected = asyncio.Event()
    one = LiteAgent(
        ports,
        HOST,
        HOST,
        credentials=CREDENTIALS,
        arrived=lambda *_: None,
        connected=connected.set,
        lost=told.append,
        consent=0.3,
    )
    (candidate,) = await one.gather()
    one.start(Credentials("theirs", "t" * 24), lite=False, components=1)
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_datagram_endpoint(Asker, local_addr=(HOST, 0))
    peer.check(candidate.port)
    async with asyncio.timeout(5):
        await connected.wait()
    if plain:
        one.plain()
    begun = loop.time()
    while loop.time() < begun + 0.8:
        peer.check(candidate.port)
        await asyncio.sleep(0.05)
    assert told == []
    await asyncio.sleep(0.8)
    assert len(told) == (not plain)
    peer.transport.close()
    await one.aclose()
