"""A hub between two ends, on a loop whose time passes at once: no sockets, no waiting."""

import asyncio
import logging
import selectors
from collections.abc import Callable, Coroutine, Generator, Sequence
from itertools import count
from typing import TypeVar

from dragoman.bridge import faults
from dragoman.bridge.directory import Place, Side
from dragoman.bridge.federation import Line, Link, OurStream
from dragoman.bridge.hub import Hub
from dragoman.bridge.message import Rules
from dragoman.bridge.ports import AnyStream, Icons, Proofs
from dragoman.bridge.settings import Attached, Settings
from dragoman.errors import RemoteError
from dragoman.net.dns import find, find_now
from dragoman.records import Answer, DnsFailure, Kind, Question, Srv
from dragoman.sip.credentials import Account
from dragoman.sip.endpoint import Endpoint, Flow
from dragoman.sip.locate import Target as SipTarget
from dragoman.sip.locate import Transport
from dragoman.sip.message import Request, Response, parse
from dragoman.sip.route import RouteSet
from dragoman.store.subscriptions import Memory as Consent
from dragoman.store.subscriptions import Subscriptions
from dragoman.trace import Seen, Tap
from dragoman.xmpp.component import ComponentStream
from dragoman.xmpp.element import Element
from dragoman.xmpp.locate import Target
from dragoman.xmpp.parser import StreamParser
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stanza import BODY, IQ, MESSAGE, PRESENCE, reply
from dragoman.xmpp.stream import Policy
from tests.bridge.test_federation import FEATURES, US, WELCOME

T = TypeVar("T")
Search = Generator[Question, Answer, T]

EDGE = "192.0.2.40"
GATEWAY, SERVER, PROXY, STRANGER = "192.0.2.10", "192.0.2.20", "192.0.2.30", "203.0.113.66"
ALICE, CAROL = "alice@xmpp.example", "carol@sip.example"
POLICY = Policy(require_encryption=False)
SLOWEST = 3600.0


class Selector(selectors.SelectSelector):
    """Sees that time passes when nothing is ready."""

    loop: "Loop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            assert timeout is not None, "everybody waits, and nothing will happen"
            self.loop.passed += timeout
        return found


class Loop(asyncio.SelectorEventLoop):
    """The standard loop, which jumps to the next alarm instead of waiting for it."""

    def __init__(self) -> None:
        self.passed = 1.0
        selector = Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.passed


class Bugs(logging.Handler):
    """Keeps what was contained: a failed assertion of a test's own ports among it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[BaseException | None] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.exc_info[1] if record.exc_info else None)


def run(scenario: Coroutine[None, None, T], *, bugs: int = 0) -> T:
    """Run a scenario in which so many events are lost by bugs."""
    handler, log = Bugs(), logging.getLogger(faults.__name__)
    log.addHandler(handler)
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            result = runner.run(scenario)
    finally:
        log.removeHandler(handler)
    if len(handler.found) != bugs:
        raise AssertionError(f"{len(handler.found)} bugs") from next(iter(handler.found), None)
    return result


def leads(service: str, domain: str, host: str, port: int) -> tuple[Question, Answer]:
    return Question(Kind.SRV, f"{service}.{domain}"), (Srv(0, 0, port, host),)


SIP, XMPP = "_sip._udp", "_xmpp-server._tcp"
RECORDS: dict[Question, Answer] = dict(
    [
        leads(SIP, "sip.example", "proxy.sip.example", 5060),
        leads(XMPP, "sip.example", "gateway.example", 5269),
        leads(SIP, "xmpp.example", "gateway.example", 5060),
        leads(XMPP, "xmpp.example", "chat.xmpp.example", 5269),
        leads(SIP, "mirror.example", "gateway.example", 5060),
        leads(XMPP, "mirror.example", "gateway.example", 5269),
        leads(SIP, "other.example", "proxy.sip.example", 5060),
        leads(XMPP, "other.example", "gateway.example", 5269),
        (Question(Kind.ADDRESS, "proxy.sip.example"), (PROXY,)),
        (Question(Kind.ADDRESS, "edge.example"), (EDGE,)),
        (Question(Kind.ADDRESS, "chat.xmpp.example"), (SERVER,)),
        (Question(Kind.ADDRESS, "gateway.example"), (GATEWAY,)),
        (Question(Kind.ADDRESS, "server.example"), (SERVER,)),
    ]
)


class Names:
    """The DNS: `delays` by the name asked for, `failing` names, and `broken` ones, which crash."""

    def __init__(self) -> None:
        self.delays: dict[str, float] = {}
        self.failing: set[str] = set()
        self.broken: set[str] = set()
        self.known: set[Question] = set()

    def now(self, search: "Search[T]") -> T | None:
        return find_now(search, self)

    async def find(self, search: "Search[T]") -> T:
        return await find(search, self)

    async def ask(self, question: Question) -> Answer:
        await asyncio.sleep(self.delays.get(question.name, 0.01))
        if question.name in self.broken:
            raise RuntimeError(question.name)
        if question.name in self.failing:
            raise DnsFailure(f"{question.name} is not answered for")
        self.known.add(question)
        return RECORDS.get(question, ())

    def remembered(self, question: Question) -> Answer | DnsFailure | None:
        return RECORDS.get(question, ()) if question in self.known else None


class SipEnd:
    """The SIP sockets: a real endpoint, and what it would have sent."""

    def __init__(self, hub: Hub, accounts: Sequence[Account], allow: Sequence[str]) -> None:
        self._hub = hub
        self.sent: list[Request | Response] = []
        self.targets: list[str] = []
        self.vouched: set[str] = set()
        numbers = count(1)
        self.endpoint = Endpoint(
            sent_by=lambda _: f"{GATEWAY}:5060",
            allow=allow,
            token=lambda: f"s{next(numbers)}",
            screen=hub.screen,
            accounts=accounts,
        )

    def wake(self) -> None:
        asyncio.get_running_loop().call_soon(self.turn)

    def turn(self) -> None:
        self._hub.on_sip(self.endpoint)
        for each in self.endpoint.to_send():
            self.sent.append(parse(each.data))
            if isinstance(each.to, SipTarget):
                self.targets.append(f"{each.to.transport} {each.to.address}:{each.to.port}")

    def vouches(self, flow: Flow, domain: str) -> bool:
        return flow.connection == 7 and domain in self.vouched

    def arrives(
        self, data: bytes, address: str = PROXY, transport: Transport = Transport.UDP
    ) -> None:
        connection = 7 if transport.reliable else 0
        flow = Flow(transport, (GATEWAY, 5060), (address, 5060), connection)
        self.endpoint.receive_datagram(data, flow, asyncio.get_running_loop().time())
        self.turn()

    @property
    def responses(self) -> list[Response]:
        return [each for each in self.sent if isinstance(each, Response)]

    @property
    def answers(self) -> list[tuple[str, int]]:
        return [(each.call_id, each.status) for each in self.responses]

    @property
    def requests(self) -> list[Request]:
        return [each for each in self.sent if isinstance(each, Request)]


class Far:
    """A connection to a far server, which takes every stream, and answers pings while it lives."""

    peer = f"{SERVER}:5269"
    tls = ""

    def __init__(self, hub: Hub, stream: OurStream, local: str, remote: str) -> None:
        self._hub = hub
        self.local, self.remote = local, remote
        self._parser = StreamParser()
        self._waking = False
        self.stream = stream
        self.closed = ""
        self.mute = False
        self.stanzas: list[Element] = []
        self.presences: list[Element] = []

    def wake(self) -> None:
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self.turn)

    def start_tls(self, domain: str) -> None:
        raise AssertionError(domain)

    def close(self, reason: str) -> None:
        self.closed = reason

    def abort(self, reason: str) -> None:
        self.closed = reason
        self.ends()

    def turn(self) -> None:
        """Read what was sent, and answer."""
        self._waking = False
        self._hub.on_stream(self.stream)
        data = b"".join(self.stream.to_send())
        for each in self._parser.feed(data):
            if isinstance(each, Element) and each.name == PRESENCE:
                self.presences.append(each)
            elif isinstance(each, Element) and each.name in {MESSAGE, IQ}:
                self.stanzas.append(each)
                if each.name == IQ and each.get("type") == "get" and not self.mute:
                    self.says(reply(each))
        if b"</stream:stream>" in data:
            self.ends()

    def says(self, stanza: Element) -> None:
        """Have the far domain send a stanza, on a stream of its own."""
        self._hub.on_stanza(stanza, self.local, self.remote, self.peer)
        self._hub.on_stream(self.stream)

    def ends(self) -> None:
        self.stream.closed(asyncio.get_running_loop().time())
        self._hub.on_stream(self.stream)

    @property
    def bodies(self) -> list[str]:
        found = [each.find(BODY) for each in self.stanzas if each.name == MESSAGE]
        return [body.text for body in found if body is not None]


class XmppEnd:
    """What makes connections; `refusing` makes none, `delay` is how long each takes."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.refusing = False
        self.delay = 0.01
        self.dialled: list[Sequence[Target]] = []
        self.made: list[Far] = []
        self.octets = 0
        self.held: set[AnyStream] = set()

    async def connect(
        self, targets: Sequence[Target], make: Callable[[Target], OurStream]
    ) -> tuple[Target, OurStream, Line]:
        self.dialled.append(targets)
        await asyncio.sleep(self.delay)
        if self.refusing:
            raise RemoteError(f"{targets[0].address}: refused")
        now = asyncio.get_running_loop().time()
        stream = make(targets[0])
        stream.connected(now)
        component = isinstance(stream, ComponentStream)
        far = Far(self._hub, stream, stream.local, "" if component else targets[0].domain)
        proven = f"<db:result from='{far.remote}' to='{stream.local}' type='valid'/>".encode()
        stream.receive(WELCOME if component else FEATURES + proven, now)
        self.made.append(far)
        return targets[0], stream, far

    def taken(self, stream: AnyStream) -> int:
        return self.octets

    def pause(self, stream: AnyStream) -> None:
        self.held.add(stream)

    def resume(self, stream: AnyStream) -> None:
        self.held.discard(stream)


def outgoing(link: Link, direct_tls: bool) -> OurStream:
    if link.component:
        return ComponentStream(link.pair[0], b"secret", policy=POLICY)
    return OutgoingStream(*link.pair, policy=POLICY, secret=b"s", direct_tls=direct_tls)


def ours(_: Side, place: Place) -> bool:
    return place[0] == GATEWAY


class Papers:
    """What domains publish about their certificates: takes a while, and remembers who asked."""

    def __init__(self, delay: float = 3.0) -> None:
        self.delay = delay
        self.begun: list[str] = []
        self.learnt: list[str] = []

    def begin(self, domain: str) -> object:
        self.begun.append(domain)
        return None

    async def learn(self, domain: str) -> None:
        await asyncio.sleep(self.delay)
        self.learnt.append(domain)


class Gallery:
    """Where pictures are: some under their URL, and one that makes whoever looks fail."""

    def __init__(self, **pictures: bytes) -> None:
        self.pictures = pictures
        self.asked: list[tuple[str, str]] = []

    async def fetch(self, url: str, domain: str) -> bytes:
        self.asked.append((url, domain))
        await asyncio.sleep(1.0)
        name = url.rpartition("/")[2]
        if name == "broken":
            raise RuntimeError(name)
        if name not in self.pictures:
            raise RemoteError(f"{name} is not there")
        return self.pictures[name]


class World:
    """A hub between its two ends."""

    def __init__(
        self,
        *components: Attached,
        proofs: Proofs | None = None,
        needs_certificate: Callable[[str], bool] = lambda _: False,
        proxy: str = "",
        accounts: Sequence[Account] = (),
        icons: Icons | None = None,
        subscriptions: Subscriptions | None = None,
        allow: Sequence[str] = ("MESSAGE", "OPTIONS"),
    ) -> None:
        numbers = count(1)
        self.names = Names()
        self.seen: list[Seen] = []
        tap = Tap(lambda: 0.0)
        tap.readers.append(self.seen.append)
        settings = Settings(
            rules=Rules(),
            ours=ours,
            trusted=lambda _: False,
            outgoing=outgoing,
            token=lambda: f"t{next(numbers)}",
            wall=lambda: 0.0,
            version="1",
            components=components,
            proxy=RouteSet.outbound(proxy),
            proofs=proofs,
            needs_certificate=needs_certificate,
            icons=icons,
            subscriptions=subscriptions or Consent(),
        )
        self.hub = Hub(settings, self.names, tap)
        self.sip, self.xmpp = SipEnd(self.hub, accounts, allow), XmppEnd(self.hub)
        self.hub.join(self.sip, self.xmpp)

    @property
    def far(self) -> Far:
        return self.xmpp.made[-1]

    def from_xmpp(self, stanza: Element, remote: str = "xmpp.example") -> None:
        """Have a stanza arrive that was proven to come from `remote`."""
        self.hub.on_stanza(stanza, US, remote, "peer")
        self.hub.settle()  # the end of the turn in which it came
