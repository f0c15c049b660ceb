"""The connections that we opened: one a target, with TLS for two domains, and not too many."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from dragoman.net.driver import StreamDriver
from dragoman.net.opened import Dialling, Opened
from dragoman.net.siptcp import SipStream
from dragoman.sip.endpoint import Target, Transport

TLS = Target(Transport.TLS, "192.0.2.1", 5061, "sip.example", "gw.example")
TCP = Target(Transport.TCP, "192.0.2.1", 5060, "sip.example")


class Driver(SimpleNamespace):
    """What the table looks at."""

    reason = ""

    def close(self, reason: str) -> None:
        self.reason = reason


def driver(target: Target, used: float = 0.0) -> StreamDriver:
    return cast("StreamDriver", Driver(core=SipStream(target=target, began=used)))


def dialling(target: Target = TCP) -> Dialling:
    return Dialling(SipStream(target=target), 10)


def test_with_tls_a_connection_is_for_two_domains() -> None:
    table, made = Opened(9), driver(TLS)
    table.made(TLS, made)
    assert table.find(TLS) is made
    assert table.find(replace(TLS, domain="other.example")) is None
    assert table.find(replace(TLS, local="other.example")) is None
    assert table.find(replace(TLS, port=5062)) is None


def test_without_tls_any_domain_may_share_it() -> None:
    table, made = Opened(9), driver(TCP)
    table.made(TCP, made)
    assert table.find(replace(TCP, domain="other.example", local="gw.example")) is made


def test_one_under_way_and_what_becomes_of_it() -> None:
    table, under_way = Opened(9), dialling()
    assert table.begin(TCP, under_way)
    assert table.find(TCP) is under_way
    assert table.dialling() == [under_way]
    table.end(TCP, driver(TCP))
    assert table.find(TCP) is under_way, "another connection to the target ended"
    table.end(TCP)
    assert (table.find(TCP), len(table)) == (None, 0)
    table.end(TCP)


def test_one_that_was_replaced_does_not_end_the_other() -> None:
    table, old, new = Opened(9), driver(TCP), driver(TCP)
    table.made(TCP, new)
    table.end(TCP, old)
    table.end(TCP)
    assert table.find(TCP) is new
    table.end(TCP, new)
    assert table.find(TCP) is None


def test_the_longest_idle_makes_room() -> None:
    table = Opened(2)
    idle, busy = driver(TCP, used=1.0), driver(TLS, used=2.0)
    table.made(TCP, idle)
    table.made(TLS, busy)
    other = replace(TCP, port=5070)
    assert table.begin(other, dialling(other))
    assert cast("Driver", idle).reason
    assert not cast("Driver", busy).reason
    assert (table.find(TCP), len(table)) == (None, 2)


def test_there_is_no_room_while_all_are_under_way() -> None:
    table = Opened(1)
    assert table.begin(TCP, dialling())
    assert not table.begin(TLS, dialling(TLS))


def test_what_waits_is_bounded() -> None:
    under_way = dialling()
    assert under_way.add(b"01234567")
    assert not under_way.add(b"890")
    assert under_way.add(b"89")
    assert under_way.waiting == [b"01234567", b"89"]
