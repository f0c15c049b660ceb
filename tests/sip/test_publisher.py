"""RFC 3903 §4: state of ours at somebody else's server."""

from itertools import count

import pytest

from dragoman.sip.message import Header, Request, build_request, response_to
from dragoman.sip.notifier import Body
from dragoman.sip.publisher import LATER, PACE, Failed, Publisher, Publishing
from dragoman.sip.subscriber import Package

ALICE = "sip:alice@xmpp.example"


def state(text: str) -> Body:
    """Return a document."""
    return Body((("Content-Type", "application/pidf+xml"),), text.encode())


class Talk:
    """A publisher, and a server that answers as it is told."""

    def __init__(self) -> None:
        """Publish nothing yet."""
        numbers = count(1)
        package = Package("presence", "application/pidf+xml", 3600)
        self.core: Publisher[str] = Publisher(
            package, lambda: f"token{next(numbers)}", lambda low, high: high
        )
        self.last: Request = build_request("NONE", "", ())
        self.handle = Publishing(0)

    def publish(self, text: str, now: float) -> None:
        """Have there be state."""
        self.core.publish("alice", ALICE, state(text), now)

    def sent(self, now: float) -> tuple[str | None, str | None, str]:
        """Return Expires, SIP-If-Match and body of the one PUBLISH that goes out."""
        [(self.last, self.handle)] = self.core.to_send(now)
        return self.last.get("Expires"), self.last.get("SIP-If-Match"), self.last.body.decode()

    def answer(self, status: int, now: float, *headers: Header) -> None:
        """Answer it."""
        self.core.on_response(self.handle, response_to(self.last, status, headers=headers), now)

    def published(self) -> "Talk":
        """Have state be there since 0."""
        self.publish("one", 0.0)
        self.sent(0.0)
        self.answer(200, 0.0, ("SIP-ETag", "a"), ("Expires", "3600"))
        return self


def test_state_is_published_as_the_standard_has_it() -> None:
    """RFC 3903 §4.3 and §13, M5: an initial publication."""
    talk = Talk()
    talk.publish("one", 0.0)
    assert talk.sent(0.0) == ("3600", None, "one")
    assert talk.last.start_line == f"PUBLISH {ALICE} SIP/2.0"
    assert dict(talk.last.headers) == {
        "From": f"<{ALICE}>;tag=token2",
        "To": f"<{ALICE}>",
        "Call-ID": "token1",
        "CSeq": "1 PUBLISH",
        "Max-Forwards": "70",
        "Event": "presence",
        "Expires": "3600",
        "Content-Type": "application/pidf+xml",
    }


def test_it_is_refreshed_without_a_body() -> None:
    """§4.4.1: with the entity-tag of before, each answer bringing the next."""
    talk = Talk().published()
    assert talk.core.next_timer() == 0.85 * 3600
    assert talk.sent(3060.0) == ("3600", "a", "")
    talk.answer(200, 3060.0, ("SIP-ETag", "b"), ("Expires", "600"))
    assert talk.core.next_timer() == 3060.0 + 0.85 * 600
    assert talk.sent(3570.0) == ("3600", "b", "")
    assert talk.last.get("CSeq") == "3 PUBLISH"


def test_it_is_modified() -> None:
    """§4.4.2: at a pace, the last state only, one at a time."""
    talk = Talk().published()
    talk.publish("two", 1.0)
    talk.publish("three", 2.0)
    assert talk.core.to_send(4.9) == []
    assert talk.sent(PACE) == ("3600", "a", "three")
    talk.publish("four", 60.0)
    assert talk.core.to_send(60.0) == []
    talk.answer(200, 61.0, ("SIP-ETag", "b"))
    assert talk.sent(61.0) == ("3600", "b", "four")


def test_it_is_removed() -> None:
    """§4.5: Expires 0, and nothing is left."""
    talk = Talk().published()
    talk.core.remove("alice", 10.0)
    assert talk.sent(10.0) == ("0", "a", "")
    talk.answer(200, 10.1)
    assert (len(talk.core), talk.core.next_timer()) == (0, None)


def test_it_is_removed_before_it_was_there() -> None:
    """There is nothing to take back."""
    talk = Talk()
    talk.publish("one", 0.0)
    talk.core.remove("alice", 0.0)
    assert talk.core.to_send(0.0) == []
    assert len(talk.core) == 0
    talk.core.remove("alice", 0.0)


def test_it_is_removed_while_it_is_published() -> None:
    """As soon as there is a name for it."""
    talk = Talk()
    talk.publish("one", 0.0)
    talk.sent(0.0)
    talk.core.remove("alice", 0.1)
    assert talk.core.to_send(0.1) == []
    talk.answer(200, 0.2, ("SIP-ETag", "a"))
    assert talk.sent(PACE)[:2] == ("0", "a")
    talk.answer(200, PACE)
    assert len(talk.core) == 0


def test_a_server_that_forgot_it_gets_it_again() -> None:
    """§4.4: 412 says that the entity-tag is not known."""
    talk = Talk().published()
    talk.sent(3060.0)
    talk.answer(412, 3060.0)
    assert talk.sent(3060.0) == ("3600", None, "one")
    talk.answer(412, 3061.0)
    assert talk.core.events() == [Failed("alice", 412)]


def test_too_short_a_time() -> None:
    """§4.3: 423 with Min-Expires; one that makes no sense is a failure."""
    talk = Talk()
    talk.publish("one", 0.0)
    talk.sent(0.0)
    talk.answer(423, 0.1, ("Min-Expires", "7200"))
    assert talk.sent(0.1) == ("7200", None, "one")
    talk.answer(423, 0.2, ("Min-Expires", "60"))
    assert talk.core.events() == [Failed("alice", 423)]


@pytest.mark.parametrize("status", [403, 489, 500, 0])
def test_a_failure_is_told_and_tried_again(status: int) -> None:
    """All of the state, later: nobody knows what the server has of it."""
    talk = Talk().published()
    talk.publish("two", 10.0)
    talk.sent(10.0)
    if status:
        talk.answer(status, 10.1)
    else:
        talk.core.on_failure(talk.handle, 10.1)
    assert talk.core.events() == [Failed("alice", status or None)]
    assert talk.core.next_timer() == 10.1 + LATER
    assert talk.sent(10.1 + LATER) == ("3600", None, "two")


def test_a_removal_that_fails_is_over() -> None:
    """It ends there by itself."""
    talk = Talk().published()
    talk.core.remove("alice", 10.0)
    talk.sent(10.0)
    talk.core.on_failure(talk.handle, 42.0)
    assert (len(talk.core), talk.core.events(), talk.core.next_timer()) == (0, [], None)
