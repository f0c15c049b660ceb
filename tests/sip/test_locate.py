"""Locating SIP servers: the cases of RFC 3263 §4, its own examples first."""

from collections.abc import Generator, Mapping
from random import Random
from typing import TypeVar

import pytest

from dragoman.records import Answer, DnsFailure, Kind, Naptr, Question, Srv
from dragoman.sip.locate import (
    MAX_QUESTIONS,
    MAX_TARGETS,
    Target,
    Transport,
    locate,
    locate_sent_by,
    sources,
)
from dragoman.sip.uri import Uri

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
Result = TypeVar("Result")
Zone = Mapping[tuple[str, str], Answer | None]
"""What a resolver would say; None: no answer at all."""


def resolve(
    search: Generator[Question, Answer, Result], zone: Zone
) -> tuple[Result, list[Question]]:
    asked: list[Question] = []
    try:
        question = next(search)
        while True:
            asked.append(question)
            answer = zone.get((question.kind, question.name), ())
            if answer is None:
                question = search.throw(DnsFailure(f"no answer for {question.name}"))
            else:
                question = search.send(answer)
    except StopIteration as end:
        return end.value, asked


def find(
    uri: str, zone: Zone, *, supported: tuple[Transport, ...] = (UDP, TCP, TLS), size: int = 0
) -> list[str]:
    chance = Random(3263)  # noqa: S311  (an order, not a secret)
    search = locate(Uri.parse(uri), supported=supported, size=size, random=chance)
    return [shown(target) for target in resolve(search, zone)[0]]


def joined(*zones: Zone) -> Zone:
    return {key: answer for zone in zones for key, answer in zone.items()}


def shown(target: Target) -> str:
    return f"{target.transport} {target.address} {target.port}"


def naptr(order: int, service: str, name: str, flags: str = "s", preference: int = 50) -> Naptr:
    return Naptr(order, preference, flags, service, name)


# RFC 3263 §4.1: the three NAPTR records of example.com, and the SRV records of its TCP service.
EXAMPLE: Zone = {
    ("NAPTR", "example.com"): (
        naptr(100, "SIP+D2U", "_sip._udp.example.com."),
        naptr(50, "SIPS+D2T", "_sips._tcp.example.com."),
        naptr(90, "SIP+D2T", "_sip._tcp.example.com."),
    ),
    ("SRV", "_sip._tcp.example.com"): (Srv(0, 1, 5060, "server1.example.com."),),
    ("SRV", "_sip._udp.example.com"): (Srv(0, 1, 5070, "server1.example.com."),),
    ("SRV", "_sips._tcp.example.com"): (Srv(0, 1, 5061, "server2.example.com."),),
    ("ADDRESS", "server1.example.com"): ("192.0.2.1", "2001:db8::1"),
    ("ADDRESS", "server2.example.com"): ("192.0.2.2",),
    ("ADDRESS", "example.com"): ("192.0.2.80",),
}
NO_NAPTR: Zone = {key: value for key, value in EXAMPLE.items() if key[0] != "NAPTR"}
ONLY_ADDRESS: Zone = {("ADDRESS", "example.com"): ("192.0.2.80", "192.0.2.81")}


@pytest.mark.spec("NET-23")
@pytest.mark.parametrize(
    ("uri", "supported", "found"),
    [
        (
            "sip:user@example.com",
            (UDP, TCP),
            ["TCP 192.0.2.1 5060", "TCP 2001:db8::1 5060"],
        ),
        ("sip:user@example.com", (UDP, TCP, TLS), ["TLS 192.0.2.2 5061"]),
        ("sip:user@example.com", (UDP,), ["UDP 192.0.2.1 5070", "UDP 2001:db8::1 5070"]),
        ("sips:user@example.com", (UDP, TCP, TLS), ["TLS 192.0.2.2 5061"]),
        ("sips:user@example.com", (UDP, TCP), []),
    ],
    ids=["the RFC's client", "with TLS", "UDP alone", "sips", "sips without TLS"],
)
def test_naptr_chooses_the_transport(
    uri: str, supported: tuple[Transport, ...], found: list[str]
) -> None:
    assert find(uri, EXAMPLE, supported=supported) == found


@pytest.mark.spec("NET-23")
@pytest.mark.parametrize(
    ("uri", "size", "found"),
    [
        ("sip:192.0.2.9", 0, ["UDP 192.0.2.9 5060"]),
        ("sip:192.0.2.9", 1301, ["TCP 192.0.2.9 5060", "UDP 192.0.2.9 5060"]),
        ("sip:192.0.2.9", 1300, ["UDP 192.0.2.9 5060"]),
        ("sip:192.0.2.9:5099", 0, ["UDP 192.0.2.9 5099"]),
        ("sip:[2001:db8::9]", 0, ["UDP 2001:db8::9 5060"]),
        ("sip:192.0.2.9;transport=tcp", 0, ["TCP 192.0.2.9 5060"]),
        ("sip:192.0.2.9;transport=TLS", 0, ["TLS 192.0.2.9 5061"]),
        ("sip:192.0.2.9;transport=udp", 9000, ["UDP 192.0.2.9 5060"]),
        ("sip:192.0.2.9;transport=sctp", 0, []),
        ("sips:192.0.2.9", 0, ["TLS 192.0.2.9 5061"]),
        ("sips:192.0.2.9;transport=tcp", 0, ["TLS 192.0.2.9 5061"]),
        ("sips:192.0.2.9;transport=udp", 0, []),
        ("sip:example.org;maddr=192.0.2.7", 0, ["UDP 192.0.2.7 5060"]),
        ("tel:+15551234", 0, []),
    ],
)
def test_a_numeric_target_is_used_as_it_is(uri: str, size: int, found: list[str]) -> None:
    chance = Random(1)  # noqa: S311
    search = locate(Uri.parse(uri), supported=(UDP, TCP, TLS), size=size, random=chance)
    targets, asked = resolve(search, {})
    assert ([shown(target) for target in targets], asked) == (found, [])


@pytest.mark.spec("NET-23")
@pytest.mark.parametrize(
    ("uri", "size", "found"),
    [
        ("sip:example.com:5060", 0, ["UDP 192.0.2.80 5060"]),
        ("sip:example.com:5080", 2000, ["TCP 192.0.2.80 5080", "UDP 192.0.2.80 5080"]),
        ("sip:example.com:5080;transport=tcp", 0, ["TCP 192.0.2.80 5080"]),
        ("sips:example.com:5081", 0, ["TLS 192.0.2.80 5081"]),
    ],
)
def test_a_port_asks_for_addresses_alone(uri: str, size: int, found: list[str]) -> None:
    chance = Random(1)  # noqa: S311
    search = locate(Uri.parse(uri), supported=(UDP, TCP, TLS), size=size, random=chance)
    targets, asked = resolve(search, EXAMPLE)
    assert [shown(target) for target in targets] == found
    assert asked == [Question(Kind.ADDRESS, "example.com")]


@pytest.mark.spec("NET-23")
@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("sip:example.com;transport=tcp", ["TCP 192.0.2.1 5060", "TCP 2001:db8::1 5060"]),
        ("sip:example.com;transport=udp", ["UDP 192.0.2.1 5070", "UDP 2001:db8::1 5070"]),
        ("sip:example.com;transport=tls", ["TLS 192.0.2.2 5061"]),
        ("sips:example.com;transport=tcp", ["TLS 192.0.2.2 5061"]),
    ],
)
def test_a_named_transport_asks_its_srv_records(uri: str, found: list[str]) -> None:
    search = locate(Uri.parse(uri), supported=(UDP, TCP, TLS), random=Random(1))  # noqa: S311
    targets, asked = resolve(search, EXAMPLE)
    assert [shown(target) for target in targets] == found
    assert Kind.NAPTR not in {question.kind for question in asked}


@pytest.mark.spec("NET-23")
def test_without_naptr_every_supported_transport_is_asked_in_our_order() -> None:
    found = find("sip:example.com", NO_NAPTR, supported=(TLS, UDP))
    assert found == ["TLS 192.0.2.2 5061", "UDP 192.0.2.1 5070", "UDP 2001:db8::1 5070"]


def test_a_large_request_prefers_streams_where_the_choice_is_ours() -> None:
    found = find("sip:example.com", NO_NAPTR, supported=(UDP, TCP), size=1301)
    assert [each.split()[0] for each in found] == ["TCP", "TCP", "UDP", "UDP"]


@pytest.mark.spec("NET-23")
def test_a_domain_with_tls_alone_is_found() -> None:
    zone = {
        key: value for key, value in NO_NAPTR.items() if "._" not in key[1] or "_sips" in key[1]
    }
    assert find("sip:example.com", zone) == ["TLS 192.0.2.2 5061"]


@pytest.mark.spec("NET-23")
@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("sip:example.com", ["UDP 192.0.2.80 5060", "UDP 192.0.2.81 5060"]),
        ("sip:example.com;transport=tcp", ["TCP 192.0.2.80 5060", "TCP 192.0.2.81 5060"]),
        ("sips:example.com", ["TLS 192.0.2.80 5061", "TLS 192.0.2.81 5061"]),
    ],
)
def test_without_srv_the_name_itself_is_used(uri: str, found: list[str]) -> None:
    assert find(uri, ONLY_ADDRESS) == found


def test_without_srv_and_without_udp_the_first_transport_of_ours_is_used() -> None:
    assert find("sip:example.com", ONLY_ADDRESS, supported=(TLS, TCP))[0] == "TLS 192.0.2.80 5061"


@pytest.mark.spec("NET-23")
def test_a_target_of_a_dot_means_no_service_and_no_addresses_instead() -> None:
    zone = joined(ONLY_ADDRESS, {("SRV", "_sip._udp.example.com"): (Srv(0, 0, 0, "."),)})
    assert find("sip:example.com", zone) == []


@pytest.mark.spec("NET-23")
def test_srv_records_are_tried_by_priority_and_weight() -> None:
    records = (
        Srv(20, 0, 3, "c.example."),
        Srv(10, 1, 1, "a.example."),
        Srv(10, 99, 2, "b.example."),
    )
    addresses: Zone = {
        ("ADDRESS", f"{name}.example"): (f"192.0.2.{number}",)
        for number, name in enumerate("abc", start=1)
    }
    zone = joined({("SRV", "_sip._udp.example.com"): records}, addresses)
    found = find("sip:example.com;transport=udp", zone)
    assert found == ["UDP 192.0.2.2 2", "UDP 192.0.2.1 1", "UDP 192.0.2.3 3"]


def test_a_target_bears_the_domain_that_was_looked_up() -> None:
    search = locate(Uri.parse("sip:u@example.com"), supported=(TLS,), random=Random(1))  # noqa: S311
    assert {target.domain for target in resolve(search, EXAMPLE)[0]} == {"example.com"}


def test_naptr_records_that_do_not_apply_are_passed_over() -> None:
    zone = joined(
        ONLY_ADDRESS,
        {
            ("NAPTR", "example.com"): (
                naptr(1, "SIP+D2S", "_sip._sctp.example.com"),
                naptr(1, "E2U+sip", "", flags="u"),
                naptr(1, "SIP+D2U", ".", flags="s"),
                naptr(2, "sip+d2u", "_sip._udp.far.example.", flags="S"),
            ),
            ("SRV", "_sip._udp.far.example"): (Srv(0, 0, 5062, "192.0.2.5"),),
        },
    )
    assert find("sip:example.com", zone) == ["UDP 192.0.2.5 5062"]


def test_naptr_records_of_one_order_are_all_followed_by_preference() -> None:
    zone: Zone = joined(
        NO_NAPTR,
        {
            ("NAPTR", "example.com"): (
                naptr(1, "SIP+D2U", "_sip._udp.example.com", preference=20),
                naptr(1, "SIPS+D2T", "_sips._tcp.example.com", preference=10),
            )
        },
    )
    assert [each.split()[0] for each in find("sip:example.com", zone)] == ["TLS", "UDP", "UDP"]


def test_a_naptr_record_that_leads_nowhere_yields_to_the_next_order() -> None:
    zone = {key: value for key, value in EXAMPLE.items() if key[1] != "_sips._tcp.example.com"}
    assert find("sip:example.com", zone)[0] == "TCP 192.0.2.1 5060"


def test_naptr_records_without_flags_lead_to_more_naptr_records() -> None:
    zone: Zone = {
        ("NAPTR", "example.com"): (naptr(1, "SIP+D2U", "a.example.", flags=""),),
        ("NAPTR", "a.example"): (naptr(1, "SIP+D2U", "_sip._udp.b.example"),),
        ("SRV", "_sip._udp.b.example"): (Srv(0, 0, 5060, "192.0.2.6"),),
    }
    assert find("sip:example.com", zone) == ["UDP 192.0.2.6 5060"]


def test_replacement_names_in_a_circle_are_asked_once_each() -> None:
    zone: Zone = {
        ("NAPTR", "example.com"): (naptr(1, "SIP+D2U", "a.example.", flags=""),),
        ("NAPTR", "a.example"): (naptr(1, "SIP+D2U", "example.com", flags=""),),
        ("ADDRESS", "example.com"): ("192.0.2.80",),
    }
    search = locate(Uri.parse("sip:example.com"), supported=(UDP,), random=Random(1))  # noqa: S311
    targets, asked = resolve(search, zone)
    assert [shown(target) for target in targets] == ["UDP 192.0.2.80 5060"]
    assert len(asked) == len(set(asked)) == 4


class Endless(dict[tuple[str, str], Answer | None]):
    """A zone whose every name leads on to two new ones."""

    def get(self, key: tuple[str, str], default: object = None) -> Answer | None:
        name = f"{hash(key) & 0xFFFFFF:x}.example"
        return (naptr(1, "SIP+D2U", name, flags=""), naptr(1, "SIP+D2U", "x" + name, flags=""))


def test_the_number_of_questions_is_bounded() -> None:
    search = locate(Uri.parse("sip:example.com"), supported=(UDP,), random=Random(1))  # noqa: S311
    targets, asked = resolve(search, Endless())
    assert (targets, len(asked)) == ([], MAX_QUESTIONS)


def test_the_number_of_targets_is_bounded() -> None:
    many = tuple(f"10.0.{n // 256}.{n % 256}" for n in range(1000))
    assert len(find("sip:example.com:1", {("ADDRESS", "example.com"): many})) == MAX_TARGETS


def test_no_answer_for_one_transport_leaves_the_others() -> None:
    zone = joined(
        NO_NAPTR, {("NAPTR", "example.com"): None, ("SRV", "_sip._udp.example.com"): None}
    )
    assert find("sip:example.com", zone)[0] == "TCP 192.0.2.1 5060"


@pytest.mark.parametrize(
    "silent",
    [("SRV", "_sip._udp.example.com"), ("ADDRESS", "example.com")],
)
def test_no_answer_is_not_the_same_as_no_record(silent: tuple[str, str]) -> None:
    """A domain whose SRV records cannot be had must not be reached at its web server."""
    with pytest.raises(DnsFailure):
        find("sip:example.com", joined(ONLY_ADDRESS, {silent: None}))


def test_a_domain_that_does_not_exist_has_no_targets() -> None:
    assert find("sip:example.com", {}) == []


@pytest.mark.spec("NET-26")
@pytest.mark.parametrize(
    ("transport", "host", "port", "zone", "found"),
    [
        (TCP, "192.0.2.7", 5070, EXAMPLE, ["TCP 192.0.2.7 5070"]),
        (TLS, "192.0.2.7", None, EXAMPLE, ["TLS 192.0.2.7 5061"]),
        (UDP, "[2001:db8::7]", None, EXAMPLE, ["UDP 2001:db8::7 5060"]),
        # RFC 3263 §5: a port asks for addresses, no port for the SRV records of the transport
        (TCP, "example.com", 5070, EXAMPLE, ["TCP 192.0.2.80 5070"]),
        (UDP, "example.com", None, EXAMPLE, ["UDP 192.0.2.1 5070", "UDP 2001:db8::1 5070"]),
        (TCP, "example.com.", None, EXAMPLE, ["TCP 192.0.2.1 5060", "TCP 2001:db8::1 5060"]),
        (TLS, "example.com", None, EXAMPLE, ["TLS 192.0.2.2 5061"]),
        (TLS, "example.com", None, ONLY_ADDRESS, ["TLS 192.0.2.80 5061", "TLS 192.0.2.81 5061"]),
        (TCP, "nowhere.example", None, EXAMPLE, []),
        (TCP, ".", None, EXAMPLE, []),
        (Transport.WS, "example.com", None, EXAMPLE, []),
        (Transport.WSS, "192.0.2.7", 443, EXAMPLE, []),
    ],
)
def test_where_a_response_may_go_whose_connection_is_gone(
    transport: Transport, host: str, port: int | None, zone: Zone, found: list[str]
) -> None:
    search = locate_sent_by(transport, host, port, random=Random(3263))  # noqa: S311
    targets, asked = resolve(search, zone)
    assert [shown(each) for each in targets] == found
    assert all(each.domain == host.strip("[].") for each in targets)
    assert all(each.kind is not Kind.NAPTR for each in asked)


def test_sources_are_the_addresses_of_every_record() -> None:
    zone = joined(
        EXAMPLE,
        {
            ("NAPTR", "example.com"): (
                naptr(1, "SIPS+D2T", "_sips._tcp.host.example"),
                naptr(2, "SIP+D2U", "_sip._udp.host.example"),
            ),
            ("SRV", "_sips._tcp.host.example"): (Srv(0, 0, 5061, "192.0.2.3"),),
            ("SRV", "_sip._udp.host.example"): (Srv(0, 0, 5061, "192.0.2.4"),),
        },
    )
    places, _ = resolve(sources("example.com"), zone)
    assert ("192.0.2.3", 5061) in places
    addresses = {address for address, _ in places}
    assert addresses == {"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}


@pytest.mark.parametrize(
    ("domain", "zone", "addresses"),
    [
        ("example.com", ONLY_ADDRESS, {"192.0.2.80", "192.0.2.81"}),
        ("example.com.", ONLY_ADDRESS, {"192.0.2.80", "192.0.2.81"}),
        ("192.0.2.5", {}, {"192.0.2.5"}),
        ("[2001:db8::5]", {}, {"2001:db8::5"}),
        ("example.com", {}, set()),
    ],
)
def test_sources_without_records_are_those_of_the_name(
    domain: str, zone: Zone, addresses: set[str]
) -> None:
    assert resolve(sources(domain), zone)[0] == {(address, 5060) for address in addresses}


def test_sources_that_cannot_be_had_are_not_an_empty_set() -> None:
    with pytest.raises(DnsFailure):
        resolve(sources("example.com"), {("SRV", "_sip._udp.example.com"): None})
