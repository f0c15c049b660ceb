"""A relay acts for us (RFC 4976 §5.1): the exchange printed there, refusals, the lease renewed."""

import pytest

from dragoman.errors import LocalError
from dragoman.msrp import (
    ConnectWanted,
    Endpoint,
    Full,
    Limits,
    Meeting,
    MessageArrived,
    MsrpUri,
    Path,
    Relay,
    RelayFailed,
    RelayReady,
    SessionFailed,
    State,
    Target,
    Terms,
    Transport,
    Up,
    Why,
)
from dragoman.msrp.message import MAX_CHUNK
from tests.msrp.ends import ADDRESSES, LARGE, Certificate, End, chunks, tokens

INTRA = MsrpUri.parse("msrps://alice@intra.example.com;tcp")
EXTRA = MsrpUri.parse("msrps://extra.example.com;tcp")
BOB = "msrp://bob.example.net:8888/9di4eae923wzd;tcp"
CHALLENGE = 'Digest realm="intra.example.com", qop="auth", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c0"'
USE_PATH = "msrps://intra.example.com:9000/jui787s2f;tcp"


def authorize(challenges: list[str], method: str, uri: str) -> str | None:
    return None if not challenges else f'Digest username="Alice", for="{method} {uri}"'


def asked(limits: Limits | None = None, *, expires: int | None = None) -> tuple[End, Relay]:
    """Return an endpoint that is connected to its relay, and has asked it."""
    end = End(Endpoint(ADDRESSES, tokens("a"), limits=limits))
    relay = end.endpoint.relay(INTRA, authorize, 0.0, expires=expires)
    (wanted,) = end.told(ConnectWanted)
    end.connection = wanted.connection
    end.connection.opened(0.0)
    end.connection.secured(Certificate(("intra.example.com",)), 0.0)
    return end, relay


def answer(end: End, request: bytes, status: int, *lines: str) -> None:
    tid = request.split(b" ")[1].decode()
    head = f"MSRP {tid} {status} x\r\nTo-Path: msrps://gw.example.com:2856/x;tcp\r\n"
    head += f"From-Path: {INTRA}\r\n" + "".join(f"{line}\r\n" for line in lines)
    end.receive(f"{head}-------{tid}$\r\n".encode(), end.now)


def served(expires: int = 900) -> tuple[End, Relay]:
    end, relay = asked()
    answer(end, b"".join(end.to_send()), 200, f"Use-Path: {USE_PATH}", f"Expires: {expires}")
    return end, relay


@pytest.mark.spec("MSRP-30")
def test_the_exchange_of_the_rfc() -> None:
    end, relay = asked()
    assert end.connection is not None
    assert end.connection.target == Target(
        Transport.TLS, "intra.example.com", 2855, "intra.example.com", search=True
    )
    first = b"".join(end.to_send())
    assert first.startswith(b"MSRP ")
    assert b" AUTH\r\nTo-Path: msrps://alice@intra.example.com;tcp\r\nFrom-Path: " in first
    assert b"Authorization" not in first
    answer(end, first, 401, f"WWW-Authenticate: {CHALLENGE}")
    second = b"".join(end.to_send())
    assert f'Authorization: Digest username="Alice", for="AUTH {INTRA}"\r\n'.encode() in second
    assert second.split(b" ")[1] != first.split(b" ")[1]
    answer(end, second, 200, f"Use-Path: {USE_PATH}", "Expires: 900")
    assert end.told(RelayReady) == [RelayReady(relay, Path.parse(USE_PATH), 900)]
    session = end.endpoint.prepare(Terms(), Transport.TLS, relay=relay)
    assert str(session.path) == f"{USE_PATH} {relay.own}"


@pytest.mark.spec("MSRP-30")
def test_messages_go_by_the_relay_whoever_is_active() -> None:
    for active in (True, False):
        end, relay = served()
        session = end.endpoint.prepare(Terms(), relay=relay)
        session.start(Path.parse(BOB), Terms(), Meeting(active=active), 0.0)
        session.send("text/plain", b"me too", 0.0)
        assert len(end.told(ConnectWanted)) == 1
        sent = b"".join(end.to_send())
        if active:
            assert f"To-Path: {USE_PATH} {BOB}\r\nFrom-Path: {relay.own}\r\n".encode() in sent
        else:
            assert sent == b""
            assert session.state is State.WAITING
        head = f"MSRP tid12345 SEND\r\nTo-Path: {session.uri}\r\nFrom-Path: {USE_PATH} {BOB}\r\n"
        head += "Message-ID: 1234\r\nSuccess-Report: yes\r\nContent-Type: text/plain\r\n\r\nhello"
        end.receive(f"{head}\r\n-------tid12345$\r\n".encode(), 0.0)
        assert end.told(Up) == [Up(session)]
        assert len(end.told(MessageArrived)) == 1
        session.report("1234", 0.0)
        response, report, *others = end.to_send()
        assert len(others) == (not active)
        assert f"To-Path: {USE_PATH}\r\n".encode() in response
        assert f"To-Path: {USE_PATH} {BOB}\r\n".encode() in report


@pytest.mark.spec("MSRP-28")
@pytest.mark.parametrize("theirs", [False, True])
def test_a_long_message_is_cut_for_relays_that_keep_whole_chunks(theirs: bool) -> None:
    end, relay = served()
    if theirs:
        session = end.endpoint.prepare(Terms())
        session.start(Path.parse(f"{USE_PATH} {BOB}"), Terms(), Meeting(active=True), 0.0)
        (wanted,) = end.told(ConnectWanted)[1:]
        end.connection = wanted.connection
        end.connection.opened(0.0)
        end.connection.secured(Certificate(("intra.example.com",)), 0.0)
    else:
        session = end.endpoint.prepare(Terms(), relay=relay)
        session.start(Path.parse(BOB), Terms(), Meeting(active=True), 0.0)
    session.send("text/plain", LARGE, 0.0)
    sent = [each for each in chunks(end.to_send()) if each.body]
    assert b"".join(each.body for each in sent) == LARGE
    assert {len(each.body) for each in sent[:-1]} == {MAX_CHUNK}
    assert len(sent[-1].body) <= MAX_CHUNK


@pytest.mark.spec("MSRP-30")
def test_a_second_relay_is_asked_through_the_first() -> None:
    end, inner = served()
    outer = end.endpoint.relay(EXTRA, authorize, 0.0, through=inner)
    request = b"".join(end.to_send())
    assert f"To-Path: {USE_PATH} {EXTRA}\r\n".encode() in request
    answer(end, request, 401, 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth"')
    request = b"".join(end.to_send())
    assert f"AUTH {EXTRA}".encode() in request
    way = f"{USE_PATH} msrps://extra.example.com:9000/mywdEe1233;tcp"
    answer(end, request, 200, f"Use-Path: {way}", "Expires: 1800")
    assert outer.use_path == Path.parse(way)
    session = end.endpoint.prepare(Terms(), relay=outer)
    assert str(session.path) == (
        f"msrps://extra.example.com:9000/mywdEe1233;tcp {USE_PATH} {outer.own}"
    )


@pytest.mark.spec("MSRP-30")
def test_the_lease_is_renewed_and_a_new_path_is_told() -> None:
    end, relay = served(expires=100)
    for path, known in ((USE_PATH, 1), (USE_PATH.replace("jui", "new"), 2)):
        before = end.now
        request = b""
        while not request:
            due = end.next_timer()
            assert due is not None
            end.on_timer(due)
            request = b"".join(end.to_send())
        assert end.now == before + 80.0
        assert b" AUTH\r\n" in request
        answer(end, request, 200, f"Use-Path: {path}", "Expires: 100")
        assert len(end.told(RelayReady)) == known
    relay.close(end.now)
    assert [event.relay for event in end.told(RelayReady)] == [relay, relay]
    due = end.next_timer()
    assert due is not None
    end.on_timer(due)
    assert b"".join(end.to_send()) == b""


@pytest.mark.parametrize("header", ["Min-Expires: 300", "Max-Expires: 300"])
def test_another_interval_is_asked_for(header: str) -> None:
    end, relay = asked(expires=10)
    request = b"".join(end.to_send())
    assert b"\r\nExpires: 10\r\n" in request
    answer(end, request, 423, header)
    request = b"".join(end.to_send())
    assert b"\r\nExpires: 300\r\n" in request
    answer(end, request, 200, f"Use-Path: {USE_PATH}")
    assert relay.expires == 300


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (403, ()),
        (423, ()),
        (200, ("Use-Path: sip:x",)),
        (200, ()),
        (401, ()),
    ],
)
def test_refusals(status: int, lines: tuple[str, ...]) -> None:
    end, relay = asked()
    answer(end, b"".join(end.to_send()), status, *lines)
    (failed,) = end.told(RelayFailed)
    assert failed.status == (None if status == 200 else status)
    assert not relay.ready
    with pytest.raises(LocalError):
        end.endpoint.prepare(Terms(), relay=relay)


def test_a_password_that_is_wrong_is_said_once_more_and_no_more() -> None:
    end, _ = asked()
    for _ in range(3):
        request = b"".join(end.to_send())
        answer(end, request, 401, f"WWW-Authenticate: {CHALLENGE}")
    assert [event.status for event in end.told(RelayFailed)] == [401]
    assert end.to_send() == []


@pytest.mark.spec("MSRP-29")
def test_who_is_not_the_relay_is_not_asked() -> None:
    end = End(Endpoint(ADDRESSES, tokens("a")))
    end.endpoint.relay(INTRA, authorize, 0.0)
    (wanted,) = end.told(ConnectWanted)
    wanted.connection.opened(0.0)
    wanted.connection.secured(Certificate(("other.example.com",)), 0.0)
    assert wanted.connection.to_send(0.0) == []
    assert len(end.told(RelayFailed)) == 1


def test_no_answer_and_no_connection() -> None:
    end, _ = asked()
    end.to_send()
    end.on_timer(30.0)
    assert [event.status for event in end.told(RelayFailed)] == [None]
    end, relay = served()
    session = end.endpoint.prepare(Terms(), relay=relay)
    session.start(Path.parse(BOB), Terms(), Meeting(active=True), 0.0)
    assert end.connection is not None
    end.connection.closed(1.0, "reset")
    assert [event.why for event in end.told(SessionFailed)] == [Why.LOST]
    assert not relay.ready


def test_a_relay_that_does_not_connect() -> None:
    end = End(Endpoint(ADDRESSES, tokens("a")))
    end.endpoint.relay(INTRA, authorize, 0.0)
    end.on_timer(end.endpoint.limits.connect)
    assert [event.reason for event in end.told(RelayFailed)] == ["the relay does not answer"]
    end = End(Endpoint(ADDRESSES, tokens("a")))
    end.endpoint.relay(INTRA, authorize, 0.0)
    (wanted,) = end.told(ConnectWanted)
    wanted.connection.closed(1.0, "refused")
    assert [event.reason for event in end.told(RelayFailed)] == ["refused"]


def test_what_is_asked_in_vain() -> None:
    end, relay = served()
    with pytest.raises(LocalError):
        end.endpoint.relay(MsrpUri.parse("msrp://intra.example.com:1;tcp"), authorize, 0.0)
    end.endpoint.prepare(Terms(), relay=relay)
    with pytest.raises(LocalError):
        end.endpoint.prepare(Terms(), relay=relay)
    relay.close(0.0)
    with pytest.raises(LocalError):
        end.endpoint.relay(EXTRA, authorize, 0.0, through=relay)
    full = Endpoint(ADDRESSES, tokens("a"), limits=Limits(connections=0))
    with pytest.raises(Full):
        full.relay(INTRA, authorize, 0.0)
