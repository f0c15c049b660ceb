"""Chat sessions in a whole gateway, on loopback sockets (RFC 7573)."""

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

    def writes(self, text: str, *more: str) -> str:
        """Have alice write; return the id."""
        return self.house.domain.message(ALICE, CAROL, text)


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
