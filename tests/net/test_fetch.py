"""Which addresses are asked for what strangers name, and which never are."""

from ipaddress import ip_address, ip_network

import pytest

from dragoman.net.dns import MemoryResolver
from dragoman.net.fetch import Guard, is_public
from dragoman.records import DnsFailure, Kind, Question

QUESTION = Question(Kind.ADDRESS, "far.example")


def guard(*addresses: str, allowed: str = "") -> Guard:
    networks = [ip_network(allowed)] if allowed else []
    return Guard(MemoryResolver({QUESTION: addresses}), networks)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2600::1", True),
        *(
            (each, False)
            for each in (
                "127.0.0.1",
                "10.1.2.3",
                "169.254.169.254",
                "100.64.0.1",
                "192.168.0.1",
                "0.0.0.0",  # noqa: S104
                "224.0.0.1",
                "255.255.255.255",
                "::1",
                "::",
                "fe80::1",
                "fd00::1",
                "ff02::1",
            )
        ),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


@pytest.mark.parametrize(
    "address", ["::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::1"]
)
async def test_an_address_in_disguise_is_judged_by_what_it_stands_for(address: str) -> None:
    with pytest.raises(OSError, match="nowhere on the public internet"):
        await guard(address).resolve("far.example", 443)
    assert len(await guard("64:ff9b::808:808").resolve("far.example", 443)) == 1


async def test_of_several_addresses_those_are_asked_that_may_be() -> None:
    found = await guard("10.0.0.1", "8.8.8.8", "2600::1", "fd00::1").resolve("far.example", 443)
    assert [each["host"] for each in found] == ["8.8.8.8", "2600::1"]
    found = await guard("10.0.0.1", "192.168.0.1", allowed="10.0.0.0/8").resolve("far.example")
    assert [each["host"] for each in found] == ["10.0.0.1"]


async def test_a_dns_that_fails_is_an_error_of_the_network() -> None:
    failing = Guard(MemoryResolver({QUESTION: DnsFailure("late")}), [])
    with pytest.raises(OSError, match="late"):
        await failing.resolve("far.example", 443)
