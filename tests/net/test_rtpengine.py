import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from dragoman.errors import LocalError
from dragoman.media.ngplane import Settings
from dragoman.media.plane import PLAIN, Connected, Counters, MediaError, Side, Trouble
from dragoman.net import rtpengine
from dragoman.net.rtpengine import Rtpengine
from tests.media.ngfake import PHONE, FakeEngine
from tests.net.mediapeers import Desk, Events

SIP, XMPP = Side.SIP, Side.XMPP


class Daemon(asyncio.DatagramProtocol):
    """An engine behind a port; `lose` datagrams are not heard."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.lose = 0
        self.transport: asyncio.DatagramTransport

    @classmethod
    async def open(cls, host: str = "127.0.0.1") -> "Daemon":
        loop = asyncio.get_running_loop()
        made, daemon = await loop.create_datagram_endpoint(cls, local_addr=(host, 0))
        daemon.transport = made
        return daemon

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.lose:
            self.lose -= 1
            return
        self.engine.receive(data, 0.0)
        for each in self.engine.to_send():
            self.transport.sendto(each, addr)

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    made = await Daemon.open()
    yield made
    made.transport.abort()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
async def plane(daemon: Daemon, events: Events) -> AsyncIterator[Rtpengine]:
    made = Rtpengine(Settings((f"127.0.0.1:{daemon.port}",), "here"), events)
    yield made
    await made.aclose()


async def fared(plane: Rtpengine) -> dict[Side, Counters]:
    told: asyncio.Future[dict[Side, Counters]] = asyncio.Future()
    plane.counters("call", told.set_result)
    async with asyncio.timeout(5):
        return await told


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what a socket brings about
            await asyncio.sleep(0)


async def settled(plane: Rtpengine) -> None:
    """Wait for the answers of all engines: to a question that comes last."""
    await fared(plane)


async def test_a_call(plane: Rtpengine, daemon: Daemon, events: Events) -> None:
    desk = Desk(plane)
    assert (await desk.offer(XMPP, PHONE, PLAIN)).media[0].port == 30000
    assert (await desk.answer(SIP, PHONE)).media[0].port == 30002
    assert {await events.next(), await events.next()} == {
        Connected("call", SIP),
        Connected("call", XMPP),
    }
    daemon.engine.fares = {"sip": (3, True), "xmpp": (0, True)}
    assert (await fared(plane))[SIP] == Counters(3, 480)
    plane.candidates("call", XMPP, "", "", [])
    plane.revert("call")
    plane.digits("call", SIP, "1", 100)
    await desk.answer(SIP, PHONE)
    assert daemon.engine.commands()[-1] == "answer"
    assert daemon.engine.commands().count("play DTMF") == 1
    plane.close("call")
    assert await fared(plane) == {}
    await desk.offer(XMPP, PHONE, PLAIN, "other")
    assert list(daemon.engine.calls) == ["here:other.2"]
    assert plane.describe()["calls"] == 1


async def test_what_is_lost_is_sent_again(
    plane: Rtpengine, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = asyncio.get_running_loop().time
    ahead = 0.0
    monkeypatch.setattr(plane, "_clock", lambda: now() + ahead)
    await Desk(plane).offer(XMPP, PHONE, PLAIN, "first")
    daemon.lose = 1
    waiting = asyncio.ensure_future(Desk(plane).offer(XMPP, PHONE, PLAIN))
    await until(lambda: not daemon.lose)
    ahead = 0.6
    plane._on_alarm()
    assert (await waiting).media
    assert daemon.engine.commands() == ["offer", "offer"]


async def test_what_others_say_is_not_heard(plane: Rtpengine, daemon: Daemon) -> None:
    await Desk(plane).offer(XMPP, PHONE, PLAIN)
    (name,) = plane._calls.engines.all
    local = next(iter(plane._sockets.values())).local
    other = await Daemon.open()
    other.transport.sendto(b"c1 nonsense", ("127.0.0.1", local[1]))
    daemon.transport.sendto(b"c1 nonsense", ("127.0.0.1", local[1]))
    engine = plane._calls.engines.all[name]
    await until(lambda: engine.strays)
    other.transport.abort()
    await settled(plane)
    assert engine.strays == 1


async def test_an_engine_by_name(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
        assert host == "media.example"
        return socket.AF_INET, ("127.0.0.1", port)

    monkeypatch.setattr(rtpengine, "_lookup", found)
    plane = Rtpengine(Settings((f"media.example:{daemon.port}",), "here"), lambda _: None)
    assert (await Desk(plane).offer(XMPP, PHONE, PLAIN)).media
    await plane.aclose()


async def test_a_name_that_leads_nowhere(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtpengine, "FAREWELL", 0.01)
    caplog.set_level(logging.WARNING)
    plane = Rtpengine(Settings(("nobody.invalid:2223",), "here"), lambda _: None)
    await until(lambda: caplog.records)
    assert caplog.records[0].message == "engine not found"
    await plane.aclose()


async def test_nobody_is_there(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtpengine, "FAREWELL", 0.01)
    gone = await Daemon.open()
    port = gone.port
    gone.transport.abort()
    ahead = 0.0
    now = asyncio.get_running_loop().time
    plane = Rtpengine(Settings((f"127.0.0.1:{port}",), "here"), events, clock=lambda: now() + ahead)
    waiting = asyncio.ensure_future(Desk(plane).offer(XMPP, PHONE, PLAIN))
    for _ in range(8):
        await asyncio.sleep(0)
        ahead += 4.1
        plane._on_alarm()
    with pytest.raises(MediaError) as caught:
        await waiting
    assert caught.value.trouble is Trouble.GONE
    await plane.aclose()


async def test_the_end_ends_all_calls_and_frees_all(daemon: Daemon) -> None:
    plane = Rtpengine(Settings((f"127.0.0.1:{daemon.port}",), "here"), lambda _: None)
    for number in range(3):
        await Desk(plane).offer(XMPP, PHONE, PLAIN, f"c{number}")
    assert len(daemon.engine.calls) == 3
    await plane.aclose()
    assert not daemon.engine.calls
    assert not plane._tasks
    assert all(each._socket.fileno() < 0 for each in plane._sockets.values())


@pytest.mark.parametrize("name", ["", "host", "host:", ":2223", "host:x", "host:0", "host:70000"])
async def test_what_names_no_engine(name: str) -> None:
    with pytest.raises(LocalError):
        Rtpengine(Settings((name,), "here"), lambda _: None)


async def test_an_engine_by_an_address_of_six() -> None:
    daemon = await Daemon.open("::1")
    plane = Rtpengine(Settings((f"[::1]:{daemon.port}",), "here"), lambda _: None)
    try:
        assert (await Desk(plane).offer(XMPP, PHONE, PLAIN)).media
    finally:
        await plane.aclose()
        daemon.transport.abort()
