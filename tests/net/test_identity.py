"""Who a TLS peer has proved to be: cheap for who claims much, and never for too long."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.oid import ExtensionOID

from dragoman.net.identity import FRESH, Identity
from dragoman.net.tls import Peer
from dragoman.net.trust import Trust, Use
from tests.net.authority import NOW, Issued, issue

ROOT = issue("Lab CA", ca=True)
SERVER_ONLY = (Purpose.SERVER_AUTH,)


class Judge(Trust):
    """Counts what it is asked."""

    asked = 0

    def judge(self, *arguments, **named):  # type: ignore[no-untyped-def]
        self.asked += 1
        return super().judge(*arguments, **named)


@pytest.fixture
def trust(tmp_path: Path) -> Judge:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    return Judge(tmp_path / "ca.pem")


def peer(trust: Trust, *chain: Issued, now: list[datetime] | None = None) -> Peer:
    dates = now or [NOW]
    return Peer(tuple(each.certificate for each in chain), trust, lambda: dates[-1], Use.SIP)


@pytest.mark.spec("NET-31")
def test_the_names_of_the_certificate_and_no_others(trust: Judge) -> None:
    leaf = issue("a", ROOT, names=["a.example", "*.wild.example"], purposes=SERVER_ONLY)
    who = Identity(peer(trust, leaf))
    assert who.vouches("a.example", 0.0)
    assert who.vouches("A.Example.", 0.0)
    for other in ("b.example", "www.a.example", "x.wild.example", "example", ""):
        assert not who.vouches(other, 0.0)


def test_a_name_that_is_not_there_is_not_judged(trust: Judge) -> None:
    who = Identity(peer(trust, issue("a", ROOT, names=["a.example"])))
    for number in range(1000):
        assert not who.vouches(f"b{number}.example", 0.0)
    assert trust.asked == 0
    for _ in range(1000):
        assert who.vouches("a.example", 0.0)
    assert trust.asked == 1


def test_a_verdict_holds_for_a_minute(trust: Judge) -> None:
    dates = [NOW]
    leaf = issue("a", ROOT, names=["a.example"], ends=NOW + timedelta(hours=1))
    who = Identity(peer(trust, leaf, now=dates))
    assert who.vouches("a.example", 0.0)
    dates.append(NOW + timedelta(hours=2))
    assert who.vouches("a.example", FRESH - 1)
    assert not who.vouches("a.example", FRESH)


@pytest.mark.parametrize(
    "leaf",
    [
        issue("a", names=["a.example"]),
        issue("a", ROOT, names=["a.example"], ends=NOW - timedelta(days=1)),
        issue("a", issue("Other CA", ca=True), names=["a.example"]),
        issue("a.example", ROOT),
    ],
    ids=["self-signed", "expired", "of a stranger", "nameless"],
)
def test_who_is_not_believed(trust: Judge, leaf: Issued) -> None:
    assert not Identity(peer(trust, leaf)).vouches("a.example", 0.0)


def test_no_certificate_and_one_that_does_not_parse(trust: Judge) -> None:
    assert not Identity(peer(trust)).vouches("a.example", 0.0)
    san = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x02\x82")
    assert Identity(peer(trust, issue("a", ROOT, extra=[san]))).names == frozenset()
