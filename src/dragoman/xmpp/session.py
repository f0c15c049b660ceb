"""Calls of Jingle as values: their stages, what is done, what is told (XEP-0166, XEP-0353).

`xmpp.sessions` has the sessions themselves; docs/design/0013-calls.md shows what one can say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import TYPE_CHECKING, Final, TypeAlias

from dragoman.errors import LocalError, RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import Action, Content, Reason
from dragoman.xmpp.ext.jingle_errors import out_of_order, unknown_session, unsupported_info
from dragoman.xmpp.ext.jingle_rtp import INFO, Rtp
from dragoman.xmpp.ext.jmi import Step
from dragoman.xmpp.failure import Condition, StanzaError

if TYPE_CHECKING:
    from dragoman.xmpp.jingle import Session


class Stage(Enum):
    """How far a session has come."""

    PROPOSING = "proposing"
    """Our proposal has no answer."""
    RINGING = "ringing"
    """Nor has it now, but a device of theirs rings."""
    PROCEEDED = "proceeded"
    """They take our proposal and wait for our session-initiate."""
    CALLING = "calling"
    """Our session-initiate has no session-accept."""
    PROPOSED = "proposed"
    """Their proposal has no answer."""
    PROCEEDING = "proceeding"
    """We take it and wait for their session-initiate."""
    CALLED = "called"
    """Their session-initiate has no session-accept."""
    ACTIVE = "active"
    ENDING = "ending"
    """Our session-terminate has no answer; for the peer there is no session any more (§6.7)."""
    OVER = "over"


class Move(Enum):
    """What we do ourselves that needs a stage, or leads to another."""

    RING = "ring"
    PROCEED = "proceed"
    START = "session-initiate"
    ACCEPT = "session-accept"
    NEGOTIATE = "a request about contents"
    INFORM = "session-info"
    END = "end"
    """Take back, refuse or terminate, as the stage wants."""
    FORGET = "nothing more is said"


Said: TypeAlias = Move | Step | Action
"""A move of ours, a message of theirs, a request of theirs."""

PENDING: Final = (Stage.CALLING, Stage.CALLED)
"""Between session-initiate and session-accept."""
LIVE: Final = (*PENDING, Stage.ACTIVE)
"""There is a session of Jingle."""
AGREED: Final = (Stage.PROCEEDED, Stage.PROCEEDING, *LIVE)
"""Whether by proposal or without, somebody has begun to talk of a session."""
PROPOSALS: Final = (Stage.PROPOSING, Stage.RINGING)
"""There is but a proposal of ours."""

TALK: Final = frozenset(Action) - {
    Action.SESSION_INITIATE,
    Action.SESSION_ACCEPT,
    Action.SESSION_TERMINATE,
    Action.SECURITY_INFO,
}
"""What either side may ask in a session as long as there is one (XEP-0166 §5.1)."""


STEPS: Final[Mapping[tuple[Stage, Said], Stage]] = {
    (Stage.PROPOSING, Step.RINGING): Stage.RINGING,
    (Stage.RINGING, Step.RINGING): Stage.RINGING,
    (Stage.PROCEEDED, Move.START): Stage.CALLING,
    (Stage.CALLING, Action.SESSION_ACCEPT): Stage.ACTIVE,
    (Stage.PROPOSED, Move.RING): Stage.PROPOSED,
    (Stage.PROPOSED, Move.PROCEED): Stage.PROCEEDING,
    (Stage.PROPOSED, Step.RETRACT): Stage.OVER,
    (Stage.PROCEEDING, Move.RING): Stage.PROCEEDING,
    (Stage.PROCEEDING, Step.RETRACT): Stage.OVER,
    (Stage.PROCEEDING, Action.SESSION_INITIATE): Stage.CALLED,
    (Stage.CALLED, Move.RING): Stage.CALLED,
    (Stage.CALLED, Move.ACCEPT): Stage.ACTIVE,
    # Old clients, and Dino to itself, say accept for proceed.
    **{(a, Step.PROCEED): Stage.PROCEEDED for a in PROPOSALS},
    **{(a, Step.ACCEPT): Stage.PROCEEDED for a in PROPOSALS},
    **{(a, Step.REJECT): Stage.OVER for a in (*PROPOSALS, Stage.PROCEEDED)},
    **{(a, Step.FINISH): Stage.OVER for a in (Stage.PROPOSED, *AGREED)},
    **{(a, action): a for a, action in product(LIVE, TALK)},
    **{(a, move): a for a, move in product(LIVE, (Move.NEGOTIATE, Move.INFORM))},
    **{(a, Action.SESSION_TERMINATE): Stage.OVER for a in LIVE},
    **{(a, Move.END): Stage.ENDING for a in (*LIVE, Stage.ENDING)},
    **{(a, Move.END): Stage.OVER for a in Stage if a not in (*LIVE, Stage.ENDING)},
    **{(a, Move.FORGET): Stage.OVER for a in Stage},
}  # fmt: skip


def step(stage: Stage, said: Said) -> Stage:
    """Return the stage that follows.

    What the table lacks raises LocalError where we said it, RemoteError for a message, and for a
    request the StanzaError that answers it (XEP-0166 §10): feature-not-implemented for one that
    nobody takes, out-of-order for one that has its place elsewhere, else unknown-session.
    """
    found = STEPS.get((stage, said))
    if found is not None:
        return found
    words = f"a session that is {stage.value} has no step for {said.value}"
    if isinstance(said, Move):
        raise LocalError(words)
    if isinstance(said, Step):
        raise RemoteError(words)
    raise _refusal(stage, said)


def _refusal(stage: Stage, action: Action) -> StanzaError:
    if stage in (Stage.ENDING, Stage.OVER):
        return unknown_session()
    if stage not in LIVE and action is not Action.SESSION_INITIATE:
        return unknown_session()
    if action is Action.SECURITY_INFO:
        return StanzaError(Condition.FEATURE_NOT_IMPLEMENTED)
    return out_of_order()


class By(Enum):
    """Who ended a session."""

    PEER = "peer"
    TIMER = "timer"
    """Nobody: an answer did not come."""


class Info(Enum):
    """What a session-info is about (XEP-0167 §8; XEP-0298 §5; XEP-0181; XEP-0251)."""

    ACTIVE = f"{{{INFO}}}active"
    HOLD = f"{{{INFO}}}hold"
    MUTE = f"{{{INFO}}}mute"
    RINGING = f"{{{INFO}}}ringing"
    UNHOLD = f"{{{INFO}}}unhold"
    UNMUTE = f"{{{INFO}}}unmute"
    CONFERENCE = "{urn:xmpp:coin:1}conference-info"
    DTMF = "{urn:xmpp:jingle:dtmf:0}dtmf"
    TRANSFER = "{urn:xmpp:jingle:transfer:0}transfer"

    @classmethod
    def of(cls, element: Element) -> "Info":
        """Return what an element is. Raises StanzaError (unsupported-info) for anything else."""
        try:
            return cls(element.name)
        except ValueError:
            raise unsupported_info() from None


# -- what is to be done -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Send a stanza."""

    stanza: Element


# -- what the user learns -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proposed:
    """A device proposes a call: say `ring`, `proceed` or `end`. Each description is a medium."""

    session: "Session"
    descriptions: tuple[Rtp, ...]


@dataclass(frozen=True, slots=True)
class Migrated:
    """A proposal takes the place of a session with the same user (XEP-0353 §4.2).

    It is taken already, and `old` is over: there is no `Ended` for it. `Initiated` follows.
    """

    session: "Session"
    old: "Session"
    descriptions: tuple[Rtp, ...]


@dataclass(frozen=True, slots=True)
class Rang:
    """A device rings: told once of each session."""

    session: "Session"


@dataclass(frozen=True, slots=True)
class Proceeded:
    """A device takes our proposal, and is `session.remote` now: say `start`."""

    session: "Session"


@dataclass(frozen=True, slots=True)
class Initiated:
    """A session-initiate came: say `ring`, `accept` or `end`."""

    session: "Session"
    contents: tuple[Content, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """Our session-initiate was accepted; contents of ours that are missing here are none."""

    session: "Session"
    contents: tuple[Content, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Added:
    """A content-add came: say `agree` or `decline`, in time."""

    session: "Session"
    contents: tuple[Content, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Replaced:
    """A transport-replace came: say `agree` or `decline`, in time."""

    session: "Session"
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Agreed:
    """Our content-add or transport-replace (`action`) was accepted."""

    session: "Session"
    action: Action
    contents: tuple[Content, ...]
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True)
class Declined:
    """Our content-add or transport-replace (`action`) was not: all is as before.

    `reason` is None where nobody gave one, and a time-out where nobody answered.
    """

    session: "Session"
    action: Action
    contents: tuple[Content, ...]
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Modified:
    """A content-modify came: `senders` of the contents are different now."""

    session: "Session"
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """A content-remove came; contents are left."""

    session: "Session"
    contents: tuple[Content, ...]
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Transported:
    """A transport-info came, maybe before the session-accept."""

    session: "Session"
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """A description-info came."""

    session: "Session"
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Informed:
    """A session-info came that is neither a ping nor about ringing."""

    session: "Session"
    info: Info
    element: Element


@dataclass(frozen=True, slots=True)
class Failed:
    """A request of ours was refused, and the session goes on as if it had not been made."""

    session: "Session"
    action: Action
    contents: tuple[Content, ...]
    error: StanzaError


@dataclass(frozen=True, slots=True)
class Ended:
    """A session is over, and we did not end it.

    `error` is what came back instead of an answer, for a session-initiate of ours most of all;
    `tie_break`: a call from the other side has gone before ours, and is told of (§7.2.16).
    """

    session: "Session"
    by: By
    reason: Reason | None = None
    error: StanzaError | None = None
    tie_break: bool = False


Event: TypeAlias = (
    Proposed
    | Migrated
    | Rang
    | Proceeded
    | Initiated
    | Accepted
    | Added
    | Replaced
    | Agreed
    | Declined
    | Modified
    | Removed
    | Transported
    | Described
    | Informed
    | Failed
    | Ended
)
