"""Who a MESSAGE is from and for (RFC 7572 §5, RFC 3325 §9, RFC 3862 §4)."""

from collections.abc import Callable
from zlib import compress

import pytest

from dragoman.mapping.address import (
    Unmappable,
    into_component,
    out_of_sip_domain,
    sip_to_jid,
)
from dragoman.mapping.failure import Refused
from dragoman.mapping.parties import recipient_of, refusal, sender_of
from dragoman.sip.message import Request
from dragoman.sip.uri import Uri
from tests.mapping.test_message import CPIM, JULIET, sip


@pytest.mark.spec("IM-04")
@pytest.mark.spec("ADDR-17")
@pytest.mark.parametrize(
    ("value", "jid"),
    [
        ("<sip:romeo@example.net;gr=orchard>;tag=v", "romeo@example.net/orchard"),
        ("<sip:romeo@example.net>;gr=orchard;tag=v", "romeo@example.net/orchard"),
        ("sip:romeo@example.net;gr=orchard;tag=v", "romeo@example.net/orchard"),
        ("<sip:romeo@example.net;gr>;tag=v", "romeo@example.net"),
        ("<sip:romeo@example.net;gr=in>;gr=out", "romeo@example.net/in"),
        ("sip:romeo@example.net;tag=v", "romeo@example.net"),
        ("<sips:romeo@example.net>;tag=v", "romeo@example.net"),
    ],
)
def test_sender(value: str, jid: str) -> None:
    assert str(sip_to_jid(sender_of(sip(f"From: {value}")))) == jid


@pytest.mark.parametrize(
    ("lines", "trusted", "sender"),
    [
        (("P-Asserted-Identity: <sip:tybalt@example.net>",), False, "sip:romeo@example.net"),
        (("P-Asserted-Identity: <sip:tybalt@example.net>",), True, "sip:tybalt@example.net"),
        (
            ("P-Asserted-Identity: <tel:+1212>, <sip:tybalt@example.net>",),
            True,
            "sip:tybalt@example.net",
        ),
        (("P-Asserted-Identity: <tel:+1212>",), True, "tel:+1212"),
        (
            ("P-Asserted-Identity: <sip:tybalt@example.net>", "Privacy: critical; id"),
            True,
            "sip:romeo@example.net",
        ),
        (
            (
                "From: <sip:romeo@example.net;gr=x>;tag=v",
                "P-Asserted-Identity: <sip:romeo@example.net>",
            ),
            True,
            "sip:romeo@example.net;gr=x",
        ),
        ((), True, "sip:romeo@example.net"),
    ],
)
def test_asserted_identity(lines: tuple[str, ...], trusted: bool, sender: str) -> None:
    assert str(sender_of(sip(*lines), trusted=trusted)) == sender


@pytest.mark.parametrize(
    ("body", "trusted", "sender", "recipient"),
    [
        (CPIM, False, "sip:romeo@example.net", "sip:juliet@example.com"),
        (CPIM, True, "sip:tybalt@example.net", "sip:nurse@example.com"),
        (
            CPIM.replace("tybalt@example.net", "anonymous@anonymous.invalid").replace(
                "nurse@example.com", "anonymous@anonymous.invalid"
            ),
            True,
            "sip:romeo@example.net",
            "sip:juliet@example.com",
        ),
        (
            CPIM.replace("sip:tybalt@example.net", "nonsense").replace("To", "to"),
            True,
            "sip:romeo@example.net",
            "sip:juliet@example.com",
        ),
    ],
)
def test_addresses_within_cpim(body: str, trusted: bool, sender: str, recipient: str) -> None:
    message = sip("Content-Type: message/cpim", body=body)
    assert str(sender_of(message, trusted=trusted)) == sender
    assert str(recipient_of(message, host="gw", trusted=trusted)) == recipient


def test_who_is_named_in_a_compressed_wrapper_counts_too() -> None:
    plain = sip("Content-Type: message/cpim", body=CPIM)
    headers = [*plain.headers, ("Content-Encoding", "deflate")]
    packed = Request(plain.method, plain.target, headers, compress(plain.body))
    assert str(sender_of(packed, trusted=True)) == "sip:tybalt@example.net"
    assert str(recipient_of(packed, host="gw.example", trusted=True)) == "sip:nurse@example.com"


@pytest.mark.parametrize(
    ("target", "to", "recipient"),
    [
        ("sip:juliet@example.com", "<sip:nurse@example.com>", "juliet@example.com"),
        ("sip:juliet@example.com;gr=balcony", "<sip:j@h>", "juliet@example.com/balcony"),
        ("sip:gw.example.net", "<sip:juliet@example.com>", "juliet@example.com"),
        ("sip:gw.example.net", "<sip:juliet@example.com>;gr=b", "juliet@example.com/b"),
    ],
)
def test_recipient(target: str, to: str, recipient: str) -> None:
    message = sip(f"To: {to}", start=f"MESSAGE {target} SIP/2.0")
    assert str(sip_to_jid(recipient_of(message, host="gw"))) == recipient


@pytest.mark.spec("ERR-13")
@pytest.mark.parametrize(
    ("target", "to", "body"),
    [
        ("sips:juliet@example.com", "<sip:juliet@example.com>", ""),
        ("sip:juliet@example.com", "<sips:juliet@example.com>", ""),
        (
            "sip:juliet@example.com",
            "<sip:juliet@example.com>",
            CPIM.replace("To: <sip", "To: <sips"),
        ),
    ],
)
def test_sips_is_refused(target: str, to: str, body: str) -> None:
    message = (
        sip(f"To: {to}", "Content-Type: message/cpim", start=f"MESSAGE {target} SIP/2.0", body=body)
        if body
        else sip(f"To: {to}", start=f"MESSAGE {target} SIP/2.0")
    )
    with pytest.raises(Refused) as caught:
        recipient_of(message, host="gw.example", trusted=True)
    assert caught.value.answer.status == 480
    assert caught.value.answer.headers == (("Warning", '380 gw.example "SIPS Not Allowed"'),)


@pytest.mark.spec("ADDR-24")
@pytest.mark.parametrize(
    ("uri", "as_recipient"),
    [("sip:%FF@h", 404), ("tel:7042", 484), ("sip:" + "a" * 1030 + "@h", 414)],
)
def test_refusal_of_an_address(uri: str, as_recipient: int) -> None:
    with pytest.raises(Unmappable) as caught:
        sip_to_jid(Uri.parse(uri), tel_domain="tel.example")
    assert refusal(caught.value).status == as_recipient
    assert refusal(caught.value, sender=True).status == 400


@pytest.mark.parametrize(
    ("find", "line", "status"),
    [
        (sender_of, "From: nonsense", 400),
        (sender_of, "From: <mailto:a@b>", 400),
        (lambda message: recipient_of(message, host="gw"), "To: <sip:", 400),
    ],
)
def test_addresses_that_are_none(find: Callable[[Request], Uri], line: str, status: int) -> None:
    with pytest.raises(Refused) as caught:
        find(sip(line))
    assert caught.value.status == status


def test_names_at_a_component_and_at_a_sip_domain() -> None:
    message = sip(start="MESSAGE sip:juliet%40example.com@xmpp.example.net SIP/2.0")
    guest = into_component(sender_of(message), "gw.example.com")
    assert str(guest) == r"romeo\40example.net@gw.example.com"
    assert out_of_sip_domain(recipient_of(message, host="gw")) == JULIET
