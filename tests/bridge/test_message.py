"""The service of messages between two ports that only remember what was asked of them."""

from collections.abc import Callable, Hashable
from itertools import count
from typing import cast

import pytest

from dragoman.bridge.fence import LOOK_AGAIN, PATIENCE
from dragoman.bridge.message import Messages, Rules
from dragoman.bridge.naming import Naming
from dragoman.bridge.to_xmpp import MOST_OF_ONE
from dragoman.mapping.failure import Unreached
from dragoman.sip.endpoint import Cause, ServerTransaction
from dragoman.sip.message import Request, Response, parse, response_to
from dragoman.sip.route import RouteSet
from dragoman.sip.uri import Uri
from dragoman.store.memory import Memory
from dragoman.trace import Tap
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import BODY, IQ, MESSAGE, error_reply, message, reply

ALICE, CAROL = "alice@xmpp.example", "carol@sip.example"
PAIR = ("sip.example", "xmpp.example")


class Ports:
    """Both ports at once: what was sent, asked and answered, in order."""

    def __init__(self) -> None:
        self.stanzas: list[Element] = []
        self.requests: list[tuple[Request, int]] = []
        self.responses: list[tuple[object, Response]] = []
        self.managed: list[Element] | None = None
        self.unsent: list[Element] = []
        self.given_up: list[tuple[str, str]] = []

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        self.responses.append((transaction, response))

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        self.requests.append((request, cast("int", handle)))

    def send(self, stanza: Element, local: str, remote: str) -> None:
        assert stanza.attributes["from"].partition("/")[0].endswith(local)
        assert remote in stanza.attributes["to"]
        self.stanzas.append(stanza)

    def unacknowledged(self, local: str, remote: str) -> list[Element] | None:
        return self.managed

    def waiting(self, local: str, remote: str) -> list[Element]:
        return self.unsent

    def silent(self, local: str, remote: str) -> None:
        self.given_up.append((local, remote))

    def of(self, name: str) -> list[Element]:
        return [each for each in self.stanzas if each.name == name]

    def answers(self) -> list[tuple[object, int]]:
        return [(transaction, response.status) for transaction, response in self.responses]


def tokens() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"t{next(numbers)}"


def service(rules: Rules | None = None) -> tuple[Messages, Ports]:
    ports = Ports()
    naming, tap = Naming(lambda _: True), Tap(lambda: 0.0)
    found = Messages(ports, ports, naming, tap, tokens(), lambda: 0.0, rules or Rules(), Memory())
    return found, ports


def arrives(found: Messages, name: str = "1", to: str = ALICE) -> str:
    """Have a MESSAGE arrive; return the handle of its transaction."""
    request = parse(
        f"MESSAGE sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.30;branch=z9hG4bK{name}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:{CAROL}>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: c{name}\r\n"
        "CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello".encode()
    )
    assert isinstance(request, Request)
    transaction = f"transaction {name}"
    found.on_request(
        request, cast("ServerTransaction", transaction), Uri.parse(f"sip:{CAROL}"), 0.0
    )
    return transaction


def answer_ping(found: Messages, ports: Ports) -> bool:
    return found.on_answer(reply(ports.of(IQ)[-1]), *PAIR)


def stanza(text: str = "hello", **attributes: str) -> Element:
    body = Element(BODY, None, (text,))
    made = message(CAROL, f"{ALICE}/x", id=attributes.get("id", "m1"), type="chat", children=[body])
    made.attributes.update(attributes)
    return made


def final(request: Request, status: int) -> Response:
    return response_to(request, status)


@pytest.mark.spec("IM-17")
def test_a_message_is_answered_202_when_the_server_has_taken_it_and_not_before() -> None:
    found, ports = service()
    transaction = arrives(found)
    assert [each.name for each in ports.stanzas] == [MESSAGE, IQ], "the ping goes behind"
    assert ports.responses == []
    assert answer_ping(found, ports)
    assert ports.answers() == [(transaction, 202)]
    assert found.idle


def test_a_bounce_before_the_answer_is_the_status() -> None:
    found, ports = service()
    transaction = arrives(found)
    bounce = error_reply(ports.of(MESSAGE)[0], StanzaError(Condition.ITEM_NOT_FOUND))
    assert bounce is not None
    found.on_stanza(bounce, 0.5)
    answer_ping(found, ports)
    assert ports.answers() == [(transaction, 404)]


def test_a_late_bounce_is_logged_and_not_answered_twice(caplog: pytest.LogCaptureFixture) -> None:
    found, ports = service()
    transaction = arrives(found)
    answer_ping(found, ports)
    bounce = error_reply(ports.of(MESSAGE)[0], StanzaError(Condition.ITEM_NOT_FOUND))
    assert bounce is not None
    found.on_stanza(bounce, 2.0)
    assert ports.answers() == [(transaction, 202)]
    assert len(ports.of(MESSAGE)) == 1, "an error is never answered"
    assert "too late" in caplog.text


@pytest.mark.parametrize("sender", ["bob@xmpp.example", "alice@evil.example", "xmpp.example"])
def test_a_bounce_from_somebody_else_settles_nothing(sender: str) -> None:
    found, ports = service()
    arrives(found)
    bounce = error_reply(ports.of(MESSAGE)[0], StanzaError(Condition.ITEM_NOT_FOUND))
    assert bounce is not None
    bounce.attributes["from"] = sender
    found.on_stanza(bounce, 0.5)
    assert ports.responses == []


def test_the_same_branch_from_two_senders_does_not_mix() -> None:
    found, ports = service()
    first = arrives(found, "same")
    second = arrives(found, "same")
    ids = [each.get("id") for each in ports.of(MESSAGE)]
    assert len(set(ids)) == 2
    bounce = error_reply(ports.of(MESSAGE)[1], StanzaError(Condition.ITEM_NOT_FOUND))
    assert bounce is not None
    found.on_stanza(bounce, 0.5)
    assert ports.answers() == [(second, 404)]
    assert first == second


def test_the_same_id_for_two_users_does_not_mix() -> None:
    found, ports = service()
    transactions = [arrives(found, "same"), arrives(found, "same", to="bob@xmpp.example")]
    ids = [each.get("id") for each in ports.of(MESSAGE)]
    assert ids[0] == ids[1]
    bounce = error_reply(ports.of(MESSAGE)[1], StanzaError(Condition.ITEM_NOT_FOUND))
    assert bounce is not None
    found.on_stanza(bounce, 0.5)
    assert ports.answers() == [(transactions[1], 404)]
    answer_ping(found, ports)  # of the first alone: one ping a domain is under way
    assert ports.answers()[1:] == [(transactions[0], 202)]


def test_a_message_behind_a_ping_waits_for_the_next() -> None:
    found, ports = service()
    first, second = arrives(found, "1"), arrives(found, "2")
    assert [each.name for each in ports.stanzas] == [MESSAGE, IQ, MESSAGE]
    answer_ping(found, ports)
    assert ports.answers() == [(first, 202)]
    assert len(ports.of(IQ)) == 2
    answer_ping(found, ports)
    assert ports.answers() == [(first, 202), (second, 202)]


def test_a_ping_that_is_answered_by_an_error_is_answered() -> None:
    found, ports = service()
    transaction = arrives(found)
    answer = error_reply(ports.of(IQ)[0], StanzaError(Condition.SERVICE_UNAVAILABLE))
    assert answer is not None
    assert found.on_answer(answer, *PAIR)
    assert ports.answers() == [(transaction, 202)]


def test_the_end_of_a_components_stream_fails_what_went_to_every_domain() -> None:
    found, ports = service()
    transactions = [arrives(found, "1"), arrives(found, "2", to="bob@jabber.example")]
    found.lost(("other.example", ""), None, 0.0)
    assert ports.responses == []
    found.lost(("sip.example", ""), None, 0.0)
    assert ports.answers() == [(each, 504) for each in transactions]


def test_an_answer_of_ours_that_does_not_arrive_settles_nothing_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found, ports = service()
    arrives(found)
    [sent] = ports.of(MESSAGE)
    found.on_stanza(stanza(id=sent.attributes["id"], type="groupchat"), 0.0)
    refusal = ports.of(MESSAGE)[1]
    assert (refusal.get("id"), refusal.get("type")) == (sent.get("id"), "error")
    found.undelivered(refusal, StanzaError(Condition.REMOTE_SERVER_TIMEOUT))
    assert ports.responses == []
    assert "an answer was not delivered" in caplog.text


def test_when_the_gateway_stops_everybody_who_waits_is_told_once() -> None:
    found, ports = service()
    transaction = arrives(found)
    for name in ("sent", "queued"):
        found.on_stanza(stanza(id=name), 0.0)
    found.give_up()
    assert ports.answers() == [(transaction, 504)]
    errors = [each for each in ports.of(MESSAGE) if each.get("type") == "error"]
    assert [each.get("id") for each in errors] == ["sent", "queued"]
    assert found.idle
    request, handle = ports.requests[0]
    found.on_response(handle, final(request, 200), 1.0)
    found.on_timer(1000.0)
    assert (len(ports.requests), len(ports.responses), len(errors)) == (1, 1, 2)


def test_a_server_that_never_answers_is_504_within_the_time_of_timer_f() -> None:
    found, ports = service()
    transaction = arrives(found)
    assert found.next_timer() == PATIENCE < 32
    found.on_timer(PATIENCE)
    assert ports.answers() == [(transaction, 504)]


def test_a_lost_stream_fails_exactly_what_is_not_confirmed() -> None:
    found, ports = service()
    first = arrives(found, "1")
    answer_ping(found, ports)
    second = arrives(found, "2")
    found.lost(PAIR, None, 0.0)
    assert ports.answers() == [(first, 202), (second, 504)]


@pytest.mark.parametrize(
    ("condition", "status"),
    [(Condition.REMOTE_SERVER_NOT_FOUND, 404), (Condition.REMOTE_SERVER_TIMEOUT, 504)],
)
def test_a_stanza_that_was_never_handed_over_is_told(condition: Condition, status: int) -> None:
    found, ports = service()
    transaction = arrives(found)
    for each in list(ports.stanzas):
        found.undelivered(each, StanzaError(condition))
    assert ports.answers() == [(transaction, status)]
    assert found.idle


def test_a_ping_that_could_not_be_sent_fails_what_it_was_to_confirm() -> None:
    found, ports = service()
    transaction = arrives(found)
    found.undelivered(ports.of(IQ)[0], StanzaError(Condition.RESOURCE_CONSTRAINT))
    assert ports.answers() == [(transaction, 504)]


def test_more_than_may_be_under_way_is_503_with_a_time_to_come_back() -> None:
    found, ports = service(Rules(pending=2))
    for number in range(3):
        arrives(found, str(number))
    [(_, response)] = ports.responses
    assert (response.status, response.get("Retry-After")) == (503, "5")
    assert len(ports.of(MESSAGE)) == 2


def test_a_message_to_a_domain_itself_is_404() -> None:
    found, ports = service()
    transaction = arrives(found, to="xmpp.example")
    assert ports.answers() == [(transaction, 404)]
    assert ports.stanzas == []


@pytest.mark.spec("IM-14")
def test_one_message_at_a_time_to_one_user_and_in_order() -> None:
    found, ports = service()
    for text in ("one", "two", "three"):
        found.on_stanza(stanza(text, id=text), 0.0)
    assert [request.body for request, _ in ports.requests] == [b"one"]
    request, handle = ports.requests[0]
    found.on_response(handle, final(request, 200), 1.0)
    found.on_failure(ports.requests[1][1], Cause.TIMEOUT, 2.0)
    assert [request.body for request, _ in ports.requests] == [b"one", b"two", b"three"]


def test_a_stanza_that_waited_too_long_for_those_before_it_comes_back() -> None:
    found, ports = service()
    for name in ("1", "2"):
        found.on_stanza(stanza(id=name), 0.0)
    when = found.next_timer()
    assert when is not None
    found.on_timer(when + 1.0)
    [error] = ports.stanzas
    assert (error.get("id"), error.get("type")) == ("2", "error")
    assert len(ports.requests) == 1


def test_more_stanzas_than_may_be_under_way_come_back() -> None:
    found, ports = service(Rules(pending=2))
    for number in range(3):
        found.on_stanza(stanza(id=str(number), to=f"u{number}@sip.example"), 0.0)
    [error] = ports.stanzas
    assert error.get("id") == "2"
    assert StanzaError.parse(error).condition is Condition.RESOURCE_CONSTRAINT
    assert found.describe() == {"from_sip": 0, "from_xmpp": 2}


def test_a_headline_that_fails_is_not_told() -> None:
    found, ports = service()
    found.on_stanza(stanza(type="headline"), 0.0)
    _, handle = ports.requests[0]
    found.on_failure(handle, Cause.TIMEOUT, 1.0)
    assert (ports.stanzas, found.idle) == ([], True)


def test_a_provisional_response_settles_nothing() -> None:
    found, ports = service()
    found.on_stanza(stanza(), 0.0)
    request, handle = ports.requests[0]
    found.on_response(handle, final(request, 100), 0.1)
    assert not found.idle
    found.on_response(handle, final(request, 200), 0.2)
    assert found.idle
    assert ports.stanzas == []


@pytest.mark.spec("IM-16")
@pytest.mark.parametrize(
    ("cause", "condition"),
    [
        (404, "item-not-found"),
        (Cause.TIMEOUT, "remote-server-timeout"),
        (Cause.UNREACHABLE, "remote-server-timeout"),
        (Cause.OVERLOAD, "resource-constraint"),
        (Unreached.NO_ADDRESS, "remote-server-not-found"),
        (StanzaError(Condition.ITEM_NOT_FOUND), "item-not-found"),
    ],
)
def test_a_failure_comes_back_once_with_the_original_id(
    cause: int | Cause | Unreached | StanzaError, condition: str
) -> None:
    found, ports = service()
    found.on_stanza(stanza(id="m7"), 0.0)
    request, handle = ports.requests[0]
    for _ in range(2):
        if isinstance(cause, int):
            found.on_response(handle, final(request, cause), 1.0)
        else:
            found.on_failure(handle, cause, 1.0)
    [error] = ports.stanzas
    assert (error.get("id"), error.get("type"), error.get("to")) == ("m7", "error", f"{ALICE}/x")
    assert StanzaError.parse(error).condition == condition


def test_one_message_too_many_to_one_user_comes_back() -> None:
    found, ports = service()
    for number in range(1002):
        found.on_stanza(stanza(id=str(number)), 0.0)
    [error] = ports.stanzas
    assert error.get("id") == "1001"
    assert StanzaError.parse(error).condition is Condition.RESOURCE_CONSTRAINT


@pytest.mark.spec("IM-30")
def test_groupchat_is_refused_and_errors_never_cross() -> None:
    found, ports = service()
    found.on_stanza(stanza(type="groupchat"), 0.0)
    found.on_stanza(stanza(type="error"), 0.0)
    assert ports.requests == []
    [error] = ports.stanzas
    assert StanzaError.parse(error).condition is Condition.BAD_REQUEST


def test_an_answer_to_no_ping_of_ours_is_not_taken() -> None:
    found, ports = service()
    arrives(found)
    forged = reply(ports.of(IQ)[0])
    assert not found.on_answer(forged, "sip.example", "evil.example")
    assert ports.responses == []


# When the far server takes long ------------------------------------------------------------------


def test_without_acknowledgements_a_silent_server_is_504_and_given_up() -> None:
    found, ports = service()
    transaction = arrives(found)
    found.on_timer(PATIENCE)
    assert ports.answers() == [(transaction, 504)]
    assert ports.given_up == [PAIR]
    assert found.idle


@pytest.mark.spec("NET-39")
def test_a_message_on_a_managed_stream_is_answered_202_before_its_sender_gives_up() -> None:
    found, ports = service()
    first, second = arrives(found, "1"), arrives(found, "2")
    ports.managed = ports.of(MESSAGE)[1:]
    found.on_timer(PATIENCE)
    assert sorted(ports.answers(), key=str) == [(first, 202), (second, 202)]
    assert ports.given_up == []
    assert not found.idle, "the second is ours until the server has it"
    ports.managed = []
    found.on_timer(PATIENCE + LOOK_AGAIN)
    assert (found.idle, len(ports.responses)) == (True, 2)


def test_a_message_that_was_answered_and_is_lost_after_all_is_told_by_a_message() -> None:
    found, ports = service()
    arrives(found)
    ports.managed = ports.of(MESSAGE)
    found.on_timer(PATIENCE)
    found.lost(PAIR, ports.managed, 60.0)
    ((notice, handle),) = ports.requests
    assert notice.target == f"sip:{CAROL}"
    assert str(notice.from_.uri) == f"sip:{ALICE}"
    assert notice.body.decode() == "[not delivered, the stream was lost]: hello"
    assert len(ports.responses) == 1
    found.on_response(handle, final(notice, 500), 61.0)
    assert [each for each in ports.of(MESSAGE) if each.get("type") == "error"] == []
    assert found.idle


def test_a_bounce_after_the_answer_is_told_by_a_message_too() -> None:
    found, ports = service()
    arrives(found)
    ports.managed = ports.of(MESSAGE)
    found.on_timer(PATIENCE)
    bounce = error_reply(ports.of(MESSAGE)[0], StanzaError(Condition.ITEM_NOT_FOUND))
    assert bounce is not None
    found.on_stanza(bounce, 40.0)
    ((notice, _),) = ports.requests
    assert notice.body.decode() == "[not delivered, item-not-found]: hello"


@pytest.mark.spec("NET-39")
def test_of_a_lost_stream_what_was_acknowledged_is_delivered_and_the_rest_is_not() -> None:
    found, ports = service()
    first, second = arrives(found, "1"), arrives(found, "2")
    found.lost(PAIR, ports.of(MESSAGE)[1:], 1.0)
    assert sorted(ports.answers(), key=str) == [(first, 202), (second, 504)]


def test_a_stop_tells_of_what_was_answered_and_is_not_delivered() -> None:
    found, ports = service()
    arrives(found)
    ports.managed = ports.of(MESSAGE)
    found.on_timer(PATIENCE)
    found.give_up()
    ((notice, _),) = ports.requests
    assert b"not delivered" in notice.body


def test_what_waits_for_another_stream_is_neither_taken_nor_lost_with_the_old_one() -> None:
    for known in (True, False):
        found, ports = service()
        first, second = arrives(found, "1"), arrives(found, "2")
        sent, unsent = ports.of(MESSAGE)
        ports.unsent = [unsent]
        found.lost(PAIR, [sent] if known else None, 1.0)
        assert ports.answers() == [(first, 504)]
        assert answer_ping(found, ports), "the other has a ping of its own"
        assert ports.answers() == [(first, 504), (second, 202)]


@pytest.mark.spec("NET-38")
def test_a_server_that_answers_too_slowly_holds_up_nobody_else() -> None:
    found, ports = service()
    for number in range(MOST_OF_ONE):
        arrives(found, str(number))
    one_more = arrives(found, "last")
    assert ports.answers() == [(one_more, 503)]
    arrives(found, "other", to="bob@jabber.example")
    assert len(ports.responses) == 1
