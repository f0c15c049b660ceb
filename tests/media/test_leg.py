"""Two legs and a relay, joined by what was said: without sockets."""

from collections.abc import Callable

import pytest

from dragoman.media import codecs, description, leg, rtp
from dragoman.media.description import BUNDLE, Way
from dragoman.media.dtls import Identity
from dragoman.media.leg import MOST_EARLY, MOST_STREAMS, Leg, Open
from dragoman.media.plane import JINGLE, PLAIN, SDES, Keying, Profile, Side
from dragoman.media.relay import Relay
from dragoman.media.remote import Place, candidates, read
from dragoman.media.transport import Sockets, Transport
from dragoman.sdp.session import SessionDescription

SIP, XMPP = Side.SIP, Side.XMPP
PHONE, OTHER = ("192.0.2.1", 4000), ("198.51.100.1", 5000)
IDENTITY = Identity.make()
MISMATCH = "a=ice-mismatch"
KEY = "a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40


class Carrier:
    """Sends nowhere, and remembers."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sender(self, component: int) -> Callable[[bytes, Place], None]:
        return lambda data, _: self.sent.append(data)

    def start(self, remote: object, *, lite: bool, components: int) -> None: ...

    def plain(self) -> None: ...

    def add(self, candidates: object, *, complete: bool = False) -> None: ...

    async def aclose(self) -> None: ...


def parsed(*lines: str) -> SessionDescription:
    return SessionDescription.parse("\r\n".join(["v=0", *lines, ""]).encode())


def transport(way: Way) -> Transport:
    return Transport(way, Sockets(Carrier(), ("203.0.113.1", 1), None), IDENTITY)


def offered(theirs: SessionDescription, toward: Profile) -> tuple[Leg, Open]:
    """Return the leg that offered, and the open offer."""
    remotes, far = read(theirs), Leg(SIP)
    ways = far.offered(remotes, toward)
    transports: dict[int, Transport] = {}
    for index, way in ways.items():
        made = transports.setdefault(leg.key(index, way), transport(way))
        made.offer_keys(bytes)
    names = far.names(remotes)
    streams = leg.streams(list(ways), len(remotes), ways, transports, names, {})
    said = description.offer(theirs, remotes, streams)
    return far, Open(XMPP, theirs, remotes, ways, names, transports, said)


CLIENT = parsed(
    "m=audio 5000 RTP/AVP 111 0 101",
    "c=IN IP4 198.51.100.1",
    "a=rtpmap:111 opus/48000/2",
    "a=rtpmap:101 telephone-event/8000",
    "m=video 5002 RTP/AVP 96",
    "c=IN IP4 198.51.100.1",
    "a=rtpmap:96 VP8/90000",
)


@pytest.mark.spec("MED-35")
@pytest.mark.parametrize(
    ("answer", "live"),
    [
        (["m=audio 4000 RTP/AVP 0", "m=video 4002 RTP/AVP 96", "a=rtpmap:96 VP8/90000"], [0, 1]),
        (["m=audio 4000 RTP/AVP 0", "m=video 0 RTP/AVP 96"], [0]),
        (["m=audio 4000 RTP/AVP 8", "m=video 4002 RTP/AVP 96", "a=rtpmap:96 VP8/90000"], [1]),
    ],
)
def test_streams_are_taken_each_by_itself(answer: list[str], live: list[int]) -> None:
    _, open_ = offered(CLIENT, PLAIN)
    assert leg.accepted(open_, read(parsed("c=IN IP4 192.0.2.1", *answer))) == live


@pytest.mark.spec("MED-36")
@pytest.mark.parametrize(
    ("toward", "lines", "live"),
    [
        (SDES, [], []),
        (SDES, [KEY.replace(":7 ", ":1 ")], [0]),
        (SDES, [KEY], []),
        (SDES, ["a=fingerprint:sha-256 AA"], []),
        (JINGLE, [], []),
        (JINGLE, [KEY], []),
        (JINGLE, ["a=fingerprint:sha-256 AA"], [0]),
    ],
)
def test_an_answer_without_the_keys_that_were_offered_is_none(
    toward: Profile, lines: list[str], live: list[int]
) -> None:
    _, open_ = offered(CLIENT, toward)
    answer = parsed("c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 0", *lines, "m=video 0 RTP/AVP 96")
    assert leg.accepted(open_, read(answer)) == live


@pytest.mark.spec("MED-25")
def test_who_leaves_a_bundle_that_there_is_keeps_its_first_stream_only() -> None:
    _, open_ = offered(CLIENT, JINGLE)
    lines = ["a=fingerprint:sha-256 AA", "a=rtcp-mux"]
    answer = parsed(
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        *lines,
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=rtpmap:96 VP8/90000",
        *lines,
    )
    assert leg.accepted(open_, read(answer)) == [0]


def test_how_a_stream_was_agreed_on_is_how_it_is_offered_again() -> None:
    remotes, far = read(CLIENT), Leg(SIP)
    far.ways = {0: Way("RTP/SAVP", Keying.SDES)}
    assert far.offered(remotes, PLAIN) == {
        0: Way("RTP/SAVP", Keying.SDES),
        1: Way("RTP/SAVP", Keying.SDES),
    }


ICE = ("a=ice-ufrag:abcd", "a=ice-pwd:secret")


@pytest.mark.parametrize(("lines", "ice"), [((), False), (ICE, True), ((*ICE, MISMATCH), False)])
def test_who_has_no_ice_goes_without(lines: tuple[str, ...], ice: bool) -> None:
    """RFC 8839 §4.3.3; and is not asked again."""
    audio = ("m=audio 4000 RTP/AVP 0", "c=IN IP4 192.0.2.1", *lines)
    _, legs = joined(parsed(*audio, "m=video 0 RTP/AVP 96"))
    far = legs[SIP]
    assert far.ways[0].ice is ice
    assert far.transports[0].way.ice is ice
    assert far.offered(read(CLIENT), PLAIN)[0].ice is ice
    assert far.transports[0].fits(far.ways[0])


def test_only_clients_send_candidates_later() -> None:
    assert [each.trickles for each in leg.heard(CLIENT, XMPP)] == [True, True]
    assert [each.trickles for each in leg.heard(CLIENT, SIP)] == [False, False]


def test_streams_have_a_bound() -> None:
    remotes = read(parsed(*["m=audio 9 RTP/AVP 0"] * (MOST_STREAMS + 1)))
    assert len(Leg(SIP).offered(remotes, PLAIN)) == MOST_STREAMS


def test_keys_stay_while_the_peer_s_do() -> None:
    (remote,) = read(parsed("m=audio 4000 RTP/SAVP 0", "c=IN IP4 192.0.2.1", KEY))
    made = transport(Way("RTP/SAVP", Keying.SDES))
    tokens = iter(range(9))

    def token(count: int) -> bytes:
        return bytes([next(tokens)]) * count

    made.take_keys(remote, token)
    made.agree(remote, active=False, now=0.0)
    first, session = made.crypto, made.path.srtp
    assert first[0].tag == 7
    assert session is not None
    made.take_keys(remote, token)
    made.agree(remote, active=False, now=0.0)
    assert (made.crypto, made.path.srtp) == (first, session)
    (other,) = read(parsed("m=audio 4000 RTP/SAVP 0", KEY.replace("AAAA", "BBBB")))
    made.take_keys(other, token)
    made.agree(other, active=False, now=0.0)
    assert made.path.srtp is not session


@pytest.mark.spec("MED-26")
def test_an_association_lasts_as_long_as_the_fingerprint() -> None:
    lines = ("m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=fingerprint:sha-256 AA")
    (remote,) = read(parsed(*lines))
    (other,) = read(parsed(lines[0], "a=fingerprint:sha-256 BB"))
    made = transport(Way("UDP/TLS/RTP/SAVPF", Keying.DTLS))
    made.agree(remote, active=True, now=0.0)
    first = made.path.dtls
    made.agree(remote, active=True, now=0.0)
    assert made.path.dtls is first
    assert made.role == "active"
    made.agree(other, active=False, now=0.0)
    assert made.path.dtls is not first
    assert made.role == "passive"


@pytest.mark.spec("MED-25")
@pytest.mark.parametrize("mux", [True, False])
def test_rtcp_has_an_association_where_it_has_a_port(mux: bool) -> None:
    lines = ("m=audio 9 UDP/TLS/RTP/SAVP 0", "a=fingerprint:sha-256 AA")
    (remote,) = read(parsed(*lines, *(["a=rtcp-mux"] if mux else [])))
    sockets = Sockets(Carrier(), ("203.0.113.1", 1), ("203.0.113.1", 2))
    made = Transport(Way("UDP/TLS/RTP/SAVP", Keying.DTLS, mux=mux), sockets, IDENTITY)
    made.agree(remote, active=True, now=0.0)
    first = made.path.control
    assert (first is None) is mux
    made.agree(remote, active=True, now=0.0)
    assert made.path.control is first


@pytest.mark.spec("MED-26")
@pytest.mark.parametrize(
    ("setup", "answering", "ours"),
    [
        ("a=setup:active", True, "passive"),
        ("a=setup:passive", True, "active"),
        ("a=ptime:20", True, "passive"),
        ("a=setup:actpass", False, "active"),
        ("a=setup:active", False, "passive"),
    ],
)
def test_one_end_is_active_and_the_other_is_not(setup: str, answering: bool, ours: str) -> None:
    lines = ("m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=fingerprint:sha-256 AA", setup)
    one, way = Leg(SIP), Way("UDP/TLS/RTP/SAVPF", Keying.DTLS)
    one.remotes, one.ways, one.transports = read(parsed(*lines)), {0: way}, {0: transport(way)}
    leg.agree(one, [0], answering=answering, now=0.0)
    assert one.transports[0].role == ours


def test_candidates_wait_for_their_description() -> None:
    one = Leg(XMPP)
    (candidate,) = candidates(["1 1 udp 1 192.0.2.1 4000 typ host"])
    for _ in range(MOST_EARLY + 1):
        one.keep("audio", "abcd", [candidate])
    assert len(one.early) == MOST_EARLY
    one.trickle()
    assert len(one.early) == MOST_EARLY
    one.keep("video", "efgh", [candidate])
    assert one.early[-1][:2] == ("video", "efgh")


def joined(answer: SessionDescription) -> tuple[Relay, dict[Side, Leg]]:
    """Return the relay of CLIENT, in the clear, and a phone that answers so."""
    far, open_ = offered(CLIENT, PLAIN)
    near = Leg(XMPP)
    remotes = read(answer)
    live = leg.accepted(open_, remotes)
    ways = {index: Way.taken(open_.remotes[index]) for index in live}
    transports = {index: transport(way) for index, way in ways.items()}
    streams = leg.answering(open_, live, ways, transports)
    said = description.answer(answer, remotes, open_.remotes, streams)
    leg.commit(near, far, open_, (answer, remotes, said), ways, transports)
    for one, answering in ((near, False), (far, True)):
        leg.agree(one, live, answering=answering, now=0.0)
    relay, legs = Relay("call"), {XMPP: near, SIP: far}
    leg.join(relay, legs, live, seed=1)
    return relay, legs


def packet(payload_type: int) -> bytes:
    return rtp.build(b"x", payload_type=payload_type, sequence=1, timestamp=1, ssrc=1)


@pytest.mark.spec("MED-27")
@pytest.mark.spec("MED-28")
def test_a_phone_that_numbers_otherwise_is_understood() -> None:
    answer = parsed(
        "c=IN IP4 192.0.2.1",
        "m=audio 4000 RTP/AVP 98 0 99",
        "a=rtpmap:98 opus/48000/2",
        "a=rtpmap:99 telephone-event/8000",
        "m=video 0 RTP/AVP 96",
    )
    _, legs = joined(answer)
    told = legs[XMPP].told
    assert told is not None
    assert told.media[0].formats == ("111", "0", "101")
    events = codecs.events(told.media[0])
    assert events is not None
    assert events.payload_type == "101"
    (near,), (far,) = legs[XMPP].transports.values(), legs[SIP].transports.values()
    for there, number in ((111, 98), (0, 0), (101, 99)):
        near.path.receive(0, packet(there), OTHER, 1.0)
        assert rtp.payload_type(_last(far)) == number
        # a phone may send by the numbers it was told, or by its own
        for sent in {there, number}:
            far.path.receive(0, packet(sent), PHONE, 1.0)
            assert rtp.payload_type(_last(near)) == there


def _last(found: Transport) -> bytes:
    carrier = found.sockets.carrier
    assert isinstance(carrier, Carrier)
    return carrier.sent[-1]


@pytest.mark.parametrize(
    ("direction", "expected", "blocked"),
    [
        ("sendrecv", {SIP, XMPP}, set()),
        ("sendonly", {SIP}, {XMPP}),
        ("recvonly", {XMPP}, set()),
        ("inactive", set(), {XMPP}),
    ],
)
def test_who_is_on_hold_hears_nothing_and_need_not_speak(
    direction: str, expected: set[Side], blocked: set[Side]
) -> None:
    answer = parsed(
        "c=IN IP4 192.0.2.1",
        "m=audio 4000 RTP/AVP 0",
        f"a={direction}",
        "m=video 0 RTP/AVP 96",
    )
    relay, _ = joined(answer)
    assert relay.expected == expected
    assert {side for side in Side if relay.halves[side][0].blocked} == blocked


def test_streams_that_are_over_are_gone() -> None:
    answer = parsed(
        "c=IN IP4 192.0.2.1",
        "m=audio 4000 RTP/AVP 0",
        "m=video 4002 RTP/AVP 96",
        "a=rtpmap:96 VP8/90000",
    )
    relay, legs = joined(answer)
    assert set(relay.halves[SIP]) == {0, 1}
    leg.join(relay, legs, [1], seed=1)
    assert set(relay.halves[SIP]) == {1}


def test_one_transport_for_all_that_is_bundled() -> None:
    assert leg.key(3, Way("RTP/AVP", bundle=True)) == BUNDLE
    assert leg.key(3, Way("RTP/AVP")) == 3
