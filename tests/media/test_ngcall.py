from typing import Final, cast

import pytest

from dragoman.media import sdes
from dragoman.media.ngcall import MOST_CANDIDATES, MOST_DIGITS, MOST_STREAMS
from dragoman.media.ngplane import APART, NEW, SHAKEN
from dragoman.media.plane import DTLS, JINGLE, PLAIN, SDES, WEBRTC, Profile, Side, Trouble
from dragoman.media.remote import candidates, read
from dragoman.sdp.session import SessionDescription
from tests.media.ngfake import CLIENT, FINGERPRINT, HOST, KEY, PHONE, STANDING, House, sdp

SIP, XMPP = Side.SIP, Side.XMPP
LINES = [f"{n} 1 udp 2130706431 192.0.2.9 {6000 + n} typ host" for n in range(99)]
HOSTS = (*candidates(LINES[:50]), *candidates(LINES[50:]))


@pytest.fixture
def house() -> House:
    return House()


def heard(house: House, command: str) -> SessionDescription:
    """Return the description that the engine was given last."""
    return SessionDescription.parse(cast("bytes", house.engine.last(command)[b"sdp"]))


def answered(house: House, toward: Profile = PLAIN) -> None:
    house.offer(XMPP, CLIENT, toward)
    house.answer(SIP, PHONE)


# -- what legs are told ---------------------------------------------------------------------------


@pytest.mark.spec("MED-25")
def test_a_client_calls_a_phone(house: House) -> None:
    offered = house.offer(XMPP, CLIENT, PLAIN).description
    assert str(offered.media[0]) == "audio 30000 RTP/AVP 111 0 101"
    assert offered.connection is not None
    assert offered.connection.host == HOST
    names = {each.name for each in (*offered.attributes, *offered.media[0].attributes)}
    ice = {"ice-ufrag", "ice-pwd", "ice-options", "candidate", "end-of-candidates"}
    assert names == {"rtpmap", "sendrecv", "rtcp", *ice}
    told = house.answer(SIP, PHONE).description
    (media,) = told.media
    assert str(media) == "audio 30002 UDP/TLS/RTP/SAVPF 0 101"
    assert told.value("group") == "BUNDLE voice"
    assert media.value("mid") == "voice"
    assert media.value("setup") == "active"
    assert media.value("fingerprint") == FINGERPRINT
    assert media.value("ice-ufrag") == "engine"
    assert media.values("candidate") == (f"1 1 udp 2130706431 {HOST} 30002 typ host",)
    assert media.value("rtcp-mux") == ""
    assert media.value("rtcp") is None


def test_a_phone_without_ice_is_offered_none_again(house: House) -> None:
    house.offer(XMPP, CLIENT, PLAIN)
    assert house.engine.last("offer")[b"ICE"] == b"force"
    house.answer(SIP, PHONE)
    again = house.offer(XMPP, CLIENT, PLAIN).description
    assert house.engine.last("offer")[b"ICE"] == b"remove"
    assert again.media[0].value("ice-ufrag") is None


def test_a_phone_calls_a_client(house: House) -> None:
    offered = house.offer(SIP, PHONE, JINGLE).description
    (media,) = offered.media
    assert media.protocol == "UDP/TLS/RTP/SAVPF"
    assert offered.value("group") == "BUNDLE 0"
    assert (media.value("mid"), media.value("setup")) == ("0", "actpass")
    assert read(offered)[0].mux
    told = house.answer(XMPP, _answering()).description
    assert str(told.media[0]) == "audio 30002 RTP/AVP 0 101"
    assert told.media[0].value("rtcp") is not None


def _answering() -> SessionDescription:
    return sdp(*(line for line in CLIENT.lines() if line != "v=0"))


@pytest.mark.spec("MED-07")
def test_keys_are_offered_in_our_order_and_no_others(house: House) -> None:
    offered = house.offer(XMPP, CLIENT, SDES).description
    assert house.engine.last("offer")[b"ICE"] == b"force"
    lines = [sdes.Line.parse(each) for each in offered.media[0].values("crypto")]
    assert [line.suite for line in lines] == ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"]
    answer = sdp(
        "c=IN IP4 192.0.2.1", "m=audio 5004 RTP/SAVP 0", f"a=crypto:2 {lines[0].suite} {KEY}"
    )
    assert house.answer(SIP, answer).description
    assert heard(house, "answer").media[0].values("crypto") == (f"2 {lines[0].suite} {KEY}",)


def test_a_key_is_known_by_its_suite_whatever_the_phone_calls_it(house: House) -> None:
    """baresip that has ICE answers by the tag 1, whichever was offered."""
    offered = house.offer(XMPP, CLIENT, SDES).description
    lines = [sdes.Line.parse(each) for each in offered.media[0].values("crypto")]
    taken = lines[0]
    answer = sdp(
        "c=IN IP4 192.0.2.1",
        "m=audio 5004 RTP/SAVP 0",
        f"a=crypto:{taken.tag + 6} {taken.suite} {KEY}",
    )
    assert house.answer(SIP, answer).description
    known = heard(house, "answer").media[0].values("crypto")
    assert known == (f"{taken.tag} {taken.suite} {KEY}",)


@pytest.mark.spec("MED-36")
@pytest.mark.parametrize("toward", [SDES, WEBRTC])
def test_an_answer_without_keys_is_none_where_keys_were_offered(
    house: House, toward: Profile
) -> None:
    house.offer(XMPP, CLIENT, toward)
    assert house.answer(SIP, PHONE).error.trouble is Trouble.UNACCEPTABLE
    assert house.engine.commands() == ["offer"]


def test_a_client_not_heard_of_gets_no_transport(house: House) -> None:
    offered = house.offer(XMPP, STANDING, PLAIN).description
    assert offered.media[0].port == 30000
    assert offered.media[0].value("sendrecv") == ""
    told = house.answer(SIP, PHONE).description
    assert told.media[0].port == 9
    assert heard(house, "offer").media[0].port == 9
    again = house.offer(XMPP, CLIENT, PLAIN).description
    assert again.media[0].port == 30000
    assert house.answer(SIP, PHONE).description.media[0].value("ice-ufrag") == "engine"
    assert house.engine.commands() == ["offer", "answer"] * 2


@pytest.mark.spec("MED-37")
def test_a_client_not_heard_of_is_offered_all_that_it_insists_on(house: House) -> None:
    house.offer(XMPP, STANDING, PLAIN)
    house.answer(SIP, PHONE)
    (media,) = house.offer(SIP, PHONE, JINGLE).description.media
    assert media.protocol == "UDP/TLS/RTP/SAVPF"
    assert media.value("ice-ufrag") == "engine"
    assert b"reset" in cast("list[bytes]", house.engine.last("offer")[b"flags"])
    house.answer(XMPP, CLIENT)
    house.calls.candidates("call", XMPP, "voice", "abcd", HOSTS[:1], house.now)
    house.run(1.0)
    assert house.engine.commands().count("offer") == 3
    assert b"reset" not in cast("list[bytes]", house.engine.last("offer")[b"flags"])


def _video(*lines: str) -> SessionDescription:
    """Return what a client says that has a bundle of sound and picture, of which `lines`."""
    sound = list(CLIENT.media[0].lines())
    way = [
        each for each in sound if each.startswith(("c=", "a=ice", "a=fing", "a=setup", "a=rtcp"))
    ]
    picture = ["m=video 9 UDP/TLS/RTP/SAVPF 96", *way, "a=mid:show", "a=rtpmap:96 VP8/90000"]
    return sdp("a=group:BUNDLE voice show", *sound, *picture, *lines)


SHOWING: Final = sdp(
    "c=IN IP4 192.0.2.1",
    *PHONE.media[0].lines(),
    "m=video 5006 RTP/AVP 96",
    "a=rtpmap:96 VP8/90000",
)


def open_ports(description: SessionDescription) -> list[bool]:
    return [bool(each.port) for each in description.media]


@pytest.mark.spec("MED-25")
def test_a_client_that_has_a_way_for_each_stream_of_a_bundle_is_answered_them_apart(
    house: House,
) -> None:
    offer = house.offer(XMPP, _video(f"a=candidate:{HOSTS[0]}"), PLAIN).description
    assert open_ports(offer) == open_ports(heard(house, "offer")) == [True, True]
    told = house.answer(SIP, SHOWING).description
    assert told.value("group") == "BUNDLE voice"
    sound, picture = told.media
    assert sound.port != picture.port
    assert picture.value("ice-ufrag") == "engine"
    assert picture.value("mid") is None
    again = house.offer(XMPP, _video(), PLAIN).description
    assert open_ports(again) == [True, True]


@pytest.mark.spec("MED-25")
def test_a_bundle_waits_for_candidates_of_its_other_streams(house: House) -> None:
    asked = house.offer(XMPP, _video(), PLAIN)
    house.calls.candidates("call", XMPP, "voice", "abcd", HOSTS[:1], house.now)
    house.run(APART / 2)
    assert house.engine.commands() == []
    house.calls.candidates("call", XMPP, "show", "abcd", HOSTS[1:2], house.now)
    house.run(0.0)
    assert open_ports(asked.description) == [True, True]


SECURE: Final = (
    "c=IN IP4 192.0.2.1",
    "m=audio 5004 UDP/TLS/RTP/SAVP 0",
    f"a=fingerprint:{FINGERPRINT}",
    "a=setup:active",
)


def test_an_answer_without_ice_waits_until_dtls_that_has_begun_is_over(house: House) -> None:
    house.offer(XMPP, CLIENT, DTLS)
    told = house.answer(SIP, sdp(*SECURE))
    house.run(SHAKEN / 2)
    assert "answer" not in house.engine.commands()
    house.run(SHAKEN)
    assert told.description
    assert house.engine.commands().count("answer") == 1


def test_an_answer_with_ice_is_told_at_once(house: House) -> None:
    house.offer(XMPP, CLIENT, DTLS)
    assert house.answer(SIP, sdp(*SECURE, "a=ice-ufrag:abcd", "a=ice-pwd:" + "p" * 24)).description


@pytest.mark.spec("MED-09")
def test_candidates_that_come_before_the_first_offer_are_kept(house: House) -> None:
    house.calls.candidates("call", XMPP, "show", "abcd", HOSTS[:1], house.now)
    assert open_ports(house.offer(XMPP, _video(), PLAIN).description) == [True, True]
    assert heard(house, "offer").media[1].values("candidate") == (str(HOSTS[0]),)


@pytest.mark.spec("MED-35")
def test_of_a_bundle_that_is_all_or_nothing_there_is_one_stream_and_it_is_sound(
    house: House,
) -> None:
    asked = house.offer(XMPP, _video(), PLAIN)
    house.calls.candidates("call", XMPP, "voice", "abcd", HOSTS[:1], house.now)
    house.run(APART)
    assert open_ports(asked.description) == open_ports(heard(house, "offer")) == [True, False]
    told = house.answer(
        SIP, sdp("c=IN IP4 192.0.2.1", *PHONE.media[0].lines(), "m=video 0 RTP/AVP 96")
    ).description
    assert open_ports(told) == [True, False]
    assert told.value("group") == "BUNDLE voice"


@pytest.mark.spec("MED-35")
def test_what_was_refused_in_a_bundle_is_not_taken_out_of_it_later(house: House) -> None:
    """The client has it by the transport of the others since."""
    client = _video(f"a=candidate:{HOSTS[0]}")
    house.offer(XMPP, client, PLAIN)
    sound = "c=IN IP4 192.0.2.1", *PHONE.media[0].lines()
    assert open_ports(house.answer(SIP, sdp(*sound, "m=video 0 RTP/AVP 96")).description)[0]
    house.offer(SIP, SHOWING, JINGLE)
    assert open_ports(house.answer(XMPP, client).description) == [True, False]


@pytest.mark.parametrize(("port", "apart"), [(5006, True), (5004, False)])
def test_without_ice_a_stream_has_a_way_of_its_own_by_its_port(
    house: House, port: int, apart: bool
) -> None:
    both = sdp(
        "a=group:BUNDLE v a",
        "c=IN IP4 192.0.2.1",
        f"m=video {port} RTP/AVP 96",
        "a=mid:v",
        "a=rtpmap:96 VP8/90000",
        "m=audio 5004 RTP/AVP 0",
        "a=mid:a",
    )
    assert open_ports(house.offer(XMPP, both, PLAIN).description) == [apart, True]


@pytest.mark.spec("MED-25")
def test_a_client_is_offered_a_bundle_of_sound_and_the_picture_apart(house: House) -> None:
    offered = house.offer(SIP, SHOWING, JINGLE).description
    assert open_ports(offered) == [True, True]
    assert offered.value("group") == "BUNDLE 0"
    assert [each.value("rtcp-mux") for each in offered.media] == ["", ""]
    assert open_ports(House().offer(SIP, SHOWING, PLAIN).description) == [True, True]


# -- what the engine is given ---------------------------------------------------------------------


def test_the_engine_knows_only_what_it_has_to(house: House) -> None:
    house.offer(XMPP, CLIENT, PLAIN)
    asked = house.engine.last("offer")
    assert (asked[b"call-id"], asked[b"from-tag"], asked[b"to-tag"]) == (
        b"here:call.1", b"xmpp", b"sip",
    )  # fmt: skip
    given = heard(house, "offer")
    assert [each.name for each in given.attributes] == []
    assert [str(each) for each in given.media[0].attributes] == [
        "mid:0",
        "rtpmap:111 opus/48000/2",
        "rtpmap:0 PCMU/8000",
        "rtpmap:101 telephone-event/8000",
        "sendrecv",
        "rtcp-mux",
        "ice-ufrag:abcd",
        "ice-pwd:" + "p" * 24,
        "ice-options:trickle",
        f"fingerprint:{FINGERPRINT}",
        "setup:actpass",
    ]
    house.answer(SIP, PHONE)
    assert house.engine.last("answer")[b"from-tag"] == b"xmpp"
    assert [str(each) for each in heard(house, "answer").media[0].attributes] == [
        "mid:0",
        "rtpmap:0 PCMU/8000",
        "rtpmap:101 telephone-event/8000",
        "sendrecv",
        "rtcp:5005 IN IP4 192.0.2.1",
    ]


def test_parameters_and_an_agent_that_only_answers_are_passed_on(house: House) -> None:
    more = ["a=ice-lite", *(each for each in CLIENT.lines() if each != "v=0")]
    house.offer(XMPP, sdp(*more, "a=fmtp:111 useinbandfec=1"), PLAIN)
    (media,) = heard(house, "offer").media
    assert media.fmtp("111") == "useinbandfec=1"
    assert media.value("ice-lite") == ""


def test_candidates_before_their_description_go_with_it(house: House) -> None:
    house.offer(SIP, PHONE, JINGLE)
    house.calls.candidates("call", XMPP, "voice", "abcd", HOSTS[:2], house.now)
    house.calls.candidates("call", XMPP, "other", "abcd", HOSTS[2:3], house.now)
    house.calls.candidates("call", XMPP, "voice", "former", HOSTS[3:4], house.now)
    house.answer(XMPP, CLIENT)
    assert len(heard(house, "answer").media[0].values("candidate")) == 2
    house.run(1.0)
    assert house.engine.commands().count("offer") == 1


def test_candidates_of_who_offered_go_before_the_answer(house: House) -> None:
    house.offer(XMPP, CLIENT, PLAIN)
    house.calls.candidates("call", XMPP, "voice", "abcd", HOSTS[:1], house.now)
    house.run(5.0)
    assert house.engine.commands() == ["offer"]
    house.answer(SIP, PHONE)
    assert house.engine.commands() == ["offer", "offer", "answer"]
    assert len(heard(house, "offer").media[0].values("candidate")) == 1


def test_late_candidates_are_gathered_and_told_with_all_else(house: House) -> None:
    answered(house)
    for each in HOSTS[:5]:
        house.calls.candidates("call", XMPP, "voice", "", [each], house.now)
        house.run(0.05)
    house.run(0.5)
    assert house.engine.commands() == ["offer", "answer", "offer", "answer"]
    assert len(heard(house, "offer").media[0].values("candidate")) == 5
    house.engine.fares = {"sip": (0, True), "xmpp": (1, True)}
    house.run(NEW)
    house.calls.candidates("call", XMPP, "voice", "abcd", HOSTS[6:7], house.now)
    house.run(0.9)
    assert house.engine.commands().count("offer") == 2  # it is connected: they are of no use


@pytest.mark.spec("MED-32")
def test_a_session_of_ice_begins_anew(house: House) -> None:
    answered(house)
    house.calls.candidates("call", XMPP, "voice", "abcd", HOSTS[:MOST_CANDIDATES], house.now)
    house.engine.fares = {"sip": (0, True), "xmpp": (1, True)}
    house.run(2 * NEW)
    house.calls.candidates("call", XMPP, "voice", "anew", HOSTS[:1], house.now)
    lines = [each.replace("ufrag:abcd", "ufrag:anew") for each in CLIENT.lines()]
    house.offer(XMPP, sdp(*lines[1:]), PLAIN)
    house.answer(SIP, PHONE)
    assert heard(house, "offer").media[0].value("ice-ufrag") == "anew"
    assert not heard(house, "offer").media[0].values("candidate")
    house.calls.candidates("call", XMPP, "voice", "anew", HOSTS[:2], house.now)
    house.run(1.0)
    assert len(heard(house, "offer").media[0].values("candidate")) == 2
    assert len(house.events) == 2


def test_while_an_offer_is_open_nothing_is_said_again(house: House) -> None:
    answered(house)
    house.offer(SIP, PHONE, JINGLE)
    house.calls.candidates("call", XMPP, "voice", "abcd", HOSTS[:1], house.now)
    house.run(1.0)
    assert house.engine.commands() == ["offer", "answer", "offer", "query"]


def test_only_so_many_streams_are_carried(house: House) -> None:
    lines = ["m=audio 5004 RTP/AVP 0"] * (MOST_STREAMS + 1)
    offered = house.offer(SIP, sdp("c=IN IP4 192.0.2.1", *lines), PLAIN).description
    assert [each.port > 0 for each in offered.media] == [True] * MOST_STREAMS + [False]


def test_only_so_many_candidates_are_kept(house: House) -> None:
    house.offer(SIP, PHONE, JINGLE)
    house.calls.candidates("call", XMPP, "", "", HOSTS, house.now)
    house.answer(XMPP, CLIENT)
    assert len(heard(house, "answer").media[0].values("candidate")) == MOST_CANDIDATES


# -- offers that are refused, or come again --------------------------------------------------------


@pytest.mark.spec("MED-14")
def test_what_was_agreed_on_is_told_again_when_a_new_offer_is_refused(house: House) -> None:
    answered(house)
    agreed = [heard(house, "offer"), heard(house, "answer")]
    hold = sdp("c=IN IP4 192.0.2.7", "m=audio 7000 RTP/AVP 0", "a=sendonly")
    house.offer(SIP, hold, JINGLE)
    assert heard(house, "offer") != agreed[0]
    house.revert()
    assert [heard(house, "offer"), heard(house, "answer")] == agreed
    assert house.engine.last("offer")[b"from-tag"] == b"xmpp"
    assert house.answer(SIP, PHONE).description  # what was answered once may be again


@pytest.mark.spec("MED-31")
def test_another_phone_is_another_leg_to_the_engine(house: House) -> None:
    """The old one is one again where the new one does not answer."""
    answered(house)
    house.offer(XMPP, CLIENT, SDES, successor=SIP)
    asked = house.engine.last("offer")
    assert (asked[b"from-tag"], asked[b"to-tag"]) == (b"xmpp", b"sip1")
    assert asked[b"transport-protocol"] == b"RTP/SAVPF"
    house.revert()
    assert house.engine.last("answer")[b"to-tag"] == b"sip"
    house.offer(XMPP, CLIENT, PLAIN, successor=SIP)
    assert house.answer(SIP, PHONE).description
    assert house.engine.last("answer")[b"to-tag"] == b"sip2"
    hold = sdp("c=IN IP4 192.0.2.7", "m=audio 7000 RTP/AVP 0", "a=sendonly")
    house.offer(SIP, hold, JINGLE)
    assert house.engine.last("offer")[b"from-tag"] == b"sip2"


def test_a_first_offer_that_is_refused_leaves_nothing(house: House) -> None:
    first = house.offer(XMPP, CLIENT, PLAIN).description
    house.revert()
    assert not house.engine.calls
    second = house.offer(XMPP, CLIENT, SDES).description
    assert second.media[0].port != first.media[0].port
    assert house.engine.commands() == ["offer", "delete", "offer"]
    assert house.answer(SIP, PHONE).error.trouble is Trouble.UNACCEPTABLE


def test_another_way_is_another_beginning(house: House) -> None:
    house.offer(XMPP, CLIENT, PLAIN)
    house.offer(XMPP, CLIENT, PLAIN)
    house.offer(XMPP, CLIENT, WEBRTC)
    assert house.engine.commands() == ["offer", "offer", "delete", "offer"]


def test_ways_stay_as_agreed_on(house: House) -> None:
    answered(house, PLAIN)
    again = house.offer(XMPP, CLIENT, WEBRTC).description
    assert again.media[0].protocol == "RTP/AVP"
    theirs = house.offer(SIP, PHONE, PLAIN).description
    assert theirs.media[0].protocol == "UDP/TLS/RTP/SAVPF"
    assert theirs.media[0].value("mid") == "voice"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (sdp("c=IN IP4 192.0.2.1"), "other streams"),
        (sdp("c=IN IP4 192.0.2.1", "m=audio 0 RTP/AVP 0"), "no stream"),
        (sdp("c=IN IP4 192.0.2.1", "m=audio 5004 RTP/AVP 8"), "no stream"),
        (
            sdp("c=IN IP4 192.0.2.1", "m=audio 5004 RTP/AVP 96 0", "a=rtpmap:96 opus/48000/2"),
            "cannot pass 96 on as 111",
        ),
    ],
)
def test_answers_that_cannot_be_carried(
    house: House, answer: SessionDescription, reason: str
) -> None:
    house.offer(XMPP, CLIENT, PLAIN)
    error = house.answer(SIP, answer).error
    assert error.trouble is Trouble.UNACCEPTABLE
    assert reason in error.reason
    assert house.answer(SIP, PHONE).description


def test_what_has_another_number_is_left_out_where_it_is_not_spoken(house: House) -> None:
    house.offer(XMPP, CLIENT, PLAIN)
    lines = ("a=rtpmap:96 opus/48000/2", "a=rtpmap:97 telephone-event/8000")
    told = house.answer(
        SIP, sdp("c=IN IP4 192.0.2.1", "m=audio 5004 RTP/AVP 0 96 97", *lines)
    ).description
    assert told.media[0].formats == ("0",)


def test_nothing_to_offer_and_nothing_to_answer(house: House) -> None:
    assert house.answer(SIP, PHONE).error.trouble is Trouble.GONE
    chat = sdp("m=message 9 TCP/MSRP *")
    assert house.offer(XMPP, chat, PLAIN).error.trouble is Trouble.UNACCEPTABLE
    assert house.answer(SIP, PHONE).error.trouble is Trouble.UNACCEPTABLE
    house.offer(XMPP, CLIENT, PLAIN)
    assert house.answer(XMPP, PHONE).error.trouble is Trouble.UNACCEPTABLE


@pytest.mark.parametrize("said", [b"", b"nothing", b"v=0\r\n", b"v=0\r\nm=audio 0 RTP/AVP 0\r\n"])
def test_descriptions_of_an_engine_that_cannot_be(
    house: House, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(house.engine, "_told", lambda *_: {"result": "ok", "sdp": said})
    assert house.offer(XMPP, CLIENT, PLAIN).error.trouble in {Trouble.UNACCEPTABLE, Trouble.FULL}


# -- digits ---------------------------------------------------------------------------------------


@pytest.mark.spec("MED-28")
def test_digits_are_sent_once_the_engine_is_told_that_there_may_be_some(house: House) -> None:
    answered(house)
    assert b"inject-DTMF" not in cast("list[bytes]", house.engine.last("offer")[b"flags"])
    house.calls.digits("call", SIP, "1#", 20, house.now)
    house.pump()
    assert house.engine.commands()[2:] == ["offer", "answer", "play DTMF", "play DTMF"]
    assert b"inject-DTMF" in cast("list[bytes]", house.engine.last("answer")[b"flags"])
    asked = house.engine.last("play DTMF")
    assert (asked[b"from-tag"], asked[b"code"], asked[b"duration"]) == (b"xmpp", b"#", 100)
    house.calls.digits("call", XMPP, "9" * 99, 9999, house.now)
    house.pump()
    assert house.engine.commands()[6:] == ["play DTMF"] * MOST_DIGITS
    assert house.engine.last("play DTMF")[b"duration"] == 5000


def test_nobody_gets_digits_who_has_not_asked_for_them(house: House) -> None:
    house.calls.digits("call", SIP, "1", 100, house.now)
    house.offer(XMPP, CLIENT, PLAIN)
    house.calls.digits("call", SIP, "1", 100, house.now)
    house.answer(SIP, sdp("c=IN IP4 192.0.2.1", "m=audio 5004 RTP/AVP 0"))
    house.calls.digits("call", SIP, "1", 100, house.now)
    house.pump()
    assert house.engine.commands() == ["offer", "answer"]
