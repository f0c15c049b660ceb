"""Two MSRP endpoints talk (RFC 4975 §5.4, §11.1); who may bind what; what is bounded."""

import pytest

from dragoman.errors import LocalError
from dragoman.msrp import (
    CloseWanted,
    ConnectWanted,
    Delivered,
    Endpoint,
    Failed,
    FailureReport,
    Full,
    Limits,
    Meeting,
    MessageArrived,
    MsrpError,
    Path,
    Sent,
    Session,
    SessionFailed,
    State,
    Target,
    Terms,
    Transport,
    Unreported,
    Up,
    Why,
)
from tests.msrp.ends import ADDRESSES, Certificate, End, another, joined, started, tokens

ALICE = "msrp://alicepc.example.com:7777/iau39soe2843z;tcp"


def alone(limits: Limits | None = None, *, sessmatch: bool = False) -> End:
    end = End(Endpoint(ADDRESSES, tokens("b"), limits=limits, sessmatch=sessmatch))
    end.connection = end.endpoint.accepted(Transport.TCP, 0.0)
    return end


def send(
    to: object,
    *lines: str,
    tid: str = "d93kswow",
    body: str | None = "Hi, I'm Alice!",
    flag: str = "$",
    method: str = "SEND",
) -> bytes:
    """Return a request from alice; what follows Message-ID may be among `lines`."""
    head = f"MSRP {tid} {method}\r\nTo-Path: {to}\r\nFrom-Path: {ALICE}\r\n"
    head += "".join(f"{line}\r\n" for line in lines)
    if body is not None:
        head += f"Content-Type: text/plain\r\n\r\n{body}\r\n"
    return f"{head}-------{tid}{flag}\r\n".encode()


def statuses(end: End) -> list[int]:
    """Return the codes of the responses that `end` sends."""
    lines = b"".join(end.to_send()).decode().split("\r\n")
    return [int(line.split(" ")[2]) for line in lines if line.startswith("MSRP ") and
            line.split(" ")[2].isdigit()]  # fmt: skip


def stands(session: Session) -> State:
    return session.state


# -- a session -----------------------------------------------------------------------


def test_a_conversation() -> None:
    ends = joined()
    assert ends.hers.state is ends.his.state is State.UP
    assert [event.session for event in ends.alice.told(Up)] == [ends.hers]
    assert [event.session for event in ends.bob.told(Up)] == [ends.his]
    handle = ends.hers.send("text/plain", b"Hi, I'm Alice!", ends.now, success_report=True, tag=7)
    ends.run()
    (arrived,) = ends.bob.told(MessageArrived)
    assert (arrived.session, arrived.body, arrived.total) == (ends.his, b"Hi, I'm Alice!", 14)
    assert arrived.success_report
    assert arrived.failure_report is FailureReport.YES
    assert arrived.message_id == handle.message_id
    assert ends.alice.told(Sent) == [Sent(handle)]
    assert ends.alice.told(Delivered) == []
    assert ends.his.report(arrived.message_id, ends.now)
    ends.run()
    assert ends.alice.told(Delivered) == [Delivered(handle)]
    assert handle.tag == 7
    ends.his.send("text/plain", b"Hi, Alice!  I'm Bob!", ends.now)
    ends.run()
    assert [event.body for event in ends.alice.told(MessageArrived)] == [b"Hi, Alice!  I'm Bob!"]


@pytest.mark.spec("MSRP-24")
def test_the_active_side_sends_at_once_and_the_passive_side_waits() -> None:
    ends = joined(up=False)
    ends.his.send("text/plain", b"me first", 0.0)
    assert ends.bob.to_send() == []
    (first,) = ends.alice.to_send()
    assert b" SEND\r\n" in first
    assert b"Byte-Range: 1-0/0\r\n-------" in first
    assert b"Content-Type" not in first
    assert stands(ends.his) is State.WAITING
    ends.bob.receive(first, 0.0)
    assert stands(ends.his) is State.UP
    response, message = ends.bob.to_send()
    assert b" 200 OK\r\n" in response
    assert b"me first" in message


@pytest.mark.spec("MSRP-24")
def test_a_message_that_waits_is_the_first_send() -> None:
    alice = alone()
    session = started(alice, "msrp://bob.example.com:8888/x;tcp", active=True)
    session.send("text/plain", b"hello", 0.0)
    (wanted,) = alice.told(ConnectWanted)
    wanted.connection.opened(0.0)
    (first,) = wanted.connection.to_send(0.0)
    assert b"hello" in first


def test_the_connection_may_come_before_the_answer() -> None:
    bob = alone()
    session = bob.endpoint.prepare(Terms())
    bob.receive(send(session.uri, "Message-ID: 1"), 0.0)
    assert statuses(bob) == [200]
    assert session.state is State.PREPARED
    assert bob.told(Up) == []
    session.start(Path.parse(ALICE), Terms(), Meeting(active=False), 1.0)
    assert bob.told(Up) == [Up(session)]


def test_a_connection_is_used_again_for_the_same_place_only() -> None:
    ends = joined()
    hers, his = another(ends)
    assert hers.state is his.state is State.UP
    assert len(ends.alice.told(ConnectWanted)) == 1
    elsewhere = started(ends.alice, "msrp://other.example.com:2855/x;tcp", active=True)
    assert len(ends.alice.told(ConnectWanted)) == 2
    assert elsewhere.state is State.CONNECTING


@pytest.mark.spec("MSRP-28")
def test_the_first_of_a_path_is_connected_to_and_all_are_addressed() -> None:
    alice = alone()
    path = "msrps://relay.example.net:9000/r;tcp msrp://bob.example.com:8888/9di4eae923wzd;tcp"
    started(alice, path, active=True)
    (wanted,) = alice.told(ConnectWanted)
    assert wanted.connection.target == Target(
        Transport.TLS, "relay.example.net", 9000, "relay.example.net"
    )
    alice.connection = wanted.connection
    alice.connection.opened(0.0)
    alice.connection.secured(Certificate(("relay.example.net",)), 0.0)
    assert f"To-Path: {path}\r\n".encode() in b"".join(alice.to_send())


@pytest.mark.spec("MSRP-27")
def test_cema_connects_elsewhere_and_leaves_the_path_alone() -> None:
    alice = alone()
    session = alice.endpoint.prepare(Terms())
    path = Path.parse("msrp://bob.example.com:8888/9di4eae923wzd;tcp")
    session.start(path, Terms(), Meeting(active=True, address=("192.0.2.7", 4000)), 0.0)
    (wanted,) = alice.told(ConnectWanted)
    assert wanted.connection.target == Target(Transport.TCP, "192.0.2.7", 4000, "bob.example.com")
    alice.connection = wanted.connection
    alice.connection.opened(0.0)
    assert f"To-Path: {path}\r\n".encode() in b"".join(alice.to_send())


def test_unknown_transports_are_no_way_to_connect_but_may_be_on_the_path() -> None:
    alice = alone()
    session = alice.endpoint.prepare(Terms())
    for bad in ("msrp://b.example:1/x;sctp", "msrp://b.example/x;tcp", "msrp://b.example:1/x;ws"):
        with pytest.raises(MsrpError):
            session.start(Path.parse(bad), Terms(), Meeting(active=True), 0.0)
    assert stands(session) is State.PREPARED
    path = Path.parse("msrp://r.example:1/x;tcp msrp://b.example:1/x;sctp")
    session.start(path, Terms(), Meeting(active=True), 0.0)
    assert stands(session) is State.CONNECTING


# -- who is there --------------------------------------------------------------------


@pytest.mark.spec("MSRP-29")
@pytest.mark.parametrize(
    ("certificate", "fingerprints", "good"),
    [
        (Certificate(("gw.example.com",)), (), True),
        (Certificate(("other.example.com",)), (), False),
        (Certificate(), (), False),
        (Certificate((), "sha-256 AB"), ("sha-256 AB",), True),
        (Certificate(("gw.example.com",), "sha-256 CD"), ("sha-256 AB",), False),
        (Certificate((), "sha-256 AB"), ("sha-1 00", "sha-256 AB"), True),
    ],
)
def test_who_is_connected_to(
    certificate: Certificate, fingerprints: tuple[str, ...], good: bool
) -> None:
    alice = alone()
    session = alice.endpoint.prepare(Terms(), Transport.TLS)
    path = Path.parse("msrps://gw.example.com:1/x;tcp")
    session.start(path, Terms(), Meeting(active=True, fingerprints=fingerprints), 0.0)
    (wanted,) = alice.told(ConnectWanted)
    alice.connection = wanted.connection
    alice.connection.opened(0.0)
    assert alice.to_send() == []
    alice.connection.secured(certificate, 0.0)
    if good:
        assert session.state is State.UP
        assert alice.to_send() != []
    else:
        assert [event.why for event in alice.told(SessionFailed)] == [Why.STRANGER]
        assert alice.to_send() == []


@pytest.mark.spec("MSRP-29")
@pytest.mark.parametrize(
    ("certificate", "status"),
    [(Certificate(), 200), (Certificate((), "sha-256 AB"), 200), (Certificate((), "x y"), 403)],
)
def test_who_connects(certificate: Certificate, status: int) -> None:
    bob = alone()
    session = bob.endpoint.prepare(Terms(), Transport.TLS)
    meeting = Meeting(active=False, fingerprints=("sha-256 AB",))
    session.start(Path.parse(ALICE), Terms(), meeting, 0.0)
    bob.connection = bob.endpoint.accepted(Transport.TLS, 0.0)
    assert bob.connection is not None
    bob.receive(send(session.uri, "Message-ID: 1"), 0.0)
    assert bob.to_send() == []
    bob.connection.secured(certificate, 0.0)
    bob.receive(send(session.uri, "Message-ID: 1"), 0.0)
    assert statuses(bob) == [status]
    assert (session.state is State.UP) == (status == 200)


@pytest.mark.spec("MSRP-29")
def test_who_connected_before_the_answer() -> None:
    bob = alone()
    session = bob.endpoint.prepare(Terms(), Transport.TLS)
    bob.connection = bob.endpoint.accepted(Transport.TLS, 0.0)
    assert bob.connection is not None
    bob.connection.secured(Certificate((), "x y"), 0.0)
    bob.receive(send(session.uri, "Message-ID: 1"), 0.0)
    meeting = Meeting(active=False, fingerprints=("sha-256 AB",))
    session.start(Path.parse(ALICE), Terms(), meeting, 0.0)
    assert [event.why for event in bob.told(SessionFailed)] == [Why.STRANGER]


@pytest.mark.spec("MSRP-29")
def test_a_session_that_asks_for_tls_is_not_to_be_had_without() -> None:
    bob = alone()
    session = bob.endpoint.prepare(Terms(), Transport.TLS)
    session.start(Path.parse(ALICE), Terms(), Meeting(active=False), 0.0)
    bob.receive(send(session.uri, "Message-ID: 1"), 0.0)
    assert statuses(bob) == [403]
    assert session.state is State.WAITING


# -- what does not belong ------------------------------------------------------------


@pytest.mark.spec("MSRP-20")
def test_no_such_session() -> None:
    bob = alone()
    session = started(bob, ALICE)
    for wrong in (
        "msrp://gw.example.com:2855/nobody;tcp",
        str(session.uri).replace("2855", "2856"),
        f"{session.uri} {session.uri}",
    ):
        bob.receive(send(wrong, "Message-ID: 1"), 0.0)
        bob.receive(send(wrong, "Message-ID: 1", "Failure-Report: no"), 0.0)
        assert statuses(bob) == [481]
    bob.receive(send(session.uri, "Message-ID: 1"), 0.0)
    session.close(0.0)
    bob.receive(send(session.uri, "Message-ID: 2"), 0.0)
    assert statuses(bob) == [200, 481]
    assert len(bob.told(MessageArrived)) == 1


@pytest.mark.spec("MSRP-32")
def test_the_session_is_found_by_another_spelling_and_with_sessmatch_by_its_id() -> None:
    bob = alone()
    session = started(bob, ALICE)
    other = str(session.uri).replace("msrp://gw.example.com", "MSRP://bob@GW.Example.com")
    bob.receive(send(other, "Message-ID: 1"), 0.0)
    assert statuses(bob) == [200]
    bob = alone(sessmatch=True)
    session = started(bob, ALICE)
    bob.receive(send(str(session.uri).replace("gw.example.com:2855", "192.0.2.1:9")), 0.0)
    assert session.state is State.UP


@pytest.mark.spec("MSRP-20")
def test_a_second_connection_for_one_session() -> None:
    bob = alone()
    session = started(bob, ALICE)
    bob.receive(send(session.uri, "Message-ID: 1"), 0.0)
    assert statuses(bob) == [200]
    bob.connection = bob.endpoint.accepted(Transport.TCP, 0.0)
    bob.receive(send(session.uri, "Message-ID: 2"), 0.0)
    assert statuses(bob) == [506]
    assert len(bob.told(MessageArrived)) == 1


@pytest.mark.spec("MSRP-20")
def test_an_unknown_method() -> None:
    bob = alone()
    session = started(bob, ALICE)
    bob.receive(send(session.uri, "Message-ID: 1", method="NICKNAME", body=None), 0.0)
    bob.receive(send("msrp://gw.example.com:2855/nobody;tcp", method="AUTH", body=None), 0.0)
    assert statuses(bob) == [501, 481]
    response = b"MSRP d93kswow 481"
    bob.receive(send("msrp://gw.example.com:2855/x;tcp", "Message-ID: 1"), 0.0)
    assert b"".join(bob.to_send()).startswith(response)


@pytest.mark.spec("MSRP-22")
def test_a_report_is_never_answered() -> None:
    bob = alone()
    session = started(bob, ALICE)
    bob.receive(send(session.uri, "Message-ID: 1"), 0.0)
    bob.to_send()
    for uri in (session.uri, "msrp://gw.example.com:2855/nobody;tcp"):
        for status in ("000 200 OK", "000 400", "001 200", "000 481"):
            lines = ("Message-ID: 99", "Byte-Range: 1-2/2", f"Status: {status}")
            bob.receive(send(uri, *lines, method="REPORT", body=None), 0.0)
            bob.receive(send(uri, *lines, method="REPORT"), 0.0)
            assert bob.to_send() == []
    assert session.state is State.UP


def test_what_is_malformed_is_answered_and_what_is_none_ends_the_connection() -> None:
    bob = alone()
    session = started(bob, ALICE)
    bob.receive(send(session.uri, "Message-ID: 1", "Byte-Range: x"), 0.0)
    bob.receive(send(session.uri, "Message-ID: 1", "Byte-Range: x", "Failure-Report: no"), 0.0)
    bob.receive(send(session.uri), 0.0)
    assert statuses(bob) == [400, 400]
    bob.receive(b"GET / HTTP/1.1\r\n\r\n", 0.0)
    assert len(bob.told(CloseWanted)) == 1
    assert [event.why for event in bob.told(SessionFailed)] == [Why.LOST]
    assert bob.connection is not None
    assert not bob.connection.reading


def test_unsupported_types() -> None:
    bob = alone()
    session = bob.endpoint.prepare(Terms(("message/cpim", "text/plain")))
    session.start(Path.parse(ALICE), Terms(), Meeting(active=False), 0.0)
    for kind, status in (
        ("text/plain;charset=utf-8", 200),
        ("TEXT/PLAIN", 200),
        ("text/html", 415),
        ("multipart/mixed;boundary=a", 200),
        ("multipart/alternative;boundary=a", 200),
    ):
        data = send(session.uri, f"Message-ID: {status}{kind[:5]}{len(kind)}")
        bob.receive(data.replace(b"text/plain", kind.encode()), 0.0)
        assert statuses(bob) == [status]


# -- what waits ----------------------------------------------------------------------


def test_nobody_connects() -> None:
    bob = alone()
    session = started(bob, ALICE)
    handle = session.send("text/plain", b"hello?", 0.0)
    bob.on_timer(bob.endpoint.limits.connect)
    assert bob.told(Failed) == [Failed(handle, None, Why.TIMEOUT.value)]
    assert bob.told(SessionFailed) == [SessionFailed(session, Why.TIMEOUT)]
    with pytest.raises(LocalError):
        session.send("text/plain", b"late", 40.0)


def test_no_connection_can_be_made() -> None:
    alice = alone()
    session = started(alice, "msrp://bob.example.com:8888/x;tcp", active=True)
    (wanted,) = alice.told(ConnectWanted)
    wanted.connection.closed(1.0, "refused")
    assert alice.told(SessionFailed) == [SessionFailed(session, Why.UNREACHABLE, "refused")]
    again = started(alice, "msrp://bob.example.com:8888/y;tcp", active=True)
    assert len(alice.told(ConnectWanted)) == 2
    assert again.state is State.CONNECTING


@pytest.mark.spec("MSRP-33")
def test_a_lost_connection_fails_its_sessions_and_messages_go_again_under_their_ids() -> None:
    ends = joined()
    one = ends.hers.send("text/plain", b"one", ends.now, success_report=True)
    ends.run()
    two = ends.hers.send("text/plain", b"two", ends.now)
    assert ends.alice.connection is not None
    ends.alice.connection.to_send(ends.now)
    three = ends.hers.send("text/plain", b"three", ends.now)
    ends.alice.connection.closed(ends.now, "reset")
    reason = Why.LOST.value
    assert ends.alice.told(Failed) == [Failed(two, None, reason), Failed(three, None, reason)]
    assert ends.alice.told(Unreported) == [Unreported(one)]
    assert ends.alice.seen[-1] == SessionFailed(ends.hers, Why.LOST, "reset")
    fresh = ends.alice.endpoint.prepare(Terms())
    assert fresh.uri != ends.hers.uri
    fresh.start(ends.his.path, Terms(), Meeting(active=True), ends.now)
    again = fresh.send("text/plain", b"two", ends.now, message_id=two.message_id)
    assert again.message_id == two.message_id


def test_closing_tells_what_was_not_confirmed_and_nothing_else() -> None:
    ends = joined()
    sent = ends.hers.send("text/plain", b"one", ends.now, success_report=True)
    ends.run()
    waits = ends.hers.send("text/plain", b"two", ends.now)
    ends.hers.close(ends.now)
    ends.hers.close(ends.now)
    assert ends.alice.told(Failed) == [Failed(waits, None, "the session was closed")]
    assert ends.alice.told(Unreported) == [Unreported(sent)]
    assert ends.alice.told(SessionFailed) == []
    ends.run(120.0)
    assert len(ends.alice.told(CloseWanted)) == 1  # no session uses the connection any more


def test_a_session_is_kept_alive_and_known_to_be_dead() -> None:
    ends = joined()
    ends.hers.keep_alive(ends.now)
    assert ends.hers.unfinished == 1
    ends.run()
    assert b"Byte-Range: 1-0/0\r\n-------" in ends.bob.received
    assert ends.hers.unfinished == 0
    assert ends.bob.told(MessageArrived) == []
    ends.hers.keep_alive(ends.now)
    ends.alice.to_send()
    ends.alice.on_timer(ends.now + 30)
    assert [event.why for event in ends.alice.told(SessionFailed)] == [Why.TIMEOUT]
    ends.hers.keep_alive(ends.now)
    assert ends.alice.to_send() == []


def test_a_peer_that_reads_nothing_is_dropped() -> None:
    ends = joined()
    ends.hers.send("text/plain", b"x" * 1_000_000, ends.now)
    ends.alice.slow = 0
    ends.alice.on_timer(ends.now + ends.alice.endpoint.limits.stalled + 1)
    assert [event.reason for event in ends.alice.told(CloseWanted)] == ["the peer does not read"]
    assert len(ends.alice.told(SessionFailed)) == 1


def test_a_peer_that_reads_slowly_is_not() -> None:
    ends = joined()
    ends.hers.send("text/plain", b"x" * 1_000_000, ends.now)
    assert ends.alice.connection is not None
    for _ in range(10):
        assert ends.alice.connection.to_send(ends.now, 1000)
        ends.wire.now += 50
        ends.alice.on_timer(ends.now)
    assert ends.alice.told(CloseWanted) == []


# -- bounds --------------------------------------------------------------------------


@pytest.mark.spec("MSRP-41")
def test_session_ids_are_the_tokens_and_come_once() -> None:
    ids = {joined().hers.uri.session_id, *(alone().endpoint.prepare(Terms()).uri.session_id,)}
    assert all(len(each) >= 20 for each in ids)
    endpoint = Endpoint(ADDRESSES, lambda: "0" * 24)
    endpoint.prepare(Terms())
    with pytest.raises(LocalError):
        endpoint.prepare(Terms())


@pytest.mark.spec("MSRP-40")
def test_sessions_are_bounded() -> None:
    endpoint = Endpoint(ADDRESSES, tokens("a"), limits=Limits(sessions=2))
    first = endpoint.prepare(Terms())
    endpoint.prepare(Terms())
    with pytest.raises(Full):
        endpoint.prepare(Terms())
    first.close(0.0)
    endpoint.prepare(Terms())


@pytest.mark.spec("MSRP-40")
def test_connections_are_bounded() -> None:
    bob = End(Endpoint(ADDRESSES, tokens("b"), limits=Limits(connections=2)))
    one = bob.endpoint.accepted(Transport.TCP, 0.0)
    assert one is not None
    session = started(bob, "msrp://bob.example.com:8888/x;tcp", active=True)
    assert bob.endpoint.accepted(Transport.TCP, 0.0) is None
    other = bob.endpoint.prepare(Terms())
    with pytest.raises(Full):
        other.start(Path.parse("msrp://c.example:1/x;tcp"), Terms(), Meeting(active=True), 0.0)
    one.closed(0.0)
    assert bob.endpoint.accepted(Transport.TCP, 0.0) is not None
    assert session.state is State.CONNECTING


@pytest.mark.spec("MSRP-40")
def test_who_binds_no_session_is_sent_away() -> None:
    bob = End(Endpoint(ADDRESSES, tokens("b"), limits=Limits(unbound=2)))
    one = bob.endpoint.accepted(Transport.TCP, 0.0)
    two = bob.endpoint.accepted(Transport.TCP, 1.0)
    three = bob.endpoint.accepted(Transport.TCP, 2.0)
    assert [event.connection for event in bob.told(CloseWanted)] == [one]
    assert two is not None
    two.receive(send(started(bob, ALICE).uri, "Message-ID: 1"), 2.0)
    bob.on_timer(30.0)
    assert [event.connection for event in bob.told(CloseWanted)] == [one, three]


@pytest.mark.spec("MSRP-40")
def test_sessions_on_one_connection_are_bounded() -> None:
    bob = alone(Limits(sessions_per_connection=2))
    for status in (200, 200, 403):
        bob.receive(send(started(bob, ALICE).uri, "Message-ID: 1"), 0.0)
        assert statuses(bob) == [status]


@pytest.mark.spec("MSRP-40")
def test_a_peer_that_reads_no_answers_is_read_no_more() -> None:
    bob = alone()
    session = started(bob, ALICE)
    assert bob.connection is not None
    sent = 0
    while bob.connection.reading:
        sent += 1
        assert sent < 1000
        bob.receive(send(session.uri, f"Message-ID: {sent}"), 0.0)
    bob.to_send()
    assert bob.connection.reading


def test_nothing_is_kept_of_what_is_over() -> None:
    ends = joined()
    for _ in range(3):
        hers, his = another(ends)
        hers.send("text/plain", b"x" * 10_000, ends.now, success_report=True)
        ends.run()
        his.close(ends.now)
        hers.close(ends.now)
    ends.hers.close(ends.now)
    ends.his.close(ends.now)
    ends.run(300.0)
    for end in (ends.alice, ends.bob):
        assert end.connection is not None
        end.connection.closed(ends.now)
        desk = end.endpoint._desk
        assert not desk.sessions
        assert not desk.written
        assert not desk.connections
        assert not desk.dialled
        assert not desk.unbound
        assert not desk.touched
        assert len(desk.alarms) == 0
        assert desk.stock.used == 0


# -- WebSocket -----------------------------------------------------------------------


@pytest.mark.spec("MSRP-31")
def test_each_chunk_is_one_websocket_message() -> None:
    ends = joined(transport=Transport.WS)
    assert str(ends.his.uri).startswith("msrps://gw.example.com:443/")
    assert str(ends.his.uri).endswith(";ws")
    body = bytes(range(256)) * 400
    ends.hers.send("text/plain", body, ends.now)
    ends.wire.sent.clear()
    ends.run()
    assert [event.body for event in ends.bob.told(MessageArrived)] == [body]
    for _, _, data in ends.wire.sent:
        assert data.startswith(b"MSRP ")
        assert data[-3:] in {b"$\r\n", b"+\r\n"}
        assert len(data) < 20_000


@pytest.mark.spec("MSRP-31")
@pytest.mark.parametrize("how", ["half", "two"])
def test_what_is_not_one_chunk_ends_a_websocket(how: str) -> None:
    ends = joined(transport=Transport.WS)
    data = send(ends.his.uri, "Message-ID: 1")
    ends.bob.receive(data[:-5] if how == "half" else data + data, ends.now)
    assert len(ends.bob.told(CloseWanted)) == 1
