"""Fuzz target: what a stanza says of a call is refused, or prints and reads alike, and fits SDP.

The input is a document, or else lines, each read as the value of every attribute of SDP. Where a
document is broken, as most edits leave it, its pieces become values of another's attributes.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Final, Protocol, Self, TypeVar
from zlib import crc32

from dragoman.errors import RemoteError
from dragoman.sdp.bundle import Group
from dragoman.sdp.crypto import Crypto, Fingerprint
from dragoman.sdp.extmap import ExtMap
from dragoman.sdp.feedback import Feedback, Rtcp
from dragoman.sdp.ice import Candidate, RemoteCandidate
from dragoman.sdp.session import MAX_LINES
from dragoman.sdp.sources import Source, SourceGroup
from dragoman.xmpp.element import Element, sanitize, to_xml
from dragoman.xmpp.ext import coin, extdisco
from dragoman.xmpp.ext.dtmf import Dtmf
from dragoman.xmpp.ext.extdisco import Service
from dragoman.xmpp.ext.jingle import Jingle, Reason
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import Rtp, SessionInfo
from dragoman.xmpp.ext.jmi import Initiation, initiation
from dragoman.xmpp.ext.raw_udp import RawUdp
from dragoman.xmpp.ext.transfer import Transfer
from dragoman.xmpp.failure import StanzaError, StreamError
from dragoman.xmpp.parser import parse_document

_QUOTE: Final = re.compile("[<>'\"]")
_RTP = (
    "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video' ssrc='7'>"
    "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack' subtype='pli'/>"
    "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1' uri='urn:a' senders='none'>"
    "<parameter name='a' value='b'/></rtp-hdrext>"
    "<payload-type id='98' name='VP8' clockrate='90000' channels='2' ptime='20' maxptime='60'>"
    "<parameter name='a' value='b'/>"
    "<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='100'/></payload-type>"
    "<rtcp-mux/><encryption required='1'><crypto tag='1' crypto-suite='AES_CM_128_HMAC_SHA1_80'"
    " key-params='inline:WVNf|2^20|1:32' session-params='KDR=1 UNENCRYPTED_SRTCP'/>"
    "<zrtp-hash xmlns='urn:xmpp:jingle:apps:rtp:zrtp:1' version='1.10'>fe30ef</zrtp-hash>"
    "</encryption><bandwidth type='AS'>128</bandwidth>"
    "<extmap-allow-mixed xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0'/>"
    "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'><source ssrc='1'/>"
    "</ssrc-group><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'>"
    "<parameter name='msid' value='a b'/><parameter name='c'/></source></description>"
)
_ICE = (
    "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='8hhy' pwd='asd88fgpdd777uzj'>"
    "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AB:CD"
    "</fingerprint><candidate component='1' foundation='1' generation='0' id='a' ip='10.0.1.1'"
    " network='1' port='8998' priority='2130706431' protocol='udp' type='srflx' rel-addr='::'"
    " rel-port='9'/><remote-candidate component='1' ip='10.0.1.2' port='9001'/>"
    "<gathering-complete/></transport>"
)
_RAW = (
    "<transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'><candidate component='1'"
    " generation='0' id='a' ip='10.1.1.104' port='13540'/></transport>"
)
_REASON = "<reason><busy/><text>no</text><a xmlns='urn:a'/></reason>"


def _jingle(inner: str, action: str = "session-initiate") -> bytes:
    return (
        f"<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='s' initiator='a@b/c'>"
        f"{inner}</jingle>"
    ).encode()


def _content(inner: str) -> str:
    return f"<content creator='initiator' name='v' senders='both'>{inner}</content>"


def _message(inner: str) -> bytes:
    return f"<message xmlns='jabber:client' type='chat'>{inner}</message>".encode()


_GROUP = (
    "<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'><content name='v'/></group>"
)
SEEDS: Final = (
    _jingle(_GROUP + _content(_RTP + _ICE) + "<conference-info xmlns='urn:xmpp:coin:1'/>"),
    _jingle(_content(_RAW + "<description xmlns='urn:a'/>")),
    _jingle(_REASON, "session-terminate"),
    _jingle("<mute xmlns='urn:xmpp:jingle:apps:rtp:info:1' creator='responder' name='v'/>"),
    _jingle("<dtmf xmlns='urn:xmpp:jingle:dtmf:0' code='7' duration='400' volume='42'/>"),
    _jingle("<transfer xmlns='urn:xmpp:jingle:transfer:0' from='a@b' sid='6' to='c@d'/>"),
    _message(f"<propose xmlns='urn:xmpp:jingle-message:0' id='i'>{_RTP}</propose>"),
    _message(
        "<finish xmlns='urn:xmpp:jingle-message:0' id='i'><reason xmlns='urn:xmpp:jingle:1'>"
        "<expired/></reason><tie-break/><migrated to='j'/></finish>"
    ),
    (
        b"<iq xmlns='jabber:client'><services xmlns='urn:xmpp:extdisco:2'><service host='a'"
        b" port='9' transport='udp' type='turn' username='u' password='p' restricted='1'/>"
        b"</services></iq>"
    ),
    (
        b"2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998 a b\n"
        b"1 AES_CM_128_HMAC_SHA1_80 inline:WVNf|2^20|1:32 KDR=1 X\n* nack pli\n"
        b"2/recvonly urn:a b=c\n1656081975 cname:a\nFID 1 2\nBUNDLE v w\n9 IN IP4 192.0.2.1\n"
        b"sha-256 AB:CD\n1 192.0.2.3 45664 2 ::1 45665\n"
    ),
)
DOCUMENTS: Final = tuple(each for each in SEEDS if each.startswith(b"<"))
TOKENS: Final = (
    *(b"creator='responder'", b"senders='initiator'", b"action='session-info'", b"name='a b'"),
    *(b"<payload-type id='127'/>", b"<candidate ", b"<parameter name='' value='0-15'/>", b"&#10;"),
    *(b"&#13;a=b", b"&#x2028;", b"'trr-int'", b"<bored/>", b"<reason>", b"</content><content>"),
    *(b" typ ", b" raddr ", b"/sendonly", b"/inactive ", b" IN IP6 ::", b"inline:", b"4294967295"),
)


class Printable(Protocol):
    """What prints itself as an element."""

    def element(self) -> Element: ...


class Attribute(Protocol):
    """What reads and prints the value of an attribute of SDP."""

    @classmethod
    def parse(cls, text: str) -> Self: ...


P = TypeVar("P", bound=Printable)
ATTRIBUTES: Final[tuple[type[Attribute], ...]] = (
    *(Candidate, Crypto, ExtMap, Feedback, Fingerprint, Group, Rtcp, Source, SourceGroup),
)

LINES: Final = MAX_LINES // len(ATTRIBUTES)
"""A description has so many attributes, and each is read as one thing only."""


def one_input(data: bytes) -> None:
    if not data.startswith(b"<"):
        for line in data.decode(errors="replace").splitlines()[:LINES]:
            _line(line)
        return
    try:
        document = parse_document(data)
    except StreamError:
        document = _spoilt(data)
    for element in (document, *document.elements):
        for parse in (_jingle_of, _initiation_of, _description_of, *_PLAIN):
            with suppress(StanzaError):
                parse(element)
    with suppress(StanzaError):
        initiation(document)
    for service in extdisco.services(document):
        _alike(Service.parse, service)
    coin.document(document)


def _spoilt(data: bytes) -> Element:
    """Return the document of a seed with a few pieces of the input in it."""
    number = crc32(data)
    document = parse_document(DOCUMENTS[number % len(DOCUMENTS)])
    places = [each for each in _all(document) if each.attributes or each.text]
    for piece in _QUOTE.split(sanitize(data.decode(errors="replace")))[number % 7 :: 7][:3]:
        element = places[crc32(piece.encode()) % len(places)]
        names = (*element.attributes, "")
        name = names[(number >> 8) % len(names)]
        if name:
            element.attributes[name] = piece
        elif element.text:
            element.children = [piece]
    return document


def _all(element: Element) -> Iterator[Element]:
    yield element
    for each in element.elements:
        yield from _all(each)


def _alike(parse: Callable[[Element], P], value: P) -> None:
    """Assert that a value reads alike when it is printed, on the wire as well."""
    element = parse_document(to_xml(value.element()).encode())
    assert parse(element) == value, (value, element)


def _jingle_of(element: Element) -> None:
    said = Jingle.parse(element)
    _alike(Jingle.parse, said)
    coin.is_focus(said)
    for content in said.contents:
        for part in (content.description, content.transport):
            if isinstance(part, Rtp | IceUdp | RawUdp):
                _fits(part)
    for group in said.groups:
        _fits(group)
    if said.info is not None:
        for parse in _PLAIN:
            with suppress(StanzaError):
                parse(said.info)


def _initiation_of(element: Element) -> None:
    said = Initiation.parse(element)
    _alike(Initiation.parse, said)
    for description in said.descriptions:
        _fits(description)


def _description_of(element: Element) -> None:
    if element.local_name == "description":
        _alike(Rtp.parse, Rtp.parse(element))


def _plain(parse: Callable[[Element], P], element: Element) -> None:
    _alike(parse, parse(element))


_PLAIN: Final[tuple[Callable[[Element], object], ...]] = (
    *(partial(_plain, Transfer.parse), partial(_plain, SessionInfo.parse)),
    *(partial(_plain, Reason.parse), Dtmf.parse),
)


def _fits(value: object) -> None:
    """Assert that no text of a value breaks the line that it is written on."""
    for text in _texts(value):
        assert len(f"a{text}b".splitlines()) == 1, value


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _texts(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))


def _line(text: str) -> None:
    for kind in ATTRIBUTES:
        try:
            value = kind.parse(text)
        except RemoteError:
            continue
        assert kind.parse(str(value)) == value, (text, value)
    try:
        found = RemoteCandidate.parse_list(text)
    except RemoteError:
        return
    assert RemoteCandidate.parse_list(" ".join(map(str, found))) == found


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
