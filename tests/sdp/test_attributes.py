"""Attributes of streams as values: keys, feedback, header extensions, sources, groups."""

from typing import Protocol, Self

import pytest

from dragoman.sdp.bundle import Group
from dragoman.sdp.crypto import Crypto, Fingerprint
from dragoman.sdp.extmap import ExtMap
from dragoman.sdp.failure import SdpError
from dragoman.sdp.feedback import Feedback, Rtcp
from dragoman.sdp.grammar import is_host, is_line, is_token, is_word
from dragoman.sdp.session import MAX_MEDIA, Address, Direction
from dragoman.sdp.sources import MOST, Source, SourceGroup

KEY = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:32"
SUITE = "AES_CM_128_HMAC_SHA1_80"
TOFFSET = "urn:ietf:params:rtp-hdrext:toffset"


class Value(Protocol):
    @classmethod
    def parse(cls, text: str) -> Self: ...


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"1 {SUITE} {KEY} FEC_ORDER=FEC_SRTP", Crypto("1", SUITE, KEY, "FEC_ORDER=FEC_SRTP")),
        (f"1 {SUITE} {KEY} KDR=1 FEC_KEY={KEY}", Crypto("1", SUITE, KEY, f"KDR=1 FEC_KEY={KEY}")),
        (f"999999999 {SUITE} {KEY};{KEY}", Crypto("999999999", SUITE, f"{KEY};{KEY}")),
        ("sha-256 02:1A:CC", Fingerprint("sha-256", "02:1A:CC")),
        ("* nack", Feedback("*", "nack")),
        ("98 nack rpsi", Feedback("98", "nack", ("rpsi",))),
        ("98 trr-int 100", Feedback("98", "trr-int", ("100",))),
        ("96 ccm tmmbr smaxpr=120", Feedback("96", "ccm", ("tmmbr", "smaxpr=120"))),
        ("53020", Rtcp(53020)),
        ("53020 IN IP4 126.16.64.4", Rtcp(53020, Address("126.16.64.4"))),
        ("53020 IN IP6 2001:db8::1", Rtcp(53020, Address("2001:db8::1", "IP6"))),
        (f"1 {TOFFSET}", ExtMap(1, TOFFSET)),
        (f"2/recvonly {TOFFSET} a b=c", ExtMap(2, TOFFSET, Direction.RECVONLY, "a b=c")),
        (f"4096/inactive {TOFFSET}", ExtMap(4096, TOFFSET, Direction.INACTIVE)),
        ("1656081975 cname:Yv/wvbCdsDW2Prgd", Source(1656081975, "cname", "Yv/wvbCdsDW2Prgd")),
        ("1 msid:MLTJ MLTJa0", Source(1, "msid", "MLTJ MLTJa0")),
        ("1 a", Source(1, "a")),
        ("1 a:", Source(1, "a", "")),
        ("FID 2301230316 386328120", SourceGroup("FID", (2301230316, 386328120))),
        ("FID", SourceGroup("FID", ())),
        ("BUNDLE voice webcam", Group("BUNDLE", ("voice", "webcam"))),
        ("LS", Group("LS")),
    ],
)  # fmt: skip
def test_values(text: str, value: Value) -> None:
    assert type(value).parse(text) == value
    assert str(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f" 01  {SUITE}   {KEY}   KDR=1   X ", Crypto("1", SUITE, KEY, "KDR=1 X")),
        ("SHA-256  02:1a:cc ", Fingerprint("sha-256", "02:1A:CC")),
        (" 53020  IN IP4 126.16.64.4 ", Rtcp(53020, Address("126.16.64.4"))),
        (f"1/sendrecv  {TOFFSET} ", ExtMap(1, TOFFSET)),
        ("* nack  pli ", Feedback("*", "nack", ("pli",))),
    ],
)
def test_values_written_otherwise(text: str, value: Value) -> None:
    assert type(value).parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((Crypto, each) for each in ("", "1", f"1 {SUITE}", f"x {SUITE} {KEY}")),
        *((Crypto, each) for each in (f"1 a/b {KEY}", f"1234567890 {SUITE} {KEY}")),
        *((Fingerprint, each) for each in ("", "sha-1", "sha-1 A", "a/b AB", "sha-1 AB CD")),
        *((Feedback, each) for each in ("", "*", "x nack", "1234 nack", "96 na/ck", "\u0661 a")),
        *((Rtcp, each) for each in ("", "x", "65536", "9 IN IP4", "9" * 5000)),
        *((ExtMap, each) for each in ("", "1", "x a", "65536 a", "1/both a", "1/ a", "9" * 5000)),
        *((Source, each) for each in ("", "1", "x a", "4294967296 a", "1 :a", "1 a b:c")),
        *((SourceGroup, each) for each in ("", "a/b 1", "FID x", "FID 4294967296")),
        (SourceGroup, "FID" + " 1" * (MOST + 1)),
        *((Group, each) for each in ("", "a/b", "BUNDLE a:b", "BUNDLE" + " a" * (MAX_MEDIA + 1))),
    ],
)
def test_what_cannot_be_read(kind: type[Value], text: str) -> None:
    with pytest.raises(SdpError):
        kind.parse(text)


def test_keys_are_not_repeated_in_an_error() -> None:
    with pytest.raises(SdpError) as caught:
        Crypto.parse("x a inline:c2VjcmV0")
    assert "c2VjcmV0" not in caught.value.reason


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", ""),
        ("opus", "token word line host"),
        ("0-15,66", "word line"),
        ("fe80::1%eth0", "word line host"),
        ("a/b", "word line"),
        ("a b", "line"),
        ("a\u00a0b", "line"),
        ("a\u2003b", "line"),
        ("\u00e9", "word line"),
        *((f"a{each}b", "") for each in "\t\r\n\0\x1f\x7f\x85\u2028\u2029"),
    ],
)
def test_words_of_the_grammar(text: str, kinds: str) -> None:
    rules = {"token": is_token, "word": is_word, "line": is_line, "host": is_host}
    assert [name for name, rule in rules.items() if rule(text)] == kinds.split()
