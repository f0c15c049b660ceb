from dataclasses import replace

import pytest

from dragoman.mapping import call, idle
from dragoman.mapping.call import Layout
from dragoman.sdp.session import Direction, SessionDescription
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import Content
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import PayloadType, Rtp
from dragoman.xmpp.ext.senders import Creator, Senders
from dragoman.xmpp.ext.ssma import Source

CLIENT = Creator.INITIATOR
THEIRS, OURS = IceUdp("client", "p"), IceUdp("gateway", "p")
VP8 = Rtp("video", (PayloadType(96, "VP8", 90000),), mux=True, sources=(Source(7),))
SOUND = Content("a", description=Rtp("audio", (PayloadType(0, "PCMU", 8000),)), transport=THEIRS)
PICTURE = Content("v", description=VP8, transport=THEIRS)
ACCEPTED = replace(SOUND, transport=OURS)
BOTH, ALONE = Group("BUNDLE", ("v", "a")), Group("BUNDLE", ("a",))
LAYOUT = Layout().with_contents((PICTURE, SOUND))


def offer(*groups: Group) -> SessionDescription:
    return call.description((PICTURE, SOUND), groups, LAYOUT, CLIENT)


@pytest.mark.spec("MED-35")
def test_a_bundle_stays_whole() -> None:
    lips = Group("LS", ("a",))
    (contents, groups), said = idle.kept(((ACCEPTED,), (lips, ALONE)), offer(BOTH), LAYOUT, CLIENT)
    picture = Content(
        "v", senders=Senders.RESPONDER, description=replace(VP8, sources=()), transport=OURS
    )
    assert contents == (picture, ACCEPTED)
    assert groups == (BOTH, lips)
    ways = [said.direction_of(media) for media in said.media]
    assert ways == [Direction.RECVONLY, Direction.SENDRECV]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [((), (ALONE,)), ((BOTH,), ()), ((ALONE,), (ALONE,)), ((BOTH,), (Group("LS", ("a",)),))],
)
def test_without_a_bundle_on_both_sides_nothing_is_kept(
    theirs: tuple[Group, ...], ours: tuple[Group, ...]
) -> None:
    accepted, said = ((ACCEPTED,), ours), offer(*theirs)
    assert idle.kept(accepted, said, LAYOUT, CLIENT) == (accepted, said)


def test_all_that_was_accepted_is_all_there_is() -> None:
    accepted = ((replace(PICTURE, transport=OURS), ACCEPTED), (BOTH,))
    assert idle.kept(accepted, offer(BOTH), LAYOUT, CLIENT) == (accepted, offer(BOTH))


def test_a_stream_is_woken_by_the_phone_that_refused_it() -> None:
    _, client = idle.kept(((ACCEPTED,), (ALONE,)), offer(BOTH), LAYOUT, CLIENT)
    offered = offer()
    refused = replace(offered, media=(offered.media[0].refused(), offered.media[1]))
    assert idle.refused(refused) == {0}
    places, said = idle.woken(client, refused, offered)
    assert places == (0,)
    assert said.direction_of(said.media[0]) is Direction.SENDRECV
    for before, now in ((None, offered), (offered, offered), (refused, refused)):
        assert idle.woken(client, before, now)[0] == ()
    assert idle.woken(offer(BOTH), refused, offered)[0] == ()
