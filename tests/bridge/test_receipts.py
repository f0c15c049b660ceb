"""What became of a message, told on the other side (RFC 5438, XEP-0184, XEP-0333)."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast
from zlib import compress

import pytest

from dragoman.bridge.message import Messages, Rules
from dragoman.mapping import imdn
from dragoman.mapping.envelope import CONTENT_TYPE as CPIM
from dragoman.mapping.imdn import Imdn, Status
from dragoman.msrp.cpim import Cpim
from dragoman.sip.message import Request, parse, response_to
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import markers, receipts, replies
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import BODY, MESSAGE, error_reply, message
from tests.bridge.test_message import ALICE, CAROL, Ports, answer_ping, final, service

if TYPE_CHECKING:
    from dragoman.sip.endpoint import ServerTransaction

BALCONY = f"{ALICE}/balcony"
WHOLE = "positive-delivery, negative-delivery, display"


def written(id_: str = "m1", *children: Element, text: str = "hello") -> Element:
    """Return a message of alice's that asks for a receipt and markers."""
    body = Element(BODY, None, (text,))
    asks = (receipts.request(), markers.markable())
    return message(CAROL, BALCONY, id=id_, type="chat", children=[body, *asks, *children])


def origin(id_: str) -> Element:
    return Element("{urn:xmpp:sid:0}origin-id", {"id": id_})


def delay() -> Element:
    return Element("{urn:xmpp:delay}delay", {"stamp": "2026-11-26T10:00:00Z"})


def letter(request: Request) -> Cpim:
    assert request.get("Content-Type") == CPIM
    return Cpim.parse(request.body)


def document(request: Request) -> Imdn:
    found = letter(request)
    assert found.content_header("content-type") == imdn.TYPE
    return Imdn.parse(found.content)


def arrives(
    found: Messages,
    body: str,
    name: str = "1",
    *,
    sender: str = f"sip:{CAROL}",
    media: str = CPIM,
    target: str = f"sip:{ALICE}",
    deflated: bool = False,
) -> str:
    """Have a MESSAGE of that sender arrive; return the handle of its transaction."""
    content = compress(body.encode()) if deflated else body.encode()
    encoding = "Content-Encoding: deflate\r\n" if deflated else ""
    head = (
        f"MESSAGE sip:{ALICE} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.30;branch=z9hG4bK{name}\r\n"
        f"Max-Forwards: 70\r\nFrom: <{sender}>;tag=1\r\nTo: <{target}>\r\nCall-ID: c{name}\r\n"
        f"CSeq: 1 MESSAGE\r\n{encoding}Content-Type: {media}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    request = parse(head.encode() + content)
    assert isinstance(request, Request)
    transaction = f"transaction {name}"
    found.on_request(request, cast("ServerTransaction", transaction), Uri.parse(sender), 0.0)
    return transaction


def asking(message_id: str = "id1", value: str = WHOLE, *lines: str) -> str:
    """Return a message/cpim that asks for notifications."""
    head = [
        f"From: <sip:{CAROL}>",
        f"To: <sip:{ALICE}>",
        f"NS: imdn <{imdn.NS}>",
        f"imdn.Message-ID: {message_id}",
        "DateTime: 2026-11-26T10:00:00Z",
        f"imdn.Disposition-Notification: {value}",
        *lines,
    ]
    return "\r\n".join([*head, "", "Content-Type: text/plain", "", "hello"])


def notifying(message_id: str, status: Status, *lines: str) -> str:
    """Return a message/cpim with a notification."""
    head = [f"NS: imdn <{imdn.NS}>", "imdn.Message-ID: other", *lines]
    inner = Imdn(message_id, "2026-11-26T10:00:00Z", status).encode().decode()
    return "\r\n".join([*head, "", f"Content-Type: {imdn.TYPE}", "", inner])


def delivered(found: Messages, ports: Ports, body: str = "", name: str = "1") -> Element:
    """Have a message of carol's cross, and be taken; return its stanza."""
    arrives(found, body or asking(), name)
    stanza = ports.of(MESSAGE)[-1]
    assert answer_ping(found, ports)
    return stanza


def says(*children: Element, id_: str = "r1") -> Element:
    return message(CAROL, BALCONY, id=id_, type="chat", children=children)


# Messages of XMPP


@pytest.mark.spec("IM-21")
def test_a_receipt_request_becomes_cpim_with_what_is_asked() -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    [(request, _)] = ports.requests
    wrapped = letter(request)
    assert wrapped.get("From") == f"<sip:{ALICE};gr=balcony>" == f"<{request.from_.uri}>"
    assert wrapped.get("To") == f"<sip:{CAROL}>"
    assert wrapped.get("DateTime") == "1970-01-01T00:00:00Z"
    assert wrapped.get("Message-ID", imdn.NS)
    assert wrapped.get("Disposition-Notification", imdn.NS) == WHOLE
    assert wrapped.content == b"hello"
    assert wrapped.content_header("content-type") == "text/plain;charset=UTF-8"


def test_lines_in_a_wrapper_end_as_mime_has_them() -> None:
    found, ports = service()
    found.on_stanza(written(text="one\ntwo"), 0.0)
    wrapped = letter(ports.requests[0][0])
    assert wrapped.content == b"one\r\ntwo"
    assert wrapped.content_header("content-length") == "8"
    bare = Element(BODY, None, ("one\ntwo",))
    found.on_stanza(message("dave@sip.example", BALCONY, id="m2", children=[bare]), 0.0)
    assert ports.requests[1][0].body == b"one\ntwo", "outside of MIME it is as it was written"


def test_who_asks_for_nothing_gets_a_plain_message() -> None:
    found, ports = service()
    body = Element(BODY, None, ("hello",))
    found.on_stanza(message(CAROL, BALCONY, id="m1", type="chat", children=[body]), 0.0)
    assert ports.requests[0][0].get("Content-Type") == "text/plain;charset=UTF-8"


@pytest.mark.parametrize("status", [406, 415, 488, 606])
def test_a_phone_without_cpim_gets_it_bare_at_once_and_from_then_on(status: int) -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    request, handle = ports.requests[0]
    found.on_response(handle, final(request, status), 0.1)
    assert ports.requests[1][0].body == b"hello"
    found.on_response(handle, final(ports.requests[1][0], 200), 0.2)
    found.on_stanza(written("m2"), 1.0)
    assert ports.requests[2][0].body == b"hello"
    assert ports.stanzas == [], "nobody is told that a receipt will not come"


def test_bare_or_not_what_fails_comes_back_once() -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    request, handle = ports.requests[0]
    found.on_response(handle, final(request, 415), 0.1)
    found.on_response(handle, final(ports.requests[1][0], 415), 0.2)
    [error] = ports.of(MESSAGE)
    assert (error.get("type"), error.get("id")) == ("error", "m1")
    assert len(ports.requests) == 2
    assert found.idle


def test_a_message_for_a_device_that_is_gone_goes_to_its_users_others() -> None:
    found, ports = service()
    stanza = written()
    stanza.attributes["to"] = f"{CAROL}/phone"
    found.on_stanza(stanza, 0.0)
    request, handle = ports.requests[0]
    assert request.target == f"sip:{CAROL};gr=phone"
    found.on_response(handle, final(request, 480), 0.1)
    assert ports.requests[1][0].target == f"sip:{CAROL}"
    found.on_response(handle, final(ports.requests[1][0], 480), 0.2)
    assert [each.get("type") for each in ports.of(MESSAGE)] == ["error"]


@pytest.mark.parametrize(("on", "count"), [(True, 1), (False, 0)])
def test_a_200_is_a_receipt_where_the_operator_says_so(on: bool, count: int) -> None:
    found, ports = service(Rules(receipt_on_200=on))
    for status in (200, 202):
        found.on_stanza(written(f"m{status}"), 0.0)
        request, handle = ports.requests[-1]
        if request.get("Content-Type") == CPIM:
            found.on_response(handle, final(request, 415), 0.1)
        found.on_response(handle, final(request, status), 0.2)
    told = [receipts.received(each) for each in ports.of(MESSAGE)]
    assert told == ["m200"] * count


@pytest.mark.spec("IM-22")
def test_delivered_becomes_a_receipt_with_the_id_of_the_stanza() -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    message_id = letter(ports.requests[0][0]).get("Message-ID", imdn.NS) or ""
    transaction = arrives(found, notifying(message_id, Status.DELIVERED))
    [told] = ports.of(MESSAGE)
    assert receipts.received(told) == "m1"
    assert (told.get("to"), told.get("from"), told.get("type")) == (BALCONY, CAROL, "chat")
    assert told.find(BODY) is None
    assert answer_ping(found, ports)
    assert ports.answers() == [(transaction, 202)]


@pytest.mark.spec("IM-22")
def test_a_notification_may_come_bare_and_compressed() -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    message_id = letter(ports.requests[0][0]).get("Message-ID", imdn.NS) or ""
    bare = Imdn(message_id, "2026-11-26T10:00:00Z", Status.DELIVERED).encode().decode()
    arrives(found, bare, media=imdn.TYPE, deflated=True)
    [told] = ports.of(MESSAGE)
    assert receipts.received(told) == "m1"


def test_displayed_becomes_a_marker() -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    message_id = letter(ports.requests[0][0]).get("Message-ID", imdn.NS) or ""
    arrives(found, notifying(message_id, Status.DISPLAYED))
    [told] = ports.of(MESSAGE)
    assert list(markers.marks(told)) == [(markers.Marker.DISPLAYED, "m1")]


def test_failed_becomes_an_error_for_the_message_itself() -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    message_id = letter(ports.requests[0][0]).get("Message-ID", imdn.NS) or ""
    arrives(found, notifying(message_id, Status.FAILED))
    [told] = ports.of(MESSAGE)
    assert (told.get("id"), told.get("type")) == ("m1", "error")
    assert StanzaError.parse(told).condition is Condition.RECIPIENT_UNAVAILABLE


@pytest.mark.parametrize(
    "status", [Status.FORBIDDEN, Status.ERROR, Status.PROCESSED, Status.STORED]
)
def test_what_says_nothing_of_the_message_tells_nothing(status: Status) -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    message_id = letter(ports.requests[0][0]).get("Message-ID", imdn.NS) or ""
    arrives(found, notifying(message_id, status))
    assert (ports.stanzas, ports.answers()) == ([], [("transaction 1", 200)])


def test_a_notification_of_an_unknown_message_or_of_somebody_elses_is_dropped() -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    message_id = letter(ports.requests[0][0]).get("Message-ID", imdn.NS) or ""
    arrives(found, notifying("unknown", Status.DELIVERED))
    arrives(found, notifying(message_id, Status.DELIVERED), "2", sender="sip:dave@sip.example")
    assert ports.stanzas == []
    assert [status for _, status in ports.answers()] == [200, 200]


@pytest.mark.spec("IM-25")
def test_each_word_is_told_once_and_no_failure_after_delivery() -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    message_id = letter(ports.requests[0][0]).get("Message-ID", imdn.NS) or ""
    said = [Status.DELIVERED, Status.DELIVERED, Status.DISPLAYED, Status.DISPLAYED, Status.FAILED]
    for number, status in enumerate(said):
        arrives(found, notifying(message_id, status), str(number))
    assert [each.find(BODY) for each in ports.of(MESSAGE)] == [None, None]
    assert receipts.received(ports.of(MESSAGE)[0]) == "m1"
    assert list(markers.marks(ports.of(MESSAGE)[1]))


def test_a_bad_notification_is_refused() -> None:
    found, ports = service()
    body = f"NS: imdn <{imdn.NS}>\r\n\r\nContent-Type: {imdn.TYPE}\r\n\r\n<imdn/>"
    arrives(found, body)
    assert ports.answers() == [("transaction 1", 400)]


def test_what_an_xmpp_client_makes_of_a_receipt_is_nothing_to_the_phone() -> None:
    found, ports = service()
    found.on_stanza(written(), 0.0)
    message_id = letter(ports.requests[0][0]).get("Message-ID", imdn.NS) or ""
    arrives(found, notifying(message_id, Status.DELIVERED))
    refused = error_reply(ports.of(MESSAGE)[0], StanzaError(Condition.SERVICE_UNAVAILABLE))
    assert refused is not None
    found.on_stanza(refused, 0.1)
    assert ports.answers() == [("transaction 1", 202)]


# Messages of SIP


def test_what_a_phone_asks_is_asked_of_the_reader() -> None:
    found, ports = service()
    stanza = delivered(found, ports)
    assert receipts.is_request(stanza)
    assert markers.is_markable(stanza)
    for number, value in enumerate(("negative-delivery", "processing"), 2):
        quiet = delivered(found, ports, asking(f"id{number}", value), str(number))
        assert not receipts.is_request(quiet)
        assert not markers.is_markable(quiet)


def test_an_anonymous_sender_is_told_nothing() -> None:
    found, ports = service()
    arrives(found, asking(), sender="sip:anonymous@anonymous.invalid")
    [stanza] = ports.of(MESSAGE)
    assert not receipts.is_request(stanza)


@pytest.mark.spec("IM-23")
@pytest.mark.parametrize(
    ("child", "status"),
    [(receipts.receipt, Status.DELIVERED), (markers.displayed, Status.DISPLAYED)],
)
def test_receipts_and_markers_become_notifications_to_the_sender(
    child: Callable[[str], Element], status: Status
) -> None:
    found, ports = service()
    sent = asking()
    arrives(found, sent, sender=f"sip:{CAROL};gr=phone")
    stanza = ports.of(MESSAGE)[-1]
    found.on_stanza(says(child(stanza.attributes["id"])), 1.0)
    [(request, handle)] = ports.requests
    assert request.method == "MESSAGE"
    assert request.target == f"sip:{CAROL};gr=phone"
    assert str(request.to.uri) == f"sip:{CAROL}"
    assert str(request.from_.uri) == f"sip:{ALICE}", "whom it was for, not the device of the reader"
    assert letter(request).get("From") == f"<sip:{ALICE}>"
    told = document(request)
    assert (told.message_id, told.status, told.recipient) == ("id1", status, f"sip:{ALICE}")
    assert letter(request).content_header("content-disposition") == "notification"
    found.on_response(handle, final(request, 500), 2.0)
    assert len(ports.of(MESSAGE)) == 1, "nobody hears what becomes of a notification"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (f"sip:{ALICE}", f"sip:{ALICE}"),
        (f"sip:{ALICE};gr=lab", f"sip:{ALICE};gr=lab"),
        (f"sip:{ALICE};transport=tcp", f"sip:{ALICE}"),
        ("sip:friends@sip.example;gr=lab", f"sip:{ALICE}"),
        (f"sip:{ALICE};gr={'x' * 600}", f"sip:{ALICE}"),
        ("tel:+15551234", f"sip:{ALICE}"),
    ],
)
def test_a_notification_is_from_whom_the_message_was_for(written: str, named: str) -> None:
    found, ports = service()
    arrives(found, asking(), target=written)
    stanza = ports.of(MESSAGE)[-1]
    found.on_stanza(says(receipts.receipt(stanza.attributes["id"])), 1.0)
    [(request, _)] = ports.requests
    assert str(request.from_.uri) == named
    assert letter(request).get("From") == f"<{named}>"
    original = "" if len(written) > 600 else written
    assert document(request).original_recipient == (original or f"sip:{ALICE}")


@pytest.mark.spec("IM-24")
def test_no_notification_is_asked_for_one() -> None:
    found, ports = service()
    stanza = delivered(found, ports)
    own = says(receipts.receipt(stanza.attributes["id"]), receipts.request(), markers.markable())
    found.on_stanza(own, 1.0)
    [(request, _)] = ports.requests
    told = letter(request)
    assert told.get("Disposition-Notification", imdn.NS) is None
    assert told.get("Message-ID", imdn.NS) not in (None, "id1")
    arrives(
        found,
        notifying("x", Status.DELIVERED, f"imdn.Disposition-Notification: {WHOLE}"),
        "n",
    )
    assert len(ports.requests) == 1, "and none is sent for one"


@pytest.mark.spec("IM-25")
def test_the_sender_hears_each_once_whoever_of_the_readers_devices_says_it() -> None:
    found, ports = service()
    stanza = delivered(found, ports)
    for _ in range(2):
        found.on_stanza(says(receipts.receipt(stanza.attributes["id"])), 1.0)
    found.on_stanza(says(markers.displayed(stanza.attributes["id"])), 1.0)
    handles = deque(handle for _, handle in ports.requests)
    found.on_response(handles.popleft(), final(ports.requests[0][0], 200), 1.1)
    assert [document(request).status for request, _ in ports.requests] == [
        Status.DELIVERED,
        Status.DISPLAYED,
    ]
    bounce = error_reply(stanza, StanzaError(Condition.ITEM_NOT_FOUND))
    assert bounce is not None
    found.on_stanza(bounce, 2.0)
    assert len(ports.requests) == 2, "no failure after delivery"


def test_what_was_not_asked_is_not_told() -> None:
    found, ports = service()
    stanza = delivered(found, ports, asking("id1", "negative-delivery"))
    found.on_stanza(says(receipts.receipt(stanza.attributes["id"])), 1.0)
    found.on_stanza(says(receipts.receipt("unknown")), 1.0)
    assert ports.requests == []


def test_a_receipt_of_somebody_else_counts_for_nothing() -> None:
    found, ports = service()
    stanza = delivered(found, ports)
    stranger = says(receipts.receipt(stanza.attributes["id"]))
    stranger.attributes["from"] = "mallory@xmpp.example/x"
    found.on_stanza(stranger, 1.0)
    assert ports.requests == []


@pytest.mark.spec("IM-26")
@pytest.mark.parametrize(("value", "count"), [(WHOLE, 1), ("positive-delivery", 0)])
def test_a_late_bounce_is_a_failure_where_that_is_asked(value: str, count: int) -> None:
    found, ports = service()
    stanza = delivered(found, ports, asking("id1", value))
    bounce = error_reply(stanza, StanzaError(Condition.SERVICE_UNAVAILABLE))
    assert bounce is not None
    for _ in range(2):
        found.on_stanza(bounce, 2.0)
    assert [document(request).status for request, _ in ports.requests] == [Status.FAILED] * count


@pytest.mark.spec("IM-26")
def test_who_heard_a_failing_status_gets_no_notification_of_it() -> None:
    found, ports = service()
    arrives(found, asking())
    bounce = error_reply(ports.of(MESSAGE)[0], StanzaError(Condition.ITEM_NOT_FOUND))
    assert bounce is not None
    found.on_stanza(bounce, 0.5)
    assert ports.answers() == [("transaction 1", 404)]
    found.on_stanza(bounce, 0.6)
    assert ports.requests == []


@pytest.mark.spec("IM-27")
def test_a_notification_goes_back_the_way_that_the_message_came() -> None:
    found, ports = service()
    routes = ("sip:list@relay.example", f"sip:{CAROL}")
    lines = [f"imdn.IMDN-Record-Route: <{uri}>" for uri in routes]
    stanza = delivered(found, ports, asking("id1", WHOLE, *lines))
    found.on_stanza(says(receipts.receipt(stanza.attributes["id"])), 1.0)
    [(request, _)] = ports.requests
    assert request.target == routes[0]
    back = [each.value for each in letter(request).headers if each.name == "IMDN-Route"]
    assert back == [f"<{uri}>" for uri in routes]


@pytest.mark.spec("IM-36")
def test_one_marker_covers_what_came_before() -> None:
    found, ports = service()
    stanzas = [delivered(found, ports, asking(f"id{n}"), str(n)) for n in range(4)]
    found.on_stanza(says(markers.displayed(stanzas[2].attributes["id"])), 1.0)
    found.on_stanza(says(markers.displayed(stanzas[3].attributes["id"])), 2.0)
    seen = 0
    while seen < len(ports.requests):
        request, handle = ports.requests[seen]
        seen += 1
        found.on_response(handle, response_to(request, 200), 3.0)
    told = [document(request).message_id for request, _ in ports.requests]
    assert told == ["id0", "id1", "id2", "id3"]


# Nothing crosses twice


def test_a_message_of_sip_that_comes_again_by_another_way_does_not_cross_again() -> None:
    found, ports = service()
    delivered(found, ports)
    arrives(found, asking(), "again")
    assert len(ports.of(MESSAGE)) == 1
    assert ports.answers()[-1] == ("transaction again", 202)


def test_one_that_failed_may_come_again() -> None:
    found, ports = service()
    arrives(found, asking())
    bounce = error_reply(ports.of(MESSAGE)[0], StanzaError(Condition.REMOTE_SERVER_TIMEOUT))
    assert bounce is not None
    found.on_stanza(bounce, 0.5)
    arrives(found, asking(), "again")
    assert len(ports.of(MESSAGE)) == 2


@pytest.mark.parametrize(
    ("again", "crosses"),
    [
        (written("other", origin("o1")), False),
        (written("other", origin("o2")), True),
        (written("m1", delay()), False),
        (written("m2", delay()), True),
        (written("m1"), True),
    ],
)
def test_a_stanza_that_comes_again_does_not_cross_again(again: Element, crosses: bool) -> None:
    found, ports = service()
    found.on_stanza(written("m1", origin("o1")), 0.0)
    request, handle = ports.requests[0]
    found.on_response(handle, final(request, 200), 0.1)
    found.on_stanza(again, 5.0)
    assert (len(ports.requests) == 2) is crosses
    assert ports.of(MESSAGE) == []


def test_a_stanza_whose_message_failed_may_come_again() -> None:
    found, ports = service()
    found.on_stanza(written("m1", origin("o1")), 0.0)
    request, handle = ports.requests[0]
    found.on_response(handle, final(request, 480), 0.1)
    found.on_stanza(written("m2", origin("o1")), 5.0)
    assert len(ports.requests) == 2


def test_the_time_of_a_delayed_message_is_kept_in_its_envelope() -> None:
    found, ports = service()
    found.on_stanza(written("m1", delay()), 0.0)
    [(request, _)] = ports.requests
    assert letter(request).get("DateTime") == "2026-11-26T10:00:00Z"
    assert request.get("Date") == "Thu, 26 Nov 2026 10:00:00 GMT"


# What a message answers


def answering(message_id: str) -> str:
    lines = [
        "NS: linphone <tag:linphone.org,2020:params:groupchat>",
        f"linphone.Replying-To-Message-ID: {message_id}",
    ]
    return asking("id9", WHOLE, *lines)


def test_what_a_phone_answers_is_the_message_that_was_meant() -> None:
    found, ports = service()
    found.on_stanza(written("m1"), 0.0)
    request, handle = ports.requests[-1]
    found.on_response(handle, final(request, 200), 0.0)
    ours = letter(request).get("Message-ID", imdn.NS) or ""
    reply = delivered(found, ports, answering(ours)).find(replies.REPLY)
    assert reply is not None
    assert (reply.get("id"), reply.get("to")) == ("m1", ALICE)


def test_a_phone_may_answer_its_own_message() -> None:
    found, ports = service()
    first = delivered(found, ports, asking("id1"), "1")
    reply = delivered(found, ports, answering("id1"), "2").find(replies.REPLY)
    assert reply is not None
    assert (reply.get("id"), reply.get("to")) == (first.get("id"), CAROL)


def test_what_answers_a_message_that_is_not_known_is_a_message() -> None:
    found, ports = service()
    stanza = delivered(found, ports, answering("unknown"))
    assert stanza.find(replies.REPLY) is None
    assert stanza.find(BODY) is not None
