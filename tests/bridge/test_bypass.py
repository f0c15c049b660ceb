"""Calls that no plane carries: offers, candidates and restarts go from end to end (RFC 8840)."""

from collections.abc import Sequence

import pytest

from dragoman.bridge.call import Rules
from dragoman.bridge.trickle import LONGEST, MOST_EARLY, QUIET
from dragoman.media.plane import PLAIN, Side
from dragoman.sdp.fragment import Fragment
from dragoman.sdp.session import SessionDescription
from dragoman.sip.message import Header
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Action, Content, Jingle
from dragoman.xmpp.ext.jingle_dtls import Fingerprint
from dragoman.xmpp.ext.jingle_ice import Candidate, IceUdp
from dragoman.xmpp.ext.jingle_rtp import Encryption, Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.ext.zrtp import ZrtpHash
from tests.bridge.test_calls import (
    CLIENT,
    JULIET,
    PCMU,
    SDPFRAG,
    TRICKLES,
    Gateway,
    Transaction,
    sdp,
)

DEVICE = f"{JULIET}/phone"
PRINT = "AB:CD"
LISTENS: Sequence[Header] = (("Supported", "trickle-ice"),)


def candidate(port: int) -> Candidate:
    return Candidate("1", 1, "udp", 2130706431, "192.0.2.9", port, "host", id="c4000")


def ice(*candidates: Candidate, ufrag: str = "u", complete: bool = False) -> IceUdp:
    return IceUdp(ufrag, "p", candidates, (Fingerprint("sha-256", PRINT, "actpass"),), (), complete)


def content(transport: IceUdp, encryption: Encryption | None = None) -> Content:
    return Content(
        "0", description=Rtp("audio", (PCMU,), True, (), encryption), transport=transport
    )


def phone(
    setup: str = "active",
    way: str = "sendrecv",
    version: int = 1,
    ufrag: str = "ph",
) -> bytes:
    return (
        f"v=0\r\no=- 1 {version} IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
        f"m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=rtpmap:0 PCMU/8000\r\na={way}\r\n"
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:secret\r\na=rtcp-mux\r\na=setup:{setup}\r\n"
        f"a=fingerprint:sha-256 {PRINT}\r\n"
        f"a=candidate:1 1 udp 2130706431 192.0.2.2 4000 typ host\r\n"
    ).encode()


def info(transport: IceUdp) -> Jingle:
    new = IceUdp(transport.ufrag, transport.pwd, transport.candidates, (), (), transport.complete)
    return Jingle(Action.TRANSPORT_INFO, "s1", (Content("0", transport=new),))


def calling(transport: IceUdp, encryption: Encryption | None = None) -> Gateway:
    """A client calls a phone, and begins with what it offers."""
    gateway = Gateway(rules=Rules(bypass=True))
    contents = (content(transport, encryption),)
    begin = Jingle(Action.SESSION_INITIATE, "s1", contents, initiator=CLIENT)
    gateway.client_says(begin, DEVICE)
    return gateway


def described(body: bytes) -> SessionDescription:
    return SessionDescription.parse(body)


def later(gateway: Gateway, now: float) -> None:
    gateway.now = now
    gateway.calls.on_timer(now)


def called(headers: Sequence[Header] = ()) -> tuple[Gateway, Transaction, str]:
    """A phone calls a client, which has proceeded."""
    gateway = Gateway(rules=Rules(bypass=True))
    invite = gateway.phone_says(body=phone("actpass"), headers=headers)
    sid = gateway.sid()
    gateway.client_says(Initiation(Step.PROCEED, sid), DEVICE)
    return gateway, invite, sid


def accepting(gateway: Gateway, sid: str, transport: IceUdp) -> None:
    accept = Jingle(Action.SESSION_ACCEPT, sid, (content(transport),), responder=CLIENT)
    gateway.client_says(accept, DEVICE)


def talking(headers: Sequence[Header] = LISTENS) -> Gateway:
    """A client and a phone talk, the phone's 200 with these headers."""
    gateway = calling(ice(candidate(5000), complete=True))
    gateway.phone_answers(200, phone(), headers=headers)
    return gateway


@pytest.mark.spec("MED-08")
@pytest.mark.spec("MED-09")
def test_an_offer_goes_from_end_to_end() -> None:
    gateway = calling(ice(candidate(5000), complete=True))
    offer = described(gateway.sent[0][0].body)
    media = offer.media[0]
    assert (media.port, media.value("ice-ufrag"), media.value("ice-pwd")) == (5000, "u", "p")
    assert media.value("fingerprint") == f"sha-256 {PRINT}"
    assert media.values("candidate") == ("1 1 udp 2130706431 192.0.2.9 5000 typ host",)
    gateway.phone_answers(200, phone())
    transport = gateway.actions[-1].contents[0].transport
    assert isinstance(transport, IceUdp)
    assert (transport.ufrag, transport.candidates[0].port) == ("ph", 4000)
    assert transport.fingerprints[0].setup == "active"
    assert gateway.plane.asked == []


def test_the_hash_of_zrtp_goes_along() -> None:
    """XEP-0262."""
    hello = Encryption((), zrtp=(ZrtpHash("1.10", "abcd"),))
    gateway = calling(ice(candidate(5000), complete=True), hello)
    assert b"a=zrtp-hash:1.10 abcd\r\n" in gateway.sent[0][0].body
    gateway.phone_answers(200, phone() + b"a=zrtp-hash:1.10 ef01\r\n")
    description = gateway.actions[-1].contents[0].description
    assert isinstance(description, Rtp)
    assert description.encryption == Encryption((), zrtp=(ZrtpHash("1.10", "ef01"),))


def test_without_the_rule_all_calls_are_carried() -> None:
    gateway = Gateway()
    contents = (content(ice(candidate(5000), complete=True)),)
    begin = Jingle(Action.SESSION_INITIATE, "s1", contents, initiator=CLIENT)
    gateway.client_says(begin, DEVICE)
    assert gateway.plane.profiles == [PLAIN]


@pytest.mark.spec("MED-11")
def test_an_invite_waits_for_candidates() -> None:
    gateway = calling(ice())
    assert gateway.methods == []
    later(gateway, QUIET - 0.1)
    gateway.client_says(info(ice(candidate(5000))), DEVICE)
    later(gateway, QUIET)
    assert gateway.methods == []
    later(gateway, 2 * QUIET - 0.1)
    assert gateway.methods == ["INVITE"]
    assert described(gateway.sent[0][0].body).media[0].port == 5000


@pytest.mark.spec("MED-11")
def test_it_does_not_wait_once_there_are_no_more() -> None:
    gateway = calling(ice(candidate(5000)))
    gateway.client_says(info(ice(candidate(5002), complete=True)), DEVICE)
    assert len(described(gateway.sent[0][0].body).media[0].values("candidate")) == 2


@pytest.mark.spec("MED-11")
def test_it_does_not_wait_for_ever() -> None:
    gateway = calling(ice())
    for n in range(4):
        later(gateway, LONGEST * n / 4)
        gateway.client_says(info(ice(candidate(5000 + n))), DEVICE)
        assert gateway.methods == []
    later(gateway, LONGEST)
    assert gateway.methods == ["INVITE"]


def test_a_client_that_hangs_up_meanwhile_rings_nobody() -> None:
    gateway = calling(ice())
    gateway.client_says(Jingle(Action.SESSION_TERMINATE, "s1"), DEVICE)
    later(gateway, LONGEST)
    assert gateway.methods == []
    assert gateway.calls.describe()["calls"] == 0


@pytest.mark.spec("MED-11")
def test_later_candidates_reach_a_phone_that_listens() -> None:
    """RFC 8840 §4.4: all of them, each time, one INFO after the other."""
    gateway = talking()
    gateway.client_says(info(ice(candidate(5002))), DEVICE)
    gateway.client_says(info(ice(candidate(5004))), DEVICE)
    assert gateway.methods == ["INVITE", "ACK", "INFO"]
    request = gateway.sent[-1][0]
    assert (request.get("Info-Package"), request.get("Content-Type")) == ("trickle-ice", SDPFRAG)
    (stream,) = Fragment.parse(request.body).streams
    assert (stream.mid, stream.ufrag) == ("0", "u")
    assert [each.port for each in stream.candidates] == [5000, 5002]
    gateway.phone_answers(200)
    (stream,) = Fragment.parse(gateway.sent[-1][0].body).streams
    assert [each.port for each in stream.candidates] == [5000, 5002, 5004]


@pytest.mark.spec("MED-11")
@pytest.mark.parametrize("listens", [False, True])
def test_a_phone_that_does_not_listen_is_told_nothing(listens: bool) -> None:
    gateway = talking(LISTENS if listens else ())
    gateway.client_says(info(ice(candidate(5002))), DEVICE)
    if listens:
        gateway.phone_answers(469)
        gateway.client_says(info(ice(candidate(5004))), DEVICE)
    assert gateway.methods.count("INFO") == int(listens)
    assert gateway.calls.describe()["calls"] == 1


@pytest.mark.spec("MED-11")
def test_candidates_of_a_phone_become_transport_info() -> None:
    gateway, invite, sid = called(LISTENS)
    accepting(gateway, sid, ice(candidate(5000)))
    assert gateway.statuses == [200]
    gateway.phone_acknowledges(invite)
    body = (
        b"a=ice-ufrag:ph\r\na=ice-pwd:secret\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
        b"a=candidate:2 1 udp 1 192.0.2.2 4002 typ host\r\n"
    )
    gateway.phone_says("INFO", body, 2, [TRICKLES], SDPFRAG)
    told = gateway.actions[-1]
    transport = told.contents[0].transport
    assert told.action is Action.TRANSPORT_INFO
    assert isinstance(transport, IceUdp)
    assert (transport.ufrag, transport.candidates[0].port) == ("ph", 4002)


@pytest.mark.spec("MED-11")
def test_an_answer_waits_for_candidates_where_the_phone_does_not_listen() -> None:
    gateway, _, sid = called()
    accepting(gateway, sid, ice())
    assert gateway.statuses == []
    later(gateway, QUIET)
    assert gateway.statuses == [200]
    assert gateway.plane.asked == []


@pytest.mark.spec("MED-11")
def test_candidates_may_come_before_the_session_accept() -> None:
    gateway, _, sid = called(LISTENS)
    for said in (ice(candidate(5002)), ice(candidate(5004), ufrag="another's")):
        new = IceUdp(said.ufrag, said.pwd, said.candidates)
        content_ = Content("0", transport=new)
        gateway.client_says(Jingle(Action.TRANSPORT_INFO, sid, (content_,)), DEVICE)
    accepting(gateway, sid, ice(candidate(5000)))
    answer = described(gateway.responses[-1].body).media[0]
    assert [each.split()[5] for each in answer.values("candidate")] == ["5000", "5002"]


def test_only_so_many_of_these_are_kept() -> None:
    gateway, _, sid = called(LISTENS)
    for n in range(MOST_EARLY + 3):
        new = IceUdp("u", "p", (candidate(6000 + n),))
        said = Jingle(Action.TRANSPORT_INFO, sid, (Content("0", transport=new),))
        gateway.client_says(said, DEVICE)
    accepting(gateway, sid, ice())
    answer = described(gateway.responses[-1].body).media[0]
    ports = [int(each.split()[5]) for each in answer.values("candidate")]
    assert ports == [6003 + n for n in range(MOST_EARLY)]


def test_a_phone_that_refuses_is_called_by_the_plane() -> None:
    gateway = calling(ice(candidate(5000), complete=True))
    gateway.phone_answers(488)
    assert gateway.methods == ["INVITE", "INVITE"]
    assert gateway.plane.profiles == [PLAIN]
    gateway.phone_answers(200, sdp())
    assert gateway.plane.asked == [("offer", Side.XMPP), ("answer", Side.SIP)]


def test_a_phone_that_answers_without_ice_is_asked_anew() -> None:
    gateway = calling(ice(candidate(5000), complete=True))
    plain = phone().replace(b"a=ice-", b"a=x-")
    gateway.phone_answers(200, plain)
    assert gateway.methods == ["INVITE", "ACK", "INVITE"]
    assert gateway.plane.asked == [("offer", Side.XMPP)]
    gateway.phone_answers(200, plain.replace(b"o=- 1 1", b"o=- 1 2"))
    assert gateway.plane.asked[-1] == ("answer", Side.SIP)
    assert gateway.actions[-1].action is Action.SESSION_ACCEPT


def test_a_phone_that_refuses_to_be_asked_anew_has_no_call() -> None:
    """What it answered leads to the client, and not to the plane."""
    gateway = calling(ice(candidate(5000), complete=True))
    gateway.phone_answers(200, phone().replace(b"a=ice-", b"a=x-"))
    gateway.phone_answers(488)
    assert gateway.methods[-1] == "BYE"
    assert gateway.calls.describe()["calls"] == 0


def test_nor_has_a_device_whose_phone_will_not_talk_to_it() -> None:
    gateway = talking()
    gateway.client_says(Initiation(Step.PROPOSE, "s2", (Rtp("audio"),)))
    moved = (content(ice(candidate(7000), ufrag="moved", complete=True)),)
    gateway.client_says(Jingle(Action.SESSION_INITIATE, "s2", moved, initiator=CLIENT), DEVICE)
    gateway.phone_answers(488)
    assert gateway.methods[-1] == "BYE"
    assert gateway.calls.describe()["calls"] == 0


def test_a_client_that_accepts_without_ice_has_no_call() -> None:
    gateway, _, sid = called(LISTENS)
    accept = Jingle(Action.SESSION_ACCEPT, sid, (content(IceUdp()),), responder=CLIENT)
    gateway.client_says(accept, DEVICE)
    assert gateway.statuses == [488]
    assert gateway.calls.describe()["calls"] == 0


def test_holding_goes_from_end_to_end() -> None:
    gateway = talking()
    held = Element("{urn:xmpp:jingle:apps:rtp:info:1}hold")
    gateway.client_says(Jingle(Action.SESSION_INFO, "s1", info=held), DEVICE)
    offer = described(gateway.sent[-1][0].body)
    assert b"a=sendonly" in gateway.sent[-1][0].body
    assert offer.media[0].value("setup") == "actpass"
    gateway.phone_answers(200, phone(way="recvonly", version=2))
    assert gateway.plane.asked == []


@pytest.mark.spec("MED-32")
def test_a_client_begins_ice_anew() -> None:
    gateway = talking()
    gateway.client_says(info(ice(candidate(6000), ufrag="new", complete=True)), DEVICE)
    assert gateway.methods[-1] == "INVITE"
    offer = described(gateway.sent[-1][0].body).media[0]
    assert (offer.value("ice-ufrag"), offer.port) == ("new", 6000)
    assert offer.value("fingerprint") == f"sha-256 {PRINT}"
    gateway.phone_answers(200, phone(version=2, ufrag="ph2"))
    told = gateway.actions[-1]
    transport = told.contents[0].transport
    assert told.action is Action.TRANSPORT_INFO
    assert isinstance(transport, IceUdp)
    assert (transport.ufrag, transport.candidates[0].generation) == ("ph2", 1)


@pytest.mark.spec("MED-32")
def test_a_phone_begins_ice_anew() -> None:
    gateway, invite, sid = called(LISTENS)
    accepting(gateway, sid, ice(candidate(5000), complete=True))
    gateway.phone_acknowledges(invite)
    gateway.phone_says(body=phone("actpass", version=2, ufrag="ph2"), number=2)
    told = gateway.actions[-1].contents[0].transport
    assert isinstance(told, IceUdp)
    assert told.ufrag == "ph2"
    assert gateway.statuses == [200]
    new = IceUdp("new", "p", (candidate(6000),), complete=True)
    gateway.client_says(Jingle(Action.TRANSPORT_INFO, sid, (Content("0", transport=new),)), DEVICE)
    assert gateway.statuses == [200, 200]
    answer = described(gateway.responses[-1].body).media[0]
    assert (answer.value("ice-ufrag"), answer.port) == ("new", 6000)
    assert gateway.plane.asked == []


def test_a_client_that_does_not_follow_leaves_ice_as_it_was() -> None:
    gateway, invite, sid = called(LISTENS)
    accepting(gateway, sid, ice(candidate(5000), complete=True))
    gateway.phone_acknowledges(invite)
    gateway.phone_says(body=phone("actpass", version=2, ufrag="ph2"), number=2)
    later(gateway, 20.0)
    assert gateway.statuses == [200, 488]
    assert gateway.calls.describe()["calls"] == 1


@pytest.mark.spec("MED-23")
@pytest.mark.parametrize("able", [True, False])
def test_another_device_is_another_end(able: bool) -> None:
    """A phone is asked anew: what it knows leads to the old one; a plane helps who needs one."""
    gateway = talking()
    gateway.client_says(Initiation(Step.PROPOSE, "s2", (Rtp("audio"),)))
    new = ice(candidate(7000), ufrag="moved", complete=True) if able else IceUdp()
    begin = Jingle(Action.SESSION_INITIATE, "s2", (content(new),), initiator=CLIENT)
    gateway.client_says(begin, DEVICE)
    assert gateway.methods[-1] == "INVITE"
    ufrag = described(gateway.sent[-1][0].body).media[0].value("ice-ufrag")
    assert ufrag == ("moved" if able else None)
    assert bool(gateway.plane.asked) is not able
