"""Addresses (RFC 7247 §6, XEP-0106, RFC 5627): the vectors of docs/interworking/addresses.md."""

import re
import string
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping import address
from dragoman.mapping.address import (
    Unmappable,
    into_component,
    into_sip_domain,
    jid_to_sip,
    out_of_component,
    out_of_sip_domain,
    parse_xmpp_uri,
    sip_to_jid,
    xmpp_uri,
)
from dragoman.sip.failure import SipError
from dragoman.sip.header import NameAddress
from dragoman.sip.uri import Uri
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from tests.fuzz.fuzz_address import one_input

TEL = "tel.example"

FROM_SIP = [
    ("S1", "sip:f%C3%BC@sip.example", "fü@sip.example"),
    ("S2", "sip:o'malley@sip.example", r"o\27malley@sip.example"),
    ("S3", "sip:foo@sip.example;gr=bar", "foo@sip.example/bar"),
    ("S4", "SIP:Romeo@EXAMPLE.NET", "romeo@example.net"),
    ("S5", "sip:m&m@sip.example", r"m\26m@sip.example"),
    ("S6", "sip:a/b@sip.example", r"a\2fb@sip.example"),
    ("S7", "sip:%22q%22@sip.example", r"\22q\22@sip.example"),
    ("S8", "sip:space%20cadet@sip.example", r"space\20cadet@sip.example"),
    ("S9", "sip:a%40b@sip.example", r"a\40b@sip.example"),
    ("S10", "sip:a%3Ab@sip.example", r"a\3ab@sip.example"),
    ("S11", "sip:%3Cfoo%3E@sip.example", r"\3cfoo\3e@sip.example"),
    ("S12", "sip:c%3A%5C5commas@sip.example", r"c\3a\5c5commas@sip.example"),
    ("S13", "sip:c%3A%5Ccool@sip.example", r"c\3a\cool@sip.example"),
    ("S14", "sip:%5C3and%5C2is%5C5cool@sip.example", r"\5c3and\2is\5c5cool@sip.example"),
    ("S15", "sip:a%5C27@sip.example", r"a\5c27@sip.example"),
    ("S16", "sip:alice:secret@sip.example", "alice@sip.example"),
    ("S17", "sip:alice@sip.example:5080;transport=tcp", "alice@sip.example"),
    ("S18", "sip:alice@sip.example;user=phone?subject=x", "alice@sip.example"),
    ("S19", "sip:alice;day=tuesday@sip.example", "alice;day=tuesday@sip.example"),
    ("S20", "sip:a?b@sip.example", "a?b@sip.example"),
    ("S21", "sip:a%2fb@sip.example", r"a\2fb@sip.example"),
    ("S22", "sip:al%69ce@sip.example", "alice@sip.example"),
    ("S23", "sip:j%c3%bcrgen@xn--bcher-kva.example", "jürgen@bücher.example"),
    ("S24", "sip:fu%C3%9Fball@sip.example", "fußball@sip.example"),
    ("S25", "sip:%CE%A3@sip.example;gr=foo", "\u03c3@sip.example/foo"),
    ("S26", "sip:%EF%BC%A1lice@sip.example", "alice@sip.example"),
    ("S27", "sip:e%CC%81@sip.example", "\u00e9@sip.example"),
    ("S28", "sip:foo@sip.example;gr", "foo@sip.example"),
    (
        "S29",
        "sip:foo@sip.example;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "foo@sip.example/urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    ),
    ("S30", "sip:alice@sip.example;GR=AbC", "alice@sip.example/AbC"),
    ("S31", "sip:foo@sip.example;gr=a%20b%2Fc", "foo@sip.example/a b/c"),
    ("S32", "sip:sip.example", "sip.example"),
    ("S33", "sip:foo@[2001:db8::7]:5060", "foo@[2001:db8::7]"),
    ("S34", "sip:alice@EXAMPLE.net.", "alice@example.net"),
    ("S35", "im:romeo@example.net", "romeo@example.net"),
    ("S36", "pres:romeo@example.net", "romeo@example.net"),
    ("S37", "tel:+1-212-555-1212", "+12125551212@tel.example"),
    (
        "S38",
        "tel:7042;phone-context=example.com",
        "7042;phone-context=example.com@tel.example",
    ),
]

NOT_FROM_SIP = [
    ("S39", "sip:%E2%99%9A@sip.example", 404),
    ("S40", "sip:henry%E2%85%A3@sip.example", 404),
    ("S41", "sip:%D7%90a@sip.example", 404),
    ("S42", "sip:%FF@sip.example", 404),
    ("S43", "sip:a%0Ab@sip.example", 404),
    ("S44", "sip:a%zzb@sip.example", 404),
    ("S45", "sip:%20x@sip.example", 404),
    ("S46", "sip:@sip.example", 400),
    ("S47", "tel:7042", 484),
    ("S48", "mailto:a@b.example", 416),
]

FROM_XMPP = [
    ("X1", r"m\26m@xmpp.example", "sip:m&m@xmpp.example"),
    ("X2", "tschüss@xmpp.example", "sip:tsch%C3%BCss@xmpp.example"),
    ("X3", "baz@xmpp.example/qux", "sip:baz@xmpp.example;gr=qux"),
    ("X4", r"o\27malley@xmpp.example", "sip:o'malley@xmpp.example"),
    ("X5", r"a\2fb@xmpp.example", "sip:a/b@xmpp.example"),
    ("X6", r"\22q\22@xmpp.example", "sip:%22q%22@xmpp.example"),
    ("X7", r"space\20cadet@xmpp.example", "sip:space%20cadet@xmpp.example"),
    ("X8", r"a\40b@xmpp.example", "sip:a%40b@xmpp.example"),
    ("X9", r"a\3ab@xmpp.example", "sip:a%3Ab@xmpp.example"),
    ("X10", r"\3cfoo\3e@xmpp.example", "sip:%3Cfoo%3E@xmpp.example"),
    ("X11", r"c\3a\5c5commas@xmpp.example", "sip:c%3A%5C5commas@xmpp.example"),
    ("X12", r"c\3a\cool@xmpp.example", "sip:c%3A%5Ccool@xmpp.example"),
    ("X13", r"\5c3and\2is\5c5cool@xmpp.example", "sip:%5C3and%5C2is%5C5cool@xmpp.example"),
    ("X14", r"a\5c27@xmpp.example", "sip:a%5C27@xmpp.example"),
    ("X15", r"a\7eb@xmpp.example", "sip:a%5C7eb@xmpp.example"),
    ("X16", r"a\2Fb@xmpp.example", "sip:a/b@xmpp.example"),
    ("X17", "100%@xmpp.example", "sip:100%25@xmpp.example"),
    ("X18", "a%20b@xmpp.example", "sip:a%2520b@xmpp.example"),
    ("X19", "a#b@xmpp.example", "sip:a%23b@xmpp.example"),
    ("X20", "[x]^`{|}@xmpp.example", "sip:%5Bx%5D%5E%60%7B%7C%7D@xmpp.example"),
    ("X21", "a!$()*+,-.;=?_~@xmpp.example", "sip:a!$()*+,-.;=?_~@xmpp.example"),
    ("X22", "Juliet@Example.COM", "sip:juliet@example.com"),
    ("X23", "fußball@xmpp.example", "sip:fu%C3%9Fball@xmpp.example"),
    ("X24", "jürgen@bücher.example", "sip:j%C3%BCrgen@xn--bcher-kva.example"),
    ("X25", "juliet@example.com/foo bar", "sip:juliet@example.com;gr=foo%20bar"),
    ("X26", "juliet@example.com/foo@bar", "sip:juliet@example.com;gr=foo%40bar"),
    ("X27", "king@example.com/\u265a", "sip:king@example.com;gr=%E2%99%9A"),
    (
        "X28",
        "juliet@example.com/a;b=c?d,e",
        "sip:juliet@example.com;gr=a%3Bb%3Dc%3Fd%2Ce",
    ),
    ("X29", "juliet@example.com/a/b", "sip:juliet@example.com;gr=a/b"),
    ("X30", "juliet@example.com/50%", "sip:juliet@example.com;gr=50%25"),
    ("X31", r"a\20b@xmpp.example/\27", "sip:a%20b@xmpp.example;gr=%5C27"),
    ("X32", "juliet@example.com/[x]:&+$", "sip:juliet@example.com;gr=[x]:&+$"),
    ("X33", "example.com", "sip:example.com"),
    ("X34", "a.example.com/b@example.net", "sip:a.example.com;gr=b%40example.net"),
    ("X35", "foo@[2001:db8::7]", "sip:foo@[2001:db8::7]"),
]

NOT_FROM_XMPP = [
    ("X36", '"juliet"@example.com'),
    ("X37", "foo bar@example.com"),
    ("X38", "@example.com/"),
    ("X39", "henry\u2163@example.com"),
    ("X40", "\u265a@example.com"),
    ("X41", "juliet@"),
    ("X42", "/foobar"),
    ("X43", r"\20x@xmpp.example"),
    ("X44", "a\uff20b@xmpp.example"),
]

# What the user part of a SIP URI holds unescaped when it is in its canonical form.
USER = string.ascii_lowercase + string.digits + "-_.!~*'()&=+$,;?/"


def to_jid(text: str) -> str:
    return str(sip_to_jid(Uri.parse(text), tel_domain=TEL))


def to_sip(text: str) -> str:
    return str(jid_to_sip(Jid.parse(text)))


@pytest.mark.spec("ADDR-01")
@pytest.mark.parametrize(("name", "uri", "jid"), FROM_SIP[:3])
def test_examples_of_rfc_7247_from_sip(name: str, uri: str, jid: str) -> None:
    assert to_jid(uri) == jid


@pytest.mark.spec("ADDR-02")
@pytest.mark.parametrize(("name", "jid", "uri"), FROM_XMPP[:3])
def test_examples_of_rfc_7247_from_xmpp(name: str, jid: str, uri: str) -> None:
    assert to_sip(jid) == uri


@pytest.mark.spec("ADDR-03")
@pytest.mark.parametrize(("name", "uri", "jid"), FROM_SIP)
def test_sip_to_jid(name: str, uri: str, jid: str) -> None:
    assert to_jid(uri) == jid


@pytest.mark.spec("ADDR-03")
@pytest.mark.spec("ADDR-24")
@pytest.mark.parametrize(("name", "uri", "status"), NOT_FROM_SIP)
def test_sip_without_a_jid(name: str, uri: str, status: int) -> None:
    with pytest.raises((Unmappable, SipError)) as caught:
        to_jid(uri)
    assert isinstance(caught.value, Unmappable | SipError)
    assert caught.value.status == status


@pytest.mark.spec("ADDR-04")
@pytest.mark.parametrize(("name", "jid", "uri"), FROM_XMPP)
def test_jid_to_sip(name: str, jid: str, uri: str) -> None:
    assert to_sip(jid) == uri
    assert str(Uri.parse(uri)) == uri


@pytest.mark.spec("ADDR-04")
@pytest.mark.spec("ADDR-24")
@pytest.mark.parametrize(("name", "jid"), NOT_FROM_XMPP)
def test_jid_without_a_uri(name: str, jid: str) -> None:
    with pytest.raises((Unmappable, StanzaError)) as caught:
        to_sip(jid)
    assert isinstance(caught.value, Unmappable | StanzaError)
    assert caught.value.condition is Condition.JID_MALFORMED


@pytest.mark.spec("ADDR-05")
def test_percent_encoding_is_upper_case() -> None:
    uri = to_sip(r"[\3c\5e]ÿ@xmpp.example/♚ñ")
    assert "%5B" in uri
    assert re.findall("%[0-9A-Fa-f]{2}", uri) == re.findall("%[0-9A-F]{2}", uri)


@pytest.mark.spec("ADDR-06")
def test_escapes_are_lower_case() -> None:
    escaped = to_jid("sip:%20%22%26%27%2F%3A%3C%3E%40x@h".replace("sip:", "sip:y"))
    assert escaped == r"y\20\22\26\27\2f\3a\3c\3e\40x@h"


@pytest.mark.spec("ADDR-07")
@pytest.mark.parametrize("number", range(256))
def test_only_ten_sequences_are_escapes(number: int) -> None:
    uri = jid_to_sip(Jid.parse(f"a\\{number:02x}b@h"))
    meant = chr(number) if chr(number) in " \"&'/:<>@\\" else f"\\{number:02x}"
    assert uri.user == "".join(
        char if char.isalnum() or char in "&'/" else f"%{ord(char):02X}" for char in f"a{meant}b"
    )


@pytest.mark.spec("ADDR-08")
def test_unescaping_is_one_pass() -> None:
    assert to_sip(r"\5c27@h") == "sip:%5C27@h"


@pytest.mark.spec("ADDR-09")
def test_backslash_is_escaped_first() -> None:
    assert to_jid("sip:%5C5c%5C27'@h") == r"\5c5c\5c27\27@h"


@pytest.mark.spec("ADDR-10")
@pytest.mark.parametrize(
    ("uri", "jid"),
    [
        ("sip:a%EF%BC%A0b@h", r"a\40b@h"),
        ("sip:a%EF%BC%8Fb@h", r"a\2fb@h"),
        ("sip:a%5C2Fb@h", r"a\5c2fb@h"),
        ("sip:a%EF%BC%BC27@h", r"a\5c27@h"),
    ],
)
def test_mapping_comes_before_escaping(uri: str, jid: str) -> None:
    assert to_jid(uri) == jid


@pytest.mark.spec("ADDR-11")
@pytest.mark.parametrize("user", ["%20x", "x%20", "%20", "%E3%80%80x"])
def test_no_space_at_an_end_from_sip(user: str) -> None:
    with pytest.raises(Unmappable):
        to_jid(f"sip:{user}@h")


@pytest.mark.spec("ADDR-11")
@pytest.mark.parametrize("local", [r"\20x", r"x\20", r"\20"])
def test_no_space_at_an_end_from_xmpp(local: str) -> None:
    with pytest.raises(Unmappable):
        to_sip(f"{local}@h")


@pytest.mark.spec("ADDR-12")
def test_only_localparts_are_escaped() -> None:
    assert to_jid("sip:a@h;gr=o'%5C27") == r"a@h/o'\27"
    assert to_sip(r"a@h/o'\27") == "sip:a@h;gr=o'%5C27"


@pytest.mark.spec("ADDR-13")
def test_case_is_mapped_and_not_folded() -> None:
    assert to_jid("sip:STRA%C3%9FE%CE%A3x@h") == "straße\u03c3x@h"


@pytest.mark.spec("ADDR-14")
@pytest.mark.parametrize(
    ("uri", "fits"),
    [
        ("sip:" + "a" * 1023 + "@h", True),
        ("sip:" + "a" * 1024 + "@h", False),
        ("sip:" + "a" * 1020 + "'@h", True),
        ("sip:" + "a" * 1021 + "'@h", False),
        ("sip:a@h;gr=" + "b" * 1023, True),
        ("sip:a@h;gr=" + "b" * 1024, False),
        ("sip:" + "%C3%BC" * 300 + "a" * 100 + "@h", True),
    ],
)
def test_octets_of_a_part_from_sip(uri: str, fits: bool) -> None:
    if fits:
        to_jid(uri)
        return
    with pytest.raises(Unmappable) as caught:
        to_jid(uri)
    assert caught.value.status == 414


@pytest.mark.spec("ADDR-14")
def test_octets_of_a_localpart_from_xmpp() -> None:
    local = r"\27" + "a" * 1020
    assert to_sip(f"{local}@h") == "sip:'" + "a" * 1020 + "@h"
    with pytest.raises(StanzaError):
        to_sip(f"{local}a@h")


@pytest.mark.spec("ADDR-15")
def test_gruu() -> None:
    assert to_jid("sip:foo@h;gr=bar") == "foo@h/bar"
    assert to_jid("sip:foo@h;gr") == to_jid("sip:foo@h;gr=") == "foo@h"


@pytest.mark.spec("ADDR-16")
def test_gr_is_within_the_brackets() -> None:
    address = NameAddress("", jid_to_sip(Jid.parse("a@h/b c;d")), (("tag", "1"),))
    assert str(address) == "<sip:a@h;gr=b%20c%3Bd>;tag=1"


@pytest.mark.spec("ADDR-18")
def test_labels() -> None:
    assert to_jid("sip:a@XN--Bcher-KVA.example") == "a@bücher.example"
    assert to_sip("a@BÜCHER.example") == "sip:a@xn--bcher-kva.example"


@pytest.mark.spec("ADDR-19")
def test_secrets_and_routes_stay_behind() -> None:
    uri = "sip:a:pass%20word@h:5061;transport=tls;maddr=m;lr?subject=x&body=y"
    assert to_jid(uri) == "a@h"
    info = address._jid_cached.cache_info()
    to_jid("sip:a:other@h:5062;transport=udp")
    assert address._jid_cached.cache_info().misses == info.misses


@pytest.mark.spec("ADDR-20")
@pytest.mark.parametrize("host", ["192.0.2.7", "[2001:db8::7]"])
def test_addresses_as_hosts(host: str) -> None:
    assert to_jid(f"sip:a@{host}") == f"a@{host}"
    assert to_sip(f"a@{host}/r") == f"sip:a@{host};gr=r"


@pytest.mark.spec("ADDR-21")
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_occupants(nick: str) -> None:
    try:
        jid = Jid.of("room", "svc.example", nick)
    except StanzaError:
        return
    uri = jid_to_sip(jid)
    assert sip_to_jid(Uri.parse(str(uri))) == jid


@pytest.mark.spec("ADDR-26")
def test_comparison_is_of_escaped_forms() -> None:
    assert Jid.parse(r"a\5c27@h") != Jid.parse(r"a\27@h")
    assert sip_to_jid(Uri.parse("sip:A%27@h")) == sip_to_jid(Uri.parse("sip:a'@h"))
    assert sip_to_jid(Uri.parse("sip:a%5C27@h")) != sip_to_jid(Uri.parse("sip:a'@h"))


@pytest.mark.spec("ADDR-27")
@given(st.text(string.printable[:95], min_size=1, max_size=30))
def test_round_trip_of_canonical_users(user: str) -> None:
    written = "".join(char if char in USER else f"%{ord(char):02X}" for char in f"a{user}b".lower())
    assert to_sip(to_jid(f"sip:{written}@h")) == f"sip:{written}@h"


@pytest.mark.spec("ADDR-27")
@pytest.mark.parametrize("char", [chr(code) for code in range(32, 127)])
def test_round_trip_of_each_character(char: str) -> None:
    written = char.lower() if char.lower() in USER else f"%{ord(char):02X}"
    assert to_sip(to_jid(f"sip:a{written}b@h")) == f"sip:a{written}b@h"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_round_trip_of_jids(local: str) -> None:
    try:
        uri = jid_to_sip(Jid.of(local, "h"))
    except (StanzaError, Unmappable):
        return
    # An escape that nothing called for is not written again, so the JID itself may differ.
    assert jid_to_sip(sip_to_jid(Uri.parse(str(uri)))) == uri


@pytest.mark.spec("ADDR-23")
@pytest.mark.parametrize(
    ("tel", "jid", "sip"),
    [
        (
            "tel:+1-212-555-1212",
            "+12125551212@tel.example",
            "sip:+12125551212@pbx.example;user=phone",
        ),
        (
            "tel:7042;phone-context=example.com",
            "7042;phone-context=example.com@tel.example",
            "sip:7042;phone-context=example.com@pbx.example;user=phone",
        ),
        (
            "tel:(70)42;phone-context=+1-212",
            "7042;phone-context=+1212@tel.example",
            "sip:7042;phone-context=+1212@pbx.example;user=phone",
        ),
    ],
)
def test_telephone_numbers(tel: str, jid: str, sip: str) -> None:
    assert to_jid(tel) == jid
    assert str(jid_to_sip(Jid.parse(jid), tel_domain=TEL, sip_domain="pbx.example")) == sip


@pytest.mark.spec("ADDR-23")
def test_number_in_a_sip_uri_keeps_its_domain() -> None:
    assert to_jid("sip:+1-212-555@h;user=phone") == "+1212555@h"
    assert to_jid("sip:+1-212-555@h") == "+1-212-555@h"


@pytest.mark.spec("ADDR-23")
@pytest.mark.parametrize(("tel", "status"), [("tel:7042", 484), ("tel:+1*2", 484)])
def test_number_that_is_incomplete(tel: str, status: int) -> None:
    with pytest.raises(Unmappable) as caught:
        to_jid(tel)
    assert caught.value.status == status


@pytest.mark.spec("ADDR-23")
def test_number_without_a_domain_for_numbers() -> None:
    with pytest.raises(Unmappable) as caught:
        sip_to_jid(Uri.parse("tel:+12125551212"))
    assert caught.value.status == 404


def test_extension_belongs_to_the_number() -> None:
    assert to_jid("tel:+1-212;ext=99;isub=7;x=y") == "+1212;ext=99;isub=7@tel.example"


def test_user_of_the_domain_for_numbers_who_is_none() -> None:
    uri = jid_to_sip(Jid.parse("alice@tel.example"), tel_domain=TEL, sip_domain="pbx.example")
    assert str(uri) == "sip:alice@tel.example"


@pytest.mark.spec("ADDR-25")
@pytest.mark.parametrize(
    ("uri", "jid"),
    [
        ("sip:romeo@example.net", r"romeo\40example.net@gw.example.com"),
        ("sip:o'malley@example.net", r"o\27malley\40example.net@gw.example.com"),
        ("sip:a%40b@example.net", r"a\40b\40example.net@gw.example.com"),
        ("sip:a%5C27@example.net", r"a\5c27\40example.net@gw.example.com"),
        ("sip:romeo@[2001:db8::7]", r"romeo\40[2001\3adb8\3a\3a7]@gw.example.com"),
        ("sip:romeo@xn--bcher-kva.example", r"romeo\40bücher.example@gw.example.com"),
        ("sip:romeo@example.net;gr=orchard", r"romeo\40example.net@gw.example.com/orchard"),
    ],
)
def test_component_for_any_domain(uri: str, jid: str) -> None:
    assert str(into_component(Uri.parse(uri), "gw.example.com")) == jid
    assert str(out_of_component(Jid.parse(jid))) == uri


@pytest.mark.spec("ADDR-25")
@pytest.mark.parametrize(
    ("uri", "jid"),
    [
        ("sip:romeo@example.net", "romeo@gw.example.com"),
        ("sip:o'malley@example.net;gr=x", r"o\27malley@gw.example.com/x"),
        ("sip:+12125551212@example.net;user=phone", "+12125551212@gw.example.com"),
    ],
)
def test_component_for_one_domain(uri: str, jid: str) -> None:
    assert str(into_component(Uri.parse(uri), "gw.example.com", sip_domain="example.net")) == jid
    found = out_of_component(Jid.parse(jid), sip_domain="example.net")
    assert found.user == Uri.parse(uri).user
    assert found.host == "example.net"


@pytest.mark.spec("ADDR-25")
def test_number_at_a_component() -> None:
    jid = into_component(Uri.parse("tel:+1-212"), "gw.example.com", sip_domain="example.net")
    assert str(jid) == "+1212@gw.example.com"
    assert (
        str(out_of_component(jid, sip_domain="example.net")) == "sip:+1212@example.net;user=phone"
    )


@pytest.mark.spec("ADDR-25")
@pytest.mark.parametrize(
    "text", ["romeo@gw.example.com", "gw.example.com", r"x\40\22@gw.example.com"]
)
def test_nobody_at_the_component(text: str) -> None:
    with pytest.raises(Unmappable):
        out_of_component(Jid.parse(text))


@pytest.mark.spec("ADDR-25")
@pytest.mark.parametrize("text", ["sip:romeo@other.example", "sip:example.net"])
def test_nobody_for_the_component(text: str) -> None:
    with pytest.raises(Unmappable) as caught:
        into_component(Uri.parse(text), "gw.example.com", sip_domain="example.net")
    assert caught.value.status == 404


@pytest.mark.spec("ADDR-25")
@pytest.mark.parametrize(
    ("jid", "uri"),
    [
        ("juliet@example.com", "sip:juliet%40example.com@xmpp.example.net"),
        ("juliet@example.com/balcony", "sip:juliet%40example.com@xmpp.example.net;gr=balcony"),
        (r"o\27malley@example.com", "sip:o'malley%40example.com@xmpp.example.net"),
        (r"a\40b@bücher.example", "sip:a%40b%40b%C3%BCcher.example@xmpp.example.net"),
    ],
)
def test_xmpp_users_of_a_sip_domain(jid: str, uri: str) -> None:
    assert str(into_sip_domain(Jid.parse(jid), "xmpp.example.net")) == uri
    assert str(out_of_sip_domain(Uri.parse(uri))) == jid


def test_server_is_no_user_of_a_sip_domain() -> None:
    with pytest.raises(Unmappable):
        into_sip_domain(Jid.parse("example.com"), "xmpp.example.net")


@pytest.mark.parametrize(
    ("local", "written"),
    [
        ("a.b", "a.b"),
        (".a..b.", "%2Ea.%2Eb%2E"),
        ("a(b),;[c]", "a%28b%29%2C%3B%5Bc%5D"),
        ("ü?", "%C3%BC%3F"),
    ],
)
def test_im_uris(local: str, written: str) -> None:
    assert str(jid_to_sip(Jid.parse(f"{local}@h/r"), scheme="im")) == f"im:{written}@h"


@pytest.mark.parametrize("domain", ["a b", "", "*.example", "\ud800"])
def test_host_that_is_none(domain: str) -> None:
    with pytest.raises(Unmappable) as caught:
        jid_to_sip(Jid("a", domain, ""))
    assert caught.value.condition is Condition.ITEM_NOT_FOUND


@pytest.mark.parametrize(
    ("jid", "uri"),
    [
        ("romeo@example.net", "xmpp:romeo@example.net"),
        ("example.net", "xmpp:example.net"),
        (r"o\27malley@example.net/a b?#/%", "xmpp:o%5C27malley@example.net/a%20b%3F%23%2F%25"),
        ("ü@bücher.example", "xmpp:%C3%BC@b%C3%BCcher.example"),
        ("a@[2001:db8::7]", "xmpp:a@[2001:db8::7]"),
    ],
)
def test_xmpp_uris(jid: str, uri: str) -> None:
    assert xmpp_uri(Jid.parse(jid)) == uri
    assert str(parse_xmpp_uri(uri)) == jid


def test_xmpp_uri_with_more_than_an_address() -> None:
    assert str(parse_xmpp_uri("XMPP:a@h?message;body=x#f")) == "a@h"
    assert str(parse_xmpp_uri("xmpp://guest@g.example/support@h/r?x")) == "support@h/r"


@pytest.mark.parametrize("text", ["sip:a@h", "xmpp:", "xmpp:@", "xmpp:%ff@h", "xmpp:%zz@h", "xmpp"])
def test_no_xmpp_uri(text: str) -> None:
    with pytest.raises(Unmappable):
        parse_xmpp_uri(text)


def test_caches_are_bounded_and_keep_no_long_address() -> None:
    assert address._jid_cached.cache_info().maxsize == 16384
    assert address._uri_cached.cache_info().maxsize == 16384
    jid = sip_to_jid(Uri.parse("sip:" + "y" * 300 + "@h"))
    jid_to_sip(jid)
    before = address._jid_cached.cache_info(), address._uri_cached.cache_info()
    jid_to_sip(sip_to_jid(Uri.parse("sip:" + "y" * 300 + "@h")))
    assert (address._jid_cached.cache_info(), address._uri_cached.cache_info()) == before


def test_mutated_addresses() -> None:
    random = Random(7247)  # noqa: S311 - the same mutations every time
    seeds = [uri for _, uri, _ in FROM_SIP] + [jid for _, jid, _ in FROM_XMPP]
    for _ in range(600):
        data = bytearray(random.choice(seeds).encode())
        for _ in range(random.randrange(1, 5)):
            at = random.randrange(len(data))
            data[at : at + random.randrange(3)] = random.choice(
                (b"%", b"\\", b"@", b";gr=", b"%EF%BC%A0", b"\\20", bytes([random.randrange(256)]))
            )
        one_input(bytes(data))
