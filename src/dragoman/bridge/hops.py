"""SIP on its way out: the next hop of a request, and where a response goes (RFC 3263)."""

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import replace
from logging import getLogger
from random import SystemRandom
from typing import Final, TypeAlias

from dragoman.bridge.directory import Side
from dragoman.bridge.faults import BUG, bug
from dragoman.bridge.naming import HERE
from dragoman.bridge.ports import Lookup, SipWire, Turn
from dragoman.bridge.settings import Settings
from dragoman.errors import LocalError
from dragoman.log import about
from dragoman.mapping.failure import Unreached
from dragoman.records import Answer, DnsFailure, Question
from dragoman.sip.endpoint import Cause, Endpoint, ResponseStranded, ServerTransaction
from dragoman.sip.flow import reply_target
from dragoman.sip.locate import SECURE, Target, Transport, locate, locate_sent_by
from dragoman.sip.message import Header, Request, Response
from dragoman.sip.route import RouteSet
from dragoman.sip.uri import Uri
from dragoman.xmpp.failure import Condition, StanzaError

log = getLogger(__name__)

ROUTE: Final = 1.0
"""Seconds that a next hop is used before chance, by the weights of its records, picks again."""
ROUTES: Final = 1024

Sending: TypeAlias = Callable[[Request, Uri, Sequence[Target], Hashable], None]
"""Sends a request, which goes to a hop by these targets, under a handle."""
Failed: TypeAlias = Callable[[Hashable, Cause | Unreached | StanzaError], None]
"""Tells whose request it is that it could not be sent."""


class Hops:
    """The way to SIP users, and back."""

    def __init__(self, settings: Settings, lookup: Lookup, turn: Turn, failed: Failed) -> None:
        """Begin without a wire."""
        self.wire: SipWire | None = None
        self._settings = settings
        self._lookup = lookup
        self._turn = turn
        self._failed = failed
        self._random = SystemRandom()
        self._routes: dict[Hashable, tuple[float, Sequence[Target]]] = {}

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        """Give the final answer of a request that came in."""
        if self.wire is not None:
            endpoint = self.wire.endpoint
            headers = _placed(response, lambda: _place_of_reply(endpoint, transaction))
            if headers is not None:
                response = Response(response.status, response.reason, headers, response.body)
            endpoint.respond(transaction, response, self._turn.now())
            self.wire.wake()

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        """Find the request's next hop (RFC 3263), or that of the outbound proxy, and send it."""
        self._reach(request, handle, route, self._send)

    def acknowledge(self, ack: Request, handle: Hashable, route: RouteSet) -> None:
        """Send the ACK for a 2xx to the INVITE of `handle`, which goes a way of its own."""
        self._reach(ack, handle, route, self._confirm)

    def cancel(self, handle: Hashable, reason: str = "") -> None:
        """Take back the INVITE of `handle`, for a `reason` (RFC 3326)."""
        if self.wire is not None:
            self.wire.endpoint.cancel(handle, self._turn.now(), reason)
            self.wire.wake()

    def _reach(
        self, request: Request, handle: Hashable, route: RouteSet | None, send: Sending
    ) -> None:
        route = route if route is not None and route.hops else self._settings.proxy
        request, hop = route.send(request)
        now, way = self._turn.now(), (hop.scheme, hop.host, hop.port, hop.params)
        known = self._routes.get(way)
        if known is not None and known[0] > now:
            send(request, hop, known[1], handle)
            return
        try:
            targets = self._lookup.now(self._search(hop))
        except DnsFailure as failure:
            self._unanswered(handle, failure)
            return
        if targets is None:
            self._turn.spawn(
                self._locate(request, hop, handle, send),
                lambda: self._unanswered(handle, DnsFailure(BUG)),
            )
            return
        if len(self._routes) >= ROUTES:
            self._routes.clear()
        self._routes[way] = (now + ROUTE, targets)
        send(request, hop, targets, handle)

    def _search(self, hop: Uri) -> Generator[Question, Answer, list[Target]]:
        return locate(hop, supported=self._settings.transports, random=self._random)

    async def _locate(self, request: Request, hop: Uri, handle: Hashable, send: Sending) -> None:
        try:
            targets = await self._lookup.find(self._search(hop))
        except DnsFailure as failure:
            self._unanswered(handle, failure)
        else:
            send(request, hop, targets, handle)
        self._turn.settle()

    def _send(
        self, request: Request, hop: Uri, targets: Sequence[Target], handle: Hashable
    ) -> None:
        if not targets:
            self._failed(handle, Unreached.NO_ADDRESS)
        elif any(self._settings.ours(Side.SIP, (each.address, each.port)) for each in targets):
            text = f"the SIP records of {hop.host} lead back to this gateway"
            loop = StanzaError(Condition.ITEM_NOT_FOUND, text=text)
            self._failed(handle, loop)
        elif self.wire is not None:
            named = in_our_name(request, targets)
            place = self.wire.endpoint.place
            headers = _placed(request, lambda: place(named[0]))
            if headers is not None:
                request = Request(request.method, request.target, headers, request.body)
            try:
                self.wire.endpoint.send(request, named, handle, self._turn.now())
            except LocalError:
                log.exception("a request cannot be sent: a bug")
                self._failed(handle, bug())
                return
            self.wire.wake()

    def _confirm(self, ack: Request, hop: Uri, targets: Sequence[Target], handle: Hashable) -> None:
        if self.wire is not None:
            named = in_our_name(ack, targets)
            self.wire.endpoint.acknowledge(ack, named, handle, self._turn.now())
            self.wire.wake()

    def find(self, uri: Uri, told: Callable[[bool], None]) -> None:
        """Tell whether the next hop toward a SIP user is reached over TLS; False: nobody knows."""
        proxy = self._settings.proxy.hops
        hop = proxy[0].uri if proxy else uri
        try:
            targets = self._lookup.now(self._search(hop))
        except DnsFailure:
            targets = []
        if targets is None:
            self._turn.spawn(self._find(hop, told), lambda: told(False))
        else:
            told(_is_secure(targets))

    async def _find(self, hop: Uri, told: Callable[[bool], None]) -> None:
        try:
            targets = await self._lookup.find(self._search(hop))
        except DnsFailure:
            targets = []
        told(_is_secure(targets))
        self._turn.settle()

    async def redirect(self, endpoint: Endpoint, stranded: ResponseStranded) -> None:
        """Find the places where a response may go that could not be delivered (RFC 3263 §5)."""
        transport, host, port = stranded.transport, stranded.host, stranded.port
        try:
            found = await self._lookup.find(
                locate_sent_by(transport, host, port, random=self._random)
            )
        except DnsFailure as failure:
            log.warning("a response is not delivered", extra=about(reason=failure.reason))
            found = []
        ours = self._settings.ours
        others = [each for each in found if not ours(Side.SIP, (each.address, each.port))]
        endpoint.redirect(stranded.handle, others)
        if self.wire is not None:
            self.wire.wake()

    def _unanswered(self, handle: Hashable, failure: DnsFailure) -> None:
        late = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=failure.reason)
        self._failed(handle, late)


def _placed(message: Request | Response, place: Callable[[], str]) -> list[Header] | None:
    """Return headers with `place()`, where we are reached, in our Contact; None: nothing changes.

    Most messages have no Contact of that kind, and do not ask.
    """
    contact = message.get("Contact")
    if contact is None or HERE not in contact:
        return None
    here = contact.replace(HERE, place(), 1)
    return [(name, here if name == "Contact" else value) for name, value in message.headers]


def _place_of_reply(endpoint: Endpoint, transaction: ServerTransaction) -> str:
    """Return where the one whom a response goes to reaches us."""
    return endpoint.place(reply_target(transaction.request.via, transaction.flow))


def in_our_name(request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    """Have TLS show the certificate of the domain that the request is from (RFC 5922 §5)."""
    for each in targets:
        if each.transport is Transport.TLS:
            local = request.from_.uri.host
            return [replace(each, local=local) for each in targets]
    return targets


def _is_secure(targets: Sequence[Target]) -> bool:
    return bool(targets) and targets[0].transport in SECURE
