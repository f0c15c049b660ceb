"""Admission: a request passes only from where its domain sends, to a domain that asks for us."""

import pytest

from dragoman.bridge.admission import (
    Admission,
    Admitted,
    Complaints,
    Refused,
    Verdict,
    Wait,
)
from dragoman.bridge.directory import Directory, Look, Side
from dragoman.mapping.failure import Refused as MappingRefused
from dragoman.sip.message import Request, SipError, parse

GATEWAY, PROXY, STRANGER = "192.0.2.10", "192.0.2.30", "203.0.113.66"
FACTS = {
    Look(Side.SIP, "sip.example"): {PROXY},
    Look(Side.XMPP, "sip.example"): {GATEWAY},
    Look(Side.SIP, "xmpp.example"): {GATEWAY},
    Look(Side.XMPP, "xmpp.example"): {"192.0.2.20"},
    Look(Side.SIP, "lone.example"): {PROXY},
    Look(Side.XMPP, "lone.example"): set[str](),
    Look(Side.SIP, "mirror.example"): {GATEWAY},
    Look(Side.XMPP, "mirror.example"): {GATEWAY},
    Look(Side.SIP, "elsewhere.example"): {"192.0.2.99"},
}


def admission(component: str = "") -> Admission:
    directory = Directory(lambda _, place: place[0] == GATEWAY, "198.51.100.1".__eq__)
    for look, addresses in FACTS.items():
        directory.learn(look, frozenset((each, 5060) for each in addresses), 0.0)
    return Admission(directory, component.__eq__)


def request(sender: str, target: str, *headers: str, method: str = "MESSAGE") -> Request:
    lines = [
        f"{method} {target} SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.30;branch=z9hG4bK1",
        f"From: <{sender}>;tag=1",
        f"To: <{target}>",
        "Call-ID: c",
        f"CSeq: 1 {method}",
        *headers,
        "",
        "",
    ]
    found = parse("\r\n".join(lines).encode())
    assert isinstance(found, Request)
    return found


def judged(sender: str, target: str, address: str = PROXY, component: str = "") -> Verdict:
    return admission(component).judge(request(sender, target), address, 1.0)


def test_a_request_between_two_domains_that_ask_for_us_passes() -> None:
    verdict = judged("sip:carol@sip.example", "sip:alice@xmpp.example")
    assert isinstance(verdict, Admitted)
    assert (verdict.sender.user, verdict.trusted) == ("carol", False)


@pytest.mark.parametrize(
    ("sender", "target", "address", "status"),
    [
        ("sip:carol@sip.example", "sip:alice@xmpp.example", STRANGER, 403),
        ("sip:carol@sip.example", "sip:x@elsewhere.example", PROXY, 403),
        ("sip:carol@lone.example", "sip:alice@xmpp.example", PROXY, 403),
        ("sip:carol@sip.example", "sip:x@mirror.example", PROXY, 482),
    ],
)
def test_everything_else_is_refused(sender: str, target: str, address: str, status: int) -> None:
    verdict = judged(sender, target, address)
    assert isinstance(verdict, Refused)
    assert verdict.status == status
    assert admission().screen(request(sender, target), address, 1.0) == verdict


def test_a_trusted_address_speaks_for_any_domain_that_we_stand_for() -> None:
    verdict = judged("sip:carol@sip.example", "sip:alice@xmpp.example", "198.51.100.1")
    assert isinstance(verdict, Admitted)


def test_what_the_dns_has_not_said_yet_is_waited_for() -> None:
    verdict = judged("sip:carol@new.example", "sip:alice@xmpp.example")
    assert isinstance(verdict, Wait)
    first = request("sip:carol@new.example", "sip:alice@xmpp.example")
    assert admission().screen(first, PROXY, 1.0) is None


def test_a_dns_that_does_not_answer_is_told_as_such() -> None:
    directory = Directory(lambda *_: False, lambda _: False)
    directory.learn(Look(Side.SIP, "sip.example"), None, 0.0)
    found = Admission(directory, lambda _: False).judge(
        request("sip:carol@sip.example", "sip:alice@xmpp.example"), PROXY, 1.0
    )
    assert isinstance(found, Refused)
    assert found.status == 504


def test_a_domain_without_xmpp_records_passes_where_a_component_has_its_users() -> None:
    verdict = judged("sip:carol@lone.example", "sip:alice@xmpp.example", component="lone.example")
    assert isinstance(verdict, Admitted)


def test_an_asserted_identity_counts_when_its_domain_sends_from_there() -> None:
    asserted = request(
        "sip:anonymous@sip.example",
        "sip:alice@xmpp.example",
        "P-Asserted-Identity: <tel:+1212>, <sip:carol@sip.example>",
    )
    verdict = admission().judge(asserted, PROXY, 1.0)
    assert isinstance(verdict, Admitted)
    assert (verdict.sender.user, verdict.trusted) == ("carol", False)


@pytest.mark.parametrize("wish", ["id", "header;id", "critical; ID", "header\r\nPrivacy: id"])
def test_who_wants_privacy_is_not_named(wish: str) -> None:
    private = request(
        "sip:anonymous@sip.example",
        "sip:alice@xmpp.example",
        "P-Asserted-Identity: <sip:carol@sip.example>",
        f"Privacy: {wish}",
    )
    verdict = admission().judge(private, PROXY, 1.0)
    assert isinstance(verdict, Admitted)
    assert verdict.sender.user == "anonymous"


def test_an_asserted_identity_is_waited_for_and_not_passed_over() -> None:
    unknown = request(
        "sip:carol@sip.example",
        "sip:alice@xmpp.example",
        "P-Asserted-Identity: <sip:ceo@new.example>, <sip:ceo@newer.example>",
    )
    assert admission().judge(unknown, PROXY, 1.0) == Wait("new.example")


def test_of_many_identities_two_are_looked_at() -> None:
    directory = Directory(lambda *_: False, lambda _: False)
    directory.learn(Look(Side.SIP, "a0.example"), frozenset(), 0.0)
    directory.learn(Look(Side.SIP, "a1.example"), frozenset(), 0.0)
    many = ", ".join(f"<sip:x@a{number}.example>" for number in range(100))
    arrived = request(
        "sip:carol@sip.example", "sip:alice@xmpp.example", f"P-Asserted-Identity: {many}"
    )
    verdict = Admission(directory, lambda _: False).judge(arrived, PROXY, 1.0)
    assert verdict == Wait("sip.example")
    assert directory.wanted() == [Look(Side.SIP, "sip.example")]


def test_an_identity_of_a_foreign_domain_is_not_believed() -> None:
    forged = request(
        "sip:carol@sip.example",
        "sip:alice@xmpp.example",
        "P-Asserted-Identity: <sip:ceo@elsewhere.example>",
    )
    verdict = admission().judge(forged, PROXY, 1.0)
    assert isinstance(verdict, Admitted)
    assert (verdict.sender.user, verdict.trusted) == ("carol", False)


@pytest.mark.spec("NET-32")
def test_a_certificate_for_the_senders_domain_is_believed_from_any_address() -> None:
    asked: list[str] = []

    def vouched(domain: str) -> bool:
        asked.append(domain)
        return domain == "sip.example"

    honest = request("sip:carol@sip.example", "sip:alice@xmpp.example")
    verdict = admission().judge(honest, STRANGER, 1.0, vouched)
    assert verdict == Admitted(honest.from_.uri, trusted=False)
    assert admission().screen(honest, STRANGER, 1.0, vouched) is None
    assert set(asked) == {"sip.example"}
    forged = request("sip:ceo@lone.example", "sip:alice@xmpp.example")
    refused = admission().screen(forged, STRANGER, 1.0, vouched)
    assert refused is not None
    assert refused.status == 403


def test_a_certificate_makes_nobody_a_relay() -> None:
    strange = request("sip:carol@elsewhere.example", "sip:alice@xmpp.example")
    verdict = admission().judge(strange, STRANGER, 1.0, lambda _: True)
    assert verdict == Wait("elsewhere.example"), "its XMPP records are still to be looked at"
    lone = request("sip:carol@lone.example", "sip:alice@xmpp.example")
    refused = admission().judge(lone, STRANGER, 1.0, lambda _: True)
    assert isinstance(refused, Refused)


@pytest.mark.spec("NET-32")
def test_an_asserted_identity_counts_where_the_certificate_is_its_domains() -> None:
    asserted = request(
        "sip:anonymous@anonymous.invalid",
        "sip:alice@xmpp.example",
        "P-Asserted-Identity: <sip:carol@sip.example>",
    )
    verdict = admission().judge(asserted, STRANGER, 1.0, "sip.example".__eq__)
    assert isinstance(verdict, Admitted)
    assert (verdict.sender.user, verdict.trusted) == ("carol", False)
    assert isinstance(admission().judge(asserted, STRANGER, 1.0, "b.example".__eq__), Wait)


def test_options_to_the_gateway_itself_needs_only_a_believed_sender() -> None:
    asked = request("sip:sip.example", "sip:192.0.2.10", method="OPTIONS")
    assert isinstance(admission().judge(asked, PROXY, 1.0), Admitted)
    refused = admission().screen(asked, STRANGER, 1.0)
    assert refused is not None
    assert refused.status == 403


def test_an_unreadable_sender_is_a_bad_request() -> None:
    broken = request("sip:carol@sip.example", "sip:alice@xmpp.example")
    broken = Request(broken.method, broken.target, [("From", "<<"), *broken.headers[2:]])
    with pytest.raises((SipError, MappingRefused)):
        admission().judge(broken, PROXY, 1.0)
    refused = admission().screen(broken, PROXY, 1.0)
    assert refused is not None
    assert refused.status == 400


def test_the_same_complaint_is_made_once_a_minute_and_few_are_remembered() -> None:
    found = Complaints(seconds=60, most=2)
    assert found.is_new("a", 0.0)
    assert not found.is_new("a", 59.0)
    assert found.is_new("a", 60.0)
    assert found.is_new("b", 60.0)
    assert found.is_new("c", 60.0)
    assert found.is_new("a", 61.0), "the oldest was forgotten"


def test_while_the_dns_does_not_answer_for_an_asserted_identity_nobody_else_is_believed() -> None:
    found = admission()
    asserted = "P-Asserted-Identity: <sip:carol@unanswered.example>"
    asked = request("sip:carol@sip.example", "sip:alice@xmpp.example", asserted)
    assert found.judge(asked, PROXY, 1.0) == Wait("unanswered.example")
    found._directory.learn(Look(Side.SIP, "unanswered.example"), None, 1.0)
    verdict = found.judge(asked, PROXY, 1.5)
    assert isinstance(verdict, Refused)
    assert (verdict.status, verdict.stranger) == (504, False)
