"""The alias table (RFC 5923): a claim, and what it takes to be believed."""

from types import SimpleNamespace
from typing import cast

import pytest

from dragoman.net.driver import StreamDriver
from dragoman.net.identity import Identity
from dragoman.net.reuse import PORTS, Aliases
from dragoman.sip.endpoint import Target, Transport
from dragoman.sip.message import Request

HOST = "192.0.2.1"
TARGET = Target(Transport.TLS, HOST, 5061, "sip.example", "gw.example")


def connection(
    *names: str, asked_for: str = "gw.example", host: str = HOST, lost: bool = False
) -> StreamDriver:
    """Return a connection from `host` whose peer's certificate is good for `names`."""
    who = SimpleNamespace(names=names, vouches=lambda domain, _: domain in names)
    tls = SimpleNamespace(server_name=asked_for)
    made = Connection(who=who, tls=tls, remote=(host, 40000), lost=lost)
    return cast("StreamDriver", made)


class Connection(SimpleNamespace):
    """What the table looks at, known by itself alone."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def identity(driver: StreamDriver) -> Identity:
    return driver.who  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def table() -> Aliases:
    return Aliases(identity)


def claim(sent_by: str = "192.0.2.1:5061", params: str = ";alias") -> Request:
    via = f"SIP/2.0/TLS {sent_by};branch=z9hG4bK1{params}"
    return Request("OPTIONS", "sip:gw.example", [("Via", via)])


def test_a_connection_is_found_by_address_and_port(table: Aliases) -> None:
    driver = connection("sip.example")
    table.learn(driver, claim())
    assert table.find(TARGET, 0.0) is driver
    other_port = Target(Transport.TLS, HOST, 5062, "sip.example", "gw.example")
    assert table.find(other_port, 0.0) is None
    table.learn(driver, claim("proxy.sip.example:5062"))
    assert table.find(other_port, 0.0) is driver


def test_without_a_port_it_is_5061(table: Aliases) -> None:
    driver = connection("sip.example")
    table.learn(driver, claim("proxy.sip.example"))
    assert table.find(TARGET, 0.0) is driver


def test_without_a_certificate_nothing_is_kept(table: Aliases) -> None:
    table.learn(connection(), claim())
    assert (len(table), table._at) == (0, {})


def test_the_address_is_where_it_comes_from_and_not_what_it_says(table: Aliases) -> None:
    table.learn(connection("sip.example", host="203.0.113.66"), claim("192.0.2.1:5061"))
    assert table.find(TARGET, 0.0) is None


@pytest.mark.parametrize(
    "driver",
    [
        connection("evil.example"),
        connection(),
        connection("sip.example", asked_for="other.example"),
        connection("sip.example", asked_for=""),
        connection("sip.example", lost=True),
    ],
    ids=["another domain", "no certificate", "to another of us", "to none of us", "gone"],
)
def test_who_is_not_believed(table: Aliases, driver: StreamDriver) -> None:
    honest = connection("sip.example")
    table.learn(honest, claim())
    table.learn(driver, claim())
    assert table.find(TARGET, 0.0) is honest, "the claim of another takes nothing away"
    table.forget(honest)
    assert table.find(TARGET, 0.0) is None


@pytest.mark.parametrize(
    "request_", [claim(params=""), claim("[::"), Request("OPTIONS", "sip:gw.example", [])]
)
def test_who_claims_nothing(table: Aliases, request_: Request) -> None:
    table.learn(connection("sip.example"), request_)
    assert len(table) == 0


def test_only_tls(table: Aliases) -> None:
    table.learn(connection("sip.example"), claim())
    tcp = Target(Transport.TCP, HOST, 5061, "sip.example", "gw.example")
    assert table.find(tcp, 0.0) is None


def test_the_newest_is_taken_and_what_it_was_used_for_is_known(table: Aliases) -> None:
    old, new = connection("sip.example"), connection("sip.example")
    table.learn(old, claim())
    table.learn(new, claim())
    assert table.find(TARGET, 0.0) is new
    assert table.forget(old) == set()
    assert table.forget(new) == {TARGET}
    assert table.forget(new) == set()
    assert (len(table), table._at) == (0, {})


def test_the_claims_of_one_connection_are_bounded(table: Aliases) -> None:
    driver = connection("sip.example")
    for port in range(1, 100):
        table.learn(driver, claim(f"192.0.2.1:{port}"))
    assert len(table._at) == PORTS
    assert len(table) == 1
