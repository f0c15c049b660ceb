import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.errors import LocalError
from dragoman.media import rtp
from dragoman.media.dtls import (
    HASHES,
    LARGEST,
    MOST,
    MOST_HELD,
    MTU,
    PATIENCE,
    Dtls,
    Fingerprint,
    Identity,
    State,
    datagrams,
    matches,
)

ALICE, BOB = Identity.make(), Identity.make()
PACKET = rtp.build(b"hello", payload_type=0, sequence=7, timestamp=160, ssrc=0xDECAFBAD)
Pass = Callable[[Dtls, bytes], list[bytes]]


def known(identity: Identity, function: str = "sha-256") -> list[Fingerprint]:
    return [(function, identity.fingerprint(function))]


def pair() -> tuple[Dtls, Dtls]:
    return Dtls(ALICE, True, known(BOB)), Dtls(BOB, False, known(ALICE))


def talk(one: Dtls, other: Dtls, now: float = 0.0, passing: Pass = lambda _, each: [each]) -> None:
    for _ in range(20):
        moved = [(one, each) for each in one.to_send()] + [(other, x) for x in other.to_send()]
        if not moved:
            return
        for sender, data in moved:
            for each in passing(sender, data):
                (other if sender is one else one).receive(each, now)
    raise AssertionError("they never stop")


@pytest.mark.spec("MED-26")
@pytest.mark.parametrize("active", [True, False])
def test_both_roles_get_keys_that_fit(active: bool) -> None:
    one = Dtls(ALICE, active, known(BOB))
    other = Dtls(BOB, not active, known(ALICE))
    assert one.state is (State.HANDSHAKING if active else State.NEW)
    talk(one, other)
    assert (one.state, other.state) == (State.CONNECTED, State.CONNECTED)
    ours, theirs = one.srtp(), other.srtp()
    assert theirs.unprotect(ours.protect(PACKET)) == PACKET
    assert ours.unprotect(theirs.protect(PACKET)) == PACKET
    assert one.next_timer() is None


@pytest.mark.spec("MED-26")
def test_a_wrong_fingerprint_fails_both_and_gives_no_keys() -> None:
    stranger = Identity.make()
    for client, server in (
        (Dtls(ALICE, True, known(stranger)), Dtls(BOB, False, known(ALICE))),
        (Dtls(ALICE, True, known(BOB)), Dtls(BOB, False, known(stranger))),
    ):
        talk(client, server)
        assert (client.state, server.state) == (State.FAILED, State.FAILED)
        assert "fingerprint" in client.failure + server.failure
        for each in (client, server):
            with pytest.raises(LocalError):
                each.srtp()


def test_a_client_hello_waits_for_the_fingerprint() -> None:
    client, server = Dtls(ALICE, True, known(BOB)), Dtls(BOB, False)
    for each in client.to_send():
        server.receive(each, 0.0)
    assert (server.state, server.to_send(), server.next_timer()) == (State.NEW, [], None)
    server.expect(known(ALICE), 1.0)
    assert server.next_timer() is not None
    talk(client, server)
    assert server.state is State.CONNECTED


def test_a_client_begins_when_it_knows_whom_to_expect() -> None:
    client = Dtls(ALICE, True)
    assert (client.to_send(), client.next_timer()) == ([], None)
    client.expect(known(BOB), 5.0)
    assert len(client.to_send()) == 1
    due = client.next_timer()
    assert due is not None
    assert 5.9 < due <= 6.0


def test_what_is_held_is_bounded() -> None:
    server = Dtls(BOB, False)
    for _ in range(MOST_HELD + 10):
        server.receive(b"x", 0.0)
    assert len(server._held) == MOST_HELD


def test_fingerprints_are_learnt_once() -> None:
    client, server = pair()
    client.expect(known(ALICE), 0.0)
    talk(client, server)
    assert client.state is State.CONNECTED


def test_only_a_client_hello_makes_a_server_answer() -> None:
    server = Dtls(BOB, False, known(ALICE))
    for data in (b"", b"\x16", bytes(100), b"\x17" + bytes(99), b"\x16" + bytes(LARGEST)):
        server.receive(data, 0.0)
    assert (server.state, server.to_send()) == (State.NEW, [])


def test_garbage_in_between_is_dropped() -> None:
    client, server = pair()
    talk(client, server, passing=lambda _, each: [b"\x16\xfe\xfd" + bytes(40), each, each[:20]])
    assert (client.state, server.state) == (State.CONNECTED, State.CONNECTED)


def test_datagrams_that_come_twice_and_in_reverse_do_no_harm() -> None:
    client, server = pair()
    for _ in range(6):
        for each in reversed(client.to_send()):
            server.receive(each, 0.0)
            server.receive(each, 0.0)
        for each in reversed(server.to_send()):
            client.receive(each, 0.0)
            client.receive(each, 0.0)
    assert (client.state, server.state) == (State.CONNECTED, State.CONNECTED)


def test_each_lost_flight_comes_again() -> None:
    """OpenSSL's own clock decides when: so one second of it passes, for all four at once."""
    pairs = []
    for lost in range(4):
        client, server = pair()
        count = iter(range(100))

        def passing(_: Dtls, each: bytes, lost: int = lost, count: object = count) -> list[bytes]:
            return [] if next(count) == lost else [each]  # type: ignore[call-overload]

        talk(client, server, passing=passing)
        pairs.append((client, server))
    began = time.monotonic()
    while any(State.HANDSHAKING in (a.state, b.state) for a, b in pairs):
        assert time.monotonic() - began < 5
        for client, server in pairs:
            client.on_timer(0.0)
            server.on_timer(0.0)
            talk(client, server)
        time.sleep(0.02)
    assert {each.state for both in pairs for each in both} == {State.CONNECTED}


def test_a_handshake_ends_in_time() -> None:
    client = Dtls(ALICE, True, known(BOB), now=100.0)
    client.on_timer(100.0 + PATIENCE - 1)
    assert client.state is State.HANDSHAKING
    assert (client.next_timer() or 0) <= 100.0 + PATIENCE
    client.on_timer(100.0 + PATIENCE)
    assert (client.state, client.next_timer()) == (State.FAILED, None)
    assert "in time" in client.failure


def test_a_handshake_takes_so_many_datagrams_only() -> None:
    client = Dtls(ALICE, True, known(BOB))
    for _ in range(MOST):
        client.receive(b"\x16" + bytes(30), 0.0)
    assert client.failure == ""
    client.receive(b"\x16", 0.0)
    assert client.state is State.FAILED


def test_closing_is_heard() -> None:
    client, server = pair()
    talk(client, server)
    client.close()
    talk(client, server)
    assert (client.state, server.state) == (State.CLOSED, State.CLOSED)
    with pytest.raises(LocalError):
        server.srtp()


def test_datagrams_keep_to_the_mtu() -> None:
    records = [b"\x16\xfe\xfd" + bytes(8) + size.to_bytes(2) + bytes(size) for size in (600,) * 3]
    assert datagrams(b"".join(records)) == records
    small = [b"\x16\xfe\xfd" + bytes(8) + b"\0\x50" + bytes(80)] * 30
    cut = datagrams(b"".join(small))
    assert b"".join(cut) == b"".join(small)
    assert all(len(each) <= MTU for each in cut)
    assert len(cut) == 3


def test_the_best_hash_function_decides() -> None:
    certificate = ALICE.certificate.public_bytes(Encoding.DER)
    assert all(matches(certificate, known(ALICE, function)) for function in HASHES)
    assert matches(certificate, [("SHA-256", ALICE.fingerprint().lower())])
    assert matches(certificate, [*known(BOB), *known(ALICE)])
    assert not matches(certificate, [*known(ALICE, "sha-1"), *known(BOB, "sha-256")])
    assert not matches(certificate, [("md5", "00"), ("sha-256", "")])
    assert not matches(certificate, [])
    with pytest.raises(LocalError):
        ALICE.fingerprint("md5")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10), st.booleans())
def test_garbage_never_connects(garbage: list[bytes], active: bool) -> None:
    core = Dtls(ALICE, active, known(BOB))
    for each in garbage:
        core.receive(each, 0.0)
        core.receive(b"\x16\xfe\xfd" + each, 0.0)
    assert core.state is not State.CONNECTED


def test_a_certificate_of_no_known_version_is_only_a_stranger() -> None:
    client, server = pair()
    version = b"\xa0\x03\x02\x01\x02"
    talk(client, server, passing=lambda _, each: [each.replace(version, version[:-1] + b"\x57")])
    assert client.state is State.FAILED
    assert "fingerprint" in client.failure
