"""The host of an external component, scripted (XEP-0114): what an XMPP server offers on 5347."""

import asyncio
import hashlib
import hmac
from typing import Self, cast
from xml.etree.ElementTree import Element

from dragoman.errors import RemoteError
from dragoman.testing.s2s import token
from dragoman.testing.stream import COMPONENT, PING, End, Header, Reader, header, stream_error


class HostCore:
    """The accepting end of one component stream; bytes in, bytes and stanzas out."""

    def __init__(self, name: str, secret: str, stream_id: str) -> None:
        """Accept the component `name` when it knows `secret`."""
        self.name = name
        self.secret = secret
        self.stream_id = stream_id
        self.ready = False
        self.over = False
        self.stanzas: list[Element] = []
        self._reader = Reader()
        self._out: list[str] = []

    def receive(self, data: bytes) -> None:
        """Take bytes from the component."""
        try:
            for item in self._reader.feed(data):
                self._item(item)
        except RemoteError:
            self.fail("not-well-formed")

    def write(self, xml: str) -> None:
        """Send XML as it is; the default namespace is jabber:component:accept."""
        self._out.append(xml)

    def to_send(self) -> bytes:
        """Return what is to be sent since the last call."""
        found, self._out = "".join(self._out), []
        return found.encode()

    def fail(self, condition: str) -> None:
        """End the stream with an error of ours."""
        if not self.over:
            self.write(stream_error(condition))
            self.over, self.ready = True, False

    def _item(self, item: Header | Element | End) -> None:
        if self.over:
            return
        if isinstance(item, Header):
            self.write(header(COMPONENT, from_=self.name, id=self.stream_id))
            known = item.attributes.get("to") == self.name
            if not known or item.namespaces.get("") != COMPONENT:
                self.fail("host-unknown" if not known else "invalid-namespace")
        elif isinstance(item, End):
            self.write("</stream:stream>")
            self.over, self.ready = True, False
        elif item.tag == f"{{{COMPONENT}}}handshake":
            self._handshake((item.text or "").strip())
        elif self.ready:
            self.stanzas.append(item)
        else:
            self.fail("not-authorized")

    def _handshake(self, digest: str) -> None:
        text = (self.stream_id + self.secret).encode()
        wanted = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        if hmac.compare_digest(digest.encode(), wanted.encode()):
            self.ready = True
            self.write("<handshake/>")
        else:
            self.fail("not-authorized")


class ComponentHost:
    """A listening host for one component; made by `start`."""

    def __init__(self, name: str, secret: str) -> None:
        """Accept the component `name` when it knows `secret`."""
        self.name = name
        self.secret = secret
        self.received: list[Element] = []
        self.connections: set[Attached] = set()
        self._server: asyncio.Server | None = None
        self._arrived: asyncio.Queue[Element] = asyncio.Queue()
        self._ready = asyncio.Event()

    @classmethod
    async def start(cls, name: str, secret: str, *, host: str = "127.0.0.2", port: int = 0) -> Self:
        """Listen on `host` and `port` (0: any free one) and return the running host."""
        made = cls(name, secret)
        loop = asyncio.get_running_loop()
        made._server = await loop.create_server(lambda: Attached(made), host, port)
        return made

    @property
    def address(self) -> tuple[str, int]:
        """The address that it listens on; ("", 0) before it started."""
        if self._server is None:
            return ("", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def attached(self, within: float = 5) -> None:
        """Return once the component shook hands; else TimeoutError."""
        async with asyncio.timeout(within):
            await self._ready.wait()

    def send(self, xml: str) -> None:
        """Send a stanza to the component, where one is attached."""
        for connection in self.connections:
            if connection.core.ready:
                connection.core.write(xml)
                connection.pump()

    async def next_stanza(self, within: float = 5) -> Element:
        """Return the next stanza that comes, or came since the last call; else TimeoutError."""
        async with asyncio.timeout(within):
            return await self._arrived.get()

    async def aclose(self) -> None:
        """Close every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        connections = list(self.connections)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.closed for connection in connections))

    def took(self, connection: "Attached") -> None:
        """Record what a component sent; pings are kept in `received` but not returned."""
        if connection.core.ready:
            self._ready.set()
        for stanza in connection.core.stanzas:
            self.received.append(stanza)
            if stanza.find(f"{{{PING}}}ping") is None:
                self._arrived.put_nowait(stanza)
        connection.core.stanzas.clear()


class Attached(asyncio.Protocol):
    """One component's connection."""

    def __init__(self, host: ComponentHost) -> None:
        """Drive a core for `host`."""
        self.core = HostCore(host.name, host.secret, token())
        self.closed = asyncio.get_running_loop().create_future()
        self._host = host
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the component's header (called by the loop)."""
        self._transport = cast("asyncio.Transport", transport)
        self._host.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Feed the stream (called by the loop)."""
        self.core.receive(data)
        self._host.took(self)
        self.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the component (called by the loop)."""
        self._host.connections.discard(self)
        self.closed.set_result(None)

    def pump(self) -> None:
        """Send what the stream wants sent; close after its end."""
        if self._transport is not None:
            self._transport.write(self.core.to_send())
            if self.core.over:
                self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
