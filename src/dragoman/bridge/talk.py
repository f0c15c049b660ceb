"""One conversation of an XMPP user with a SIP user, while there are sessions for it (RFC 7573).

The states are those of docs/interworking/msrp-chat.md §1: idle where there is none of this, calling
while an INVITE of ours is not answered, up while there is a leg.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from dragoman.bridge.to_sip import Crossing
from dragoman.mapping.envelope import CONTENT_TYPE as CPIM
from dragoman.msrp import MessageArrived, Terms
from dragoman.msrp import Session as Wire
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import ends

MOST_WAITING: Final = 50
"""Messages that wait for a session (MSRP-05)."""
MOST_LEGS: Final = 8
"""Sessions of one conversation: devices of the SIP user."""
MOST_OWED: Final = 256
"""Messages of one session whose receipt is awaited."""

Pair: TypeAlias = tuple[str, str]
"""Bare JIDs of the XMPP user and of the SIP user."""


def pair_of(stanza: Element) -> Pair:
    """Return whose conversation a stanza to a SIP user is of."""
    user, peer = ends(stanza)
    return str(user.bare), str(peer.bare)


@dataclass(slots=True, eq=False)
class Waiting:
    """A message that waits for a session since `since`; `message_id` where it was in one before."""

    crossing: Crossing
    since: float
    message_id: str = ""
    open: bool = False
    """Whether it is in a session, and its fate not known."""


@dataclass(slots=True, eq=False)
class Owed:
    """A message of a SIP user who wants to hear that it was received."""

    event: MessageArrived
    stanza_id: str = ""
    """That of its stanza, once there is one."""
    taken: bool = False
    """Whether the far server has it."""


@dataclass(slots=True, eq=False)
class Leg:
    """One session, with one device of the SIP user."""

    talk: "Talk"
    dialog: Hashable
    """What it is known by in SIP."""
    wire: Wire
    local: Jid
    """The XMPP user: with the resource that takes part, while that is known."""
    remote: Jid
    """The SIP user: with the device, where that is known."""
    sender: Uri
    """The same as a SIP address."""
    target: Uri
    """The XMPP user as a SIP address."""
    call_id: str
    left: int | None = None
    """Max-Forwards of the INVITE that came; None for one of ours."""
    terms: Terms | None = None
    """What the far end takes; None until offer and answer are complete."""
    spoke: bool = False
    """Whether anything was said in it."""
    renewed: bool = False
    """Whether it has another path since the connection was lost, and nothing went since."""
    owed: OrderedDict[str, Owed] = field(default_factory=OrderedDict)
    """By the ids of their stanzas, messages whose sender wants to hear that they were received."""
    held: deque[MessageArrived] = field(default_factory=deque)
    """Messages that the XMPP side has no room for yet."""
    rival: bool = False
    """Whether the SIP user asked for it while we asked him for one."""
    over: bool = False

    @property
    def up(self) -> bool:
        """Whether messages may be sent."""
        return self.terms is not None and not self.over

    def accepts(self, media: str) -> bool:
        """Tell whether a message may be of this type (RFC 4975 §8.6)."""
        return self.terms is not None and self.terms.accepts(media)

    def wraps(self, media: str) -> bool:
        """Tell whether a message/cpim object may have this type within."""
        return self.terms is not None and self.terms.accepts(CPIM, media)


@dataclass(slots=True, eq=False)
class Talk:
    """What there is of one conversation."""

    pair: Pair
    legs: list[Leg] = field(default_factory=list)
    """The one that was used last at the end."""
    calling: Leg | None = None
    """The session that we ask for, while nobody answered."""
    asking: bool = False
    """Whether the way to the SIP user is being looked for."""
    queue: deque[Waiting] = field(default_factory=deque)
    returned: list[Waiting] = field(default_factory=list)
    """What a session that failed could not confirm, in order, until it is over."""
    paged: int = 0
    """Messages that go by MESSAGE, and that nothing may overtake."""
    secure: bool = False
    """Whether the session that we ask for is one over TLS."""
    tried_both: bool = False

    @property
    def leg(self) -> Leg | None:
        """The session that messages go in; None: there is none."""
        return next((each for each in reversed(self.legs) if each.up), None)

    @property
    def busy(self) -> bool:
        """Whether a message has to go in a session, or behind one that does."""
        return bool(self.legs or self.queue or self.returned) or self.begun

    @property
    def begun(self) -> bool:
        """Whether a session is being asked for."""
        return self.asking or self.calling is not None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to remember."""
        return not (self.busy or self.paged)

    def use(self, leg: Leg) -> None:
        """Have messages go in this session from now on: it was used."""
        if self.legs and self.legs[-1] is not leg and leg in self.legs:
            self.legs.remove(leg)
            self.legs.append(leg)
