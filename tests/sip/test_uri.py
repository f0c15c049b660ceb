"""URIs of SIP and their comparison (RFC 3261 §19.1, RFC 3966, RFC 5118)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.sip.failure import SipError
from dragoman.sip.uri import MAX_URI, Uri, parse_hostport

# RFC 3261 §19.1.3 first, then addresses.md §6, then IPv6 and the other schemes.
READ = [
    ("sip:alice@atlanta.com", Uri("sip", "alice", "atlanta.com")),
    (
        "sip:alice:secretword@atlanta.com;transport=tcp",
        Uri("sip", "alice", "atlanta.com", None, "secretword", (("transport", "tcp"),)),
    ),
    (
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        Uri("sips", "alice", "atlanta.com", headers="subject=project%20x&priority=urgent"),
    ),
    (
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        Uri("sip", "+1-212-555-1212", "gateway.com", None, "1234", (("user", "phone"),)),
    ),
    ("sips:1212@gateway.com", Uri("sips", "1212", "gateway.com")),
    ("sip:alice@192.0.2.4", Uri("sip", "alice", "192.0.2.4")),
    (
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        Uri(
            "sip",
            None,
            "atlanta.com",
            params=(("method", "REGISTER"),),
            headers="to=alice%40atlanta.com",
        ),
    ),
    ("sip:alice;day=tuesday@atlanta.com", Uri("sip", "alice;day=tuesday", "atlanta.com")),
    ("sip:a?b@sip.example", Uri("sip", "a?b", "sip.example")),
    ("sip:f%C3%BC@sip.example", Uri("sip", "f%C3%BC", "sip.example")),
    ("sip:a%zzb@sip.example", Uri("sip", "a%zzb", "sip.example")),
    ("sip:foo@sip.example;gr", Uri("sip", "foo", "sip.example", params=(("gr", None),))),
    ("sip:a@sip.example;gr=;lr", Uri("sip", "a", "sip.example", params=(("gr", ""), ("lr", None)))),
    ("sip:a:@sip.example", Uri("sip", "a", "sip.example", password="")),
    ("sip:sip.example", Uri("sip", None, "sip.example")),
    ("sip:alice@example.net.", Uri("sip", "alice", "example.net.")),
    ("sip:a@my_host.example", Uri("sip", "a", "my_host.example")),
    ("sip:foo@[2001:db8::7]:5060", Uri("sip", "foo", "[2001:db8::7]", 5060)),
    ("sip:[2001:db8::10:5070]", Uri("sip", None, "[2001:db8::10:5070]")),
    ("sip:[::ffff:192.0.2.1]", Uri("sip", None, "[::ffff:192.0.2.1]")),
    ("im:romeo@example.net", Uri("im", "romeo", "example.net")),
    ("pres:romeo@example.net", Uri("pres", "romeo", "example.net")),
    ("tel:+1-212-555-1212", Uri("tel", "+1-212-555-1212", "")),
    (
        "tel:7042;phone-context=example.com",
        Uri("tel", "7042", "", params=(("phone-context", "example.com"),)),
    ),
    ("tel:*31#-(1)", Uri("tel", "*31#-(1)", "")),
]


@pytest.mark.parametrize(("text", "uri"), READ)
def test_reads_and_prints(text: str, uri: Uri) -> None:
    assert Uri.parse(text) == uri
    assert str(uri) == text


# What is spelled otherwise than we print it.
FOLDED = [
    ("SIP:Romeo@EXAMPLE.NET", "sip:Romeo@example.net"),
    ("sip:alice@sip.example;GR=AbC", "sip:alice@sip.example;gr=AbC"),
    ("sip:foo@[2001:DB8::7]", "sip:foo@[2001:db8::7]"),
    ("sip:a@b.example:05060", "sip:a@b.example:5060"),
    ("sip:a@b.example;;lr;", "sip:a@b.example;lr"),
    ("sip:a@b.example?", "sip:a@b.example"),
    ("sip:user@[2001:db8:::192.0.2.1]", "sip:user@[2001:db8::192.0.2.1]"),
    ("TEL:+1(2)", "tel:+1(2)"),
]


@pytest.mark.parametrize(("text", "printed"), FOLDED)
def test_folds_what_carries_no_meaning(text: str, printed: str) -> None:
    assert str(Uri.parse(text)) == printed
    assert Uri.parse(printed) == Uri.parse(text)


REFUSED = [
    ("mailto:a@b.example", 416),
    ("http://example.com/", 416),
    ("nobodyKnowsThisScheme:totallyopaquecontent", 416),
    ("", 400),
    ("sip", 400),
    ("sip:", 400),
    (":a@b", 400),
    ("<sip:a@b.example>", 400),
    ("1sip:a@b", 400),
    ("alice@example.com", 400),
    ("sip:@sip.example", 400),
    ("sip::secret@sip.example", 400),
    ("sip:a@", 400),
    ("sip:a@b@c.example", 400),
    ("sip:a@b.example;x=c@d", 400),
    ("sip:a b@sip.example", 400),
    ("sip:a\x00b@sip.example", 400),
    ("sip:a@sip.example ", 400),
    ("sip:jürgen@sip.example", 400),
    ('sip:"a"@sip.example', 400),
    ("sip:a@sip..example", 400),
    ("sip:a@.example", 400),
    ("sip:a@exa%6dple.com", 400),
    ("sip:a@b.example:", 400),
    ("sip:a@b.example:0", 400),
    ("sip:a@b.example:65536", 400),
    ("sip:a@b.example:5060x", 400),
    ("sip:a@b.example:\u0665", 400),
    ("sip:a@b.example:" + "9" * 70, 400),
    ("sip:2001:db8::10", 400),
    ("sip:[2001:db8::10", 400),
    ("sip:[2001:db8::10]5060", 400),
    ("sip:[2001:db8:::10]", 400),
    ("sip:[2001:db8::::192.0.2.1]", 400),
    ("sip:[fe80::1%25eth0]", 400),
    ("sip:[fe80::1%eth0]", 400),
    ("sip:[]", 400),
    ("sip:[", 400),
    ("sip:a@b.example;=x", 400),
    ("sip:a@" + "b" * 300, 400),
    ("tel:", 400),
    ("tel:+", 400),
    ("tel:-.-", 400),
    ("tel:hello", 400),
    ("sip:" + "a" * MAX_URI + "@b", 414),
]


@pytest.mark.parametrize(("text", "status"), REFUSED)
def test_refuses_with_a_status(text: str, status: int) -> None:
    with pytest.raises(SipError) as caught:
        Uri.parse(text)
    assert caught.value.status == status
    assert "\n" not in caught.value.reason


def test_longest_uri_is_read() -> None:
    text = "sip:" + "a" * (MAX_URI - 6) + "@b"
    assert len(Uri.parse(text).user or "") == MAX_URI - 6


def test_param_tells_bare_from_absent() -> None:
    uri = Uri.parse("sip:a@b;lr;gr=x;gr=y")
    assert (uri.param("lr"), uri.param("gr"), uri.param("ob")) == ("", "x", None)


# RFC 3261 §19.1.4, and our own for what its examples leave out.
EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:f%c3%bc@a.example", "sip:f%C3%BC@a.example"),
    ("tel:+1-212-555-1212", "TEL:+1(212)555.1212"),
    ("tel:7042;phone-context=Example.COM;x=1", "tel:7042;X=1;phone-context=example.com"),
    ("tel:7042;phone-context=+1-2", "tel:7042;phone-context=+12"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@b.example", "sips:a@b.example"),
    ("sip:a@b.example", "sip:b.example"),
    ("sip:a:x@b.example", "sip:a@b.example"),
    ("sip:a%3Bb@b.example", "sip:a;b@b.example"),
    ("sip:a@b.example;user=ip", "sip:a@b.example"),
    ("sip:a@b.example;ttl=1", "sip:a@b.example"),
    ("sip:a@b.example", "sip:a@b.example;maddr=192.0.2.1"),
    ("tel:+12", "tel:12"),
    ("tel:7042;phone-context=a.example", "tel:7042"),
    ("tel:12", "sip:12@b.example;user=phone"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent(one: str, other: str) -> None:
    assert Uri.parse(one).matches(Uri.parse(other))
    assert Uri.parse(other).matches(Uri.parse(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different(one: str, other: str) -> None:
    assert not Uri.parse(one).matches(Uri.parse(other))
    assert not Uri.parse(other).matches(Uri.parse(one))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("Example.COM", "example.com", None),
        ("192.0.2.1:5062", "192.0.2.1", 5062),
        ("[2001:DB8::1]:65535", "[2001:db8::1]", 65535),
    ],
)
def test_hostport(text: str, host: str, port: int | None) -> None:
    assert parse_hostport(text) == (host, port)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="sip:tel;=?@[].%&+aZ09-\u00fc \x00", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, "sip:" + text, "tel:" + text):
        try:
            uri = Uri.parse(candidate)
        except SipError:
            continue
        assert Uri.parse(str(uri)) == uri
        assert uri.matches(uri)
