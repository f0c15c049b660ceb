"""Fuzz target: each typed header reads alike once printed (RFC 3261 §20, §25.1), or is refused.

The first byte says which header the rest is the value of.
"""

from collections.abc import Callable

from dragoman.mapping.card import LONGEST_NAME, LONGEST_URL, said_in
from dragoman.mapping.date import parse_sip_date, sip_date
from dragoman.mapping.parties import asserted
from dragoman.sip import call_info
from dragoman.sip.failure import SipError
from dragoman.sip.flow import reply_flow, reply_target
from dragoman.sip.header import (
    CSeq,
    MediaType,
    NameAddress,
    Via,
    parse_seconds,
    split_list,
)
from dragoman.sip.header import Warning as SipWarning
from dragoman.sip.message import Request, Response
from dragoman.sip.refer import Refer
from dragoman.sip.replaces import Replaces
from tests.fuzz.fuzz_sip_endpoint import UDP

SEEDS = (
    (
        b"0SIP / 2.0 / UDP [2001:db8::9:1] : 6050 ;branch=z9hG4bK1;rport;received=192.0.2.1,"
        b"SIP/2.0/TCP a.example;maddr=192.0.2.9;ttl=1"
    ),
    b'1"A \\"x\\", B" <sip:a@example.net;lr>;q=0.3;+sip.instance="<urn:uuid:1>", sip:c@d;x=y',
    b"216 MESSAGE",
    b'3text/plain;charset="utf-8";format=flowed',
    b'4399 gw.example:5060 "not \\"reached\\""',
    b"5 18000 ;duration=3600 (maintenance)",
    b"6Sat, 13 Nov 2010 23:29:00 GMT",
    b"7<sip:+15551@gw.example;user=phone>, <tel:+15551>",
    b"9a@b;to-tag=1;from-tag=2;early-only",
    b":<sip:a@b;method=INVITE?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Require=replaces>",
    b"8<http://a.example/photo.jpg> ;purpose=icon, <https://a.example/> ;purpose=info",
)
TOKENS = (
    b";", b",", b'"', b"\\", b"<", b">", b";branch=", b";tag=", b"SIP/2.0/", b"sip:", b"tel:",
    b";received=[::1]", b";rport=", b";maddr=[::1]", b"(", b")", b"GMT", b"[::ffff:1.2.3.4]",
)  # fmt: skip


def via(text: str) -> None:
    for item in split_list(text):
        found = Via.parse(item)
        assert Via.parse(str(found)) == found
        stamped = found.seen_from("2001:db8::7", 5070)
        assert Via.parse(str(stamped)) == stamped
        assert stamped.received in (None, "2001:db8::7")
        _ = (found.branch, found.received, found.rport, found.sent_by)
        reply_flow(found, UDP)
        reply_target(found, UDP)


def addresses(text: str) -> None:
    for found in NameAddress.parse_list(text):
        assert NameAddress.parse(str(found)) == found
        assert found.tag == found.param("tag")


def cseq(text: str) -> None:
    found = CSeq.parse(text)
    assert CSeq.parse(str(found)) == found


def media_type(text: str) -> None:
    found = MediaType.parse(text)
    assert MediaType.parse(str(found)) == found
    found.param("charset")


def warning(text: str) -> None:
    found = SipWarning.parse(text)
    assert SipWarning.parse(str(found)) == found


def seconds(text: str) -> None:
    assert 0 <= parse_seconds(text) < 2**32


def date(text: str) -> None:
    found = parse_sip_date(text)
    if found is not None:
        assert parse_sip_date(sip_date(found)) == found


def identities(text: str) -> None:
    request = Request("MESSAGE", "sip:a@b", (("P-Asserted-Identity", text), ("Privacy", "none")))
    assert len(asserted(request)) <= len(text)
    _ = Response(302, "", (("Contact", text),)).contacts


def more(text: str) -> None:
    found = call_info.read([text])
    assert [call_info.CallInfo.parse(str(each)) for each in found] == found
    said = said_in(text, [text])
    assert len(said.name) <= LONGEST_NAME
    assert max(len(said.icon), len(said.info)) <= LONGEST_URL


def replaces(text: str) -> None:
    found = Replaces.parse(text)
    assert Replaces.parse(str(found)) == found


def refer(text: str) -> None:
    named = (("Refer-To", text), ("Referred-By", text), ("CSeq", "1 REFER"))
    found = Refer.of(Request("REFER", "sip:a@b", named))
    for name, value in found.headers:
        assert value.isprintable(), name


READERS: tuple[Callable[[str], None], ...] = (
    *(via, addresses, cseq, media_type),
    *(warning, seconds, date, identities, more),
    *(replaces, refer),
)


def one_input(data: bytes) -> None:
    # No value with a line end ever comes out of a head.
    text = data[1:].decode(errors="replace").replace("\n", " ").replace("\r", " ")
    try:
        READERS[data[0] % len(READERS) if data else 0](text)
    except SipError:
        return


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
