"""Encodings of RTP in Jingle and in SDP (XEP-0167 §6, XEP-0293)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping import codec
from dragoman.sdp.session import Attribute, Media, SessionDescription
from dragoman.xmpp.ext.jingle_rtp import Parameter, PayloadType, Rtp
from dragoman.xmpp.ext.rtcp_fb import INTERVAL, Feedback


def stream(*lines: str, formats: tuple[str, ...] = ("96",), kind: str = "audio") -> Media:
    attributes = tuple(map(Attribute.parse, lines))
    return Media(kind, 9, "RTP/AVP", formats, attributes=attributes)


def parameters(encoding: str, fmtp: str) -> list[tuple[str, str]]:
    """Return what an fmtp line comes to in Jingle."""
    media = stream(f"rtpmap:96 {encoding}", f"fmtp:96 {fmtp}")
    (found,) = codec.payload_types(media)
    return [(each.name, each.value) for each in found.parameters]


@pytest.mark.spec("MED-04")
@pytest.mark.parametrize(
    ("encoding", "fmtp", "expected"),
    [
        ("speex/16000", "vbr=on;cng=on", [("vbr", "on"), ("cng", "on")]),
        ("x/8000", "a=1; b=2;", [("a", "1"), ("b", "2")]),
        ("x/8000", "a=1,b=2", [("a", "1"), ("b", "2")]),
        ("x/8000", "a=1, b=2", [("a", "1"), ("b", "2")]),
        ("x/8000", "a = 1 ;b", [("a", "1"), ("", "b")]),
        ("H263/90000", "CIF=4 QCIF=2", [("CIF", "4"), ("QCIF", "2")]),
        ("AMR/8000", "mode-set=0,2,4,7", [("mode-set", "0,2,4,7")]),
        (
            "H264/90000",
            "profile-level-id=42e01f; sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==",
            [("profile-level-id", "42e01f"), ("sprop-parameter-sets", "Z0IACpZTBYmI,aMljiA==")],
        ),
        (
            "H264/90000",
            "sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==",
            [("sprop-parameter-sets", "Z0IACpZTBYmI,aMljiA==")],
        ),
        ("telephone-event/8000", "0-15, 66", [("events", "0-15,66")]),
        ("telephone-event/8000", "", [("events", "0-15")]),
        ("red/8000", "0/103", [("pt", "0,103")]),
        ("red/8000", "", []),
        ("rtx/90000", "apt=96", [("apt", "96")]),
        ("x/8000", ";; ;", []),
        ("x/8000", "a=1, b", [("a", "1"), ("", "b")]),
    ],
)
def test_parameters_come_apart(encoding: str, fmtp: str, expected: list[tuple[str, str]]) -> None:
    assert parameters(encoding, fmtp) == expected


@pytest.mark.spec("MED-28")
@pytest.mark.parametrize(
    ("name", "parameters_", "expected"),
    [
        ("telephone-event", (Parameter("events", "0-16"),), "0-16"),
        ("telephone-event", (Parameter("", "0-11"),), "0-11"),
        ("telephone-event", (Parameter("0-11"),), "0-11"),
        ("Telephone-Event", (Parameter("events"),), "0-15"),
        ("telephone-event", (), "0-15"),
        ("red", (Parameter("pt", "0,103"),), "0/103"),
        ("red", (Parameter("", "111/111"),), "111/111"),
        ("red", (), ""),
        ("speex", (Parameter("vbr", "on"), Parameter("cng")), "vbr=on;cng"),
        ("speex", (Parameter("", "bare"), Parameter("")), "bare"),
    ],
)
def test_parameters_come_together(
    name: str, parameters_: tuple[Parameter, ...], expected: str
) -> None:
    assert codec.fmtp(PayloadType(96, name, parameters=parameters_)) == expected


@pytest.mark.spec("MED-04")
@pytest.mark.parametrize(
    ("payload", "media", "expected"),
    [
        (PayloadType(18, "G729"), "audio", "18 G729/8000"),
        (PayloadType(0, "PCMU", 16000), "audio", "0 PCMU/16000"),
        (PayloadType(103, "L16", 16000, 2), "audio", "103 L16/16000/2"),
        (PayloadType(10), "audio", "10 L16/44100/2"),
        (PayloadType(102, "iLBC"), "audio", "102 iLBC/8000"),
        (PayloadType(34, "H263"), "video", "34 H263/90000"),
        (PayloadType(14), "audio", "14 MPA/90000"),
        (PayloadType(34, "other"), "audio", "34 other/8000"),
        (PayloadType(98, "theora"), "video", "98 theora/90000"),
        (PayloadType(111, "opus", 48000), "audio", "111 opus/48000/2"),
    ],
)
def test_what_is_not_said_is_as_the_profile_has_it(
    payload: PayloadType, media: str, expected: str
) -> None:
    assert str(codec.rtpmap(payload, media)) == expected


def test_a_number_without_a_name_is_nothing() -> None:
    assert codec.rtpmap(PayloadType(96, clockrate=8000), "audio") is None
    assert list(codec.attributes(PayloadType(96), "audio")) == []


@pytest.mark.spec("MED-06")
@pytest.mark.parametrize(
    ("line", "feedback"),
    [
        ("96 nack", Feedback("nack")),
        ("96 nack pli", Feedback("nack", "pli")),
        ("96 trr-int 100", Feedback("trr-int", "100")),
        ("96 ccm tmmbr smaxpr=120", Feedback("ccm", "tmmbr", (("smaxpr", "120"),))),
        ("96 app foo bar", Feedback("app", "foo", (("bar", ""),))),
        ("* nack pli", Feedback("nack", "pli")),
    ],
)
def test_feedback_comes_and_goes(line: str, feedback: Feedback) -> None:
    media = stream("rtpmap:96 VP8/90000", f"rtcp-fb:{line}")
    (found,) = codec.payload_types(media)
    assert [*found.feedback, *codec.general_feedback(media)] == [feedback]
    assert codec.printed(line.partition(" ")[0], feedback) == line


@pytest.mark.spec("MED-34")
@pytest.mark.parametrize(
    "line",
    [
        *("rtcp-fb", "rtcp-fb:", "rtcp-fb:96", "rtcp-fb:96 trr-int", "rtcp-fb:96 trr-int soon"),
        *("rtcp-fb:x nack", "fmtp", "fmtp:", "rtpmap:", "ptime:", "ptime:fast", "ptime:0"),
        "maxptime:20.5",
    ],
)
def test_lines_that_cannot_be_read_are_not_there(line: str) -> None:
    media = stream("rtpmap:96 VP8/90000", line)
    assert codec.payload_types(media) == (PayloadType(96, "VP8", 90000),)


def test_each_number_is_there_once() -> None:
    media = stream(formats=("0", "0", "8", "128", "x", "99999", "0"))
    assert [each.id for each in codec.payload_types(media)] == [0, 8]


NAMES = st.text("abcXYZ019-_.", min_size=1, max_size=8)
VALUES = st.text("abcXYZ019-_.+/:|", min_size=1, max_size=8)
PARAMETERS = st.builds(Parameter, NAMES, VALUES) | st.builds(Parameter, st.just(""), VALUES)
FEEDBACK = st.builds(
    Feedback,
    NAMES.filter(lambda name: name != INTERVAL),
    VALUES,
    st.lists(st.tuples(NAMES, st.just("") | VALUES), max_size=2).map(tuple),
)
PAYLOADS = st.builds(
    PayloadType,
    st.integers(0, 127),
    NAMES,
    st.integers(1, 2**32 - 1),
    st.integers(1, 255),
    st.just(20),
    st.just(60),
    st.lists(PARAMETERS, max_size=3).map(tuple),
    st.lists(FEEDBACK, max_size=3).map(tuple),
)


@pytest.mark.spec("MED-04")
@given(st.lists(PAYLOADS, max_size=5, unique_by=lambda each: each.id))
def test_encodings_round_trip(payloads: list[PayloadType]) -> None:
    rtp = Rtp("audio", tuple(payloads))
    lines = [line for each in rtp.payload_types for line in codec.attributes(each, "audio")]
    times = (Attribute("ptime", "20"), Attribute("maxptime", "60"))
    formats = tuple(str(each.id) for each in payloads) or ("*",)
    made = Media("audio", 9, "RTP/AVPF", formats, attributes=(*lines, *times))
    (media,) = SessionDescription.parse(SessionDescription(media=(made,)).encode()).media
    assert codec.payload_types(media) == rtp.payload_types
