"""Calls whose ends reach each other by themselves, beside those that a plane carries (RFC 8839).

What a leg says is told to the other as it is, but for what would mean nothing there. Whoever talks
so needs ICE, and the same way to agree on keys; all else that clients of Jingle want goes without
saying: RTCP on the port of RTP, and all streams on one transport.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final

from dragoman.media.plane import (
    Counters,
    MediaError,
    Plane,
    Profile,
    Side,
    Told,
    Transcoding,
    Trouble,
)
from dragoman.sdp.bundle import BUNDLE, Group
from dragoman.sdp.failure import SdpError
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import Attribute, Media, SessionDescription

_KEYS: Final = ("fingerprint", "zrtp-hash")
_OTHER: Final = {"active": "passive", "passive": "active"}


@dataclass(slots=True)
class _Direct:
    """A call that no packet of comes by here."""

    offer: SessionDescription | None = None
    roles: dict[Side, str] = field(default_factory=dict)
    """Who connects by DTLS, once that is settled."""


class Bypass:
    """A `Plane` that passes on what is said in the way `bypass`, and leaves the rest to another.

    A call may come to be carried, by an offer in another way; it does not cease to be.
    """

    def __init__(self, carrier: Plane) -> None:
        """Leave to `carrier` what has to be carried."""
        self._carrier = carrier
        self._direct: dict[str, _Direct] = {}

    @property
    def transcoding(self) -> Transcoding:
        """Whether what has to be carried can be transcoded."""
        return self._carrier.transcoding

    def offer(
        self,
        call: str,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        told: Told,
        successor: Side | None = None,
    ) -> None:
        """Tell the other leg the same; UNACCEPTABLE where that is no use to it.

        So is a `successor` of a leg whose media nobody has meanwhile.
        """
        if successor is not None and call in self._direct:
            told(MediaError(Trouble.UNACCEPTABLE, "no media that another could take over"))
        elif not toward.bypass:
            self._direct.pop(call, None)
            self._carrier.offer(call, side, offer, toward, told, successor)
        elif not fits(offer):
            told(MediaError(Trouble.UNACCEPTABLE, "an offer without ICE, or without keys"))
        else:
            found = self._direct.setdefault(call, _Direct())
            found.offer = offer
            told(_passed(offer, "actpass" if found.roles else ""))

    def answer(self, call: str, side: Side, answer: SessionDescription, told: Told) -> None:
        """Tell the leg that offered the same; UNACCEPTABLE where it needs a plane after all."""
        found = self._direct.get(call)
        if found is None:
            self._carrier.answer(call, side, answer, told)
        elif found.offer is None or not agrees(found.offer, answer):
            told(MediaError(Trouble.UNACCEPTABLE, "an answer without ICE, or without those keys"))
        else:
            role = _role(answer) or found.roles.get(side, "active")
            found.roles = {side: role, side.other: _OTHER[role]}
            told(_passed(answer, role))

    def revert(self, call: str) -> None:
        """Forget the open offer."""
        if call not in self._direct:
            self._carrier.revert(call)

    def candidates(
        self, call: str, side: Side, mid: str, ufrag: str, candidates: Sequence[Candidate]
    ) -> None:
        """Leave it to who carries: here they go from end to end, with the signalling."""
        if call not in self._direct:
            self._carrier.candidates(call, side, mid, ufrag, candidates)

    def digits(self, call: str, toward: Side, digits: str, milliseconds: int) -> None:
        """Leave it to who carries: nothing can be put into a stream that does not pass."""
        if call not in self._direct:
            self._carrier.digits(call, toward, digits, milliseconds)

    def refresh(self, call: str, toward: Side) -> None:
        """Leave it to who carries: nothing is known here of who wants to see."""
        if call not in self._direct:
            self._carrier.refresh(call, toward)

    def counters(self, call: str, told: Callable[[dict[Side, Counters]], None]) -> None:
        """Tell what passes here: nothing, of a call that goes by."""
        if call in self._direct:
            told({})
        else:
            self._carrier.counters(call, told)

    def close(self, call: str) -> None:
        """Forget a call."""
        if self._direct.pop(call, None) is None:
            self._carrier.close(call)


def fits(offer: SessionDescription) -> bool:
    """Tell whether all that is offered can do without a plane.

    A peer that only answers checks (ice-lite) cannot: Jingle has no word for it.
    """
    live = [each for each in offer.media if each.port]
    whole = all(_reaches(offer, each) and _keys(offer, each) for each in live)
    return bool(live) and whole and _together(offer, live) and offer.value("ice-lite") is None


def agrees(offer: SessionDescription, answer: SessionDescription) -> bool:
    """Tell whether an answer does without a plane, too, with keys as they were offered."""
    if len(offer.media) != len(answer.media) or not fits(answer):
        return False
    pairs = zip(offer.media, answer.media, strict=True)
    return all(_keys(offer, a) & _keys(answer, b) for a, b in pairs if b.port)


def _reaches(description: SessionDescription, media: Media) -> bool:
    said = (description.value(each, media) for each in ("ice-ufrag", "ice-pwd"))
    return all(said) and media.value("rtcp-mux") is not None


def _keys(description: SessionDescription, media: Media) -> frozenset[str]:
    return frozenset(each for each in _KEYS if description.value(each, media))


def _together(description: SessionDescription, live: Sequence[Media]) -> bool:
    """Tell whether streams share one transport, if there are several (RFC 9143)."""
    bundles: set[str] = set()
    for value in description.values("group"):
        with suppress(SdpError):
            found = Group.parse(value)
            if found.semantics.upper() == BUNDLE:
                bundles.update(found.mids)
    return len(live) == 1 or all((each.value("mid") or "").strip() in bundles for each in live)


def _role(answer: SessionDescription) -> str:
    """Return the role in DTLS that an answer takes, "" for none."""
    said = (answer.value("setup", each) for each in answer.media if each.port)
    return next((each for each in said if each in _OTHER), "")


def _passed(description: SessionDescription, role: str) -> SessionDescription:
    """Return what is told to the other leg; with `role`, whatever was said of who connects."""
    media = tuple(
        replace(each, attributes=tuple(_attributes(each.attributes, role)))
        for each in description.media
    )
    attributes = tuple(_attributes(description.attributes, role))
    if description.value("ice-options") is None:
        attributes = (*attributes, Attribute("ice-options", "trickle"))
    return replace(description, media=media, attributes=attributes)


def _attributes(attributes: Iterable[Attribute], role: str) -> Iterable[Attribute]:
    for each in attributes:
        if each.name == "setup" and role:
            yield Attribute("setup", role)
        elif each.name != "candidate" or _resolved(each.value or ""):
            yield each


def _resolved(value: str) -> bool:
    """Tell whether a candidate is an address: a name of mDNS means nothing elsewhere."""
    try:
        return bool(ip_address(Candidate.parse(value).address))
    except (SdpError, ValueError):
        return False
