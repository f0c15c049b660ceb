"""A relay that acts for us (RFC 4976 §5.1): AUTH, Digest, Use-Path, and the lease renewed."""

from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol, final

from dragoman.msrp.event import RelayFailed, RelayReady
from dragoman.msrp.failure import MsrpError
from dragoman.msrp.limits import Desk, Wait
from dragoman.msrp.message import Response, write_request
from dragoman.msrp.uri import MsrpUri, Path

if TYPE_CHECKING:
    from dragoman.msrp.connection import Connection
    from dragoman.msrp.session import Session

DEFAULT_PORT: Final = 2855
RENEWED_AFTER: Final = 0.8
"""The part of a lease after which another AUTH is sent."""
_MAX_EXPIRES: Final = 86_400


class Authorize(Protocol):
    """Who computes Digest responses: MSRP itself knows no passwords."""

    def __call__(self, challenges: list[str], method: str, uri: str) -> str | None:
        """Return the Authorization value for these WWW-Authenticate values; None: we cannot."""


class Lease(Enum):
    """How far a relay has come."""

    CONNECTING = auto()
    ASKED = auto()
    READY = auto()
    OVER = auto()


@final
class Relay:
    """One lease of one relay: a path through it, for one session only.

    `Endpoint.relay` makes it. It lives no longer than its connection, and ends with its session.
    """

    __slots__ = (
        "_authorize", "_connection", "_desk", "_expires", "_lease", "_through", "_tries", "expires",
        "own", "uri", "use_path",
    )  # fmt: skip

    def __init__(
        self,
        desk: Desk,
        connection: "Connection",
        uri: MsrpUri,
        own: MsrpUri,
        authorize: Authorize,
        *,
        through: Path | None = None,
        expires: int | None = None,
    ) -> None:
        """Ask on `connection` as soon as that is open."""
        self.uri = uri
        self.own = own
        """Our URI, as the relay knows it: that of the session which it is for."""
        self.use_path: Path | None = None
        """The way out through the relay, once it is ready."""
        self.expires = 0
        """For how many seconds it was given last."""
        self._desk = desk
        self._connection = connection
        self._authorize = authorize
        self._through = through
        self._expires = expires
        self._lease = Lease.CONNECTING
        self._tries = 0
        connection.relays[self] = None

    @property
    def ready(self) -> bool:
        """Whether it serves us now."""
        return self.use_path is not None and self._lease is not Lease.OVER

    @property
    def connection(self) -> "Connection":
        """The connection to the first relay."""
        return self._connection

    def close(self, now: float) -> None:
        """Renew the lease no more."""
        if self._lease is not Lease.OVER:
            self._lease = Lease.OVER
            self._desk.alarms.cancel((Wait.RELAY, self))
            self._connection.relays.pop(self, None)
            self._connection.rest(now)

    def carry(self, session: "Session", now: float) -> None:
        """Have a session use the relay's connection, whoever is active (RFC 6135 §4.5)."""
        self._connection.carry(session, now)

    def connected(self, now: float) -> None:
        """Learn that the connection is there, its certificate not judged yet."""
        peer, target = self._connection.peer, self._connection.target
        if peer is None or target is None or not peer.vouches(target.name):
            self.failed(None, "the certificate is not that of the relay", now)
            return
        self._tries = 0
        self._ask(None, now)

    def answered(self, response: Response, now: float) -> None:
        """Take what the relay says to AUTH."""
        if self._lease is Lease.OVER:
            return
        self._tries += 1
        if response.status == 200:
            self._granted(response, now)
        elif response.status == 401 and self._tries <= 2:
            self._prove(response, now)
        elif response.status == 423 and self._tries <= 2:
            self._adjust(response, now)
        else:
            self.failed(response.status, response.comment, now)

    def failed(self, status: int | None, reason: str, now: float) -> None:
        """End it against the user's will."""
        if self._lease is not Lease.OVER:
            self.close(now)
            self._desk.tell(RelayFailed(self, status, reason))

    def on_timer(self, now: float) -> None:
        """Renew the lease, or find that the relay does not answer."""
        if self._lease is Lease.READY:
            self._tries = 0
            self._ask(None, now)
        else:
            self.failed(None, "the relay does not answer", now)

    def _ask(self, authorization: str | None, now: float) -> None:
        self._lease = Lease.ASKED
        to_path = Path((self.uri,))
        if self._through is not None:
            to_path = self._through + to_path
        headers = [] if authorization is None else [("Authorization", authorization)]
        if self._expires is not None:
            headers.append(("Expires", str(self._expires)))
        tid = self._desk.token()
        data = write_request(tid, "AUTH", to_path, Path((self.own,)), tuple(headers))
        self._connection.ask(self, tid, data, now)
        self._desk.alarms.set((Wait.RELAY, self), now + self._desk.limits.response)

    def _prove(self, response: Response, now: float) -> None:
        challenges = [value for name, value in response.headers if _is(name, "WWW-Authenticate")]
        authorization = self._authorize(challenges, "AUTH", str(self.uri))
        if authorization is None:
            self.failed(401, "no password for this relay", now)
        else:
            self._ask(authorization, now)

    def _adjust(self, response: Response, now: float) -> None:
        """Ask for a lease as long as the relay gives any (RFC 4976 §4.6)."""
        wanted = _number(response, "Min-Expires") or _number(response, "Max-Expires")
        if wanted is None:
            self.failed(423, response.comment, now)
        else:
            self._expires = wanted
            self._ask(None, now)

    def _granted(self, response: Response, now: float) -> None:
        found = [value for name, value in response.headers if _is(name, "Use-Path")]
        try:
            path = Path.parse(" ".join(found))
        except MsrpError as error:
            self.failed(None, error.reason, now)
            return
        before, self.use_path = self.use_path, path
        self._lease = Lease.READY
        self.expires = _number(response, "Expires") or self._expires or DEFAULT_EXPIRES
        self._desk.alarms.set((Wait.RELAY, self), now + self.expires * RENEWED_AFTER)
        if before != path:
            self._desk.tell(RelayReady(self, path, self.expires))


DEFAULT_EXPIRES: Final = 900
"""What is taken for the lease's length where nobody says it."""


def _is(name: str, wanted: str) -> bool:
    return name.lower() == wanted.lower()


def _number(response: Response, wanted: str) -> int | None:
    for name, value in response.headers:
        if _is(name, wanted) and value.isascii() and value.isdigit():
            return max(1, min(int(value[:9]), _MAX_EXPIRES))
    return None
