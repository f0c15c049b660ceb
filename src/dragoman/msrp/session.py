"""One MSRP session (RFC 4975 §5.4, §8): who it is between, what both sides take, how it stands."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from dragoman.msrp.event import FailureReport
from dragoman.msrp.uri import MsrpUri, Path

if TYPE_CHECKING:
    from dragoman.msrp.endpoint import Endpoint
    from dragoman.msrp.sending import Outgoing, Source


class Direction(Enum):
    """Which way message payloads go, as seen by whoever says it (RFC 4975 §8.9)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Terms:
    """What one side's SDP says it takes (RFC 4975 §8.6, §8.9); types as written there."""

    accept_types: Sequence[str] = ("*",)
    accept_wrapped_types: Sequence[str] = ()
    max_size: int | None = None
    direction: Direction = Direction.SENDRECV

    def accepts(self, content_type: str, wrapped: str | None = None) -> bool:
        """Tell whether this may be sent: `*` and `type/*` count; parameters do not.

        `wrapped` is the type inside a container such as message/cpim: it may be listed in either
        list, while `content_type` itself must be in `accept_types`.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Meeting:
    """Who connects, and to where, as offer and answer have it (RFC 6135 §4, RFC 6714 §4).

    `address` is where to connect instead of the first URI of the path: the c= and m= lines, with
    CEMA. `fingerprints` are those of a=fingerprint ("sha-256 AB:CD..."): where there are any, the
    peer's certificate must have one of them, and its name does not count.
    """

    active: bool
    address: tuple[str, int] | None = None
    fingerprints: tuple[str, ...] = ()


class State(Enum):
    """How far a session has come."""

    PREPARED = auto()
    """It has an own URI; the peer's is not known."""
    CONNECTING = auto()
    """We are active: the connection is being made."""
    WAITING = auto()
    """We are passive: the peer's first SEND has not come."""
    UP = auto()
    FAILED = auto()
    CLOSED = auto()


class Session:
    """One session, made by `Endpoint.prepare`; all of it is done with these verbs."""

    uri: MsrpUri
    """Our own URI, used for no other session, ever."""
    path: Path
    """What goes into a=path: our URI, behind those of our relays."""
    remote: Path | None
    """The peer's a=path."""
    state: State
    tag: Hashable
    """Whatever the user likes to find here."""

    def start(self, remote: Path, theirs: Terms, meeting: Meeting, now: float) -> None:
        """Meet the peer: offer and answer are complete.

        Active: a connection is wanted, or one to the same place is used again, and a SEND without
        a body goes out first if nothing else waits. Passive: whoever sends to our URI binds it, may
        be before this. LocalError where the session was started or is over.
        """
        raise NotImplementedError

    def modify(self, theirs: Terms) -> None:
        """Keep to new terms from now on: another offer and answer with the same paths."""
        raise NotImplementedError

    def send(
        self,
        content_type: str,
        body: "bytes | Source",
        now: float,
        *,
        message_id: str = "",
        wrapped: str | None = None,
        success_report: bool = False,
        failure_report: FailureReport = FailureReport.YES,
        headers: Iterable[tuple[str, str]] = (),
        control: bool = False,
        tag: Hashable = None,
    ) -> "Outgoing":
        """Send a message, as soon as the session is up; return the handle that events bear.

        Messages of one session go out in this order. `message_id` is given only to send again what
        another session could not confirm. `wrapped` is the type inside a container. `control` is
        for what no direction attribute stops (IMDN, isComposing). `headers` are MIME headers.
        Raises TypeNotAccepted, TooLarge, DirectionForbids, NotOpen, or Full where too much waits.
        """
        raise NotImplementedError

    def abort(self, handle: "Outgoing", now: float) -> None:
        """Send no more of a message, and say so to the peer; `Failed` does not come for it."""
        raise NotImplementedError

    def wake(self, handle: "Outgoing") -> None:
        """Ask a source again that had nothing to give."""
        raise NotImplementedError

    def report(
        self,
        message_id: str,
        now: float,
        *,
        status: int = 200,
        reason: str = "",
        ranges: Sequence[tuple[int, int]] = (),
    ) -> bool:
        """Report on a message that arrived: 200, or why it could not be delivered after all.

        `ranges` are octets, first and last, the whole message where there are none. It is sent only
        where the message's sender asked for that kind of report (RFC 4975 §7.1.3, §7.1.4); returns
        whether it was. A message that is not remembered is not reported on.
        """
        raise NotImplementedError

    def refuse(self, message_id: str, status: int, now: float) -> None:
        """Take no more of a message that is arriving; 413 to its next SEND (RFC 4975 §10.5)."""
        raise NotImplementedError

    def pause(self) -> None:
        """Have nothing more read that would come here: `Connection.reading` becomes False."""
        raise NotImplementedError

    def resume(self) -> None:
        """Read again."""
        raise NotImplementedError

    def close(self, now: float) -> None:
        """End it, after or before BYE: what waits is `Failed` or `Unreported`, nothing follows."""
        raise NotImplementedError

    def _of(self) -> "Endpoint":
        raise NotImplementedError
