"""The scripted phone calls, and is called, by another phone and by the gateway's own sessions."""

import asyncio
from collections.abc import Callable
from itertools import count

import pytest

from dragoman.errors import LocalError
from dragoman.sip.session import Body, Invited, Stage
from dragoman.testing import calls
from dragoman.testing.phone import Hop, Phone, PhoneCore, Sent
from dragoman.testing.siptext import SipText
from tests.sip.talkers import ANSWER, OFFER, OTHER, PARTIES, Talker, answering

HERE = Hop("UDP", "192.0.2.1", 5070)


class Line:
    """A phone and an end with sessions, joined without loss."""

    def __init__(self, does: Callable[..., None] = answering) -> None:
        tokens = count(1)
        self.phone = PhoneCore(sent_by=("192.0.2.1", 5070), token=lambda: f"p{next(tokens)}")
        self.phone.calls = True
        self.gateway = Talker("gateway", does)
        self.now = 0.0

    def run(self) -> None:
        """Carry everything until nobody has anything to say."""
        for _ in range(50):
            self.gateway.flush(self.now)
            to_phone = self.gateway.to_send()
            to_gateway = [data for data, _ in self.phone.to_send()]
            if not to_phone and not to_gateway:
                return
            for data in to_phone:
                self.phone.receive(data, HERE, self.now)
            for data in to_gateway:
                self.gateway.receive(data, self.now)
        raise AssertionError("they talk and talk")

    def send(self, request: SipText) -> Sent:
        sent = self.phone.send(request, HERE, self.now)
        self.run()
        return sent

    def call(self, sdp: bytes = b"offer") -> tuple[Sent, calls.Call]:
        sent = self.send(
            calls.invite(
                "sip:a@x.example", "sip:b@gateway", sdp, self.phone.contact, self.phone.token
            )
        )
        assert sent.status == 200
        return sent, calls.Call.placed(sent.request, sent.responses[-1])

    def invited(self) -> SipText:
        """Return the INVITE that came last."""
        return [each for each in self.phone.received if each.method == "INVITE"][-1]


def test_the_phone_calls_changes_and_hangs_up() -> None:
    line = Line()
    sent, call = line.call()
    assert [each.status for each in sent.responses] == [180, 200]
    line.phone.acknowledge(sent, call.ack())
    line.run()
    again = line.send(call.request("INVITE", b"other"))
    assert again.responses[-1].body == b"agreed other"
    line.phone.acknowledge(again, call.ack())
    line.run()
    assert line.send(call.request("BYE")).status == 200
    assert line.gateway.heard_of() == ["Invited", "Confirmed", "Offered", "Ended"]
    assert len(line.gateway.sessions) == 0


def test_the_phone_calls_without_an_offer() -> None:
    line = Line()
    sent, call = line.call(b"")
    assert sent.responses[-1].body == OFFER.data
    line.phone.acknowledge(sent, call.ack(b"answer"))
    line.run()
    (event,) = (each.session for each in line.gateway.told if isinstance(each, Invited))
    assert (event.stage, event.remote) == (Stage.CONFIRMED, ANSWER)


def test_the_phone_cancels() -> None:
    line = Line(lambda event, now: event.session.ring(now) if isinstance(event, Invited) else None)
    request = calls.invite("sip:a@x.example", "sip:b@gateway", b"o", "<sip:p@p>", line.phone.token)
    sent = line.send(request)
    line.phone.cancel(sent)
    line.run()
    assert sent.status == 487
    assert line.gateway.heard_of() == ["Invited", "Cancelled"]


def test_the_phone_is_called_rings_answers_and_is_left() -> None:
    line = Line()
    session = line.gateway.sessions.invite(PARTIES, OFFER, 0.0)
    line.run()
    line.phone.respond(line.invited(), 180)
    line.phone.respond(line.invited(), 200, b"answer")
    line.run()
    assert (session.stage, session.remote) == (Stage.CONFIRMED, ANSWER)
    session.offer(OTHER, 0.0)
    line.run()
    line.phone.respond(line.invited(), 200, b"agreed")
    line.run()
    assert session.remote == Body(b"agreed")
    session.bye(0.0)
    line.run()
    assert [each.method for each in line.phone.received] == [
        *("INVITE", "ACK", "INVITE", "ACK", "BYE")
    ]
    assert line.gateway.heard_of() == ["Ringing", "Answered", "Changed", "Ended"]


def test_the_phone_is_called_and_hangs_up() -> None:
    line = Line()
    session = line.gateway.sessions.invite(PARTIES, OFFER, 0.0)
    line.run()
    invite = line.invited()
    line.phone.respond(invite, 200, b"answer")
    line.run()
    call = calls.Call.taken(invite, calls.tagged(invite), line.phone.contact)
    assert line.send(call.request("BYE")).status == 200
    assert session.stage is Stage.OVER


def test_the_phone_is_called_and_the_caller_thinks_better_of_it() -> None:
    line = Line()
    session = line.gateway.sessions.invite(PARTIES, OFFER, 0.0)
    line.run()
    line.phone.respond(line.invited(), 180)
    line.run()
    session.cancel(0.0)
    line.run()
    assert [each.method for each in line.phone.received] == ["INVITE", "CANCEL", "ACK"]
    assert line.gateway.heard_of() == ["Ringing", "Refused"]
    with pytest.raises(LocalError):
        line.phone.respond(line.invited(), 200)


def test_a_2xx_that_comes_again_is_acknowledged_again() -> None:
    line = Line()
    sent, call = line.call()
    line.phone.acknowledge(sent, call.ack())
    (first,) = line.phone.to_send()
    line.phone.receive(bytes(sent.responses[-1]), HERE, 0.0)
    assert line.phone.to_send() == [first]


async def test_two_phones_over_sockets() -> None:
    callee = await Phone.start(host="127.0.0.4")
    callee.core.calls = True
    caller = await Phone.start(gateway=callee.address)
    asking = asyncio.create_task(caller.call("sip:a@x.test", "sip:b@y.test", b"offer"))
    invite = await callee.next_request()
    callee.respond(invite, 180)
    theirs = callee.respond(invite, 200, b"answer")
    sent, call = await asking
    assert call is not None
    assert sent.responses[-1].body == b"answer"
    assert (await callee.next_request()).method == "ACK"
    assert theirs.call_id == call.call_id
    assert (await caller.hang_up(call)).status == 200
    assert (await callee.next_request()).method == "BYE"
    await caller.aclose()
    await callee.aclose()
