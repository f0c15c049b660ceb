"""Contents as descriptions and back, the examples of the XEPs first."""

from dataclasses import replace

import pytest

from dragoman.mapping import call, codec, transport
from dragoman.mapping.call import Layout, Place
from dragoman.media import codecs
from dragoman.sdp.grammar import is_token
from dragoman.sdp.session import MAX_MEDIA, Direction, Media, SessionDescription
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import Content
from dragoman.xmpp.ext.jingle_dtls import Fingerprint
from dragoman.xmpp.ext.jingle_ice import Candidate, IceUdp
from dragoman.xmpp.ext.jingle_rtp import Crypto, Encryption, Parameter, PayloadType, Rtp
from dragoman.xmpp.ext.raw_udp import RawCandidate, RawUdp
from dragoman.xmpp.ext.rtcp_fb import Feedback
from dragoman.xmpp.ext.rtp_hdrext import HeaderExtension
from dragoman.xmpp.ext.senders import Creator, Senders
from dragoman.xmpp.ext.ssma import Source, SourceGroup

US, THEM = Creator.RESPONDER, Creator.INITIATOR


def said(*contents: Content, groups: tuple[Group, ...] = ()) -> SessionDescription:
    layout = Layout().with_contents(contents)
    return call.description(contents, groups, layout, THEM)


def told(rtp: Rtp) -> list[str]:
    """Return the lines that one stream is described by."""
    found = said(Content("voice", description=rtp)).media[0]
    return [line for line in found.lines() if not line.startswith(("a=mid", "a=sendrecv"))]


def again(rtp: Rtp) -> Rtp:
    content = Content("voice", description=rtp)
    layout = Layout().with_contents([content])
    (found,), _ = call.contents(call.description([content], (), layout, THEM), layout, THEM)
    assert isinstance(found.description, Rtp)
    return found.description


SPEEX = Rtp(
    "audio",
    (
        PayloadType(96, "speex", 16000, ptime=40),
        PayloadType(97, "speex", 8000),
        PayloadType(18, "G729", 8000),
    ),
)
THEORA = Rtp(
    "video",
    (
        PayloadType(
            98,
            "theora",
            90000,
            parameters=(
                Parameter("height", "600"),
                Parameter("width", "800"),
                Parameter("delivery-method", "inline"),
                Parameter("sampling", "YCbCr-4:2:0"),
            ),
        ),
    ),
)


@pytest.mark.spec("MED-05")
@pytest.mark.parametrize(
    ("rtp", "lines"),
    [
        (
            SPEEX,
            [
                "m=audio 9 RTP/AVP 96 97 18",
                "a=rtpmap:96 speex/16000",
                "a=rtpmap:97 speex/8000",
                "a=rtpmap:18 G729/8000",
                "a=ptime:40",
            ],
        ),
        (
            THEORA,
            [
                "m=video 9 RTP/AVP 98",
                "a=rtpmap:98 theora/90000",
                "a=fmtp:98 height=600;width=800;delivery-method=inline;sampling=YCbCr-4:2:0",
            ],
        ),
        (
            Rtp("audio", (PayloadType(13, "CN", 8000),)),
            ["m=audio 9 RTP/AVP 13", "a=rtpmap:13 CN/8000"],
        ),
        (Rtp("audio", (PayloadType(0),)), ["m=audio 9 RTP/AVP 0", "a=rtpmap:0 PCMU/8000"]),
        (Rtp("audio", (PayloadType(96, "x"),)), ["m=audio 9 RTP/AVP 96", "a=rtpmap:96 x/8000"]),
        (Rtp("video", (PayloadType(96, "x"),)), ["m=video 9 RTP/AVP 96", "a=rtpmap:96 x/90000"]),
    ],
)
def test_descriptions_of_the_xep(rtp: Rtp, lines: list[str]) -> None:
    assert told(rtp) == lines


@pytest.mark.spec("MED-04")
@pytest.mark.parametrize(
    "rtp",
    [
        THEORA,
        Rtp(
            "audio",
            (PayloadType(111, "opus", 48000, 2, 20, 60), PayloadType(8, "PCMA", 8000, 1, 20, 60)),
        ),
        Rtp("audio", (PayloadType(0, "PCMU", 8000),), mux=True),
    ],
)
def test_encodings_come_back_as_they_were(rtp: Rtp) -> None:
    assert again(rtp) == rtp


@pytest.mark.spec("MED-28")
@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ((Parameter("events", "0-16"),), "a=fmtp:101 0-16"),
        ((Parameter("", "0-15"),), "a=fmtp:101 0-15"),
        ((), "a=fmtp:101 0-15"),
    ],
)
def test_events_have_no_name_in_sdp(parameters: tuple[Parameter, ...], line: str) -> None:
    rtp = Rtp("audio", (PayloadType(101, "telephone-event", 8000, parameters=parameters),))
    assert line in told(rtp)
    (found,) = again(rtp).payload_types
    assert found.parameters == (Parameter("events", line.rpartition(" ")[2]),)


def test_a_number_that_is_given_twice_is_the_first_s() -> None:
    """QXmpp offers OPUS by 98 for two channels, and again for one, and only the first is Opus."""
    twice = (PayloadType(98, "OPUS", 48000, 2), PayloadType(98, "OPUS", 48000))
    found = told(Rtp("audio", twice))
    assert found == ["m=audio 9 RTP/AVP 98", "a=rtpmap:98 OPUS/48000/2"]


def test_redundancy_names_what_it_repeats() -> None:
    rtp = Rtp("audio", (PayloadType(99, "red", 8000, parameters=(Parameter("pt", "0,103"),)),))
    assert "a=fmtp:99 0/103" in told(rtp)
    assert again(rtp) == rtp


@pytest.mark.spec("MED-06")
def test_feedback_extensions_sources_and_groups() -> None:
    uri = "urn:ietf:params:rtp-hdrext:toffset"
    rtp = Rtp(
        "video",
        (PayloadType(96, "VP8", 90000, feedback=(Feedback("nack", "pli"), Feedback("nack"))),),
        feedback=(Feedback("trr-int", "100"),),
        header_extensions=(
            HeaderExtension(1, uri),
            HeaderExtension(2, "urn:example", Senders.INITIATOR),
        ),
        allow_mixed=True,
        sources=(
            Source(1, (("cname", "x"), ("ssrc-attribute", None))),
            Source(2, (("cname", "x"),)),
        ),
        source_groups=(SourceGroup("FID", (1, 2)),),
    )
    lines = told(rtp)
    for line in (
        "m=video 9 RTP/AVPF 96",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:* trr-int 100",
        f"a=extmap:1 {uri}",
        "a=extmap:2/sendonly urn:example",
        "a=extmap-allow-mixed",
        "a=ssrc-group:FID 1 2",
        "a=ssrc:1 cname:x",
        "a=ssrc:1 ssrc-attribute",
    ):
        assert line in lines
    assert again(rtp) == rtp


@pytest.mark.spec("MED-06")
def test_groups_by_mid() -> None:
    contents = [
        Content("voice", description=SPEEX, transport=IceUdp("u", "p")),
        Content("the webcam", description=THEORA, transport=IceUdp("u", "p")),
    ]
    group = Group("BUNDLE", ("voice", "the webcam"))
    layout = Layout().with_contents(contents)
    found = call.description(contents, [group], layout, THEM)
    assert found.value("group") == "BUNDLE voice 1"
    assert [each.value("mid") for each in found.media] == ["voice", "1"]
    names, groups = call.contents(found, layout, THEM)
    assert [each.name for each in names] == ["voice", "the webcam"]
    assert groups == (group,)


@pytest.mark.spec("MED-07")
def test_keys_in_the_clear() -> None:
    key = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:32"
    crypto = Crypto("1", "AES_CM_128_HMAC_SHA1_80", key, "KDR=1;UNENCRYPTED_SRTCP")
    rtp = replace(SPEEX, encryption=Encryption((crypto,), required=True))
    lines = told(rtp)
    assert f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {key} KDR=1;UNENCRYPTED_SRTCP" in lines
    assert lines[0] == "m=audio 9 RTP/SAVP 96 97 18"
    assert again(rtp).encryption == rtp.encryption


CANDIDATE = Candidate(
    "1", 1, "udp", 1694498815, "192.0.2.3", 45664, "srflx", ("10.0.1.1", 8998), id="el0747fg11"
)
LINE = "1 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998"


@pytest.mark.spec("MED-08")
@pytest.mark.spec("MED-09")
def test_the_way_of_ice_and_dtls() -> None:
    print_ = Fingerprint("SHA-256", "02:1a:cc", "actpass")
    ice = IceUdp("8hhy", "asd88fgpdd777uzjYhagZg", (CANDIDATE,), (print_,), complete=True)
    content = Content("voice", description=SPEEX, transport=ice)
    found = said(content)
    media = found.media[0]
    assert media.protocol == "UDP/TLS/RTP/SAVPF"
    assert media.value("candidate") == LINE
    assert (media.value("ice-ufrag"), media.value("ice-pwd")) == (ice.ufrag, ice.pwd)
    assert media.value("fingerprint") == "sha-256 02:1A:CC"
    assert (media.value("setup"), media.value("end-of-candidates")) == ("actpass", "")
    back = transport.ice_udp(found, media)
    assert back.fingerprints == (Fingerprint("sha-256", "02:1A:CC", "actpass"),)
    (candidate,) = back.candidates
    assert replace(candidate, id=CANDIDATE.id) == CANDIDATE


def test_candidates_of_tcp_stay_where_they_are() -> None:
    assert list(transport.into_sdp([replace(CANDIDATE, protocol="tcp")])) == []


def test_a_way_that_is_not_tried_out() -> None:
    raw = RawUdp((RawCandidate(1, "192.0.2.7", 5000), RawCandidate(2, "192.0.2.7", 5001)))
    found = said(Content("voice", description=SPEEX, transport=raw)).media[0]
    assert (found.port, found.connections[0].host) == (5000, "192.0.2.7")


@pytest.mark.spec("MED-12")
@pytest.mark.parametrize(
    ("senders", "initiators", "responders"),
    [
        (Senders.BOTH, Direction.SENDRECV, Direction.SENDRECV),
        (Senders.NONE, Direction.INACTIVE, Direction.INACTIVE),
        (Senders.INITIATOR, Direction.SENDONLY, Direction.RECVONLY),
        (Senders.RESPONDER, Direction.RECVONLY, Direction.SENDONLY),
    ],
)
def test_who_sends(senders: Senders, initiators: Direction, responders: Direction) -> None:
    for author, way in ((Creator.INITIATOR, initiators), (Creator.RESPONDER, responders)):
        assert call.direction(senders, author) is way
        assert call.senders(way, author) is senders


@pytest.mark.spec("MED-13")
def test_streams_keep_their_places() -> None:
    contents = [Content("a", description=SPEEX), Content("v", description=THEORA)]
    layout = Layout().with_contents(contents)
    only = call.description(contents[1:], (), layout, THEM)
    assert [(each.kind, each.port) for each in only.media] == [("audio", 0), ("video", 9)]
    more = layout.with_contents([Content("x", description=SPEEX), contents[0]])
    assert [each.name for each in more.places] == ["a", "v", "x"]


@pytest.mark.spec("MED-35")
def test_what_nobody_can_use_is_refused_alone() -> None:
    unknown = Content("x", description=Rtp("audio", (PayloadType(96),)))
    found = said(Content("voice", description=SPEEX), unknown)
    assert [each.port for each in found.media] == [9, 0]


@pytest.mark.spec("MED-34")
def test_lines_that_nobody_knows_are_left_out() -> None:
    text = "m=audio 4000 RTP/AVP 0 200 x\r\na=rtpmap:0 PCMU/8000\r\na=new:thing\r\na=ssrc:q\r\n"
    found = SessionDescription.parse(("v=0\r\n" + text).encode())
    layout = Layout().with_streams(found, US)
    (content,), _ = call.contents(found, layout, US)
    assert isinstance(content.description, Rtp)
    assert content.description.payload_types == (PayloadType(0, "PCMU", 8000),)


def test_streams_are_named_once() -> None:
    media = Media("audio", 1, "RTP/AVP", ("0",))
    found = Layout().with_streams(SessionDescription(media=(media, media)), US)
    assert [each.name for each in found.places] == ["0", "1"]


def test_who_was_not_heard_of_has_what_clients_have() -> None:
    found = call.stand_in([Rtp("audio"), Rtp("video"), Rtp("hologram")])
    names = [[each.name for each in codec.payload_types(media)] for media in found.media]
    assert names[0][:4] == ["opus", "G722", "PCMU", "PCMA"]
    assert names[1] == ["VP8", "H264", "H264"]
    said = [codecs.parameters(found.media[1], number) for number in found.media[1].formats]
    assert [each.get("packetization-mode") for each in said] == [None, "1", "0"]
    assert [each.port for each in found.media] == [9, 9]


@pytest.mark.spec("MED-35")
@pytest.mark.parametrize(
    "strange",
    [
        Content("x", description=replace(SPEEX, media="application")),
        Content("x", description=SPEEX, transport=Element("{urn:x}transport")),
        Content("x", description=Element("{urn:x}description")),
        Content("x"),
    ],
)
def test_what_is_not_known_is_refused_alone(strange: Content) -> None:
    voice = Content("voice", description=SPEEX)
    layout = Layout((Place("voice", THEM, "audio", "voice"), Place("x", THEM, "audio", "x")))
    made = call.description([voice, strange], (), layout, THEM)
    assert [each.port for each in made.media] == [9, 0]
    back, _ = call.contents(made, layout, THEM)
    assert [each.name for each in back] == ["voice"]


def test_a_stream_stays_of_its_kind() -> None:
    layout = Layout().with_contents([Content("voice", description=SPEEX)])
    made = call.description([Content("voice", description=THEORA)], (), layout, US)
    assert [(each.kind, each.port) for each in made.media] == [("audio", 0)]


def test_there_are_only_so_many_streams() -> None:
    contents = [Content(str(n), description=SPEEX) for n in range(40)]
    layout = Layout().with_contents(contents)
    assert len(layout.places) == MAX_MEDIA
    made = call.description(contents, [Group("LS", ("0", "39"))], layout, THEM)
    assert (len(made.media), made.value("group")) == (MAX_MEDIA, "LS 0")
    assert layout.with_contents([Content("new", description=SPEEX)]) == layout
    assert len(call.stand_in([Rtp("audio")] * 40).media) == MAX_MEDIA


def test_names_of_a_description_are_kept_and_used_once() -> None:
    lines = "".join(
        f"m=audio 5000 RTP/AVP 0\r\na=mid:{mid}\r\n" for mid in ("a", "a", "not a token", "3")
    )
    said_ = SessionDescription.parse(lines.encode())
    layout = Layout().with_streams(said_, US)
    names = [each.name for each in layout.places]
    assert names == ["a", "1", "not a token", "3"]
    assert [layout.named(layout.mid(n)) for n in range(4)] == [0, 1, 2, 3]
    assert all(map(is_token, (each.mid for each in layout.places)))


@pytest.mark.spec("MED-13")
@pytest.mark.parametrize(
    ("kinds", "stood", "expected"),
    [
        (("audio", "video"), ("audio", "video"), ["0", "1"]),
        (("video", "audio"), ("audio", "video"), ["1", "0"]),
        (("audio",), ("audio", "video"), ["0", None]),
        (("video",), ("audio", "video"), [None, "0"]),
        (("audio", "text"), ("audio",), ["0", "1"]),
        (("audio", "audio"), ("audio", "video", "audio"), ["0", None, "1"]),
        (("audio", "audio", "video"), ("audio", "audio", "video"), ["0", "1", "2"]),
        (("video",), ("audio", "audio", "video"), [None, None, "0"]),
    ],
)
def test_contents_take_the_places_of_what_stood_for_them(
    kinds: tuple[str, ...], stood: tuple[str, ...], expected: list[str | None]
) -> None:
    contents = [Content(str(n), description=Rtp(kind)) for n, kind in enumerate(kinds)]
    before = SessionDescription(media=tuple(Media(kind, 9, "RTP/AVP", ("0",)) for kind in stood))
    layout = call.arranged(contents, before)
    names = [each.name for each in layout.places]
    assert [each if each in map(str, range(len(kinds))) else None for each in names] == expected
    assert [each.media for each in layout.places][: len(stood)] == list(stood)


H264 = (
    Parameter("profile-level-id", "42e01f"),
    Parameter("packetization-mode", "1"),
)


def line(*codecs: PayloadType, media: str = "audio") -> Media:
    return said(Content("x", description=Rtp(media, codecs))).media[0]


EVENTS = PayloadType(101, "telephone-event", 8000)
PCMU, OPUS = PayloadType(0, "PCMU", 8000), PayloadType(111, "opus", 48000, 2)
NO = line(PCMU).refused()


@pytest.mark.parametrize(
    ("offer", "answer", "expected"),
    [
        ([line(OPUS, PCMU)], [line(PCMU)], True),
        ([line(OPUS)], [line(PCMU)], False),
        ([line(OPUS)], [line(replace(OPUS, id=96))], True),
        ([line(OPUS, EVENTS)], [line(PCMU, EVENTS)], False),
        ([line(PayloadType(96, "speex", 8000))], [line(PayloadType(96, "speex", 16000))], False),
        ([line(PayloadType(9))], [line(PayloadType(97, "G722", 8000))], True),
        (
            [line(PayloadType(102, "H264", 90000, parameters=H264), media="video")],
            [line(PayloadType(97, "H264", 90000, parameters=H264), media="video")],
            True,
        ),
        (
            [line(PayloadType(102, "H264", 90000, parameters=H264), media="video")],
            [line(PayloadType(102, "H264", 90000, parameters=H264[:1]), media="video")],
            False,
        ),
        ([line(PCMU), line(PCMU)], [line(PCMU), NO], True),
        ([line(PCMU), NO], [line(PCMU), line(PCMU)], False),
        ([line(PCMU)], [line(PCMU), NO], False),
    ],
)
def test_an_answer_to_another_offer_may_do(
    offer: list[Media], answer: list[Media], expected: bool
) -> None:
    one, other = (SessionDescription(media=tuple(each)) for each in (offer, answer))
    assert call.agrees(one, other) is expected


def test_an_answer_that_likes_something_else_best_may_not_do() -> None:
    asked = SessionDescription(media=(line(OPUS),))
    for given, expected in (([OPUS, PCMU], True), ([PCMU, OPUS], False), ([EVENTS, OPUS], True)):
        answer = SessionDescription(media=(line(*given),))
        assert call.agrees(asked, answer)
        assert call.agrees(asked, answer, first=True) is expected


def test_the_shortest_time_counts() -> None:
    codecs = (replace(OPUS, ptime=60, maxptime=120), replace(PCMU, ptime=20, maxptime=40))
    media = line(*codecs)
    assert (media.values("ptime"), media.values("maxptime")) == (("20",), ("40",))


@pytest.mark.spec("MED-34")
def test_what_has_nothing_in_it_is_left_out() -> None:
    rtp = Rtp("audio", (PCMU,), source_groups=(SourceGroup("FID", ()),))
    assert not any("ssrc-group" in each for each in told(rtp))
    text = "m=audio 5000 RTP/AVP 96\r\nm=audio 5000 RTP/AVP 0\r\na=ssrc-group:FID\r\n"
    found = SessionDescription.parse(text.encode())
    (content,), _ = call.contents(found, Layout().with_streams(found, US), US)
    assert content.name == "1"


def test_who_is_refused_is_in_no_group() -> None:
    text = (
        "a=group:BUNDLE a b\r\na=group:LS b\r\nm=audio 5000 RTP/AVP 0\r\na=mid:a\r\n"
        "m=audio 0 RTP/AVP 0\r\na=mid:b\r\n"
    )
    found = SessionDescription.parse(text.encode())
    _, groups = call.contents(found, Layout().with_streams(found, US), US)
    assert groups == (Group("BUNDLE", ("a",)),)
