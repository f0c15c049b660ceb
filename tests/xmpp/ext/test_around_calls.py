"""What goes with calls: XEP-0181, XEP-0215, XEP-0251, XEP-0298, and what clients look for."""

import pytest

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import coin, extdisco, transfer
from dragoman.xmpp.ext.dtmf import LONGEST, Dtmf
from dragoman.xmpp.ext.extdisco import Service
from dragoman.xmpp.ext.jingle import Action, Jingle
from dragoman.xmpp.ext.jingle_features import CALLS
from dragoman.xmpp.ext.transfer import Transfer
from dragoman.xmpp.failure import Condition
from tests.xmpp.ext.jingles import SID, content, jingle, read, refused

STUN = Service("stun", "stun.shakespeare.lit", 9998, "udp")
TURN = Service(
    *("turn", "relay.shakespeare.lit", 9999, "udp"), "nb78932lkjlskjfdb7g8", "jj929jkj5sadjfj93v3n"
)
FTP = Service(
    *("ftp", "ftp.shakespeare.lit", 20, "tcp", "guest", "guest"), name="Shakespearean File Server"
)
LISTED = (
    "<services xmlns='urn:xmpp:extdisco:2'>"
    "<service host='stun.shakespeare.lit' port='9998' transport='udp' type='stun'/>"
    "<service host='relay.shakespeare.lit' password='jj929jkj5sadjfj93v3n' port='9999'"
    " transport='udp' type='turn' username='nb78932lkjlskjfdb7g8'/>"
    "<service host='ftp.shakespeare.lit' name='Shakespearean File Server' password='guest'"
    " port='20' transport='tcp' type='ftp' username='guest'/></services>"
)


def iq(inner: str) -> Element:
    return read(f"<iq xmlns='jabber:client' type='result' id='a'>{inner}</iq>")


def test_services_of_xep_0215() -> None:
    answer = iq(LISTED)
    assert extdisco.services(answer) == (STUN, TURN, FTP)
    assert extdisco.answer((STUN, TURN, FTP)) == answer.elements[0]


def test_questions_of_xep_0215() -> None:
    assert extdisco.query() == read("<services xmlns='urn:xmpp:extdisco:2'/>")
    assert extdisco.query("turn") == read("<services xmlns='urn:xmpp:extdisco:2' type='turn'/>")
    assert extdisco.credentials(Service("turn", "turn.shakespeare.lit", 3478, "udp", "me")) == read(
        "<credentials xmlns='urn:xmpp:extdisco:2'>"
        "<service host='turn.shakespeare.lit' port='3478' type='turn'/></credentials>"
    )


def test_credentials_of_xep_0215() -> None:
    answer = iq(
        "<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.shakespeare.lit' type='turn'"
        " password='p' username='u' expires='2026-11-27T00:00:00Z' restricted='1'/></credentials>"
    )
    (found,) = extdisco.services(answer)
    assert (found.username, found.password, found.restricted) == ("u", "p", True)
    assert found.expires == "2026-11-27T00:00:00Z"
    assert Service.parse(found.element()) == found


def test_services_that_cannot_be_read_or_go_away_are_none() -> None:
    bad = "".join(
        f"<service {each}/>"
        for each in (
            "type='turn'",
            "host='a'",
            "type='turn' host='a b'",
            "type='turn' host='a' port='65536'",
            "type='turn' host='a' action='delete'",
        )
    )
    answer = iq(
        f"<services xmlns='urn:xmpp:extdisco:2'>{bad}<service type='a' host='b'/></services>"
    )
    assert extdisco.services(answer) == (Service("a", "b"),)
    assert extdisco.services(iq("<query xmlns='urn:x'/>")) == ()


def test_services_are_bounded() -> None:
    one = "<service type='a' host='b'/>"
    answer = iq(f"<services xmlns='urn:xmpp:extdisco:2'>{one * 1000}</services>")
    assert len(extdisco.services(answer)) == extdisco.MOST


@pytest.mark.parametrize(("text", "mixes"), [("true", True), ("1", True), ("false", False)])
def test_a_mixer_says_so_in_xep_0298(text: str, mixes: bool) -> None:
    marker = f"<conference-info xmlns='urn:xmpp:coin:1' isfocus='{text}'/>"
    assert coin.is_focus(Jingle.parse(jingle(content() + marker))) is mixes
    strange = "<a xmlns='urn:example:a'/>"
    assert coin.is_focus(Jingle.parse(jingle(content() + strange + marker))) is mixes


@pytest.mark.parametrize("mixes", [True, False])
def test_the_marker_reads_alike(mixes: bool) -> None:
    marker = coin.focus(is_focus=mixes)
    assert coin.is_focus(Jingle(Action.SESSION_INFO, SID, info=marker)) is mixes


def test_most_requests_say_nothing_of_it() -> None:
    assert coin.is_focus(Jingle.parse(jingle(content()))) is None


def test_a_document_of_a_conference() -> None:
    document = Element(coin.DOCUMENT, {"entity": "xmpp:romeo@monague.lit/orchard"})
    iq_ = coin.carrier("a@b/c", "d@e/f", "i1", document)
    assert (iq_.get("type"), iq_.elements) == ("set", [document])
    assert coin.document(iq_) == ("", document)
    about = Element("{urn:xmpp:jingle:1}jingle", {"sid": SID})
    assert coin.document(Element("{jabber:client}iq", {}, [about, document])) == (SID, document)
    assert coin.document(Element("{jabber:client}iq", {}, [document])) == ("", document)
    assert coin.document(Element("{jabber:client}iq")) is None


DTMF = "<dtmf xmlns='urn:xmpp:jingle:dtmf:0' {}/>"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("code='7' duration='400' volume='42'", Dtmf("7", 400, 42)),
        ("code='#'", Dtmf("#")),
        ("code='d' duration='0'", Dtmf("D", 0)),
        ("code='1' duration='4000000000'", Dtmf("1", LONGEST)),
        ("code='*' duration='' volume=''", Dtmf("*")),
    ],
)
def test_keys_of_xep_0181(attributes: str, expected: Dtmf) -> None:
    assert Dtmf.parse(read(DTMF.format(attributes))) == expected


@pytest.mark.parametrize(
    "attributes",
    ["", "code=''", "code='E'", "code='12'", "code='1' duration='x'", "code='1' volume='64'"],
)
def test_what_is_no_key(attributes: str) -> None:
    element = read(DTMF.format(attributes))
    assert refused(lambda: Dtmf.parse(element)) is Condition.BAD_REQUEST


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("to='boss@execs.example.com/phone'", Transfer("boss@execs.example.com/phone")),
        ("from='attendant@example.com/desk'", Transfer("", "attendant@example.com/desk")),
        ("from='a@b' sid='663e9f' to='c@d'", Transfer("c@d", "a@b", "663e9f")),
        ("", Transfer()),
    ],
)  # fmt: skip
def test_transfers_of_xep_0251(attributes: str, expected: Transfer) -> None:
    element = read(f"<transfer xmlns='{transfer.NS}' {attributes}/>")
    assert Transfer.parse(element) == expected
    assert expected.element() == element


@pytest.mark.parametrize("attribute", ["to", "from", "sid"])
def test_a_transfer_has_no_line_breaks(attribute: str) -> None:
    element = Element(transfer.TRANSFER, {attribute: "a@b\r\nc"})
    assert refused(lambda: Transfer.parse(element)) is Condition.BAD_REQUEST


def test_features_are_those_of_the_specification() -> None:
    rtp = "urn:xmpp:jingle:apps:rtp"
    assert {
        *("urn:xmpp:jingle:1", f"{rtp}:1", f"{rtp}:audio", f"{rtp}:video"),
        *("urn:xmpp:jingle:transports:ice-udp:1", "urn:xmpp:jingle:apps:dtls:0"),
        *("urn:xmpp:jingle:apps:grouping:0", f"{rtp}:rtcp-fb:0", f"{rtp}:rtp-hdrext:0"),
        *(f"{rtp}:ssma:0", "urn:xmpp:jingle-message:0", "urn:ietf:rfc:5888", "urn:ietf:rfc:5576"),
        *("urn:xmpp:coin:1", "urn:xmpp:jingle:apps:rtt-sync:rtp-t140:0"),
    } == CALLS
