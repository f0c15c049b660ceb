"""Conferences in a whole gateway, on loopback sockets: who mixes tells of it, on either side."""

from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
import pytest_asyncio

from dragoman.app.demo import CAROL
from dragoman.testing.calling import Answering, contact_of
from dragoman.testing.siptext import SipText
from dragoman.xmpp.ext import coin
from tests.app.test_calls import OFFER
from tests.house import ALICE, House, build, configuration, tear_down
from tests.mapping.rfc4575 import BASIC, COIN

FOCUS = f"{CAROL}/phone"
INITIATE = f"""<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s1'>
<content creator='initiator' name='0'>
<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>
<payload-type id='0' name='PCMU' clockrate='8000'/><rtcp-mux/></description>
<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='abcd' pwd='abcdabcdabcdabcdabcdabcd'>
<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'
>{":".join(["AB"] * 32)}</fingerprint></transport></content>MARKER</jingle>"""


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    found = await build(tmp_path, settings=configuration(tmp_path))
    found.domain.mute = True  # the client answers for itself
    yield found
    await tear_down(found)


def asks(house: House, child: str, kind: str = "set", id_: str = "i1") -> None:
    """Have alice's client send a request to the phone."""
    house.domain.send(
        f"<iq from='{ALICE}' to='{FOCUS}' type='{kind}' id='{id_}'>{child}</iq>", CAROL
    )


async def next_with(house: House, name: str) -> Element:
    """Return the next stanza with a child of that name."""
    while True:
        stanza = await house.domain.next_stanza()
        if stanza.get("type") in {"set", "get"}:
            house.domain.send(
                f"<iq from='{ALICE}' to='{FOCUS}' type='result' id='{stanza.get('id')}'>"
                f"{FEATURES if stanza.get('type') == 'get' else ''}</iq>",
                CAROL,
            )
        if stanza.find(name) is not None:
            return stanza


FEATURES = (
    "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:coin:1'/></query>"
)


async def next_request(house: House, method: str) -> SipText:
    while (request := await house.phone.next_request()).method != method:
        pass
    return request


@pytest.mark.spec("MED-30")
async def test_a_client_hears_of_the_conference_of_a_phone(house: House) -> None:
    answering = Answering(house.phone, [OFFER], features=";isfocus")
    asks(house, INITIATE.replace("MARKER", ""))
    accepted = await next_with(house, "{urn:xmpp:jingle:1}jingle")
    jingle = accepted.find("{urn:xmpp:jingle:1}jingle")
    assert jingle is not None
    marker = jingle.find(coin.CONFERENCE_INFO)
    assert marker is not None
    assert (jingle.get("action"), marker.get("isfocus")) == ("session-accept", "true")
    subscribe = await next_request(house, "SUBSCRIBE")
    assert subscribe.get("Event") == "conference"
    assert f"<{subscribe.target}>;isfocus" == answering.calls[0].contact
    notify = [
        ("Max-Forwards", "70"),
        ("From", f"{subscribe.get('To')};tag=focus"),
        ("To", subscribe.get("From") or ""),
        ("Call-ID", subscribe.get("Call-ID") or ""),
        ("CSeq", "1 NOTIFY"),
        ("Contact", contact_of(house.phone, f"sip:{CAROL}")),
        ("Event", "conference"),
        ("Subscription-State", "active;expires=3600"),
        ("Content-Type", "application/conference-info+xml"),
    ]
    target = (subscribe.get("Contact") or "").strip("<>")
    sent = await house.phone.request(SipText(f"NOTIFY {target} SIP/2.0", tuple(notify), BASIC))
    assert sent.status == 200
    told = await next_with(house, coin.DOCUMENT)
    document = told.find(coin.DOCUMENT)
    assert document is not None
    assert document.get("entity") == "sips:conf233@example.com"
    assert told.get("to") == ALICE


@pytest.mark.spec("MED-30")
async def test_a_phone_hears_of_the_conference_of_a_client(house: House) -> None:
    Answering(house.phone, [OFFER])
    marker = "<conference-info xmlns='urn:xmpp:coin:1' isfocus='true'/>"
    asks(house, INITIATE.replace("MARKER", marker))
    invite = await next_request(house, "INVITE")
    contact = invite.get("Contact") or ""
    assert contact.endswith(";isfocus")
    await next_with(house, "{urn:xmpp:jingle:1}jingle")
    told = COIN.decode()
    asks(house, told[told.index("<conference-info") : told.index("</iq>")], id_="i2")
    while (await house.domain.next_stanza()).get("id") != "i2":
        pass
    subscribe = [
        ("Max-Forwards", "70"),
        ("From", f"<sip:{CAROL}>;tag=w"),
        ("To", "<sip:alice@xmpp.test>"),
        ("Call-ID", "watch"),
        ("CSeq", "1 SUBSCRIBE"),
        ("Contact", contact_of(house.phone, f"sip:{CAROL}")),
        ("Event", "conference"),
        ("Expires", "600"),
    ]
    target = contact.partition("<")[2].partition(">")[0]
    sent = await house.phone.request(SipText(f"SUBSCRIBE {target} SIP/2.0", tuple(subscribe)))
    assert sent.status == 200
    notify = await next_request(house, "NOTIFY")
    assert notify.get("Content-Type") == "application/conference-info+xml"
    assert b"<display-text>Juliet</display-text>" in notify.body
    assert target.encode() in notify.body
