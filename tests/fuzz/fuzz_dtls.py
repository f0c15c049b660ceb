"""Fuzz target: datagrams to both ends of a DTLS handshake, and to SRTP (RFC 5764, RFC 3711)."""

from dragoman.media import rtp
from dragoman.media.dtls import Dtls, Identity, State
from dragoman.media.srtp import Srtp
from dragoman.media.suite import SrtpError, Suite

OURS, THEIRS = Identity.make(), Identity.make()
EXPECTED = (("sha-256", THEIRS.fingerprint()),)
_SUITE = Suite.AEAD_AES_128_GCM
_SRTP = Srtp(_SUITE, bytes(_SUITE.length), bytes(_SUITE.length))


def _hello() -> bytes:
    return Dtls(THEIRS, True, EXPECTED).to_send()[0]


def _flight() -> bytes:
    server = Dtls(OURS, False, EXPECTED)
    server.receive(_hello(), 0.0)
    return server.to_send()[0]


SEEDS = (
    _hello(),
    _flight(),
    b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\x28",
    b"\x80" + rtp.build(b"x" * 40, payload_type=0, sequence=1, timestamp=1, ssrc=1)[1:],
)
TOKENS = (b"\x16\xfe\xfd", b"\x16\xfe\xff", b"\x14", b"\x15", b"\0\0\0\0\0\0\0\1", b"\0\x0e")


def one_input(data: bytes) -> None:
    server = Dtls(OURS, False, EXPECTED)
    server.receive(data, 0.0)
    server.receive(data[: len(data) // 2], 0.0)
    sent = sum(len(each) for each in server.to_send())
    assert sent <= 4096, "an answer much longer than a flight"
    client = Dtls(OURS, True, EXPECTED)
    client.receive(data, 0.0)
    for core in (server, client):
        core.on_timer(1.0)
        assert core.state is not State.CONNECTED
        assert bool(core.failure) == (core.state is State.FAILED)
    for read in (_SRTP.unprotect, _SRTP.unprotect_rtcp):
        try:
            read(data)
        except SrtpError:
            continue
        raise AssertionError("forged SRTP was taken")


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
