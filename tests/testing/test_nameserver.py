"""The loopback name server, asked by dnspython's own resolver."""

from collections.abc import Sequence

import dns.asyncresolver
import dns.flags
import dns.message
import dns.nameserver
import dns.rcode
import dns.resolver
import pytest

from dragoman.testing.nameserver import Nameserver, answer

RECORDS = {
    "_xmpp-server._tcp.sip.test": ["SRV 10 5 5269 gateway.sip.test."],
    "sip.test": ['NAPTR 10 50 "s" "SIP+D2U" "" _sip._udp.sip.test.', "A 127.0.0.3"],
    "gateway.sip.test": ["A 127.0.0.1", "AAAA ::1"],
    "broken.test": ["SERVFAIL"],
}


def is_authentic(name: str, *, flags: int, dnssec: bool = False) -> bool:
    query = dns.message.make_query(name, "A", want_dnssec=dnssec, flags=flags)
    wire = answer(query.to_wire(), RECORDS, ["sip.test"])
    assert wire is not None
    return bool(dns.message.from_wire(wire).flags & dns.flags.AD)


def ask(name: str, kind: str) -> tuple[dns.rcode.Rcode, Sequence[str]]:
    wire = answer(dns.message.make_query(name, kind).to_wire(), RECORDS)
    assert wire is not None
    reply = dns.message.from_wire(wire)
    return reply.rcode(), [str(record) for rrset in reply.answer for record in rrset]


@pytest.mark.parametrize(
    ("name", "kind", "rcode", "found"),
    [
        ("_xmpp-server._tcp.sip.test", "SRV", "NOERROR", ["10 5 5269 gateway.sip.test."]),
        ("_XMPP-server._tcp.SIP.test", "SRV", "NOERROR", ["10 5 5269 gateway.sip.test."]),
        ("sip.test", "NAPTR", "NOERROR", ['10 50 "s" "SIP+D2U" "" _sip._udp.sip.test.']),
        ("gateway.sip.test", "AAAA", "NOERROR", ["::1"]),
        ("gateway.sip.test", "SRV", "NOERROR", []),
        ("_tcp.sip.test", "A", "NOERROR", []),
        ("nowhere.test", "A", "NXDOMAIN", []),
        ("broken.test", "A", "SERVFAIL", []),
    ],
)
def test_answers(name: str, kind: str, rcode: str, found: list[str]) -> None:
    assert ask(name, kind) == (dns.rcode.from_text(rcode), found)


@pytest.mark.parametrize("data", [b"", b"\0" * 12, b"garbage that is long enough to be read"])
def test_garbage_is_dropped_or_answered_without_records(data: bytes) -> None:
    wire = answer(data, RECORDS)
    assert wire is None or not dns.message.from_wire(wire).answer


def test_of_a_signed_zone_it_is_said_that_it_is_to_whoever_asks() -> None:
    plain, wanted = dns.flags.RD, dns.flags.RD | dns.flags.AD
    assert is_authentic("sip.test", flags=wanted)
    assert is_authentic("gateway.sip.test", flags=wanted)
    assert is_authentic("sip.test", flags=plain, dnssec=True)
    assert not is_authentic("sip.test", flags=plain)
    assert not is_authentic("broken.test", flags=wanted)
    assert not is_authentic("notsip.test", flags=wanted)


def test_an_answer_is_not_answered() -> None:
    reply = answer(dns.message.make_query("sip.test", "A").to_wire(), RECORDS)
    assert reply is not None
    assert answer(reply, RECORDS) is None


async def test_a_resolver_reaches_it_and_sees_records_that_change() -> None:
    records = {"sip.test": ["A 127.0.0.3"]}
    server = await Nameserver.start(records)
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(*server.address)]
    try:
        assert [str(a) for a in await resolver.resolve("sip.test", "A")] == ["127.0.0.3"]
        records["sip.test"] = ["A 127.0.0.9"]
        assert [str(a) for a in await resolver.resolve("sip.test", "A")] == ["127.0.0.9"]
        with pytest.raises(dns.resolver.NXDOMAIN):
            await resolver.resolve("other.test", "A")
        assert len(server.queries) >= 3
    finally:
        server.close()
