"""Both far ends of a gateway in one process, made for speed (RFC 3428, RFC 6120).

A SIP domain on one UDP socket and an XMPP domain over TLS exchange numbered messages through
the gateway; every number must come out at the other end exactly once.  Streams are negotiated by
the scripted domain of `dragoman.testing`; after that, bytes are only searched for what counts.
"""

import asyncio
import re
import socket
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, Self

from dragoman.testing.domain import Connection, Domain
from dragoman.testing.s2s import Event, Incoming, Outgoing, Ready

SIP_DOMAIN: Final = "sip.test"
XMPP_DOMAIN: Final = "xmpp.test"
TEXT: Final = "What's in a name? That which we call a rose"
T1: Final = 0.5
T2: Final = 4.0
TIMEOUT: Final = 64 * T1
BUFFER: Final = 8 << 20

STANZA: Final = re.compile(
    rb"\s*(?:<message\b([^>]*)>(.*?)</message>|<iq\b([^>]*[^>/])>(.*?)</iq>|<iq\b([^>]*)/>)",
    re.DOTALL,
)
OPENING: Final = re.compile(rb"\s*<(m|i|p|$)")
BODY: Final = re.compile(rb"<body[^>]*>(\d{8}) ")
ATTRIBUTE: Final = re.compile(rb"""\b(id|from|to|type)=["']([^"']*)["']""")
COPIED: Final = re.compile(rb"(?mi)^(?:v|via|f|from|i|call-id|cseq) *:[^\r]*\r\n")
TO: Final = re.compile(rb"(?mi)^(?:t|to) *:[^\r]*")
BRANCH: Final = re.compile(rb"branch=([^;\r,]*)")


class Direction:
    """The messages of one case that cross one way: what was sent, what came, what did not.

    `delays` holds, by number, the seconds from sending to arrival; `answered` those to the final
    answer, where the protocol has one.
    """

    def __init__(self, far_ends: "FarEnds", first: int, count: int, window: int) -> None:
        """Send the numbers `first` to `first + count - 1`, `window` under way at once."""
        self.far_ends = far_ends
        self.first = first
        self.count = count
        self.window = window
        self.next = first
        self.open: set[int] = set()
        self.came = bytearray(count)
        self.sent_at = array("d", bytes(8 * count))
        self.delays = array("d")
        self.answered = array("d")
        self.done = 0
        self.duplicates = 0
        self.retransmitted = 0
        self.refused: Counter[str] = Counter()
        self.last_done = time.perf_counter()

    @property
    def lost(self) -> int:
        """How many of the messages sent so far did not make it, or are still under way."""
        return self.next - self.first - self.done

    def fill(self) -> None:
        """Send until the window is full or all is sent."""
        end = self.first + self.count
        while self.next < end and len(self.open) < self.window:
            self.start()

    def start(self) -> None:
        """Send the next message."""
        number = self.next
        self.next += 1
        self.open.add(number)
        self.sent_at[number - self.first] = time.perf_counter()
        self.send(number)

    def send(self, number: int) -> None:
        """Put one message on the wire."""
        raise NotImplementedError

    def arrive(self, number: int) -> bool:
        """Count an arrival; tell whether it is the first of one of ours."""
        index = number - self.first
        if not 0 <= index < self.count:
            return False
        if self.came[index]:
            self.duplicates += 1
            return False
        self.came[index] = 1
        self.delays.append(time.perf_counter() - self.sent_at[index])
        return True

    def settle(self, number: int, *, good: bool) -> None:
        """Close a message, successful or refused, and let the next one go."""
        if number in self.open:
            self.open.discard(number)
            self.done += good
            self.last_done = time.perf_counter()
            self.far_ends.wanted.add(self)

    def on_tick(self, now: float) -> None:
        """Do what time alone makes due."""


class SipToXmpp(Direction):
    """MESSAGE in, stanza out: done when the stanza came and the MESSAGE got its 2xx."""

    def __init__(self, far_ends: "FarEnds", first: int, count: int, window: int) -> None:
        """See `Direction`."""
        super().__init__(far_ends, first, count, window)
        self._accepted: set[int] = set()
        self._copies: list[tuple[float, int, float]] = []

    def send(self, number: int) -> None:
        """Send a MESSAGE, and have it repeated while no answer comes."""
        heappush(self._copies, (time.perf_counter() + T1, number, T1))
        self.far_ends.send_request(number)

    def stanza(self, number: int) -> None:
        """Count a stanza that came."""
        if self.arrive(number) and number in self._accepted:
            self._accepted.discard(number)
            self.settle(number, good=True)

    def answer(self, number: int, status: int) -> None:
        """Count a final answer."""
        if number not in self.open or number in self._accepted:
            return
        self.answered.append(time.perf_counter() - self.sent_at[number - self.first])
        if status >= 300:
            self.refused[str(status)] += 1
            self.settle(number, good=False)
        elif self.came[number - self.first]:
            self.settle(number, good=True)
        else:
            self._accepted.add(number)

    def on_tick(self, now: float) -> None:
        """Repeat what has had no answer for its time (RFC 3261 §17.1.2.2)."""
        while self._copies and self._copies[0][0] <= now:
            _, number, interval = heappop(self._copies)
            if number not in self.open or number in self._accepted:
                continue
            if now - self.sent_at[number - self.first] >= TIMEOUT:
                self.refused["timeout"] += 1
                self.settle(number, good=False)
                continue
            self.retransmitted += 1
            self.far_ends.send_request(number)
            interval = min(2 * interval, T2)
            heappush(self._copies, (now + interval, number, interval))


class XmppToSip(Direction):
    """Stanza in, MESSAGE out: done when the MESSAGE came."""

    def __init__(self, far_ends: "FarEnds", first: int, count: int, window: int) -> None:
        """See `Direction`."""
        super().__init__(far_ends, first, count, window)
        self._branches: dict[int, bytes] = {}

    def send(self, number: int) -> None:
        """Send a stanza."""
        self.far_ends.send_stanza(number)

    def request(self, number: int, branch: bytes) -> None:
        """Count a MESSAGE that came; a copy of the same transaction is no duplicate."""
        if self._branches.get(number) == branch:
            self.retransmitted += 1
        elif self.arrive(number):
            self._branches[number] = branch
            self.settle(number, good=True)

    def bounce(self, number: int, condition: str) -> None:
        """Count a stanza error."""
        self.refused[condition] += 1
        self.settle(number, good=False)


class FarConnection(Connection):
    """A connection that leaves the reading of stanzas to `FarEnds` once it may bear them."""

    fast = False
    _held = b""

    def data_received(self, data: bytes) -> None:
        """Take whole stanzas out; the rest is the negotiation's."""
        if not self.fast:
            super().data_received(data)
            return
        domain = self.domain
        if isinstance(domain, FarDomain):
            rest = domain.far_ends.stanzas(self._held + data)
            self._held = rest if OPENING.match(rest) else b""
            if rest and not self._held:
                super().data_received(rest)


class FarDomain(Domain):
    """The XMPP domain: negotiates as the scripted one does, then only counts."""

    far_ends: "FarEnds"

    def connection(
        self, core: Incoming | Outgoing, asked_by: Connection | None = None
    ) -> Connection:
        """Drive a stream; see `FarConnection`."""
        return FarConnection(self, core, asked_by)

    def happened(self, connection: Connection, event: Event) -> None:
        """Switch an authenticated incoming stream to fast reading."""
        super().happened(connection, event)
        if isinstance(event, Ready) and isinstance(connection, FarConnection):
            connection.fast = isinstance(connection.core, Incoming)


class FarEnds:
    """The SIP domain and the XMPP domain, and the directions under way between them."""

    def __init__(self, domain: FarDomain, gateway: tuple[str, int], users: int) -> None:
        """Send SIP to the address `gateway`; each domain has `users` users."""
        self.domain = domain
        self.users = users
        self.wanted: set[Direction] = set()
        self.sip_to_xmpp: SipToXmpp | None = None
        self.xmpp_to_sip: XmppToSip | None = None
        self.numbers = 10_000_000
        self.strays = 0
        self._gateway = gateway
        self._stanzas: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        self._socket.bind(("127.0.0.3", 0))
        self._via = b"%s:%d" % (b"127.0.0.3", self._socket.getsockname()[1])
        self._loop.add_reader(self._socket, self._readable)

    @classmethod
    async def start(
        cls, sip_gateway: tuple[str, int], xmpp_gateway: tuple[str, int], users: int
    ) -> Self:
        """Open the far ends: SIP on 127.0.0.3, XMPP on 127.0.0.2, any free ports."""
        domain = await FarDomain.start(
            XMPP_DOMAIN, host="127.0.0.2", gateway=xmpp_gateway, verify=True
        )
        domain.far_ends = far_ends = cls(domain, sip_gateway, users)
        return far_ends

    @property
    def sip_address(self) -> tuple[str, int]:
        """Where the SIP domain listens."""
        host, port = self._socket.getsockname()
        return host, port

    @property
    def directions(self) -> list[Direction]:
        """The directions under way."""
        return [way for way in (self.sip_to_xmpp, self.xmpp_to_sip) if way is not None]

    def begin(self, count: int, window: int, *, sip: bool, xmpp: bool) -> list[Direction]:
        """Begin a case of `count` messages each way that is asked for; numbers are never reused."""
        first, self.numbers = self.numbers, self.numbers + count
        self.sip_to_xmpp = SipToXmpp(self, first, count, window) if sip else None
        self.xmpp_to_sip = XmppToSip(self, first, count, window) if xmpp else None
        return self.directions

    async def aclose(self) -> None:
        """Close every socket."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        await self.domain.aclose()

    def refill(self) -> None:
        """Let the next messages of every direction that got room go, and flush."""
        wanted, self.wanted = self.wanted, set()
        for direction in wanted:
            direction.fill()
        self.flush()

    def flush(self) -> None:
        """Write the stanzas that were gathered, in one piece."""
        if self._stanzas:
            self.domain.send("".join(self._stanzas), SIP_DOMAIN)
            self._stanzas.clear()

    def pair(self, number: int) -> tuple[int, int]:
        """Return sender and recipient: recipients take turns, and senders change with them."""
        turn, recipient = divmod(number, self.users)
        return (recipient + turn) % self.users, recipient

    def send_request(self, number: int) -> None:
        """Send the MESSAGE of that number; every copy is the same."""
        sender, recipient = self.pair(number)
        body = b"%08d %s" % (number, TEXT.encode())
        data = (
            b"MESSAGE sip:user%d@xmpp.test SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP %s;branch=z9hG4bKn%08d;rport\r\n"
            b"Max-Forwards: 70\r\n"
            b"From: <sip:user%d@sip.test>;tag=f%d\r\n"
            b"To: <sip:user%d@xmpp.test>\r\n"
            b"Call-ID: c%d@127.0.0.3\r\nCSeq: 1 MESSAGE\r\n"
            b"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s"
        ) % (recipient, self._via, number, sender, number, recipient, number, len(body), body)
        self._sendto(data, self._gateway)

    def send_stanza(self, number: int) -> None:
        """Gather the message stanza of that number; `flush` sends it."""
        sender, recipient = self.pair(number)
        self._stanzas.append(
            f"<message from='user{sender}@xmpp.test/phone' to='user{recipient}@sip.test'"
            f" type='chat' id='n{number:08d}'><body>{number:08d} {TEXT}</body></message>"
        )

    def stanzas(self, data: bytes) -> bytes:
        """Count the whole stanzas that `data` begins with, answer pings; return the rest."""
        at = 0
        while (found := STANZA.match(data, at)) is not None:
            at = found.end()
            attributes, content, iq, payload, _ = found.groups()
            if iq is not None:
                self._iq(iq, payload)
            elif attributes is not None:
                self._message(attributes, content)
        self.refill()
        return data[at:]

    def _message(self, attributes: bytes, content: bytes) -> None:
        body = BODY.search(content)
        if b"error" in attributes and (values := dict(ATTRIBUTE.findall(attributes))):
            self._bounced(values.get(b"id", b"").decode(), content)
        elif body is None or self.sip_to_xmpp is None:
            self.strays += 1
        else:
            self.sip_to_xmpp.stanza(int(body[1]))

    def _bounced(self, stanza_id: str, content: bytes) -> None:
        condition = re.search(
            rb"<error\b.*?<(?:text\b.*?</text>\s*<)?([a-z-]+)", content, re.DOTALL
        )
        if self.xmpp_to_sip is not None and stanza_id[1:].isdigit():
            name = condition[1].decode() if condition else "?"
            self.xmpp_to_sip.bounce(int(stanza_id[1:]), name)
        else:
            self.strays += 1

    def _iq(self, attributes: bytes, payload: bytes) -> None:
        values = {key: value.decode() for key, value in ATTRIBUTE.findall(attributes)}
        if values.get(b"type") not in {"get", "set"}:
            return
        turned = f"to='{values[b'from']}' from='{values[b'to']}' id='{values[b'id']}'"
        if b"urn:xmpp:ping" in payload:
            self._stanzas.append(f"<iq type='result' {turned}/>")
        else:
            self._stanzas.append(
                f"<iq type='error' {turned}><error type='cancel'><service-unavailable"
                " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            )

    def _datagrams(self) -> Iterator[tuple[bytes, tuple[str, int]]]:
        for _ in range(64):
            try:
                yield self._socket.recvfrom(65535)
            except BlockingIOError:
                return

    def _readable(self) -> None:
        for data, source in self._datagrams():
            if data.startswith(b"SIP/2.0 "):
                self._response(data)
            elif data.startswith(b"MESSAGE "):
                self._request(data, source)
            elif data.strip():
                self.strays += 1
        self.refill()

    def _response(self, data: bytes) -> None:
        status, at = int(data[8:11]), data.find(b"z9hG4bKn")
        if status >= 200 and at > 0 and self.sip_to_xmpp is not None:
            self.sip_to_xmpp.answer(int(data[at + 8 : at + 16]), status)

    def _request(self, data: bytes, source: tuple[str, int]) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        head += b"\r\n"
        to, branch = TO.search(head), BRANCH.search(head)
        if to is None or branch is None:
            self.strays += 1
            return
        copied = b"".join(COPIED.findall(head))
        answer = b"SIP/2.0 200 OK\r\n%s%s;tag=t\r\nContent-Length: 0\r\n\r\n"
        self._sendto(answer % (copied, to[0]), source)
        number = self._text(body)[:8]
        if not number:
            return
        if self.xmpp_to_sip is None or not number.isdigit():
            self.strays += 1
        else:
            self.xmpp_to_sip.request(int(number), branch[1])

    def _text(self, body: bytes) -> bytes:
        """Return the text of a MESSAGE, empty for one without."""
        return body

    def _sendto(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            self._socket.sendto(data, address)
        except BlockingIOError:
            # As lost on the way: whoever waits for it sends again.
            return


async def until_done(far_ends: FarEnds, patience: float, limit: float) -> None:
    """Return when all is settled, or when nothing was for `patience` seconds.

    After `limit` seconds no new message is begun: what was sent until then is the count, and has
    `patience` seconds more, in all.
    """
    begun = time.perf_counter()
    ways = far_ends.directions
    while any(way.open or way.next < way.first + way.count for way in ways):
        await asyncio.sleep(0.05)
        now = time.perf_counter()
        if now - begun > limit:
            for way in ways:
                way.count = way.next - way.first
        for way in ways:
            way.on_tick(now)
        far_ends.refill()
        last = max(way.last_done for way in ways)
        if now - last > patience or now - begun > limit + patience:
            return


async def pace(far_ends: FarEnds, rate: float) -> None:
    """Send `rate` messages a second in each direction under way, until all is sent."""
    begun = time.perf_counter()
    ways = far_ends.directions
    while any(way.next < way.first + way.count for way in ways):
        due = int((time.perf_counter() - begun) * rate)
        for way in ways:
            while way.next - way.first < min(due, way.count):
                way.start()
        far_ends.flush()
        await asyncio.sleep(0.001)
