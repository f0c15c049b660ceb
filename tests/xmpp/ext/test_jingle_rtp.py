"""Jingle RTP (XEP-0167) and what may be in it (XEP-0262, XEP-0293, XEP-0294, XEP-0339)."""

import pytest
from hypothesis import given, settings

from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext import rtcp_fb, rtp_hdrext, ssma
from dragoman.xmpp.ext.jingle_rtp import (
    MOST_BANDWIDTHS,
    MOST_CRYPTOS,
    MOST_PARAMETERS,
    MOST_PAYLOAD_TYPES,
    Bandwidth,
    Crypto,
    Encryption,
    Info,
    Parameter,
    PayloadType,
    Rtp,
    SessionInfo,
)
from dragoman.xmpp.ext.rtcp_fb import Feedback
from dragoman.xmpp.ext.rtp_hdrext import HeaderExtension
from dragoman.xmpp.ext.senders import Creator, Senders
from dragoman.xmpp.ext.ssma import Source, SourceGroup
from dragoman.xmpp.ext.zrtp import ZrtpHash
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.parser import parse_document
from tests.xmpp.ext.jingles import DESCRIPTIONS, SESSION_INFOS, description, read, refused

FB = "xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0'"
HDREXT = "xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0'"
SSMA = "xmlns='urn:xmpp:jingle:apps:rtp:ssma:0'"
MSID = "MLTJKIHilGn71fNQoszkQ4jlPTuS5vJyKVIv MLTJKIHilGn71fNQoszkQ4jlPTuS5vJyKVIva0"

EXAMPLES = {
    "speex with parameters, XEP-0167 §6": (
        description(
            "<payload-type id='96' name='speex' clockrate='16000' ptime='40' maxptime='60'>"
            "<parameter name='vbr' value='on'/><parameter name='cng' value='on'/></payload-type>"
        ),
        Rtp(
            "audio",
            (
                PayloadType(
                    *(96, "speex", 16000, 1, 40, 60),
                    parameters=(Parameter("vbr", "on"), Parameter("cng", "on")),
                ),
            ),
        ),
    ),
    "theora, XEP-0167 §6": (
        description(
            "<payload-type id='98' name='theora' clockrate='90000'>"
            "<parameter name='height' value='720'/><parameter name='sampling' value='YCbCr-4:2:2'/>"
            "</payload-type><bandwidth type='AS'>128</bandwidth>",
            "media='video'",
        ),
        Rtp(
            "video",
            (
                PayloadType(
                    *(98, "theora", 90000),
                    parameters=(Parameter("height", "720"), Parameter("sampling", "YCbCr-4:2:2")),
                ),
            ),
            bandwidths=(Bandwidth("AS", "128"),),
        ),
    ),
    "keys, XEP-0167 §7": (
        description(
            "<encryption required='1'><crypto crypto-suite='AES_CM_128_HMAC_SHA1_80'"
            " key-params='inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:32'"
            " session-params='KDR=1 UNENCRYPTED_SRTCP' tag='1'/></encryption>"
        ),
        Rtp(
            "audio",
            encryption=Encryption(
                (
                    Crypto(
                        "1",
                        "AES_CM_128_HMAC_SHA1_80",
                        "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:32",
                        "KDR=1 UNENCRYPTED_SRTCP",
                    ),
                ),
                required=True,
            ),
        ),
    ),
    "no keys wanted, XEP-0167 §11.3": (
        description("<encryption/>"),
        Rtp("audio", encryption=Encryption(())),
    ),
    "RTCP beside RTP": (description("<rtcp-mux/>"), Rtp("audio", mux=True)),
    "a source": (description("", "media='audio' ssrc='7'"), Rtp("audio", ssrc="7")),
    "feedback, XEP-0293 §3": (
        description(
            f"<rtcp-fb {FB} type='nack' subtype='pli'/>"
            f"<payload-type id='96' name='H264' clockrate='90000'>"
            f"<rtcp-fb-trr-int {FB} value='100'/><rtcp-fb {FB} type='nack' subtype='sli'/>"
            f"</payload-type><payload-type id='34' name='H263' clockrate='90000'/>",
            "media='video'",
        ),
        Rtp(
            "video",
            (
                PayloadType(
                    *(96, "H264", 90000),
                    feedback=(Feedback("trr-int", "100"), Feedback("nack", "sli")),
                ),
                PayloadType(34, "H263", 90000),
            ),
            feedback=(Feedback("nack", "pli"),),
        ),
    ),
    "feedback with parameters, XEP-0293 §4": (
        description(
            f"<rtcp-fb {FB} type='ccm' subtype='tmmbr'><parameter name='smaxpr' value='120'/>"
            f"<parameter name='a'/></rtcp-fb>"
        ),
        Rtp("audio", feedback=(Feedback("ccm", "tmmbr", (("smaxpr", "120"), ("a", ""))),)),
    ),
    "header extensions, XEP-0294 §5": (
        description(
            f"<rtp-hdrext {HDREXT} id='1' uri='URI-toffset'/>"
            f"<rtp-hdrext {HDREXT} id='2' uri='URI-gps-string' senders='initiator'/>"
            f"<rtp-hdrext {HDREXT} id='3' uri='URI-frametype'/><extmap-allow-mixed {HDREXT}/>",
            "media='video'",
        ),
        Rtp(
            "video",
            header_extensions=(
                HeaderExtension(1, "URI-toffset"),
                HeaderExtension(2, "URI-gps-string", Senders.INITIATOR),
                HeaderExtension(3, "URI-frametype"),
            ),
            allow_mixed=True,
        ),
    ),
    "an offer of more header extensions than there are numbers, XEP-0294 §3": (
        description(
            f"<rtp-hdrext {HDREXT} uri='urn:ietf:params:rtp-hdrext:ntp-64' id='4907'/>"
            f"<rtp-hdrext {HDREXT} uri='urn:ietf:params:rtp-hdrext:ntp-56' id='4907'>"
            f"<parameter name='a' value='b'/></rtp-hdrext>"
        ),
        Rtp(
            "audio",
            header_extensions=(
                HeaderExtension(4907, "urn:ietf:params:rtp-hdrext:ntp-64"),
                HeaderExtension(
                    4907, "urn:ietf:params:rtp-hdrext:ntp-56", parameters=(("a", "b"),)
                ),
            ),
        ),
    ),
    "sources, XEP-0339 §2.1": (
        description(
            f"<source ssrc='1656081975' {SSMA}><parameter name='cname' value='Yv/wvbCdsDW2Prgd'/>"
            f"<parameter name='msid' value='{MSID}'/><parameter name='previous-ssrc'/></source>"
        ),
        Rtp(
            "audio",
            sources=(
                Source(
                    1656081975,
                    (("cname", "Yv/wvbCdsDW2Prgd"), ("msid", MSID), ("previous-ssrc", None)),
                ),
            ),
        ),
    ),
    "groups of sources, XEP-0339 §2.2": (
        description(
            f"<payload-type id='100' name='VP8' clockrate='90000'/>"
            f"<ssrc-group {SSMA} semantics='FID'><source ssrc='2301230316'/>"
            f"<source ssrc='386328120'/></ssrc-group>"
            f"<source {SSMA} ssrc='2301230316'><parameter name='cname' value='T5qv'/></source>",
            "media='video'",
        ),
        Rtp(
            "video",
            (PayloadType(100, "VP8", 90000),),
            sources=(Source(2301230316, (("cname", "T5qv"),)),),
            source_groups=(SourceGroup("FID", (2301230316, 386328120)),),
        ),
    ),
    "ZRTP, XEP-0262 §1": (
        description(
            "<encryption required='1'><zrtp-hash xmlns='urn:xmpp:jingle:apps:rtp:zrtp:1'"
            " version='1.10'>fe30efd02423</zrtp-hash></encryption>"
        ),
        Rtp("audio", encryption=Encryption((), True, (ZrtpHash("1.10", "fe30efd02423"),))),
    ),
}


@pytest.mark.parametrize(("text", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_examples(text: str, expected: Rtp) -> None:
    element = read(text)
    assert Rtp.parse(element) == expected
    assert expected.element() == element


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<payload-type id='0'/>", PayloadType(0)),
        ("<payload-type id='0' clockrate='0' channels='0' ptime='0'/>", PayloadType(0)),
        ("<payload-type id='0' clockrate='' channels='' name=''/>", PayloadType(0)),
        ("<payload-type id=' 9 ' clockrate='08000'/>", PayloadType(9, clockrate=8000)),
        (
            "<payload-type id='0' xmlns:x='urn:x' x:a='b'><x:c/></payload-type>",
            PayloadType(0),
        ),
        (
            "<payload-type id='101'><parameter name='' value='0-16'/></payload-type>",
            PayloadType(101, parameters=(Parameter("", "0-16"),)),
        ),
        (
            "<payload-type id='101'><parameter value='0-16'/></payload-type>",
            PayloadType(101, parameters=(Parameter("", "0-16"),)),
        ),
        (
            "<payload-type id='111'><parameter name=' useinbandfec' value='1 '/></payload-type>",
            PayloadType(111, parameters=(Parameter("useinbandfec", "1"),)),
        ),
        (
            f"<payload-type id='0'><rtcp-fb {FB} type='trr-int' subtype='5'/></payload-type>",
            PayloadType(0, feedback=(Feedback("trr-int", "5"),)),
        ),
    ],
)
def test_what_clients_leave_out_or_write_otherwise(text: str, expected: PayloadType) -> None:
    (found,) = Rtp.parse(read(description(text))).payload_types
    assert found == expected


def test_what_movim_writes_in_the_words_of_sdp() -> None:
    said = (
        "<bandwidth type='AS' value='30'/>"
        f"<rtp-hdrext {HDREXT} id='14' uri='URI-toffset' senders='recvonly'/>"
    )
    found = Rtp.parse(read(description(said)))
    assert found.bandwidths == (Bandwidth("AS", "30"),)
    extension = HeaderExtension(14, "URI-toffset")
    assert found.header_extensions == (extension,)


@pytest.mark.parametrize("text", ["true", "1", " true "])
def test_encryption_is_required(text: str) -> None:
    found = Rtp.parse(read(description(f"<encryption required='{text}'/>")))
    assert found.encryption == Encryption((), required=True)


@pytest.mark.parametrize("text", ["false", "0", "", "yes"])
def test_encryption_is_not_required(text: str) -> None:
    found = Rtp.parse(read(description(f"<encryption required='{text}'/>")))
    assert found.encryption == Encryption(())


def test_a_payload_type_says_nothing_that_goes_without_saying() -> None:
    assert PayloadType(0).element().attributes == {"id": "0"}
    assert PayloadType(0, "PCMU", 8000, 2).element().get("channels") == "2"


CRYPTO = "<crypto tag='1' crypto-suite='a' key-params='b'/>"


@pytest.mark.parametrize(
    ("before", "one", "after", "most"),
    [
        ("", "<payload-type id='0'/>", "", MOST_PAYLOAD_TYPES),
        ("<payload-type id='0'>", "<parameter name='a'/>", "</payload-type>", MOST_PARAMETERS),
        ("", "<bandwidth type='AS'>1</bandwidth>", "", MOST_BANDWIDTHS),
        ("<encryption>", CRYPTO, "</encryption>", MOST_CRYPTOS),
        ("", f"<rtcp-fb {FB} type='nack'/>", "", rtcp_fb.MOST),
        (
            f"<rtcp-fb {FB} type='a'>",
            "<parameter name='a'/>",
            "</rtcp-fb>",
            rtcp_fb.MOST_PARAMETERS,
        ),
        ("", f"<rtp-hdrext {HDREXT} id='1' uri='a'/>", "", rtp_hdrext.MOST),
        ("", f"<source {SSMA} ssrc='1'/>", "", ssma.MOST),
        (
            f"<source {SSMA} ssrc='1'>",
            "<parameter name='a'/>",
            "</source>",
            ssma.MOST_PARAMETERS,
        ),
        ("", f"<ssrc-group {SSMA} semantics='FID'/>", "", ssma.MOST),
        (f"<ssrc-group {SSMA} semantics='FID'>", "<source ssrc='1'/>", "</ssrc-group>", ssma.MOST),
    ],
)
def test_too_much_is_refused(before: str, one: str, after: str, most: int) -> None:
    Rtp.parse(read(description(before + one * most + after)))
    element = read(description(before + one * (most + 1) + after))
    assert refused(lambda: Rtp.parse(element)) is Condition.RESOURCE_CONSTRAINT


@settings(max_examples=50)
@given(DESCRIPTIONS)
def test_what_is_printed_reads_alike(value: Rtp) -> None:
    element = value.element()
    assert Rtp.parse(element) == value
    assert parse_document(to_xml(element).encode()) == element


INFO = "xmlns='urn:xmpp:jingle:apps:rtp:info:1'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((f"<{info} {INFO}/>", SessionInfo(info)) for info in Info),
        (
            f"<mute {INFO} creator='responder' name='voice'/>",
            SessionInfo(Info.MUTE, "voice", Creator.RESPONDER),
        ),
        (f"<unmute {INFO} name='voice'/>", SessionInfo(Info.UNMUTE, "voice")),
    ],
)
def test_what_a_session_info_says(text: str, expected: SessionInfo) -> None:
    element = read(text)
    assert SessionInfo.parse(element) == expected
    assert expected.element() == element


def test_a_session_info_that_nobody_knows_is_not_supported() -> None:
    with pytest.raises(StanzaError) as caught:
        SessionInfo.parse(Element("{urn:xmpp:jingle:apps:rtp:info:1}bored"))
    assert caught.value.application == Element("{urn:xmpp:jingle:errors:1}unsupported-info")


def test_a_session_info_has_no_line_breaks() -> None:
    element = Element("{urn:xmpp:jingle:apps:rtp:info:1}mute", {"name": "a\nb"})
    assert refused(lambda: SessionInfo.parse(element)) is Condition.BAD_REQUEST


@given(SESSION_INFOS)
def test_a_session_info_reads_alike(value: SessionInfo) -> None:
    assert SessionInfo.parse(value.element()) == value
