import itertools
import random

import pytest

from dragoman.media import rtcp, rtp
from dragoman.media.sound import CODECS, G722, OPUS, PCMA, PCMU, Codec
from dragoman.media.telephone import Event
from dragoman.media.transcoder import BURST, MOST_LATE, Beside, Plan, Transcoder
from tests.media.tone import HERTZ, LEVEL, NUMBERS, SOURCE, heard, power, samples, stream

pytest.importorskip("av", reason="PyAV is not here: dragoman[transcode] has it")

OURS, FIRST, START = 0x0DDB411, 65533, 2**32 - 1000
NOW = 100.0


def plan(source: Codec, target: Codec) -> Plan:
    return Plan(target, NUMBERS[target.name], {NUMBERS[source.name]: source})


def made(source: Codec, target: Codec) -> Transcoder:
    return Transcoder(plan(source, target), OURS, FIRST, START)


def passed(
    subject: Transcoder, packets: list[bytes], period: float = 0.02, now: float = NOW
) -> list[bytes]:
    timed = ((each, now + index * period) for index, each in enumerate(packets))
    return [out for each, when in timed for out in subject.transcode(each, when)]


def stamps(packets: list[bytes]) -> list[int]:
    """Return how far timestamps are from one to the next."""
    pairs = itertools.pairwise(map(rtp.timestamp, packets))
    return [(later - earlier) % 2**32 for earlier, later in pairs]


def numbers(packets: list[bytes]) -> list[int]:
    pairs = itertools.pairwise(map(rtp.sequence, packets))
    return [(later - earlier) % 2**16 for earlier, later in pairs]


PAIRS = list(itertools.permutations(CODECS.values(), 2))


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda each: each.name)
def test_a_tone_stays_the_same_tone(source: Codec, target: Codec) -> None:
    subject = made(source, target)
    found = passed(subject, stream(source, 50))
    assert len(found) == 50
    assert {rtp.ssrc(each) for each in found} == {OURS}
    assert {rtp.payload_type(each) for each in found} == {NUMBERS[target.name]}
    assert set(numbers(found)) == {1}
    assert set(stamps(found)) == {target.clock // 50}
    assert [rtp.marker(each) for each in found] == [True] + 49 * [False]
    pcm = heard(target, found)
    assert len(pcm) == target.rate
    middle = pcm[target.rate // 4 : target.rate * 3 // 4]
    assert power(middle, target.rate) == pytest.approx(LEVEL, rel=0.1)
    others = [power(middle, target.rate, hertz) for hertz in (HERTZ // 2, 660, 880, 1320)]
    assert max(others) < LEVEL / 30
    assert subject.errors == 0


@pytest.mark.parametrize("milliseconds", [10, 30, 40, 60])
def test_packets_are_of_20_milliseconds_whatever_comes(milliseconds: int) -> None:
    for source, target in ((PCMU, OPUS), (G722, PCMA)):
        packets = stream(source, 600 // milliseconds, milliseconds)
        found = passed(made(source, target), packets, milliseconds / 1000)
        assert len(found) == 30
        assert set(stamps(found)) == {target.clock // 50}
        pcm = heard(target, found)[target.rate // 5 : target.rate // 2]
        assert power(pcm, target.rate) == pytest.approx(LEVEL, rel=0.1)


@pytest.mark.parametrize(("source", "target"), [(OPUS, PCMU), (PCMA, OPUS)])
def test_what_was_lost_is_a_hole_over_there_too(source: Codec, target: Codec) -> None:
    packets = stream(source, 20)
    del packets[10:13]
    found = passed(made(source, target), packets)
    frame = target.clock // 50
    assert len(found) == 17
    assert stamps(found)[9] == 4 * frame
    assert numbers(found)[9] == 4
    assert set(stamps(found)[:9] + stamps(found)[10:]) == {frame}
    assert not any(map(rtp.marker, found[1:]))


def test_a_pause_is_no_loss() -> None:
    packets = stream(OPUS, 10) + stream(OPUS, 5, sequence=65540, start=2**32 - 1 + 48000)
    found = passed(made(OPUS, PCMU), packets)
    assert set(numbers(found)) == {1}
    assert stamps(found)[9] == 8000 - 9 * 160
    assert [index for index, each in enumerate(found) if rtp.marker(each)] == [0, 10]


def test_sound_that_fills_no_packet_is_sent_before_a_pause() -> None:
    packets = stream(PCMU, 3, 30)
    later = rtp.build(
        bytes(160), payload_type=0, sequence=65533, timestamp=7999, ssrc=SOURCE, marker=True
    )
    subject = made(PCMU, PCMA)
    assert len(passed(subject, packets[:3])) == 4
    found = subject.transcode(later, NOW)
    assert [rtp.marker(each) for each in found] == [False, True]
    assert stamps(found) == [8000 - 4 * 160]


def test_what_comes_late_or_twice_is_not_heard_twice() -> None:
    packets = stream(PCMU, 6)
    subject = made(PCMU, PCMA)
    found = passed(subject, [*packets[:4], packets[2], packets[3], *packets[4:]])
    assert len(found) == 6
    assert set(stamps(found)) == {160}
    assert subject.errors == 2


def test_a_sender_whose_clock_begins_anew_is_heard_again() -> None:
    subject = made(PCMU, PCMA)
    first = passed(subject, stream(PCMU, 10))
    again = passed(subject, stream(PCMU, 10, start=2**31), now=NOW + 1)
    assert len(again) == 10
    assert set(numbers(first + again)) == {1}
    assert stamps([first[-1], again[0]]) == [round(0.82 * 8000)]
    back = passed(subject, stream(PCMU, 10, sequence=4, start=2**31 - 8000), now=NOW + 2)
    assert len(back) == 10 - MOST_LATE
    assert set(numbers(again + back)) == {1}


def test_another_source_goes_on_in_the_same_stream() -> None:
    subject = made(PCMU, OPUS)
    first = passed(subject, stream(PCMU, 5))
    other = [rtp.with_ssrc(each, 77) for each in stream(PCMU, 5, sequence=7, start=42)]
    second = passed(subject, other, now=NOW + 0.1)
    assert subject.source == 77
    assert set(numbers(first + second)) == {1}
    assert {rtp.ssrc(each) for each in second} == {OURS}
    assert stamps([first[-1], second[0]]) == [960]


def test_another_codec_goes_on_in_the_same_stream() -> None:
    subject = Transcoder(Plan(PCMU, 0, {111: OPUS, 9: G722}), OURS)
    found = passed(subject, stream(OPUS, 25)) + passed(subject, stream(G722, 25), now=NOW + 0.5)
    assert len(found) == 50
    assert set(stamps(found)) == {160}
    pcm = heard(PCMU, found)
    for half in (pcm[800:4000], pcm[4800:]):
        assert power(half, 8000) == pytest.approx(LEVEL, rel=0.1)


def test_another_plan_goes_on_in_the_same_stream() -> None:
    subject = made(PCMU, OPUS)
    first = passed(subject, stream(PCMU, 5))
    subject.follow(plan(PCMU, OPUS))
    assert subject.source == SOURCE
    subject.follow(plan(PCMU, G722))
    second = passed(subject, stream(PCMU, 5, sequence=65535), now=NOW + 0.1)
    assert set(numbers(first + second)) == {1}
    assert {rtp.payload_type(each) for each in second} == {9}


def test_both_channels_are_heard() -> None:
    """Opus may come in two channels at any time (RFC 7587 §3.4)."""
    import av

    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "stereo", "s16"
    encoder.options = {"frame_duration": "20"}
    encoder.open()
    packets = []
    tone = samples(48000, 48000)
    for index in range(50):
        pcm = tone[index * 1920 : index * 1920 + 1920]
        both = b"".join(pcm[at : at + 2] * 2 for at in range(0, len(pcm), 2))
        frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
        frame.sample_rate = 48000
        frame.planes[0].update(both)
        packets += [bytes(each) for each in encoder.encode(frame)]
    found = passed(
        made(OPUS, PCMU),
        [
            rtp.build(each, payload_type=111, sequence=n, timestamp=n * 960, ssrc=1)
            for n, each in enumerate(packets)
        ],
    )
    assert power(heard(PCMU, found)[2000:6000], 8000) == pytest.approx(LEVEL, rel=0.1)


@pytest.mark.parametrize("codec", CODECS.values(), ids=lambda each: each.name)
def test_garbage_is_counted_and_harms_nothing(codec: Codec) -> None:
    target = PCMA if codec is not PCMA else OPUS
    subject = made(codec, target)
    chance = random.Random(1)  # noqa: S311 (repeatable on purpose)
    good = stream(codec, 100, start=10**6, sequence=1)
    for index in range(100):
        length = chance.choice((0, 1, 2, 20, 160, 1400, 60000))
        odd = rtp.build(
            chance.randbytes(length),
            payload_type=NUMBERS[codec.name],
            sequence=index,
            timestamp=index * codec.clock // 50,
            ssrc=SOURCE,
        )
        assert len(subject.transcode(odd, NOW + index)) <= 11
    assert subject.errors
    cut = rtp.build(b"x", payload_type=NUMBERS[codec.name], sequence=1, timestamp=1, ssrc=1)
    assert subject.transcode(b"\xbf" + cut[1:], NOW + 200) == []
    found = passed(subject, good, now=NOW + 300)
    assert power(heard(target, found)[-target.rate :], target.rate) == pytest.approx(LEVEL, rel=0.1)


@pytest.mark.parametrize("codec", CODECS.values(), ids=lambda each: each.name)
def test_a_packet_without_sound_costs_no_other(codec: Codec) -> None:
    """To PyAV it would be the end of the stream."""
    subject = made(codec, PCMA if codec is not PCMA else PCMU)
    packets = stream(codec, 10)
    packets.insert(5, packets[5][: rtp.FIXED])
    assert len(passed(subject, packets)) == 10
    assert subject.errors == 1


def test_no_more_is_decoded_than_can_be_heard() -> None:
    """A flood, of packets whose time goes on, costs no more than a call."""
    subject = made(PCMU, PCMA)
    found = [out for each in stream(PCMU, 500) for out in subject.transcode(each, NOW)]
    assert len(found) == int(BURST / 0.02)
    assert subject.errors == 500 - len(found)
    assert subject.transcode(stream(PCMU, 1, sequence=494, start=500 * 160)[0], NOW + 1)


def test_silence_for_who_hears_nothing_yet_goes_on_as_sound() -> None:
    for target in (PCMU, G722):
        subject = made(OPUS, target)
        quiet = [subject.silence(NOW + n * 0.02)[0] for n in range(10)]
        found = passed(subject, stream(OPUS, 10), now=NOW + 0.2)
        assert set(numbers(quiet + found)) == {1}
        assert set(stamps(quiet + found)) == {160}
        assert max(map(abs, heard(target, quiet))) < 40
    subject = made(PCMU, OPUS)
    quiet = [subject.silence(NOW + n * 0.02)[0] for n in range(10)]
    assert max(map(abs, heard(OPUS, quiet))) < 40
    assert set(stamps(quiet)) == {960}


def event(number: int, sequence: int, stamp: int, said: Event, *, marker: bool = False) -> bytes:
    return rtp.build(
        bytes(said),
        payload_type=number,
        sequence=sequence,
        timestamp=stamp,
        ssrc=SOURCE,
        marker=marker,
    )


@pytest.mark.spec("MED-28")
def test_digits_go_beside_by_the_clock_over_there() -> None:
    beside = {101: Beside(110, 8000, 48000)}
    subject = Transcoder(Plan(OPUS, 111, {0: PCMU}, events=beside), OURS, FIRST, START)
    found = passed(subject, stream(PCMU, 5))
    after = 2**32 - 1 + 5 * 160
    digit = [
        event(101, 65535, after, Event(5, 160), marker=True),
        event(101, 0, after, Event(5, 1280, end=True)),
        event(101, 1, after, Event(5, 60000, end=True)),
    ]
    found += passed(subject, digit)
    found += passed(subject, stream(PCMU, 1, sequence=2, start=after + 1280), now=NOW + 0.26)
    assert set(numbers(found)) == {1}
    said = [Event.parse(rtp.payload(each)) for each in found[5:8]]
    assert [(each.number, each.duration, each.end) for each in said] == [
        (5, 960, False),
        (5, 7680, True),
        (5, 0xFFFF, True),  # a segment can say no more
    ]
    assert [rtp.payload_type(each) for each in found[5:]] == [110, 110, 110, 111]
    assert [rtp.marker(each) for each in found[5:]] == [True, False, False, True]
    assert stamps(found)[4:] == [960, 0, 0, 8 * 960]
    assert subject.transcode(event(101, 9, 0, Event(1, 1))[:14], NOW) == []


def test_digits_may_come_first_and_without_any_clock_of_theirs() -> None:
    subject = Transcoder(
        Plan(PCMU, 0, {111: OPUS}, events={126: Beside(101, 8000, 8000)}), OURS, FIRST, START
    )
    (found,) = subject.transcode(event(126, 1, 5000, Event(1, 160), marker=True), NOW)
    assert (rtp.timestamp(found), rtp.payload_type(found)) == (START, 101)
    (next_,) = subject.transcode(event(126, 2, 5000, Event(1, 320)), NOW)
    assert rtp.timestamp(next_) == START


def test_comfort_noise_goes_where_it_is_known() -> None:
    noise = rtp.build(b"\x40", payload_type=13, sequence=65535, timestamp=799, ssrc=SOURCE)
    known = Transcoder(Plan(PCMA, 8, {0: PCMU}, noise={13: 13}), OURS, FIRST, START)
    found = passed(known, [*stream(PCMU, 5), noise])
    assert rtp.payload(found[-1]) == b"\x40"
    assert stamps(found)[-1] == 160
    unknown = made(PCMU, OPUS)
    assert len(passed(unknown, [*stream(PCMU, 5), noise])) == 5
    later = passed(unknown, stream(PCMU, 1, sequence=0, start=1599))
    assert rtp.marker(later[0])


def test_what_needs_no_decoding_is_not_taken() -> None:
    events = {101: Beside(110, 8000, 48000)}
    mixed = Plan(OPUS, 111, {0: PCMU}, whole=False, through=frozenset({96}), events=events)
    subject = Transcoder(mixed, OURS)
    assert not subject.active
    assert not subject.takes(101)
    assert subject.takes(0)
    assert subject.takes(101)
    assert not subject.takes(96)
    assert not subject.takes(101)
    assert Transcoder(plan(PCMU, OPUS), OURS).takes(101)
    assert Transcoder(plan(PCMU, OPUS), OURS).transcode(event(55, 1, 1, Event(1, 1)), NOW) == []


def test_what_needs_no_decoding_goes_along_in_the_same_stream() -> None:
    """Who hears silence of ours first might not hear another stream whose numbers are lower."""
    both = Plan(PCMU, 0, {111: OPUS}, through=frozenset({8}), along={8: 8})
    subject = Transcoder(both, OURS, FIRST, START)
    found = subject.silence(NOW)
    assert subject.takes(8)
    found += passed(subject, stream(PCMA, 5), now=NOW + 0.02)
    found += passed(subject, stream(OPUS, 5, sequence=65535), now=NOW + 0.12)
    found += passed(subject, stream(PCMA, 5, start=7, sequence=4), now=NOW + 0.22)
    assert [rtp.payload_type(each) for each in found] == [0, 8, 8, 8, 8, 8, *[0] * 5, *[8] * 5]
    assert set(numbers(found)) == {1}
    assert set(stamps(found)) == {160}
    assert {rtp.ssrc(each) for each in found} == {OURS}


def test_a_stream_goes_on_where_that_of_the_leg_ended() -> None:
    mixed = Plan(PCMU, 0, {111: OPUS}, whole=False, through=frozenset({8}), along={8: 8})
    subject = Transcoder(mixed, OURS, FIRST, START)
    before = stream(PCMA, 5)
    assert not subject.takes(8)
    assert subject.takes(111)
    subject.adopt(before[-1], NOW)
    found = passed(subject, stream(OPUS, 5), now=NOW)
    assert subject.takes(8)
    assert set(numbers(before[-1:] + found)) == {1}
    assert set(stamps(before[-1:] + found)) == {160}
    assert {rtp.ssrc(each) for each in found} == {SOURCE}
    subject.adopt(stream(PCMA, 1, sequence=1)[0], NOW)
    later = stream(OPUS, 1, sequence=65535, start=2**32 - 1 + 5 * 960)
    assert set(numbers(found[-1:] + passed(subject, later, now=NOW + 0.1))) == {1}


def test_reports_are_of_the_stream_that_is_heard() -> None:
    subject = made(PCMU, OPUS)
    block = rtcp.Block(5, 6, 7, 8, 9, 10, 11)
    early = rtcp.sender_report(rtcp.Sender(SOURCE, 1 << 40, 799, 50, 8000))
    assert rtcp.parse(subject.report(early, [])) == [rtcp.Receiver(OURS)]
    found = passed(subject, stream(PCMU, 5))
    said = early + rtcp.description(SOURCE, b"me@here") + rtcp.picture_loss(1, 2)
    report, name = rtcp.parse(subject.report(said, [block]))
    octets = sum(len(rtp.payload(each)) for each in found)
    stamp = (START + 5 * 960) % 2**32
    assert report == rtcp.Sender(OURS, 1 << 40, stamp, 5, octets, (block,))
    assert name == rtcp.Description(((OURS, ((rtcp.CNAME, b"me@here"),)),))
    kept = rtcp.receiver_report(rtcp.Receiver(SOURCE, (block,)))
    assert rtcp.parse(subject.report(kept, None)) == [rtcp.Receiver(OURS, (block,))]
    assert subject.report(rtcp.picture_loss(1, 2), None) == b""


def test_without_the_library_sound_is_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("dragoman.media.sound.import_module", broken)
    subject = made(PCMU, OPUS)
    assert subject.transcode(one_packet(), NOW) == []
    assert subject.errors == 1


def one_packet() -> bytes:
    return rtp.build(bytes(160), payload_type=0, sequence=1, timestamp=1, ssrc=1)
