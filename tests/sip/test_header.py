"""Typed header fields (RFC 3261 §20), each read and printed."""

import pytest

from dragoman.sip.failure import SipError
from dragoman.sip.header import (
    CANONICAL,
    CSeq,
    MediaType,
    NameAddress,
    Via,
    Warning,  # noqa: A004 - the header's own name
    accepts,
    canonical,
    parse_seconds,
    split_list,
)
from dragoman.sip.uri import Uri

BOB = Uri("sip", "bob", "biloxi.com")

ADDRESSES = [
    ("<sip:bob@biloxi.com>", NameAddress("", BOB)),
    ('"Bob" <sip:bob@biloxi.com>', NameAddress("Bob", BOB)),
    ("Bob <sip:bob@biloxi.com>;tag=a6c85cf", NameAddress("Bob", BOB, (("tag", "a6c85cf"),))),
    ("sip:bob@biloxi.com;tag=887s", NameAddress("", BOB, (("tag", "887s"),))),
    ("sip:bob@biloxi.com ;\ttag = 887s", NameAddress("", BOB, (("tag", "887s"),))),
    ("sip:bob@biloxi.com;gr=x", NameAddress("", BOB, (("gr", "x"),))),
    ("<sip:bob@biloxi.com>;gr=x", NameAddress("", BOB, (("gr", "x"),))),
    ("caller<sip:bob@biloxi.com>", NameAddress("caller", BOB)),
    ('"J \\\\ \\"R\\"" <sip:bob@biloxi.com>', NameAddress('J \\ "R"', BOB)),
    ('"<a>, b;c" <sip:bob@biloxi.com>', NameAddress("<a>, b;c", BOB)),
    ('"é ☃" <sip:bob@biloxi.com>', NameAddress("é ☃", BOB)),
    ('""<sip:bob@biloxi.com>', NameAddress("", BOB)),
    ("A. G. Bell, Jr <sip:bob@biloxi.com>", NameAddress("A. G. Bell, Jr", BOB)),
    (
        '<sip:bob@biloxi.com>;+sip.instance="<urn:uuid:1>" ; q=0.7',
        NameAddress("", BOB, (("+sip.instance", '"<urn:uuid:1>"'), ("q", "0.7"))),
    ),
    (
        "<sip:bob@biloxi.com;lr>;x",
        NameAddress("", Uri("sip", "bob", "biloxi.com", params=(("lr", None),)), (("x", None),)),
    ),
    ("tel:+12;tag=1", NameAddress("", Uri("tel", "+12", ""), (("tag", "1"),))),
]


@pytest.mark.parametrize(("text", "address"), ADDRESSES)
def test_address(text: str, address: NameAddress) -> None:
    assert NameAddress.parse(text) == address
    assert NameAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "Bob",
        "<>",
        '"Bob <sip:bob@biloxi.com>',
        '"Bob" sip:bob@biloxi.com',
        '"Bob" x <sip:bob@biloxi.com>',
        'Bob" <sip:bob@biloxi.com>',
        "<sip:bob@biloxi.com",
        "<sip:bob@biloxi.com>tag=1",
        "< sip:bob@biloxi.com>",
        "<sip:bob@biloxi.com>;tag=a b",
        "sip:bob@biloxi.com?x=y",
        "sip:bo,b@biloxi.com",
        "<mailto:bob@biloxi.com>",
        "<http://biloxi.com/>",
        "<sip:" + "a" * 3000 + "@b>",
    ],
)
def test_not_an_address(text: str) -> None:
    with pytest.raises(SipError) as caught:
        NameAddress.parse(text)
    assert caught.value.status == 400


def test_addresses_of_one_line() -> None:
    line = '"a, b" <sip:a@x.example;m=1,2>;q=1, <sip:bob@biloxi.com>,sip:c@x.example'
    found = NameAddress.parse_list(line)
    assert [address.display for address in found] == ["a, b", "", ""]
    assert [address.uri.user for address in found] == ["a", "bob", "c"]
    assert (found[0].param("q"), found[0].tag) == ("1", None)


VIAS = [
    (
        "SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds",
        Via("UDP", "pc33.atlanta.com", None, (("branch", "z9hG4bK776asdhds"),)),
    ),
    (
        "SIP/2.0/TCP [2001:db8::9:1]:5070;rport",
        Via("TCP", "[2001:db8::9:1]", 5070, (("rport", None),)),
    ),
    (
        "SIP  / 2.0  / tcp     Spindle.example.com   ;\tlr",
        Via("TCP", "spindle.example.com", None, (("lr", None),)),
    ),
    ("sip/2.0/UNKNOWN a.example : 5062", Via("UNKNOWN", "a.example", 5062)),
    ("SIP/7.0/UDP c.example.com", Via("UDP", "c.example.com", None)),
]


@pytest.mark.parametrize(("text", "via"), VIAS)
def test_via(text: str, via: Via) -> None:
    assert Via.parse(text) == via
    assert Via.parse(str(via)) == via


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 UDP a.example",
        "HTTP/1.1/TCP a.example",
        "SIP/2.0/UDP a.example b.example",
        "SIP/2.0/UDP 2001:db8::9",
        "SIP/2.0/UDP a.example:99999",
        "SIP/2.0/U;DP a.example",
        "SIP/2.0/U@DP a.example",
        "SIP/2.0/UDP a.example" + " " * 300 + ":5060",
        "SIP/2.0/UDP a.example;branch=a b",
    ],
)
def test_not_a_via(text: str) -> None:
    with pytest.raises(SipError):
        Via.parse(text)


def test_via_parameters() -> None:
    via = Via.parse("SIP/2.0/TLS a.example;rport;branch=z9hG4bK1;maddr=m.example")
    assert (via.branch, via.rport, via.maddr, via.received) == ("z9hG4bK1", "", "m.example", None)
    assert via.sent_by == "a.example:5061"
    assert Via.parse("SIP/2.0/UDP a.example").sent_by == "a.example:5060"
    assert Via.parse("SIP/2.0/UDP a.example:99").sent_by == "a.example:99"
    for spelled in ("[2001:db8::9:255]", "2001:db8::9:255"):
        assert Via.parse(f"SIP/2.0/UDP a;received={spelled}").received == "2001:db8::9:255"


# RFC 3581 §6 is the first.
SEEN = [
    (
        "10.1.1.1:4540;rport;branch=b",
        "192.0.2.1",
        "10.1.1.1:4540;branch=b;received=192.0.2.1;rport=9988",
    ),
    ("192.0.2.1;rport", "192.0.2.1", "192.0.2.1;received=192.0.2.1;rport=9988"),
    ("192.0.2.1;branch=b", "192.0.2.1", "192.0.2.1;branch=b"),
    ("a.example;branch=b", "192.0.2.1", "a.example;branch=b;received=192.0.2.1"),
    ("[2001:db8::1]", "2001:DB8::1", "[2001:db8::1]"),
    ("192.0.2.1;received=198.51.100.9", "192.0.2.1", "192.0.2.1"),
    ("a.example;rport=1;received=9.9.9.9", "192.0.2.1", "a.example;received=192.0.2.1;rport=9988"),
]


@pytest.mark.parametrize(("sent", "source", "stamped"), SEEN)
def test_via_is_stamped_with_its_source(sent: str, source: str, stamped: str) -> None:
    assert str(Via.parse(f"SIP/2.0/UDP {sent}").seen_from(source, 9988)) == f"SIP/2.0/UDP {stamped}"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("314159 INVITE", "314159 INVITE"),
        ("0009 \t INVITE", "9 INVITE"),
        ("0 !x*", "0 !x*"),
        ("2147483647 MESSAGE", "2147483647 MESSAGE"),
    ],
)
def test_cseq(text: str, printed: str) -> None:
    assert str(CSeq.parse(text)) == printed
    assert CSeq.parse(printed) == CSeq.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "INVITE",
        "x INVITE",
        "-1 INVITE",
        "1 INV ITE",
        "2147483648 INVITE",
        "36893488147419103232 INVITE",
        "1 IN;VITE",
        "٣ INVITE",
    ],
)
def test_not_a_cseq(text: str) -> None:
    with pytest.raises(SipError):
        CSeq.parse(text)


def test_media_types() -> None:
    kind = MediaType.parse('Text / Plain ; Charset="utf-8"; format=flowed')
    assert (kind.essence, kind.param("charset"), kind.param("format")) == (
        "text/plain",
        "utf-8",
        "flowed",
    )
    assert kind.param("boundary") is None
    assert MediaType.parse(str(kind)) == kind
    for text in ("", "text", "text/", "/plain", "te xt/plain", "text/plain;=", "a/b/c"):
        with pytest.raises(SipError):
            MediaType.parse(text)


def test_warnings() -> None:
    text = '370 devnull:5060 "Choose a \\"bigger\\" pipe"'
    assert Warning.parse(text) == Warning(370, "devnull:5060", 'Choose a "bigger" pipe')
    assert str(Warning.parse(text)) == text
    for bad in (
        "",
        "370",
        '370 "x"',
        "370 a x",
        '37 a "x"',
        'abc a "x"',
        '370 a "x" y',
        '370 a "x',
    ):
        with pytest.raises(SipError):
            Warning.parse(bad)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("18000;duration=3600", 18000),
        ("120 (I'm in a meeting)", 120),
        ("0060 ", 60),
        ("9" * 40, 2**32 - 1),
        ("9" * 4000, 2**32 - 1),
        ("0" * 12 + "7", 7),
    ],
)
def test_seconds(text: str, seconds: int) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "(1)", "Sat, 01 Dec 2040 16:00:00 GMT"])
def test_not_seconds(text: str) -> None:
    with pytest.raises(SipError):
        parse_seconds(text)


def test_names() -> None:
    assert len(CANONICAL) == len(set(CANONICAL.values())) + 20
    for name, expected in [
        ("v", "Via"),
        ("CALL-id", "Call-ID"),
        ("i", "Call-ID"),
        ("cseq", "CSeq"),
        ("x-foo", "X-Foo"),
        ("WWW-AUTHENTICATE", "WWW-Authenticate"),
        ("X-FOO", "X-Foo"),
        ("L", "Content-Length"),
    ]:
        assert canonical(name) == expected
    for bad in ("", "a b", "é", "a:b"):
        with pytest.raises(SipError):
            canonical(bad)


@pytest.mark.parametrize(
    ("lines", "taken"),
    [
        ([], True),
        (["text/plain, application/SDP;level=1"], True),
        (["text/plain", "*/*"], True),
        (["text/plain", "text/html"], False),
    ],
)
def test_accept_names_what_is_taken(lines: list[str], taken: bool) -> None:
    """RFC 3261 §20.1."""
    assert accepts(lines, {"application/sdp", "*/*"}) is taken


def test_split_list_respects_quotes_and_brackets() -> None:
    assert split_list('<sip:a,b@c>, "x,y" <d>') == ["<sip:a,b@c>", '"x,y" <d>']


def test_only_short_media_types_are_remembered() -> None:
    short, long = "text/plain;a=b", "text/plain" + ";a=b" * 2000
    assert MediaType.parse(short) is MediaType.parse(short)
    assert MediaType.parse(long) is not MediaType.parse(long)
    assert len(MediaType.parse(long).params) == 2000
