"""Look-ups against a server of our own on loopback, and the cache in front of it."""

import asyncio
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from dragoman.errors import LocalError
from dragoman.net.dns import MOST_RECORDS, DnsResolver, MemoryResolver, find, find_now
from dragoman.records import Answer, Authentic, DnsFailure, Kind, Naptr, Question, Srv, Tlsa

SRV = Question(Kind.SRV, "_sip._udp.sip.example")
ADDRESS = Question(Kind.ADDRESS, "sip.example")


@dataclass
class Zone(asyncio.DatagramProtocol):
    """A DNS server: (name, type) -> records, or a response code; silent for what is None."""

    records: dict[tuple[str, str], list[str] | str | None] = field(default_factory=dict)
    ttl: int = 60
    asked: list[tuple[str, str]] = field(default_factory=list)
    signed: set[tuple[str, str]] = field(default_factory=set)
    unasked: bool = False
    """Whether it says what was signed to those too who did not ask (RFC 6840 §5.8)."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((name, kind))
        self.heard.set()
        found = self.records.get((name, kind), [])
        if found is not None:
            self.transport.sendto(self.answer(query, found).to_wire(), address)

    def answer(self, query: dns.message.Message, found: list[str] | str) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        asked = query.question[0]
        plain = asked.name.to_text(omit_final_dot=True).lower()
        if (plain, dns.rdatatype.to_text(asked.rdtype)) in self.signed:
            reply.flags |= dns.flags.AD if self.unasked else query.flags & dns.flags.AD
        name, kind = query.question[0].name, query.question[0].rdtype
        if isinstance(found, str):
            reply.set_rcode(dns.rcode.from_text(found))
        elif found:
            reply.answer.append(dns.rrset.from_text_list(name, self.ttl, "IN", kind, found))
        if not found or found == "NXDOMAIN":
            soa = f"ns.example. h.example. 1 2 3 4 {self.ttl}"
            reply.authority.append(dns.rrset.from_text("example.", self.ttl, "IN", "SOA", soa))
        return reply


@dataclass
class House:
    """The server, a resolver that asks it, and the clock of the resolver's cache."""

    zone: Zone
    server: str
    now: float = 100.0

    def resolver(self, **options: float) -> DnsResolver:
        whole = {key: int(value) for key, value in options.items() if key != "timeout"}
        return DnsResolver(
            [self.server],
            clock=lambda: self.now,
            timeout=options.get("timeout", 5.0),
            names=whole.get("names", 4096),
            in_flight=whole.get("in_flight", 128),
            authentic=bool(options.get("authentic")),
        )


@pytest.fixture
async def house() -> AsyncIterator[House]:
    zone = Zone()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: zone, local_addr=("127.0.0.1", 0)
    )
    host, port = transport.get_extra_info("sockname")
    yield House(zone, f"{host}:{port}")
    transport.close()


async def test_records_of_each_kind(house: House) -> None:
    house.zone.records = {
        ("_sip._udp.sip.example", "SRV"): ["10 60 5060 P1.sip.example.", "20 0 5061 ."],
        ("sip.example", "NAPTR"): ['50 100 "s" "SIP+D2T" "" _sip._tcp.sip.example.'],
        ("sip.example", "A"): ["192.0.2.1"],
        ("sip.example", "AAAA"): ["2001:db8::1"],
    }
    resolver = house.resolver()
    assert set(await resolver.ask(SRV)) == {
        Srv(10, 60, 5060, "p1.sip.example"),
        Srv(20, 0, 5061, "."),
    }
    assert await resolver.ask(Question(Kind.NAPTR, "sip.example")) == (
        Naptr(50, 100, "s", "SIP+D2T", "_sip._tcp.sip.example"),
    )
    assert await resolver.ask(ADDRESS) == ("2001:db8::1", "192.0.2.1")


@pytest.mark.parametrize("found", ["NXDOMAIN", []])
async def test_no_name_and_no_record_are_the_empty_answer(
    house: House, found: list[str] | str
) -> None:
    house.zone.records[("_sip._udp.sip.example", "SRV")] = found
    resolver = house.resolver()
    assert await resolver.ask(SRV) == ()
    house.now += 59
    assert await resolver.ask(SRV) == ()
    assert len(house.zone.asked) == 1
    house.now += 2
    assert await resolver.ask(SRV) == ()
    assert len(house.zone.asked) == 2


async def test_negative_answers_are_not_believed_for_long(house: House) -> None:
    house.zone.ttl = 86400
    resolver = house.resolver()
    await resolver.ask(SRV)
    house.now += 301
    await resolver.ask(SRV)
    assert len(house.zone.asked) == 2


async def test_server_failure_is_a_failure_and_remembered_briefly(house: House) -> None:
    house.zone.records[("_sip._udp.sip.example", "SRV")] = "SERVFAIL"
    resolver = house.resolver()
    for _ in range(2):
        with pytest.raises(DnsFailure, match=r"SRV of _sip\._udp\.sip\.example"):
            await resolver.ask(SRV)
    asked = len(house.zone.asked)
    house.zone.records.clear()
    house.now += 6
    assert await resolver.ask(SRV) == ()
    assert len(house.zone.asked) == asked + 1
    assert resolver.describe() == {"cached": 1, "in_flight": 0, "asked": 2, "failed": 1}


async def test_silence_is_a_failure(house: House) -> None:
    house.zone.records[("_sip._udp.sip.example", "SRV")] = None
    with pytest.raises(DnsFailure):
        await house.resolver(timeout=0.05).ask(SRV)


async def test_half_an_address_answer_is_enough_unless_empty(house: House) -> None:
    house.zone.records = {("sip.example", "AAAA"): "SERVFAIL", ("sip.example", "A"): ["192.0.2.1"]}
    assert await house.resolver().ask(ADDRESS) == ("192.0.2.1",)
    house.zone.records[("sip.example", "A")] = []
    with pytest.raises(DnsFailure):
        await house.resolver().ask(ADDRESS)


async def test_those_who_ask_together_share_one_flight(house: House) -> None:
    house.zone.records[("_sip._udp.sip.example", "SRV")] = ["0 0 5060 a.example."]
    resolver = house.resolver()
    upper = Question(Kind.SRV, "_SIP._udp.sip.example.")
    answers = await asyncio.gather(*(resolver.ask(each) for each in (SRV, upper, SRV)))
    assert set(answers) == {(Srv(0, 0, 5060, "a.example"),)}
    assert len(house.zone.asked) == 1


async def test_one_who_gives_up_does_not_spoil_it_for_the_others(house: House) -> None:
    house.zone.records[("_sip._udp.sip.example", "SRV")] = ["0 0 5060 a.example."]
    resolver = house.resolver()
    first, second = (asyncio.ensure_future(resolver.ask(SRV)) for _ in range(2))
    await asyncio.wait([first], timeout=0)
    first.cancel()
    assert await second == (Srv(0, 0, 5060, "a.example"),)


async def test_names_remembered_are_bounded(house: House) -> None:
    resolver = house.resolver(names=3)
    for number in range(5):
        await resolver.ask(Question(Kind.SRV, f"n{number}.example"))
    assert resolver.describe()["cached"] == 3
    await resolver.ask(Question(Kind.SRV, "n4.example"))
    assert len(house.zone.asked) == 5


async def test_questions_under_way_are_bounded(house: House) -> None:
    questions = [Question(Kind.SRV, f"n{number}.example") for number in range(12)]
    house.zone.records = {(question.name, "SRV"): None for question in questions}
    resolver = house.resolver(in_flight=1, timeout=0.1)
    asking = [asyncio.ensure_future(resolver.ask(question)) for question in questions]
    refused, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    assert len(refused) == 4
    await asyncio.wait_for(house.zone.heard.wait(), 5)
    assert house.zone.asked == [("n0.example", "SRV")]
    assert resolver.describe()["in_flight"] == 8
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, DnsFailure)]
    assert sum("too many" in reason for reason in reasons) == 4
    assert sum("in time" in reason or "lifetime" in reason for reason in reasons) == 8


async def test_an_answer_may_not_have_any_number_of_records(house: House) -> None:
    many = [f"192.0.2.{number}" for number in range(40)]
    house.zone.records = {
        ("sip.example", "A"): many,
        ("sip.example", "AAAA"): [f"2001:db8::{number:x}" for number in range(1, MOST_RECORDS + 2)],
    }
    resolver = house.resolver()
    resolver._resolver.use_edns(0, 0, 8192)
    assert len(await resolver.ask(ADDRESS)) == MOST_RECORDS + 40


@pytest.mark.parametrize(
    "name", ["a..example", "x" * 64 + ".example", "\\999.example", "\u00fc" * 80]
)
async def test_what_cannot_be_a_name_is_not_asked(house: House, name: str) -> None:
    assert await house.resolver().ask(Question(Kind.SRV, name)) == ()
    assert house.zone.asked == []


@pytest.mark.parametrize(
    "server", ["dns.example", "127.0.0.1:x", "127.0.0.1:0", "[::1]53:", "::1:"]
)
async def test_servers_that_are_none(server: str) -> None:
    with pytest.raises(LocalError, match="DNS server"):
        DnsResolver([server])


@pytest.mark.parametrize("server", ["127.0.0.1", "::1", "[::1]", "[::1]:5353", "192.0.2.1:53"])
async def test_servers(server: str) -> None:
    assert DnsResolver([server]).describe()["asked"] == 0


async def test_records_in_memory() -> None:
    resolver = MemoryResolver({ADDRESS: ("192.0.2.1",), SRV: DnsFailure("SERVFAIL")})
    assert await resolver.ask(ADDRESS) == ("192.0.2.1",)
    assert await resolver.ask(Question(Kind.NAPTR, "sip.example")) == ()
    with pytest.raises(DnsFailure, match="SERVFAIL"):
        await resolver.ask(SRV)
    assert resolver.asked == [ADDRESS, Question(Kind.NAPTR, "sip.example"), SRV]
    assert resolver.describe() == {"names": 2}


def search(*, patient: bool) -> Generator[Question, Answer, Answer]:
    """Ask SRV, then addresses; give up at a failure unless patient."""
    try:
        yield SRV
    except DnsFailure:
        if not patient:
            raise
    return (yield ADDRESS)


async def test_find_drives_a_search() -> None:
    resolver = MemoryResolver({ADDRESS: ("192.0.2.1",), SRV: DnsFailure("SERVFAIL")})
    assert await find(search(patient=True), resolver) == ("192.0.2.1",)
    with pytest.raises(DnsFailure):
        await find(search(patient=False), resolver)


def test_find_now_in_memory() -> None:
    resolver = MemoryResolver({ADDRESS: ("192.0.2.1",), SRV: DnsFailure("SERVFAIL")})
    assert find_now(search(patient=True), resolver) == ("192.0.2.1",)
    with pytest.raises(DnsFailure):
        find_now(search(patient=False), resolver)


async def test_find_now_is_content_with_what_is_remembered(house: House) -> None:
    house.zone.records[("sip.example", "A")] = ["192.0.2.1"]
    resolver = house.resolver()
    assert find_now(search(patient=True), resolver) is None
    await resolver.ask(SRV)
    assert find_now(search(patient=True), resolver) is None
    await resolver.ask(ADDRESS)
    assert find_now(search(patient=True), resolver) == ("192.0.2.1",)
    house.now += 61
    assert find_now(search(patient=True), resolver) is None


TLSA = Question(Kind.TLSA, "_5269._tcp.xmpp.example")
SIGNED: dict[tuple[str, str], list[str] | str | None] = {
    (SRV.name, "SRV"): ["1 2 5060 sip.example."],
    (TLSA.name, "TLSA"): ["3 1 1 " + "ab" * 32, "2 0 0 30"],
    ("sip.example", "A"): ["192.0.2.1"],
    ("sip.example", "AAAA"): ["2001:db8::1"],
}


@pytest.mark.spec("NET-40")
async def test_tlsa_records(house: House) -> None:
    house.zone.records = SIGNED
    found = await house.resolver().ask(TLSA)
    assert set(found) == {Tlsa(3, 1, 1, b"\xab" * 32), Tlsa(2, 0, 0, b"0")}


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize("question", [SRV, TLSA, ADDRESS], ids=lambda each: each.kind)
@pytest.mark.parametrize(
    ("believed", "signed", "authentic"),
    [(True, True, True), (True, False, False), (False, True, False)],
    ids=["signed and believed", "not signed", "not believed"],
)
@pytest.mark.parametrize("unasked", [False, True], ids=["when asked", "unasked"])
async def test_an_answer_is_authentic_where_the_server_says_so_and_is_believed(
    house: House, question: Question, believed: bool, signed: bool, authentic: bool, unasked: bool
) -> None:
    house.zone.records, house.zone.unasked = SIGNED, unasked
    house.zone.signed = set(SIGNED) if signed else set()
    resolver = house.resolver(authentic=believed)
    found = await resolver.ask(question)
    assert (bool(found), isinstance(found, Authentic)) == (True, authentic)
    assert isinstance(resolver.remembered(question), Authentic) is authentic


@pytest.mark.parametrize("signed", ["A", "AAAA"])
async def test_addresses_are_authentic_where_those_of_both_families_are(
    house: House, signed: str
) -> None:
    house.zone.records = dict(SIGNED)
    house.zone.signed = {("sip.example", signed)}
    assert not isinstance(await house.resolver(authentic=True).ask(ADDRESS), Authentic)
    house.zone.records["sip.example", "A" if signed == "AAAA" else "AAAA"] = []
    assert isinstance(await house.resolver(authentic=True).ask(ADDRESS), Authentic)


async def test_that_there_is_nothing_is_never_authentic(house: House) -> None:
    house.zone.signed = set(SIGNED)
    for question in (SRV, TLSA, ADDRESS):
        found = await house.resolver(authentic=True).ask(question)
        assert (found, isinstance(found, Authentic)) == ((), False)
