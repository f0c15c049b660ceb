"""A scripted SIP phone, or a whole domain of them behind one address (RFC 3261, RFC 3428).

It shares no code with the gateway's SIP core, and it is strict: a request that breaks a rule is
answered 400 with the rule in the reason phrase.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self, cast

from dragoman.errors import LocalError
from dragoman.testing.siptext import Cutter, SipText, faults, parameter, user_of

T1: Final = 0.5
T2: Final = 4.0
TIMEOUT: Final = 64 * T1
PHRASES: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 486: "Busy Here"}
ALLOWED: Final = ("MESSAGE", "OPTIONS")
SESSIONS: Final = frozenset({"INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "PRACK", "SUBSCRIBE"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What a user answers; the first `after` copies of each request get no answer at all."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    after: int = 0
    body: bytes = b""


Script = Mapping[str, Reply | int | None]
"""By user part, the answer to a MESSAGE: a reply, a bare status, or None for no answer, ever."""

USERS: Final[Script] = {"nobody": 404, "busy": 486, "silent": None}


@dataclass(frozen=True, slots=True)
class Hop:
    """The far end of one hop: "UDP" or "TCP", and an address."""

    transport: str
    host: str
    port: int


@dataclass(slots=True, eq=False)
class Sent:
    """A request on its way: what was sent, and every response so far."""

    request: SipText
    branch: str
    hop: Hop
    until: float
    next_copy: float | None
    interval: float = T1
    copies: int = 1
    over: bool = False
    responses: list[SipText] = field(default_factory=list)

    @property
    def status(self) -> int | None:
        """The final status; None while there is none, and after a time-out."""
        finals = [response.status for response in self.responses if response.status >= 200]
        return finals[0] if finals else None


class PhoneCore:
    """Bytes and the time in, bytes and events out; no sockets."""

    def __init__(
        self,
        *,
        script: Script = USERS,
        sent_by: tuple[str, int] = ("127.0.0.3", 5060),
        token: Callable[[], str] = lambda: secrets.token_hex(8),
        limit: int = 10_000,
    ) -> None:
        """Answer by `script`, 200 where it says nothing; remember `limit` transactions."""
        self.script = script
        self.accepts: frozenset[str] = frozenset()
        """Types of bodies that are taken, in lower case; others are 415. Empty: every type is."""
        self.sessions: Callable[[SipText], Reply | None] | None = None
        """What answers INVITE and what belongs to it; without it a phone takes no sessions."""
        self.sent_by = sent_by
        self.received: list[SipText] = []
        self.garbage: list[bytes] = []
        self._token = token
        self._limit = limit
        self._copies: dict[str, int] = {}
        self._sent: dict[str, Sent] = {}
        self._out: list[tuple[bytes, Hop]] = []
        self._events: list[SipText | Sent] = []

    def send(self, request: SipText, hop: Hop, now: float) -> Sent:
        """Send a request that lacks only its Via, and repeat it over UDP as §17.1.2 says."""
        branch = "z9hG4bK" + self._token()
        host, port = self.sent_by
        via = ("Via", f"SIP/2.0/{hop.transport} {host}:{port};branch={branch};rport")
        whole = SipText(request.start, (via, *request.headers), request.body)
        repeat = now + T1 if hop.transport == "UDP" else None
        sent = Sent(whole, branch, hop, now + TIMEOUT, repeat)
        self._sent[branch] = sent
        self._out.append((bytes(whole), hop))
        return sent

    def tell(self, request: SipText, hop: Hop) -> None:
        """Send a request that has no answer, and that lacks only its Via."""
        host, port = self.sent_by
        branch = "z9hG4bK" + self._token()
        via = ("Via", f"SIP/2.0/{hop.transport} {host}:{port};branch={branch};rport")
        whole = SipText(request.start, (via, *request.headers), request.body)
        self._out.append((bytes(whole), hop))

    def message(
        self,
        sender: str,
        to: str,
        body: str,
        *,
        content_type: str = "text/plain;charset=UTF-8",
        headers: Sequence[tuple[str, str]] = (),
    ) -> SipText:
        """Return a MESSAGE from one URI to another, without its Via (RFC 3428 §4)."""
        return SipText(
            f"MESSAGE {to} SIP/2.0",
            (
                ("Max-Forwards", "70"),
                ("From", f"<{sender}>;tag={self._token()}"),
                ("To", f"<{to}>"),
                ("Call-ID", self._token()),
                ("CSeq", "1 MESSAGE"),
                ("Content-Type", content_type),
                *headers,
            ),
            body.encode(),
        )

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """Take one whole message: a datagram, or what stream framing cut out."""
        if not data.strip(b"\r\n"):
            return
        message = SipText.parse(data)
        if message is None or message.get("Via") is None:
            self.garbage.append(data)
        elif message.status:
            self._response(message, now)
        else:
            self._request(message, source)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is due; None when nothing is under way."""
        return min(
            (min(sent.until, sent.next_copy or sent.until) for sent in self._sent.values()),
            default=None,
        )

    def on_timer(self, now: float) -> None:
        """Send the copies that are due; give up what has waited 64*T1."""
        for sent in list(self._sent.values()):
            if now >= sent.until:
                self._finish(sent)
            elif sent.next_copy is not None and now >= sent.next_copy:
                self._out.append((bytes(sent.request), sent.hop))
                sent.copies += 1
                sent.interval = min(2 * sent.interval, T2)
                sent.next_copy = now + sent.interval

    def unreachable(self, hop: Hop) -> None:
        """Give up what was sent to `hop`: its connection could not be made, or ended."""
        for sent in [sent for sent in self._sent.values() if sent.hop == hop]:
            self._finish(sent)

    def to_send(self) -> list[tuple[bytes, Hop]]:
        """Return what is to be sent since the last call, and where to."""
        found, self._out = self._out, []
        return found

    def events(self) -> list[SipText | Sent]:
        """Return since the last call: each new request, and each own request that is over."""
        found, self._events = self._events, []
        return found

    def _finish(self, sent: Sent) -> None:
        sent.over = True
        del self._sent[sent.branch]
        self._events.append(sent)

    def _response(self, response: SipText, now: float) -> None:
        sent = self._sent.get(parameter(response.get("Via") or "", "branch") or "")
        if sent is None or response.get("CSeq") != sent.request.get("CSeq"):
            return
        sent.responses.append(response)
        if response.status >= 200:
            self._finish(sent)
        elif sent.next_copy is not None:
            sent.interval = T2
            sent.next_copy = now + T2

    def _request(self, request: SipText, source: Hop) -> None:
        wrong = faults(request, source.transport)
        branch = parameter(request.get("Via") or "", "branch") or ""
        key = f"{branch} {request.method}"
        copies = self._copies.pop(key, 0)
        self._copies[key] = copies + 1
        if len(self._copies) > self._limit:
            del self._copies[next(iter(self._copies))]
        if not copies:
            self.received.append(request)
            self._events.append(request)
        reply = Reply(400, wrong[0]) if wrong else self._reply_to(request)
        if reply is not None and request.method != "ACK" and copies >= reply.after:
            self._answer(request, reply, source)

    def _reply_to(self, request: SipText) -> Reply | None:
        if request.method == "OPTIONS":
            return Reply(200, headers=(("Allow", ", ".join(ALLOWED)),))
        if request.method in SESSIONS and self.sessions is not None:
            return self.sessions(request)
        if request.method != "MESSAGE":
            return Reply(405, "Method Not Allowed", (("Allow", ", ".join(ALLOWED)),))
        media = (request.get("Content-Type") or "").partition(";")[0].strip().lower()
        if self.accepts and media not in self.accepts:
            accept = ("Accept", ", ".join(sorted(self.accepts)))
            return Reply(415, "Unsupported Media Type", (accept,))
        found = self.script.get(user_of(request.target), 200)
        return Reply(found) if isinstance(found, int) else found

    def _answer(self, request: SipText, reply: Reply, source: Hop) -> None:
        reason = reply.reason or PHRASES.get(reply.status, "Scripted")
        via, *others = request.get_all("Via")
        copied = [("Via", via + f";received={source.host}"), *(("Via", other) for other in others)]
        to = request.get("To") or ""
        # One request has one To tag, in every copy of its answer (RFC 3261 §8.2.6.2).
        tag = "" if parameter(to, "tag") else f";tag=t{parameter(via, 'branch')}"
        copied.append(("To", to + tag))
        for name in ("From", "Call-ID", "CSeq"):
            copied.extend((name, value) for value in request.get_all(name))
        response = SipText(
            f"SIP/2.0 {reply.status} {reason}", (*copied, *reply.headers), reply.body
        )
        self._out.append((bytes(response), _back(via, source)))


def _back(via: str, source: Hop) -> Hop:
    """Return where the response goes: RFC 3261 §18.2.2, RFC 3581 §4."""
    if source.transport != "UDP" or parameter(via, "rport") is not None:
        return source
    port = re.search(r":(\d+)$", via.split(";")[0].rstrip())
    return Hop("UDP", source.host, int(port[1]) if port else 5060)


class Phone:
    """A `PhoneCore` on a loopback address, with one port for UDP and TCP; made by `start`."""

    def __init__(self, core: PhoneCore, gateway: tuple[str, int] | None) -> None:
        """Drive `core`; requests go to `gateway` unless `send` is told otherwise."""
        self.core = core
        self.gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._udp: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._lines: dict[Hop, _Line] = {}
        self._dialling: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._waiting: dict[Sent, asyncio.Future[Sent]] = {}
        self._arrived: asyncio.Queue[SipText] = asyncio.Queue()

    @classmethod
    async def start(
        cls,
        *,
        host: str = "127.0.0.3",
        port: int = 0,
        gateway: tuple[str, int] | None = None,
        script: Script = USERS,
    ) -> Self:
        """Listen on `host` and `port` (0: any that is free for both transports)."""
        phone = cls(PhoneCore(script=script), gateway)
        for _ in range(20):
            phone._server = await phone._loop.create_server(lambda: _Line(phone), host, port)
            address = phone._server.sockets[0].getsockname()[:2]
            try:
                await phone._loop.create_datagram_endpoint(
                    lambda: _Datagrams(phone), local_addr=address
                )
            except OSError:
                phone._server.close()
                if port:
                    raise
            else:
                phone.core.sent_by = address
                return phone
        raise LocalError(f"no port of {host} is free for both UDP and TCP")

    @property
    def address(self) -> tuple[str, int]:
        """The address that it listens on, for UDP and TCP."""
        return self.core.sent_by

    @property
    def received(self) -> list[SipText]:
        """Every request that came, without its copies."""
        return self.core.received

    async def send(
        self,
        sender: str,
        to: str,
        body: str,
        *,
        transport: str = "UDP",
        content_type: str = "text/plain;charset=UTF-8",
        headers: Sequence[tuple[str, str]] = (),
    ) -> Sent:
        """Send a MESSAGE to the gateway; return it once it has a final answer or none came."""
        request = self.core.message(sender, to, body, content_type=content_type, headers=headers)
        return await self.request(request, transport=transport)

    async def request(self, request: SipText, *, transport: str = "UDP") -> Sent:
        """Send any request (without its Via) to the gateway, and wait as `send` does."""
        if self.gateway is None:
            raise LocalError("the phone was not told where the gateway is")
        hop = Hop(transport, *self.gateway)
        sent = self.core.send(request, hop, self._loop.time())
        over: asyncio.Future[Sent] = self._loop.create_future()
        self._waiting[sent] = over
        self.flush()
        return await over

    async def tell(self, request: SipText, *, transport: str = "UDP") -> None:
        """Send a request that has no answer (without its Via): an ACK."""
        if self.gateway is None:
            raise LocalError("the phone was not told where the gateway is")
        self.core.tell(request, Hop(transport, *self.gateway))
        self.flush()

    async def next_request(self, within: float = 5) -> SipText:
        """Return the next request that comes, or came since the last call; else TimeoutError."""
        async with asyncio.timeout(within):
            return await self._arrived.get()

    async def aclose(self) -> None:
        """Close every socket; what waits for an answer is cancelled."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self._udp is not None:
            self._udp.close()
        if self._server is not None:
            self._server.close()
        for task in self._dialling:
            task.cancel()
        for waiting in self._waiting.values():
            waiting.cancel()
        lines = list(self._lines.values())
        for line in lines:
            line.abort()
        await asyncio.gather(*(line.closed for line in lines))

    def take(self, data: bytes, source: Hop) -> None:
        """Give the core one whole message and act on what it says."""
        self.core.receive(data, source, self._loop.time())
        self.flush()

    def flush(self) -> None:
        """Send what the core wants sent, tell who waits, and set the next alarm."""
        for data, hop in self.core.to_send():
            self._write(data, hop)
        for event in self.core.events():
            if isinstance(event, SipText):
                self._arrived.put_nowait(event)
            elif event in self._waiting:
                self._waiting.pop(event).set_result(event)
        if self._alarm is not None:
            self._alarm.cancel()
        when = self.core.next_timer()
        self._alarm = None if when is None else self._loop.call_at(when, self._on_alarm)

    def use(self, udp: asyncio.DatagramTransport) -> None:
        """Send datagrams by `udp` from now on."""
        self._udp = udp

    def attach(self, line: "_Line", hop: Hop) -> None:
        """Send what goes to `hop` by the connection `line` from now on."""
        self._lines[hop] = line

    def detach(self, hop: Hop) -> None:
        """Forget the connection to `hop`, which ended, and what waited for it."""
        self._lines.pop(hop, None)
        self.core.unreachable(hop)
        self.flush()

    def _on_alarm(self) -> None:
        self.core.on_timer(self._loop.time())
        self.flush()

    def _write(self, data: bytes, hop: Hop) -> None:
        if hop.transport == "UDP":
            if self._udp is not None:
                self._udp.sendto(data, (hop.host, hop.port))
        elif hop in self._lines:
            self._lines[hop].write(data)
        else:
            task = self._loop.create_task(self._dial(data, hop))
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)

    async def _dial(self, data: bytes, hop: Hop) -> None:
        try:
            _, line = await self._loop.create_connection(lambda: _Line(self), hop.host, hop.port)
        except OSError:
            self.detach(hop)
        else:
            line.write(data)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._phone.use(cast("asyncio.DatagramTransport", transport))

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._phone.take(data, Hop("UDP", addr[0], addr[1]))


class _Line(asyncio.Protocol):
    """One TCP connection, made by either side."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._cutter = Cutter()
        self._transport: asyncio.Transport | None = None
        self._hop = Hop("TCP", "", 0)
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._hop = Hop("TCP", *transport.get_extra_info("peername")[:2])
        self._phone.attach(self, self._hop)

    def data_received(self, data: bytes) -> None:
        for whole in self._cutter.feed(data):
            self._phone.take(whole, self._hop)

    def connection_lost(self, exc: Exception | None) -> None:
        self._phone.detach(self._hop)
        self.closed.set_result(None)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
