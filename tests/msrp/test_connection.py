"""Who may have which session on a connection (RFC 4975 §5.4, §7.3), and what ends it."""

import pytest

from dragoman.msrp import (
    CloseWanted,
    ConnectWanted,
    Meeting,
    MessageArrived,
    Path,
    SessionFailed,
    State,
    Terms,
    Transport,
    Why,
)
from tests.msrp.ends import (
    ALICE,
    Certificate,
    alone,
    joined,
    send,
    started,
    statuses,
)

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


def test_a_peer_may_connect_while_we_dial() -> None:
    bob = alone()
    session = started(bob, ALICE, active=True)
    (wanted,) = bob.told(ConnectWanted)
    session.pause()
    assert not wanted.connection.reading
    bob.receive(send(session.uri, "Message-ID: 1"), 0.0)
    assert statuses(bob) == [200]
    assert session.state is State.UP
    assert bob.connection is not None
    assert not bob.connection.reading
    wanted.connection.opened(1.0)
    assert wanted.connection.reading
    assert wanted.connection.to_send(1.0) == []
    bob.on_timer(1.0 + bob.endpoint.limits.idle)
    assert [event.connection for event in bob.told(CloseWanted)] == [wanted.connection]


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


def test_nothing_is_awaited_on_a_connection_that_is_gone() -> None:
    ends = joined()
    ends.hers.send("text/plain", b"hello", ends.now)
    ends.alice.to_send()
    assert ends.alice.connection is not None
    ends.alice.connection.closed(ends.now)
    ends.alice.connection.on_answers(ends.now)
    ends.alice.connection.on_stalled(ends.now)
    assert ends.alice.next_timer() is None
