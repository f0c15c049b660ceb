"""Calls whose ends reach each other: what is passed on, and what needs a plane."""

from collections.abc import Callable

import pytest

from dragoman.media.bypass import Bypass, agrees, fits
from dragoman.media.plane import (
    BYPASS,
    PLAIN,
    Counters,
    MediaError,
    Plane,
    Profile,
    Side,
    Told,
    Transcoding,
    Trouble,
)
from dragoman.sdp.session import SessionDescription

HOST = "1 1 udp 2130706431 192.0.2.1 5000 typ host"
ICE = ("a=ice-ufrag:abcd", "a=ice-pwd:secret-of-some-length-0")
DTLS = ("a=fingerprint:sha-256 AB:CD", "a=setup:actpass")
MUX = ("a=rtcp-mux",)
AUDIO = "m=audio 5000 UDP/TLS/RTP/SAVPF 111"
BOTH = (AUDIO, "a=mid:0", *ICE, *DTLS, *MUX, AUDIO.replace("audio", "video"), "a=mid:1", *ICE)


def said(*lines: str) -> SessionDescription:
    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0")
    return SessionDescription.parse("\r\n".join((*head, *lines, "")).encode())


WHOLE = said(AUDIO, *ICE, *DTLS, *MUX, f"a=candidate:{HOST}")


class Carrier:
    """Takes what has to be carried."""

    transcoding = Transcoding.LACKS

    def __init__(self) -> None:
        self.asked: list[str] = []

    def offer(
        self,
        call: str,
        side: Side,
        offer: object,
        toward: Profile,
        told: Told,
        successor: Side | None = None,
    ) -> None:
        self.asked.append("offer" if successor is None else f"offer to another {successor.value}")

    def answer(self, call: str, side: Side, answer: object, told: Told) -> None:
        self.asked.append("answer")

    def revert(self, call: str) -> None:
        self.asked.append("revert")

    def candidates(self, *_: object) -> None:
        self.asked.append("candidates")

    def digits(self, *_: object) -> None:
        self.asked.append("digits")

    def refresh(self, call: str, toward: Side) -> None:
        self.asked.append("refresh")

    def counters(self, call: str, told: Callable[[dict[Side, Counters]], None]) -> None:
        self.asked.append("counters")

    def close(self, call: str) -> None:
        self.asked.append("close")


def planes() -> tuple[Carrier, Plane]:
    carrier = Carrier()
    return carrier, Bypass(carrier)


def offered(
    plane: Plane, offer: SessionDescription, side: Side = Side.XMPP
) -> SessionDescription | MediaError:
    told: list[SessionDescription | MediaError] = []
    plane.offer("c", side, offer, BYPASS, told.append)
    return told[0]


def answered(
    plane: Plane, answer: SessionDescription, side: Side = Side.SIP
) -> SessionDescription | MediaError:
    told: list[SessionDescription | MediaError] = []
    plane.answer("c", side, answer, told.append)
    return told[0]


@pytest.mark.parametrize(
    ("offer", "expected"),
    [
        (WHOLE, True),
        (said(*ICE, *DTLS, AUDIO, *MUX), True),
        (said(AUDIO, *ICE, "a=zrtp-hash:1.10 abcd", *MUX), True),
        (said("a=group:BUNDLE 0 1", *BOTH, *DTLS, *MUX), True),
        (said(AUDIO, *ICE, *MUX), False),
        (said(AUDIO, *DTLS, *MUX), False),
        (said(AUDIO, *ICE, *DTLS), False),
        (said("a=ice-lite", AUDIO, *ICE, *DTLS, *MUX), False),
        (said(*BOTH, *DTLS, *MUX), False),
        (said("a=group:BUNDLE 0", *BOTH, *DTLS, *MUX), False),
        (said(AUDIO.replace("5000", "0"), *ICE, *DTLS, *MUX), False),
        (said(), False),
    ],
)
def test_who_can_do_without_a_plane(offer: SessionDescription, expected: bool) -> None:
    assert fits(offer) is expected


def test_an_answer_has_the_keys_that_were_offered() -> None:
    zrtp = said(AUDIO, *ICE, "a=zrtp-hash:1.10 abcd", *MUX)
    assert agrees(WHOLE, WHOLE)
    assert not agrees(WHOLE, zrtp)
    assert not agrees(WHOLE, said(AUDIO, *DTLS, *MUX))
    assert not agrees(WHOLE, said("a=group:BUNDLE 0 1", *BOTH, *DTLS, *MUX))


def test_what_is_said_is_passed_on_as_it_is() -> None:
    carrier, plane = planes()
    told = offered(plane, WHOLE)
    assert isinstance(told, SessionDescription)
    assert told.media == WHOLE.media
    active = said(AUDIO, *ICE, DTLS[0], "a=setup:active", *MUX, f"a=candidate:{HOST}")
    answer = answered(plane, active)
    assert isinstance(answer, SessionDescription)
    assert answer.media == active.media
    assert carrier.asked == []


def test_names_of_mdns_mean_nothing_elsewhere() -> None:
    _, plane = planes()
    name = HOST.replace("192.0.2.1", "3d1f.local")
    told = offered(
        plane, said(AUDIO, *ICE, *DTLS, *MUX, f"a=candidate:{HOST}", f"a=candidate:{name}")
    )
    assert isinstance(told, SessionDescription)
    assert told.media[0].values("candidate") == (HOST,)


def test_who_connects_is_settled_once() -> None:
    """RFC 8842 §5.2, §5.5: an offer leaves it open, an answer says it."""
    _, plane = planes()
    offered(plane, WHOLE)
    answered(plane, said(AUDIO, *ICE, DTLS[0], "a=setup:active", *MUX))
    again = offered(plane, said(AUDIO, *ICE, DTLS[0], "a=setup:active", *MUX), Side.SIP)
    assert isinstance(again, SessionDescription)
    assert again.media[0].value("setup") == "actpass"
    answer = answered(plane, WHOLE, Side.XMPP)
    assert isinstance(answer, SessionDescription)
    assert answer.media[0].value("setup") == "passive"


@pytest.mark.parametrize(
    "answer", [said(AUDIO, *DTLS, *MUX), said("m=audio 9 RTP/AVP 0"), said(AUDIO, *ICE, *MUX)]
)
def test_an_answer_that_needs_a_plane_is_none(answer: SessionDescription) -> None:
    carrier, plane = planes()
    offered(plane, WHOLE)
    told = answered(plane, answer)
    assert isinstance(told, MediaError)
    assert told.trouble is Trouble.UNACCEPTABLE
    plane.offer("c", Side.XMPP, WHOLE, PLAIN, lambda _: None)
    plane.answer("c", Side.SIP, answer, lambda _: None)
    plane.close("c")
    assert carrier.asked == ["offer", "answer", "close"]


def test_of_a_call_that_is_not_carried_the_carrier_knows_nothing() -> None:
    carrier, plane = planes()
    offered(plane, WHOLE)
    plane.candidates("c", Side.XMPP, "0", "abcd", [])
    plane.digits("c", Side.SIP, "1", 160)
    plane.refresh("c", Side.SIP)
    plane.revert("c")
    counters: list[object] = []
    plane.counters("c", counters.append)
    plane.close("c")
    assert (carrier.asked, counters) == ([], [{}])
    plane.close("c")
    assert carrier.asked == ["close"]


def test_an_offer_that_needs_a_plane_is_refused() -> None:
    _, plane = planes()
    assert isinstance(offered(plane, said("m=audio 9 RTP/AVP 0")), MediaError)


def test_only_of_a_call_that_is_carried_another_takes_a_leg_over() -> None:
    carrier, plane = planes()
    offered(plane, WHOLE)
    told: list[SessionDescription | MediaError] = []
    plane.offer("c", Side.XMPP, WHOLE, PLAIN, told.append, Side.SIP)
    assert isinstance(told[0], MediaError)
    plane.offer("d", Side.XMPP, WHOLE, PLAIN, told.append, Side.SIP)
    assert carrier.asked == ["offer to another sip"]
