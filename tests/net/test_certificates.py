"""Which certificate is shown for which domain, and what happens when the files change."""

import logging
import os
import stat
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dragoman.net.certificates import LOOK_AGAIN, CertificateStore, Credentials, Report
from tests.net.authority import NOW, issue


@dataclass
class House:
    """A directory of certificates, a state directory and both clocks."""

    certs: Path
    state: Path
    seconds: float = 0.0
    date: datetime = NOW

    def store(self, *names: str) -> CertificateStore:
        return CertificateStore(
            self.certs,
            self.state,
            names=names,
            clock=lambda: self.seconds,
            wall=lambda: self.date,
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "certs").mkdir()
    return House(tmp_path / "certs", tmp_path / "state")


def stem(credentials: Credentials) -> str:
    return Path(credentials.origin).stem


def test_matched_by_the_names_inside(house: House) -> None:
    issue("z", names=["a.example"]).save(house.certs, "one")
    issue("z", names=["*.example.org", "b.example"]).save(house.certs, "two")
    issue("z", names=["x.example.org"]).save(house.certs, "zulu")
    store = house.store()
    picked = {
        domain: stem(store.pick(domain))
        for domain in ("a.example", "A.Example.", "b.example", "y.example.org", "x.example.org")
    }
    assert picked == {
        "a.example": "one",
        "A.Example.": "one",
        "b.example": "two",
        "y.example.org": "two",
        "x.example.org": "zulu",
    }
    assert stem(store.pick("stranger.example")) == "one"
    assert store.covers("y.example.org")
    assert not store.covers("stranger.example")
    assert not house.state.exists()


def test_a_u_label_is_matched_by_its_a_label(house: House) -> None:
    issue("z", names=["other.example"]).save(house.certs, "a")
    issue("z", names=["xn--bcher-kva.example"]).save(house.certs, "b")
    assert stem(house.store().pick("b\u00fccher.example")) == "b"


def test_the_chain_is_kept(house: House) -> None:
    middle = issue("middle", ca=True)
    leaf = issue("a", middle, names=["a.example"])
    leaf.save(house.certs, "a", middle)
    assert house.store().pick("a.example").chain == (leaf.certificate, middle.certificate)


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        (b"nonsense", None, "does not parse"),
        (None, b"nonsense", "does not parse"),
        (None, issue().key_pem(), "belongs to another certificate"),
        (issue("a.example").pem(), None, "belongs to another|names no domain"),
        (None, b"", "does not parse"),
    ],
)
def test_broken_files_are_skipped_with_a_reason(
    house: House,
    caplog: pytest.LogCaptureFixture,
    certificate: bytes | None,
    key: bytes | None,
    reason: str,
) -> None:
    issue("a", names=["a.example"]).save(house.certs, "bad")
    issue("a", names=["b.example"]).save(house.certs, "good")
    if certificate is not None:
        (house.certs / "bad.crt").write_bytes(certificate)
    if key is not None:
        (house.certs / "bad.key").write_bytes(key)
    store = house.store()
    assert stem(store.pick("a.example")) == "good"
    assert stem(store.pick("a.example")) == "good"
    (record,) = caplog.records
    assert str(house.certs / "bad.crt") in record.getMessage()
    assert any(part in record.getMessage() for part in reason.split("|"))


def test_a_certificate_without_names_or_key_is_skipped(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    issue("a.example").save(house.certs, "unnamed")
    issue("a", names=["a.example"]).save(house.certs, "keyless")
    (house.certs / "keyless.key").unlink()
    house.store().pick("a.example")
    messages = " ".join(record.getMessage() for record in caplog.records)
    assert "names no domain" in messages
    assert "keyless.key: No such file" in messages


def test_expired_ones_are_not_shown(house: House) -> None:
    issue("a", names=["a.example"], ends=NOW + timedelta(days=1)).save(house.certs, "a")
    issue("a", names=["a.example"], ends=NOW - timedelta(days=1)).save(house.certs, "old")
    issue("a", names=["*.b.example"]).save(house.certs, "b")
    store = house.store()
    assert stem(store.pick("a.example")) == "a"
    house.date += timedelta(days=2)
    assert stem(store.pick("a.example")) == "b"
    assert not store.covers("a.example")


def test_changes_are_seen(house: House) -> None:
    store = house.store("gw.example")
    assert stem(store.pick("a.example")) == "self-signed"
    issue("a", names=["a.example"]).save(house.certs, "a")
    assert stem(store.pick("a.example")) == "self-signed"
    house.seconds += LOOK_AGAIN
    first = store.pick("a.example")
    assert stem(first) == "a"
    house.seconds += LOOK_AGAIN
    assert store.pick("a.example") is first
    issue("a", names=["a.example"]).save(house.certs, "a")
    os.utime(house.certs / "a.crt", ns=(1, 1))
    house.seconds += LOOK_AGAIN
    assert store.pick("a.example").chain != first.chain
    (house.certs / "a.crt").unlink()
    house.seconds += LOOK_AGAIN
    assert stem(store.pick("a.example")) == "self-signed"


def test_a_pair_half_replaced_keeps_its_former_contents(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    issue("a", names=["a.example"]).save(house.certs, "a")
    store = house.store()
    first = store.pick("a.example")
    (house.certs / "a.crt").write_bytes(issue("a", names=["a.example", "b.example"]).pem())
    house.seconds += LOOK_AGAIN
    assert store.pick("a.example") is first
    assert "another certificate" in caplog.text


def test_a_self_signed_certificate_is_made_once_and_kept(house: House) -> None:
    made = house.store("gw.example", "b\u00fccher.example").pick("any.example")
    assert made.names == ("gw.example", "xn--bcher-kva.example")
    assert stat.S_IMODE((house.state / "self-signed.key").stat().st_mode) == 0o600
    kept = house.store("gw.example").pick()
    assert kept.chain == made.chain
    assert house.store("new.example").pick().chain != made.chain


def test_a_self_signed_certificate_is_made_anew_in_time(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    store = house.store("gw.example")
    made = store.pick()
    house.date = made.expires - timedelta(days=31)
    assert store.pick() is made
    house.date = made.expires - timedelta(days=29)
    assert store.pick().expires > made.expires
    (house.state / "self-signed.crt").write_bytes(b"nonsense")
    assert house.store("gw.example").pick().names == ("gw.example",)
    assert "made anew" in caplog.text


def test_without_names_it_bears_this_hosts(house: House) -> None:
    (name,) = house.store().pick().names
    assert name


def test_an_unreadable_directory_is_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    house.certs.rmdir()
    house.certs.write_text("a file")
    assert stem(house.store("gw.example").pick()) == "self-signed"
    assert "Not a directory" in caplog.text


def test_describe(house: House) -> None:
    issue("a", names=["a.example"]).save(house.certs, "a")
    store = house.store()
    store.pick()
    assert store.describe() == [
        {
            "origin": str(house.certs / "a.crt"),
            "names": ["a.example"],
            "expires": (NOW + timedelta(days=60)).isoformat(),
            "problem": "",
        }
    ]


def test_reports_have_what_is_not_used_too(house: House) -> None:
    soon = NOW + timedelta(days=1)
    issue("a", names=["a.example"], ends=soon).save(house.certs, "a")
    issue("a", names=["old.example"], ends=NOW - timedelta(days=1)).save(house.certs, "old")
    (house.certs / "junk.crt").write_bytes(b"nonsense")
    store = house.store("gw.example")
    junk, old = f"{house.certs}/junk.crt", f"{house.certs}/old.crt"
    first, second, third = store.reports()
    assert first == Report(f"{house.certs}/a.crt", ("a.example",), soon)
    assert (second.origin, second.names, second.expires) == (junk, (), None)
    assert second.problem.startswith("it does not parse")
    assert third == Report(
        old, ("old.example",), NOW - timedelta(days=1), "it expired on 2026-05-31"
    )


def test_a_report_tells_that_former_contents_are_in_use(house: House) -> None:
    issue("a", names=["a.example"]).save(house.certs, "a")
    store = house.store()
    store.pick()
    (house.certs / "a.key").write_bytes(issue().key_pem())
    house.seconds += LOOK_AGAIN
    [report] = store.reports()
    assert report.expires == NOW + timedelta(days=60)
    assert report.problem == "its key belongs to another certificate"
    issue("a", names=["a.example"]).save(house.certs, "a")
    house.seconds += LOOK_AGAIN
    assert [each.problem for each in store.reports()] == [""]


def test_a_report_of_our_own_certificate(house: House) -> None:
    store = house.store("gw.example")
    store.pick()
    [report] = store.reports()
    assert (report.origin, report.names) == ("self-signed", ("gw.example",))
