from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from dragoman.media import sdes
from dragoman.media.description import Stream, Way, answer, default, mids, offer, role
from dragoman.media.dtls import Fingerprint
from dragoman.media.icelite import host_candidate
from dragoman.media.plane import JINGLE, PLAIN, SDES, Keying, MediaError, Profile
from dragoman.media.remote import Credentials, Place, read
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import Attribute, SessionDescription

KEYS = sdes.offer(bytes)


@dataclass(frozen=True)
class Here:
    """A transport as the driver has it."""

    rtp: Place = ("203.0.113.1", 30000)
    rtcp: Place | None = ("203.0.113.1", 30001)
    ice: Credentials | None = None
    lite: bool = False
    candidates: Sequence[Candidate] = ()
    crypto: Sequence[sdes.Line] = KEYS
    fingerprint: Fingerprint | None = ("sha-256", "AB:CD")


CHECKED = Here(
    ("203.0.113.1", 30002),
    None,
    Credentials("ufrag", "password"),
    candidates=(host_candidate(1, "203.0.113.1", 30002),),
)


def parsed(*lines: str) -> SessionDescription:
    return SessionDescription.parse("\r\n".join(["v=0", *lines, ""]).encode())


PHONE = parsed(
    "c=IN IP4 192.0.2.1",
    "m=audio 4000 RTP/AVP 0 101",
    "a=rtpmap:101 telephone-event/8000",
    "a=fmtp:101 0-15",
    "a=ptime:20",
    "a=unknown:thing",
    "m=video 4002 RTP/AVP 96",
    "b=AS:512",
    "a=rtpmap:96 H264/90000",
    "a=rtcp-fb:96 nack pli",
)
CLIENT = parsed(
    "a=group:BUNDLE voice picture",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 101",
    "a=mid:voice",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 useinbandfec=1",
    "a=rtpmap:101 telephone-event/8000",
    "a=rtcp-fb:111 transport-cc",
    "a=rtcp-mux",
    "a=fingerprint:sha-256 AA:BB",
    "a=setup:actpass",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:secretsecret",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "a=ssrc:1234 cname:x",
    "a=msid:a b",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "a=mid:picture",
    "a=rtpmap:96 VP8/90000",
    "a=rtcp-fb:96 nack pli",
    "a=rtcp-fb:96 transport-cc",
    "a=rtcp-mux",
    "a=fingerprint:sha-256 AA:BB",
    "a=setup:actpass",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:secretsecret",
    "a=rid:h send",
    "a=simulcast:send h",
)


def offered(
    theirs: SessionDescription, profile: Profile, local: Here, **more: SessionDescription
) -> str:
    remotes = read(theirs)
    names = mids(remotes, {})
    streams = [Stream(Way.offered(profile), local, names[index]) for index in range(len(remotes))]
    return str(offer(theirs, remotes, streams, **more))


def lines(text: str, *starts: str) -> list[str]:
    return [line for line in text.split("\r\n") if line.startswith(starts)]


@pytest.mark.spec("MED-25")
def test_a_client_s_offer_for_a_phone_has_no_trace_of_its_transport() -> None:
    text = offered(CLIENT, Profile(), Here())
    assert lines(text, "m=", "c=", "a=") == [
        "c=IN IP4 203.0.113.1",
        "m=audio 30000 RTP/AVP 111 101",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:111 useinbandfec=1",
        "a=sendrecv",
        "a=rtcp:30001 IN IP4 203.0.113.1",
        "m=video 30000 RTP/AVP 96",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack pli",
        "a=sendrecv",
        "a=rtcp:30001 IN IP4 203.0.113.1",
    ]


@pytest.mark.spec("MED-25")
@pytest.mark.spec("MED-08")
def test_a_phone_s_offer_for_a_client_has_all_that_it_wants() -> None:
    text = offered(PHONE, JINGLE, CHECKED)
    transport = [
        "a=rtcp-mux",
        "a=fingerprint:sha-256 AB:CD",
        "a=setup:actpass",
        "a=ice-ufrag:ufrag",
        "a=ice-pwd:password",
        "a=candidate:1 1 udp 2130706431 203.0.113.1 30002 typ host",
        "a=end-of-candidates",
    ]
    assert lines(text, "m=", "c=", "a=", "b=") == [
        "c=IN IP4 203.0.113.1",
        "a=group:BUNDLE 0 1",
        "a=ice-options:ice2 trickle",
        "m=audio 30002 UDP/TLS/RTP/SAVPF 0 101",
        "a=mid:0",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        *transport,
        "m=video 30002 UDP/TLS/RTP/SAVPF 96",
        "b=AS:512",
        "a=mid:1",
        "a=rtpmap:96 H264/90000",
        "a=rtcp-fb:96 nack pli",
        "a=sendrecv",
        *transport,
    ]


def test_who_may_have_no_ice_is_told_a_port_for_rtcp_too() -> None:
    text = offered(PHONE, PLAIN, replace(CHECKED, rtcp=("203.0.113.1", 30003)))
    assert lines(text, "m=", "a=rtcp", "a=ice-options")[:3] == [
        "a=ice-options:ice2 trickle",
        "m=audio 30002 RTP/AVP 0 101",
        "a=rtcp:30003 IN IP4 203.0.113.1",
    ]


def test_ice_that_a_border_does_not_know_is_not_answered() -> None:
    """RFC 8839 §4.2.5: media go to an address that is no candidate."""
    theirs = parsed(
        "m=audio 4000 RTP/AVP 0",
        "c=IN IP4 192.0.2.1",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:secretsecret",
        "a=candidate:1 1 udp 2130706431 10.0.0.1 4000 typ host",
    )
    remotes = read(theirs)
    said = answer(PHONE, read(PHONE)[:1], remotes, [Stream(Way.taken(remotes[0]), CHECKED)])
    names = {each.name for each in (*said.attributes, *said.media[0].attributes)}
    assert "ice-mismatch" in names
    assert not {"candidate", "ice-ufrag", "ice-options"} & names


def test_what_both_legs_know_of_feedback_crosses() -> None:
    text = offered(CLIENT, JINGLE, CHECKED)
    for line in (
        "a=group:BUNDLE voice picture",
        "a=rtcp-fb:111 transport-cc",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=ssrc:1234 cname:x",
        "a=msid:a b",
    ):
        assert line in text
    for name in ("rid:", "simulcast", "rtp-stream-id", "AA:BB", "secretsecret"):
        assert name not in text


def test_what_means_nothing_out_of_a_bundle_stays_behind() -> None:
    text = offered(CLIENT, replace(JINGLE, bundle=False), CHECKED)
    assert "a=extmap:2 " in text
    for name in ("transport-cc", "sdes:mid", "a=mid", "a=group"):
        assert name not in text


@pytest.mark.spec("MED-36")
@pytest.mark.parametrize(
    ("profile", "protocol", "name"),
    [
        (PLAIN, "RTP/AVP", ""),
        (replace(PLAIN, feedback=True), "RTP/AVPF", ""),
        (SDES, "RTP/SAVP", "crypto"),
        (replace(SDES, feedback=True), "RTP/SAVPF", "crypto"),
        (JINGLE, "UDP/TLS/RTP/SAVPF", "fingerprint"),
        (replace(JINGLE, feedback=False), "UDP/TLS/RTP/SAVP", "fingerprint"),
    ],
)
def test_a_profile_is_a_protocol_and_its_keys(profile: Profile, protocol: str, name: str) -> None:
    text = offered(PHONE, profile, CHECKED if profile.ice else Here())
    assert {line.split()[2] for line in lines(text, "m=")} == {protocol}
    assert bool(lines(text, "a=crypto")) is (name == "crypto")
    assert bool(lines(text, "a=fingerprint")) is (name == "fingerprint")


@pytest.mark.spec("MED-08")
def test_without_a_certificate_nothing_is_said_at_all() -> None:
    with pytest.raises(MediaError):
        offered(PHONE, JINGLE, replace(CHECKED, fingerprint=None))


@pytest.mark.spec("MED-35")
def test_what_cannot_be_carried_is_refused_alone() -> None:
    theirs = parsed(
        "c=IN IP4 192.0.2.1",
        "m=application 4002 UDP/BFCP *",
        "m=audio 4000 RTP/AVP 0",
    )
    remotes = read(theirs)
    assert [each.carried for each in remotes] == [False, True]
    streams = [None, Stream(Way.offered(PLAIN), Here())]
    text = str(offer(theirs, remotes, streams))
    assert lines(text, "m=") == ["m=application 0 UDP/BFCP *", "m=audio 30000 RTP/AVP 0"]
    made = answer(theirs, remotes, remotes, streams)
    assert [each.port for each in made.media] == [0, 30000]


@pytest.mark.spec("MED-35")
def test_repairs_of_nothing_are_not_offered() -> None:
    theirs = parsed("m=video 9 RTP/AVP 97", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96")
    text = offered(theirs, JINGLE, CHECKED)
    assert lines(text, "m=", "a=") == ["m=video 0 RTP/AVP 97"]


ASKED = read(CLIENT)
TAKEN = parsed(
    "c=IN IP4 192.0.2.1",
    "m=audio 4000 RTP/AVP 96 0 13",
    "a=rtpmap:96 opus/48000/2",
    "a=fmtp:96 stereo=0",
    "a=extmap:2 urn:other",
    "a=recvonly",
    "m=video 0 RTP/AVP 96",
)


def test_an_answer_is_in_the_way_and_the_numbers_of_the_offer() -> None:
    way = Way.taken(ASKED[0])
    assert way == Way("UDP/TLS/RTP/SAVPF", Keying.DTLS, ice=True, mux=True, bundle=True)
    stream = Stream(way, CHECKED, "voice", "active")
    made = answer(TAKEN, read(TAKEN), ASKED, [stream, None])
    text = str(made)
    assert lines(text, "m=") == [
        "m=audio 30002 UDP/TLS/RTP/SAVPF 111",
        "m=video 0 UDP/TLS/RTP/SAVPF 96",
    ]
    assert lines(text, "a=group", "a=setup", "a=rtpmap", "a=fmtp", "a=recvonly", "a=mid") == [
        "a=group:BUNDLE voice",
        "a=mid:voice",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 stereo=0",
        "a=recvonly",
        "a=setup:active",
    ]
    assert "urn:other" not in text


def test_an_answer_spells_codecs_as_the_offer_does() -> None:
    """QXmpp looks for OPUS, letter by letter."""
    asked = parsed("c=IN IP4 192.0.2.9", "m=audio 9000 RTP/AVP 98 0", "a=rtpmap:98 OPUS/48000/2")
    given = parsed("c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 98 0", "a=rtpmap:98 opus/48000/2")
    made = answer(given, read(given), read(asked), [Stream(Way("RTP/AVP"), CHECKED)])
    assert lines(str(made), "a=rtpmap") == ["a=rtpmap:98 OPUS/48000/2", "a=rtpmap:0 PCMU/8000"]


@pytest.mark.spec("MED-35")
def test_an_answer_without_a_codec_in_common_refuses() -> None:
    other = parsed("c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 8", "m=video 0 RTP/AVP 96")
    stream = Stream(Way.taken(ASKED[0]), CHECKED, "voice", "active")
    made = answer(other, read(other), ASKED, [stream, None])
    assert [each.port for each in made.media] == [0, 0]
    assert made.attributes == ()


def test_codecs_keep_their_numbers_in_later_offers() -> None:
    before = parsed("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 opus/48000/2", "m=video 1 RTP/AVP 97")
    text = offered(CLIENT, PLAIN, Here(), before=before)
    assert lines(text, "m=audio", "a=fmtp")[:2] == [
        "m=audio 30000 RTP/AVP 96 101",
        "a=fmtp:96 useinbandfec=1",
    ]


@pytest.mark.parametrize("direction", ["sendonly", "recvonly", "inactive"])
def test_hold_crosses(direction: str) -> None:
    theirs = parsed("c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 0", f"a={direction}")
    assert f"a={direction}\r\n" in offered(theirs, JINGLE, CHECKED)


@pytest.mark.parametrize(
    ("asked", "given", "said"),
    [
        ("sendonly", "sendrecv", "recvonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
    ],
)
def test_an_answer_goes_no_further_than_its_offer(asked: str, given: str, said: str) -> None:
    lines = ("c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 0")
    offered, taken = parsed(*lines, f"a={asked}"), parsed(*lines, f"a={given}")
    made = answer(taken, read(taken), read(offered), [Stream(Way("RTP/AVP"), Here())])
    assert f"a={said}\r\n" in str(made)


def test_a_lite_agent_says_so_for_the_whole_session() -> None:
    made = offer(PHONE, read(PHONE)[:0], [])
    assert Attribute("ice-lite") not in made.attributes
    text = offered(PHONE, JINGLE, replace(CHECKED, lite=True))
    assert text.index("a=ice-lite") < text.index("m=")


def test_streams_with_addresses_of_their_own_say_so() -> None:
    remotes = read(PHONE)
    other = replace(CHECKED, rtp=("198.51.100.1", 30004))
    way = replace(Way.offered(JINGLE), bundle=False)
    text = str(offer(PHONE, remotes, [Stream(way, CHECKED), Stream(way, other)]))
    assert lines(text, "c=") == ["c=IN IP4 203.0.113.1", "c=IN IP4 198.51.100.1"]
    assert text.index("m=audio") < text.index("c=")


def test_who_was_not_heard_of_yet_is_answered_with_port_9() -> None:
    theirs = parsed("m=audio 9 RTP/AVP 0")
    made = answer(PHONE, read(PHONE)[:1], read(theirs), [Stream(Way("RTP/AVP"), None)])
    assert lines(str(made), "m=", "c=") == ["c=IN IP4 0.0.0.0", "m=audio 9 RTP/AVP 0"]


@pytest.mark.spec("MED-26")
@pytest.mark.parametrize(
    ("setup", "ours", "expected"),
    [
        ("actpass", "", "active"),
        ("", "", "active"),
        ("active", "", "passive"),
        ("passive", "", "active"),
        ("actpass", "passive", "passive"),
        ("actpass", "active", "active"),
    ],
)
def test_roles(setup: str, ours: str, expected: str) -> None:
    assert role(setup, ours) == expected


def test_names_are_the_other_leg_s_where_that_can_be() -> None:
    remotes = read(parsed("m=audio 1 RTP/AVP 0", "a=mid:1", "m=video 1 RTP/AVP 96"))
    assert mids(remotes, {}) == {0: "1", 1: "m0"}
    assert mids(remotes, {0: "voice"}) == {0: "voice", 1: "1"}


def test_the_default_candidate_is_the_one_most_likely_to_work() -> None:
    host = host_candidate(1, "10.0.0.1", 1)
    relay = replace(host, type="relay", address="203.0.113.9")
    assert default([host, relay, replace(host, type="srflx")]) == ("203.0.113.9", 1)
    assert default([host], 2) is None


def test_what_nobody_would_read_is_not_said() -> None:
    """Octets that are no UTF-8 are three each once they were read."""
    junk = b"\xed" * 40_000
    data = b"v=0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=fmtp:0 " + junk
    heard = SessionDescription.parse(data)
    with pytest.raises(MediaError, match="too many octets"):
        offer(heard, read(heard), [Stream(Way.offered(PLAIN), Here())])
