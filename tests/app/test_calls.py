"""Calls in a whole gateway, on loopback sockets: that they reach the service, and end with it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from dragoman.app.config import Media
from dragoman.app.demo import CAROL
from dragoman.testing.calling import Answering, call
from dragoman.testing.siptext import SipText
from dragoman.xmpp.ext.disco import INFO
from dragoman.xmpp.ext.jmi import NS
from tests.house import ALICE, House, build, configuration, tear_down

ICE_UDP = "urn:xmpp:jingle:transports:ice-udp:1"
ALICE_URI = "sip:alice@xmpp.test"
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    found = await build(tmp_path, settings=configuration(tmp_path))
    yield found
    await tear_down(found)


def says(house: House, step: str, sid: str, within: str = "", to: str = CAROL) -> None:
    """Have alice's client say a step of XEP-0353."""
    child = f"<{step} xmlns='{NS}' id='{sid}'>{within}</{step}>"
    xml = f"<message from='{ALICE}/x' to='{to}' type='chat' id='{step}'>{child}</message>"
    house.domain.send(xml, CAROL)


@pytest.mark.spec("MED-02")
@pytest.mark.spec("MED-17")
async def test_a_phone_calls_a_client_that_is_busy(house: House) -> None:
    calling = asyncio.ensure_future(call(house.phone, f"sip:{CAROL}", ALICE_URI, OFFER))
    propose = await house.domain.next_stanza()
    found = propose.find(f"{{{NS}}}propose")
    assert found is not None
    busy = "<reason xmlns='urn:xmpp:jingle:1'><busy/></reason>"
    says(house, "reject", found.get("id", ""), busy, propose.get("from", ""))
    assert (await calling).status == 486


async def test_devices_are_known_by_the_presence_that_they_tell_the_caller(house: House) -> None:
    query = f"<query xmlns='{INFO}'/>"
    house.domain.send(f"<presence from='{ALICE}/old' to='{CAROL}'/>", CAROL)
    house.domain.send(f"<iq type='get' id='after' from='{ALICE}' to='{CAROL}'>{query}</iq>", CAROL)
    while (await house.domain.next_stanza()).get("id") != "after":
        pass
    calling = asyncio.ensure_future(call(house.phone, f"sip:{CAROL}", ALICE_URI, OFFER))
    found = [await house.domain.next_stanza(), await house.domain.next_stanza()]
    propose = next(each for each in found if each.find(f"{{{NS}}}propose") is not None)
    asked = next(each for each in found if each.find(f"{{{INFO}}}query") is not None)
    assert asked.get("to") == f"{ALICE}/old"
    sid = propose[0].get("id", "")
    says(house, "reject", sid, to=propose.get("from", ""))
    assert (await calling).status == 603


@pytest.mark.spec("MED-01")
async def test_a_client_calls_a_phone(house: House) -> None:
    answering = Answering(house.phone, [OFFER])
    rtp = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
    says(house, "propose", "s1", rtp)
    invite = await house.phone.next_request()
    assert invite.method == "INVITE"
    assert b"m=audio" in invite.body
    proceed = await house.domain.next_stanza()
    assert proceed.find(f"{{{NS}}}proceed") is not None
    says(house, "retract", "s1", to=proceed.get("from", ""))
    async with asyncio.timeout(5):
        await answering.byes.get()
        nothing = {"calls": 0, "ports": 0, "tasks": 0, "transcoded": 0}
        while house.gateway.describe()["media"] != nothing:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)


async def test_a_gateway_that_stops_hangs_up(house: House) -> None:
    answering = Answering(house.phone, [OFFER])
    rtp = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
    says(house, "propose", "s1", rtp)
    await house.domain.next_stanza()
    stopping = asyncio.ensure_future(house.gateway.hub.drain(1.0))
    async with asyncio.timeout(5):
        await answering.byes.get()
    await stopping


@pytest.mark.spec("MED-10")
@pytest.mark.parametrize(
    "media",
    [
        Media(),
        Media(plane="rtpengine", rtpengine=["127.0.0.1:9"]),
        Media(jmi="early-proceed"),
        Media(plane="none"),
    ],
    ids=["embedded", "rtpengine", "early-proceed", "none"],
)
async def test_no_leg_needs_all_candidates_in_an_offer_or_an_answer(
    tmp_path: Path, media: Media
) -> None:
    """Every leg toward XMPP is the gateway's own, and takes candidates as they come."""
    settings = configuration(tmp_path).model_copy(update={"media": media})
    house = await build(tmp_path, settings=settings)
    query = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
    for user in (CAROL, f"{CAROL}/phone"):
        house.domain.send(f"<iq from='{ALICE}' to='{user}' type='get' id='d'>{query}</iq>", CAROL)
        answer = await house.domain.next_stanza()
        found = {each.get("var") for each in answer.iter() if each.tag.endswith("}feature")}
        assert (ICE_UDP in found) is (media.plane != "none")
        assert "urn:ietf:rfc:3264" not in found
    await tear_down(house)


async def test_without_a_plane_there_are_no_calls(tmp_path: Path) -> None:
    settings = configuration(tmp_path).model_copy(update={"media": Media(plane="none")})
    house = await build(tmp_path, settings=settings)
    refused = await call(house.phone, f"sip:{CAROL}", ALICE_URI, OFFER)
    assert refused.status == 488
    await tear_down(house)


@pytest.mark.parametrize(
    ("accept", "described"), [("", True), ("application/sdp", True), ("text/plain", False)]
)
async def test_what_calls_can_be_is_told_to_who_asks(
    house: House, accept: str, described: bool
) -> None:
    """RFC 3261 §11.2, RFC 3264 §9."""
    headers = [
        ("Max-Forwards", "70"),
        ("From", f"<sip:{CAROL}>;tag=1"),
        ("To", f"<{ALICE_URI}>"),
        ("Call-ID", "options"),
        ("CSeq", "1 OPTIONS"),
        *([("Accept", accept)] if accept else []),
    ]
    sent = await house.phone.request(SipText(f"OPTIONS {ALICE_URI} SIP/2.0", tuple(headers)))
    response = sent.responses[-1]
    assert response.status == 200
    for name, word in (
        ("Allow", "REFER"),
        ("Accept", "application/sdp"),
        ("Supported", "replaces"),
        ("Supported", "timer"),
    ):
        assert word in (response.get(name) or "")
    assert (response.get("Content-Type") == "application/sdp") is described
    assert (b"m=audio 0 RTP/AVP" in response.body) is described


async def test_a_transfer_of_no_call_is_forbidden(house: House) -> None:
    headers = [
        ("Max-Forwards", "70"),
        ("From", f"<sip:{CAROL}>;tag=1"),
        ("To", f"<{ALICE_URI}>"),
        ("Call-ID", "refer"),
        ("CSeq", "1 REFER"),
        ("Contact", f"<sip:{CAROL}>"),
        ("Refer-To", "<sip:dave@sip.example>"),
    ]
    sent = await house.phone.request(SipText(f"REFER {ALICE_URI} SIP/2.0", tuple(headers)))
    assert sent.status == 403
