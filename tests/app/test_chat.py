"""Chat sessions in a whole gateway, on loopback sockets (RFC 7573)."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from dragoman.app.demo import CAROL
from dragoman.testing import MsrpEnd
from dragoman.testing.calling import Answering, Call, call
from dragoman.testing.stream import body_of
from tests.house import ALICE, House, build, configuration, tear_down

ALICE_URI = "sip:alice@xmpp.test"
CAROL_URI = f"sip:{CAROL}"


@dataclass
class Chat:
    """A house, and carol's end of a session."""

    house: House
    end: MsrpEnd

    def path(self, body: bytes) -> str:
        """Return the path in a description."""
        found = re.search(rb"a=path:(.*)\r\n", body)
        assert found is not None
        return found[1].decode()

    async def calls(self, *more: str) -> Call:
        """Have carol begin a session."""
        found = await call(
            self.house.phone,
            CAROL_URI,
            ALICE_URI,
            self.end.sdp("a=setup:active", *more),
            device="balcony",
        )
        assert found.status == 200
        await self.end.connect(self.path(found.body))
        return found

    async def pours(self, path: str, most: int) -> int:
        """Have carol send long messages, `most` at most, until nobody takes them; return how many.

        The last of them is in her program still.
        """
        writer = self.end.writer
        assert writer is not None
        writer.transport.set_write_buffer_limits(high=0)
        for number in range(most):
            self.end.send(path, b"x" * 8000)
            try:
                async with asyncio.timeout(0.5):
                    await writer.drain()
            except TimeoutError:
                return number + 1
        return most

    def writes(self, text: str) -> str:
        """Have alice write; return the id."""
        return self.house.domain.message(ALICE, CAROL, text)

    def says(self, child: str) -> None:
        """Have alice's client send a message of this element alone."""
        xml = (
            f"<message from='{ALICE}' to='{CAROL}' type='chat' id='{len(child)}'>{child}</message>"
        )
        self.house.domain.send(xml, CAROL)


@pytest_asyncio.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    house = await build(tmp_path, settings=configuration(tmp_path, sessions="first"))
    end = await MsrpEnd.start()
    yield Chat(house, end)
    await end.aclose()
    await tear_down(house)
    assert not end.faults


@pytest.mark.spec("MSRP-01")
@pytest.mark.spec("MSRP-24")
async def test_a_chat_of_an_xmpp_user_is_a_session(chat: Chat) -> None:
    answering = Answering(chat.house.phone, [chat.end.sdp("a=setup:active")], device="orchard")
    chat.writes("Art thou not Romeo?")
    invite = await chat.house.phone.next_request()
    assert invite.method == "INVITE"
    ack = await chat.house.phone.next_request()
    assert ack.method == "ACK"
    await chat.end.connect(chat.path(invite.body))
    sent = await chat.end.next_message()
    assert sent.body == b"Art thou not Romeo?"
    chat.end.send(chat.path(invite.body), b"Neither, fair saint")
    stanza = await chat.house.domain.next_stanza()
    assert (body_of(stanza), stanza.get("type")) == ("Neither, fair saint", "chat")
    assert stanza.get("from") == f"{CAROL}/orchard"
    assert await answering.calls[0].bye() == 200
    gone = await chat.house.domain.next_stanza()
    assert gone.find("{http://jabber.org/protocol/chatstates}gone") is not None


@pytest.mark.spec("MSRP-02")
async def test_a_session_of_a_sip_user_is_a_chat(chat: Chat) -> None:
    session = await chat.calls()
    chat.end.send(chat.path(session.body), b"hi")
    stanza = await chat.house.domain.next_stanza()
    assert (body_of(stanza), stanza.get("type")) == ("hi", "chat")
    assert stanza.get("from") == f"{CAROL}/balcony"
    chat.writes("ho")
    sent = await chat.end.next_message()
    assert sent.body == b"ho"
    assert await session.bye() == 200


async def test_a_phone_that_takes_no_sessions_gets_messages(chat: Chat) -> None:
    chat.writes("one")
    chat.writes("two")
    methods = [(await chat.house.phone.next_request()).method for _ in range(4)]
    assert methods == ["INVITE", "ACK", "MESSAGE", "MESSAGE"]
    assert [each.body for each in chat.house.phone.received[2:]] == [b"one", b"two"]
    chat.writes("three")
    assert (await chat.house.phone.next_request()).method == "MESSAGE"


async def test_a_phone_that_says_busy_has_its_callers_told(chat: Chat) -> None:
    Answering(chat.house.phone, [486])
    assert await chat.house.condition(CAROL, "hi") == "recipient-unavailable"
    assert [each.method for each in chat.house.phone.received] == ["INVITE", "ACK"]


@pytest.mark.spec("MSRP-09")
async def test_receipts_cross_in_a_session(chat: Chat) -> None:
    session = await chat.calls()
    path = chat.path(session.body)
    name = chat.end.send(path, b"hi", ("Success-Report", "yes"))
    stanza = await chat.house.domain.next_stanza()
    assert stanza.find("{urn:xmpp:receipts}request") is not None
    assert stanza.get("id") == name
    chat.says(f"<received xmlns='urn:xmpp:receipts' id='{name}'/>")
    while (report := await chat.end.next_chunk()).method != "REPORT":
        pass
    assert report.get("Message-ID") == name
    assert (report.get("Byte-Range"), report.get("Status")) == ("1-2/2", "000 200 OK")


@pytest.mark.spec("MSRP-36")
async def test_writing_crosses_in_a_session(chat: Chat) -> None:
    session = await chat.calls()
    path = chat.path(session.body)
    chat.end.send(path, b"hi")
    assert body_of(await chat.house.domain.next_stanza()) == "hi"
    states = "http://jabber.org/protocol/chatstates"
    chat.says(f"<composing xmlns='{states}'/>")
    sent = await chat.end.next_message()
    assert sent.get("Content-Type") == "message/cpim"
    assert sent.body is not None
    assert b"<state>active</state>" in sent.body
    document = (
        b"<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state>"
        b"</isComposing>"
    )
    chat.end.send(path, document, media="application/im-iscomposing+xml")
    stanza = await chat.house.domain.next_stanza()
    assert stanza.find(f"{{{states}}}composing") is not None


@pytest.mark.spec("MSRP-18")
async def test_a_message_that_no_stanza_holds_is_413(chat: Chat) -> None:
    session = await chat.calls()
    chat.end.send(chat.path(session.body), b"x" * 9001)
    answer = await chat.end.next_chunk()
    while answer.status == 200:  # the answer to the empty one
        answer = await chat.end.next_chunk()
    assert answer.status == 413


@pytest.mark.spec("MSRP-07")
async def test_who_leaves_the_chat_ends_the_session(chat: Chat) -> None:
    answering = Answering(chat.house.phone, [chat.end.sdp("a=setup:active")])
    chat.writes("hi")
    invite = await chat.house.phone.next_request()
    await chat.end.connect(chat.path(invite.body))
    await chat.end.next_message()
    chat.says("<gone xmlns='http://jabber.org/protocol/chatstates'/>")
    async with asyncio.timeout(5):
        bye = await answering.byes.get()
    assert bye.get("Call-ID") == invite.get("Call-ID")


@pytest.mark.spec("MSRP-33")
async def test_what_was_not_confirmed_goes_again_by_another_path(chat: Chat) -> None:
    answering = Answering(chat.house.phone, [chat.end.sdp("a=setup:active")])
    chat.end.answers = False
    chat.writes("hi")
    invite = await chat.house.phone.next_request()
    await chat.end.connect(chat.path(invite.body))
    first = await chat.end.next_message()
    chat.end.hang_up()
    while len(answering.calls) < 2:
        await chat.house.phone.next_request()
    again = answering.calls[1]
    assert again.call_id == answering.calls[0].call_id
    path = chat.path(again.body)
    assert path != chat.path(invite.body)
    chat.end.answers = True
    await chat.end.connect(path)
    second = await chat.end.next_message()
    assert (second.body, second.get("Message-ID")) == (b"hi", first.get("Message-ID"))


async def test_a_gateway_that_stops_says_bye(chat: Chat) -> None:
    answering = Answering(chat.house.phone, [chat.end.sdp("a=setup:active")])
    chat.writes("hi")
    invite = await chat.house.phone.next_request()
    await chat.end.connect(chat.path(invite.body))
    await chat.end.next_message()
    stopping = asyncio.create_task(chat.house.gateway.stop(2.0))
    async with asyncio.timeout(5):
        await answering.byes.get()
    await stopping


@pytest.mark.spec("MSRP-40")
async def test_a_slow_xmpp_side_reaches_the_sender(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its messages wait in its own kernel: the gateway keeps no more than it may."""
    monkeypatch.setattr("dragoman.bridge.to_xmpp.MOST_OF_ONE", 20)
    session = await chat.calls()
    path, count = chat.path(session.body), 3000
    chat.end.send(path, b"first")
    await chat.house.domain.next_stanza()
    chat.house.domain.mute = True
    sent = await chat.pours(path, count)
    assert sent < count
    assert len(chat.house.stanzas()) <= 22
    chat.house.domain.mute = False
    for ping in [each for each in chat.house.domain.received if each.get("type") == "get"]:
        name, to = ping.get("id"), ping.get("from")
        xml = f"<iq type='result' id='{name}' from='{ping.get('to')}' to='{to}'/>"
        chat.house.domain.send(xml, CAROL)
    async with asyncio.timeout(20):
        while len(chat.house.stanzas()) < 1 + sent:
            await chat.house.domain.next_stanza(10)
    assert not [each for each in chat.end.received if each.method == "REPORT"]


async def test_what_is_not_listened_for_is_488(chat: Chat) -> None:
    path = "a=path:msrps://browser.invalid:2855/98cjs;ws"
    offer = chat.end.sdp().replace(b"TCP/MSRP", b"TCP/TLS/MSRP")
    offer = re.sub(rb"a=path:[^\r]*", path.encode(), offer)
    refused = await call(chat.house.phone, CAROL_URI, ALICE_URI, offer)
    assert refused.status == 488


@pytest.mark.spec("MSRP-12")
async def test_a_fax_is_488(chat: Chat) -> None:
    offer = chat.end.sdp().partition(b"m=")[0] + b"m=image 4000 udptl t38\r\n"
    refused = await call(chat.house.phone, CAROL_URI, ALICE_URI, offer)
    assert refused.status == 488
    found = chat.house.gateway.hub.openings
    assert found is not None
    assert found.describe()["sessions"] == 0
    assert found.chats.describe() == {"talks": 0, "sessions": 0, "waiting": 0}
