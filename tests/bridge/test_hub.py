"""The hub: what waits and for how long, what comes back, and how it stops."""

import asyncio
from random import Random

import pytest

from dragoman.bridge.admission import Verdict, Vouched
from dragoman.bridge.directory import DOUBTED, FRESH
from dragoman.bridge.faults import REST
from dragoman.bridge.fence import PATIENCE as FENCE
from dragoman.bridge.intake import PATIENCE
from dragoman.bridge.message import ALLOW
from dragoman.bridge.naming import Attachment
from dragoman.bridge.outbox import CAPACITY
from dragoman.bridge.parking import MOST_OF_ONE
from dragoman.bridge.rate import Allowance, Restraint
from dragoman.bridge.settings import Attached
from dragoman.log import fields_of
from dragoman.mapping.content import TYPES
from dragoman.records import Kind, Question
from dragoman.sip.credentials import Account
from dragoman.sip.endpoint import Flow
from dragoman.sip.guard import Answering, Guard, Rules
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, Response, encode, response_to
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import disco, vcard
from dragoman.xmpp.ext.avatar import Picture
from dragoman.xmpp.ext.vcard_avatar import update
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.s2s_in import IncomingStream
from dragoman.xmpp.stanza import BODY, error_reply, iq, message, presence
from tests.bridge.test_federation import US
from tests.bridge.world import (
    ALICE,
    CAROL,
    EDGE,
    GATEWAY,
    POLICY,
    PROXY,
    RECORDS,
    SERVER,
    SIP,
    SLOWEST,
    STRANGER,
    XMPP,
    Far,
    Gallery,
    Papers,
    World,
    leads,
    run,
)


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


@pytest.mark.parametrize(
    ("domain", "served"),
    [("xmpp.example", True), ("sip.example", False), ("mirror.example", False)],
)
def test_whom_a_phone_may_transfer_a_call_to_is_whom_it_could_call(
    domain: str, served: bool
) -> None:
    async def scenario() -> None:
        world = World()
        while (found := world.hub._serves_sip(domain)) is None:
            world.hub.settle()
            await pass_time()
        assert found is served

    run(scenario())


def test_one_more_than_may_wait_for_the_dns_is_503_with_a_time_to_come_back() -> None:
    async def scenario() -> None:
        world = World()
        for number in range(MOST_OF_ONE + 1):
            world.sip.arrives(datagram(f"c{number}"))
        [refused] = world.sip.responses
        assert (refused.call_id, refused.status) == (f"c{MOST_OF_ONE}", 503)
        assert refused.get("Retry-After") == "5"
        assert world.hub.describe()["parked"] == MOST_OF_ONE

    run(scenario())


def test_who_waits_for_another_domain_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        world = World()
        world.names.delays = {f"{SIP}.slow.example": 5.0}
        for number in range(10):
            world.sip.arrives(datagram(f"slow{number}", sender="sip:x@slow.example"))
        judged: list[str] = []
        judge = world.hub.intake.admission.judge

        def noted(
            request: Request, address: str, now: float, vouched: Vouched | None = None
        ) -> Verdict:
            judged.append(request.call_id)
            return judge(request, address, now, vouched)

        monkeypatch.setattr(world.hub.intake.admission, "judge", noted)
        world.sip.arrives(datagram("a"))
        await pass_time()
        assert world.sip.answers == [("a", 202)]
        assert set(judged) == {"a"}
        await pass_time(5.0)
        assert [status for _, status in world.sip.answers[1:]] == [403] * 10

    run(scenario())


@pytest.mark.parametrize(
    ("transport", "status"),
    [
        (Transport.TLS, 202),
        (Transport.WSS, 202),
        (Transport.TCP, 403),
        (Transport.WS, 403),
        (Transport.UDP, 403),
    ],
)
@pytest.mark.spec("NET-32")
def test_a_certificate_is_asked_for_where_there_is_tls(transport: Transport, status: int) -> None:
    async def scenario() -> None:
        world = World()
        world.sip.vouched = {"sip.example"}
        world.sip.arrives(datagram("a"), STRANGER, transport)
        await pass_time(20.0)
        assert world.sip.answers == [("a", status)]

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


# -- the way to SIP users ------------------------------------------------------------------------

CHALLENGE = 'Digest realm="{}", nonce="n", qop="auth", algorithm=SHA-256'
TRUNK = Account("Trunk", "gateway", "wherefore", "sip.example")


async def challenged(world: World, realm: str) -> list[Request]:
    """Have alice write to carol, whose proxy challenges; return what it got."""
    world.from_xmpp(written())
    await pass_time()
    headers = [("Proxy-Authenticate", CHALLENGE.format(realm))]
    refusal = response_to(world.sip.requests[-1], 407, headers=headers, to_tag="p")
    world.sip.arrives(encode(refusal))
    await pass_time()
    return world.sip.requests


@pytest.mark.spec("NET-28")
@pytest.mark.spec("ERR-10")
def test_a_challenge_is_answered_and_the_sender_hears_of_neither() -> None:
    async def scenario() -> None:
        world = World(accounts=[TRUNK])
        first, second = await challenged(world, "Trunk")
        assert 'username="gateway", realm="Trunk"' in (second.get("Proxy-Authorization") or "")
        assert (first.cseq.number, second.cseq.number) == (1, 2)
        assert (second.call_id, second.from_, second.body) == (
            first.call_id,
            first.from_,
            first.body,
        )
        world.sip.arrives(encode(response_to(second, 200, to_tag="c")))
        await pass_time()
        assert world.xmpp.made == [] or errors(world.far) == []
        assert world.hub.messages.idle

    run(scenario())


@pytest.mark.spec("NET-28")
def test_a_challenge_that_nobody_has_an_account_for_is_told_to_the_sender() -> None:
    async def scenario() -> None:
        world = World(accounts=[TRUNK])
        assert len(await challenged(world, "Another")) == 1
        assert [name for name, _ in errors(world.far)] == ["m1"]

    run(scenario())


@pytest.mark.spec("NET-29")
@pytest.mark.parametrize(
    ("proxy", "target", "route", "way"),
    [
        ("edge.example", f"sip:{CAROL}", "<sip:edge.example;lr>", f"UDP {EDGE}:5060"),
        (
            "sip:edge.example:5070;transport=tcp",
            "sip:edge.example:5070;transport=tcp",
            f"<sip:{CAROL}>",
            f"TCP {EDGE}:5070",
        ),
    ],
)
def test_all_requests_go_to_the_outbound_proxy(
    proxy: str, target: str, route: str, way: str
) -> None:
    async def scenario() -> None:
        world = World(proxy=proxy)
        world.names.failing.add("proxy.sip.example")
        world.from_xmpp(written())
        await pass_time()
        [request] = world.sip.requests[:1]
        assert (request.target, request.get_all("Route")) == (target, [route])
        assert request.to.uri.host == "sip.example"
        assert world.sip.targets[0] == way

    run(scenario())


def test_with_an_outbound_proxy_only_its_own_addresses_may_lead_back() -> None:
    async def scenario() -> None:
        world = World(proxy="edge.example")
        world.from_xmpp(written(to="x@mirror.example"))
        await pass_time()
        assert world.sip.targets == [f"UDP {EDGE}:5060"]
        looped = World(proxy="gateway.example")
        looped.from_xmpp(written())
        await pass_time()
        assert (looped.sip.targets, errors(looped.far)) == (
            [],
            [("m1", Condition.ITEM_NOT_FOUND)],
        )

    run(scenario())


# -- whatever comes ------------------------------------------------------------------------------

HOSTILE = [
    *(
        "%",
        "%00",
        "%ff",
        "<",
        ">",
        ";gr=",
        "@",
        '"',
        "sips:",
        "tel:",
        ":",
        ",",
        ";",
        " ",
        "é",
        "\\20",
    ),
    *("[::1]", "..", "xn--", "\u202e", "\U0001f600", "'", "/", "a" * 1100, ""),
]
HEADERS = [
    "P-Asserted-Identity: <sip:carol@sip.example>",
    "Privacy: id",
    "Content-Type: message/cpim",
    "Date: Sat, 13 Nov 2010 23:29:00 GMT",
    "Subject: hi",
]
STANZAS = [
    written(),
    message(CAROL, ALICE, id="e", type="error", children=[StanzaError(Condition.GONE).element()]),
    iq(CAROL, ALICE, id="i", type="get", children=[Element(f"{{{disco.INFO}}}query")]),
    presence(CAROL, ALICE, id="p", type="subscribe"),
]


def spoiled(random: Random, text: str) -> str:
    """Put something in, and take something out."""
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(HOSTILE) + text[at + random.choice((0, 0, 1, 8)) :]


def spoiled_stanza(random: Random) -> Element:
    found = random.choice(STANZAS)
    attributes = {
        name: spoiled(random, value) if random.random() < 0.4 else value
        for name, value in found.attributes.items()
    }
    return Element(found.name, attributes, found.children)


def test_nothing_that_comes_escapes_to_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world, random = World(), Random(1)  # noqa: S311 - repeatable
        escaped: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: escaped.append(told))
        for number in range(400):
            header = random.choice(HEADERS)
            world.sip.arrives(spoiled(random, datagram(str(number), header).decode()).encode())
            world.from_xmpp(spoiled_stanza(random))
            if number % 20 == 0:
                await pass_time()
        await pass_time(FENCE)
        assert escaped == []
        found = world.hub.describe()
        assert (found["parked"], found["tasks"]) == (0, 0)
        assert world.hub.messages.describe()["from_sip"] == 0
        assert {202, 400, 403} <= {each.status for each in world.sip.responses}

    run(scenario())
    assert not [record for record in caplog.records if record.exc_info]


# -- the hub itself ------------------------------------------------------------------------------


def test_a_task_that_fails_is_logged_and_who_waits_for_it_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        world = World()
        world.names.broken = {f"{each}.broken.example" for each in (SIP, XMPP)}
        world.from_xmpp(written("lost", "x@broken.example"))
        world.sip.arrives(datagram("parked", sender="sip:x@broken.example"))
        world.hub.send(written(to="x@broken.example"), US, "broken.example")
        world.from_xmpp(written("m1"))
        await pass_time()
        assert [each.body for each in world.sip.requests] == [b"m1"]
        assert errors(world.far) == [("lost", Condition.REMOTE_SERVER_TIMEOUT)]
        assert world.sip.answers == [("parked", 504)]
        assert world.hub.federation.describe()["waiting"] == 0

    run(scenario())
    bugs = [record.message for record in caplog.records if record.exc_info]
    assert bugs == ["a task failed: a bug"] * 3


# -- what a bug costs ----------------------------------------------------------------------------


class Bug(Exception):
    """What nobody expects."""


def failing(service: object, name: str, text: str = "") -> None:
    """Have a method of a service fail, where one of its arguments has `text` in it."""
    method = getattr(service, name)

    def fail(*given: object, **named: object) -> object:
        if not text or any(text in shown(each) for each in given):
            raise Bug(name)
        return method(*given, **named)

    setattr(service, name, fail)


def shown(given: object) -> str:
    if isinstance(given, Request):
        return given.body.decode()
    return str(given.attributes) if isinstance(given, Element) else ""


@pytest.mark.parametrize("waiting", [True, False], ids=["waiting for the DNS", "at once"])
def test_a_request_that_nobody_can_serve_is_500_and_the_next_is_served(waiting: bool) -> None:
    async def scenario() -> None:
        world = World()
        if not waiting:
            world.sip.arrives(datagram("known"))
            await pass_time()
            world.sip.sent.clear()
        failing(world.hub.messages, "on_request", "bad")
        now, flow = (
            asyncio.get_running_loop().time(),
            Flow(Transport.UDP, (GATEWAY, 5060), (PROXY, 5060)),
        )
        for name in ("a", "bad", "b"):  # of one turn
            world.sip.endpoint.receive_datagram(datagram(name), flow, now)
        world.sip.turn()
        await pass_time()
        assert sorted(world.sip.answers) == [("a", 202), ("b", 202), ("bad", 500)]

    run(scenario(), bugs=1)


def test_a_request_that_was_answered_before_the_bug_is_not_answered_again() -> None:
    async def scenario() -> None:
        world = World(allow=ALLOW)
        failing(world.hub.presence.watchers, "_begin")
        world.sip.arrives(
            datagram("a", "Event: presence", "Contact: <sip:c@192.0.2.30>", method="SUBSCRIBE")
        )
        await pass_time()
        assert world.sip.answers == [("a", 200)]

    run(scenario(), bugs=1)


@pytest.mark.parametrize("type_", ["chat", "error"])
def test_a_stanza_that_nobody_can_handle_is_an_error_and_the_next_is_handled(type_: str) -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("a"))
        await pass_time()
        failing(world.hub.messages, "on_stanza", "bad")
        world.from_xmpp(written("bad", type=type_))
        world.from_xmpp(written("good"))
        await pass_time()
        expected = [] if type_ == "error" else [("bad", Condition.INTERNAL_SERVER_ERROR)]
        assert errors(world.far) == expected
        assert [each.body for each in world.sip.requests] == [b"good"]

    run(scenario(), bugs=1)


def test_a_response_that_nobody_can_handle_counts_as_none() -> None:
    async def scenario() -> None:
        world = World()
        failing(world.hub.messages, "on_response")
        world.from_xmpp(written("m1"))
        await pass_time()
        [request] = world.sip.requests
        world.sip.arrives(encode(response_to(request, 200)))
        await pass_time()
        assert errors(world.far) == [("m1", Condition.INTERNAL_SERVER_ERROR)]

    run(scenario(), bugs=1)


def test_what_comes_back_to_a_service_that_fails_stops_nobody() -> None:
    async def scenario() -> None:
        world = World()
        world.xmpp.refusing = True
        failing(world.hub.presence, "undelivered")
        world.hub.send(presence(ALICE, CAROL, id="p"), US, "xmpp.example")
        world.sip.arrives(datagram("a"))
        await pass_time()
        assert world.sip.answers == [("a", 504)]

    run(scenario(), bugs=1)


def test_a_timer_that_fails_stops_no_other_and_does_not_fill_the_loop() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("a"))
        await pass_time()
        watchers, rung = world.hub.presence.watchers, 0

        def ring(now: float) -> None:
            nonlocal rung
            rung += 1
            raise Bug

        watchers.on_timer = ring  # type: ignore[method-assign]
        watchers.next_timer = lambda: 0.5  # type: ignore[method-assign]
        world.far.mute = True
        world.sip.arrives(datagram("b"))
        await pass_time(FENCE + 1)
        assert world.sip.answers == [("a", 202), ("b", 504)], "in time"
        assert rung == pytest.approx((FENCE + 1) / REST, abs=2)

    with pytest.raises(AssertionError, match="bugs"):
        run(scenario())


def test_a_service_that_cannot_stop_does_not_stop_the_others_from_it() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("a"))
        await pass_time()
        failing(world.hub.presence, "give_up")
        failing(world.hub.messages, "give_up")
        await world.hub.drain(1.0)
        assert world.far.closed

    run(scenario(), bugs=2)


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


# -- what certificates do not prove by themselves ------------------------------------------------


def test_what_proves_a_certificate_is_known_before_the_stream_that_needs_it() -> None:
    async def scenario(strict: bool) -> tuple[Papers, float]:
        papers = Papers()
        world = World(proofs=papers, needs_certificate=lambda _: strict)
        world.sip.arrives(datagram("a"))
        start = asyncio.get_running_loop().time()
        while not world.xmpp.dialled:
            await pass_time(0.1)
        return papers, asyncio.get_running_loop().time() - start

    strict, took = run(scenario(strict=True))
    assert (strict.begun, strict.learnt) == (["xmpp.example"], ["xmpp.example"])
    assert took > 3.0
    lax, took = run(scenario(strict=False))
    assert (lax.begun, lax.learnt) == (["xmpp.example"], [])
    assert took < 1.0


def test_a_stream_that_comes_in_waits_until_it_was_looked_for_proof() -> None:
    async def scenario() -> None:
        papers = Papers()
        world = World(proofs=papers)
        told: list[tuple[str, float]] = []
        world.hub.federation.proven = (  # type: ignore[method-assign]
            lambda remote, now: told.append((remote, now))
        )
        start = asyncio.get_running_loop().time()
        world.hub.dialling.prove("far.example")
        await pass_time(2.9)
        assert told == []
        await pass_time(0.2)
        assert [remote for remote, now in told if now - start >= 3.0] == ["far.example"]
        assert papers.learnt == ["far.example"]

    run(scenario())


# -- strangers, and too much ------------------------------------------------------------------


EDGES = [Question(Kind.ADDRESS, "edge.example"), Question(Kind.SRV, "_sip._tcp.edge.example")]


def cut_off(world: World, via: str, sender: str = f"sip:{CAROL}", address: str = PROXY) -> None:
    """Have a request arrive over a connection that is gone before the answer is there."""
    now = asyncio.get_running_loop().time()
    data = datagram("a", sender=sender).replace(f"SIP/2.0/UDP {PROXY}".encode(), via.encode())
    world.sip.arrives(data, address, Transport.TCP)
    world.sip.endpoint.closed(Flow(Transport.TCP, (GATEWAY, 5060), (address, 5060), 7), now)


def refuses(world: World, *places: Target) -> None:
    for each in places:
        world.sip.endpoint.unreachable(each, asyncio.get_running_loop().time())
    world.sip.turn()


@pytest.mark.spec("NET-26")
@pytest.mark.parametrize(
    ("via", "targets"),
    [
        ("SIP/2.0/TCP edge.example:5070", [f"TCP {PROXY}:5070", f"TCP {EDGE}:5070"]),
        ("SIP/2.0/TCP edge.example", [f"TCP {PROXY}:5060", f"TCP {EDGE}:5060"]),
        ("SIP/2.0/TCP sip.example:5070", [f"TCP {PROXY}:5070"]),  # has no address
        ("SIP/2.0/TCP gateway.example:5070", [f"TCP {PROXY}:5070"]),  # is ours
        ("SIP/2.0/TCP broken.example:5070", [f"TCP {PROXY}:5070"]),
        ("SIP/2.0/TCP failing.example:5070", [f"TCP {PROXY}:5070"]),
    ],
)
def test_a_response_without_a_way_back_goes_where_the_dns_says(
    via: str, targets: list[str]
) -> None:
    async def scenario() -> None:
        world = World()
        world.names.broken, world.names.failing = {"broken.example"}, {"failing.example"}
        cut_off(world, via)
        await pass_time()
        first = f"{PROXY}:{via.partition('example')[2].lstrip(':') or 5060}"
        assert world.sip.targets == [f"TCP {first}"]
        host, _, port = first.partition(":")
        refuses(world, Target(Transport.TCP, host, int(port)))
        await pass_time()
        assert world.sip.targets == targets
        assert world.hub.describe()["tasks"] == 0

    run(scenario())


@pytest.mark.spec("NET-26")
@pytest.mark.parametrize(
    ("sender", "address"),
    [(f"sip:{CAROL}", STRANGER), ("sip:x@elsewhere.example", PROXY)],
    ids=["unknown", "at a familiar address"],
)
def test_for_a_stranger_no_name_of_his_choice_is_asked(sender: str, address: str) -> None:
    async def scenario() -> None:
        world = World()
        guarded(world)
        world.sip.arrives(datagram("b"))
        await pass_time()
        cut_off(world, "SIP/2.0/TCP edge.example:5070", sender, address)
        await pass_time(20.0)
        refuses(world, Target(Transport.TCP, address, 5070))
        await pass_time(20.0)
        assert world.names.known.isdisjoint(EDGES)
        assert f"TCP {STRANGER}:5070" not in world.sip.targets
        assert f"TCP {EDGE}:5070" not in world.sip.targets

    run(scenario())


@pytest.mark.spec("IM-12")
def test_the_answer_to_options_lists_what_is_read() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("b"))
        await pass_time()
        world.sip.arrives(datagram("a", method="OPTIONS", target="sip:xmpp.example"))
        await pass_time()
        answer = world.sip.sent[-1]
        assert isinstance(answer, Response)
        assert answer.get("Accept") == ", ".join(TYPES)
        assert answer.get("Accept-Encoding") == "gzip, deflate, identity"

    run(scenario())


def test_whoever_asks_for_options_has_no_name_of_his_choice_asked() -> None:
    async def scenario() -> None:
        world = World()
        world.sip.arrives(datagram("b"))
        await pass_time()
        data = datagram("a", method="OPTIONS", target="sip:xmpp.example")
        via = f"SIP/2.0/UDP {PROXY}"
        world.sip.arrives(data.replace(via.encode(), b"SIP/2.0/UDP edge.example"), PROXY)
        await pass_time()
        assert world.sip.answers[-1] == ("a", 200)
        refuses(world, Target(Transport.UDP, PROXY, 5060))
        await pass_time()
        assert world.names.known.isdisjoint(EDGES)

    run(scenario())


def guarded(world: World, rules: Rules | None = None) -> Guard:
    endpoint = world.sip.endpoint
    guard = Guard(
        rules or Rules(),
        lambda _: False,
        endpoint.refusal_tag,
        endpoint.pending,
        endpoint.asked,
    )
    world.hub.watch(guard)
    return guard


def test_the_guard_learns_who_is_let_in_and_who_is_refused_and_for_what() -> None:
    async def scenario() -> None:
        world = World()
        guard = guarded(world)
        now = asyncio.get_running_loop().time
        world.sip.arrives(datagram("a"))
        world.sip.arrives(datagram("b"), STRANGER)
        await pass_time()
        assert world.sip.answers == [("b", 403), ("a", 202)]
        assert guard.knows(PROXY, now())
        assert not guard.knows(STRANGER, now())
        assert guard.look(datagram("c"), (PROXY, 5060), now()) is None
        refused = guard.look(datagram("d"), (STRANGER, 5060), now())
        assert refused is not None
        assert refused.data.startswith(b"SIP/2.0 403 ")
        await pass_time(DOUBTED + FRESH)
        assert guard.look(datagram("e"), (STRANGER, 5060), now()) is None, (
            "the DNS may have changed"
        )

    run(scenario())


def test_what_is_refused_for_what_it_asks_is_no_strangers() -> None:
    async def scenario() -> None:
        world = World()
        guard = guarded(world)
        world.sip.arrives(datagram("a", target="sip:x@elsewhere.example"))
        await pass_time()
        assert world.sip.answers == [("a", 403)]
        assert guard.describe()["refused"] == 0

    run(scenario())


def test_strangers_hear_nothing_where_silence_is_wished_for() -> None:
    async def scenario() -> None:
        world = World()
        guard = guarded(world, Rules(unbelieved=Answering.SILENCE))
        world.sip.arrives(datagram("b"), STRANGER)
        await pass_time(60)
        assert world.sip.sent == []
        assert world.sip.endpoint.waiting == 0
        world.sip.arrives(datagram("a"))
        await pass_time()
        assert world.sip.answers == [("a", 202)]
        assert guard.knows(PROXY, asyncio.get_running_loop().time())

    run(scenario())


def test_a_scanner_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = World()
        guard = guarded(world)
        scan = datagram("a", "User-Agent: friendly-scanner\x85peer=192.0.2.1", method="OPTIONS")
        for _ in range(5):
            guard.look(scan, (STRANGER, 5060), asyncio.get_running_loop().time())
        world.sip.turn()

    run(scenario())
    [record] = [each for each in caplog.records if each.getMessage() == "scanner"]
    assert fields_of(record) == {"peer": STRANGER, "sign": "agent", "count": "1"}


def test_when_the_gateway_is_behind_new_requests_are_503() -> None:
    async def scenario() -> None:
        world = World()
        guard = guarded(world)
        world.sip.arrives(datagram("a"))
        await pass_time()
        guard.overload.pending(10**6, 0.0)
        world.sip.arrives(datagram("b"))
        world.sip.arrives(datagram("a"))
        assert world.sip.answers == [("a", 202), ("b", 503), ("a", 202)]
        assert world.sip.responses[1].get("Retry-After") is not None
        guard.overload.pending(0, 0.0)
        world.sip.arrives(datagram("c"))
        await pass_time()
        assert world.sip.answers[3:] == [("c", 202)]

    run(scenario())


@pytest.mark.spec("NET-38")
def test_a_domain_that_sends_too_much_is_not_read_for_a_while() -> None:
    async def scenario() -> None:
        world = World()
        world.hub._restraint = Restraint(Allowance(stanzas=1), world.hub.messages.under_way)
        stream = incoming(world)
        for number in range(5 + 2):
            world.hub.on_stanza(written(f"m{number}"), US, "xmpp.example", "peer")
        world.hub.on_stream(stream)
        assert world.xmpp.held == {stream}
        await pass_time(1.9)
        assert world.xmpp.held == {stream}
        await pass_time(0.2)
        assert world.xmpp.held == set()
        assert world.hub.describe()["restraint"] == {
            "held_back": 0,
            "times_held_back": 1,
            "domains": 1,
        }

    run(scenario())


@pytest.mark.spec("NET-38")
def test_a_domain_with_too_much_waiting_for_sip_is_read_again_when_it_has_crossed() -> None:
    async def scenario() -> None:
        world = World()
        world.hub._restraint = Restraint(Allowance(under_way=2), world.hub.messages.under_way)
        stream = incoming(world)
        for number in range(2):
            world.hub.on_stanza(written(f"m{number}"), US, "xmpp.example", "peer")
        world.hub.on_stream(stream)
        assert world.xmpp.held == {stream}
        await pass_time()
        [first] = [each for each in world.sip.sent if isinstance(each, Request)]
        world.sip.arrives(encode(response_to(first, 200, to_tag="x")))
        await pass_time()
        assert world.xmpp.held == set()
        assert world.hub.messages.under_way("xmpp.example") == 1

    run(scenario())


def test_answers_to_our_own_questions_are_not_charged() -> None:
    async def scenario() -> None:
        world = World()
        world.hub._restraint = Restraint(Allowance(stanzas=1), world.hub.messages.under_way)
        stream = incoming(world)
        world.sip.arrives(datagram("a"))
        await pass_time()
        for _ in range(20):
            world.hub._answers = True
            world.hub.on_stream(stream)
        assert world.xmpp.held == set()
        assert world.hub.describe()["restraint"]["domains"] == 0  # type: ignore[index]

    run(scenario())


def incoming(world: World) -> IncomingStream:
    stream = IncomingStream(policy=POLICY, secret=b"s", token=lambda: "t")
    stream.connected(asyncio.get_running_loop().time())
    return stream


def test_options_make_nobody_known() -> None:
    async def scenario() -> None:
        world = World()
        guard = guarded(world)
        world.sip.arrives(datagram("a", method="OPTIONS", target=f"sip:{GATEWAY}"))
        await pass_time()
        assert world.sip.answers == [("a", 200)]
        assert not guard.knows(PROXY, asyncio.get_running_loop().time())

    run(scenario())


def test_a_stranger_who_hung_up_is_not_dialled_for_a_refusal() -> None:
    async def scenario(*, known: bool) -> list[tuple[str, int]]:
        world = World()
        guard = guarded(world)
        if known:
            guard.believed(STRANGER, asyncio.get_running_loop().time())
        flow = Flow(Transport.TCP, (GATEWAY, 5060), (STRANGER, 40000), 7)
        now = asyncio.get_running_loop().time
        world.sip.endpoint.receive_datagram(datagram("a"), flow, now())
        world.sip.turn()
        world.sip.endpoint.closed(flow, now())
        await pass_time()
        return world.sip.answers

    assert run(scenario(known=False)) == []
    assert run(scenario(known=True)) == [("a", 403)]


# -- pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"), [("good", b"GIF89a"), ("gone", b""), ("broken", b""), ("odd", b"<svg/>")]
)
def test_a_picture_that_a_sip_user_names_is_fetched_beside_his_messages(
    name: str, data: bytes
) -> None:
    async def scenario() -> None:
        gallery = Gallery(good=b"GIF89a", odd=b"<svg/>")
        world = World(icons=gallery)
        url = f"https://sip.example/{name}"
        info = f"Call-Info: <{url}>;purpose=icon"
        world.sip.arrives(datagram("a", info))
        await pass_time(0.5)
        assert world.sip.answers == [("a", 202)]
        assert world.hub.cards.decoration(Jid.parse(CAROL)) == [update(None)]
        world.sip.arrives(datagram("b", info))
        await pass_time(2.0)
        assert gallery.asked == [(url, "sip.example")]
        good = Picture("image/gif", data) if name == "good" else None
        told = [update("" if good is None else good.id)]
        assert world.hub.cards.decoration(Jid.parse(CAROL)) == told
        assert (world.sip.answers[1:], world.hub.describe()["tasks"]) == ([("b", 202)], 0)
        asking = [Element(vcard.VCARD)]
        world.from_xmpp(iq(CAROL, ALICE, id="v", type="get", children=asking))
        await pass_time()
        [reply] = [each for each in world.far.stanzas if each.get("id") == "v"]
        assert reply.elements == [vcard.vcard(CAROL, photo=good)]

    run(scenario())


def test_who_is_not_believed_says_nothing_of_anybody() -> None:
    async def scenario() -> None:
        gallery = Gallery()
        world = World(icons=gallery)
        info = "Call-Info: <https://sip.example/good>;purpose=icon"
        world.sip.arrives(datagram("a", info), address=STRANGER)
        await pass_time(2.0)
        assert world.sip.answers == [("a", 403)]
        assert (gallery.asked, len(world.hub.cards)) == ([], 0)

    run(scenario())


def test_who_was_asked_to_notify_says_nothing_of_others() -> None:
    """The tags let a NOTIFY in from any address and in any name: that is all they prove."""

    async def scenario() -> None:
        world = World(allow=ALLOW)
        world.from_xmpp(presence(CAROL, ALICE, id="p", type="subscribe"))
        await pass_time()
        [asked] = world.sip.requests
        lines = [
            f"NOTIFY sip:{ALICE} SIP/2.0",
            f"Via: SIP/2.0/UDP {STRANGER};branch=z9hG4bKn;maddr={EDGE}",
            "Max-Forwards: 70",
            'From: "The boss" <sip:boss@other.example>;tag=far',
            f"To: {asked.get('From')}",
            f"Call-ID: {asked.call_id}",
            "CSeq: 1 NOTIFY",
            "Contact: <sip:ps.sip.example>",
            "Event: presence",
            "Subscription-State: active",
            "Call-Info: <https://other.example/good>;purpose=icon",
        ]
        flow = Flow(Transport.UDP, (GATEWAY, 5060), (STRANGER, 5060), 0)
        now = asyncio.get_running_loop().time()
        world.sip.endpoint.receive_datagram("\r\n".join([*lines, "", ""]).encode(), flow, now)
        world.hub.on_sip(world.sip.endpoint)
        [answer] = [each for each in world.sip.endpoint.to_send() if b"NOTIFY" in each.data]
        assert answer.data.startswith(b"SIP/2.0 200 ")
        assert isinstance(answer.to, Flow)
        assert answer.to.remote[0] == STRANGER
        assert len(world.hub.cards) == 0

    run(scenario())


def test_a_request_that_cannot_be_written_fails_and_nothing_else_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug of ours: its service hears of it, and the turn goes on."""

    async def scenario() -> None:
        world = World()
        bad = Request("MESSAGE", "sip:carol@sip.example", (("From", "<sip:a@b>;tag=1\r\nx"),))
        world.hub.hops.request(bad, 7)
        await pass_time()
        assert world.sip.requests == []
        world.sip.arrives(datagram("a"))
        await pass_time()
        assert world.sip.answers == [("a", 202)]

    run(scenario())
    assert [each.message for each in caplog.records] == ["a request cannot be sent: a bug"]


def test_a_component_s_contact_is_where_the_far_end_reaches_us() -> None:
    """The DNS need not lead there: of our requests, and of what we answer."""

    async def scenario() -> None:
        gateway = "gateway.xmpp.example"
        world = World(Attached(Attachment(gateway), "server.example", 5347), allow=ALLOW)
        await pass_time()
        contact = rf"carol\40sip.example@{gateway}"
        world.from_xmpp(presence(contact, ALICE, id="p", type="subscribe"), "")
        await pass_time()
        [request] = world.sip.requests
        ours = request.contacts[0].uri
        assert (request.method, ours.user, ours.host, ours.port) == (
            "SUBSCRIBE",
            "alice",
            GATEWAY,
            5060,
        )
        assert ours.param("gr")

    run(scenario())


def test_a_contact_in_an_answer_leads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    question, answer = leads(SIP, "phones.example", "proxy.sip.example", 5060)
    monkeypatch.setitem(RECORDS, question, answer)

    async def scenario() -> None:
        world = World(
            Attached(Attachment("gateway.xmpp.example"), "server.example", 5347), allow=ALLOW
        )
        sender, more = "sip:dave@phones.example", ("Contact: <sip:dave@192.0.2.30>",)
        world.sip.arrives(
            datagram("a", *more, "Event: presence", sender=sender, method="SUBSCRIBE")
        )
        await pass_time()
        [answer] = world.sip.responses
        assert answer.status == 200
        assert (answer.contacts[0].uri.host, answer.contacts[0].uri.port) == (GATEWAY, 5060)
        assert world.sip.requests[0].contacts == answer.contacts, "of the NOTIFY as well"

    run(scenario())
