"""Offer and answer (RFC 3264), and where SIP carries them (RFC 6337)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from dragoman.errors import LocalError
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import (
    GLARE,
    TABLE,
    TOO_SOON,
    Carrier,
    Negotiation,
    Role,
    State,
    Step,
    answer_direction,
    direction,
)
from dragoman.sdp.session import (
    MAX_MEDIA,
    Address,
    Attribute,
    Direction,
    Media,
    Origin,
    SessionDescription,
    Timing,
)

ALICE: Final = Origin("alice", "2890844526", 2890844526, Address("host.anywhere.com"))
BOB: Final = Origin("bob", "2890844730", 2890844730, Address("host.example.com"))


def said(origin: Origin, version: int, *lines: str) -> bytes:
    """Return a description of RFC 3264 §10, whose lines before the streams are always alike."""
    first = (f"o={replace(origin, version=version)}", "s=-", f"c={origin.address}", "t=0 0")
    return "".join(f"{line}\r\n" for line in ("v=0", *first, *lines)).encode()


def wanted(origin: Origin, *lines: str) -> SessionDescription:
    """Return such a description as its side wants it: whose version it does not know."""
    return SessionDescription.parse(said(origin, 0, *lines))


AUDIO = ("m=audio 49170 RTP/AVP 0", "a=rtpmap:0 PCMU/8000")
H261 = ("m=video 51372 RTP/AVP 31", "a=rtpmap:31 H261/90000")
MPV = ("m=video 53000 RTP/AVP 32", "a=rtpmap:32 MPV/90000")
EVENTS = ("m=audio 51434 RTP/AVP 110", "a=rtpmap:110 telephone-events/8000", "a=recvonly")


def test_basic_exchange_of_section_10_1() -> None:
    alice, offer = Negotiation(ALICE).offer(wanted(ALICE, *AUDIO, *H261, *MPV))
    assert offer.encode() == said(ALICE, 2890844526, *AUDIO, *H261, *MPV)

    bob = Negotiation(BOB).offered(SessionDescription.parse(offer.encode()))
    his: tuple[str, ...]
    his = ("m=audio 49920 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "m=video 0 RTP/AVP 31", *MPV)
    bob, answer = bob.answer(wanted(BOB, *his))
    assert answer.encode() == said(BOB, 2890844730, *his)
    alice = alice.answered(answer)
    assert (alice.local, alice.remote) == (offer, answer) == (bob.remote, bob.local)
    assert alice.free == bob.free == (1,)

    # Bob changes his port, and adds a stream.
    his = ("m=audio 65422 RTP/AVP 0", *his[1:], *EVENTS)
    bob, offer = bob.offer(wanted(BOB, *his))
    assert offer.encode() == said(BOB, 2890844731, *his)
    alice = alice.offered(offer)
    hers = (*AUDIO, "m=video 0 RTP/AVP 31", "a=rtpmap:31 H261/90000", *MPV)
    events = ("m=audio 53122 RTP/AVP 110", "a=rtpmap:110 telephone-events/8000", "a=sendonly")
    alice, answer = alice.answer(wanted(ALICE, *hers, *events))
    assert answer.encode() == said(ALICE, 2890844527, *hers, *events)
    assert bob.answered(answer).state is State.SETTLED


def test_one_of_n_codecs_of_section_10_2() -> None:
    three = ("m=audio 62986 RTP/AVP 0 4 18", "a=rtpmap:0 PCMU/8000", "a=rtpmap:4 G723/8000",
             "a=rtpmap:18 G729/8000", "a=inactive")  # fmt: skip
    two = ("m=audio 54344 RTP/AVP 0 4", "a=rtpmap:0 PCMU/8000", "a=rtpmap:4 G723/8000",
           "a=inactive")  # fmt: skip
    one = ("m=audio 62986 RTP/AVP 4", "a=rtpmap:4 G723/8000", "a=sendrecv")
    his = ("m=audio 54344 RTP/AVP 4", *one[1:])
    alice, offer = Negotiation(ALICE).offer(wanted(ALICE, *three))
    bob = Negotiation(replace(BOB, version=2890844731)).offered(offer)
    bob, answer = bob.answer(wanted(BOB, *two))
    alice, offer = alice.answered(answer).offer(wanted(ALICE, *one))
    assert offer.encode() == said(ALICE, 2890844527, *one)
    bob, answer = bob.offered(offer).answer(wanted(BOB, *his))
    assert answer.encode() == said(BOB, 2890844732, *his)
    assert alice.answered(answer).remote == answer


STEPS: Final[dict[Step, Callable[[Negotiation], object]]] = {
    Step.OFFER_OUT: lambda one: one.offer(wanted(ALICE, *AUDIO)),
    Step.OFFER_IN: lambda one: one.offered(wanted(BOB, *AUDIO)),
    Step.ANSWER_OUT: lambda one: one.answer(wanted(ALICE, *AUDIO)),
    Step.ANSWER_IN: lambda one: one.answered(wanted(BOB, *AUDIO)),
    Step.ASK_OUT: Negotiation.ask,
    Step.ASK_IN: Negotiation.asked,
    Step.DROP: Negotiation.drop,
}


def in_state(state: State) -> Negotiation:
    fresh = Negotiation(ALICE)
    match state:
        case State.SETTLED:
            return fresh
        case State.OFFERING:
            return fresh.offer(wanted(ALICE, *AUDIO))[0]
        case State.OFFERED:
            return fresh.offered(wanted(BOB, *AUDIO))
        case State.ASKING:
            return fresh.ask()
        case State.ASKED:
            return fresh.asked()


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("state", State)
def test_every_step_is_in_the_table_or_refused(state: State, step: Step) -> None:
    before = in_state(state)
    if (state, step) in TABLE:
        result = STEPS[step](before)
        after = result[0] if isinstance(result, tuple) else result
        assert isinstance(after, Negotiation)
        assert after.state is TABLE[state, step]
        assert (after.pending is None) is (after.state not in {State.OFFERING, State.OFFERED})
        return
    inward = {Step.OFFER_IN, Step.ASK_IN, Step.ANSWER_IN}
    with pytest.raises(SdpError if step in inward else LocalError):
        STEPS[step](before)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.OFFERING, GLARE),
        (State.ASKING, GLARE),
        (State.OFFERED, TOO_SOON),
        (State.ASKED, TOO_SOON),
    ],
)
def test_an_offer_that_crosses_another_says_what_sip_answers(state: State, status: int) -> None:
    for step in (Step.OFFER_IN, Step.ASK_IN):
        if (state, step) in TABLE:
            continue
        with pytest.raises(SdpError) as caught:
            STEPS[step](in_state(state))
        assert caught.value.status == status
    assert (GLARE, TOO_SOON) == (491, 500)


def test_who_may_offer() -> None:
    may = {state for state in State if in_state(state).may_offer}
    assert may == {State.SETTLED, State.ASKED}


@pytest.mark.parametrize(
    ("carrier", "offering", "asking", "settled"),
    [
        (Carrier.INVITE, Role.OFFER, Role.OFFER, Role.OFFER),
        (Carrier.UPDATE, Role.OFFER, Role.OFFER, Role.OFFER),
        (Carrier.PRACK, Role.ANSWER, Role.OFFER, Role.OFFER),
        (Carrier.ACK, Role.ANSWER, Role.IGNORED, Role.IGNORED),
        (Carrier.RELIABLE, Role.ANSWER, Role.OFFER, Role.IGNORED),
        (Carrier.UNRELIABLE, Role.PREVIEW, Role.IGNORED, Role.IGNORED),
        (Carrier.RESPONSE, Role.ANSWER, Role.IGNORED, Role.IGNORED),
    ],
)
def test_what_a_description_is_where_it_comes(
    carrier: Carrier, offering: Role, asking: Role, settled: Role
) -> None:
    states = (State.OFFERING, State.ASKING, State.SETTLED)
    assert tuple(in_state(each).role(carrier) for each in states) == (offering, asking, settled)


def test_an_invite_without_an_offer_is_answered_by_one() -> None:
    ours, offer = Negotiation(ALICE).asked().offer(wanted(ALICE, *AUDIO))
    theirs = Negotiation(BOB).ask()
    assert theirs.role(Carrier.RELIABLE) is Role.OFFER
    theirs, answer = theirs.offered(offer).answer(wanted(BOB, *AUDIO))
    assert ours.role(Carrier.ACK) is Role.ANSWER
    ours = ours.answered(answer)
    assert (ours.local, ours.remote) == (theirs.remote, theirs.local)


def settled(*lines: str) -> Negotiation:
    ours, _ = Negotiation(ALICE).offer(wanted(ALICE, *lines))
    return ours.answered(wanted(BOB, *lines))


def test_the_same_once_more_has_the_same_origin() -> None:
    ours, again = settled(*AUDIO).offer(wanted(ALICE, *AUDIO))
    assert again.origin == ALICE
    assert ours.unchanged
    ours, other = ours.drop().offer(wanted(ALICE, *AUDIO, "a=sendonly"))
    assert other.origin.version == ALICE.version + 1
    assert not ours.unchanged


def test_a_version_is_used_for_one_description_only() -> None:
    """What was refused was said all the same: what comes after has a version of its own."""
    ours, refused = settled(*AUDIO).offer(wanted(ALICE, *AUDIO, "a=sendonly"))
    ours = ours.drop()
    assert ours.local is not None
    _, again = ours.offer(ours.local)
    assert (refused.origin.version, again.origin.version) == (
        ALICE.version + 1,
        ALICE.version + 2,
    )


def test_what_is_refused_changes_nothing() -> None:
    before = settled(*AUDIO)
    ours, _ = before.offer(wanted(ALICE, *AUDIO, *MPV))
    assert replace(ours.drop(), said=before.said) == before
    assert before.offered(wanted(BOB, *MPV)).drop() == before


def test_an_offer_that_says_nothing_new_is_known() -> None:
    ours = settled(*AUDIO)
    assert ours.offered(wanted(BOB, *AUDIO)).unchanged
    newer = SessionDescription.parse(said(BOB, 99, *AUDIO))
    assert ours.offered(newer).unchanged
    assert not ours.offered(wanted(BOB, *AUDIO, "a=sendonly")).unchanged
    assert not ours.unchanged
    assert not Negotiation(ALICE).offered(newer).unchanged


def test_a_stream_that_is_not_wanted_any_more_stays_with_port_0() -> None:
    ours, offer = settled(*AUDIO, *H261, *MPV).offer(wanted(ALICE, *AUDIO))
    assert offer.encode() == said(
        ALICE, ALICE.version + 1, *AUDIO, "m=video 0 RTP/AVP 31", "m=video 0 RTP/AVP 32"
    )
    ours = ours.answered(wanted(BOB, *AUDIO, "m=video 0 RTP/AVP 31", "m=video 0 RTP/AVP 32"))
    assert ours.free == (1, 2)
    assert Negotiation(ALICE).free == ()


def test_an_offer_has_no_more_streams_than_can_be_read() -> None:
    streams = SessionDescription(media=(Media("a", 1, "b", ("c",)),) * (MAX_MEDIA + 1))
    Negotiation(ALICE).offer(replace(streams, media=streams.media[1:]))
    with pytest.raises(LocalError):
        Negotiation(ALICE).offer(streams)


def test_an_answer_has_the_times_of_the_offer() -> None:
    offer = replace(wanted(BOB, *AUDIO), timings=(Timing(1, 2),))
    _, answer = Negotiation(ALICE).offered(offer).answer(wanted(ALICE, *AUDIO))
    assert answer.timings == (Timing(1, 2),)


@pytest.mark.parametrize(
    "lines", [AUDIO, (*AUDIO, *AUDIO), (*AUDIO, *MPV, *MPV), ()], ids=["few", "other", "many", "no"]
)
def test_an_answer_has_the_streams_of_the_offer(lines: tuple[str, ...]) -> None:
    offered = wanted(BOB, *AUDIO, *MPV)
    with pytest.raises(LocalError):
        Negotiation(ALICE).offered(offered).answer(wanted(ALICE, *lines))
    ours, _ = Negotiation(ALICE).offer(wanted(ALICE, *AUDIO, *MPV))
    with pytest.raises(SdpError):
        ours.answered(wanted(BOB, *lines))


def test_a_stream_that_is_over_is_not_taken() -> None:
    over = ("m=audio 0 RTP/AVP 0", *MPV)
    with pytest.raises(LocalError):
        Negotiation(ALICE).offered(wanted(BOB, *over)).answer(wanted(ALICE, *AUDIO, *MPV))
    # A peer who does so has said nothing that counts.
    ours, _ = Negotiation(ALICE).offer(wanted(ALICE, *over))
    assert ours.answered(wanted(BOB, *AUDIO, *MPV)).free == (0,)


def test_an_answer_may_be_of_another_protocol() -> None:
    """RFC 4976 §11 answers TCP/MSRP with TCP/TLS/MSRP: who knows the protocol has to judge."""
    ours, _ = Negotiation(ALICE).offer(wanted(ALICE, "m=message 1 TCP/MSRP *"))
    assert ours.answered(wanted(BOB, "m=message 2 TCP/TLS/MSRP *")).remote is not None


SENDRECV, SENDONLY, RECVONLY, INACTIVE = Direction


@pytest.mark.parametrize(
    ("offered", "local", "answered"),
    [
        (SENDRECV, SENDRECV, SENDRECV),
        (SENDRECV, SENDONLY, SENDONLY),
        (SENDRECV, RECVONLY, RECVONLY),
        (SENDRECV, INACTIVE, INACTIVE),
        (SENDONLY, SENDRECV, RECVONLY),
        (SENDONLY, SENDONLY, INACTIVE),
        (SENDONLY, RECVONLY, RECVONLY),
        (SENDONLY, INACTIVE, INACTIVE),
        (RECVONLY, SENDRECV, SENDONLY),
        (RECVONLY, SENDONLY, SENDONLY),
        (RECVONLY, RECVONLY, INACTIVE),
        (RECVONLY, INACTIVE, INACTIVE),
        (INACTIVE, SENDRECV, INACTIVE),
        (INACTIVE, SENDONLY, INACTIVE),
        (INACTIVE, RECVONLY, INACTIVE),
        (INACTIVE, INACTIVE, INACTIVE),
    ],
)
def test_directions_of_answers(offered: Direction, local: Direction, answered: Direction) -> None:
    """Section 6.1; the hold of RFC 6337 §5.3 is the row of SENDONLY twice."""
    assert answer_direction(offered, local) is answered


@pytest.mark.parametrize(
    ("host", "port", "attributes", "expected"),
    [
        ("192.0.2.1", 49170, (), SENDRECV),
        ("192.0.2.1", 49170, ("sendonly",), SENDONLY),
        ("0.0.0.0", 49170, (), SENDONLY),  # noqa: S104
        ("0.0.0.0", 49170, ("recvonly",), INACTIVE),  # noqa: S104
        ("0.0.0.0", 49170, ("sendonly",), SENDONLY),  # noqa: S104
        ("::", 49170, (), SENDONLY),
        ("0.0.0.0", 9, (), SENDRECV),  # noqa: S104
        ("0.0.0.0", 49170, ("ice-ufrag:a",), SENDRECV),  # noqa: S104
    ],
)
def test_hold(host: str, port: int, attributes: tuple[str, ...], expected: Direction) -> None:
    stream = Media(
        "audio", port, "RTP/AVP", ("0",), attributes=tuple(map(Attribute.parse, attributes))
    )
    assert direction(SessionDescription(connection=Address.of(host)), stream) is expected
    nearer = replace(stream, connections=(Address.of(host),))
    assert direction(SessionDescription(connection=Address.of("192.0.2.9")), nearer) is expected


def test_a_stream_without_a_connection_is_not_held() -> None:
    assert direction(SessionDescription(), Media("audio", 1, "a", ("0",))) is SENDRECV
