"""Transports of Jingle in session descriptions, and back (XEP-0176, XEP-0177, XEP-0320)."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given

from dragoman.mapping import transport
from dragoman.sdp import ice
from dragoman.sdp.session import Attribute, Media, SessionDescription
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle_dtls import Fingerprint
from dragoman.xmpp.ext.jingle_ice import Candidate, IceUdp
from dragoman.xmpp.ext.raw_udp import RawCandidate, RawUdp
from tests.xmpp.ext.jingles import ICE

HOST: Final = Candidate("1", 1, "udp", 2130706431, "10.0.1.1", 8998, "host")
REFLEXIVE: Final = Candidate(
    "2", 1, "udp", 1694498815, "192.0.2.3", 45664, "srflx", ("10.0.1.1", 8998)
)
RELAYED: Final = Candidate("3", 1, "udp", 16777215, "192.0.2.9", 50000, "relay", ("192.0.2.3", 1))


def lines(each: IceUdp | RawUdp) -> list[str]:
    return [str(line) for line in transport.attributes(each)]


def told(*lines_: str, port: int = 9, host: str = "0.0.0.0") -> IceUdp | RawUdp:  # noqa: S104
    text = f"c=IN IP4 {host}\r\nm=audio {port} RTP/AVP 0\r\n"
    said = SessionDescription.parse((text + "".join(f"a={each}\r\n" for each in lines_)).encode())
    return transport.transport(said, said.media[0])


@pytest.mark.spec("MED-09")
@pytest.mark.parametrize(
    ("candidate", "line"),
    [
        (HOST, "1 1 udp 2130706431 10.0.1.1 8998 typ host"),
        (REFLEXIVE, "2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998"),
        (RELAYED, "3 1 udp 16777215 192.0.2.9 50000 typ relay raddr 192.0.2.3 rport 1"),
        (replace(HOST, ip="2001:db8::9:1"), "1 1 udp 2130706431 2001:db8::9:1 8998 typ host"),
        (replace(HOST, foundation="a/b+c"), "a/b+c 1 udp 2130706431 10.0.1.1 8998 typ host"),
    ],
)
def test_a_candidate_is_a_line(candidate: Candidate, line: str) -> None:
    (said,) = transport.into_sdp([candidate])
    assert str(said) == line
    (back,) = transport.into_jingle([ice.Candidate.parse(line)])
    assert replace(back, id="") == candidate


def test_what_only_sdp_knows_of_a_candidate_is_left_out() -> None:
    text = "1 1 UDP 1 192.0.2.1 5000 typ host generation 3 network-id 1 ufrag x"
    (found,) = transport.into_jingle([ice.Candidate.parse(text)], 2)
    assert found == Candidate("1", 1, "udp", 1, "192.0.2.1", 5000, "host", None, 2, 0, found.id)


def test_candidates_of_tcp_do_not_cross() -> None:
    assert list(transport.into_sdp([replace(HOST, protocol="TCP"), HOST])) == [
        ice.Candidate("1", 1, "udp", 2130706431, "10.0.1.1", 8998, "host")
    ]
    text = "1 1 tcp 1 192.0.2.1 9 typ host tcptype active"
    assert list(transport.into_jingle([ice.Candidate.parse(text)])) == []


def test_ids_are_of_one_candidate_each() -> None:
    first = list(transport.into_jingle([*transport.into_sdp([HOST, REFLEXIVE])]))
    later = list(transport.into_jingle([*transport.into_sdp([HOST, REFLEXIVE])], 1))
    assert len({each.id for each in first + later}) == 4


@pytest.mark.spec("MED-09")
def test_credentials_and_what_is_chosen() -> None:
    each = IceUdp("8hhy", "asd88fgpdd777uzjYhagZg", chosen=((1, "10.0.1.2", 9001),), complete=True)
    assert lines(each) == [
        "ice-ufrag:8hhy",
        "ice-pwd:asd88fgpdd777uzjYhagZg",
        "end-of-candidates",
        "remote-candidates:1 10.0.1.2 9001",
    ]
    assert told(*lines(each)) == each


@pytest.mark.spec("MED-32")
def test_ice_begins_anew_and_dtls_goes_on() -> None:
    before = IceUdp(
        *("8hhy", "asd88fgpdd777uzjYhagZg", (HOST, REFLEXIVE)),
        *((Fingerprint("sha-1", "AB", "active"),), ((1, "10.0.1.2", 9001),), True),
    )
    said = (Attribute("mid", "voice"), *transport.attributes(before))
    media = Media("audio", 45664, "UDP/TLS/RTP/SAVPF", ("0",), attributes=said)
    found = transport.moved(media, IceUdp("9uB6", "YH75", (HOST,)))
    assert list(found.lines()) == [
        "m=audio 8998 UDP/TLS/RTP/SAVPF 0",
        "c=IN IP4 10.0.1.1",
        "a=mid:voice",
        "a=fingerprint:sha-1 AB",
        "a=setup:active",
        "a=ice-ufrag:9uB6",
        "a=ice-pwd:YH75",
        "a=candidate:1 1 udp 2130706431 10.0.1.1 8998 typ host",
    ]
    (candidate,) = transport.ice_udp(SessionDescription(media=(found,)), found, 1).candidates
    assert (candidate.generation, candidate.foundation) == (1, "1")
    assert transport.moved(found, IceUdp("u", "p")).port == 9


@pytest.mark.parametrize("half", [IceUdp("u"), IceUdp("", "p")])
def test_half_of_the_credentials_is_none(half: IceUdp) -> None:
    assert lines(half) == []


@pytest.mark.spec("MED-08")
@pytest.mark.parametrize(
    ("setup", "said"),
    [
        ("active", ["setup:active"]),
        ("passive", ["setup:passive"]),
        ("actpass", ["setup:actpass"]),
        ("holdconn", []),
        ("", []),
    ],
)
def test_who_begins_with_dtls(setup: str, said: list[str]) -> None:
    two = (Fingerprint("sha-256", "AB:CD", setup), Fingerprint("SHA-1", "ab:cd", setup))
    each = IceUdp(fingerprints=two)
    assert lines(each) == ["fingerprint:sha-256 AB:CD", "fingerprint:sha-1 AB:CD", *said]
    known = setup if said else ""
    expected = (Fingerprint("sha-256", "AB:CD", known), Fingerprint("sha-1", "AB:CD", known))
    assert told(*lines(each), f"setup:{setup}") == IceUdp(fingerprints=expected)


def test_what_is_said_of_the_session_is_said_of_each_stream() -> None:
    session = tuple(
        map(Attribute.parse, ("ice-ufrag:u", "ice-pwd:p", "fingerprint:sha-1 AB", "setup:active"))
    )
    media = Media("audio", 9, "UDP/TLS/RTP/SAVPF", ("0",))
    found = transport.transport(SessionDescription(attributes=session, media=(media,)), media)
    assert found == IceUdp("u", "p", fingerprints=(Fingerprint("sha-1", "AB", "active"),))


@pytest.mark.parametrize(
    ("each", "place"),
    [
        (IceUdp("u", "p", (HOST, RELAYED, REFLEXIVE)), ("192.0.2.9", 50000)),
        (IceUdp("u", "p", (HOST, REFLEXIVE)), ("192.0.2.3", 45664)),
        (IceUdp("u", "p", (HOST,)), ("10.0.1.1", 8998)),
        (IceUdp("u", "p", (replace(HOST, ip="x.local"), replace(HOST, port=0))), ("", 9)),
        (IceUdp("u", "p", (replace(HOST, component=2),)), ("", 9)),
        (IceUdp("u", "p"), ("", 9)),
        (RawUdp((RawCandidate(2, "192.0.2.1", 5001),)), ("", 9)),
        (RawUdp((RawCandidate(1, "192.0.2.1", 0),)), ("", 9)),
        (
            RawUdp((RawCandidate(1, "192.0.2.1", 5000), RawCandidate(1, "192.0.2.2", 6000, 1))),
            ("192.0.2.2", 6000),
        ),
        (Element("{urn:x}transport"), ("", 9)),
        (None, ("", 9)),
    ],
)
def test_where_media_go(each: IceUdp | RawUdp | Element | None, place: tuple[str, int]) -> None:
    assert transport.place(each) == place


RAW: Final = RawUdp(
    (RawCandidate(1, "192.0.2.1", 5000, id="r1"), RawCandidate(2, "192.0.2.1", 5001, id="r2"))
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((), RAW),
        (("rtcp:5001",), RAW),
        (("rtcp:x",), RAW),
        (("rtcp-mux",), RawUdp(RAW.candidates[:1])),
        (
            ("rtcp:6001 IN IP4 192.0.2.7",),
            RawUdp((RAW.candidates[0], RawCandidate(2, "192.0.2.7", 6001, id="r2"))),
        ),
        (("ice-ufrag:u", "ice-pwd:p"), IceUdp("u", "p")),
    ],
)
def test_an_address_without_ice_is_not_tried_out(
    said: tuple[str, ...], expected: IceUdp | RawUdp
) -> None:
    assert told(*said, port=5000, host="192.0.2.1") == expected


def test_nowhere_is_no_address() -> None:
    assert told(port=5000) == IceUdp()
    assert told(port=9, host="192.0.2.1") == IceUdp()
    assert told(port=65535, host="192.0.2.1") == RawUdp(
        (RawCandidate(1, "192.0.2.1", 65535, id="r1"),)
    )


@pytest.mark.spec("MED-09")
@given(ICE)
def test_transports_round_trip(each: IceUdp) -> None:
    udp = tuple(
        replace(candidate, protocol="udp", network=0, generation=0, id="", type="host")
        for candidate in each.candidates
    )
    named = bool(each.ufrag and each.pwd)
    setups = {print_.setup for print_ in each.fingerprints} - {"", "holdconn"}
    setup = next((f.setup for f in each.fingerprints if f.setup in setups), "")
    expected = IceUdp(
        each.ufrag if named else "",
        each.pwd if named else "",
        udp,
        tuple(replace(print_, setup=setup) for print_ in each.fingerprints),
        each.chosen,
        each.complete,
    )
    found = told(*lines(replace(each, candidates=udp)))
    assert isinstance(found, IceUdp)
    assert len({candidate.id for candidate in found.candidates}) == len(udp)
    nameless = tuple(replace(candidate, id="") for candidate in found.candidates)
    assert replace(found, candidates=nameless) == expected
