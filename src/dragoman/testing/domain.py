"""A scripted XMPP domain that federates (RFC 6120, XEP-0220, XEP-0199), on a loopback address.

It shares no code with the gateway's XMPP core. Whatever it is told to send, and every answer to
what arrives, goes on its own stream to the sender's domain, in order.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Mapping
from typing import Final, Self, cast
from xml.etree.ElementTree import Element

from dragoman.errors import LocalError
from dragoman.testing import stream
from dragoman.testing.credentials import Credentials, contexts, names_in, self_signed
from dragoman.testing.s2s import (
    Arrived,
    Ended,
    Event,
    Incoming,
    Keys,
    Outgoing,
    Query,
    Ready,
    StartTls,
    Verified,
    VerifyWanted,
    domain_of,
    token,
)

Users = Mapping[str, str | None]
"""By local part, what a message to that user comes to: None is delivery, else a condition."""

USERS: Final[Users] = {"nobody": "service-unavailable"}

Route = tuple[str, int] | Callable[[str], tuple[str, int]]
"""Where to connect to: one address for every domain, or a function of the domain."""


def answers(stanza: Element, name: str, users: Users, others: str | None = None) -> list[str]:
    """Return what the domain `name` answers to a stanza.

    A message to a user is delivered or bounces as `users` says, or as `others` says for one who is
    not listed. A ping of the domain is answered; every other request is refused.
    """
    kind = stanza.tag.rpartition("}")[2]
    local, at, _ = stanza.get("to", "").partition("/")[0].rpartition("@")
    if stanza.get("type") in {"error", "result"}:
        return []
    if kind == "message" and at:
        condition = users.get(local, others)
        return [] if condition is None else [stream.error(stanza, condition)]
    if kind != "iq":
        return []
    ping = stanza.get("type") == "get" and stanza.find(f"{{{stream.PING}}}ping") is not None
    if ping and stanza.get("to") == name:
        return [stream.result(stanza)]
    return [stream.error(stanza, "service-unavailable")]


class Domain:
    """An XMPP server for one domain; made by `start`.

    `received` holds every stanza that came; `streams_in` and `streams_out` the streams that are
    up, `ended` the reason of each that is not.
    """

    def __init__(
        self,
        name: str,
        *,
        gateway: Route | None,
        users: Users,
        others: str | None,
        verify: bool,
        credentials: Credentials,
        trust: bytes,
    ) -> None:
        """Serve `name`; see `start` for the rest."""
        self.name = name
        self.gateway = gateway
        self.users = users
        self.others = others
        self.verify = verify
        self.keys = Keys()
        self.external = bool(trust)
        self.accepting, self.connecting = contexts(credentials, trust)
        self.mute = False
        """Whether nothing that comes is answered, not even a ping."""
        self.received: list[Element] = []
        self.ended: list[str] = []
        self.streams_in: list[Connection] = []
        self.streams_out: dict[str, Connection] = {}
        self._ends: asyncio.Queue[str] = asyncio.Queue()
        self._queues: dict[str, list[str]] = {}
        self._arrived: asyncio.Queue[Element] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(
        cls,
        name: str,
        *,
        host: str = "127.0.0.2",
        port: int = 0,
        gateway: Route | None = None,
        users: Users = USERS,
        others: str | None = None,
        verify: bool = True,
        credentials: Credentials | None = None,
        trust: bytes = b"",
    ) -> Self:
        """Listen on `host` and `port` (0: any free one) and return the running domain.

        `gateway`: where the streams that we open go. `users`, `others`: as in `answers`. `verify`:
        ask the domain itself about each dialback key; else believe every one. `trust`: PEM roots;
        with them SASL EXTERNAL is offered to whom they vouch for, and used with `credentials`,
        which are self-signed if not given.
        """
        domain = cls(
            name,
            gateway=gateway,
            users=users,
            others=others,
            verify=verify,
            credentials=credentials or self_signed(name),
            trust=trust,
        )
        loop = asyncio.get_running_loop()
        domain._server = await loop.create_server(domain._accepted, host, port)
        return domain

    @property
    def address(self) -> tuple[str, int]:
        """The address that it listens on; ("", 0) before it started."""
        if self._server is None:
            return ("", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    def message(
        self,
        sender: str,
        to: str,
        body: str,
        *,
        stanza_id: str = "",
        kind: str = "chat",
        extra: str = "",
    ) -> str:
        """Send a message from the full or bare address `sender`; return its id."""
        name = stanza_id or token()
        self.send(stream.message(sender, to, body, stanza_id=name, kind=kind, extra=extra), to)
        return name

    def send(self, xml: str, to: str) -> None:
        """Send a stanza, given as XML in the namespace jabber:server, to the domain of `to`.

        It waits in order for a stream; a stream that cannot be had drops what waits for it, and
        its reason is in `ended`.
        """
        remote = domain_of(to)
        if remote not in self.streams_out:
            core = Outgoing(self.name, remote, self.keys, external=self.external)
            out = self.connection(core)
            work = self._connect(out, *self._address_of(remote))
            self.streams_out[remote] = out
            self._run(work)
        self._queues.setdefault(remote, []).append(xml)
        self._flush(remote)

    async def next_stanza(self, within: float = 5) -> Element:
        """Return the next stanza that comes, or came since the last call; else TimeoutError.

        Pings of the domain itself are answered, and not returned.
        """
        async with asyncio.timeout(within):
            return await self._arrived.get()

    async def next_end(self, within: float = 5) -> str:
        """Return why the next stream ended, or ended since the last call; else TimeoutError."""
        async with asyncio.timeout(within):
            return await self._ends.get()

    async def aclose(self) -> None:
        """Close every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        connections = list(self._open)
        for connection in connections:
            connection.close()
        await asyncio.gather(*(connection.closed for connection in connections))

    def connection(
        self, core: Incoming | Outgoing, asked_by: "Connection | None" = None
    ) -> "Connection":
        """Return what drives `core`; a subclass may drive it in another way."""
        return Connection(self, core, asked_by)

    def attach(self, connection: "Connection") -> None:
        """Learn that a connection is up."""
        self._open.add(connection)

    def detach(self, connection: "Connection") -> None:
        """Learn that a connection is gone."""
        self._open.discard(connection)

    def secure(self, connection: "Connection") -> None:
        """Start TLS on a connection."""
        self._run(connection.start_tls())

    def happened(self, connection: "Connection", event: Event) -> None:
        """Act on what a stream says."""
        match event:
            case Ready(remote) if isinstance(connection.core, Outgoing):
                connection.ready = True
                self._flush(remote)
            case Ready():
                self.streams_in.append(connection)
            case Arrived(stanza):
                self._stanza(stanza)
            case VerifyWanted(query):
                self._ask(connection, query)
            case Ended(reason):
                self._forget(connection, reason)

    def _stanza(self, stanza: Element) -> None:
        self.received.append(stanza)
        found = [] if self.mute else answers(stanza, self.name, self.users, self.others)
        for xml in found:
            self.send(xml, stanza.get("from", ""))
        if stanza.find(f"{{{stream.PING}}}ping") is None:
            self._arrived.put_nowait(stanza)

    def _flush(self, remote: str) -> None:
        out = self.streams_out.get(remote)
        if out is not None and out.ready:
            for xml in self._queues.pop(remote, []):
                out.core.write(xml)
            out.pump()

    def _ask(self, asked_by: "Connection", query: Query) -> None:
        core = Outgoing(self.name, query.domain, self.keys, query=query)
        asking = self.connection(core, asked_by)
        self._run(self._connect(asking, *self._address_of(query.domain)))

    def _forget(self, connection: "Connection", reason: str) -> None:
        self.ended.append(reason)
        self._ends.put_nowait(reason)
        if connection in self.streams_in:
            self.streams_in.remove(connection)
        core = connection.core
        if isinstance(core, Outgoing) and self.streams_out.get(core.remote) is connection:
            del self.streams_out[core.remote]
            self._queues.pop(core.remote, None)

    def _address_of(self, remote: str) -> tuple[str, int]:
        if self.gateway is None:
            raise LocalError(f"{self.name} was not told where {remote} is")
        return self.gateway(remote) if callable(self.gateway) else self.gateway

    async def _connect(self, connection: "Connection", host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: connection, host, port)
        except OSError:
            connection.core.closed()
            connection.pump()

    def _accepted(self) -> "Connection":
        return self.connection(Incoming(self.name, self.keys, verify=self.verify))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Connection(asyncio.Protocol):
    """One TCP connection and the stream on it; TLS is started where the stream says so."""

    def __init__(
        self, domain: Domain, core: Incoming | Outgoing, asked_by: "Connection | None" = None
    ) -> None:
        """Drive `core` for `domain`; `asked_by` waits for the verdict on a key."""
        self.core = core
        self.ready = False
        self.closed = asyncio.get_running_loop().create_future()
        self.domain = domain
        self._asked_by = asked_by
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the stream (called by the loop)."""
        self._transport = cast("asyncio.Transport", transport)
        self.domain.attach(self)
        self.pump()

    def data_received(self, data: bytes) -> None:
        """Feed the stream (called by the loop)."""
        if self._early is not None:
            self._early.append(data)
        else:
            self.core.receive(data)
            self.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the stream (called by the loop); what another has to tell it is not written."""
        self._transport = None
        self.core.closed()
        self.pump()
        self.domain.detach(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def pump(self) -> None:
        """Send what the stream wants sent, and act on its events."""
        data = self.core.to_send()
        if data and self._transport is not None:
            self._transport.write(data)
        for event in self.core.events():
            match event:
                case StartTls():
                    # Bytes may come through TLS before the handshake is reported to us.
                    self._early = []
                    self.domain.secure(self)
                case Verified(query, valid):
                    self._judged(query, valid)
                case Ended():
                    self._ended(event)
                case _:
                    self.domain.happened(self, event)

    def close(self) -> None:
        """Close the stream in good order, and the connection at once."""
        self.core.finish()
        self.pump()
        if self._transport is not None:
            self._transport.abort()

    async def start_tls(self) -> None:
        """Shake hands; the stream goes on inside TLS, or ends where the handshake fails."""
        context = self.domain.accepting
        name = None
        if isinstance(self.core, Outgoing):
            context, name = self.domain.connecting, self.core.remote
        transport = self._transport
        if transport is None:
            return
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, self, context, server_side=name is None, server_hostname=name
            )
        except (OSError, ssl.SSLError):
            secured = None
        if secured is None:
            transport.abort()
            return
        self._transport = secured
        self.core.secured(names_in(secured.get_extra_info("ssl_object")))
        early, self._early = self._early or [], None
        self.pump()
        for data in early:
            self.data_received(data)

    def _judged(self, query: Query, valid: bool) -> None:
        asked_by, self._asked_by = self._asked_by, None
        if asked_by is not None and isinstance(asked_by.core, Incoming):
            asked_by.core.verified(query, valid)
            asked_by.pump()

    def _ended(self, event: Ended) -> None:
        self.domain.happened(self, event)
        if isinstance(self.core, Outgoing) and self.core.query is not None:
            self._judged(self.core.query, valid=False)
        if self._transport is not None:
            self._transport.close()
