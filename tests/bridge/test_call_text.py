"""Text within calls (T.140, RFC 4103, XEP-0517): to a phone always, to a client with care."""

import pytest

from dragoman.bridge.jingled import for_client
from dragoman.sdp.session import SessionDescription
from dragoman.xmpp.ext.jingle import Action, Content, Jingle
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import Parameter, PayloadType, Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step, initiation
from tests.bridge.test_calls import CLIENT, JULIET, OPUS, PCMU, Gateway, audio, sdp

PHONE = f"{JULIET}/phone"
T140 = PayloadType(98, "t140", 1000)
RED = PayloadType(100, "red", 1000, parameters=(Parameter("fmtp", "98/98/98"),))
TEXT = Content("text", description=Rtp("text", (T140, RED)), transport=IceUdp("v", "p"))
LINES = (
    "m=text 4002 RTP/AVP 98 100\r\na=rtpmap:98 t140/1000\r\n"
    "a=rtpmap:100 red/1000\r\na=fmtp:100 98/98/98\r\n"
)
ALONE = sdp().partition(b"m=")[0] + LINES.encode()


def kinds(gateway: Gateway) -> list[str]:
    """Return the media that the client was proposed."""
    found = [initiation(each) for each in gateway.stanzas]
    return [rtp.media for each in found if each is not None for rtp in each.descriptions]


def described(jingle: Jingle) -> list[str]:
    return [c.description.media for c in jingle.contents if isinstance(c.description, Rtp)]


@pytest.mark.spec("MED-40")
@pytest.mark.parametrize("proposed", [True, False])
def test_a_client_calls_a_phone_by_sound_and_text(proposed: bool) -> None:
    gateway = Gateway()
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(OPUS, PCMU), TEXT), initiator=CLIENT)
    if proposed:
        wanted = (Rtp("audio"), Rtp("text"))
        gateway.client_says(Initiation(Step.PROPOSE, "s1", wanted))
    else:
        gateway.client_says(begin, PHONE)
    invite, _ = gateway.sent[0]
    assert b"\r\nm=text " in invite.body
    for line in LINES.encode().splitlines()[1:]:
        assert line in invite.body
    gateway.phone_answers(200, sdp(more=LINES))
    if proposed:
        gateway.client_says(begin, PHONE)
    accepted = gateway.actions[-1]
    assert (accepted.action, described(accepted)) == (Action.SESSION_ACCEPT, ["audio", "text"])
    assert gateway.methods == ["INVITE", "ACK"]


@pytest.mark.spec("MED-40")
def test_a_phone_that_takes_no_text_leaves_the_sound() -> None:
    gateway = Gateway()
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(PCMU), TEXT), initiator=CLIENT)
    gateway.client_says(begin, PHONE)
    gateway.phone_answers(200, sdp(more="m=text 0 RTP/AVP 98\r\n"))
    assert described(gateway.actions[-1]) == ["audio"]


@pytest.mark.spec("MED-40")
def test_a_phone_calls_by_text_alone() -> None:
    gateway = Gateway()
    gateway.phone_says(body=ALONE)
    assert kinds(gateway) == ["text"]
    gateway.client_says(Initiation(Step.PROCEED, gateway.sid()), PHONE)
    (begun,) = gateway.actions
    assert described(begun) == ["text"]
    mine = Content("0", description=Rtp("text", (T140,)), transport=IceUdp("v", "p"))
    accept = Jingle(Action.SESSION_ACCEPT, gateway.sid(), (mine,), responder=CLIENT)
    gateway.client_says(accept, PHONE)
    assert gateway.statuses == [200]
    assert b"m=text 30000 RTP/AVP 98\r\n" in gateway.responses[-1].body


@pytest.mark.spec("MED-40")
def test_a_client_hears_of_no_text_beside_sound_unless_it_has_text() -> None:
    """Conversations ends a call one of whose media it does not know."""
    gateway = Gateway()
    invite = gateway.phone_says(body=sdp(more=LINES))
    assert kinds(gateway) == ["audio"]
    gateway.client_says(Initiation(Step.PROCEED, gateway.sid()), PHONE)
    assert described(gateway.actions[-1]) == ["audio"]
    accept = Jingle(Action.SESSION_ACCEPT, gateway.sid(), (audio(PCMU),), responder=CLIENT)
    gateway.client_says(accept, PHONE)
    assert b"m=text 0 " in gateway.responses[-1].body
    gateway.phone_acknowledges(invite)
    gateway.phone_says(body=sdp(version=2, more=LINES), number=2)
    assert b"m=text 0 " in gateway.responses[-1].body
    assert [each.action for each in gateway.actions] == [Action.SESSION_INITIATE]


@pytest.mark.spec("MED-40")
@pytest.mark.parametrize(("port", "shown"), [(30002, 4002), (0, 0)])
def test_text_that_a_client_has_stays_when_the_phone_offers_anew(port: int, shown: int) -> None:
    offer = SessionDescription.parse(sdp(more=LINES))
    mine = LINES.replace("4002", str(port))
    client = SessionDescription.parse(sdp(more=mine))
    assert [each.port for each in for_client(offer, client).media] == [4000, shown]
