"""ICE-UDP (XEP-0176) with fingerprints (XEP-0320), as the standards and as clients write it."""

import pytest
from hypothesis import given, settings

from dragoman.xmpp.element import to_xml
from dragoman.xmpp.ext import jingle_dtls, raw_udp
from dragoman.xmpp.ext.jingle_dtls import Fingerprint
from dragoman.xmpp.ext.jingle_ice import MOST, Candidate, IceUdp
from dragoman.xmpp.ext.raw_udp import RawUdp
from dragoman.xmpp.failure import Condition
from dragoman.xmpp.parser import parse_document
from tests.xmpp.ext.jingles import ICE, RAW, read, refused

SHA256 = ":".join(["02", "1A", "CC", "54", "27", "AB", "EB", "9C"] * 4)
DTLS = "xmlns='urn:xmpp:jingle:apps:dtls:0'"
HOST = (
    "<candidate component='1' foundation='1' generation='0' id='or2ii2syr1' ip='192.0.2.1'"
    " network='0' port='3478' priority='2130706431' protocol='udp' type='host'/>"
)
CANDIDATE = Candidate(*("1", 1, "udp", 2130706431, "192.0.2.1", 3478, "host"), id="or2ii2syr1")


def transport(
    inner: str = "", attributes: str = "pwd='YH75Fviy6338Vbrhrlp8Yh' ufrag='9uB6'"
) -> str:
    return (
        f"<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' {attributes}>{inner}</transport>"
    )


NAMED = IceUdp("9uB6", "YH75Fviy6338Vbrhrlp8Yh")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (transport("", ""), IceUdp()),
        (transport(), NAMED),
        (transport(HOST), IceUdp(NAMED.ufrag, NAMED.pwd, (CANDIDATE,))),
        (
            transport(
                f"<fingerprint {DTLS} hash='sha-256' setup='actpass'>{SHA256}</fingerprint>{HOST}"
            ),
            IceUdp(
                NAMED.ufrag,
                NAMED.pwd,
                (CANDIDATE,),
                (Fingerprint("sha-256", SHA256, "actpass"),),
            ),
        ),
        (
            transport("<remote-candidate component='1' ip='10.0.1.2' port='9001'/>"),
            IceUdp(NAMED.ufrag, NAMED.pwd, chosen=((1, "10.0.1.2", 9001),)),
        ),
        (transport("<gathering-complete/>"), IceUdp(NAMED.ufrag, NAMED.pwd, complete=True)),
    ],
    ids=["nothing", "credentials", "a candidate", "a fingerprint", "a choice", "the end"],
)
def test_examples(text: str, expected: IceUdp) -> None:
    element = read(text)
    assert IceUdp.parse(element) == expected
    assert expected.element() == element


MDNS = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"
OLD = "component='1' ip='192.0.2.1' port='3478' priority='1'"
ODD = (
    "component='2' foundation='Hc0a80102+/=' ip='2001:db8::1' port='9' priority='21149780477'"
    " protocol='UDP' type='relay' rel-addr='::' generation='' network='' id=''"
)
HIDDEN = (
    f"component='1' foundation='2' ip='{MDNS}' port='54596' priority='1' protocol='udp' type='host'"
    " rel-addr='' rel-port='' tcptype='passive'"
)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (OLD, Candidate("0", 1, "udp", 1, "192.0.2.1", 3478, "host")),
        (
            ODD,
            Candidate("Hc0a80102+/=", 2, "UDP", 2**31 - 1, "2001:db8::1", 9, "relay", ("::", 0)),
        ),
        (HIDDEN, Candidate("2", 1, "udp", 1, MDNS, 54596, "host")),
    ],
)
def test_candidates_as_clients_write_them(attributes: str, expected: Candidate) -> None:
    element = read(transport(f"<candidate {attributes}/>"))
    assert IceUdp.parse(element).candidates == (expected,)


@pytest.mark.parametrize(
    ("attributes", "value", "expected"),
    [
        ("hash='SHA-256'", "\n  ab:cd\n  ", Fingerprint("sha-256", "AB:CD")),
        ("hash='sha-1' setup='Active'", "AB", Fingerprint("sha-1", "AB", "active")),
        ("hash='sha-1' setup='both&#10;'", "AB", Fingerprint("sha-1", "AB")),
        ("hash='sha-1' required='true'", "AB", Fingerprint("sha-1", "AB")),
    ],
)
def test_fingerprints_as_clients_write_them(
    attributes: str, value: str, expected: Fingerprint
) -> None:
    element = read(transport(f"<fingerprint {DTLS} {attributes}>{value}</fingerprint>"))
    assert IceUdp.parse(element).fingerprints == (expected,)


def test_the_end_of_candidates_in_the_namespace_of_xep_0371() -> None:
    text = "<gathering-complete xmlns='urn:xmpp:jingle:transports:ice:0'/>"
    assert IceUdp.parse(read(transport(text))).complete


def test_what_is_unknown_is_passed_over() -> None:
    text = "<trickle xmlns='http://gultsch.de/xmpp/drafts/jingle/transports/ice-udp/option'/><a/>"
    assert IceUdp.parse(read(transport(text))) == NAMED


@pytest.mark.parametrize(
    ("one", "most"),
    [
        (HOST, MOST),
        ("<remote-candidate component='1' ip='10.0.1.2' port='9001'/>", MOST),
        (f"<fingerprint {DTLS} hash='sha-1'>AB</fingerprint>", jingle_dtls.MOST),
    ],
)
def test_too_much_is_refused(one: str, most: int) -> None:
    IceUdp.parse(read(transport(one * most)))
    element = read(transport(one * (most + 1)))
    assert refused(lambda: IceUdp.parse(element)) is Condition.RESOURCE_CONSTRAINT


def test_too_many_raw_candidates_are_refused() -> None:
    one = "<candidate ip='192.0.2.1' port='1'/>"
    before = "<transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'>"
    RawUdp.parse(read(f"{before}{one * raw_udp.MOST}</transport>"))
    element = read(f"{before}{one * (raw_udp.MOST + 1)}</transport>")
    assert refused(lambda: RawUdp.parse(element)) is Condition.RESOURCE_CONSTRAINT


@settings(max_examples=50)
@given(ICE)
def test_what_is_printed_reads_alike(value: IceUdp) -> None:
    element = value.element()
    assert IceUdp.parse(element) == value
    assert parse_document(to_xml(element).encode()) == element


@given(RAW)
def test_raw_ways_read_alike(value: RawUdp) -> None:
    assert RawUdp.parse(value.element()) == value
