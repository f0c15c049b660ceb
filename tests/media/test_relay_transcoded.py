"""What becomes of a packet of a call that is transcoded."""

import pytest

from dragoman.media import rtcp, rtp
from dragoman.media.plane import Connected, Side, Transcoded
from dragoman.media.relay import Half, Path, Relay
from dragoman.media.sound import OPUS, PCMU
from dragoman.media.transcoder import Plan, Transcoder
from tests.media.tone import SOURCE, heard, stream

pytest.importorskip("av", reason="PyAV is not here: dragoman[transcode] has it")

HERE = ("192.0.2.1", 4000)
SIP, XMPP = Side.SIP, Side.XMPP
CLIENT, PHONE = 0xC11E27, 0x940E


class Ended:
    """One path in the clear, and what it sent."""

    def __init__(self, *, ready: bool = True) -> None:
        self.sent: list[bytes] = []
        self.path = Path([lambda data, _: self.sent.append(data)])
        self.path.secure = not ready
        self.path.expect((HERE, HERE), mux=True)

    def sounds(self) -> list[bytes]:
        return [each for each in self.sent if rtp.is_rtp(each)]

    def reports(self) -> list[rtcp.Packet]:
        return [p for each in self.sent if rtp.is_rtcp(each) for p in rtcp.parse(each)]


def call(client: Ended, phone: Ended) -> tuple[Relay, Half, Half]:
    """A client that has Opus, and a phone that has G.711."""
    relay = Relay("call")
    ours, theirs = Half(48000, "opus"), Half(8000, "PCMU")
    ours.transcoder = Transcoder(Plan(PCMU, 0, {111: OPUS}), CLIENT)
    theirs.transcoder = Transcoder(Plan(OPUS, 111, {0: PCMU}), PHONE)
    ours.target, theirs.target = phone.path, client.path
    ours.other, theirs.other = theirs, ours
    for side, half, end in ((XMPP, ours, client), (SIP, theirs, phone)):
        relay.halves[side] = {0: half}
        relay.paths[side] = (end.path,)
        half.notice = relay.notice
        end.path.carry([half])
    relay.settled(0.0)
    return relay, ours, theirs


def run(relay: Relay, start: float, end: float) -> None:
    """Ring all alarms between two times."""
    now = start
    while (when := relay.next_timer()) is not None and when <= end:
        now = max(now, when)
        relay.on_timer(now)


def test_who_is_connected_first_hears_silence_until_something_comes() -> None:
    client, phone = Ended(ready=False), Ended()
    relay, ours, _ = call(client, phone)
    assert relay.events() == [Transcoded("call", SIP, "PCMU", "opus"), Connected("call", SIP)]
    assert relay.transcodes
    run(relay, 1.0, 1.505)
    quiet = phone.sounds()
    assert len(quiet) == 26
    assert max(map(abs, heard(PCMU, quiet))) < 40
    assert client.sent == []  # it has no keys yet
    client.path.secure = False
    client.path.receive(0, stream(OPUS, 1)[0], HERE, 1.51)
    run(relay, 1.52, 1.7)
    assert len(phone.sounds()) == 27
    assert {rtp.ssrc(each) for each in phone.sounds()} == {CLIENT}
    # the client hears silence by now, as the phone has said nothing
    assert len(client.sounds()) > 5
    ours.blocked = True
    assert not ours._unheard()


def test_who_is_on_hold_hears_nothing() -> None:
    client, phone = Ended(), Ended()
    relay, ours, theirs = call(client, phone)
    ours.blocked = theirs.blocked = True
    run(relay, 1.0, 2.0)
    assert client.sent == phone.sent == []


def test_nothing_is_decoded_for_who_is_not_there() -> None:
    client, phone = Ended(), Ended(ready=False)
    _, ours, _ = call(client, phone)
    for each in stream(OPUS, 5):
        client.path.receive(0, each, HERE, 1.0)
    assert ours.transcoder is not None
    assert ours.transcoder.source is None
    assert ours.receiver.counters().packets == 5


def test_reports_are_of_what_each_leg_hears() -> None:
    client, phone = Ended(), Ended()
    _, ours, theirs = call(client, phone)
    for each in stream(OPUS, 5):
        client.path.receive(0, each, HERE, 1.0)
    told = stream(PCMU, 6, sequence=1)
    del told[2]
    for each in told:
        phone.path.receive(0, each, HERE, 1.0)
    middle = 0x12345678
    said = rtcp.sender_report(rtcp.Sender(SOURCE, middle << 16, 0, 1, 1))
    phone.path.receive(0, said, HERE, 2.0)
    (to_client,) = client.reports()
    assert isinstance(to_client, rtcp.Sender)
    assert (to_client.ssrc, to_client.packets) == (PHONE, 5)
    (block,) = to_client.blocks
    assert (block.ssrc, block.lost, block.lsr) == (SOURCE, 0, 0)
    # the client has heard that, and answers; the phone learns what we heard of its own stream
    echo = rtcp.Block(PHONE, lost=77, lsr=middle, dlsr=0x8000)
    answer = rtcp.receiver_report(rtcp.Receiver(SOURCE, (echo,)))
    client.path.receive(0, answer, HERE, 3.0)
    (to_phone,) = phone.reports()
    assert isinstance(to_phone, rtcp.Receiver)
    assert to_phone.ssrc == CLIENT
    (block,) = to_phone.blocks
    assert (block.ssrc, block.lost, block.lsr, block.dlsr) == (SOURCE, 1, middle, 65536)
    assert ours.receiver.counters().round_trip == pytest.approx(500)
    assert theirs.receiver.counters().lost == 1


def test_a_report_that_is_cut_goes_nowhere() -> None:
    client, phone = Ended(), Ended()
    call(client, phone)
    client.path.receive(0, b"\x9f\xc9\0\1\0\0\0\1", HERE, 1.0)
    assert phone.sent == []


def test_a_bundle_of_which_one_stream_is_transcoded_has_its_reports_apart() -> None:
    client, phone = Ended(), Ended()
    _, ours, _ = call(client, phone)
    video = Half(90000, "VP8")
    video.target = phone.path
    client.path.carry([ours, video], numbers={111: ours, 96: video})
    client.path.receive(0, stream(OPUS, 1)[0], HERE, 1.0)
    picture = rtp.build(b"x", payload_type=96, sequence=1, timestamp=1, ssrc=99)
    client.path.receive(0, picture, HERE, 1.0)
    both = rtcp.sender_report(rtcp.Sender(SOURCE, 1, 1, 1, 1))
    both += rtcp.sender_report(rtcp.Sender(99, 1, 1, 7, 7))
    client.path.receive(0, both, HERE, 2.0)
    assert {each.ssrc for each in phone.reports() if isinstance(each, rtcp.Sender)} == {CLIENT, 99}
    assert picture in phone.sent
