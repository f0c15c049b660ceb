from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dragoman.media import rtcp, rtp
from dragoman.media.dtls import MOST_HELD, Dtls, Identity, State
from dragoman.media.plane import Connected, Lost, Side, Trouble
from dragoman.media.relay import CHECKED, MOST_SOURCES, Half, Path, Relay
from dragoman.media.srtp import Srtp
from dragoman.media.suite import Suite

SUITE = Suite.AES_CM_128_HMAC_SHA1_80
HERE, THERE = ("192.0.2.1", 4000), ("192.0.2.1", 4001)
PUBLIC, ELSEWHERE = ("8.8.8.8", 4000), ("9.9.9.9", 4000)
SIP, XMPP = Side.SIP, Side.XMPP


def packet(sequence: int = 1, payload_type: int = 0, ssrc: int = 0xABCD) -> bytes:
    return rtp.build(
        b"sound", payload_type=payload_type, sequence=sequence, timestamp=160, ssrc=ssrc
    )


def keys() -> tuple[Srtp, Srtp]:
    one, other = bytes(SUITE.length), b"\1" * SUITE.length
    return Srtp(SUITE, one, other), Srtp(SUITE, other, one)


@dataclass
class Ended:
    """One path, and what it sent by each socket."""

    rtp: list[tuple[bytes, tuple[str, int]]] = field(default_factory=list)
    rtcp: list[tuple[bytes, tuple[str, int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ice = False
        self.path = self.make()

    def make(self, *, ice: bool = False) -> Path:
        def note(into: list[tuple[bytes, tuple[str, int]]]) -> Callable[..., None]:
            return lambda data, place: into.append((data, place))

        self.path = Path([note(self.rtp), note(self.rtcp)], ice=ice)
        return self.path

    @property
    def heard(self) -> list[bytes]:
        return [data for data, _ in self.rtp]


def test_who_turns_out_to_have_no_ice_is_where_he_says() -> None:
    end = Ended()
    path = end.make(ice=True)
    path.secure = False
    path.reached(0.0)
    path.without_ice(path.send)
    path.expect((HERE, THERE), mux=False)
    assert path.ready
    path.send_rtp(packet())
    path.send_rtcp(b"\x80\xc9\0\1abcd")
    assert [place for _, place in (*end.rtp, *end.rtcp)] == [HERE, THERE]


def joined() -> tuple[Ended, Ended]:
    """Return two legs in the clear, with one stream between them, the first behind PUBLIC."""
    one, other = Ended(), Ended()
    for end, target in ((one, other), (other, one)):
        half = Half(8000, "PCMU")
        half.target = target.path
        end.path.secure = False
        end.path.carry([half])
    one.path.expect((PUBLIC, (PUBLIC[0], 4001)), mux=False)
    other.path.expect((HERE, THERE), mux=False)
    left, right = one.path.halves[0], other.path.halves[0]
    left.other, right.other = right, left
    return one, other


@pytest.mark.spec("MED-27")
def test_a_packet_in_the_clear_passes_as_it_is() -> None:
    one, other = joined()
    one.path.receive(0, packet(7), PUBLIC, 1.0)
    assert other.rtp == [(packet(7), HERE)]
    assert one.path.halves[0].receiver.counters().octets == 5
    assert one.path.heard == 1.0


@pytest.mark.spec("MED-27")
def test_srtp_is_opened_and_made_and_keeps_all_that_is_the_sender_s() -> None:
    one, other = joined()
    other.path.srtp, far = keys()
    other.path.secure = True
    one.path.receive(0, packet(7), PUBLIC, 1.0)
    assert far.unprotect(other.heard[0]) == packet(7)
    other.path.receive(0, far.protect(packet(9)), HERE, 1.0)
    assert one.heard == [packet(9)]


@pytest.mark.spec("MED-36")
def test_nothing_goes_to_a_leg_nor_comes_from_it_before_its_keys() -> None:
    one, other = joined()
    other.path.secure = True
    one.path.receive(0, packet(), PUBLIC, 1.0)
    one.path.receive(1, rtcp.receiver_report(rtcp.Receiver(1)), (PUBLIC[0], 4001), 1.0)
    other.path.receive(0, packet(), HERE, 1.0)
    other.path.receive(1, rtcp.receiver_report(rtcp.Receiver(1)), THERE, 1.0)
    assert (one.rtp, one.rtcp, other.rtp, other.rtcp) == ([], [], [], [])


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x80" * 8, b"\0" * 20, b"\xff" * 20, b"\x90" * 12]
)
@pytest.mark.parametrize("component", [0, 1])
def test_what_is_no_packet_goes_nowhere(data: bytes, component: int) -> None:
    one, other = joined()
    one.path.receive(component, data, PUBLIC, 1.0)
    assert other.rtp + other.rtcp == []


@pytest.mark.spec("MED-27")
@pytest.mark.parametrize(("number", "passed"), [(96, [111]), (97, []), (0, [0])])
def test_payload_types_are_those_of_the_other_leg(number: int, passed: list[int]) -> None:
    one, other = joined()
    one.path.halves[0].numbers = {96: 111, 97: None}
    one.path.receive(0, packet(payload_type=number), PUBLIC, 1.0)
    assert [rtp.payload_type(data) for data in other.heard] == passed


def test_nothing_goes_to_who_will_not_receive() -> None:
    one, other = joined()
    one.path.halves[0].blocked = True
    one.path.receive(0, packet(), PUBLIC, 1.0)
    assert other.rtp == []
    assert one.path.halves[0].receiver.counters().packets == 1


# -- who may speak ----------------------------------------------------------------------------


@pytest.mark.spec("MED-39")
@pytest.mark.parametrize(
    ("signalled", "source", "heard"),
    [
        (PUBLIC, PUBLIC, True),
        (PUBLIC, (PUBLIC[0], 9999), True),
        (PUBLIC, ELSEWHERE, False),
        (("10.0.0.1", 4000), ELSEWHERE, True),
        (None, ELSEWHERE, True),
    ],
)
def test_the_first_that_may_be_the_peer_is_he(
    signalled: tuple[str, int] | None, source: tuple[str, int], heard: bool
) -> None:
    one, other = joined()
    one.path.expect((signalled, None), mux=False)
    one.path.receive(0, packet(), source, 1.0)
    assert bool(other.rtp) is heard
    other.path.receive(0, packet(), HERE, 1.0)
    assert [place for _, place in one.rtp] == ([source] if heard else [signalled])


@pytest.mark.spec("MED-39")
def test_only_the_first_until_it_is_negotiated_again() -> None:
    one, other = joined()
    private = ("10.0.0.1", 4000)
    one.path.expect((private, None), mux=False)
    for source in (ELSEWHERE, PUBLIC, private):
        one.path.receive(0, packet(), source, 1.0)
    assert len(other.rtp) == 1
    one.path.expect((private, None), mux=False)
    other.path.receive(0, packet(), HERE, 1.0)
    assert one.rtp[-1][1] == ELSEWHERE  # nobody else has spoken yet
    one.path.receive(0, packet(2), PUBLIC, 1.0)
    one.path.receive(0, packet(3), ELSEWHERE, 1.0)
    assert other.heard[1:] == [packet(2)]
    one.path.expect((("10.0.0.2", 4000), None), mux=False)
    other.path.receive(0, packet(), HERE, 1.0)
    assert one.rtp[-1][1] == ("10.0.0.2", 4000)


@pytest.mark.spec("MED-39")
def test_whoever_has_the_keys_may_be_anywhere_and_nobody_else() -> None:
    one, other = joined()
    one.path.srtp, far = keys()
    one.path.secure = True
    one.path.receive(0, packet(), PUBLIC, 1.0)
    forged = far.protect(packet(1))[:-1] + b"\0"
    one.path.receive(0, forged, ELSEWHERE, 1.0)
    one.path.receive(0, far.protect(packet(2)), PUBLIC, 1.0)
    assert other.heard == [packet(2)]
    one.path.receive(0, far.protect(packet(3)), ELSEWHERE, 1.0)
    assert other.heard == [packet(2)]


@pytest.mark.spec("MED-39")
def test_rtcp_comes_from_where_rtp_comes_from() -> None:
    one, other = joined()
    one.path.expect((("10.0.0.1", 4000), ("10.0.0.1", 4001)), mux=False)
    one.path.receive(0, packet(), ELSEWHERE, 1.0)
    report = rtcp.receiver_report(rtcp.Receiver(1))
    one.path.receive(1, report, PUBLIC, 1.0)
    assert other.rtcp == []
    one.path.receive(1, report, (ELSEWHERE[0], 7), 1.0)
    assert other.rtcp == [(report, THERE)]


def test_by_ice_whoever_was_checked_is_the_peer() -> None:
    one, other = joined()
    path = one.make(ice=True)
    path.secure = False
    other.path.halves[0].target = path
    other.path.receive(0, packet(), HERE, 1.0)
    assert one.rtp == []
    assert not path.ready
    path.reached(1.0)
    assert path.ready
    other.path.receive(0, packet(), HERE, 1.0)
    assert one.rtp == [(packet(), CHECKED)]


# -- RTCP -------------------------------------------------------------------------------------


@pytest.mark.spec("MED-25")
@pytest.mark.parametrize("mux", [True, False])
def test_rtcp_goes_by_the_port_that_the_other_leg_has_for_it(mux: bool) -> None:
    one, other = joined()
    other.path.expect((HERE, HERE if mux else THERE), mux=mux)
    report = rtcp.receiver_report(rtcp.Receiver(1)) + rtcp.description(1, b"x")
    one.path.receive(1, report, (PUBLIC[0], 4001), 1.0)
    assert other.rtp == ([(report, HERE)] if mux else [])
    assert other.rtcp == ([] if mux else [(report, THERE)])
    other.path.receive(0 if mux else 1, report, HERE if mux else THERE, 1.0)
    assert [data for data, _ in one.rtcp] == [report]


def test_rtcp_is_opened_and_closed() -> None:
    one, other = joined()
    other.path.srtp, far = keys()
    other.path.secure = True
    report = rtcp.receiver_report(rtcp.Receiver(1))
    one.path.receive(1, report, (PUBLIC[0], 4001), 1.0)
    assert far.unprotect_rtcp(other.rtcp[0][0]) == report
    other.path.receive(1, far.protect_rtcp(report), THERE, 1.0)
    assert one.rtcp[0][0] == report


def test_there_and_back_is_measured_by_what_passes() -> None:
    one, other = joined()
    ntp = 0x1122334455667788
    one.path.receive(1, rtcp.sender_report(rtcp.Sender(7, ntp, 0, 1, 1)), (PUBLIC[0], 4001), 10.0)
    block = rtcp.Block(7, lsr=rtcp.compact(ntp), dlsr=65536 // 2)
    other.path.receive(1, rtcp.receiver_report(rtcp.Receiver(9, (block,))), THERE, 10.75)
    found = other.path.halves[0].receiver.round_trip
    assert found == pytest.approx(250)


# -- bundles ----------------------------------------------------------------------------------


def bundled() -> tuple[Ended, Ended, Ended, Half, Half]:
    """Return a bundling leg, and the transports of sound and picture of one that does not."""
    one, sound, picture = Ended(), Ended(), Ended()
    halves = []
    for end in (sound, picture):
        end.path.secure = False
        end.path.expect((HERE, THERE), mux=False)
        half, back = Half(8000, "PCMU"), Half(8000, "PCMU")
        half.target, back.target = end.path, one.path
        half.other, back.other = back, half
        end.path.carry([back])
        halves.append(half)
    one.path.secure = False
    one.path.expect((PUBLIC, PUBLIC), mux=True)
    one.path.carry(
        halves,
        mid=4,
        mids={b"a": halves[0], b"v": halves[1]},
        numbers={0: halves[0], 96: halves[1]},
        sources={(77).to_bytes(4, "big"): halves[1]},
    )
    return one, sound, picture, halves[0], halves[1]


@pytest.mark.spec("MED-25")
@pytest.mark.parametrize(
    ("data", "where"),
    [
        (packet(payload_type=0), "sound"),
        (packet(payload_type=96), "picture"),
        (packet(payload_type=5), ""),
        (packet(payload_type=5, ssrc=77), "picture"),
        (
            rtp.build(b"", payload_type=0, sequence=1, timestamp=1, ssrc=5, extensions=[(4, b"v")]),
            "picture",
        ),
    ],
)
def test_streams_of_a_bundle_are_told_apart(data: bytes, where: str) -> None:
    one, sound, picture, *_ = bundled()
    one.path.receive(0, data, PUBLIC, 1.0)
    assert (bool(sound.rtp), bool(picture.rtp)) == (where == "sound", where == "picture")


def test_a_source_that_was_told_apart_once_is_known() -> None:
    one, sound, picture, *_ = bundled()
    for payload_type in (96, 5):
        one.path.receive(0, packet(payload_type=payload_type), PUBLIC, 1.0)
    assert len(picture.rtp) == 2
    for ssrc in range(MOST_SOURCES + 10):
        one.path.receive(0, packet(ssrc=ssrc), PUBLIC, 1.0)
    assert len(one.path._by_source) == MOST_SOURCES
    assert len(sound.rtp) == MOST_SOURCES + 10


@pytest.mark.spec("MED-25")
def test_a_compound_of_a_bundle_is_split_for_transports_of_their_own() -> None:
    one, sound, picture, *_ = bundled()
    picture.path.receive(0, packet(ssrc=500), HERE, 1.0)
    one.path.receive(0, packet(payload_type=0, ssrc=1), PUBLIC, 1.0)
    one.path.receive(0, packet(payload_type=96, ssrc=2), PUBLIC, 1.0)
    of_sound = rtcp.sender_report(rtcp.Sender(1, 5, 5, 5, 5)) + rtcp.description(1, b"x")
    wish = rtcp.picture_loss(9, 500)
    one.path.receive(0, of_sound + wish, PUBLIC, 1.0)
    assert [data for data, _ in sound.rtcp] == [of_sound]
    assert [data for data, _ in picture.rtcp] == [rtcp.receiver_report(rtcp.Receiver(9)) + wish]


# -- DTLS, time, and what is told -----------------------------------------------------------------


def shake(end: Ended, far: Dtls, now: float = 0.0, component: int = 0) -> None:
    out = (end.rtp, end.rtcp)[component]
    for _ in range(20):
        sent, out[:] = list(out), []
        for data, _ in sent:
            far.receive(data, now)
        for data in far.to_send():
            end.path.receive(component, data, (PUBLIC[0], 4000 + component), now)


@pytest.mark.spec("MED-26")
@pytest.mark.parametrize("right", [True, False])
def test_keys_come_by_dtls_from_whom_the_fingerprint_is(right: bool) -> None:
    ours, theirs, stranger = Identity.make(), Identity.make(), Identity.make()
    one, other = joined()
    relay = Relay("call")
    relay.paths = {XMPP: (one.path,), SIP: (other.path,)}
    one.path.secure = True
    relay.settled(0.0)
    assert relay.events() == [Connected("call", SIP)]
    expected = theirs if right else stranger
    one.path.associate(Dtls(ours, True), [("sha-256", expected.fingerprint())], 0.0)
    far = Dtls(theirs, False, [("sha-256", ours.fingerprint())])
    shake(one, far)
    relay.look(0.0)
    if right:
        assert relay.events() == [Connected("call", XMPP)]
        one.path.receive(0, far.srtp().protect(packet()), PUBLIC, 0.0)
        assert other.heard == [packet()]
    else:
        (lost,) = relay.events()
        assert isinstance(lost, Lost)
        assert (lost.side, lost.trouble) == (XMPP, Trouble.SECURITY)
        assert one.path.srtp is None


@pytest.mark.spec("MED-26")
def test_a_handshake_may_begin_before_the_description() -> None:
    ours, theirs = Identity.make(), Identity.make()
    one, _ = joined()
    one.path.secure = True
    far = Dtls(theirs, True, [("sha-256", ours.fingerprint())])
    for data in far.to_send() * (MOST_HELD + 1):
        one.path.receive(0, data, PUBLIC, 0.0)
    assert len(one.path._early) == MOST_HELD
    assert one.rtp == []
    one.path.associate(Dtls(ours, False), [("sha-256", theirs.fingerprint())], 0.0)
    shake(one, far)
    assert one.path.srtp is not None


@pytest.mark.spec("MED-25")
@pytest.mark.spec("MED-26")
@pytest.mark.parametrize("early", [False, True])
def test_rtcp_of_its_own_port_has_keys_of_its_own(early: bool) -> None:
    """RFC 5764 §4.1: each transport has an association; who begins may begin before we know him."""
    ours, theirs = Identity.make(), Identity.make()
    known = [("sha-256", ours.fingerprint())]
    one, other = joined()
    one.path.secure = True
    media, control = Dtls(theirs, early, known), Dtls(theirs, early, known)
    for data in control.to_send() if early else ():
        one.path.receive(1, data, (PUBLIC[0], 4001), 0.0)
    one.path.associate(Dtls(ours, not early), [("sha-256", theirs.fingerprint())], 0.0)
    one.path.associate_rtcp(Dtls(ours, not early), 0.0)
    shake(one, media)
    report = rtcp.receiver_report(rtcp.Receiver(1))
    one.path.receive(1, media.srtp().protect_rtcp(report), (PUBLIC[0], 4001), 0.0)
    one.path.send_rtcp(report)
    assert (other.rtcp, one.path.ready) == ([], True)
    shake(one, control, component=1)
    far = control.srtp()
    one.path.receive(1, far.protect_rtcp(report), (PUBLIC[0], 4001), 0.0)
    assert [data for data, _ in other.rtcp] == [report]
    one.rtcp.clear()
    one.path.send_rtcp(report)
    ((said, place),) = one.rtcp
    assert (far.unprotect_rtcp(said), place) == (report, (PUBLIC[0], 4001))


def test_without_keys_for_rtcp_media_go_on() -> None:
    ours, theirs = Identity.make(), Identity.make()
    one, other = joined()
    relay = Relay("call")
    relay.paths = {XMPP: (one.path,), SIP: (other.path,)}
    one.path.secure = True
    one.path.associate(Dtls(ours, True), [("sha-256", theirs.fingerprint())], 0.0)
    one.path.associate_rtcp(Dtls(ours, True), 0.0)
    far = Dtls(theirs, False, [("sha-256", ours.fingerprint())])
    shake(one, far)
    for now in range(1, 100):
        relay.on_timer(float(now))
    assert one.path.control is not None
    assert one.path.control.state is State.FAILED
    assert relay.events() == []
    one.path.receive(0, far.srtp().protect(packet()), PUBLIC, 100.0)
    assert other.heard == [packet()]


def test_dtls_waits_for_ice() -> None:
    ours, theirs = Identity.make(), Identity.make()
    one = Ended()
    path = one.make(ice=True)
    path.associate(Dtls(ours, True), [("sha-256", theirs.fingerprint())], 0.0)
    assert path.dtls is not None
    assert (one.rtp, path.dtls.state) == ([], State.NEW)
    path.reached(1.0)
    assert one.rtp


def test_a_leg_that_does_not_connect_in_time_is_lost() -> None:
    one, other = joined()
    relay = Relay("call", patience=30)
    one.path.secure = True
    relay.paths = {XMPP: (one.path,), SIP: (other.path,)}
    relay.settled(0.0)
    relay.events()
    assert relay.next_timer() == 30
    relay.on_timer(29.9)
    assert relay.events() == []
    relay.on_timer(30.0)
    (lost,) = relay.events()
    assert isinstance(lost, Lost)
    assert (lost.side, lost.trouble) == (XMPP, Trouble.CONNECTIVITY)


@pytest.mark.parametrize(
    ("expected", "spoke", "lost_at"),
    [
        ({SIP, XMPP}, None, 60.0),
        ({SIP, XMPP}, 50.0, 110.0),
        (set(), None, None),
    ],
)
def test_silence_of_a_leg_that_is_to_send_ends_a_call(
    expected: set[Side], spoke: float | None, lost_at: float | None
) -> None:
    one, other = joined()
    relay = Relay("call", silence=60)
    relay.paths = {XMPP: (one.path,), SIP: (other.path,)}
    relay.expected = expected
    relay.settled(0.0)
    relay.events()
    now = 0.0
    while now < 200 and (when := relay.next_timer()) is not None:
        now = when
        if spoke is not None and now >= spoke:
            one.path.heard = other.path.heard = spoke
        relay.on_timer(now)
        if relay.eventful:
            break
    if lost_at is None:
        assert not relay.eventful
    else:
        (lost,) = relay.events()
        assert isinstance(lost, Lost)
        assert (lost.trouble, now) == (Trouble.SILENCE, lost_at)


def test_a_call_is_lost_once() -> None:
    relay = Relay("call")
    relay.lose(SIP, Trouble.SILENCE, "")
    relay.lose(XMPP, Trouble.SECURITY, "")
    assert len(relay.events()) == 1
    assert relay.next_timer() is None


def test_a_path_that_is_closed_says_and_takes_nothing() -> None:
    one, other = joined()
    other.path.close()
    one.path.receive(0, packet(), PUBLIC, 1.0)
    one.path.close()
    one.path.receive(0, packet(), PUBLIC, 1.0)
    other.path.receive(0, packet(), HERE, 1.0)
    assert one.rtp + other.rtp == []


def test_counters_are_of_all_streams_of_a_leg() -> None:
    relay = Relay("call")
    assert relay.counters()[SIP].packets == 0
    for index in range(2):
        half = relay.halves[SIP][index] = Half(8000, "PCMU")
        half.pass_on(packet(), 0.0)
    assert relay.counters()[SIP].packets == 2
    assert relay.counters()[SIP].octets == 10


@pytest.mark.parametrize(
    ("feedback", "expected"),
    [
        ({"nack pli", "ccm fir"}, rtcp.PictureLoss(0x77, 0xABCD)),
        ({"ccm fir"}, rtcp.FullIntra(0x77, ((0xABCD, 1),))),
        ({"nack"}, None),
    ],
)
def test_a_leg_is_asked_for_a_whole_picture_as_it_takes_it(
    feedback: set[str], expected: rtcp.Packet | None
) -> None:
    one, other = joined()
    half = one.path.halves[0]
    half.refresh(feedback)
    assert one.rtcp == []
    one.path.receive(0, packet(1, ssrc=0x1), PUBLIC, 1.0)
    for sequence in (7, 8):
        one.path.receive(0, packet(sequence), PUBLIC, 1.0)
    other.path.receive(0, packet(1, ssrc=0x77), HERE, 1.0)
    half.refresh(feedback)
    found = [rtcp.parse(data) for data, _ in one.rtcp]
    assert [each[1:] for each in found] == ([] if expected is None else [[expected]])
    assert all(each[0] == rtcp.Receiver(0x77) for each in found)
