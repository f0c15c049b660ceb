"""The examples of XEP-0167, 0176, 0293, 0294, 0320, 0338, 0339 and STOX-M, in XML and in SDP."""

from dataclasses import replace
from typing import Final, TypeGuard

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.errors import RemoteError
from dragoman.mapping import call
from dragoman.mapping.call import Layout
from dragoman.sdp.session import Media, SessionDescription
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import Content, Jingle
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import Parameter, Rtp
from dragoman.xmpp.ext.senders import Creator
from tests.xmpp.ext.jingles import CONTENTS, content, description, jingle, read

INITIATOR, RESPONDER = Creator.INITIATOR, Creator.RESPONDER
FEEDBACK: Final = "xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0'"
EXTENSIONS: Final = "xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0'"
SOURCES: Final = "xmlns='urn:xmpp:jingle:apps:rtp:ssma:0'"
ICE: Final = "xmlns='urn:xmpp:jingle:transports:ice-udp:1'"
RAW: Final = "xmlns='urn:xmpp:jingle:transports:raw-udp:1'"


def described(rtp: Rtp, author: Creator = INITIATOR) -> Media:
    """Return the stream that a description is in SDP, written and read."""
    contents = [Content("voice", description=rtp)]
    made = call.description(contents, (), Layout().with_contents(contents), author)
    return SessionDescription.parse(made.encode()).media[0]


def rtp_of(text: str, author: Creator = INITIATOR) -> Rtp:
    """Return what the lines of one stream are in Jingle."""
    said = SessionDescription.parse(text.encode())
    layout = Layout().with_streams(said, author)
    (found,), _ = call.contents(said, layout, author)
    assert isinstance(found.description, Rtp)
    return found.description


def own(media: Media) -> list[str]:
    """Return the lines of a stream but those that every one has."""
    usual = ("a=mid:", "a=sendrecv")
    return [line for line in media.lines() if not line.startswith(usual)]


def fmtp(line: str) -> frozenset[str]:
    """Return a line whose parameters have no order (XEP-0167 §6)."""
    if not line.startswith("a=fmtp:"):
        return frozenset({line})
    head, _, rest = line.partition(" ")
    return frozenset({head, *(word.strip() for word in rest.split(";") if word.strip())})


@pytest.mark.spec("MED-05")
@pytest.mark.parametrize(
    ("inner", "media", "lines"),
    [
        (
            "<payload-type id='13' name='CN'/>",
            "audio",
            ["m=audio 9 RTP/AVP 13", "a=rtpmap:13 CN/8000"],
        ),
        (
            "<payload-type id='96' name='speex' clockrate='16000'/>",
            "audio",
            ["m=audio 9 RTP/AVP 96", "a=rtpmap:96 speex/16000"],
        ),
        (
            (
                "<payload-type id='96' name='speex' clockrate='16000' ptime='40'>"
                "<parameter name='vbr' value='on'/><parameter name='cng' value='on'/>"
                "</payload-type>"
            ),
            "audio",
            [
                "m=audio 9 RTP/AVP 96",
                "a=rtpmap:96 speex/16000",
                "a=ptime:40",
                "a=fmtp:96 vbr=on;cng=on",
            ],
        ),
        (
            (
                "<payload-type id='98' name='theora' clockrate='90000'>"
                "<parameter name='height' value='600'/><parameter name='width' value='800'/>"
                "<parameter name='delivery-method' value='inline'/>"
                "<parameter name='configuration' value='somebase16string'/>"
                "<parameter name='sampling' value='YCbCr-4:2:2'/></payload-type>"
            ),
            "video",
            [
                "m=video 9 RTP/AVP 98",
                "a=rtpmap:98 theora/90000",
                (
                    "a=fmtp:98 sampling=YCbCr-4:2:2; width=800; height=600; delivery-method=inline;"
                    " configuration=somebase16string;"
                ),
            ],
        ),
    ],
)
def test_encodings_of_xep_0167(inner: str, media: str, lines: list[str]) -> None:
    rtp = Rtp.parse(read(description(inner, f"media='{media}'")))
    assert set(map(fmtp, own(described(rtp)))) == set(map(fmtp, lines))
    back = rtp_of("".join(f"{line}\r\n" for line in lines))
    # what was not said is said now, and parameters have no order
    assert set(map(fmtp, own(described(back)))) == set(map(fmtp, lines))


@pytest.mark.spec("MED-05")
def test_the_list_of_encodings_of_xep_0167() -> None:
    inner = (
        "<payload-type id='96' name='speex' clockrate='16000'/>"
        "<payload-type id='97' name='speex' clockrate='8000'/><payload-type id='18' name='G729'/>"
        "<payload-type id='103' name='L16' clockrate='16000' channels='2'/>"
        "<payload-type id='98' name='x-ISAC' clockrate='8000'/>"
        "<payload-type id='102' name='iLBC'/><payload-type id='4' name='G723'/>"
        "<payload-type id='0' name='PCMU' clockrate='16000'/><payload-type id='8' name='PCMA'/>"
        "<payload-type id='13' name='CN'/><rtcp-mux/>"
    )
    rtp = Rtp.parse(read(description(inner)))
    assert own(described(rtp)) == [
        "m=audio 9 RTP/AVP 96 97 18 103 98 102 4 0 8 13",
        "a=rtpmap:96 speex/16000",
        "a=rtpmap:97 speex/8000",
        "a=rtpmap:18 G729/8000",
        "a=rtpmap:103 L16/16000/2",
        "a=rtpmap:98 x-ISAC/8000",
        "a=rtpmap:102 iLBC/8000",
        "a=rtpmap:4 G723/8000",
        "a=rtpmap:0 PCMU/16000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:13 CN/8000",
        "a=rtcp-mux",
    ]


def test_bandwidth_of_xep_0167() -> None:
    inner = "<payload-type id='0'/><bandwidth type='AS'>128</bandwidth>"
    rtp = Rtp.parse(read(description(inner)))
    assert "b=AS:128" in own(described(rtp))
    found = rtp_of("m=audio 9 RTP/AVP 0\r\nb=AS:128\r\n")
    assert found.bandwidths == rtp.bandwidths


KEY: Final = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:32"
CRYPTO: Final = f"1 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=1 UNENCRYPTED_SRTCP"


@pytest.mark.spec("MED-07")
def test_keys_of_xep_0167() -> None:
    inner = (
        "<payload-type id='0'/><encryption required='1'>"
        f"<crypto crypto-suite='AES_CM_128_HMAC_SHA1_80' key-params='{KEY}'"
        " session-params='KDR=1 UNENCRYPTED_SRTCP' tag='1'/></encryption>"
    )
    rtp = Rtp.parse(read(description(inner)))
    media = described(rtp)
    assert (media.protocol, media.values("crypto")) == ("RTP/SAVP", (CRYPTO,))
    found = rtp_of(f"m=audio 9 RTP/SAVP 0\r\na=crypto:{CRYPTO}\r\n")
    assert found.encryption == rtp.encryption
    other = rtp_of(f"m=audio 9 RTP/AVP 0\r\na=crypto:{CRYPTO}\r\n")
    assert rtp.encryption is not None
    assert other.encryption == replace(rtp.encryption, required=False)


@pytest.mark.spec("MED-07")
def test_who_has_keys_of_both_kinds_agrees_on_them_by_dtls() -> None:
    inner = description(
        "<payload-type id='0'/><encryption><crypto crypto-suite='AES_CM_128_HMAC_SHA1_80'"
        f" key-params='{KEY}' tag='1'/></encryption>"
    ) + (
        f"<transport {ICE} ufrag='u' pwd='p'>"
        "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-1' setup='actpass'>AB:CD"
        "</fingerprint></transport>"
    )
    media = streams(content(inner)).media[0]
    assert (media.protocol, media.values("crypto")) == ("UDP/TLS/RTP/SAVPF", ())


SLI: Final = (
    f"<rtcp-fb {FEEDBACK} type='nack' subtype='pli'/>"
    "<payload-type id='96' name='H264' clockrate='90000'>"
    f"<rtcp-fb-trr-int {FEEDBACK} value='100'/><rtcp-fb {FEEDBACK} type='nack' subtype='sli'/>"
    "</payload-type><payload-type id='34' name='H263' clockrate='90000'/>"
)
RPSI: Final = (
    f"<rtcp-fb {FEEDBACK} type='nack'/><payload-type id='98' name='H263-1998' clockrate='90000'>"
    f"<rtcp-fb {FEEDBACK} type='nack' subtype='rpsi'/><rtcp-fb-trr-int {FEEDBACK} value='100'/>"
    "</payload-type><payload-type id='99' name='H261' clockrate='90000'/>"
)


@pytest.mark.spec("MED-06")
@pytest.mark.parametrize(
    ("inner", "lines"),
    [
        (
            SLI,
            [
                "m=video 9 RTP/AVPF 96 34",
                "a=rtpmap:96 H264/90000",
                "a=rtcp-fb:96 trr-int 100",
                "a=rtcp-fb:96 nack sli",
                "a=rtpmap:34 H263/90000",
                "a=rtcp-fb:* nack pli",
            ],
        ),
        (
            RPSI,
            [
                "m=video 9 RTP/AVPF 98 99",
                "a=rtpmap:98 H263-1998/90000",
                "a=rtcp-fb:98 nack rpsi",
                "a=rtcp-fb:98 trr-int 100",
                "a=rtpmap:99 H261/90000",
                "a=rtcp-fb:* nack",
            ],
        ),
        (
            (
                f"<rtcp-fb-trr-int {FEEDBACK} value='0'/>"
                "<payload-type id='34' name='H263' clockrate='90000'/>"
            ),
            ["m=video 9 RTP/AVPF 34", "a=rtpmap:34 H263/90000", "a=rtcp-fb:* trr-int 0"],
        ),
        (
            (
                f"<rtp-hdrext {EXTENSIONS} uri='urn:ietf:params:rtp-hdrext:ntp-64' id='4907'/>"
                f"<rtp-hdrext {EXTENSIONS} uri='urn:ietf:params:rtp-hdrext:ntp-56' id='4907'/>"
                "<payload-type id='96' name='THEORA' clockrate='90000'/>"
                f"<extmap-allow-mixed {EXTENSIONS}/>"
            ),
            [
                "m=video 9 RTP/AVP 96",
                "a=rtpmap:96 THEORA/90000",
                "a=extmap:4907 urn:ietf:params:rtp-hdrext:ntp-64",
                "a=extmap:4907 urn:ietf:params:rtp-hdrext:ntp-56",
                "a=extmap-allow-mixed",
            ],
        ),
        (
            (
                "<payload-type id='100' name='VP8' clockrate='90000'/>"
                f"<ssrc-group {SOURCES} semantics='FID'><source ssrc='2301230316'/>"
                "<source ssrc='386328120'/></ssrc-group>"
                f"<source {SOURCES} ssrc='2301230316'>"
                "<parameter name='cname' value='T5qvrIZj42v//eYQ'/></source>"
                f"<source {SOURCES} ssrc='386328120'>"
                "<parameter name='msid' value='MLTJ K4jl'/><parameter name='bare'/></source>"
            ),
            [
                "m=video 9 RTP/AVP 100",
                "a=rtpmap:100 VP8/90000",
                "a=ssrc-group:FID 2301230316 386328120",
                "a=ssrc:2301230316 cname:T5qvrIZj42v//eYQ",
                "a=ssrc:386328120 msid:MLTJ K4jl",
                "a=ssrc:386328120 bare",
            ],
        ),
    ],
)
def test_examples_both_ways(inner: str, lines: list[str]) -> None:
    rtp = Rtp.parse(read(description(inner, "media='video'")))
    assert own(described(rtp)) == lines
    assert rtp_of("".join(f"{line}\r\n" for line in lines)) == rtp


@pytest.mark.spec("MED-06")
def test_directions_of_header_extensions_of_xep_0294() -> None:
    inner = (
        "<payload-type id='31' name='H261' clockrate='90000'/>"
        f"<rtp-hdrext {EXTENSIONS} id='1' uri='URI-toffset'/>"
        f"<rtp-hdrext {EXTENSIONS} id='2' uri='URI-gps-string' senders='initiator'/>"
        f"<rtp-hdrext {EXTENSIONS} id='3' uri='URI-frametype'/><extmap-allow-mixed {EXTENSIONS}/>"
    )
    rtp = Rtp.parse(read(description(inner, "media='video'")))
    media = described(rtp, RESPONDER)
    said = ("1 URI-toffset", "2/recvonly URI-gps-string", "3 URI-frametype")
    assert media.values("extmap") == said
    # said of the whole session, it is said of each stream (§5)
    text = "a=extmap-allow-mixed\r\nm=video 9 RTP/AVP 31\r\n"
    assert rtp_of(text + "".join(f"a=extmap:{each}\r\n" for each in said), RESPONDER) == rtp
    assert described(rtp, INITIATOR).values("extmap")[1] == "2/sendonly URI-gps-string"


def streams(
    *contents: str, groups: str = "", author: Creator = INITIATOR, layout: Layout | None = None
) -> SessionDescription:
    """Return what a session-initiate with these contents is in SDP."""
    said = Jingle.parse(jingle(groups + "".join(contents)))
    places = layout or Layout().with_contents(said.contents)
    made = call.description(said.contents, said.groups, places, author)
    return SessionDescription.parse(made.encode())


AUDIO: Final = description("<payload-type id='0'/>")
VIDEO: Final = description("<payload-type id='34'/>", "media='video'")
WAY: Final = f"<transport {ICE} ufrag='u' pwd='p'/>"


@pytest.mark.spec("MED-06")
@pytest.mark.parametrize("semantics", ["LS", "BUNDLE"])
def test_groups_of_xep_0338(semantics: str) -> None:
    group = (
        f"<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='{semantics}'>"
        "<content name='voice'/><content name='webcam'/></group>"
    )
    voice = content(AUDIO + WAY, "creator='initiator' name='voice'")
    webcam = content(VIDEO + WAY, "creator='initiator' name='webcam'")
    found = streams(voice, webcam, groups=group)
    assert found.value("group") == f"{semantics} voice webcam"
    layout = Layout().with_streams(found, INITIATOR)
    contents, groups = call.contents(found, layout, INITIATOR)
    assert [each.name for each in contents] == ["voice", "webcam"]
    assert groups == (Group(semantics, ("voice", "webcam")),)


@pytest.mark.spec("MED-08")
@pytest.mark.spec("MED-09")
def test_the_way_of_xep_0320() -> None:
    value = "02:1A:CC:54:27:AB:EB:9C:53:3F:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1:7A:03:A2:7D:F9:B0"
    way = (
        f"<transport {ICE} pwd='asd88fgpdd777uzjYhagZg' ufrag='8hhy'>"
        f"<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>{value}"
        "</fingerprint><candidate component='1' foundation='1' generation='0' id='el0747fg11'"
        " ip='10.0.1.1' network='1' port='8998' priority='2130706431' protocol='udp' type='host'/>"
        "<candidate component='1' foundation='2' generation='0' id='y3s2b30v3r' ip='192.0.2.3'"
        " network='1' port='45664' priority='1694498815' protocol='udp' rel-addr='10.0.1.1'"
        " rel-port='8998' type='srflx'/></transport>"
    )
    found = streams(content(AUDIO + way))
    assert [str(line) for line in found.media[0].lines()] == [
        "m=audio 45664 UDP/TLS/RTP/SAVPF 0",
        "c=IN IP4 192.0.2.3",
        "a=mid:voice",
        "a=rtpmap:0 PCMU/8000",
        "a=sendrecv",
        "a=ice-ufrag:8hhy",
        "a=ice-pwd:asd88fgpdd777uzjYhagZg",
        "a=candidate:1 1 udp 2130706431 10.0.1.1 8998 typ host",
        "a=candidate:2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998",
        f"a=fingerprint:sha-256 {value}",
        "a=setup:actpass",
    ]
    layout = Layout().with_streams(found, INITIATOR)
    (back,), _ = call.contents(found, layout, INITIATOR)
    said = Jingle.parse(jingle(content(way))).contents[0].transport
    assert isinstance(back.transport, IceUdp)
    assert isinstance(said, IceUdp)
    assert _anonymous(back.transport) == _anonymous(said)
    assert len({each.id for each in back.transport.candidates}) == 2


def _anonymous(ice: IceUdp) -> IceUdp:
    """Return a transport without what SDP has no room for (docs/interworking/media.md §5)."""
    candidates = tuple(replace(each, id="", network=0) for each in ice.candidates)
    return replace(ice, candidates=candidates)


@pytest.mark.spec("MED-06")
def test_streams_of_xep_0293_by_raw_udp() -> None:
    def way(first: int) -> str:
        return f"<transport {RAW}>" + "".join(
            f"<candidate component='{n + 1}' generation='0' id='a{n}' ip='10.0.1.1'"
            f" port='{first + n}'/>"
            for n in range(2)
        )

    end = "</transport>"
    voice = content(AUDIO + way(49170) + end, "creator='initiator' name='voice'")
    face = content(
        description(RPSI, "media='video'") + way(59172) + end, "creator='initiator' name='face'"
    )
    found = streams(voice, face)
    assert [str(each) for each in found.media] == [
        "audio 49170 RTP/AVP 0",
        "video 59172 RTP/AVPF 98 99",
    ]
    assert [each.value("rtcp") for each in found.media] == [
        "49171 IN IP4 10.0.1.1",
        "59173 IN IP4 10.0.1.1",
    ]
    layout = Layout().with_streams(found, INITIATOR)
    contents, _ = call.contents(found, layout, INITIATOR)
    said = Jingle.parse(jingle(voice + face)).contents
    for one, other in zip(contents, said, strict=True):
        assert one.transport is not None
        assert (one.name, one.senders) == (other.name, other.senders)
    assert contents[1].description == said[1].description


@pytest.mark.spec("MED-04")
def test_the_call_of_stox_m() -> None:
    """Romeo's offer and Juliet's answer, without the errata that docs/interworking has."""
    inner = (
        "<payload-type id='96' name='speex' clockrate='16000'/>"
        "<payload-type id='97' name='speex' clockrate='8000'/>"
        "<payload-type id='18' name='G729' clockrate='8000'/>"
    )
    way = f"<transport {RAW}><candidate component='1' ip='192.0.2.101' port='49172'/></transport>"
    offer = streams(content(description(inner) + way))
    assert str(offer.media[0]) == "audio 49172 RTP/AVP 96 97 18"
    layout = Layout().with_streams(offer, INITIATOR)
    answer = SessionDescription.parse(
        b"v=0\r\no=juliet 1 1 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\n"
        b"m=audio 3456 RTP/AVP 97 18\r\na=rtpmap:97 speex/8000\r\na=rtpmap:18 G729/8000\r\n"
    )
    (accepted,), groups = call.contents(answer, layout, RESPONDER)
    assert (accepted.name, accepted.creator, groups) == ("voice", INITIATOR, ())
    printed = accepted.element()
    expected = (
        "<content creator='initiator' name='voice' senders='both'>"
        + description(
            "<payload-type id='97' name='speex' clockrate='8000'/>"
            "<payload-type id='18' name='G729' clockrate='8000'/>"
        )
        + f"<transport {RAW}><candidate component='1' generation='0' id='r1' ip='192.0.2.3'"
        " port='3456'/><candidate component='2' generation='0' id='r2' ip='192.0.2.3'"
        " port='3457'/></transport></content>"
    )
    wrapped = jingle(expected)
    assert printed == wrapped.elements[0]


TEXT: Final = """<payload-type id='98' name='t140' clockrate='1000'/>
<payload-type id='100' name='red' clockrate='1000'>
<parameter name='fmtp' value='98/98/98'/></payload-type>
<rtt-sync xmlns='urn:xmpp:jingle:apps:rtt-sync:0' role='conversation' source='human'
sync-mode='media-clock' max-skew='500' finality='mixed'/>"""


@pytest.mark.spec("MED-40")
def test_text_of_xep_0517() -> None:
    """§8, whose SDP is that of RFC 4103 §10.1 as well."""
    parsed = Rtp.parse(read(description(TEXT, "media='text'")))
    lines = ["a=rtpmap:98 t140/1000", "a=rtpmap:100 red/1000", "a=fmtp:100 98/98/98"]
    media = described(parsed)
    assert (media.kind, media.protocol, media.formats) == ("text", "RTP/AVP", ("98", "100"))
    assert own(media)[1:] == lines
    said = "\r\n".join(["m=text 11000 RTP/AVP 98 100", "c=IN IP4 192.0.2.1", *lines, ""])
    back = rtp_of(f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n{said}")
    assert back.media == "text"
    named = [(each.id, each.name, each.clockrate) for each in back.payload_types]
    assert named == [(98, "t140", 1000), (100, "red", 1000)]
    assert back.payload_types[1].parameters == (Parameter("pt", "98,98,98"),)
    assert own(described(back))[1:] == lines


def test_text_has_a_clock_of_its_own() -> None:
    """RFC 4103 §6: 1000 Hz, where a client says none."""
    parsed = Rtp.parse(read(description("<payload-type id='98' name='t140'/>", "media='text'")))
    assert "a=rtpmap:98 t140/1000" in own(described(parsed))


# -- what must not get through -----------------------------------------------------------

EVIL: Final = ("a&#10;a=x", "a&#13;&#10;m=audio 1 RTP/AVP 0", "a&#10;", "&#133;", "\u2028")


@pytest.mark.spec("MED-41")
@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    "text",
    [
        description("<payload-type id='96' name='{}'/>"),
        description(
            "<payload-type id='96' name='x'><parameter name='{}' value='1'/></payload-type>"
        ),
        description(
            "<payload-type id='96' name='x'><parameter name='a' value='{}'/></payload-type>"
        ),
        description("<payload-type id='0'/>", "media='{}'"),
        description("<payload-type id='0'/><bandwidth type='{}'>1</bandwidth>"),
        description("<payload-type id='0'/><bandwidth type='AS'>1{}1</bandwidth>"),
        description(f"<payload-type id='0'/><rtcp-fb {FEEDBACK} type='{{}}'/>"),
        description(f"<payload-type id='0'/><rtcp-fb {FEEDBACK} type='a' subtype='{{}}'/>"),
        description(f"<payload-type id='0'/><rtp-hdrext {EXTENSIONS} id='1' uri='{{}}'/>"),
        description(f"<payload-type id='0'/><ssrc-group {SOURCES} semantics='{{}}'/>"),
        description(
            f"<payload-type id='0'/><source {SOURCES} ssrc='1'>"
            "<parameter name='cname' value='{}'/></source>"
        ),
        description(
            "<payload-type id='0'/><encryption><crypto tag='1' crypto-suite='A' key-params='{}'/>"
            "</encryption>"
        ),
        description(
            "<payload-type id='0'/><encryption><crypto tag='1' crypto-suite='A' key-params='k'"
            " session-params='{}'/></encryption>"
        ),
        AUDIO + f"<transport {ICE} ufrag='{{}}' pwd='p'/>",
        AUDIO + f"<transport {ICE} ufrag='u' pwd='{{}}'/>",
        AUDIO + f"<transport {RAW}><candidate component='1' ip='{{}}' port='1'/></transport>",
        AUDIO + f"<transport {ICE} ufrag='u' pwd='p'><candidate component='1' foundation='{{}}'"
        " ip='192.0.2.1' port='1' priority='1' protocol='udp' type='host'/></transport>",
    ],
)
def test_line_breaks_end_a_content_and_not_a_line(text: str, evil: str) -> None:
    with pytest.raises(RemoteError):
        streams(content(text.replace("{}", evil)))


@pytest.mark.spec("MED-41")
@pytest.mark.parametrize("name", ["a b", "a:b", "é", "x" * 300 + "/", "a,b"])
def test_names_that_sdp_cannot_have_are_numbers(name: str) -> None:
    first = content(AUDIO + WAY, f"creator='initiator' name='{name}'")
    second = content(VIDEO + WAY, "creator='initiator' name='0'")
    found = streams(first, second)
    assert [each.value("mid") for each in found.media] == ["0", "1"]
    said = Jingle.parse(jingle(first + second)).contents
    layout = Layout().with_contents(said)
    assert (layout.named("0"), layout.named("1")) == (0, 1)
    assert [layout.index(each) for each in (name, "0", "1")] == [0, 1, None]
    contents, _ = call.contents(found, layout, INITIATOR)
    assert [each.name for each in contents] == [name, "0"]


def called(content_: Content, media: str) -> Content:
    """Return a content that is of a kind that crosses, if it is of RTP at all."""
    rtp = content_.description
    return replace(content_, description=replace(rtp, media=media)) if _is_rtp(rtp) else content_


def _is_rtp(description_: object) -> TypeGuard[Rtp]:
    return isinstance(description_, Rtp)


CALLED: Final = st.builds(called, CONTENTS, st.sampled_from(("audio", "video", "Text", "x")))


@pytest.mark.spec("MED-34")
@pytest.mark.spec("MED-41")
@settings(max_examples=80)
@given(CALLED, CALLED)
def test_whatever_a_client_says_is_a_description(one: Content, other: Content) -> None:
    contents = [one, other]
    layout = Layout().with_contents(contents)
    made = call.description(contents, [Group("BUNDLE", (one.name, other.name))], layout, INITIATOR)
    found = SessionDescription.parse(made.encode())
    assert len(found.media) == len(layout.places)
    mids = [each.value("mid") for each in found.media if each.port]
    assert len(set(mids)) == len(mids)
    # what has been SDP once comes and goes unchanged, but for separators within parameters
    once, groups = call.contents(found, layout, INITIATOR)
    twice = call.description(once, groups, layout, INITIATOR)
    again = call.contents(SessionDescription.parse(twice.encode()), layout, INITIATOR)
    assert (tuple(map(_bare, again[0])), again[1]) == (tuple(map(_bare, once)), groups)


def _bare(content_: Content) -> Content:
    rtp = content_.description
    assert isinstance(rtp, Rtp)
    bare = tuple(replace(each, parameters=()) for each in rtp.payload_types)
    return replace(content_, description=replace(rtp, payload_types=bare))


LINES: Final = [
    *("rtcp-fb:", "rtcp-fb", "crypto:", "crypto:1", "extmap:", "extmap:x y", "ssrc:", "ssrc:q"),
    *("ssrc-group:", "ssrc-group:FID x", "group:", "group", "fingerprint:", "candidate:"),
    *("candidate:1 1 udp x y z typ host", "setup:", "setup:holdconn", "ice-ufrag", "mid:"),
    *(
        "remote-candidates:1",
        "rtcp:x",
        "zrtp-hash:1.10 ab",
        "floorctrl:c-only",
        "ssrc:1" + "9" * 99,
    ),
    *(
        "rtpmap:0",
        "rtpmap:0 PCMU/" + "9" * 30,
        "fmtp:0",
        "extmap:99999999999 u",
        "ptime:" + "9" * 99,
    ),
]


@pytest.mark.spec("MED-34")
@pytest.mark.parametrize("line", LINES)
def test_lines_that_cannot_be_read_break_no_call(line: str) -> None:
    for text in (
        f"a={line}\r\nm=audio 5000 RTP/AVP 0\r\n",
        f"m=audio 5000 RTP/AVP 0\r\na={line}\r\n",
    ):
        said = SessionDescription.parse(text.encode())
        (found,), groups = call.contents(said, Layout().with_streams(said, RESPONDER), RESPONDER)
        assert isinstance(found.description, Rtp)
        assert [each.id for each in found.description.payload_types] == [0]
        assert groups == ()


@pytest.mark.spec("MED-34")
def test_attributes_of_a_session_are_not_multiplied_without_end() -> None:
    lines = "a=fingerprint:sha-1 AB\r\n" * 500 + "a=extmap:1 u\r\n" * 500
    said = SessionDescription.parse((lines + "m=audio 5000 RTP/AVP 0\r\n" * 32).encode())
    contents, _ = call.contents(said, Layout().with_streams(said, RESPONDER), RESPONDER)
    assert len(contents) == 32
    for each in contents:
        assert isinstance(each.transport, IceUdp)
        assert isinstance(each.description, Rtp)
        assert len(each.transport.fingerprints) == 8
        assert len(each.description.header_extensions) == 64
