"""Two MSRP endpoints talk (RFC 4975 §5.4, §11.1); who connects where; what is bounded."""

import tracemalloc

import pytest

from dragoman.errors import LocalError
from dragoman.msrp import (
    CloseWanted,
    ConnectWanted,
    Delivered,
    Endpoint,
    FailureReport,
    Full,
    Limits,
    Meeting,
    MessageArrived,
    MsrpError,
    Path,
    PieceArrived,
    Sent,
    State,
    Target,
    Terms,
    Transport,
    Up,
)
from tests.msrp.ends import (
    ADDRESSES,
    ALICE,
    Certificate,
    End,
    Pieces,
    alone,
    another,
    joined,
    send,
    stands,
    started,
    statuses,
    tokens,
)

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
    for _ in range(3):
        started(bob, "msrp://bob.example.com:8888/x;tcp", active=True)
    assert len(bob.told(ConnectWanted)) == 2


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


# -- examples of the RFC ---------------------------------------------------------------------------


@pytest.mark.spec("MSRP-21")
@pytest.mark.spec("MSRP-22")
def test_a_system_message_and_a_positive_report() -> None:
    """RFC 4975 §11.5 and §11.6: neither is answered, and the second is reported on."""
    bob = alone()
    session = started(bob, ALICE)
    words = "This conference will end in 5 minutes"
    lines = ("Message-ID: 12339sdqwer", "Byte-Range: 1-38/38", "Failure-Report: no")
    bob.receive(send(session.uri, *lines, "Success-Report: no", body=words), 0.0)
    page = (
        "<html><body>\r\n<p>Here is that important link...\r\n"
        '<a href="http://www.example.com/foobar">foobar</a>\r\n</p>\r\n</body></html>'
    )
    size = len(page)
    lines = ("Message-ID: 12339sdqwes", f"Byte-Range: 1-{size}/{size}", "Failure-Report: no")
    bob.receive(send(session.uri, *lines, "Success-Report: yes", body=page), 0.0)
    assert [event.body.decode() for event in bob.told(MessageArrived)] == [words, page]
    assert not session.report("12339sdqwer", 0.0)
    assert session.report("12339sdqwes", 0.0)
    start, *rest = b"".join(bob.to_send()).decode().split("\r\n")
    assert start.endswith(" REPORT")
    assert rest[:-2] == [
        f"To-Path: {ALICE}",
        f"From-Path: {session.uri}",
        "Message-ID: 12339sdqwes",
        f"Byte-Range: 1-{size}/{size}",
        "Status: 000 200 OK",
    ]


# -- long ones ------------------------------------------------------------------------------------


@pytest.mark.spec("MSRP-40")
def test_ten_megabytes_pass_through_little_memory() -> None:
    ends = joined(streams=True)
    size, taken = 10_000_000, 0
    pieces: list[bytes | None] = [bytes(10_000)] * 1000
    source = Pieces(pieces, size)
    handle = ends.hers.send("application/octet-stream", source, ends.now)
    assert ends.alice.connection is not None
    assert ends.bob.connection is not None
    tracemalloc.start()
    while data := b"".join(ends.alice.connection.to_send(ends.now)):
        ends.bob.connection.receive(data, ends.now)
        for event in ends.bob.endpoint.events():
            taken += len(event.data) if isinstance(event, PieceArrived) else 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken == size == handle.offset
    assert peak < 1_000_000
