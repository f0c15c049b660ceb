"""A message on its way out (RFC 4975 §7.1.1): its body, and what was confirmed of it."""

from collections import deque
from collections.abc import Hashable
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

from dragoman.msrp.assembly import Ranges
from dragoman.msrp.event import FailureReport
from dragoman.msrp.message import MAX_CHUNK

if TYPE_CHECKING:
    from dragoman.msrp.session import Session

ENDLESS: Final = 1 << 62
"""A chunk is as long as nobody else has something to send."""


class Source(Protocol):
    """A body that is fetched piece by piece as the connection takes it."""

    @property
    def size(self) -> int | None:
        """How many octets it has in all; None: not known before the end."""

    def read(self, limit: int) -> bytes | None:
        """Return the next octets, at most `limit`; b"" at the end; None: none yet, see `wake`.

        An OSError, or an end before `size`, gives the message up.
        """


class Fate(Enum):
    """What has become of a message."""

    WAITING = auto()
    """It is being sent, or its turn has not come."""
    HANDED = auto()
    """Its last octet was handed to the driver."""
    SENT = auto()
    DELIVERED = auto()
    FAILED = auto()


class Outgoing:
    """A message that was given to `Session.send`: the handle of the events about it."""

    __slots__ = (
        "_body", "_limit", "_source", "aborted", "content_type", "failure_report", "fate",
        "headers", "heard", "message_id", "offset", "reports", "session", "size", "success_report",
        "tag", "unanswered", "weight",
    )  # fmt: skip

    def __init__(
        self,
        session: "Session",
        message_id: str,
        content_type: str | None,
        body: bytes | Source,
        *,
        success_report: bool = False,
        failure_report: FailureReport = FailureReport.YES,
        headers: str = "",
        limit: int | None = None,
        tag: Hashable = None,
    ) -> None:
        """Begin with nothing sent; `content_type` None is a SEND without a body.

        `limit` is how many octets a source of unknown size may give.
        """
        self.session = session
        self.message_id = message_id
        self.content_type = content_type
        self.success_report = success_report
        self.failure_report = failure_report
        self.headers = headers
        self.tag = tag
        self._limit = limit
        self.fate = Fate.WAITING
        self.aborted = False
        self.offset = 0
        """How many octets were handed to the driver."""
        self.unanswered = 0
        """How many SENDs of it wait for a 200."""
        self.reports = Ranges()
        """Which octets success REPORTs cover."""
        self.heard = False
        """Whether there was any success REPORT: one of an empty message covers nothing."""
        self._body = body if isinstance(body, bytes) else b""
        self._source = None if isinstance(body, bytes) else body
        self.weight = len(self._body)
        """How many octets of its body are held in memory."""
        self.size: int | None = len(body) if isinstance(body, bytes) else body.size

    @property
    def covered(self) -> bool:
        """Whether success REPORTs cover all of it."""
        return self.heard and self.size is not None and self.reports.cover(self.size)

    @property
    def short(self) -> bytes | None:
        """The whole body, where that makes one chunk that needs no interruption."""
        if self._source is None and self.offset == 0 and len(self._body) <= MAX_CHUNK:
            return self._body
        return None

    @property
    def over(self) -> bool:
        """Whether nothing more of it is to be sent."""
        return self.aborted or self.fate is not Fate.WAITING

    def read(self, limit: int) -> bytes | None:
        """Return the next octets; b"" at the end; None: nothing yet."""
        source = self._source
        left = limit if self.size is None else min(limit, self.size - self.offset)
        if left == 0:
            return b""
        if source is None:
            return self._body[self.offset : self.offset + left]
        try:
            data = source.read(left)
        except OSError:
            data = b""
        if data is None:
            return None
        if not data:
            self.aborted = self.size is not None
            self.size = self.offset if self.size is None else self.size
        elif self._limit is not None and self.offset + len(data) > self._limit:
            self.aborted, data = True, b""
        return data[:left]

    def handed(self) -> None:
        """Keep no body any more: all of it is with the driver."""
        self.fate = Fate.HANDED
        self.forget()

    def forget(self) -> None:
        """Hold no octets any more."""
        self._body = b""
        self._source = None

    def give_up(self) -> None:
        """Send no more of it."""
        self.aborted = True
        self.forget()


class Lane:
    """The messages of one session that wait, in order, and what their heads have in common."""

    __slots__ = ("asleep", "longest", "paths", "queue", "turned")

    def __init__(self) -> None:
        """Start with none."""
        self.queue: deque[Outgoing] = deque()
        self.paths = ""
        self.longest = ENDLESS
        """Octets of the longest chunk."""
        self.turned = False
        """Whether it waits for its turn on a connection."""
        self.asleep = False
        """Whether its first message has a source that had nothing to give."""
