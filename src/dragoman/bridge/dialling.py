"""Streams that are opened: the servers of a domain, what proves them, and connections to them."""

from collections.abc import Generator, Sequence
from random import SystemRandom

from dragoman.bridge.directory import Side
from dragoman.bridge.faults import BUG
from dragoman.bridge.federation import Federation
from dragoman.bridge.link import Link, OurStream
from dragoman.bridge.ports import Lookup, Turn, XmppWire
from dragoman.bridge.settings import Attached, Settings
from dragoman.errors import ProtocolError, RemoteError
from dragoman.records import Answer, DnsFailure, Kind, Question
from dragoman.xmpp import locate as servers
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.locate import Target


class Dialling:
    """What makes the connections of a federation."""

    federation: Federation
    """Whose they are; to be there before the first is asked for."""

    def __init__(self, settings: Settings, lookup: Lookup, turn: Turn) -> None:
        """Begin without a wire."""
        self.wire: XmppWire | None = None
        self.links: dict[OurStream, Link] = {}
        """The link of each stream that was opened."""
        self._settings = settings
        self._lookup = lookup
        self._turn = turn
        self._random = SystemRandom()
        self._components = {each.name.domain: each for each in settings.components}

    def look_up(self, link: Link) -> None:
        """Find the servers of a link's far domain."""
        self._turn.spawn(self._find_servers(link), lambda: self._unreachable(link, BUG))

    def connect(self, link: Link, targets: Sequence[Target]) -> None:
        """Connect a link."""
        self._turn.spawn(self._connect(link, targets), lambda: self._unreachable(link, BUG))

    def prove(self, domain: str) -> None:
        """Look for what proves that a certificate is a domain's own."""
        self._turn.spawn(
            self._prove(domain), lambda: self.federation.proven(domain, self._turn.now())
        )

    async def _prove(self, domain: str) -> None:
        if self._settings.proofs is not None:
            await self._settings.proofs.learn(domain)
        self.federation.proven(domain, self._turn.now())
        self._turn.settle()

    async def _find_servers(self, link: Link) -> None:
        remote = link.pair[1]
        proofs = None if link.component or link.verify_only else self._settings.proofs
        if proofs is not None:
            proofs.begin(remote)  # while the DNS is asked
        try:
            found = await self._lookup.find(self._servers_of(link))
            if proofs is not None and found and self._settings.needs_certificate(remote):
                await proofs.learn(remote)
        except (DnsFailure, RemoteError) as error:
            self._unreachable(link, error.reason)
        else:
            self._dial(link, found)
        self._turn.settle()

    def _servers_of(self, link: Link) -> Generator[Question, Answer, list[Target]]:
        if link.component:
            return _hosts(self._components[link.pair[0]])
        if link.moved:
            return servers.moved(link.moved, link.pair[1])
        return servers.locate(link.pair[1], chance=self._random, dane=self._settings.dane)

    def _dial(self, link: Link, found: Sequence[Target]) -> None:
        """Go on with the servers found, unless they are the gateway itself."""
        now = self._turn.now()
        if any(self._settings.ours(Side.XMPP, (each.address, each.port)) for each in found):
            text = f"the XMPP records of {link.pair[1]} lead back to this gateway"
            self.federation.unreachable(link, StanzaError(Condition.ITEM_NOT_FOUND, text=text), now)
        else:
            self.federation.found(link, found, now)

    async def _connect(self, link: Link, targets: Sequence[Target]) -> None:
        assert self.wire is not None  # noqa: S101 - streams are made after `join`
        try:
            target, stream, line = await self.wire.connect(
                targets, lambda chosen: self.federation.stream_for(link, chosen)
            )
        except ProtocolError as error:
            self._unreachable(link, error.reason)
        else:
            self.links[stream] = link
            self.federation.connected(link, stream, line, target, self._turn.now())
        self._turn.settle()

    def _unreachable(self, link: Link, reason: str) -> None:
        cause = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=reason)
        self.federation.unreachable(link, cause, self._turn.now())


def _hosts(component: Attached) -> Generator[Question, Answer, list[Target]]:
    addresses = yield Question(Kind.ADDRESS, component.host)
    return [
        Target(str(each), component.port, direct_tls=False, domain=component.host)
        for each in addresses
    ]
