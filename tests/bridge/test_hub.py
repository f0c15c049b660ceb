"""The hub on a loop whose time passes at once: real cores and services, no sockets, no waiting."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Generator, Sequence
from itertools import count
from typing import TypeVar

import pytest

from dragoman.bridge.admission import Verdict
from dragoman.bridge.directory import Place, Side
from dragoman.bridge.federation import Line, Link, OurStream
from dragoman.bridge.fence import PATIENCE as FENCE
from dragoman.bridge.hub import PARKED, PATIENCE, Attached, Hub, Settings
from dragoman.bridge.message import Rules
from dragoman.bridge.naming import Attachment
from dragoman.bridge.outbox import CAPACITY
from dragoman.errors import RemoteError
from dragoman.net.dns import find, find_now
from dragoman.records import Answer, DnsFailure, Kind, Question, Srv
from dragoman.sip.endpoint import Endpoint, Flow
from dragoman.sip.locate import Transport
from dragoman.sip.message import Request, Response, encode, parse, response_to
from dragoman.trace import Seen, Tap
from dragoman.xmpp.component import ComponentStream
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.locate import Target
from dragoman.xmpp.parser import StreamParser
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stanza import BODY, IQ, MESSAGE, error_reply, iq, message, reply
from dragoman.xmpp.stream import Policy
from tests.bridge.test_federation import FEATURES, US, WELCOME

T = TypeVar("T")
Search = Generator[Question, Answer, T]

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


def run(scenario: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(scenario)


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

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.sent: list[Request | Response] = []
        numbers = count(1)
        self.endpoint = Endpoint(
            sent_by=lambda _: f"{GATEWAY}:5060",
            allow=("MESSAGE", "OPTIONS"),
            token=lambda: f"s{next(numbers)}",
            screen=hub.screen,
        )

    def wake(self) -> None:
        asyncio.get_running_loop().call_soon(self.turn)

    def turn(self) -> None:
        self._hub.on_sip(self.endpoint)
        self.sent += [parse(each.data) for each in self.endpoint.to_send()]

    def arrives(self, data: bytes, address: str = PROXY) -> None:
        flow = Flow(Transport.UDP, (GATEWAY, 5060), (address, 5060))
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

    def __init__(self, hub: Hub, stream: OurStream, local: str, remote: str) -> None:
        self._hub = hub
        self.local, self.remote = local, remote
        self._parser = StreamParser()
        self._waking = False
        self.stream = stream
        self.closed = ""
        self.mute = False
        self.stanzas: list[Element] = []

    def wake(self) -> None:
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self.turn)

    def start_tls(self, domain: str) -> None:
        raise AssertionError(domain)

    def close(self, reason: str) -> None:
        self.closed = reason

    def turn(self) -> None:
        """Read what was sent, and answer."""
        self._waking = False
        self._hub.on_stream(self.stream)
        data = b"".join(self.stream.to_send())
        for each in self._parser.feed(data):
            if isinstance(each, Element) and each.name in {MESSAGE, IQ}:
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


def outgoing(link: Link, direct_tls: bool) -> OurStream:
    if link.component:
        return ComponentStream(link.pair[0], b"secret", policy=POLICY)
    return OutgoingStream(*link.pair, policy=POLICY, secret=b"s", direct_tls=direct_tls)


def ours(_: Side, place: Place) -> bool:
    return place[0] == GATEWAY


class World:
    """A hub between its two ends."""

    def __init__(self, *components: Attached) -> None:
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
        )
        self.hub = Hub(settings, self.names, tap)
        self.sip, self.xmpp = SipEnd(self.hub), XmppEnd(self.hub)
        self.hub.join(self.sip, self.xmpp)

    @property
    def far(self) -> Far:
        return self.xmpp.made[-1]

    def from_xmpp(self, stanza: Element, remote: str = "xmpp.example") -> None:
        """Have a stanza arrive that was proven to come from `remote`."""
        self.hub.on_stanza(stanza, US, remote, "peer")
        self.hub._settle()  # the end of the turn in which it came


async def pass_time(seconds: float = 1.0) -> None:
    await asyncio.sleep(seconds)


def datagram(
    name: str,
    *headers: str,
    target: str = f"sip:{ALICE}",
    sender: str = f"sip:{CAROL}",
    method: str = "MESSAGE",
) -> bytes:
    lines = [
        f"{method} {target} SIP/2.0",
        f"Via: SIP/2.0/UDP {PROXY};branch=z9hG4bK{name}",
        "Max-Forwards: 70",
        f"From: <{sender}>;tag=1",
        f"To: <{target}>",
        f"Call-ID: {name}",
        f"CSeq: 1 {method}",
        *headers,
        "Content-Type: text/plain",
        f"Content-Length: {len(name)}",
    ]
    return "\r\n".join([*lines, "", name]).encode()


def written(name: str = "m1", to: str = CAROL, **attributes: str) -> Element:
    made = message(to, f"{ALICE}/x", id=name, type="chat", children=[Element(BODY, None, (name,))])
    made.attributes.update(attributes)
    return made


def errors(far: Far) -> list[tuple[str | None, Condition]]:
    found = [each for each in far.stanzas if each.get("type") == "error"]
    return [(each.get("id"), StanzaError.parse(each).condition) for each in found]


# -- SIP to XMPP ------------------------------------------------------------------------------


def test_messages_wait_for_the_dns_and_then_cross_in_order() -> None:
    async def scenario() -> None:
        world = World()
        for name in ("a", "b", "c"):
            world.sip.arrives(datagram(name))
        assert world.hub.describe()["parked"] == 3
        assert world.sip.sent == []
        await pass_time()
        assert world.far.bodies == ["a", "b", "c"]
        assert world.sip.answers == [("a", 202), ("b", 202), ("c", 202)]
        world.sip.arrives(datagram("d"))
        await pass_time()
        assert world.sip.answers[3:] == [("d", 202)]
        assert (len(world.xmpp.dialled), world.hub.describe()["tasks"]) == (1, 0)

    run(scenario())


def test_a_name_server_that_fails_is_504() -> None:
    async def scenario() -> None:
        world = World()
        world.names.failing = {f"{each}.sip.example" for each in (SIP, "_sip._tcp", "_sips._tcp")}
        world.sip.arrives(datagram("a"))
        await pass_time()
        assert world.sip.answers == [("a", 504)]
        world.sip.arrives(datagram("b"))
        assert world.sip.answers[1:] == [("b", 504)], "known at once"

    run(scenario())


def test_a_request_waits_for_the_dns_so_long_and_no_longer_whatever_else_is_learned() -> None:
    async def scenario() -> None:
        world = World()
        world.names.delays = {f"{SIP}.sip.example": 6.0, f"{SIP}.xmpp.example": 9.0}
        world.sip.arrives(datagram("a"))
        await pass_time(PATIENCE - 0.1)
        assert world.sip.sent == []
        await pass_time(0.2)
        assert world.sip.answers == [("a", 504)]
        await pass_time(10.0)
        assert (world.sip.answers, world.xmpp.made) == ([("a", 504)], [])
        world.sip.arrives(datagram("b"))
        await pass_time()
        assert world.sip.answers[1:] == [("b", 202)], "what was learned is known to the next"

    run(scenario())


def test_a_dns_that_never_answers_is_not_waited_for() -> None:
    async def scenario() -> None:
        world = World()
        world.names.delays = {f"{SIP}.sip.example": SLOWEST}
        world.sip.arrives(datagram("a"))
        await pass_time(PATIENCE + 1.0)
        assert world.sip.answers == [("a", 504)]
        assert world.hub.describe()["tasks"] == 0

    run(scenario())


def test_one_more_than_may_wait_for_the_dns_is_503_with_a_time_to_come_back() -> None:
    async def scenario() -> None:
        world = World()
        for number in range(PARKED + 1):
            world.sip.arrives(datagram(f"c{number}"))
        [refused] = world.sip.responses
        assert (refused.call_id, refused.status) == (f"c{PARKED}", 503)
        assert refused.get("Retry-After") == "5"
        assert world.hub.describe()["parked"] == PARKED

    run(scenario())


def test_who_waits_for_another_domain_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        world = World()
        world.names.delays = {f"{SIP}.slow.example": 5.0}
        for number in range(10):
            world.sip.arrives(datagram(f"slow{number}", sender="sip:x@slow.example"))
        judged: list[str] = []
        judge = world.hub.admission.judge

        def noted(request: Request, address: str, now: float) -> Verdict:
            judged.append(request.call_id)
            return judge(request, address, now)

        monkeypatch.setattr(world.hub.admission, "judge", noted)
        world.sip.arrives(datagram("a"))
        await pass_time()
        assert world.sip.answers == [("a", 202)]
        assert set(judged) == {"a"}
        await pass_time(5.0)
        assert [status for _, status in world.sip.answers[1:]] == [403] * 10

    run(scenario())


@pytest.mark.parametrize(
    ("arrived", "address", "status"),
    [
        (datagram("a"), STRANGER, 403),
        (datagram("a", target="sip:x@nowhere.example"), PROXY, 403),
        (datagram("a", target="sip:x@mirror.example"), PROXY, 482),
        (datagram("a", target="sip:xmpp.example"), PROXY, 404),
        (datagram("a", target="tel:+123"), PROXY, 403),
        (datagram("a", target="sips:alice@xmpp.example"), PROXY, 480),
        (datagram("a", "P-Asserted-Identity: <sip:"), PROXY, 400),
        (datagram("a", 'P-Asserted-Identity: "<sip:carol@sip.example>'), PROXY, 400),
        (datagram("a", "P-Asserted-Identity: <sip:%ff@sip.example>"), PROXY, 400),
        (datagram("a", "P-Asserted-Identity: <tel:+123>, ,"), PROXY, 202),
        (datagram("a", sender="sip:%00@sip.example"), PROXY, 400),
        (datagram("a", sender="sip:carol@[::1"), PROXY, 400),
        (datagram("a", sender=f"sip:{'a' * 300}@{'b' * 300}.example"), PROXY, 400),
        (datagram("a", "Content-Type: message/cpim"), PROXY, 400),
        (datagram("a", "Date: never", "Expires: x"), PROXY, 202),
        (datagram("a", method="OPTIONS", target="sip:xmpp.example"), PROXY, 200),
        (datagram("a", method="INVITE"), PROXY, 405),
    ],
)
def test_every_request_is_answered_once(arrived: bytes, address: str, status: int) -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(arrived, address)
        await pass_time(20.0)
        assert world.sip.answers == [("a", status)]

    run(scenario())


def test_a_flood_that_is_refused_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("first"))
        await pass_time()
        caplog.clear()
        for number in range(20):
            world.sip.arrives(datagram(f"c{number}"), STRANGER)
        assert [status for _, status in world.sip.answers[1:]] == [403] * 20

    run(scenario())
    assert [record.message for record in caplog.records] == ["requests refused"]


def test_a_server_that_cannot_be_reached_is_told() -> None:
    async def scenario() -> None:
        world = World()
        world.xmpp.refusing = True
        world.sip.arrives(datagram("a"))
        await pass_time()
        assert world.sip.answers == [("a", 504)]

    run(scenario())


def test_a_server_that_says_nothing_is_504_before_timer_f() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("a"))
        await pass_time()
        world.far.mute = True
        world.sip.arrives(datagram("b"))
        await pass_time(FENCE - 0.1)
        assert world.sip.answers == [("a", 202)]
        await pass_time(0.2)
        assert world.sip.answers[1:] == [("b", 504)]

    run(scenario())


def test_a_stream_that_ends_fails_exactly_what_was_not_confirmed() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("a"))
        await pass_time()
        world.far.mute = True
        world.sip.arrives(datagram("b"))
        await pass_time()
        world.far.ends()
        assert world.sip.answers == [("a", 202)]
        await pass_time()
        assert world.sip.answers == [("a", 202), ("b", 504)]
        world.sip.arrives(datagram("c"))
        await pass_time()
        assert world.sip.answers[2:] == [("c", 202)]
        assert len(world.xmpp.made) == 2

    run(scenario())


def test_a_bounce_is_the_answer() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("a"))
        await pass_time()
        world.far.mute = True
        world.sip.arrives(datagram("b"))
        await pass_time()
        bounce = error_reply(world.far.stanzas[-2], StanzaError(Condition.ITEM_NOT_FOUND))
        assert bounce is not None
        world.far.says(bounce)
        await pass_time()
        assert world.sip.answers == [("a", 202), ("b", 404)]

    run(scenario())


def test_more_than_may_wait_for_a_stream_come_back_and_the_others_cross() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("first"))
        await pass_time()
        world.far.ends()
        await pass_time()
        world.xmpp.delay = 5.0
        for number in range(CAPACITY):  # and the ping, which takes a place of its own
            world.sip.arrives(datagram(f"c{number}"))
        await pass_time()
        assert world.sip.answers[1:] == [(f"c{CAPACITY - 1}", 500)]
        await pass_time(10.0)
        assert len(world.far.bodies) == CAPACITY - 1
        assert [status for _, status in world.sip.answers[2:]] == [202] * (CAPACITY - 1)

    run(scenario())


# -- XMPP to SIP ------------------------------------------------------------------------------


def test_a_stanza_waits_for_the_dns_and_crosses() -> None:
    async def scenario() -> None:
        world = World()
        world.from_xmpp(written())
        assert world.sip.requests == []
        await pass_time()
        [request] = world.sip.requests
        assert (request.target, request.body) == (f"sip:{CAROL}", b"m1")
        world.sip.arrives(encode(response_to(request, 200)))
        assert world.hub.messages.idle
        world.from_xmpp(written("m2"))
        await pass_time(0.0)
        assert [each.body for each in world.sip.requests] == [b"m1", b"m2"], "known by now"

    run(scenario())


@pytest.mark.parametrize(
    ("to", "condition"),
    [
        ("x@xmpp.example", Condition.ITEM_NOT_FOUND),  # its SIP records lead to us
        ("x@nowhere.example", Condition.REMOTE_SERVER_NOT_FOUND),
        ("x@failing.example", Condition.REMOTE_SERVER_TIMEOUT),
        ("sip.example", Condition.SERVICE_UNAVAILABLE),
    ],
)
def test_what_cannot_cross_comes_back(to: str, condition: Condition) -> None:
    async def scenario() -> None:
        world = World()
        world.names.failing = {f"{each}.failing.example" for each in (SIP, "_sip._tcp")}
        for name in ("1", "2"):
            world.hub.on_stanza(written(name, to), to.partition("@")[2] or to, "xmpp.example", "p")
            await pass_time()
        assert errors(world.far) == [("1", condition), ("2", condition)]
        assert world.sip.requests == []

    run(scenario())


def test_a_phone_that_says_nothing_is_told_in_the_time_of_timer_f() -> None:
    async def scenario() -> None:
        world = World()
        world.from_xmpp(written())
        await pass_time()
        world.sip.endpoint.on_timer(asyncio.get_running_loop().time() + 40.0)
        world.sip.turn()
        await pass_time()
        assert errors(world.far) == [("m1", Condition.REMOTE_SERVER_TIMEOUT)]

    run(scenario())


@pytest.mark.parametrize(
    ("attributes", "answered"),
    [
        ({"to": "@sip.example"}, True),
        ({"to": "a b@sip.example"}, True),
        ({"to": f"{'x' * 1024}@sip.example"}, True),
        ({"to": "carol@sip.example/"}, True),
        ({"from": "@xmpp.example"}, False),
        ({"from": "alice@xmpp.example/\u0000"}, False),
        ({"to": "@sip.example", "type": "error"}, False),
    ],
)
def test_a_stanza_whose_address_is_none_is_answered_where_it_can_be(
    attributes: dict[str, str], answered: bool
) -> None:
    async def scenario() -> None:
        world = World()
        world.from_xmpp(written(**attributes))
        world.from_xmpp(written("after"))
        await pass_time()
        told = errors(world.far) if world.xmpp.made else []
        assert told == ([("m1", Condition.JID_MALFORMED)] if answered else [])
        assert [each.body for each in world.sip.requests] == [b"after"]

    run(scenario())


def test_requests_are_answered_and_answers_to_nothing_are_not() -> None:
    async def scenario() -> None:
        world = World()
        asked = Element("{jabber:iq:version}query")
        for type_ in ("get", "set", "result", "error"):
            world.from_xmpp(iq(US, ALICE, id=type_, type=type_, children=[asked]))
        await pass_time()
        assert [(each.get("id"), each.get("type")) for each in world.far.stanzas] == [
            ("get", "result"),
            ("set", "error"),
        ]

    run(scenario())


# -- streams -------------------------------------------------------------------------------------


def test_a_domain_whose_servers_are_the_gateway_is_not_connected_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        world = World()
        world.hub.send(written(to="x@mirror.example"), US, "mirror.example")
        await pass_time()
        assert world.xmpp.dialled == []

    run(scenario())
    assert "lead back to this gateway" in str([record.__dict__ for record in caplog.records])


def test_a_component_is_connected_and_carries_for_every_domain() -> None:
    async def scenario() -> None:
        world = World(Attached(Attachment("gateway.xmpp.example"), "server.example", 5347))
        world.xmpp.refusing = True
        await pass_time()
        assert len(world.xmpp.dialled) == 2, "at once, and once more at once"
        world.xmpp.refusing = False
        await pass_time(10.0)
        [target] = world.xmpp.dialled[-1]
        assert (target.address, target.port, target.direct_tls) == (SERVER, 5347, False)
        world.hub.send(
            message("alice@far.example", "x@gateway.xmpp.example", id="1"),
            "gateway.xmpp.example",
            "far.example",
        )
        await pass_time()
        assert [each.get("id") for each in world.far.stanzas] == ["1"]
        assert len(world.xmpp.made) == 1

    run(scenario())


# -- the hub itself ------------------------------------------------------------------------------


def test_a_task_that_fails_is_logged_and_the_rest_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        world = World()
        world.names.broken = {f"{SIP}.broken.example"}
        world.from_xmpp(written("lost", "x@broken.example"))
        world.from_xmpp(written("m1"))
        await pass_time()
        assert [each.body for each in world.sip.requests] == [b"m1"]

    run(scenario())
    assert [record.message for record in caplog.records if record.exc_info] == [
        "a task failed: a bug"
    ]


def test_stopping_tells_everybody_who_waits_and_ends_everything() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("a"))
        await pass_time()
        world.far.mute = True
        world.sip.arrives(datagram("sent"))
        world.names.delays = {f"{SIP}.slow.example": SLOWEST}
        world.sip.arrives(datagram("parked", sender="sip:x@slow.example"))
        world.from_xmpp(written("crossing"))
        await pass_time()
        began = asyncio.get_running_loop().time()
        draining = asyncio.create_task(world.hub.drain(5.0))
        await pass_time()
        world.sip.arrives(datagram("late"))
        await draining
        assert asyncio.get_running_loop().time() - began <= 5.0
        assert world.sip.answers == [("a", 202), ("parked", 503), ("late", 503), ("sent", 504)]
        assert errors(world.far) == [("crossing", Condition.REMOTE_SERVER_TIMEOUT)]
        assert world.far.closed
        await pass_time(0.0)
        assert world.hub.describe()["tasks"] == 0

    run(scenario())


def test_stopping_takes_no_time_when_nothing_is_under_way() -> None:
    async def scenario() -> float:
        world = World()
        world.sip.arrives(datagram("a"))
        await pass_time()
        began = asyncio.get_running_loop().time()
        await world.hub.drain(5.0)
        return asyncio.get_running_loop().time() - began

    assert run(scenario()) == 0.0


def test_stopping_while_the_dns_is_asked_waits_for_nobody() -> None:
    async def scenario() -> None:
        world = World()
        world.names.delays = {f"{SIP}.sip.example": SLOWEST}
        world.sip.arrives(datagram("a"))
        await world.hub.drain(5.0)
        await pass_time(0.0)
        assert world.sip.answers == [("a", 503)]
        assert world.hub.describe()["tasks"] == 0

    run(scenario())


def test_the_tap_shows_both_sides_of_an_exchange_as_one() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("a"))
        await pass_time()
        [shown] = [each for each in world.seen if "<body>" in each.text]
        assert (shown.direction, shown.protocol, shown.peer) == ("out", "xmpp", Far.peer)

    run(scenario())
