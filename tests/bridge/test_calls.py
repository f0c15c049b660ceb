"""Calls between a scripted phone and a scripted client, over a plane that only passes on."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import pytest

from dragoman.bridge.abilities import PATIENCE
from dragoman.bridge.call import Rules
from dragoman.bridge.calls import Calls
from dragoman.bridge.infos import MOST_CANDIDATES
from dragoman.media.plane import (
    DTLS,
    JINGLE,
    PLAIN,
    SDES,
    WEBRTC,
    Counters,
    Lost,
    MediaError,
    Profile,
    Side,
    Told,
    Transcoded,
    Transcoding,
    Trouble,
)
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import Address, Direction, SessionDescription
from dragoman.sip.endpoint import Flow, ServerTransaction
from dragoman.sip.flow import AckArrived, CancelArrived, RequestArrived
from dragoman.sip.locate import Transport
from dragoman.sip.message import Header, Request, Response, build_request, response_to
from dragoman.sip.route import RouteSet
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import jingle_dtls, jmi
from dragoman.xmpp.ext.disco import Identity, Info
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import JINGLE as JINGLE_ELEMENT
from dragoman.xmpp.ext.jingle import Action, Content, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_errors import unknown_session
from dragoman.xmpp.ext.jingle_features import CALLS
from dragoman.xmpp.ext.jingle_ice import Candidate as JingleCandidate
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import PayloadType, Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.ext.raw_udp import RawCandidate, RawUdp
from dragoman.xmpp.ext.senders import Creator, Senders
from dragoman.xmpp.stanza import IQ, reply
from tests.bridge.test_message import service

if TYPE_CHECKING:
    from dragoman.sip.session import SessionHandle

FLOW = Flow(Transport.UDP, ("192.0.2.1", 5060), ("192.0.2.2", 5060))
CLIENT = "romeo@xmpp.example/orchard"
ROMEO, JULIET = "romeo@xmpp.example", "juliet@sip.example"
OPUS, PCMU = PayloadType(111, "opus", 48000, 2), PayloadType(0, "PCMU", 8000)
SDP = (
    "v=0\r\no=- 1 {version} IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={way}\r\n"
)


def sdp(way: str = "sendrecv", version: int = 1, more: str = "") -> bytes:
    return (SDP.format(way=way, version=version) + more).encode()


class Plane:
    """Passes on what each leg says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.transcoding = Transcoding.NEVER
        self.asked: list[tuple[str, Side]] = []
        self.said: list[SessionDescription] = []
        self.profiles: list[Profile] = []
        self.trouble: MediaError | None = None
        self.pressed: list[tuple[Side, str, int]] = []
        self.learnt: list[Candidate] = []
        self.closed: list[str] = []
        self.offered = SessionDescription()
        self.refreshed: list[Side] = []
        self.calls: list[str] = []

    def offer(
        self,
        call: str,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        told: Told,
        successor: Side | None = None,
    ) -> None:
        self.calls.append(call)
        self.asked.append(("offer" if successor is None else "succeed", side))
        self.profiles.append(toward)
        self.said.append(offer)
        self.offered = offer
        told(self.trouble or _ported(offer))

    def answer(self, call: str, side: Side, answer: SessionDescription, told: Told) -> None:
        self.asked.append(("answer", side))
        self.said.append(answer)
        pairs = zip(answer.media, self.offered.media, strict=True)
        media = tuple(one if other.port else one.refused() for one, other in pairs)
        told(self.trouble or _ported(replace(answer, media=media)))

    def revert(self, call: str) -> None:
        self.asked.append(("revert", Side.SIP))

    def candidates(
        self, call: str, side: Side, mid: str, ufrag: str, candidates: Sequence[Candidate]
    ) -> None:
        self.learnt += candidates

    def digits(self, call: str, toward: Side, digits: str, milliseconds: int) -> None:
        self.pressed.append((toward, digits, milliseconds))

    def refresh(self, call: str, toward: Side) -> None:
        self.refreshed.append(toward)

    def counters(self, call: str, told: Callable[[dict[Side, Counters]], None]) -> None:
        told({})

    def close(self, call: str) -> None:
        self.closed.append(call)


def _ported(description: SessionDescription) -> SessionDescription:
    media = [replace(each, port=each.port and 30000) for each in description.media]
    return replace(description, media=tuple(media))


@dataclass(eq=False)
class Transaction:
    """What stands for the transaction of a request."""

    request: Request


class Gateway:
    """The calls of a gateway, with both its sides in hand."""

    def __init__(self, secure: bool = False, rules: Rules | None = None) -> None:
        self.features: frozenset[str] | None = CALLS
        self.sent: list[tuple[Request, Hashable]] = []
        self.responses: list[Response] = []
        self.stanzas: list[Element] = []
        self.questions: list[Element] = []
        self.cancelled: list[str] = []
        self.secure = secure
        self.contact = f"<sip:{JULIET}>"
        self.reaches: Callable[[str], bool | None] = lambda _: True
        self.serves: Callable[[str], bool | None] = lambda host: host == "xmpp.example"
        self.now = 0.0
        tokens = iter(range(10**6))
        messages, _ = service()
        self.plane = Plane()
        self.calls = Calls(
            self,
            self,
            messages._naming,
            self.plane,
            messages.ends,
            lambda: f"{next(tokens):024x}",
            lambda low, _: low,
            lambda: self.now,
            lambda: None,
            rules=rules,
            reaches=lambda host: self.reaches(host),
            serves=lambda host: self.serves(host),
        )

    # -- what `SessionLine` and `XmppPort` want

    def find(self, uri: Uri, told: Callable[[bool], None]) -> None:
        told(self.secure)

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        self.sent.append((request, handle))

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        self.responses.append(response)

    def acknowledge(self, ack: Request, handle: Hashable, route: RouteSet) -> None:
        self.sent.append((ack, handle))

    def cancel(self, handle: Hashable, reason: str = "") -> None:
        self.cancelled.append(reason)

    def send(self, stanza: Element, local: str, remote: str) -> None:
        if stanza.get("type") == "get":
            self.questions.append(stanza)
        else:
            self.stanzas.append(stanza)

    # -- the phone

    def phone_says(
        self,
        method: str = "INVITE",
        body: bytes = b"",
        number: int = 1,
        headers: Sequence[Header] = (),
        kind: str = "application/sdp",
        device: str = "",
    ) -> Transaction:
        tag = self.responses[-1].to.tag if self.responses and number > 1 else None
        said = [
            ("Via", f"SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{method}{number}"),
            ("From", f"<sip:{JULIET}>;tag=1"),
            ("To", f"<sip:{ROMEO}>" + (f";tag={tag}" if tag else "")),
            ("Call-ID", "call-1"),
            ("CSeq", f"{number} {method}"),
            ("Contact", self.contact),
            ("Max-Forwards", "70"),
            *headers,
            *([("Content-Type", kind)] if body else []),
        ]
        target = f"sip:{ROMEO};gr={device}" if device else f"sip:{ROMEO}"
        request = build_request(method, target, said, body)
        arrived = Transaction(request)
        event = RequestArrived(request, FLOW, cast("ServerTransaction", arrived))
        self.calls.on_request(event, Uri.parse(f"sip:{JULIET}"), self.now)
        self.device_says()
        return arrived

    def phone_acknowledges(self, invite: Transaction, body: bytes = b"") -> None:
        headers = [(n, v) for n, v in invite.request.headers if n not in {"CSeq", "Content-Type"}]
        number = invite.request.cseq.number
        kind = [("Content-Type", "application/sdp")] if body else []
        ack = build_request(
            "ACK", f"sip:{ROMEO}", [*headers, ("CSeq", f"{number} ACK"), *kind], body
        )
        self.calls.on_ack(AckArrived(ack, FLOW, cast("ServerTransaction", invite)), self.now)
        self.device_says()

    def phone_answers(
        self, status: int, body: bytes = b"", request: int = -1, headers: Sequence[Header] = ()
    ) -> None:
        asked, handle = self.sent[request]
        headers = [("Contact", self.contact), *headers]
        headers += [("Content-Type", "application/sdp")] if body else []
        response = response_to(asked, status, "", headers, body, "tag2")
        self.calls.on_response(cast("SessionHandle", handle), response, self.now)

    def phone_asks(self, body: bytes, number: int) -> None:
        """Have the phone that was called offer something else, and acknowledge the answer."""
        invite = next(request for request, _ in self.sent if request.method == "INVITE")
        said = [
            ("Via", f"SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKagain{number}"),
            ("From", f"{invite.get('To')};tag=tag2"),
            ("To", invite.get("From") or ""),
            ("Call-ID", invite.get("Call-ID") or ""),
            ("Contact", f"<sip:{JULIET}>"),
            ("Max-Forwards", "70"),
        ]
        for method in ("INVITE", "ACK"):
            headers = [*said, ("CSeq", f"{number} {method}")]
            headers += [("Content-Type", "application/sdp")] if method == "INVITE" else []
            request = build_request(
                method, f"sip:{ROMEO}", headers, body if method == "INVITE" else b""
            )
            if method == "INVITE":
                arrived = cast("ServerTransaction", Transaction(request))
                event = RequestArrived(request, FLOW, arrived)
                self.calls.on_request(event, Uri.parse(f"sip:{JULIET}"), self.now)
            else:
                self.calls.on_ack(AckArrived(request, FLOW, arrived), self.now)

    @property
    def statuses(self) -> list[int]:
        return [each.status for each in self.responses]

    @property
    def methods(self) -> list[str]:
        return [request.method for request, _ in self.sent]

    # -- the client

    def client_says(
        self, said: Jingle | Initiation, to: str = JULIET, device: str = CLIENT
    ) -> None:
        if isinstance(said, Initiation):
            stanza = jmi.carrier(to, device, said, "id1")
        else:
            named = {"type": "set", "to": to, "from": device, "id": "id2"}
            stanza = Element(IQ, named, [said.element()])
        assert self.calls.on_stanza(stanza, self.now)
        self.device_says()

    def device_says(self) -> None:
        """Have the device answer whether it can do what it is asked about; None: it does not."""
        while self.features is not None and self.questions:
            asked = self.questions.pop(0)
            info = Info((Identity("client", "pc"),), self.features)
            assert self.calls.on_stanza(reply(asked, (info.query(),)), self.now)

    @property
    def steps(self) -> list[str]:
        found = (jmi.initiation(each) for each in self.stanzas)
        return [each.step.value for each in found if each is not None]

    @property
    def actions(self) -> list[Jingle]:
        found = (each.find(JINGLE_ELEMENT) for each in self.stanzas if each.name == IQ)
        return [Jingle.parse(each) for each in found if each is not None]

    def sid(self) -> str:
        found = [jmi.initiation(each) for each in self.stanzas]
        return next(each.id for each in found if each is not None)


def audio(*codecs: PayloadType, senders: Senders = Senders.BOTH) -> Content:
    return Content(
        "0", senders=senders, description=Rtp("audio", codecs), transport=IceUdp("u", "p")
    )


def talking_to_client() -> tuple[Gateway, Transaction]:
    """A phone has called a client, and they talk."""
    gateway = Gateway()
    invite = gateway.phone_says(body=sdp())
    sid = gateway.sid()
    gateway.client_says(Initiation(Step.RINGING, sid), f"{JULIET}/phone")
    gateway.client_says(Initiation(Step.PROCEED, sid), f"{JULIET}/phone")
    accept = Jingle(Action.SESSION_ACCEPT, sid, (audio(PCMU),), responder=CLIENT)
    gateway.client_says(accept, f"{JULIET}/phone")
    gateway.phone_acknowledges(invite)
    return gateway, invite


def talking_to_phone(gateway: Gateway | None = None) -> Gateway:
    """A client has called a phone, and they talk."""
    gateway = gateway or Gateway()
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    gateway.phone_answers(180)
    gateway.phone_answers(200, sdp())
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(OPUS, PCMU),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    return gateway


@pytest.mark.spec("MED-02")
def test_a_phone_calls_a_client() -> None:
    gateway, _ = talking_to_client()
    assert gateway.steps == ["propose"]
    (begun,) = gateway.actions
    assert (begun.action, begun.sid) == (Action.SESSION_INITIATE, gateway.sid())
    assert isinstance(begun.contents[0].description, Rtp)
    assert begun.contents[0].description.payload_types == (PCMU,)
    assert gateway.statuses == [180, 200]
    assert gateway.plane.asked == [("offer", Side.SIP), ("answer", Side.XMPP)]
    assert gateway.plane.profiles == [JINGLE]
    assert b"m=audio 30000 RTP/AVP 0\r\n" in gateway.responses[-1].body


def test_a_client_without_dtls_is_offered_media_in_the_clear() -> None:
    gateway = Gateway()
    gateway.features = CALLS - {jingle_dtls.NS}
    gateway.phone_says(body=sdp())
    gateway.client_says(Initiation(Step.PROCEED, gateway.sid()), f"{JULIET}/phone")
    assert [each.action for each in gateway.actions] == [Action.SESSION_INITIATE]
    assert gateway.plane.profiles == [replace(PLAIN, more=True)]


def test_a_client_that_does_not_say_what_it_can_do_is_offered_dtls() -> None:
    gateway = Gateway()
    gateway.features = None
    gateway.phone_says(body=sdp())
    gateway.client_says(Initiation(Step.PROCEED, gateway.sid()), f"{JULIET}/phone")
    assert gateway.actions == []
    gateway.now = PATIENCE
    gateway.calls.on_timer(gateway.now)
    assert [each.action for each in gateway.actions] == [Action.SESSION_INITIATE]
    assert gateway.plane.profiles == [JINGLE]


def test_a_phone_that_hangs_up_before_the_device_has_said_it_hears_no_more() -> None:
    gateway = Gateway()
    gateway.features = None
    invite = gateway.phone_says(body=sdp())
    gateway.client_says(Initiation(Step.PROCEED, gateway.sid()), f"{JULIET}/phone")
    cancel = CancelArrived(invite.request, cast("ServerTransaction", invite))
    gateway.calls.on_cancel(cancel, gateway.now)
    gateway.features = CALLS
    gateway.device_says()
    assert gateway.actions == []
    assert gateway.plane.asked == []


def test_a_client_that_holds_before_the_ack_has_come_goes_on_talking() -> None:
    gateway = Gateway()
    invite = gateway.phone_says(body=sdp())
    sid = gateway.sid()
    gateway.client_says(Initiation(Step.PROCEED, sid), f"{JULIET}/phone")
    accept = Jingle(Action.SESSION_ACCEPT, sid, (audio(PCMU),), responder=CLIENT)
    gateway.client_says(accept, f"{JULIET}/phone")
    held = Element("{urn:xmpp:jingle:apps:rtp:info:1}hold")
    gateway.client_says(Jingle(Action.SESSION_INFO, sid, info=held), f"{JULIET}/phone")
    gateway.phone_acknowledges(invite)
    assert gateway.methods == ["INVITE"]
    assert b"a=sendonly" in gateway.sent[0][0].body
    assert gateway.calls.describe()["calls"] == 1


@pytest.mark.spec("MED-01")
@pytest.mark.spec("MED-23")
def test_ringing_is_true() -> None:
    """A client hears ringing when the phone rings, and proceed when it is answered."""
    gateway = Gateway()
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    assert gateway.methods == ["INVITE"]
    assert b"opus/48000/2" in gateway.sent[0][0].body
    assert gateway.steps == []
    gateway.phone_answers(180)
    assert gateway.steps == ["ringing"]
    gateway.phone_answers(183)
    assert gateway.steps == ["ringing"]
    gateway.phone_answers(200, sdp(), 0)
    assert gateway.steps == ["ringing", "proceed"]
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(OPUS, PCMU),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    (accepted,) = gateway.actions
    assert accepted.action is Action.SESSION_ACCEPT
    assert gateway.methods == ["INVITE", "ACK"]


def test_a_phone_that_took_what_the_client_has_not_is_asked_anew() -> None:
    gateway = Gateway()
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    gateway.phone_answers(200, sdp())
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(OPUS),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    assert gateway.methods == ["INVITE", "ACK", "INVITE"]
    opus = (
        sdp(version=2).replace(b"AVP 0", b"AVP 111").replace(b":0 PCMU/8000", b":111 opus/48000/2")
    )
    gateway.phone_answers(200, opus)
    assert [each.action for each in gateway.actions] == [Action.SESSION_ACCEPT]


def initiated(gateway: Gateway, *codecs: PayloadType) -> None:
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(*codecs),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")


def answered_proposal(*codecs: str, can: Transcoding = Transcoding.CAN) -> Gateway:
    """A phone has answered a client's proposal, and takes these codecs, the best first."""
    gateway = Gateway()
    gateway.plane.transcoding = can
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    formats = {"PCMU/8000": "0", "opus/48000/2": "111"}
    taken = " ".join(formats[each] for each in codecs).encode()
    gateway.phone_answers(
        200,
        sdp(more="a=rtpmap:111 opus/48000/2\r\n").replace(b"AVP 0", b"AVP " + taken),
    )
    return gateway


@pytest.mark.spec("MED-43")
def test_a_phone_that_was_offered_all_codecs_of_a_client_is_not_asked_anew() -> None:
    """It had its choice, and took none: what it takes is decoded."""
    gateway = answered_proposal("PCMU/8000")
    initiated(gateway, OPUS)
    assert gateway.methods == ["INVITE", "ACK"]
    assert gateway.plane.asked[-2:] == [("offer", Side.XMPP), ("answer", Side.SIP)]
    assert [each.action for each in gateway.actions] == [Action.SESSION_ACCEPT]


@pytest.mark.spec("MED-43")
@pytest.mark.parametrize("refused", [False, True])
def test_a_phone_that_may_have_another_codec_of_a_client_is_asked_for_that(refused: bool) -> None:
    gateway = answered_proposal("PCMU/8000")
    initiated(gateway, PayloadType(96, "speex", 16000), OPUS)
    assert gateway.methods == ["INVITE", "ACK", "INVITE"]
    assert gateway.plane.profiles[-1] == replace(PLAIN, more=True)
    gateway.phone_answers(*((488,) if refused else (200, sdp(version=2))))
    assert gateway.plane.asked[-1] == ("answer", Side.SIP)
    assert [each.action for each in gateway.actions] == [Action.SESSION_ACCEPT]


@pytest.mark.spec("MED-43")
@pytest.mark.parametrize("can", Transcoding)
@pytest.mark.parametrize("refused", [False, True])
def test_a_phone_that_likes_best_what_a_client_has_not_is_asked_for_what_both_have(
    refused: bool, can: Transcoding
) -> None:
    gateway = answered_proposal("PCMU/8000", "opus/48000/2", can=can)
    initiated(gateway, OPUS)
    assert gateway.methods == ["INVITE", "ACK", "INVITE"]
    assert gateway.plane.profiles[-1] == PLAIN
    gateway.phone_answers(*((488,) if refused else (200, sdp(version=2))))
    assert [each.action for each in gateway.actions] == [Action.SESSION_ACCEPT]


def test_a_phone_without_a_codec_of_a_client_ends_the_call_where_nothing_is_decoded() -> None:
    gateway = answered_proposal("PCMU/8000", can=Transcoding.NEVER)
    initiated(gateway, OPUS)
    gateway.phone_answers(488)
    (ended,) = gateway.actions
    assert ended.reason is not None
    assert ended.reason.why is Why.INCOMPATIBLE_PARAMETERS


@pytest.mark.spec("MED-43")
def test_a_phone_that_refuses_what_a_client_has_is_offered_more() -> None:
    gateway = Gateway()
    gateway.plane.transcoding = Transcoding.CAN
    initiated(gateway, OPUS)
    gateway.phone_answers(488)
    gateway.phone_answers(488)
    gateway.phone_answers(488)
    more = [replace(each, more=True) for each in (PLAIN, DTLS, WEBRTC)]
    assert gateway.plane.profiles == [PLAIN, *more]
    gateway.phone_answers(200, sdp())
    assert [each.action for each in gateway.actions] == [Action.SESSION_ACCEPT]
    # the next caller may have other codecs, so that it is asked for these first
    assert list(gateway.calls._taken.values()) == [WEBRTC]


@pytest.mark.spec("MED-43")
def test_what_would_help_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    for lacks, says in ((Transcoding.LACKS, True), (Transcoding.NEVER, False)):
        caplog.clear()
        gateway = Gateway()
        gateway.plane.transcoding = lacks
        initiated(gateway, OPUS)
        for _ in range(4):
            gateway.phone_answers(488)
        assert ("dragoman[transcode]" in logged(caplog)) is says
    caplog.clear()
    gateway = Gateway()
    gateway.plane.transcoding = Transcoding.LACKS
    gateway.phone_says(body=sdp())
    gateway.client_says(Initiation(Step.PROCEED, gateway.sid()), f"{JULIET}/phone")
    why = Reason(Why.INCOMPATIBLE_PARAMETERS)
    end = Jingle(Action.SESSION_TERMINATE, gateway.sid(), reason=why)
    gateway.client_says(end, f"{JULIET}/phone")
    assert "dragoman[transcode]" in logged(caplog)


@pytest.mark.spec("MED-43")
def test_a_call_that_is_transcoded_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    gateway = talking_to_phone()
    gateway.calls.on_media(Transcoded(gateway.plane.calls[-1], Side.SIP, "PCMU", "opus"), 0.0)
    assert "PCMU from sip is made opus" in logged(caplog)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(str(vars(each)) for each in caplog.records)


@pytest.mark.spec("MED-13")
def test_contents_in_another_order_than_proposed_leave_the_phones_streams_in_place() -> None:
    gateway = Gateway()
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"), Rtp("video"))))
    gateway.phone_answers(200, sdp(more="m=video 0 RTP/AVP 96\r\n"))
    vp8 = Rtp("video", (PayloadType(96, "VP8", 90000),))
    webcam = Content("webcam", description=vp8, transport=IceUdp("u", "p"))
    contents = (webcam, audio(OPUS, PCMU))
    begin = Jingle(Action.SESSION_INITIATE, "s1", contents, initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    (accepted,) = gateway.actions
    assert [each.name for each in accepted.contents] == ["0"]
    assert gateway.methods == ["INVITE", "ACK"]


@pytest.mark.spec("MED-35")
def test_a_phone_without_video_leaves_the_clients_bundle_whole() -> None:
    """The client's video is accepted one way, the other, until the phone has some too."""
    gateway = Gateway()
    vp8 = Rtp("video", (PayloadType(96, "VP8", 90000),), mux=True)
    contents = (audio(OPUS, PCMU), Content("1", description=vp8, transport=IceUdp("u", "p")))
    groups = (Group("BUNDLE", ("0", "1")),)
    begin = Jingle(Action.SESSION_INITIATE, "s1", contents, initiator=CLIENT, groups=groups)
    gateway.client_says(begin, f"{JULIET}/phone")
    answer = sdp(more="a=mid:0\r\nm=video 0 RTP/AVP 96\r\n")
    gateway.phone_answers(200, answer.replace(b"m=audio", b"a=group:BUNDLE 0\r\nm=audio"))
    (accepted,) = gateway.actions
    assert [(each.name, each.senders) for each in accepted.contents] == [
        ("0", Senders.BOTH),
        ("1", Senders.RESPONDER),
    ]
    assert accepted.groups == groups
    assert accepted.contents[1].transport == accepted.contents[0].transport


@pytest.mark.spec("MED-01")
def test_a_client_that_proposes_nothing() -> None:
    gateway = Gateway()
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(OPUS, PCMU),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    gateway.phone_answers(180)
    gateway.phone_answers(200, sdp(), 0)
    infos = [each.action for each in gateway.actions]
    assert infos == [Action.SESSION_INFO, Action.SESSION_ACCEPT]
    assert gateway.sent[0][0].target == f"sip:{JULIET}"


EARLY = Rules(early=True)


@pytest.mark.spec("MED-23")
def test_a_client_may_proceed_before_the_phone_rings() -> None:
    gateway = Gateway(rules=EARLY)
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    assert (gateway.steps, gateway.methods) == (["proceed"], [])
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(PCMU),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    assert gateway.methods == ["INVITE"]
    assert b"opus" not in gateway.sent[0][0].body
    gateway.phone_answers(180)
    gateway.phone_answers(200, sdp(), 0)
    assert gateway.methods == ["INVITE", "ACK"]
    actions = [(each.action, each.sid) for each in gateway.actions]
    assert actions == [(Action.SESSION_INFO, "s1"), (Action.SESSION_ACCEPT, "s1")]


def test_a_client_that_proceeded_early_and_says_no_more_has_no_call() -> None:
    gateway = Gateway(rules=EARLY)
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    gateway.client_says(Initiation(Step.RETRACT, "s1"), f"{JULIET}/phone")
    gateway.client_says(Initiation(Step.PROPOSE, "s2", (Rtp("audio"),)))
    gateway.now = 33.0
    gateway.calls.on_timer(gateway.now)
    assert gateway.steps == ["proceed", "proceed", "reject"]
    assert not len(gateway.calls.jingles)
    assert gateway.methods == []


def test_what_is_neither_sound_nor_picture_nor_text_is_refused_at_once() -> None:
    gateway = Gateway(rules=EARLY)
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("application"),)))
    assert gateway.steps == ["reject"]


@pytest.mark.parametrize(("secure", "expected"), [(False, [PLAIN, DTLS]), (True, [SDES, PLAIN])])
def test_a_phone_that_refuses_how_media_are_carried_is_asked_again(
    secure: bool, expected: list[Profile]
) -> None:
    gateway = Gateway(secure)
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    gateway.phone_answers(488)
    assert gateway.plane.profiles == expected
    gateway.phone_answers(200, sdp())
    assert gateway.steps == ["proceed"]


@pytest.mark.spec("MED-17")
@pytest.mark.parametrize(("status", "why"), [(486, Why.BUSY), (603, Why.DECLINE), (404, Why.GONE)])
def test_a_phone_that_refuses(status: int, why: Why) -> None:
    gateway = Gateway()
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    gateway.phone_answers(status)
    last = jmi.initiation(gateway.stanzas[-1])
    assert last is not None
    assert last.reason is not None
    assert (last.step, last.reason.why) == (Step.REJECT, why)
    assert gateway.calls.describe()["calls"] == 0
    assert gateway.plane.closed


@pytest.mark.spec("MED-17")
@pytest.mark.parametrize(("why", "status"), [(Why.BUSY, 486), (Why.DECLINE, 603)])
def test_a_client_that_refuses(why: Why, status: int) -> None:
    gateway = Gateway()
    gateway.phone_says(body=sdp())
    reject = Initiation(Step.REJECT, gateway.sid(), reason=Reason(why))
    gateway.client_says(reject, f"{JULIET}/phone")
    assert gateway.statuses == [status]


@pytest.mark.spec("MED-17")
def test_a_client_that_refuses_without_a_reason() -> None:
    gateway = Gateway()
    gateway.phone_says(body=sdp())
    gateway.client_says(Initiation(Step.REJECT, gateway.sid()), f"{JULIET}/phone")
    assert gateway.statuses == [603]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            Content("0", description=Rtp("audio", (PCMU,)), transport=Element("{urn:x}transport")),
            Why.UNSUPPORTED_TRANSPORTS,
        ),
        (
            Content("0", description=Element("{urn:x}description"), transport=IceUdp("u", "p")),
            Why.UNSUPPORTED_APPLICATIONS,
        ),
    ],
)
def test_what_nobody_can_carry_is_refused_by_what_it_lacks(content: Content, why: Why) -> None:
    """XEP-0166 §6.3.2."""
    gateway = Gateway()
    begin = Jingle(Action.SESSION_INITIATE, "s1", (content,), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    (ended,) = gateway.actions
    assert ended.reason is not None
    assert (ended.action, ended.reason.why) == (Action.SESSION_TERMINATE, why)
    assert gateway.methods == []


def test_a_client_that_is_not_there_any_more_is_no_good_end() -> None:
    gateway, _ = talking_to_client()
    gateway.phone_says(body=sdp("sendonly", 2), number=2)
    hold = next(each for each in reversed(gateway.stanzas) if each.name == IQ)
    back = {"type": "error", "from": CLIENT, "to": f"{JULIET}/phone", "id": hold.get("id", "")}
    assert gateway.calls.on_stanza(Element(IQ, back, [unknown_session().element()]), 0.0)
    assert gateway.methods[-1] == "BYE"
    assert (gateway.sent[-1][0].get("Reason") or "").startswith("Q.850;cause=31")


PICTURE = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"


def proceeded(more: str = PICTURE) -> Gateway:
    """A phone calls a client, which has proceeded and was told what the phone offers."""
    gateway = Gateway()
    gateway.phone_says(body=sdp(more=more))
    gateway.client_says(Initiation(Step.PROCEED, gateway.sid()), f"{JULIET}/phone")
    return gateway


def kinds(said: Jingle) -> list[str]:
    return [each.description.media for each in said.contents if isinstance(each.description, Rtp)]


@pytest.mark.spec("MED-35")
@pytest.mark.parametrize("why", [Why.DECLINE, Why.FAILED_APPLICATION])
def test_a_client_that_has_no_use_for_the_picture_is_called_again_without_it(why: Why) -> None:
    gateway = proceeded()
    end = Jingle(Action.SESSION_TERMINATE, gateway.sid(), reason=Reason(why))
    gateway.client_says(end, f"{JULIET}/phone")
    first, again = (each for each in gateway.actions if each.contents)
    assert (kinds(first), kinds(again)) == (["audio", "video"], ["audio"])
    assert gateway.statuses == []
    accept = Jingle(Action.SESSION_ACCEPT, again.sid, (audio(PCMU),), responder=CLIENT)
    gateway.client_says(accept, f"{JULIET}/phone")
    assert gateway.statuses == [200]
    assert b"m=video 0 " in gateway.responses[-1].body


@pytest.mark.parametrize(
    ("more", "why", "status"),
    [(PICTURE, Why.BUSY, 486), (PICTURE, Why.CANCEL, 480), ("", Why.DECLINE, 603)],
)
def test_a_client_that_ends_a_call_otherwise_is_not_called_again(
    more: str, why: Why, status: int
) -> None:
    gateway = proceeded(more)
    end = Jingle(Action.SESSION_TERMINATE, gateway.sid(), reason=Reason(why))
    gateway.client_says(end, f"{JULIET}/phone")
    assert gateway.statuses == [status]


def test_a_client_that_rejects_a_proposal_of_pictures_is_not_called() -> None:
    gateway = Gateway()
    gateway.phone_says(body=sdp(more=PICTURE))
    reject = Initiation(Step.REJECT, gateway.sid(), reason=Reason(Why.DECLINE))
    gateway.client_says(reject, f"{JULIET}/phone")
    assert (gateway.statuses, gateway.actions) == ([603], [])


def test_a_client_is_called_again_once() -> None:
    gateway = proceeded()
    for _ in range(2):
        last = [each for each in gateway.actions if each.contents][-1]
        end = Jingle(Action.SESSION_TERMINATE, last.sid, reason=Reason(Why.FAILED_APPLICATION))
        gateway.client_says(end, f"{JULIET}/phone")
    assert gateway.statuses == [488]


def test_who_declines_a_call_that_was_not_proposed_is_not_called_again() -> None:
    """It rings by session-initiate: its user declines."""
    gateway = Gateway()
    gateway.phone_says(body=sdp(more=PICTURE), device="orchard")
    (begun,) = gateway.actions
    end = Jingle(Action.SESSION_TERMINATE, begun.sid, reason=Reason(Why.DECLINE))
    gateway.client_says(end, f"{JULIET}/phone")
    assert gateway.statuses == [603]


@pytest.mark.spec("MED-18")
def test_a_caller_who_gives_up_before_the_answer() -> None:
    gateway = Gateway()
    invite = gateway.phone_says(body=sdp())
    cancel = build_request("CANCEL", f"sip:{ROMEO}", invite.request.headers)
    gateway.calls.on_cancel(CancelArrived(cancel, cast("ServerTransaction", invite)), 0.0)
    assert gateway.statuses == [487]
    assert gateway.steps == ["propose", "retract"]

    other = Gateway()
    other.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    other.phone_answers(180)
    other.client_says(Initiation(Step.RETRACT, "s1", reason=Reason(Why.CANCEL)))
    assert other.cancelled == ["Q.850;cause=16"]


@pytest.mark.spec("MED-17")
def test_who_hangs_up() -> None:
    gateway, _ = talking_to_client()
    gateway.phone_says("BYE", number=2, headers=[("Reason", "Q.850;cause=41")])
    ended = next(each for each in gateway.actions if each.action is Action.SESSION_TERMINATE)
    assert ended.reason is not None
    assert ended.reason.why is Why.CONNECTIVITY_ERROR
    assert gateway.calls.describe()["calls"] == 0

    other = talking_to_phone()
    end = Jingle(Action.SESSION_TERMINATE, "s1", reason=Reason(Why.BUSY))
    other.client_says(end, f"{JULIET}/phone")
    assert other.methods[-1] == "BYE"
    assert other.sent[-1][0].get("Reason") == "Q.850;cause=17"


@pytest.mark.spec("MED-15")
def test_a_phone_holds() -> None:
    gateway, _ = talking_to_client()
    again = gateway.phone_says(body=sdp("sendonly", 2), number=2)
    (info,) = [each for each in gateway.actions if each.action is Action.SESSION_INFO]
    assert info.info is not None
    assert info.info.local_name == "hold"
    assert gateway.statuses[-1] == 200
    gateway.phone_acknowledges(again)
    gateway.phone_says(body=sdp("sendrecv", 3), number=3)
    infos = [each.info for each in gateway.actions if each.action is Action.SESSION_INFO]
    assert [each.local_name for each in infos if each is not None] == ["hold", "unhold"]


@pytest.mark.spec("MED-15")
def test_a_phone_resumes_by_its_answer_to_an_offer_it_asked_for() -> None:
    gateway, _ = talking_to_client()
    gateway.phone_acknowledges(gateway.phone_says(body=sdp("sendonly", 2), number=2))
    again = gateway.phone_says(number=3)
    assert gateway.statuses[-1] == 200
    gateway.phone_acknowledges(again, sdp("sendrecv", 3))
    infos = [each.info for each in gateway.actions if each.action is Action.SESSION_INFO]
    assert [each.local_name for each in infos if each is not None] == ["hold", "unhold"]


@pytest.mark.spec("MED-13")
@pytest.mark.spec("MED-15")
def test_a_phone_that_stops_to_see_and_goes_on_to_hear_holds_nobody() -> None:
    gateway = Gateway()
    video = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    invite = gateway.phone_says(body=sdp(more=video))
    sid = gateway.sid()
    gateway.client_says(Initiation(Step.PROCEED, sid), f"{JULIET}/phone")
    vp8 = Rtp("video", (PayloadType(96, "VP8", 90000),))
    both = (audio(PCMU), Content("1", description=vp8, transport=IceUdp("u", "p")))
    accept = Jingle(Action.SESSION_ACCEPT, sid, both, responder=CLIENT)
    gateway.client_says(accept, f"{JULIET}/phone")
    gateway.phone_acknowledges(invite)
    gateway.phone_says(body=sdp(version=2, more=f"{video}a=sendonly\r\n"), number=2)
    modified = gateway.actions[-1]
    assert modified.action is Action.CONTENT_MODIFY
    assert [(each.name, each.senders) for each in modified.contents] == [("1", Senders.INITIATOR)]
    assert not [each for each in gateway.actions if each.action is Action.SESSION_INFO]
    assert gateway.statuses[-1] == 200


@pytest.mark.spec("MED-13")
@pytest.mark.spec("MED-35")
def test_a_phone_that_refuses_pictures_may_take_them_up() -> None:
    """The client, whose sound and pictures go one way, hears of all that it offered."""
    gateway = Gateway()
    offered = (OPUS, PCMU)
    vp8 = Rtp("video", (PayloadType(96, "VP8", 90000),))
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"), Rtp("video"))))
    gateway.phone_answers(200, sdp(more="m=video 0 RTP/AVP 96\r\n"))
    both = (audio(*offered), Content("1", description=vp8, transport=IceUdp("u", "p")))
    groups = (Group("BUNDLE", ("0", "1")),)
    begin = Jingle(Action.SESSION_INITIATE, "s1", both, groups=groups, initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    accepted = gateway.actions[-1]
    assert accepted.action is Action.SESSION_ACCEPT
    told = [(each.name, each.senders) for each in accepted.contents]
    assert told == [("0", Senders.BOTH), ("1", Senders.RESPONDER)]
    held = Element("{urn:xmpp:jingle:apps:rtp:info:1}hold")
    gateway.client_says(Jingle(Action.SESSION_INFO, "s1", info=held), f"{JULIET}/phone")
    anew = gateway.plane.offered
    ways = [anew.direction_of(each) for each in anew.media]
    assert ways == [Direction.SENDONLY, Direction.INACTIVE]
    gateway.phone_answers(200, sdp("recvonly", 2, "m=video 0 RTP/AVP 96\r\n"))

    taken = "m=video {} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    gateway.phone_asks(sdp(version=2, more=taken.format(0)), 1)
    assert gateway.actions[-1] == accepted
    gateway.phone_asks(sdp(version=3, more=taken.format(4002)), 2)
    assert gateway.statuses == [200, 200]
    modified = gateway.actions[-1]
    assert modified.action is Action.CONTENT_MODIFY
    assert [(each.name, each.senders) for each in modified.contents] == [("1", Senders.BOTH)]
    gateway.phone_asks(sdp(version=4, more=taken.format(0)), 3)
    assert gateway.actions[-1].action is Action.CONTENT_REMOVE


@pytest.mark.spec("MED-15")
def test_a_client_holds() -> None:
    gateway = talking_to_phone()
    held = Element("{urn:xmpp:jingle:apps:rtp:info:1}hold")
    gateway.client_says(Jingle(Action.SESSION_INFO, "s1", info=held), f"{JULIET}/phone")
    assert gateway.methods[-1] == "INVITE"
    assert b"a=sendonly" in gateway.sent[-1][0].body


@pytest.mark.spec("MED-23")
def test_a_client_moves_to_another_device() -> None:
    gateway = talking_to_phone()
    gateway.client_says(Initiation(Step.PROPOSE, "s2", (Rtp("audio"),)))
    begin = Jingle(Action.SESSION_INITIATE, "s2", (audio(OPUS, PCMU),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    accepted = [each.sid for each in gateway.actions if each.action is Action.SESSION_ACCEPT]
    assert accepted == ["s1", "s2"]
    assert gateway.methods == ["INVITE", "ACK"]
    assert gateway.calls.describe()["calls"] == 1


@pytest.mark.spec("MED-23")
@pytest.mark.parametrize(
    ("status", "body"),
    [(200, sdp(version=2, more="m=video 0 RTP/AVP 96\r\n")), (488, b"")],
    ids=["taken", "refused"],
)
def test_a_client_moves_to_a_device_with_fewer_media(status: int, body: bytes) -> None:
    """The phone is told; the call goes on by what is left, whatever it says to that."""
    gateway = Gateway()
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"), Rtp("video"))))
    gateway.phone_answers(200, sdp(more="m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"))
    vp8 = Rtp("video", (PayloadType(96, "VP8", 90000),))
    contents = (audio(OPUS, PCMU), Content("1", description=vp8, transport=IceUdp("u", "p")))
    begin = Jingle(Action.SESSION_INITIATE, "s1", contents, initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    gateway.client_says(Initiation(Step.PROPOSE, "s2", (Rtp("audio"),)))
    begin = Jingle(Action.SESSION_INITIATE, "s2", (audio(OPUS, PCMU),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    assert gateway.methods == ["INVITE", "ACK", "INVITE"]
    assert b"m=video 0 " in gateway.sent[-1][0].body
    gateway.phone_answers(status, body)
    accepted = [each for each in gateway.actions if each.action is Action.SESSION_ACCEPT]
    assert [each.sid for each in accepted] == ["s1", "s2"]
    assert [each.name for each in accepted[-1].contents] == ["0"]
    assert gateway.calls.describe()["calls"] == 1


def test_what_the_plane_cannot_have_is_no_change() -> None:
    gateway = talking_to_phone()
    gateway.plane.trouble = MediaError(Trouble.FULL, "no port")
    held = Element("{urn:xmpp:jingle:apps:rtp:info:1}hold")
    gateway.client_says(Jingle(Action.SESSION_INFO, "s1", info=held), f"{JULIET}/phone")
    assert gateway.methods == ["INVITE", "ACK"]
    assert gateway.plane.asked[-1] == ("revert", Side.SIP)
    assert gateway.calls.describe()["calls"] == 1


@pytest.mark.spec("MED-14")
def test_a_change_that_is_refused_leaves_all_as_it_was() -> None:
    gateway, _ = talking_to_client()
    gateway.plane.trouble = MediaError(Trouble.UNACCEPTABLE, "no")
    gateway.phone_says(body=sdp(version=2), number=2)
    assert gateway.statuses[-1] == 488
    assert gateway.plane.asked[-1] == ("revert", Side.SIP)
    assert gateway.calls.describe()["calls"] == 1


@pytest.mark.spec("MED-14")
def test_a_phone_is_not_to_offer_before_the_client_has_said_what_it_takes() -> None:
    gateway = Gateway()
    invite = gateway.phone_says()
    sid = gateway.sid()
    gateway.client_says(Initiation(Step.PROCEED, sid), f"{JULIET}/phone")
    gateway.phone_acknowledges(invite, sdp())
    said, asked = list(gateway.actions), list(gateway.plane.asked)
    gateway.phone_says(body=sdp("sendonly", 2), number=2)
    assert gateway.statuses[-1] == 491
    assert (gateway.actions, gateway.plane.asked) == (said, asked)
    accept = Jingle(Action.SESSION_ACCEPT, sid, (audio(PCMU),), responder=CLIENT)
    gateway.client_says(accept, f"{JULIET}/phone")
    gateway.phone_says(body=sdp("sendonly", 2), number=3)
    assert gateway.statuses[-1] == 200


@pytest.mark.spec("MED-37")
def test_an_invite_without_an_offer() -> None:
    gateway = Gateway()
    invite = gateway.phone_says()
    sid = gateway.sid()
    gateway.client_says(Initiation(Step.PROCEED, sid), f"{JULIET}/phone")
    assert gateway.statuses == [200]
    assert b"opus/48000/2" in gateway.responses[-1].body
    gateway.phone_acknowledges(invite, sdp())
    assert [each.action for each in gateway.actions] == [Action.SESSION_INITIATE]


@pytest.mark.spec("MED-33")
def test_a_call_without_media_ends_on_both_sides() -> None:
    gateway, _ = talking_to_client()
    call = gateway.plane.calls[0]
    gateway.calls.on_media(Lost(call, Side.XMPP, Trouble.CONNECTIVITY, "ICE failed"), 30.0)
    assert gateway.methods == ["BYE"]
    ended = next(each for each in gateway.actions if each.action is Action.SESSION_TERMINATE)
    assert ended.reason is not None
    assert ended.reason.why is Why.CONNECTIVITY_ERROR


def test_no_room_for_media_is_503() -> None:
    gateway = Gateway()
    gateway.phone_says(body=sdp())
    gateway.plane.trouble = MediaError(Trouble.FULL, "no port")
    gateway.client_says(Initiation(Step.PROCEED, gateway.sid()), f"{JULIET}/phone")
    assert gateway.statuses == [503]
    assert gateway.responses[-1].get("Retry-After") == "60"


def test_candidates_reach_the_plane() -> None:
    gateway = talking_to_phone()
    candidate = JingleCandidate("1", 1, "udp", 1, "192.0.2.9", 5000, "host", id="x")
    transport = IceUdp("u", "p", (candidate,))
    info = Jingle(Action.TRANSPORT_INFO, "s1", (Content("0", transport=transport),))
    gateway.client_says(info, f"{JULIET}/phone")
    assert [(each.address, each.port) for each in gateway.plane.learnt] == [("192.0.2.9", 5000)]


@pytest.mark.spec("MED-32")
def test_ice_begins_anew() -> None:
    gateway = talking_to_phone()
    asked = len(gateway.plane.asked)
    info = Jingle(Action.TRANSPORT_INFO, "s1", (Content("0", transport=IceUdp("new", "secret")),))
    gateway.client_says(info, f"{JULIET}/phone")
    assert gateway.plane.asked[asked:] == [("offer", Side.XMPP), ("answer", Side.SIP)]
    answer = gateway.actions[-1]
    assert answer.action is Action.TRANSPORT_INFO
    assert isinstance(answer.contents[0].transport, IceUdp)
    assert gateway.methods == ["INVITE", "ACK"]
    gateway.client_says(info, f"{JULIET}/phone")
    assert len(gateway.plane.asked) == asked + 2


def generations(said: Jingle) -> list[int]:
    found = [each.transport for each in said.contents]
    return [c.generation for each in found if isinstance(each, IceUdp) for c in each.candidates]


@pytest.mark.spec("MED-32")
def test_ice_may_begin_anew_before_the_phone_answers() -> None:
    """XEP-0176 §5.9: our candidates are of the new generation, in whatever we say then."""
    ours = "a=ice-ufrag:u\r\na=ice-pwd:p\r\na=candidate:1 1 udp 1 192.0.2.2 4000 typ host\r\n"
    gateway = Gateway()
    first = replace(audio(PCMU), transport=IceUdp("old", "secret"))
    begin = Jingle(Action.SESSION_INITIATE, "s1", (first,), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    for ufrag in ("new", "newer"):
        anew = (Content("0", transport=IceUdp(ufrag, "secret")),)
        info = Jingle(Action.TRANSPORT_INFO, "s1", anew)
        gateway.client_says(info, f"{JULIET}/phone")
    assert gateway.plane.asked == [("offer", Side.XMPP)] * 3
    assert gateway.actions == []
    gateway.phone_answers(200, sdp(more=ours), 0)
    accepted = gateway.actions[-1]
    assert accepted.action is Action.SESSION_ACCEPT
    assert generations(accepted) == [2]
    newest = Content("0", transport=IceUdp("newest", "secret"))
    gateway.client_says(Jingle(Action.TRANSPORT_INFO, "s1", (newest,)), f"{JULIET}/phone")
    assert generations(gateway.actions[-1]) == [3]
    more = Content("1", Creator.INITIATOR, description=Rtp("audio", (PCMU,)), transport=IceUdp())
    gateway.client_says(Jingle(Action.CONTENT_ADD, "s1", (more,)), f"{JULIET}/phone")
    second = "m=audio 4002 RTP/AVP 0\r\n" + ours
    gateway.phone_answers(200, sdp(version=2, more=ours + second))
    assert gateway.actions[-1].action is Action.CONTENT_ACCEPT
    assert generations(gateway.actions[-1]) == [3]


RAW = RawUdp((RawCandidate(1, "192.0.2.9", 5000), RawCandidate(2, "192.0.2.9", 5001)))


def test_a_client_without_ice_calls_a_phone() -> None:
    """XEP-0177."""
    gateway = Gateway()
    content = Content("0", description=Rtp("audio", (PCMU,)), transport=RAW)
    begin = Jingle(Action.SESSION_INITIATE, "s1", (content,), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    client = gateway.plane.said[-1]
    assert client.connection_of(client.media[0]) == Address.of("192.0.2.9")
    assert (client.media[0].port, client.media[0].protocol) == (5000, "RTP/AVP")
    gateway.phone_answers(200, sdp())
    accepted = gateway.actions[-1]
    assert accepted.action is Action.SESSION_ACCEPT
    assert isinstance(accepted.contents[0].transport, RawUdp)


def replacing(*contents: Content) -> Jingle:
    return Jingle(Action.TRANSPORT_REPLACE, "s1", contents)


@pytest.mark.parametrize("new", [RAW, IceUdp("new", "secret")], ids=["raw UDP", "ICE"])
def test_a_client_takes_another_transport(new: RawUdp | IceUdp) -> None:
    """XEP-0166 §7.2.13, XEP-0176 §6: the phone need not know."""
    gateway = talking_to_phone()
    asked = len(gateway.plane.asked)
    gateway.client_says(replacing(Content("0", transport=new)), f"{JULIET}/phone")
    assert gateway.plane.asked[asked:] == [("offer", Side.XMPP), ("answer", Side.SIP)]
    answer = gateway.actions[-1]
    assert (answer.action, answer.contents[0].name) == (Action.TRANSPORT_ACCEPT, "0")
    assert answer.contents[0].transport is not None
    assert gateway.methods == ["INVITE", "ACK"]


@pytest.mark.parametrize(
    "new", [Element("{urn:x}transport"), RawUdp()], ids=["unknown", "leading nowhere"]
)
def test_a_transport_that_leads_nowhere_is_not_taken(new: Element | RawUdp) -> None:
    gateway = talking_to_phone()
    asked = len(gateway.plane.asked)
    gateway.client_says(replacing(Content("0", transport=new)), f"{JULIET}/phone")
    answer = gateway.actions[-1]
    assert answer.reason is not None
    assert answer.action is Action.TRANSPORT_REJECT
    assert answer.reason.why is Why.UNSUPPORTED_TRANSPORTS
    assert len(gateway.plane.asked) == asked


def test_a_transport_that_the_plane_cannot_have_leaves_the_old_one() -> None:
    gateway = talking_to_phone()
    gateway.plane.trouble = MediaError(Trouble.UNACCEPTABLE, "no")
    gateway.client_says(replacing(Content("0", transport=RAW)), f"{JULIET}/phone")
    assert gateway.actions[-1].action is Action.TRANSPORT_REJECT
    assert gateway.plane.asked[-1] == ("revert", Side.SIP)
    assert gateway.calls.describe()["calls"] == 1


def test_one_stream_of_a_bundle_goes_no_other_way_than_the_rest() -> None:
    gateway = Gateway()
    vp8 = Rtp("video", (PayloadType(96, "VP8", 90000),))
    both = (audio(PCMU), Content("1", description=vp8, transport=IceUdp("u", "p")))
    group = (Group("BUNDLE", ("0", "1")),)
    begin = Jingle(Action.SESSION_INITIATE, "s1", both, initiator=CLIENT, groups=group)
    gateway.client_says(begin, f"{JULIET}/phone")
    gateway.phone_answers(200, sdp(more="m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"))
    gateway.client_says(replacing(Content("0", transport=RAW)), f"{JULIET}/phone")
    refused = gateway.actions[-1]
    assert refused.action is Action.TRANSPORT_REJECT
    new = IceUdp("new", "secret")
    gateway.client_says(
        replacing(Content("0", transport=new), Content("1", transport=new)), f"{JULIET}/phone"
    )
    assert gateway.actions[-1].action is Action.TRANSPORT_ACCEPT


@pytest.mark.spec("MED-28")
def test_digits_of_info_become_events() -> None:
    gateway, _ = talking_to_client()
    body = b"Signal=5\r\nDuration=250\r\n"
    gateway.phone_says("INFO", body, 2, kind="application/dtmf-relay")
    assert gateway.plane.pressed == [(Side.XMPP, "5", 250)]
    assert gateway.statuses[-1] == 200
    gateway.phone_says("INFO", b"x", 3, kind="text/plain")
    assert gateway.statuses[-1] == 415


FRAGMENT = (
    b"a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
    b"a=candidate:1 1 UDP 1 192.0.2.2 5000 typ host\r\n"
)
TRICKLES = ("Info-Package", "trickle-ice")
SDPFRAG = "application/trickle-ice-sdpfrag"


def test_candidates_of_a_phone_reach_the_plane_once() -> None:
    """RFC 8840 §4.4: each INFO has those of all before it."""
    gateway, _ = talking_to_client()
    assert gateway.responses[-1].get("Recv-Info") == "trickle-ice"
    assert "trickle-ice" in (gateway.responses[-1].get("Supported") or "")
    gateway.phone_says("INFO", FRAGMENT, 2, [TRICKLES], SDPFRAG)
    more = FRAGMENT + b"a=candidate:2 1 UDP 1 192.0.2.2 5002 typ host\r\n"
    gateway.phone_says("INFO", more, 3, [TRICKLES], SDPFRAG)
    assert gateway.statuses[-2:] == [200, 200]
    assert [each.port for each in gateway.plane.learnt] == [5000, 5002]


@pytest.mark.parametrize(
    ("package", "body", "kind", "status"),
    [
        ("trickle-ice", b"", SDPFRAG, 415),
        ("trickle-ice", b"v=0", "application/sdp", 415),
        ("trickle-ice", b"a=ice-ufrag:x\r\n", SDPFRAG, 400),
        ("somebody-elses", b"Signal=5\r\n", "application/dtmf-relay", 469),
    ],
)
def test_an_info_that_is_none_of_ours(package: str, body: bytes, kind: str, status: int) -> None:
    """RFC 6086 §4.2.2."""
    gateway, _ = talking_to_client()
    gateway.phone_says("INFO", body, 2, [("Info-Package", package)], kind)
    assert gateway.statuses[-1] == status
    if status == 469:
        assert gateway.responses[-1].get("Recv-Info") == "trickle-ice"
    assert not gateway.plane.learnt
    assert not gateway.plane.pressed


def test_only_so_many_candidates_of_a_phone_are_taken() -> None:
    gateway, _ = talking_to_client()
    for start in (0, 100, 200, 300):
        lines = [b"a=candidate:%d 1 UDP 1 192.0.2.2 9 typ host\r\n" % n for n in range(100)]
        body = FRAGMENT.replace(b"a=ice-ufrag:u", b"a=ice-ufrag:u%d" % start) + b"".join(lines)
        gateway.phone_says("INFO", body, 2 + start, [TRICKLES], SDPFRAG)
    assert len(gateway.plane.learnt) == MOST_CANDIDATES


def test_neither_audio_nor_video_is_488() -> None:
    gateway = Gateway()
    gateway.phone_says(body=sdp().replace(b"m=audio", b"m=image"))
    assert gateway.statuses == [488]


def test_there_are_only_so_many_calls() -> None:
    gateway = Gateway()
    gateway.calls._most = 0
    gateway.phone_says(body=sdp())
    assert gateway.statuses == [503]


def parted(offer: bytes, more: bytes) -> bytes:
    return (
        b"--b\r\nContent-Type: application/sdp\r\n\r\n"
        + offer
        + b"\r\n--b\r\n"
        + more
        + b"\r\n--b--\r\n"
    )


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (b"Content-Type: application/ISUP\r\nContent-Disposition: signal;handling=optional", 180),
        (b"Content-Type: application/ISUP\r\nContent-Disposition: signal", 415),
    ],
)
def test_an_offer_among_other_parts(more: bytes, status: int) -> None:
    """RFC 5621 §3.1."""
    gateway = Gateway()
    gateway.phone_says(body=parted(sdp(), more + b"\r\n\r\nx"), kind="multipart/mixed;boundary=b")
    if status == 180:
        gateway.client_says(Initiation(Step.RINGING, gateway.sid()), f"{JULIET}/phone")
    assert gateway.statuses == [status]
    accept = gateway.responses[-1].get("Accept")
    assert (accept is not None and "application/sdp" in accept) is (status == 415)


UPDATE = (
    b"<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder>"
    b"</vc_primitive></media_control>"
)


@pytest.mark.parametrize(
    ("body", "status", "asked"),
    [
        (UPDATE, 200, [Side.XMPP]),
        (b"<media_control/>", 200, []),
        (b"<!DOCTYPE x><media_control/>", 400, []),
    ],
)
def test_a_phone_asks_for_a_whole_picture(body: bytes, status: int, asked: list[Side]) -> None:
    """RFC 5168."""
    gateway, _ = talking_to_client()
    gateway.phone_says("INFO", body, 2, kind="application/media_control+xml")
    assert gateway.statuses[-1] == status
    assert gateway.plane.refreshed == asked
