"""Two endpoints on loopback: every transport, refusals heard at once, and every bound."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dragoman.net import sip as module
from dragoman.net.certificates import Credentials
from dragoman.net.driver import Bounds
from dragoman.net.listen import Gate, Place
from dragoman.net.sip import Limits, SipSockets, _core
from dragoman.net.tls import Tls
from dragoman.net.trust import Trust
from dragoman.sip import stun
from dragoman.sip.endpoint import (
    Cause,
    Endpoint,
    Event,
    Flow,
    Outgoing,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
    ResponseStranded,
    Target,
    Transport,
)
from dragoman.sip.guard import FEW, Guard, Rules
from dragoman.sip.message import Request, build_request, response_to
from dragoman.sip.overload import Marks
from dragoman.trace import Direction, Seen, Tap
from tests.net.authority import BOTH, NOW, issue
from tests.net.test_dial import silent as silent_port
from tests.net.test_dial import stack

__all__ = ["stack"]

ROOT = issue("Lab CA", ca=True)
ATTEMPTS = 20
"""Ports that are tried until one is free for UDP and TCP."""


def credentials(name: str) -> Credentials:
    leaf = issue(name, ROOT, names=[name], purposes=BOTH)
    certificate = leaf.certificate
    return Credentials((name,), (certificate,), leaf.key, "test", certificate.not_valid_after_utc)


OURS = {name: credentials(name) for name in ("gw.example", "sip.example", "evil.example")}


class End:
    """An endpoint on its sockets: answers 200 to what it is told to, remembers the rest."""

    def __init__(
        self,
        tls: Tls,
        tap: Tap | None = None,
        limits: Limits | None = None,
        gate: Gate | None = None,
        origins: Collection[str] = (),
        rules: Rules | None = None,
    ) -> None:
        self.name = "192.0.2.99:5060"
        self.ahead = 0.0
        self.flows: list[Flow] = []
        self.seen: list[Event] = []
        self.turns = 0
        self.answers = True
        self.react: Callable[[Event], None] = lambda _: None
        self._news = asyncio.Event()
        tokens = count(1)
        endpoint = Endpoint(
            sent_by=lambda _: self.name,
            allow=("MESSAGE", "OPTIONS"),
            token=lambda: f"t{next(tokens)}",
            screen=lambda _request, _flow: None,
        )
        self.guard: Guard | None = None
        if rules is not None:
            self.guard = Guard(
                rules, lambda _: False, endpoint.refusal_tag, endpoint.pending, endpoint.asked
            )
        self.sockets = SipSockets(
            endpoint,
            self.on_events,
            tls,
            clock=self.now,
            tap=tap,
            limits=limits,
            gate=gate,
            origins=origins,
            guard=self.guard,
        )

    def on_events(self, endpoint: Endpoint) -> None:
        self.turns += 1
        for event in endpoint.events():
            self.seen.append(event)
            if isinstance(event, RequestArrived):
                self.flows.append(event.flow)
                if self.answers:
                    response = response_to(event.request, 200)
                    endpoint.respond(event.transaction, response, self.now())
                    self.sockets.wake()
            self.react(event)
        self._news.set()

    def now(self) -> float:
        """Return the time, which is `ahead` of the loop's."""
        return asyncio.get_running_loop().time() + self.ahead

    def send(self, *targets: Target, handle: int = 1, body: bytes = b"hello") -> None:
        request = build_request(
            "MESSAGE",
            "sip:romeo@sip.example",
            [
                ("From", "<sip:juliet@example.com>;tag=1"),
                ("To", "<sip:romeo@sip.example>"),
                ("Call-ID", f"call-{handle}"),
                ("CSeq", "1 MESSAGE"),
                ("Max-Forwards", "70"),
                ("Content-Type", "text/plain"),
            ],
            body,
        )
        self.sockets.endpoint.send(request, targets, handle, self.now())
        self.sockets.wake()

    def outcomes(self) -> dict[int, int | Cause]:
        """Return what became of each request sent."""
        found: dict[int, int | Cause] = {}
        for event in self.seen:
            if isinstance(event, ResponseArrived):
                assert isinstance(event.handle, int)
                found[event.handle] = event.response.status
            elif isinstance(event, RequestFailed):
                assert isinstance(event.handle, int)
                found[event.handle] = event.cause
        return found

    def requests(self) -> list[Request]:
        return [event.request for event in self.seen if isinstance(event, RequestArrived)]

    async def until(self, true: Callable[[], object], within: float = 5.0) -> None:
        async with asyncio.timeout(within):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def at(self, scheme: str, host: str = "127.0.0.1") -> Target:
        """Listen, and return the target that leads there."""
        bound = await self.sockets.listen(Place(scheme, host, 0))
        address, port = bound.addresses[0]
        return Target(Transport(scheme.upper()), address, port, "sip.example")

    async def at_kept_port(self, kept: socket.socket) -> Target:
        """Listen on UDP where `kept` then holds the port of TCP for us, and nobody listens.

        The port is one that chance finds free for both.
        """
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for _ in range(ATTEMPTS):
            target = await self.at("udp")
            try:
                kept.bind((target.address, target.port))
            except OSError:
                continue
            return target
        raise AssertionError("no port is free for UDP and TCP")


Make = Callable[..., End]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    trust = Trust(tmp_path / "ca.pem")
    ends: list[End] = []

    def made(show: str = "", **settings: Any) -> End:
        """Make an end that shows the certificate asked for, or always that of `show`."""
        pick = OURS["gw.example"] if not show else OURS[show]
        tls = Tls(lambda name: pick if show else OURS.get(name, pick), trust, wall=lambda: NOW)
        ends.append(End(tls, **settings))
        return ends[-1]

    yield made
    for end in ends:
        async with asyncio.timeout(5):
            await end.sockets.close()


@pytest.mark.parametrize("scheme", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.spec("NET-34")
async def test_a_request_and_its_answer(make: Make, scheme: str, host: str) -> None:
    near, far = make(), make()
    await near.at("udp", host)
    target = await far.at(scheme, host)
    near.send(target)
    await near.until(near.outcomes)
    assert near.outcomes() == {1: 200}
    (request,) = far.requests()
    assert request.body == b"hello"
    assert request.via.received == host
    assert far.flows[0].transport is Transport(scheme.upper())
    assert far.flows[0].local == (target.address, target.port)


@pytest.mark.spec("NET-35")
async def test_one_connection_serves_many_requests(make: Make) -> None:
    near, far = make(), make()
    target = await far.at("tcp")
    for handle in range(50):
        near.send(target, handle=handle)
    await near.until(lambda: len(near.outcomes()) == 50)
    assert set(near.outcomes().values()) == {200}
    assert len({flow.connection for flow in far.flows}) == 1
    assert near.sockets.describe()["dialling"] == 0


async def test_a_burst_of_datagrams_takes_few_turns(make: Make) -> None:
    far = make()
    far.answers = False
    target = await far.at("udp")
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        for number in range(20):
            text = (
                "OPTIONS sip:gw.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;"
                f"branch=z9hG4bK{number}\r\nFrom: <sip:a@a.example>;tag=1\r\n"
                f"To: <sip:gw.example>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\n"
                "Max-Forwards: 70\r\n\r\n"
            )
            other.sendto(text.encode(), (target.address, target.port))
        await far.until(lambda: len(far.requests()) == 20)
    assert far.turns == 5  # 1, 2, 4, 8 and the other 5


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("scheme", ["udp", "tcp", "tls"])
@pytest.mark.spec("NET-24")
async def test_a_refused_port_is_known_at_once_and_the_next_is_tried(
    make: Make, scheme: str, host: str
) -> None:
    near, far = make(), make()
    await near.at("udp", host)
    target = await far.at("udp", host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with closing(socket.socket(family, kind)) as taken:
        taken.bind((host, 0))
        gone = Target(Transport(scheme.upper()), host, taken.getsockname()[1], "sip.example")
        if scheme == "udp":
            taken.close()
        near.send(gone, target, handle=1)
        near.send(gone, handle=2)
        await near.until(lambda: len(near.outcomes()) == 2, within=2)
    assert near.outcomes() == {1: 200, 2: Cause.UNREACHABLE}


async def test_no_socket_of_the_family_is_unreachable(make: Make) -> None:
    near = make()
    near.send(Target(Transport.UDP, "::1", 5060))
    await near.until(near.outcomes)
    assert near.outcomes() == {1: Cause.UNREACHABLE}


@pytest.mark.spec("NET-25")
async def test_a_large_request_goes_by_tcp_and_back_to_udp_if_refused(make: Make) -> None:
    near, far = make(), make()
    await near.at("udp")
    with closing(socket.socket()) as kept:
        target = await far.at_kept_port(kept)
        near.send(target, body=b"x" * 2000)
        await near.until(near.outcomes)
        assert far.flows[0].transport is Transport.UDP
        await far.sockets.listen(Place("tcp", target.address, target.port))
        near.send(target, handle=2, body=b"x" * 2000)
        await near.until(lambda: len(near.outcomes()) == 2)
        assert far.flows[1].transport is Transport.TCP


async def test_the_loopback_socket_serves_loopback(make: Make) -> None:
    near, far = make(), make()
    target = await far.at("udp")
    everywhere = await near.at("udp", "*")
    near.send(target)
    await near.until(near.outcomes)
    assert far.flows[0].remote == ("127.0.0.1", everywhere.port)


@pytest.mark.parametrize(("domain", "outcome"), [("sip.example", 200), ("other.example", None)])
@pytest.mark.spec("NET-31")
async def test_tls_must_show_the_domain_looked_up(
    make: Make, domain: str, outcome: int | None
) -> None:
    near, far = make(), make()
    found = await far.at("tls")
    near.send(Target(found.transport, found.address, found.port, domain))
    await near.until(near.outcomes)
    assert near.outcomes() == {1: outcome or Cause.UNREACHABLE}
    assert len(far.requests()) == (1 if outcome else 0)
    if outcome:
        assert far.sockets.vouches(far.flows[0], "gw.example")
        assert not far.sockets.vouches(far.flows[0], "sip.example")
        assert not far.sockets.vouches(Flow(Transport.UDP, ("", 0), ("", 0)), "gw.example")


@pytest.mark.parametrize("domain", ["gw.example", "sip.example"])
@pytest.mark.spec("NET-31")
async def test_the_certificate_shown_is_that_of_the_domain_asked_for(
    make: Make, domain: str
) -> None:
    near, far = make(), make()
    found = await far.at("tls")
    near.send(replace(found, domain=domain, local="evil.example"))
    await near.until(near.outcomes)
    assert near.outcomes() == {1: 200}
    (driver,) = near.sockets._flows.values()
    assert driver.tls is not None
    assert driver.tls.peer.chain == OURS[domain].chain
    (driver,) = far.sockets._flows.values()
    assert driver.tls is not None
    assert (driver.tls.server_name, driver.tls.peer.chain) == (domain, OURS["evil.example"].chain)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.spec("NET-31", "NET-34")
async def test_who_connects_is_known_by_the_certificate_of_the_domain_that_sends(
    make: Make, host: str
) -> None:
    near, far = make(), make()
    found = replace(await far.at("tls", host), domain="gw.example")
    near.send(replace(found, local="sip.example"))
    near.send(replace(found, local="evil.example"), handle=2)
    await near.until(lambda: len(near.outcomes()) == 2)
    names = ("sip.example", "evil.example", "gw.example")
    shown = [{name for name in names if far.sockets.vouches(flow, name)} for flow in far.flows]
    assert sorted(map(sorted, shown)) == [["evil.example"], ["sip.example"]]
    assert near.sockets.vouches(_first_flow(near), "gw.example")


async def test_a_connection_proved_for_one_domain_is_not_used_for_another(make: Make) -> None:
    near, far = make(), make()
    found = await far.at("tls")
    near.send(Target(found.transport, found.address, found.port, "sip.example"))
    await near.until(near.outcomes)
    near.send(Target(found.transport, found.address, found.port, "gw.example"), handle=2)
    await near.until(lambda: len(near.outcomes()) == 2)
    assert len({flow.connection for flow in far.flows}) == 2


async def allies(
    make: Make, show: str = "sip.example", host: str = "127.0.0.1"
) -> tuple[End, End, Target]:
    """Return two ends, of which the first connected to the other and offered an alias.

    The target leads to where the first one listens, for requests to sip.example.
    """
    near, far = make(show), make()
    back = replace(await near.at("tls", host), local="gw.example")
    bare = f"[{host}]" if ":" in host else host
    near.name = f"{bare}:{back.port};alias"
    near.send(replace(await far.at("tls", host), domain="gw.example", local=show))
    await near.until(near.outcomes)
    assert near.outcomes() == {1: 200}
    return near, far, back


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.spec("NET-34")
async def test_a_connection_that_came_in_is_used_for_requests_back(make: Make, host: str) -> None:
    near, far, back = await allies(make, host=host)
    far.name += ";alias"
    far.send(back, handle=2)
    await far.until(far.outcomes)
    assert far.outcomes() == {2: 200}
    assert near.sockets.describe()["aliases"] == 0, "we opened it: it is known as such"
    assert near.flows[0].connection == _first_flow(near).connection
    described = far.sockets.describe()
    assert len(far.sockets._flows) == 1
    assert (described["aliases"], len(far.sockets._opened)) == (1, 0)


async def test_an_alias_for_the_address_of_another_domain_is_not_used(make: Make) -> None:
    """Whoever shares an address with the server of a domain gets none of what is sent to it."""
    evil, far, back = await allies(make, show="evil.example")
    far.send(back, handle=2)
    await far.until(far.outcomes)
    assert far.outcomes() == {2: Cause.UNREACHABLE}
    assert evil.requests() == []
    assert far.sockets.describe()["aliases"] == 1


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
async def test_without_certificate_or_alias_a_connection_is_not_used_for_requests_back(
    make: Make, scheme: str
) -> None:
    near, far = make("sip.example"), make()
    back = replace(await near.at(scheme), local="gw.example")
    near.name = f"{back.address}:{back.port}" + (";alias" if scheme == "tcp" else "")
    near.send(replace(await far.at(scheme), domain="gw.example"))
    await near.until(near.outcomes)
    far.send(back, handle=2)
    await far.until(far.outcomes)
    assert far.outcomes() == {2: 200}
    assert len(far.sockets._flows) == 2
    assert far.sockets.describe()["aliases"] == 0


async def test_what_waits_on_an_alias_that_breaks_goes_to_the_next_target(make: Make) -> None:
    near, far, back = await allies(make)
    near.answers = False
    third = make()
    far.send(back, await third.at("tcp"), handle=2)
    await near.until(near.requests)
    next(iter(far.sockets._flows.values())).abort("cut")
    await far.until(far.outcomes)
    assert far.outcomes() == {2: 200}
    assert len(third.requests()) == 1
    assert far.sockets.describe()["aliases"] == 0


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
async def test_a_connection_that_breaks_fails_what_waits_on_it(make: Make, scheme: str) -> None:
    near, far = make(), make()
    far.answers = False
    target = await far.at(scheme)
    near.send(target)
    await far.until(far.requests)
    await far.sockets.close()
    await near.until(near.outcomes)
    assert near.outcomes() == {1: Cause.UNREACHABLE}
    assert near.sockets.describe()["connections"] == []


async def hears_of_nobody(far: End, target: Target, via: str) -> RequestArrived:
    """Have `far` let in a request whose sender is gone before it can be answered."""
    far.answers = False
    kind = socket.SOCK_STREAM if target.transport.reliable else socket.SOCK_DGRAM
    with closing(socket.socket(socket.AF_INET, kind)) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.connect((target.address, target.port))
        port = sender.getsockname()[1]
        sender.send(message(via.format(port=port)))
        await far.until(far.requests)
    await far.until(lambda: not far.sockets._flows)
    (arrived,) = (each for each in far.seen if isinstance(each, RequestArrived))
    arrived.transaction.believed = True
    return arrived


def message(via: str) -> bytes:
    return (
        f"MESSAGE sip:gw.example SIP/2.0\r\nVia: {via};branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
        "From: <sip:a@a.example>;tag=1\r\nTo: <sip:gw.example>\r\nCall-ID: 1\r\n"
        "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@pytest.mark.spec("NET-26")
@pytest.mark.parametrize("scheme", ["udp", "tcp"])
async def test_an_answer_that_its_sender_does_not_take_goes_where_sent_by_leads(
    make: Make, stack: ExitStack, scheme: str
) -> None:
    """The port of sent-by refuses at the source address; what the DNS says is tried in turn."""
    far, spare = make(), make()
    refusing = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)))
    refusing.bind(("127.0.0.1", 0))
    port = "{port}" if scheme == "udp" else refusing.getsockname()[1]
    via = f"SIP/2.0/{scheme.upper()} sip.example:{port}"
    arrived = await hears_of_nobody(far, await far.at(scheme), via)
    gone = Target(Transport(scheme.upper()), "127.0.0.1", 1, "sip.example")
    found = [gone, await spare.at(scheme)]
    asked: list[tuple[str, str]] = []

    def react(event: Event) -> None:
        if isinstance(event, ResponseStranded):
            asked.append((event.transport.value, event.host))
            far.sockets.endpoint.redirect(event.handle, found)
            far.sockets.wake()

    far.react = react
    far.sockets.endpoint.respond(arrived.transaction, response_to(arrived.request, 200), far.now())
    far.sockets.wake()
    await spare.until(lambda: spare.sockets.endpoint.describe().get("responses in"))
    assert asked == [(scheme.upper(), "sip.example")]


async def test_an_answer_whose_connection_goes_in_the_same_turn_is_dialled_for(make: Make) -> None:
    near, far = make(), make()
    back = await near.at("tcp")
    far.answers = False
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as sender:
        sender.connect(("127.0.0.1", (await far.at("tcp")).port))
        sender.send(message(f"SIP/2.0/TCP sip.example:{back.port}"))
        await far.until(far.requests)
        (arrived,) = (each for each in far.seen if isinstance(each, RequestArrived))
        arrived.transaction.believed = True
        endpoint = far.sockets.endpoint
        endpoint.respond(arrived.transaction, response_to(arrived.request, 200), far.now())
        next(iter(far.sockets._flows.values())).abort("cut")
        await near.until(lambda: near.sockets.endpoint.describe().get("responses in"))


async def test_what_waits_for_a_connection_is_bounded(make: Make) -> None:
    near, far = make(limits=Limits(waiting=1000)), make()
    target = await far.at("tcp")
    near.send(target, handle=1, body=b"x" * 500)
    near.send(target, handle=2, body=b"x" * 500)
    await near.until(lambda: len(near.outcomes()) == 2)
    assert Cause.UNREACHABLE in near.outcomes().values()


async def test_one_connection_makes_room_for_another(make: Make) -> None:
    near, far = make(limits=Limits(opened=1)), make()
    first, second = await far.at("tcp"), await far.at("tcp")
    near.send(first)
    await near.until(near.outcomes)
    near.send(second, handle=2)
    await near.until(lambda: len(near.outcomes()) == 2)
    assert near.outcomes() == {1: 200, 2: 200}
    assert len(near.sockets._opened) == 1


async def test_no_room_while_all_are_being_made(make: Make, stack: object) -> None:
    near = make(limits=Limits(opened=1, patience=0.1))
    mute = silent_port(stack, "127.0.0.1")  # type: ignore[arg-type]
    near.send(Target(Transport.TCP, mute.address, mute.port), handle=1)
    near.send(Target(Transport.TCP, mute.address, mute.port + 1), handle=2)
    await near.until(lambda: len(near.outcomes()) == 2)
    assert near.outcomes() == {1: Cause.UNREACHABLE, 2: Cause.UNREACHABLE}
    assert list(near.outcomes()) == [2, 1]


async def test_idle_and_silent_connections_are_closed(make: Make) -> None:
    near, far = make(), make(limits=Limits(idle=1000, silent=-1))
    target = await far.at("tcp")
    loop = asyncio.get_running_loop()  # uvloop's clock counts whole milliseconds: hence -1
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as mute:
        mute.setblocking(False)
        await loop.sock_connect(mute, (target.address, target.port))
        near.send(target)
        await near.until(near.outcomes)
        far.sockets._sweep()
        assert await asyncio.wait_for(loop.sock_recv(mute, 10), 5) == b""
    assert len(far.sockets._flows) == 1
    far.sockets._limits = Limits(idle=-1)
    far.sockets._sweep()
    await near.until(lambda: not near.sockets._flows)


async def test_too_many_connections_from_one_address(make: Make) -> None:
    near, far = make(), make(gate=Gate(most_per_address=1))
    first, second = await far.at("tcp"), await far.at("tcp")
    near.send(first, handle=1)
    await near.until(near.outcomes)
    near.send(second, handle=2)
    await near.until(lambda: len(near.outcomes()) == 2)
    assert near.outcomes() == {1: 200, 2: Cause.UNREACHABLE}


@pytest.mark.spec("NET-27")
async def test_pings_and_violations_on_a_real_stream(make: Make) -> None:
    far = make()
    target = await far.at("tcp")
    loop = asyncio.get_running_loop()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as peer:
        peer.setblocking(False)
        await loop.sock_connect(peer, (target.address, target.port))
        await loop.sock_sendall(peer, b"\r\n\r\n")
        assert await asyncio.wait_for(loop.sock_recv(peer, 100), 5) == b"\r\n"
        await loop.sock_sendall(peer, b"nonsense\r\n\r\n")
        assert await asyncio.wait_for(loop.sock_recv(peer, 100), 5) == b""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.spec("NET-27", "NET-34")
async def test_a_peer_that_answers_no_keep_alive_is_given_up_for_the_next(
    make: Make, host: str
) -> None:
    near, far = make(), make()
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as server:
        server.bind((host, 0))
        server.listen()
        server.setblocking(False)
        place = server.getsockname()[:2]
        near.send(Target(Transport.TCP, *place), await far.at("tcp", host))
        peer, _ = await asyncio.wait_for(loop.sock_accept(server), 5)
        with closing(peer):
            request = await asyncio.wait_for(loop.sock_recv(peer, 65535), 5)
            assert request.startswith(b"MESSAGE ")
            (driver,) = near.sockets._flows.values()
            near.ahead = 120.0
            driver._on_alarm()
            assert await asyncio.wait_for(loop.sock_recv(peer, 100), 5) == b"\r\n\r\n"
            assert far.requests() == []
            near.ahead = 130.1
            driver._on_alarm()
            await far.until(far.requests)
            assert await asyncio.wait_for(loop.sock_recv(peer, 100), 5) == b""
    assert driver.lost


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.spec("NET-34")
async def test_stun_is_answered_on_the_sip_port(make: Make, host: str) -> None:
    far = make()
    target = await far.at("udp", host)
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as peer:
        peer.bind((host, 0))
        peer.setblocking(False)
        asked = bytes(stun.Stun(stun.REQUEST, stun.BINDING, b"transaction!"))
        for data in (b"", b"\0\1", asked):
            peer.sendto(data, (target.address, target.port))
        said = stun.Stun.parse(await asyncio.wait_for(loop.sock_recv(peer, 1500), 5))
        place = peer.getsockname()[:2]
        assert bytes(said) == stun.answer(asked, place)
    assert far.sockets.describe()["stun"] == 1
    assert far.sockets.endpoint.describe() == {}


async def test_a_peer_that_does_not_read_is_dropped(make: Make) -> None:
    near = make(limits=Limits(bounds=Bounds(hard=1 << 16)))
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        target = Target(Transport.TCP, *server.getsockname())
        for handle in range(200):
            near.send(target, handle=handle, body=b"x" * 50000)
            near.sockets._turn()
            await asyncio.wait([asyncio.ensure_future(near._news.wait())], timeout=0.001)
            if near.outcomes():
                break
        await near.until(near.outcomes)
    assert Cause.UNREACHABLE in near.outcomes().values()


async def test_retransmission_by_the_one_alarm(make: Make) -> None:
    near = make()
    await near.at("udp")
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.setblocking(False)
        near.send(Target(Transport.UDP, *deaf.getsockname()))
        loop = asyncio.get_running_loop()
        first = await asyncio.wait_for(loop.sock_recv(deaf, 65535), 5)
        again = await asyncio.wait_for(loop.sock_recv(deaf, 65535), 5)
    assert first == again


async def test_what_the_owner_does_may_have_events_of_its_own(make: Make) -> None:
    near = make()
    near.react = lambda _: near.send(handle=2) if 2 not in near.outcomes() else None
    near.send(handle=1)
    await near.until(lambda: len(near.outcomes()) == 2)
    assert near.outcomes() == {1: Cause.UNREACHABLE, 2: Cause.UNREACHABLE}


async def test_the_tap_sees_both_directions(make: Make) -> None:
    seen: list[Seen] = []
    tap = Tap(lambda: 0.0)
    tap.readers.append(seen.append)
    near, far = make(tap=tap), make()
    await near.at("udp")
    target = await far.at("udp")
    near.send(target)
    await near.until(near.outcomes)
    out, back = seen
    assert (out.direction, back.direction) == (Direction.OUT, Direction.IN)
    assert out.exchange == back.exchange
    assert out.peer == f"127.0.0.1:{target.port}"
    assert out.text.startswith("MESSAGE sip:romeo@sip.example SIP/2.0\r\n")


async def test_listening_stops_and_udp_goes_on(make: Make) -> None:
    near, far = make(), make()
    await near.at("udp")
    gone, there = await far.at("tcp"), await far.at("udp")
    far.sockets.stop_listening()
    near.send(gone, there)
    await near.until(near.outcomes)
    assert near.outcomes() == {1: 200}
    assert far.flows[0].transport is Transport.UDP


async def test_closing_ends_a_dial(make: Make, stack: object) -> None:
    near = make()
    mute = silent_port(stack, "127.0.0.1")  # type: ignore[arg-type]
    near.send(Target(Transport.TCP, mute.address, mute.port))
    near.sockets._turn()
    assert near.sockets.describe()["dialling"] == 1
    await asyncio.wait_for(near.sockets.close(), 5)


def _first_flow(end: End) -> Flow:
    driver = next(iter(end.sockets._flows.values()))
    flow = _core(driver).flow
    assert flow is not None
    return flow


async def test_no_one_is_dialled_by_websocket(make: Make) -> None:
    near, far = make(), make()
    near.send(await far.at("ws"))
    await near.until(near.outcomes)
    assert near.outcomes() == {1: Cause.UNREACHABLE}
    assert far.sockets._numbers == 0


async def test_a_connection_that_we_use_is_not_idle(make: Make) -> None:
    near, far = make(limits=Limits(idle=1000)), make()
    target = await far.at("tcp")
    near.send(target)
    await near.until(near.outcomes)
    far.answers = False
    near.ahead = 900.0
    near.send(target, handle=2)
    await far.until(lambda: len(far.requests()) == 2)
    near.ahead = 1800.0
    near.sockets._sweep()
    (driver,) = near.sockets._flows.values()
    assert not driver._closing
    near.ahead = 2000.0
    near.sockets._sweep()
    assert driver._closing


async def test_a_flow_that_is_gone_is_counted(make: Make) -> None:
    near = make()
    near.sockets._send(Outgoing(b"x", Flow(Transport.TCP, ("", 0), ("192.0.2.1", 1), 7)))
    near.sockets._turn()
    assert near.sockets.endpoint.describe()["undeliverable"] == 1


def scan(number: int, transport: str) -> bytes:
    return (
        f"OPTIONS sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1;rport;"
        f"branch=z9hG4bK{number}\r\nFrom: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@1.1.1.1>\r\n"
        f"Call-ID: {number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
        "User-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def test_a_scanner_is_answered_by_the_guard_and_then_no_more(make: Make) -> None:
    far = make(rules=Rules())
    target = await far.at("udp")
    loop = asyncio.get_running_loop()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as scanner:
        scanner.setblocking(False)
        scanner.bind(("127.0.0.1", 0))
        for number in range(FEW + 5):
            scanner.sendto(scan(number, "UDP"), (target.address, target.port))
        answers = [await asyncio.wait_for(loop.sock_recv(scanner, 999), 5) for _ in range(FEW)]
        assert {each[:12] for each in answers} == {b"SIP/2.0 403 "}
        guard = far.guard
        assert guard is not None
        await far.until(lambda: guard.describe().get("scanner agent") == FEW + 5)
        with pytest.raises(BlockingIOError):
            scanner.recv(999)
    assert far.seen == []


async def test_a_scanner_on_a_connection_is_hung_up_on(make: Make) -> None:
    far = make(rules=Rules())
    target = await far.at("tcp")
    loop = asyncio.get_running_loop()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as scanner:
        scanner.setblocking(False)
        await loop.sock_connect(scanner, (target.address, target.port))
        for number in range(FEW + 3):
            await loop.sock_sendall(scanner, scan(number, "TCP"))
        heard = b""
        while data := await asyncio.wait_for(loop.sock_recv(scanner, 9999), 5):
            heard += data
    assert heard.count(b"SIP/2.0 200 ") == FEW


@pytest.mark.spec("NET-38")
async def test_a_connection_that_brings_too_much_is_not_read_for_a_while(make: Make) -> None:
    near, far = make(), make(rules=Rules(rate=1, total=0))
    target = await far.at("tcp")
    for handle in range(2):
        near.send(target, handle=handle)
    await near.until(lambda: len(near.outcomes()) == 2)
    [driver] = far.sockets._flows.values()
    paused: list[bool] = []
    driver.pause = lambda: paused.append(True)  # type: ignore[method-assign]
    near.send(target, handle=2)
    await near.until(lambda: len(near.outcomes()) == 3)
    assert paused == [True]


@pytest.mark.spec("NET-38")
async def test_bytes_that_trickle_keep_no_connection_open(make: Make) -> None:
    far = make(limits=Limits(silent=-1))
    target = await far.at("tcp")
    loop = asyncio.get_running_loop()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as slow:
        slow.setblocking(False)
        await loop.sock_connect(slow, (target.address, target.port))
        await loop.sock_sendall(slow, b"\r\n\r\nO")
        assert await asyncio.wait_for(loop.sock_recv(slow, 10), 5) == b"\r\n"
        [driver] = far.sockets._flows.values()
        driver.used = loop.time() + 100
        far.sockets._sweep()
        assert await asyncio.wait_for(loop.sock_recv(slow, 10), 5) == b""


async def test_many_idle_connections_are_closed_a_few_at_a_time(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSINGS", 2)
    monkeypatch.setattr(module, "SOON", 0.0)
    far = make(limits=Limits(silent=-1))
    target = await far.at("tcp")
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for _ in range(5):
            mute = stack.enter_context(closing(socket.socket()))
            mute.setblocking(False)
            await loop.sock_connect(mute, (target.address, target.port))
            await loop.sock_sendall(mute, b"\r\n\r\n")
            assert await asyncio.wait_for(loop.sock_recv(mute, 10), 5) == b"\r\n"
        far.sockets._sweep()
        assert sum(each.closing for each in far.sockets._flows.values()) == 2
        assert await asyncio.wait_for(loop.sock_recv(mute, 10), 5) == b""


async def test_what_is_whole_before_a_violation_is_heard(make: Make) -> None:
    far = make(rules=Rules())
    target = await far.at("tcp")
    loop = asyncio.get_running_loop()
    good = scan(1, "TCP").replace(b"friendly-scanner", b"phone").replace(b"100@127.0.0.1", b"gw.a")
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as peer:
        peer.setblocking(False)
        await loop.sock_connect(peer, (target.address, target.port))
        await loop.sock_sendall(peer, good + b"nonsense\r\n\r\n")
        heard = b""
        while data := await asyncio.wait_for(loop.sock_recv(peer, 9999), 5):
            heard += data
    assert heard.startswith(b"SIP/2.0 200 ")


async def test_the_tap_sees_what_the_guard_disposes_of(make: Make) -> None:
    seen: list[Seen] = []
    tap = Tap(lambda: 0.0)
    tap.readers.append(seen.append)
    far = make(rules=Rules(), tap=tap)
    target = await far.at("udp")
    loop = asyncio.get_running_loop()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as scanner:
        scanner.setblocking(False)
        scanner.bind(("127.0.0.1", 0))
        scanner.sendto(scan(1, "UDP"), (target.address, target.port))
        await asyncio.wait_for(loop.sock_recv(scanner, 999), 5)
    assert [each.direction for each in seen] == [Direction.IN, Direction.OUT]
    assert seen[0].exchange == seen[1].exchange


@pytest.mark.spec("NET-38")
async def test_what_waits_too_long_for_us_turns_new_requests_away(make: Make) -> None:
    far = make(rules=Rules())
    target = await far.at("udp")
    loop = asyncio.get_running_loop()
    guard = far.guard
    assert guard is not None
    guard.believed("127.0.0.1", far.now())
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.setblocking(False)
        peer.bind(("127.0.0.1", 0))
        request = scan(1, "UDP").replace(b"friendly-scanner", b"phone")
        guard.overload.waited(9.0, far.now())
        guard.overload.waited(9.0, far.now() + Marks().lasting + 0.01)
        peer.sendto(request, (target.address, target.port))
        assert (await asyncio.wait_for(loop.sock_recv(peer, 999), 5))[:12] == b"SIP/2.0 503 "
        guard.overload.waited(0.0, far.now() + Marks().lasting + 0.02)
        peer.sendto(request, (target.address, target.port))
        assert (await asyncio.wait_for(loop.sock_recv(peer, 999), 5))[:12] == b"SIP/2.0 200 "
