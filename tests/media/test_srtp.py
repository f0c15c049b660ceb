import hmac

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dragoman.errors import LocalError
from dragoman.media import rtcp, rtp
from dragoman.media.srtp import LONGEST, MOST_SOURCES, Srtp
from dragoman.media.suite import SrtpError, Suite

MASTER = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6")
CIPHER = bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
SALT = bytes.fromhex("30CBBC08863D8C85D49DB34A9AE1")
AUTH = bytes.fromhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
OTHER = bytes(range(30))


def packet(sequence: int = 1, ssrc: int = 0xCAFE, size: int = 20) -> bytes:
    return rtp.build(bytes(size), payload_type=0, sequence=sequence, timestamp=160, ssrc=ssrc)


def ends(suite: Suite) -> tuple[Srtp, Srtp]:
    one, other = bytes(range(suite.length)), bytes(range(1, suite.length + 1))
    return Srtp(suite, one, other), Srtp(suite, other, one)


def test_the_key_derivation_of_rfc3711_b3() -> None:
    data = packet(0x1234, 0xDECAFBAD)
    start = int.from_bytes(SALT + b"\0\0") ^ 0xDECAFBAD << 64 ^ 0x1234 << 16
    cipher = Cipher(algorithms.AES(CIPHER), modes.CTR(start.to_bytes(16))).encryptor()
    wire = data[:12] + cipher.update(data[12:])
    tag = hmac.digest(AUTH, wire + bytes(4), "sha1")
    long = Srtp(Suite.AES_CM_128_HMAC_SHA1_80, MASTER, OTHER)
    short = Srtp(Suite.AES_CM_128_HMAC_SHA1_32, MASTER, OTHER)
    assert long.protect(data) == wire + tag[:10]
    assert short.protect(data) == wire + tag[:4]


@pytest.mark.parametrize("suite", Suite)
def test_packets_cross_both_ways(suite: Suite) -> None:
    one, other = ends(suite)
    report = rtcp.picture_loss(1, 2)
    for sender, reader in ((one, other), (other, one)):
        for ssrc in (1, 2, 3):
            wire = sender.protect(packet(ssrc=ssrc))
            assert wire[12:32] != packet(ssrc=ssrc)[12:]
            assert reader.unprotect(wire) == packet(ssrc=ssrc)
        assert reader.unprotect_rtcp(sender.protect_rtcp(report)) == report


@pytest.mark.parametrize("suite", Suite)
def test_forged_and_repeated_packets_are_refused(suite: Suite) -> None:
    one, other = ends(suite)
    wire = one.protect(packet())
    for bad in (wire[:-1] + bytes([wire[-1] ^ 1]), wire[:-1], b"", b"\x80", packet(), wire[:12]):
        with pytest.raises(SrtpError):
            other.unprotect(bad)
    assert other.unprotect(wire) == packet()
    with pytest.raises(SrtpError):
        other.unprotect(wire)
    control = one.protect_rtcp(rtcp.picture_loss(1, 2))
    assert other.unprotect_rtcp(control)
    for bad in (control, control[:-1], b"", b"\x80\xc8"):
        with pytest.raises(SrtpError):
            other.unprotect_rtcp(bad)


def test_packets_may_be_late_and_sent_again() -> None:
    one, other = ends(Suite.AEAD_AES_128_GCM)
    late = one.protect(packet(1))
    for sequence in range(2, 1000):
        other.unprotect(one.protect(packet(sequence)))
    assert other.unprotect(late) == packet(1)
    assert one.protect(packet(999)) == one.protect(packet(999))


def test_the_sources_are_bounded_each_way() -> None:
    one, other = ends(Suite.AEAD_AES_128_GCM)
    for ssrc in range(MOST_SOURCES):
        other.unprotect(one.protect(packet(ssrc=ssrc)))
    with pytest.raises(SrtpError, match="too many"):
        one.protect(packet(ssrc=MOST_SOURCES))
    with pytest.raises(SrtpError, match="too many"):
        one.protect_rtcp(rtcp.picture_loss(MOST_SOURCES, 1))
    more, _ = ends(Suite.AEAD_AES_128_GCM)
    for _ in range(2):
        with pytest.raises(SrtpError, match="too many"):
            other.unprotect(more.protect(packet(ssrc=MOST_SOURCES)))
    assert other.unprotect(one.protect(packet(2, ssrc=5))) == packet(2, ssrc=5)


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("size", [1472, LONGEST])
def test_what_a_link_carries_in_one_piece_is_carried(suite: Suite, size: int) -> None:
    one, other = ends(suite)
    whole = packet(size=size - 12)
    assert other.unprotect(one.protect(whole)) == whole
    report = rtcp.receiver_report(rtcp.Receiver(5)) + bytes(size - 8)
    assert other.unprotect_rtcp(one.protect_rtcp(report)) == report


def test_lengths_are_bounded() -> None:
    one, other = ends(Suite.AES_CM_128_HMAC_SHA1_80)
    with pytest.raises(SrtpError):
        one.protect(packet(size=2 * LONGEST))
    with pytest.raises(SrtpError):
        other.unprotect(packet(size=2 * LONGEST))
    with pytest.raises(LocalError):
        Srtp(Suite.AEAD_AES_128_GCM, bytes(28), bytes(30))
