"""Whose certificates are believed, for which names, and for how long."""

from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.oid import ObjectIdentifier

from dragoman.errors import LocalError
from dragoman.net.trust import Trust, Use, Verdict, a_label, matches, subject
from dragoman.records import Tlsa
from dragoman.xmpp.dane import Associations, Usage
from tests.net.authority import BOTH, NOW, Issued, issue, usage
from tests.xmpp.test_dane import record

ROOT = issue("Lab CA", ca=True)
OTHER_ROOT = issue("Another CA", ca=True)
XMPP_ADDRESS = ObjectIdentifier("1.3.6.1.5.5.7.8.5")
SRV_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.7")


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    bundle = tmp_path_factory.mktemp("trust") / "ca.pem"
    bundle.write_bytes(ROOT.pem())
    return Trust(bundle)


def judged(trust: Trust, *chain: Issued, domain: str = "a.example", use: Use = Use.XMPP) -> Verdict:
    return trust.judge([each.certificate for each in chain], domain, NOW, use)


GOOD = Verdict(good=True)


@pytest.mark.parametrize(
    "purposes",
    [
        BOTH,
        (Purpose.SERVER_AUTH,),
        (Purpose.CLIENT_AUTH,),
        (Purpose.ANY_EXTENDED_KEY_USAGE,),
        (Purpose.SERVER_AUTH, Purpose.CODE_SIGNING),
        None,
    ],
)
@pytest.mark.spec("NET-05")
def test_any_purpose_that_tls_has_will_do(
    trust: Trust, purposes: tuple[ObjectIdentifier, ...] | None
) -> None:
    leaf = issue("a", ROOT, names=["a.example"], purposes=purposes)
    assert judged(trust, leaf) == GOOD


def test_other_purposes_will_not(trust: Trust) -> None:
    leaf = issue("a", ROOT, names=["a.example"], purposes=[Purpose.CODE_SIGNING])
    assert "neither servers nor clients" in judged(trust, leaf).reason


@pytest.mark.parametrize(
    ("names", "domain", "good"),
    [
        (["a.example"], "a.example", True),
        (["A.Example"], "a.EXAMPLE.", True),
        (["b.example", "a.example"], "a.example", True),
        (["b.example"], "a.example", False),
        (["*.example.org"], "a.example.org", True),
        (["*.example.org"], "example.org", False),
        (["*.example.org"], "b.a.example.org", False),
        (["xn--bcher-kva.example"], "b\u00fccher.example", True),
        (["xn--bcher-kva.example"], "bucher.example", False),
        ([x509.IPAddress(IPv4Address("192.0.2.1"))], "192.0.2.1", False),
        ([x509.OtherName(XMPP_ADDRESS, b"\x0c\x09a.example")], "a.example", True),
        ([x509.OtherName(XMPP_ADDRESS, b"\x0c\x0bb\xc3\xbc.example")], "b\u00fc.example", True),
        ([x509.OtherName(SRV_NAME, b"\x16\x16_xmpp-server.a.example")], "a.example", True),
        ([x509.OtherName(SRV_NAME, b"\x16\x16_xmpp-client.a.example")], "a.example", False),
        ([x509.OtherName(SRV_NAME, b"\x16\x09a.example")], "a.example", False),
        ([x509.OtherName(XMPP_ADDRESS, b"\x05\x00")], "a.example", False),
        ([], "a.example", False),
    ],
)
@pytest.mark.spec("NET-05")
def test_names_for_xmpp(
    trust: Trust, names: list[x509.GeneralName | str], domain: str, good: bool
) -> None:
    leaf = issue("a.example", ROOT, names=names, purposes=BOTH)
    expected = GOOD if good else Verdict(good=False, reason=f"it is not for {domain}")
    assert judged(trust, leaf, domain=domain) == expected


@pytest.mark.parametrize(
    ("names", "host", "good"),
    [
        (["a.example"], "A.example", True),
        (["*.example.org"], "a.example.org", True),
        (["b.example"], "a.example", False),
        ([x509.IPAddress(IPv4Address("192.0.2.1"))], "192.0.2.1", True),
        ([x509.IPAddress(IPv4Address("192.0.2.1"))], "192.0.2.2", False),
        (["192.0.2.2"], "a.example", False),
        ([x509.OtherName(XMPP_ADDRESS, b"\x0c\x09a.example")], "a.example", False),
    ],
)
@pytest.mark.spec("MSRP-29")
def test_names_for_msrp(
    trust: Trust, names: list[x509.GeneralName | str], host: str, good: bool
) -> None:
    leaf = issue("a.example", ROOT, names=names, purposes=BOTH)
    assert judged(trust, leaf, domain=host, use=Use.MSRP).good is good


def uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


@pytest.mark.parametrize(
    ("names", "domain", "good"),
    [
        (["a.example"], "a.example", True),
        ([uri("sip:a.example")], "a.example", True),
        ([uri("SIP:A.example")], "a.example", True),
        ([uri("sip:b.example"), "a.example"], "a.example", False),
        ([uri("sip:user@a.example")], "a.example", False),
        ([uri("sip:user@b.example"), "a.example"], "a.example", True),
        ([uri("sip:a.example;transport=tls")], "a.example", True),
        ([uri("sip:a.example:5061")], "a.example", True),
        ([uri("sip:"), "a.example"], "a.example", True),
        ([uri("sip:b.example"), uri("sip:a.example")], "a.example", True),
        (["*.example.org"], "*.example.org", True),
        ([uri("https://a.example"), "a.example"], "a.example", True),
        (["*.example.org"], "a.example.org", False),
        ([uri("sips:a.example")], "a.example", False),
    ],
)
@pytest.mark.spec("NET-31")
def test_names_for_sip(
    trust: Trust, names: list[x509.GeneralName | str], domain: str, good: bool
) -> None:
    leaf = issue("a.example", ROOT, names=names, purposes=BOTH)
    assert judged(trust, leaf, domain=domain, use=Use.SIP).good is good


def test_a_name_constraint_binds_every_kind_of_name(tmp_path: Path) -> None:
    within = x509.NameConstraints([x509.DNSName("corp.example")], None)
    root = issue("Corp CA", ca=True, extra=[within])
    (tmp_path / "ca.pem").write_bytes(root.pem())
    trust = Trust(tmp_path / "ca.pem")
    inside = issue("x", root, names=["www.corp.example"])
    outside = issue("x", root, names=["a.example"])
    sly = issue("x", root, names=[x509.OtherName(XMPP_ADDRESS, b"\x0c\x09a.example")])
    assert judged(trust, inside, domain="www.corp.example") == GOOD
    assert not judged(trust, outside).good
    assert not judged(trust, sly).good
    slier = issue("x", root, names=[uri("sip:a.example")])
    assert not judged(trust, slier, use=Use.SIP).good
    both = issue("x", root, names=[uri("sip:www.corp.example"), "www.corp.example"])
    assert judged(trust, both, domain="www.corp.example", use=Use.SIP) == GOOD


def leaf_of(issuer: Issued) -> Issued:
    return issue("a", issuer, names=["a.example"], purposes=BOTH)


def test_intermediates(trust: Trust) -> None:
    middle = issue("middle", ROOT, ca=True, key_usage=usage(sign=True))
    leaf = leaf_of(middle)
    assert judged(trust, leaf, middle) == GOOD
    assert judged(trust, leaf, OTHER_ROOT, middle, ROOT) == GOOD
    assert "no path" in judged(trust, leaf).reason


@pytest.mark.parametrize(
    "middle",
    [
        issue("middle", ROOT, ca=False),
        issue("middle", ROOT, ca=None),
        issue("middle", ROOT, ca=True, key_usage=usage(sign=False)),
        issue("middle", ROOT, ca=True, ends=NOW - timedelta(days=1)),
        issue("middle", ROOT, ca=True, purposes=[Purpose.EMAIL_PROTECTION]),
        issue("middle", OTHER_ROOT, ca=True),
        issue("middle", issue("m", ROOT, ca=True, length=0), ca=True),
    ],
    ids=["not CA", "no constraints", "no keyCertSign", "expired", "mail", "stranger", "too deep"],
)
def test_issuers_that_are_none(trust: Trust, middle: Issued) -> None:
    assert "no path to a trusted authority" in judged(trust, leaf_of(middle), middle).reason


def test_a_path_longer_than_its_authority_allows(trust: Trust) -> None:
    first = issue("first", ROOT, ca=True, length=0)
    second = issue("second", first, ca=True)
    assert judged(trust, leaf_of(first), first) == GOOD
    assert not judged(trust, leaf_of(second), second, first).good


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        (issue("a", names=["a.example"]), "it is self-signed"),
        (
            issue("a", ROOT, names=["a.example"], ends=NOW - timedelta(days=1)),
            "it expired on 2026-05-31",
        ),
        (
            issue("a", ROOT, names=["a.example"], begins=NOW + timedelta(days=1)),
            "it is not valid before 2026-06-02",
        ),
    ],
    ids=["self-signed", "expired", "future"],
)
def test_refused_with_a_reason(trust: Trust, leaf: Issued, reason: str) -> None:
    assert judged(trust, leaf) == Verdict(good=False, reason=reason)
    assert not trust.vouches([leaf.certificate], "a.example", NOW)


def test_a_name_that_does_not_parse(trust: Trust) -> None:
    der = issue("a", names=["a.example"]).certificate.public_bytes(serialization.Encoding.DER)
    # The common name as a BIT STRING, which cryptography refuses with a TypeError of its own.
    broken = der.replace(b"\x0c\x01a", b"\x03\x01a")
    certificate = x509.load_der_x509_certificate(broken)
    assert trust.judge([certificate], "a.example", NOW).reason.startswith("it does not parse")
    assert subject(certificate) == ""


def test_a_forged_signature(trust: Trust) -> None:
    impostor = issue("Lab CA", ca=True)
    assert not judged(trust, leaf_of(impostor), impostor).good


def test_no_certificate(trust: Trust) -> None:
    assert judged(trust) == Verdict(good=False, reason="no certificate was shown")


def test_a_chain_of_any_length_costs_little(trust: Trust) -> None:
    many = [issue(f"m{number}", ROOT, ca=True) for number in range(3)] * 100
    assert judged(trust, leaf_of(ROOT), *many) == GOOD


def test_a_verdict_is_not_kept_past_expiry(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    trust = Trust(tmp_path / "ca.pem")
    leaf = issue("a", ROOT, names=["a.example"], ends=NOW + timedelta(minutes=10))
    chain = [leaf.certificate]
    assert trust.vouches(chain, "a.example", NOW)
    assert trust.vouches(chain, "a.example", NOW + timedelta(minutes=9))
    assert not trust.vouches(chain, "a.example", NOW + timedelta(minutes=11))


def test_a_verdict_is_kept_for_an_hour(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    trust = Trust(tmp_path / "ca.pem")
    chain = [leaf_of(ROOT).certificate]
    assert trust.vouches(chain, "a.example", NOW)
    trust._store = None
    trust._bundle = str(tmp_path / "gone.pem")
    assert trust.vouches(chain, "a.example", NOW + timedelta(minutes=59))
    with pytest.raises(LocalError):
        trust.vouches(chain, "a.example", NOW + timedelta(minutes=61))


def test_verdicts_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    trust = Trust(tmp_path / "ca.pem", remembered=3)
    leaf = leaf_of(ROOT)
    for number in range(5):
        assert not judged(trust, leaf, domain=f"d{number}.example").good
    assert trust.describe() == {
        "bundle": str(tmp_path / "ca.pem"),
        "authorities": 1,
        "verdicts": 3,
    }


def test_bundles(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    with pytest.raises(LocalError, match=r"ca\.pem: No such file"):
        Trust(bundle).load()
    bundle.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(LocalError, match="holds no certificate"):
        Trust(bundle).load()
    bundle.write_bytes(b"# a comment\n" + bundle.read_bytes() + ROOT.pem() + OTHER_ROOT.pem())
    assert Trust(bundle).load() == 2


def test_the_systems_bundle_is_read_when_asked_for() -> None:
    trust = Trust()
    assert trust.describe()["authorities"] == 0
    assert not judged(trust, leaf_of(ROOT)).good
    assert trust.describe()["bundle"] == "system"


@pytest.mark.parametrize(
    ("pattern", "domain", "same"),
    [
        ("*.example", "a.example", False),
        ("*", "example", False),
        ("a*.example.org", "ab.example.org", False),
        ("a.*.org", "a.b.org", False),
        ("*.b.org", "*.b.org", True),
        ("*.", "a.", False),
    ],
)
def test_matches(pattern: str, domain: str, same: bool) -> None:
    assert matches(pattern, domain) is same


def test_a_label_of_what_is_no_domain() -> None:
    assert a_label("B\u00dcCHER.example.") == "xn--bcher-kva.example"
    assert a_label("\u2603\u2603" * 40) == "\u2603\u2603" * 40


# -- what the DNS says, signed (RFC 7673 §4) -----------------------------------------------------

HOST = "host.example"
HIDDEN = issue("Hidden CA", ca=True)
MIDDLE = issue("Middle CA", HIDDEN, ca=True)


def listed(trust: Trust, *chain: Issued, records: tuple[Tlsa, ...]) -> bool:
    found = Associations("a.example", HOST, records)
    return trust.judge_by_dns([each.certificate for each in chain], found, NOW).good


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize(
    "leaf",
    [
        issue("x", names=["elsewhere.example"]),
        issue("x"),
        issue("x", names=["a.example"], ends=NOW - timedelta(days=1)),
        issue("x", names=["a.example"], begins=NOW + timedelta(days=1)),
        issue("x", ROOT, names=["a.example"], purposes=[Purpose.CODE_SIGNING]),
    ],
    ids=["another name", "no name", "expired", "not yet valid", "another purpose"],
)
def test_a_certificate_that_is_listed_itself_needs_nothing_else(trust: Trust, leaf: Issued) -> None:
    """RFC 7671 §5.1: neither names, nor dates, nor authority."""
    assert listed(trust, leaf, records=(record(leaf, Usage.DANE_EE),))
    assert listed(trust, leaf, records=(record(ROOT), record(leaf, selector=1, matching=2)))


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize("names", [["a.example"], [HOST], ["b.example", "a.example"]])
def test_what_a_listed_authority_has_signed_bears_the_name_of_domain_or_host(
    trust: Trust, names: list[x509.GeneralName | str]
) -> None:
    leaf = issue("x", MIDDLE, names=names, purposes=BOTH)
    for anchor in (HIDDEN, MIDDLE):
        good = (record(anchor, Usage.DANE_TA, selector=1),)
        assert listed(trust, leaf, MIDDLE, HIDDEN, records=good)
    assert not listed(trust, leaf, MIDDLE, records=(record(HIDDEN, Usage.DANE_TA),)), "not shown"
    assert not listed(trust, leaf, MIDDLE, HIDDEN, records=(record(ROOT, Usage.DANE_TA),))


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize(
    "leaf",
    [
        issue("x", HIDDEN, names=["b.example"], purposes=BOTH),
        issue("x", HIDDEN, names=["a.example"], purposes=BOTH, ends=NOW - timedelta(days=1)),
        issue("x", OTHER_ROOT, names=["a.example"], purposes=BOTH),
        issue("Hidden CA", names=["a.example"], purposes=BOTH),
    ],
    ids=["another name", "expired", "signed by another", "not signed by it"],
)
def test_a_listed_authority_does_not_vouch_for_everybody(trust: Trust, leaf: Issued) -> None:
    assert not listed(trust, leaf, HIDDEN, records=(record(HIDDEN, Usage.DANE_TA),))


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize("listing", [Usage.PKIX_EE, Usage.PKIX_TA])
def test_some_records_ask_for_an_authority_that_is_trusted_here_too(
    trust: Trust, listing: Usage
) -> None:
    def judged_by(leaf: Issued, root: Issued) -> bool:
        of = leaf if listing is Usage.PKIX_EE else root
        return listed(trust, leaf, root, records=(record(of, listing),))

    assert judged_by(issue("x", ROOT, names=["a.example"], purposes=BOTH), ROOT)
    assert judged_by(issue("x", ROOT, names=[HOST], purposes=BOTH), ROOT)
    assert not judged_by(issue("x", ROOT, names=["b.example"], purposes=BOTH), ROOT)
    assert not judged_by(issue("x", HIDDEN, names=["a.example"], purposes=BOTH), HIDDEN)
    other = issue("x", ROOT, names=["a.example"], purposes=BOTH)
    assert not listed(trust, other, ROOT, records=(record(HIDDEN, listing),))


@pytest.mark.spec("NET-40")
def test_a_certificate_that_no_record_is_of_does_not_stand_whoever_vouches_for_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    trust = Trust(tmp_path / "ca.pem", published=lambda _domain, _certificate: True)
    leaf = issue("x", ROOT, names=["a.example"], purposes=BOTH)
    assert judged(trust, leaf) == GOOD
    found = Associations("a.example", HOST, (record(HIDDEN),))
    verdict = trust.judge_by_dns([leaf.certificate], found, NOW)
    assert verdict == Verdict(good=False, reason=f"no TLSA record of {HOST} is of it")
    assert not trust.judge_by_dns([], found, NOW).good


@pytest.mark.spec("NET-40")
def test_where_no_certificate_is_listed_the_host_that_was_signed_for_may_be_named(
    trust: Trust,
) -> None:
    """RFC 7673 §4.1."""
    for name, good in (("a.example", True), (HOST, True), ("b.example", False)):
        leaf = issue("x", ROOT, names=[name], purposes=BOTH)
        assert listed(trust, leaf, records=()) is good
        assert not listed(trust, issue("x", names=[name]), records=())
    assert not judged(trust, issue("x", ROOT, names=[HOST], purposes=BOTH)).good


def test_a_record_of_an_authority_is_not_of_the_certificate_itself(trust: Trust) -> None:
    own = issue("x", names=["a.example"], purposes=BOTH, ca=True)
    assert not listed(trust, own, records=(record(own, Usage.DANE_TA),))
    leaf = issue("x", ROOT, names=["a.example"], purposes=BOTH)
    assert not listed(trust, leaf, records=(record(leaf, Usage.PKIX_TA),))
    assert not listed(trust, leaf, ROOT, records=(record(ROOT, Usage.PKIX_EE),))
