"""Our own addresses, and the one a peer sees."""

import pytest

from dragoman.net.addresses import REFRESH, Addresses, plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("not an address", "not an address"),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_ours_are_interfaces_and_configured_ones() -> None:
    ours = Addresses(["2001:DB8::5"], interfaces=lambda: ["192.0.2.7", "fe80::1%3"])
    assert ours.ours() == {"2001:db8::5", "192.0.2.7", "fe80::1"}
    assert "2001:db8:0::5" in ours
    assert "::ffff:192.0.2.7" in ours
    assert "192.0.2.8" not in ours
    assert "127.1.2.3" in ours
    assert "::1" in ours
    assert ours.describe() == {"ours": ["192.0.2.7", "2001:db8::5", "fe80::1"]}


def test_this_host_has_loopback() -> None:
    assert "127.0.0.1" in Addresses().ours()


def test_interfaces_are_looked_at_again() -> None:
    now = [0.0]
    there = ["192.0.2.1"]
    ours = Addresses(clock=lambda: now[0], interfaces=lambda: there)
    assert "192.0.2.1" in ours
    there[0] = "192.0.2.2"
    assert "192.0.2.1" in ours
    now[0] = REFRESH
    assert "192.0.2.1" not in ours
    assert "192.0.2.2" in ours


def test_local_toward() -> None:
    ours = Addresses(most=2)
    assert ours.local_toward("127.0.0.1") == "127.0.0.1"
    assert ours.local_toward("127.0.0.2").startswith("127.")
    assert ours.local_toward("not-an-address") == "127.0.0.1"
    assert ours.local_toward("nor:this") == "::1"
    assert len(ours._routes) == 2
