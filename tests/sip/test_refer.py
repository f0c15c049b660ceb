"""REFER and Replaces as values, with the examples of RFC 3515, RFC 3891 and RFC 5589."""

import pytest

from dragoman.sip.failure import SipError
from dragoman.sip.message import Header, Request, build_request
from dragoman.sip.refer import SIPFRAG, Refer, fragment, outcome, told
from dragoman.sip.replaces import Replaces

TO = ("Refer-To", "<sip:dave@denver.example.org>")


def refer(*headers: Header, body: bytes = b"") -> Request:
    return build_request("REFER", "sip:b@example.com", [("CSeq", "93809823 REFER"), *headers], body)


def test_the_examples_of_refer_to() -> None:
    """RFC 3515 §2.1."""
    assert str(Refer.of(refer(TO)).target) == "sip:dave@denver.example.org"
    replaces = "Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994"
    found = Refer.of(refer(("Refer-To", f"<sip:dave@denver.example.org?{replaces}>")))
    assert found.replaces == Replaces("12345@192.168.118.3", "12345", "5FFE-3994")
    assert str(found.target) == "sip:dave@denver.example.org"
    invite = Refer.of(refer(("Refer-To", "<sip:carol@cleveland.example.org;method=INVITE>")))
    assert str(invite.target) == "sip:carol@cleveland.example.org"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("425928@bobster.example.org;to-tag=7743;from-tag=6472", ("7743", "6472", False)),
        ("98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff", ("ff87ff", "r33th4x0r", False)),
        ("a ;to-tag=1;from-tag=2;early-only", ("1", "2", True)),
    ],
)
def test_replaces(value: str, expected: tuple[str, str, bool]) -> None:
    """RFC 3891 §6.1."""
    found = Replaces.parse(value)
    assert (found.to_tag, found.from_tag, found.early_only) == expected
    assert Replaces.parse(str(found)) == found


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a",
        "a;to-tag=1",
        "a;from-tag=1",
        ";to-tag=1;from-tag=2",
        "a b;to-tag=1;from-tag=2",
        "a,b;to-tag=1;from-tag=2",
        "a;to-tag=1;to-tag=1;from-tag=2",
        "a;to-tag=;from-tag=2",
        "a\r\nX: y;to-tag=1;from-tag=2",
        f"{'a' * 600};to-tag=1;from-tag=2",
    ],
)
def test_what_is_no_replaces(value: str) -> None:
    with pytest.raises(SipError):
        Replaces.parse(value)


def test_what_the_new_invite_has() -> None:
    value = "sip:dave@example.org?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Require=replaces&Subject=x"
    by = '"Alice" <sip:alice@example.com?X=y>;cid="20398823.2UWQFN309shb3@referrer.example"'
    found = Refer.of(refer(("Refer-To", f"<{value}>"), ("Referred-By", by)))
    assert found.headers == (
        ("Referred-By", '"Alice" <sip:alice@example.com>'),
        ("Replaces", "a;to-tag=1;from-tag=2"),
        ("Require", "replaces"),
    )


@pytest.mark.parametrize(
    ("headers", "silent"),
    [
        ([("Refer-Sub", "false"), ("Supported", "norefersub")], True),
        ([("Refer-Sub", "false"), ("Require", "norefersub")], True),
        ([("Refer-Sub", "false")], False),
        ([("Refer-Sub", "true"), ("Supported", "norefersub")], False),
        ([("Require", "nosub")], True),
        ([("Supported", "nosub")], False),
    ],
)
def test_who_is_told(headers: list[Header], silent: bool) -> None:
    """RFC 4488 §4: who does not say that he knows the extension is not heeded."""
    assert Refer.of(refer(TO, *headers)).silent is silent


def test_which_refer_a_notification_is_of() -> None:
    """RFC 3515 §2.4.6: every one but the first of a dialog has the number of its REFER."""
    assert str(Refer.of(refer(TO)).event) == "refer"
    assert str(Refer.of(refer(TO), first=False).event) == "refer;id=93809823"


def test_notifications() -> None:
    event = Refer.of(refer(TO)).event
    assert dict(told(event, 60)) == {
        "Event": "refer",
        "Subscription-State": "active;expires=60",
        "Content-Type": f"{SIPFRAG};version=2.0",
    }
    assert dict(told(event))["Subscription-State"] == "terminated;reason=noresource"
    assert fragment(100) == b"SIP/2.0 100 Trying\r\n"
    assert fragment(486, "Bu\r\nsy") == b"SIP/2.0 486 Busy\r\n"
    assert outcome(refer(body=b"SIP/2.0 603 Declined\r\nX: y\r\n")) == 603
    for broken in (b"", b"SIP/2.0", b"SIP/2.0 abc", b"HTTP/1.1 200 OK", b"\xff\xfe"):
        with pytest.raises(SipError):
            outcome(refer(body=broken))
