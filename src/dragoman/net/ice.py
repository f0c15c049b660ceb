"""ICE for one transport of a call (RFC 8445, RFC 8838, RFC 7675): full, by aioice, and lite.

aioice has a queue of its own for what arrives; here it goes to the relay at once.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from logging import getLogger
from typing import Any, Final, cast

import aioice.ice
from aioice.candidate import Candidate as Theirs
from aioice.ice import CandidatePair, Connection, StunProtocol
from aioice.stun import Message, TransactionError

from dragoman.errors import LocalError
from dragoman.media.icelite import Lite, host_candidate, reachable
from dragoman.media.remote import MOST_CANDIDATES, Credentials, Place
from dragoman.net.rtp import Pair, Ports
from dragoman.net.servers import Server, Servers
from dragoman.sdp.ice import Candidate

log = getLogger(__name__)

GATHERING: Final = 3.0
"""Seconds that servers of STUN and TURN have to answer."""
CLOSING: Final = 2.0
"""Seconds that a server of TURN has to hear that we are gone."""
CONSENT: Final = 30.0
"""Seconds after which a peer that was silent is not sent to any more (RFC 7675 §5.1)."""
STRANGE: Final = (ValueError, KeyError, AssertionError, struct.error, TransactionError)
"""What aioice raises at STUN that is not as it should be."""


class Agent(Connection):
    """One transport by ICE.

    `arrived` takes component (0, 1), datagram and source of what came from who was checked;
    `connected` and `lost` are told once each at most, `lost` with a reason.
    """

    def __init__(
        self,
        ports: Ports,
        bind: str,
        advertised: str,
        *,
        controlling: bool,
        credentials: Credentials,
        components: int = 1,
        servers: Servers | None = None,
        arrived: Callable[[int, bytes, Place], None],
        connected: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        """Have no socket yet: `gather` opens them."""
        super().__init__(
            ice_controlling=controlling,
            components=components,
            local_username=credentials.ufrag,
            local_password=credentials.password,
        )
        self._ports = ports
        self._servers = servers or Servers()
        self._bind, self._advertised = bind, advertised
        self._held: list[int] = []
        self._arrived = arrived
        self._on_connected, self._on_lost = connected, lost
        self._running: asyncio.Task[None] | None = None
        self._sockets: list[asyncio.DatagramTransport] = []
        self._plain = False
        self._believed: set[Place] = set()
        self.credentials = credentials

    # -- before ------------------------------------------------------------------------------

    async def gather(self) -> tuple[Candidate, ...]:
        """Open sockets and find out our candidates; MediaError (FULL) without a port."""
        self._local_candidates_start = True
        found = await self._host_candidates()
        found += await self._ask()
        self._local_candidates = found
        self._local_candidates_end = True
        return tuple(map(_ours, found))

    async def _ask(self) -> list[Theirs]:
        """Return what servers of STUN and TURN found out, within GATHERING seconds."""
        tasks = {asyncio.ensure_future(each): server for server, each in self._asking()}
        if not tasks:
            return []
        found = []
        done, late = await asyncio.wait(tasks, timeout=GATHERING)
        for task in late:
            task.cancel()
            self._servers.failed(tasks[task], "no answer")
        await asyncio.gather(*late, return_exceptions=True)
        for task in done:
            error = task.exception()
            if error is not None:
                self._servers.failed(tasks[task], str(error) or type(error).__name__)
                continue
            candidate, protocol = task.result()
            found.append(candidate)
            if protocol is not None:
                self._protocols.append(protocol)
        return found

    async def _host_candidates(self) -> list[Theirs]:
        loop = asyncio.get_running_loop()
        sockets = self._ports.bind(self._bind, len(self._components))
        self._held.append(sockets[0].getsockname()[1])
        left = list(sockets)
        try:
            for component, bound in enumerate(sockets, 1):
                _, protocol = await loop.create_datagram_endpoint(lambda: _Socket(self), sock=bound)
                left.remove(bound)
                self._sockets.append(protocol.transport)
                protocol.local_candidate = self._host(component, bound.getsockname()[1])
                self._protocols.append(protocol)
        finally:
            for each in left:
                each.close()
        return [protocol.local_candidate for protocol in self._protocols]

    def _host(self, component: int, port: int) -> Theirs:
        each = host_candidate(component, self._advertised, port)
        foundation, priority = each.foundation, each.priority
        return Theirs(foundation, component, "udp", priority, each.address, port, "host")

    def _asking(self) -> list[tuple[Server, Any]]:
        """Return what asks the servers: a coroutine for each socket."""
        asked = self._servers.asked()
        sockets = [(each, server) for each in self._protocols for server in asked]
        return [
            (server, (self._relayed if server.relays else _mapped)(protocol, server))
            for protocol, server in sockets
            if server.relays or ip_address(protocol.local_candidate.host).version == 4
        ]

    def _relayed(self, protocol: StunProtocol, server: Server) -> Any:
        return aioice.ice.relayed_candidate(
            component=protocol.local_candidate.component,
            hide_related_address=False,
            protocol_factory=lambda: _Socket(self),
            turn_server=(server.host, server.port),
            turn_username=server.username or None,
            turn_password=server.password or None,
            turn_ssl=server.scheme == "turns",
            turn_transport=server.transport,
        )

    # -- the peer ----------------------------------------------------------------------------

    def start(self, remote: Credentials, *, lite: bool, components: int) -> None:
        """Learn who the peer is, and begin the checks; later calls change nothing."""
        if self._running is not None or self._closing or self._plain:
            return
        self.remote_username, self.remote_password = remote.ufrag, remote.password
        # whoever he is: aioice would nominate all pairs but for this (RFC 8445 §8.1.1: one)
        self.remote_is_lite = True
        self._components &= set(range(1, components + 1))
        self._forget_others()
        if lite:
            self.ice_controlling = True
        self._running = asyncio.get_running_loop().create_task(self._run())

    def _forget_others(self) -> None:
        """Close the sockets of components that the peer has not."""
        for protocol in list(self._protocols):
            if protocol.local_candidate.component not in self._components:
                self._protocols.remove(protocol)
                protocol.transport.close()

    def plain(self) -> None:
        """Do without ICE, for good: whoever sends is heard, and nobody is asked for consent."""
        self._plain = True
        for task in (self._running, self._query_consent_task):
            if task is not None:
                task.cancel()
        self._running = None

    def add(self, candidates: Sequence[Candidate], *, complete: bool = False) -> None:
        """Learn candidates of the peer; names, TCP and what else cannot be used are passed over."""
        for each in candidates:
            if len(self._remote_candidates) >= MOST_CANDIDATES:
                break
            place = reachable(each)
            if place is not None and each.component in self._components:
                self._learn(each, place)
        if complete and not self._remote_candidates_end:
            self._remote_candidates_end = True
            self._end_remote_candidates()

    def _learn(self, each: Candidate, place: Place) -> None:
        if self._closing:
            return
        host, port = place
        self._add_remote_candidate(
            Theirs(each.foundation, each.component, "udp", each.priority, host, port, each.type),
            host,
        )

    async def _run(self) -> None:
        """Find a way, tell of it, and of its loss."""
        try:
            await self.connect()
        except ConnectionError as error:
            if not self._closing:
                self._on_lost(f"ICE: {error}")
            return
        if self._closing:
            return
        self._on_connected()
        await self.get_event()
        if self._running is not None:
            self._running = None
            self._on_lost("ICE: consent was not given any more")

    # -- datagrams ---------------------------------------------------------------------------

    def heard(self, data: bytes, source: Place, component: int) -> None:
        """Take what is no STUN; only from whom a check has succeeded (RFC 8445 §11)."""
        if self._plain or source in self._believed or self._believes(source):
            self._arrived(component - 1, data, source)

    def check_incoming(self, message: Message, addr: Place, protocol: StunProtocol) -> None:
        """Believe also who asks with our password: he may have a way before we have."""
        if self._plain:
            return
        self._believed.add(addr)
        super().check_incoming(message, addr, protocol)

    def _believes(self, source: Place) -> bool:
        if any(addr == source for _, addr, _ in self._early_checks):
            return True  # whose description is still to come
        for pair in self._check_list:
            good = pair.nominated or pair.state is CandidatePair.State.SUCCEEDED
            if good and pair.remote_addr == source:
                self._believed.add(source)
                return True
        return False

    def sender(self, component: int) -> Callable[[bytes, Place], None]:
        """Return what sends to the peer by the pair that was nominated, if any."""
        number = component + 1
        if self._plain:
            return self._sockets[component].sendto
        nominated = self._nominated

        def send(data: bytes, _: Place) -> None:
            pair = nominated.get(number)
            if pair is not None:
                pair.protocol.transport.sendto(data, pair.remote_addr)

        return send

    # -- the end -----------------------------------------------------------------------------

    async def aclose(self) -> None:
        """End it, and free sockets and ports; nothing is told any more."""
        running, self._running = self._running, None
        self._closing = True
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        for protocol in self._protocols:
            protocol.transport.close()
        # what a server of TURN has for us goes by itself, should that not answer any more
        _, late = await asyncio.wait([asyncio.ensure_future(self._end())], timeout=CLOSING)
        for task in late:
            task.cancel()
        held, self._held = self._held, []
        for port in held:
            self._ports.release(port)

    async def _end(self) -> None:
        with suppress(*STRANGE):
            await self.close()


def _mapped(protocol: StunProtocol, server: Server) -> Any:
    return aioice.ice.server_reflexive_candidate(protocol, (server.host, server.port))


class _Socket(StunProtocol):
    """A socket of an agent: STUN is aioice's, all else ours."""

    receiver: Agent

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        packet = cast("bytes", data)
        if packet and packet[0] > 3:
            self.receiver.heard(packet, (addr[0], addr[1]), self.local_candidate.component)
            return
        try:
            super().datagram_received(packet, addr)
        except STRANGE as error:
            log.debug("strange STUN: %s", error)


def _ours(each: Theirs) -> Candidate:
    related = None
    if each.related_address is not None and each.related_port is not None:
        related = (each.related_address, each.related_port)
    return Candidate(
        each.foundation,
        each.component,
        each.transport,
        each.priority,
        each.host,
        each.port,
        each.type,
        related,
    )


class LiteAgent:
    """One transport by ICE that only answers (RFC 8445 §2.5): for who has a public address.

    It asks nobody for consent; but a peer that checks sends something every 15 s at least (RFC 8445
    §11), and mostly asks itself every 5 s (RFC 7675 §5.1). One that is silent for CONSENT is gone.
    """

    def __init__(
        self,
        ports: Ports,
        bind: str,
        advertised: str,
        *,
        credentials: Credentials,
        components: int = 1,
        arrived: Callable[[int, bytes, Place], None],
        connected: Callable[[], None],
        lost: Callable[[str], None],
        consent: float = CONSENT,
    ) -> None:
        """Have no socket yet: `gather` opens them."""
        self.credentials = credentials
        self._consent, self._on_lost = consent, lost
        self._silent = True
        """Whether nothing came from the peer since it was looked at last."""
        self._watch: asyncio.TimerHandle | None = None
        self._lite = Lite(credentials, components)
        self._ports, self._bind, self._advertised = ports, bind, advertised
        self._arrived, self._on_connected = arrived, connected
        self._pair: Pair | None = None
        self._told = self._plain = False

    async def gather(self) -> tuple[Candidate, ...]:
        """Open sockets; return our host candidates. MediaError (FULL) without a port."""
        components = self._lite.components
        self._pair = await Pair.open(self._ports, self._bind, self._heard, components)
        places = [(self._advertised, port) for port in self._pair.ports]
        return tuple(host_candidate(number, *place) for number, place in enumerate(places, 1))

    def start(self, remote: Credentials, *, lite: bool, components: int) -> None:
        """Learn who the peer is, and whether he only answers, too: then he is where he says."""
        self._lite.expect(remote, lite=lite, components=components)

    def plain(self) -> None:
        """Do without ICE: nothing is looked at."""
        self._plain = True
        self._stop()

    def add(self, candidates: Sequence[Candidate], *, complete: bool = False) -> None:
        """Learn candidates of the peer; they matter only where he is lite, too."""
        self._lite.add(candidates)
        self._look()

    def _heard(self, component: int, data: bytes, source: Place) -> None:
        if self._plain:
            self._arrived(component, data, source)
            return
        if source in self._lite.believed:
            self._silent = False
        if data and data[0] > 3:
            if source in self._lite.believed:
                self._arrived(component, data, source)
            return
        reply = self._lite.receive(component, data, source)
        if reply is not None and self._pair is not None:
            self._pair.sender(component)(reply, source)
        self._look()

    def _look(self) -> None:
        if self._lite.selected and not self._told:
            self._told = True
            if not self._lite.only_answers:
                self._listen()
            self._on_connected()

    def _listen(self) -> None:
        self._silent = True
        self._watch = asyncio.get_running_loop().call_later(self._consent, self._look_again)

    def _look_again(self) -> None:
        if self._silent:
            self._watch = None
            self._on_lost("ICE: nothing came from the peer any more")
        else:
            self._listen()

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def sender(self, component: int) -> Callable[[bytes, Place], None]:
        """Return what sends to the peer where he was nominated, if he was."""
        if self._pair is None:
            raise LocalError("no socket yet")
        send, where = self._pair.sender(component), self._lite.where
        if self._plain:
            return send

        def to_peer(data: bytes, _: Place) -> None:
            place = where[component] if component < len(where) else None
            if place is not None:
                send(data, place)

        return to_peer

    async def aclose(self) -> None:
        """End it, and free sockets and ports."""
        self._stop()
        if self._pair is not None:
            self._pair.close()
