"""Sockets for one transport of a call, in the way that is wanted: plain, or with ICE (RFC 8445)."""

from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Final, Protocol

from dragoman.media.description import Way
from dragoman.media.remote import Credentials, Place
from dragoman.media.transport import Sockets
from dragoman.net.ice import Agent, LiteAgent
from dragoman.net.rtp import Pair, Ports
from dragoman.net.servers import Servers

UFRAG: Final = 8
PASSWORD: Final = 24
"""Characters of credentials of ICE: at least 24 and 128 bits of chance (RFC 8445 §5.3)."""


class Listener(Protocol):
    """Who is told what sockets hear."""

    def arrived(self, component: int, data: bytes, source: Place) -> None:
        """Take a datagram for RTP (0) or RTCP (1)."""

    def connected(self) -> None:
        """Learn that ICE has found a way."""

    def lost(self, reason: str) -> None:
        """Learn that ICE has found none, or lost it."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens sockets: of which ports, on which address, which peers know as another."""

    ports: Ports
    bind: str
    advertised: str
    servers: Servers
    listener: Listener

    async def open(
        self, way: Way, *, offering: bool, lite: bool, credentials: Credentials | None = None
    ) -> Sockets:
        """Return sockets, with all candidates where there is ICE; MediaError (FULL) without any.

        To RTCP on RTP's port those whom we offer it may say no (RFC 5761 §5.1.1). `credentials` are
        ours, where they are to be those of another transport.
        """
        if way.ice:
            ours = credentials or Credentials(_letters(UFRAG), _letters(PASSWORD))
            return await self._checked(2 if offering or not way.mux else 1, ours, offering, lite)
        pair = await Pair.open(self.ports, self.bind, self.listener.arrived)
        rtp, rtcp = ((self.advertised, port) for port in pair.ports)
        return Sockets(pair, rtp, rtcp)

    async def _checked(
        self, components: int, credentials: Credentials, controlling: bool, lite: bool
    ) -> Sockets:
        agent = self._lite(credentials, components) if lite else self._full(credentials, components)
        if isinstance(agent, Agent):
            agent.ice_controlling = controlling
        try:
            candidates = await agent.gather()
        except BaseException:
            await agent.aclose()
            raise
        return Sockets.of(agent, credentials, candidates, lite=lite)

    def _full(self, credentials: Credentials, components: int) -> Agent | LiteAgent:
        return Agent(
            self.ports,
            self.bind,
            self.advertised,
            controlling=False,
            credentials=credentials,
            components=components,
            servers=self.servers,
            arrived=self.listener.arrived,
            connected=self.listener.connected,
            lost=self.listener.lost,
        )

    def _lite(self, credentials: Credentials, components: int) -> Agent | LiteAgent:
        return LiteAgent(
            self.ports,
            self.bind,
            self.advertised,
            credentials=credentials,
            components=components,
            arrived=self.listener.arrived,
            connected=self.listener.connected,
            lost=self.listener.lost,
        )


def _letters(count: int) -> str:
    """Return that many characters that ICE takes (RFC 8839 §5.4)."""
    return token_urlsafe(count).replace("-", "+").replace("_", "/")[:count]
