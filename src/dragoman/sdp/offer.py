"""Offer and answer (RFC 3264), and where SIP carries them (RFC 3261 §13.2.1, RFC 6337 §2.2).

A `Negotiation` is one dialog's: what both sides last agreed to, and the offer under way, if any.
Each step makes another value, and is a row of `TABLE` or refused: a step of ours that the table
lacks is a LocalError, the peer's an SdpError with the status that SIP answers.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import zip_longest
from typing import Final, Self, final

from dragoman.errors import LocalError
from dragoman.sdp.failure import SdpError
from dragoman.sdp.session import MAX_MEDIA, Direction, Media, Origin, SessionDescription


class State(Enum):
    """What one side of a dialog waits for."""

    SETTLED = auto()
    """For nothing: either side may offer."""
    OFFERING = auto()
    """For the answer to our offer."""
    OFFERED = auto()
    """The peer for our answer."""
    ASKING = auto()
    """For an offer: our INVITE had none."""
    ASKED = auto()
    """The peer for an offer of ours: his INVITE had none."""


class Step(Enum):
    """What crosses, out or in; ASK is an INVITE without an offer, DROP its failure, either way."""

    OFFER_OUT = auto()
    OFFER_IN = auto()
    ANSWER_OUT = auto()
    ANSWER_IN = auto()
    ASK_OUT = auto()
    ASK_IN = auto()
    DROP = auto()


TABLE: Final = {
    (State.SETTLED, Step.OFFER_OUT): State.OFFERING,
    (State.SETTLED, Step.OFFER_IN): State.OFFERED,
    (State.SETTLED, Step.ASK_OUT): State.ASKING,
    (State.SETTLED, Step.ASK_IN): State.ASKED,
    (State.OFFERING, Step.ANSWER_IN): State.SETTLED,
    (State.OFFERING, Step.DROP): State.SETTLED,
    (State.OFFERED, Step.ANSWER_OUT): State.SETTLED,
    (State.OFFERED, Step.DROP): State.SETTLED,
    (State.ASKING, Step.OFFER_IN): State.OFFERED,
    (State.ASKING, Step.DROP): State.SETTLED,
    (State.ASKED, Step.OFFER_OUT): State.OFFERING,
    (State.ASKED, Step.DROP): State.SETTLED,
}

_INWARD: Final = frozenset({Step.OFFER_IN, Step.ANSWER_IN, Step.ASK_IN})
GLARE: Final = 491
"""The status of an INVITE or UPDATE that crosses one of ours (RFC 3261 §14.2, RFC 3311 §5.2)."""
TOO_SOON: Final = 500
"""The status of one that comes before the peer's last is answered; it bears Retry-After."""


class Carrier(Enum):
    """A message from the peer that may have a description."""

    INVITE = auto()
    UPDATE = auto()
    PRACK = auto()
    ACK = auto()
    RELIABLE = auto()
    """A 2xx to INVITE, or a 1xx that is acknowledged by PRACK."""
    UNRELIABLE = auto()
    """Any other 1xx."""
    RESPONSE = auto()
    """A 2xx to UPDATE or PRACK."""


class Role(Enum):
    """What a description is, where it came."""

    OFFER = auto()
    ANSWER = auto()
    PREVIEW = auto()
    """What the answer will be (RFC 6337 §3.1.1): nothing is agreed yet."""
    IGNORED = auto()


_ROLES: Final = {
    (Carrier.PRACK, State.OFFERING): Role.ANSWER,
    (Carrier.ACK, State.OFFERING): Role.ANSWER,
    (Carrier.RELIABLE, State.OFFERING): Role.ANSWER,
    (Carrier.RELIABLE, State.ASKING): Role.OFFER,
    (Carrier.UNRELIABLE, State.OFFERING): Role.PREVIEW,
    (Carrier.RESPONSE, State.OFFERING): Role.ANSWER,
}
_REQUESTS: Final = frozenset({Carrier.INVITE, Carrier.UPDATE, Carrier.PRACK})


@final
@dataclass(frozen=True, slots=True)
class Negotiation:
    """How far two sides of a dialog are; `origin` is the o= line of our first description.

    `local` and `remote` are what holds, None before the first answer; `pending` is the offer that
    waits for its answer, ours or the peer's; `said` is the last description that we sent.
    """

    origin: Origin
    state: State = State.SETTLED
    local: SessionDescription | None = None
    remote: SessionDescription | None = None
    pending: SessionDescription | None = None
    said: SessionDescription | None = None

    @property
    def may_offer(self) -> bool:
        """Whether an offer of ours is in place now (RFC 3261 §14.1)."""
        return (self.state, Step.OFFER_OUT) in TABLE

    @property
    def free(self) -> tuple[int, ...]:
        """Return which streams are over or refused: another may take their place (§8.1)."""
        if self.local is None or self.remote is None:
            return ()
        pairs = zip(self.local.media, self.remote.media, strict=True)
        return tuple(n for n, pair in enumerate(pairs) if not all(each.port for each in pair))

    @property
    def unchanged(self) -> bool:
        """Whether the offer under way says no more than its side said last (RFC 4975 §8.4)."""
        before = self.local if self.state is State.OFFERING else self.remote
        return self.pending is not None and _same(self.pending, before)

    def role(self, carrier: Carrier) -> Role:
        """Say what a description is that came in this message now (RFC 6337 §2.2, table 1)."""
        otherwise = Role.OFFER if carrier in _REQUESTS else Role.IGNORED
        return _ROLES.get((carrier, self.state), otherwise)

    def offer(self, wanted: SessionDescription) -> tuple[Self, SessionDescription]:
        """Offer what is wanted; return the description to send.

        Its o= line is ours, with the version one higher where anything changed (§8). Streams that
        were there before and are not wanted any more stay, with port 0.
        """
        state = self._step(Step.OFFER_OUT)
        media = [] if self.local is None else self.local.media[len(wanted.media) :]
        all_media = (*wanted.media, *(each.refused() for each in media))
        if len(all_media) > MAX_MEDIA:
            raise LocalError(f"more than {MAX_MEDIA} streams")
        said = self._said(replace(wanted, media=all_media))
        return replace(self, state=state, pending=said, said=said), said

    def offered(self, offer: SessionDescription) -> Self:
        """Take an offer. SdpError(491) where one of ours is open, 500 where the peer's is (§4)."""
        return replace(self, state=self._step(Step.OFFER_IN), pending=offer)

    def answer(self, wanted: SessionDescription) -> tuple[Self, SessionDescription]:
        """Answer the peer's offer; return the description to send.

        Its t= lines are the offer's. LocalError where the streams are not those of the offer, in
        its order: a stream that is not wanted, or was offered so, has port 0 (§6, §8.2).
        """
        state = self._step(Step.ANSWER_OUT)
        offer = _open(self.pending)
        if why := _mismatch(offer, wanted):
            raise LocalError(why)
        pairs = zip(wanted.media, offer.media, strict=True)
        if any(own.port and not his.port for own, his in pairs):
            raise LocalError("a stream is taken that was not offered")
        said = self._said(replace(wanted, timings=offer.timings))
        return self._settled(state, said, offer, said), said

    def answered(self, answer: SessionDescription) -> Self:
        """Take the answer to our offer; SdpError where it does not fit, or nothing was asked."""
        state = self._step(Step.ANSWER_IN)
        offer = _open(self.pending)
        if why := _mismatch(offer, answer):
            raise SdpError(why)
        return self._settled(state, offer, answer, self.said)

    def ask(self) -> Self:
        """Send an INVITE without an offer: the peer is to make it (RFC 3261 §13.2.1)."""
        return replace(self, state=self._step(Step.ASK_OUT))

    def asked(self) -> Self:
        """Take an INVITE without an offer; SdpError(491) or 500 as for one with it."""
        return replace(self, state=self._step(Step.ASK_IN))

    def drop(self) -> Self:
        """Take it that the request which carried the offer failed: what held before holds."""
        return replace(self, state=self._step(Step.DROP), pending=None)

    def _settled(
        self,
        state: State,
        local: SessionDescription,
        remote: SessionDescription,
        said: SessionDescription | None,
    ) -> Self:
        return replace(self, state=state, local=local, remote=remote, pending=None, said=said)

    def _step(self, step: Step) -> State:
        after = TABLE.get((self.state, step))
        if after is not None:
            return after
        reason = f"{step.name} while {self.state.name}"
        if step not in _INWARD:
            raise LocalError(reason)
        if step is Step.ANSWER_IN:
            raise SdpError(f"an answer to no offer: {reason}")
        ours = self.state in {State.OFFERING, State.ASKING}
        raise SdpError(f"one exchange at a time: {reason}", GLARE if ours else TOO_SOON)

    def _said(self, wanted: SessionDescription) -> SessionDescription:
        """Return it with our o= line, and what was said last where it says nothing new."""
        last = self.said
        if last is None:
            return replace(wanted, origin=self.origin)
        if _same(wanted, last):
            return last
        return replace(wanted, origin=replace(self.origin, version=last.origin.version + 1))


DISCARD: Final = 9
"""The port that stands for none, where it is the other side that connects (RFC 4145 §4.1)."""


def direction(description: SessionDescription, media: Media) -> Direction:
    """Return which way the peer means a stream to go, the hold of RFC 2543 among it (§8.4).

    A connection to 0.0.0.0 says that he receives nothing; but with port 9 or ICE only that his
    address comes later (RFC 4145 §4.1, RFC 8839 §4.3). It says what may be sent: an answer is
    made of `direction_of` (RFC 6337 §5.4).
    """
    said = description.direction_of(media)
    connection = description.connection_of(media)
    nowhere = connection is not None and connection.unspecified
    later = media.port == DISCARD or description.value("ice-ufrag", media) is not None
    return Direction.of(sends=said.sends, receives=said.receives and (later or not nowhere))


def answer_direction(offered: Direction, wanted: Direction = Direction.SENDRECV) -> Direction:
    """Return the direction of an answer: what is wanted, as far as the offer lets it (§6.1)."""
    return Direction.of(
        sends=wanted.sends and offered.receives, receives=wanted.receives and offered.sends
    )


def _same(one: SessionDescription, other: SessionDescription | None) -> bool:
    return other is not None and replace(one, origin=other.origin) == other


def _open(pending: SessionDescription | None) -> SessionDescription:
    if pending is None:
        raise LocalError("no offer is open")
    return pending


def _mismatch(offer: SessionDescription, answer: SessionDescription) -> str:
    """Say why the streams of an answer are not those of the offer (§6); "" where they are."""
    for number, (asked, given) in enumerate(zip_longest(offer.media, answer.media)):
        if asked is None or given is None:
            return f"{len(answer.media)} streams in answer to {len(offer.media)}"
        if asked.kind.lower() != given.kind.lower():
            return f"stream {number} is {given.kind} in answer to {asked.kind}"
    return ""
