"""Rows of docs/interworking that no file of `bridge/` holds alone."""

from typing import TYPE_CHECKING, Final, cast

import pytest

from dragoman.bridge.admission import Admission, Admitted, Refused
from dragoman.bridge.directory import Directory, Look, Side
from dragoman.bridge.federation import Federation
from dragoman.bridge.message import Messages, Rules
from dragoman.sip.message import Request, parse
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.s2s_in import IncomingStream
from dragoman.xmpp.stanza import MESSAGE
from tests.bridge.test_federation import POLICY, Around, Line, outgoing
from tests.bridge.test_message import ALICE, Ports, service, stanza

if TYPE_CHECKING:
    from dragoman.sip.endpoint import ServerTransaction

GATEWAY, PROXY, SERVER = "192.0.2.10", "192.0.2.30", "192.0.2.20"
LEADS: Final = {
    Look(Side.SIP, "sip.example"): PROXY,
    Look(Side.XMPP, "sip.example"): GATEWAY,
    Look(Side.SIP, "xmpp.example"): GATEWAY,
    Look(Side.XMPP, "xmpp.example"): SERVER,
    Look(Side.SIP, "both.example"): PROXY,
    Look(Side.XMPP, "both.example"): SERVER,
}


def directory() -> Directory:
    found = Directory(lambda _, place: place[0] == GATEWAY, lambda _: False)
    for look, address in LEADS.items():
        found.learn(look, frozenset({(address, 5060)}), 0.0)
    return found


def request(sender: str = "sip:carol@sip.example", target: str = f"sip:{ALICE}") -> Request:
    found = parse(
        f"MESSAGE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {PROXY};branch=z9hG4bK1\r\n"
        f"Max-Forwards: 70\r\nFrom: <{sender}>;tag=1\r\nTo: <{target}>\r\nCall-ID: c\r\n"
        "CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello".encode()
    )
    assert isinstance(found, Request)
    return found


def take(messages: Messages, arrived: Request) -> None:
    """Have an admitted request arrive."""
    messages.on_request(arrived, cast("ServerTransaction", "t"), arrived.from_.uri, 0.0)


def statuses(ports: Ports) -> list[int]:
    return [status for _, status in ports.answers()]


@pytest.mark.spec("ADDR-22")
@pytest.mark.parametrize("user", ["Carol", "C%61rol"])
def test_an_answer_reaches_the_sip_user_under_the_spelling_that_he_wrote_with(user: str) -> None:
    messages, ports = service()
    messages.on_stanza(stanza(id="before"), 0.0)
    take(messages, request(f"sip:{user}@sip.example"))
    assert ports.of(MESSAGE)[0].get("from") == "carol@sip.example"
    messages.on_stanza(stanza(id="after"), 1.0)
    targets = [(each.target, str(each.to.uri)) for each, _ in ports.requests]
    assert targets == [
        (f"sip:{spelled}@sip.example", f"sip:{spelled}@sip.example") for spelled in ("carol", user)
    ]


@pytest.mark.spec("ADDR-24")
@pytest.mark.parametrize(
    ("sender", "target", "status"),
    [
        ("sip:carol@sip.example", "sip:%FF@xmpp.example", 404),
        ("sip:carol@sip.example", "sip:%20x@xmpp.example", 404),
        ("sip:carol@sip.example", f"sip:{'a' * 1024}@xmpp.example", 414),
        ("sip:%FF@sip.example", f"sip:{ALICE}", 400),
        (f"sip:{'a' * 1024}@sip.example", f"sip:{ALICE}", 400),
    ],
)
def test_a_sip_address_without_a_jid_is_answered_and_nothing_crosses(
    sender: str, target: str, status: int
) -> None:
    messages, ports = service()
    take(messages, request(sender, target))
    assert statuses(ports) == [status]
    assert ports.stanzas == []


@pytest.mark.spec("ADDR-24")
@pytest.mark.parametrize("to", [r"\20x@sip.example", r"x\20@sip.example"])
def test_a_jid_without_a_sip_address_comes_back_and_nothing_crosses(to: str) -> None:
    messages, ports = service()
    messages.on_stanza(stanza(to=to), 0.0)
    assert ports.requests == []
    [error] = ports.stanzas
    assert StanzaError.parse(error).condition is Condition.JID_MALFORMED


@pytest.mark.spec("IM-35")
@pytest.mark.parametrize("resource", ["", "x"])
def test_a_message_is_sent_once_to_the_address_it_was_for(resource: str) -> None:
    messages, ports = service()
    for name in ("y", "x"):
        messages.on_stanza(stanza(id=name, **{"from": f"{ALICE}/{name}"}), 0.0)
    take(messages, request(target=f"sip:{ALICE};gr={resource}" if resource else f"sip:{ALICE}"))
    assert [each.get("to") for each in ports.of(MESSAGE)] == [
        f"{ALICE}/{resource}" if resource else ALICE
    ]


@pytest.mark.spec("ADDR-28")
@pytest.mark.parametrize(
    ("domain", "by_sip", "by_xmpp"),
    [("both.example", False, False), ("xmpp.example", True, False), ("sip.example", False, True)],
)
def test_only_who_has_no_server_of_the_senders_own_protocol_is_reached_through_us(
    domain: str, by_sip: bool, by_xmpp: bool
) -> None:
    admission = Admission(directory(), lambda _: False)
    verdict = admission.judge(request(target=f"sip:x@{domain}"), PROXY, 1.0)
    assert isinstance(verdict, Admitted if by_sip else Refused)
    stream = IncomingStream(policy=POLICY, secret=b"s", token=lambda: "id")
    around, known = Around(), directory()
    federation = Federation(
        around, around, outgoing, lambda name: known.stands_for(Side.XMPP, name, 1.0), lambda: 1.0
    )
    federation.accepted(stream, Line())
    stream.connected(0.0)
    stream.receive(
        b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
        b" from='far.example' to='%s' version='1.0'>" % domain.encode(),
        1.0,
    )
    federation.on_incoming(stream, 1.0)
    answer = b"".join(stream.to_send())
    assert (b"<stream:features" in answer, b"<host-unknown" in answer) == (by_xmpp, not by_xmpp)


@pytest.mark.spec("ERR-16")
@pytest.mark.parametrize(("strict", "status"), [(False, 404), (True, 604)])
def test_only_a_strict_gateway_answers_a_message_with_6xx(strict: bool, status: int) -> None:
    messages, ports = service(Rules(strict_7247=strict))
    take(messages, request())
    messages.undelivered(ports.of(MESSAGE)[0], StanzaError(Condition.ITEM_NOT_FOUND))
    assert statuses(ports) == [status]
