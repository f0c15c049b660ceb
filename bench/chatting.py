"""Both far ends of chat sessions, made for speed (RFC 7573, RFC 4975): phones, and an XMPP domain.

Session n is of the SIP user `user<n>` with the XMPP user of the same number, numbers being counted
within the users that there are. The SIP user begins it (INVITE), connects by TCP, and binds it with
an empty SEND. Each session has a connection of its own, as that of a phone has.
"""

import asyncio
import re
import time
from typing import Final, cast

from bench.load import TEXT, Direction, FarEnds, SipToXmpp, XmppToSip
from bench.watching import Dialog, Run, Unanswered, _headers

CHUNK: Final = re.compile(
    rb"MSRP ([^ \r\n]+) (SEND|REPORT|\d{3})([^\r\n]*\r\n.*?)-------\1[$#+]\r\n", re.DOTALL
)
NUMBER: Final = re.compile(rb"\r\n\r\n(\d{8}) ")
PATH: Final = re.compile(rb"a=path:(msrp://([^:/;]+):(\d+)/[^\r\n]+)\r\n")
SESSION: Final = re.compile(rb"k(\d+)")
GONE: Final = b"jabber.org/protocol/chatstates"
HOMES: Final = 250
"""Addresses that phones connect from."""
AGAIN: Final = 0.1
"""Seconds between two looks at what is to be sent again."""


class ChatToXmpp(SipToXmpp):
    """SEND in, stanza out: done when the stanza came and the SEND got its 200."""

    def send(self, number: int) -> None:
        """Send in a session; TCP repeats what is lost."""
        self.far_ends.send_request(number)

    def on_tick(self, now: float) -> None:
        """Nothing: see `send`."""


class Phone(asyncio.Protocol):
    """The SIP user's end of one session, and its connection."""

    transport: asyncio.Transport
    remote = b""
    """The gateway's path."""

    def __init__(self, ends: "ChattingEnds", number: int) -> None:
        """Be that of session `number`."""
        self.ends = ends
        self.number = number
        self.dialog: Dialog | None = None
        self.path = b"msrp://127.0.0.3:9/k%dbench;tcp" % number
        self.bound = False
        self.closing = False
        self._held = b""
        self._out: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bind the session with an empty SEND (RFC 4975 §5.4)."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is that in all but class
        self.write(
            b"MSRP b%08d SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: b%08d\r\n"
            b"Byte-Range: 1-0/0\r\n-------b%08d$\r\n"
            % (self.number, self.remote, self.path, self.number, self.number)
        )
        self.flush()

    def say(self, number: int) -> None:
        """Send the message of that number."""
        body = b"%08d %s" % (number, TEXT.encode())
        self.write(
            b"MSRP n%08d SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: m%08d\r\n"
            b"Byte-Range: 1-%d/%d\r\nContent-Type: text/plain\r\n\r\n%s\r\n-------n%08d$\r\n"
            % (number, self.remote, self.path, number, len(body), len(body), body, number)
        )

    def write(self, data: bytes) -> None:
        """Gather bytes; `flush` sends them."""
        if not self._out:
            self.ends.speaking.append(self)
        self._out.append(data)

    def flush(self) -> None:
        """Send what was gathered, in one piece."""
        if self._out:
            self.transport.write(b"".join(self._out))
            self._out.clear()

    def data_received(self, data: bytes) -> None:
        """Take whole chunks out."""
        data, at = self._held + data, 0
        while (found := CHUNK.match(data, at)) is not None:
            at = found.end()
            self._chunk(found[1], found[2], found[3])
        self._held = data[at:]
        self.ends.refill()

    def _chunk(self, tid: bytes, kind: bytes, rest: bytes) -> None:
        if kind == b"SEND":
            self.write(
                b"MSRP %s 200 OK\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%s$\r\n"
                % (tid, self.remote, self.path, tid)
            )
            found = NUMBER.search(rest)
            if found is not None:
                self.ends.heard(int(found[1]), tid)
        elif kind == b"REPORT":
            self.ends.reports += 1
        elif tid.startswith(b"b"):
            self.bound = True
            self.ends.is_bound(self)
        elif self.ends.sip_to_xmpp is not None:
            self.ends.sip_to_xmpp.answer(int(tid[1:]), int(kind))

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what the gateway was not asked to close."""
        if not self.closing:
            self.ends.broken += 1


class ChattingEnds(FarEnds):
    """The two domains, whose users have sessions.

    Messages take turns among the first `among` of them.
    """

    among = 0
    reports = 0
    """REPORTs that came: none is asked for."""
    broken = 0
    """Connections that the gateway closed of itself."""
    gone = 0
    """XMPP users who heard that their peer has left."""
    refused = 0
    """Requests of sessions that were refused."""
    again = 0
    """Requests that were sent again."""
    run: Run | None = None
    ending = False
    """Whether a session is over once a message went in it."""
    phones: dict[int, Phone]
    speaking: list[Phone]
    _ticking: asyncio.TimerHandle | None = None

    def reset(self) -> None:
        """Have no sessions, and look after what is not answered from now on."""
        self.phones, self.speaking = {}, []
        self._unanswered = Unanswered()
        self._connecting: set[asyncio.Task[None]] = set()
        if self._ticking is None:
            self._tick()

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(AGAIN, self._tick)
        for data in self._unanswered.due(time.perf_counter()):
            self.again += 1
            self._sendto(data, self._gateway)

    async def aclose(self) -> None:
        """Close every socket."""
        if self._ticking is not None:
            self._ticking.cancel()
        for task in self._connecting:
            task.cancel()
        for phone in self.phones.values():
            phone.closing = True
            if phone.bound:
                phone.transport.abort()
        await super().aclose()

    # -- messages -----------------------------------------------------------------------

    def begin(self, count: int, window: int, *, sip: bool, xmpp: bool) -> list[Direction]:
        """Begin a case; see `FarEnds`. Without sessions messages go by MESSAGE."""
        super().begin(count, window, sip=sip, xmpp=xmpp)
        if self.among and self.sip_to_xmpp is not None:
            self.sip_to_xmpp = ChatToXmpp(self, self.sip_to_xmpp.first, count, window)
        return self.directions

    def pair(self, number: int) -> tuple[int, int]:
        """Return the users of a message, who have the same number."""
        if not self.among:
            return super().pair(number)
        user = number % self.among % self.users
        return user, user

    def send_request(self, number: int) -> None:
        """Send the message of that number, in its session."""
        if self.among:
            self.phones[number % self.among].say(number)
        else:
            super().send_request(number)

    def flush(self) -> None:
        """Send all that was gathered."""
        super().flush()
        speaking, self.speaking = self.speaking, []
        for phone in speaking:
            phone.flush()

    def heard(self, number: int, tid: bytes) -> None:
        """Count a message that came in a session."""
        if isinstance(self.xmpp_to_sip, XmppToSip):
            self.xmpp_to_sip.request(number, tid)

    def _message(self, attributes: bytes, content: bytes) -> None:
        if GONE in content and b"<body" not in content:
            self.gone += b"<gone" in content
            return
        if self.ending and (found := re.search(rb"<body[^>]*>(\d{8}) ", content)) is not None:
            self._bye(int(found[1]))
            return
        super()._message(attributes, content)

    # -- sessions -----------------------------------------------------------------------

    def invite(self, number: int) -> int:
        """Have a SIP user begin session `number`."""
        user, phone = number % self.users, Phone(self, number)
        self.phones[number] = phone
        body = (
            b"v=0\r\no=- 1 1 IN IP4 127.0.0.3\r\ns=-\r\nc=IN IP4 127.0.0.3\r\nt=0 0\r\n"
            b"m=message 9 TCP/MSRP *\r\na=path:%s\r\na=setup:active\r\n"
            b"a=accept-types:text/plain message/cpim\r\na=accept-wrapped-types:*\r\n"
        ) % phone.path
        dialog = Dialog(
            b"k%d@127.0.0.3" % number,
            b"sip:user%d@xmpp.test" % user,
            b"<sip:user%d@sip.test>;tag=k%d" % (user, number),
            b"<sip:user%d@xmpp.test>" % user,
        )
        phone.dialog = dialog
        self._ask(phone, b"INVITE", body)
        return 0

    def end(self, number: int) -> int:
        """Have a SIP user end session `number`."""
        phone = self.phones[number]
        phone.closing = True
        self._ask(phone, b"BYE")
        return 0

    def _bye(self, number: int) -> None:
        if number in self.phones and not self.phones[number].closing:
            self.end(number)

    def is_bound(self, phone: Phone) -> None:
        """Learn that a session is up; say something in one that is to be over again."""
        if self.ending:
            phone.say(phone.number)
        else:
            self._over(phone)

    def _over(self, phone: Phone) -> None:
        """Go on with the next session, unless they are begun at their times."""
        if self.run is not None:
            self.run.end(phone.number, 0)
            if self.run.window:
                self.run.fill()

    def _ask(self, phone: Phone, method: bytes, body: bytes = b"") -> None:
        """Send a request of a session, and again until it is answered; an ACK once."""
        dialog = phone.dialog
        assert dialog is not None  # noqa: S101 - it was begun
        dialog.cseq += method != b"ACK"
        user = phone.number % self.users
        typed = b"Content-Type: application/sdp\r\n" if body else b""
        data = (
            b"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKk%d%s;rport\r\n"
            b"Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n"
            b"Contact: <sip:user%d@%s>\r\n%sContent-Length: %d\r\n\r\n%s"
        ) % (
            *(method, dialog.target, self._via, phone.number, method),
            *(dialog.local, dialog.remote, dialog.call_id, dialog.cseq, method),
            *(user, self._via, typed, len(body), body),
        )
        if method != b"ACK":
            cseq = b"%d %s" % (dialog.cseq, method)
            self._unanswered.add(dialog.call_id, cseq, data, time.perf_counter())
        self._sendto(data, self._gateway)

    def _response(self, data: bytes) -> None:
        status = int(data[8:11])
        head = _headers(data)
        found = SESSION.match(head.get(b"call-id", b""))
        if found is None:
            super()._response(data)
        elif status >= 200 and (phone := self.phones.get(int(found[1]))) is not None:
            self._of_session(phone, status, head, data)

    def _of_session(self, phone: Phone, status: int, head: dict[bytes, bytes], data: bytes) -> None:
        """Take the final response to an INVITE or a BYE."""
        cseq = head[b"cseq"]
        first = self._unanswered.answered(head[b"call-id"], cseq)
        if status >= 300:
            self.refused += first
        elif cseq.endswith(b"INVITE"):
            self._invited(phone, head, data, first=first)
        elif first:
            phone.transport.abort()
            del self.phones[phone.number]
            self._over(phone)

    def _invited(self, phone: Phone, head: dict[bytes, bytes], data: bytes, *, first: bool) -> None:
        """Acknowledge, and connect to whom the answer says."""
        found = PATH.search(data)
        assert phone.dialog is not None  # noqa: S101 - it was begun
        if found is None:
            self.refused += first
            return
        phone.remote = found[1]
        phone.dialog.remote = head[b"to"]
        phone.dialog.target = head[b"contact"].partition(b"<")[2].partition(b">")[0]
        self._ask(phone, b"ACK")
        if first:
            task = self._loop.create_task(self._connect(phone, found[2].decode(), int(found[3])))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, phone: Phone, host: str, port: int) -> None:
        # the gate lets 64 in from one address
        home = f"127.0.3.{1 + phone.number % HOMES}"
        await self._loop.create_connection(lambda: phone, host, port, local_addr=(home, 0))
