"""Both far ends of calls (XEP-0166, XEP-0353, RFC 3261): phones that answer, and clients that call.

Call n is of the XMPP user `user<n>` with the SIP user of the same number. The client proposes,
begins once that proceeds, connects by ICE and DTLS, and hangs up; the phone rings and answers at
once. Both say G.711: 50 packets a second, each of which has to come out at the other end.
"""

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from xml.etree import ElementTree as ET

from aioice import Candidate

from bench.load import ATTRIBUTE, COPIED, TO, FarEnds
from bench.media import HOST, Peer, Socket, packet
from dragoman.media.dtls import Dtls, Identity, State

PERIOD: Final = 0.02
"""Seconds between two packets."""
PATIENCE: Final = 15.0
"""Seconds that a step of a call may take."""
JINGLE: Final = "urn:xmpp:jingle:1"
ICE: Final = "{urn:xmpp:jingle:transports:ice-udp:1}"
FINGERPRINT: Final = "{urn:xmpp:jingle:apps:dtls:0}fingerprint"
JMI: Final = "urn:xmpp:jingle-message:0"
RTP: Final = "urn:xmpp:jingle:apps:rtp:1"
SPREAD: Final = 10
"""Calls whose packets go at one time."""


@dataclass(slots=True)
class Traffic:
    """What became of the packets of some calls, both ways; `delays` are in seconds."""

    seconds: float = 0.0
    """How long they were being sent."""
    sent: int = 0
    came: int = 0
    spoilt: int = 0
    """Calls whose last packets were not what was sent."""
    delays: "array[float]" = field(default_factory=lambda: array("d"))


class Way:
    """The packets of one call that go one way: numbered, and known by that when they come."""

    __slots__ = ("first", "last", "next", "sent_at", "traffic")

    def __init__(self) -> None:
        """Have sent none."""
        self.first = self.next = 0
        self.sent_at = array("d")
        self.traffic: Traffic | None = None
        self.last = b""

    def begin(self, traffic: Traffic, count: int) -> None:
        """Count `count` packets from now on."""
        self.traffic, self.first = traffic, self.next
        self.sent_at = array("d", bytes(8 * count))

    def send(self) -> int:
        """Return the number of the packet that goes now."""
        number = self.next
        self.next += 1
        self.sent_at[number - self.first] = time.perf_counter()
        return number

    def arrive(self, data: bytes) -> None:
        """Count a packet; what comes again, or is none of these, does not count."""
        index = (int.from_bytes(data[2:4]) - self.first) & 0xFFFF
        if self.traffic is None or data[1] & 0x7F != 0 or not index < self.next - self.first:
            return
        sent, self.sent_at[index] = self.sent_at[index], 0.0
        if sent:
            self.last = data
            self.traffic.came += 1
            self.traffic.delays.append(time.perf_counter() - sent)


class Handset(Socket):
    """The phone's socket for RTP."""

    def __init__(self, heard: Way) -> None:
        """Count what comes as of `heard`."""
        self.heard_of = heard

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Count a packet (called by the loop)."""
        self.heard_of.arrive(data)


class Client(Peer):
    """The client's agent for ICE; what comes is counted once it is connected."""

    def __init__(self, heard: Way) -> None:
        """Count what comes as of `heard`."""
        super().__init__(ice_controlling=True)
        self.heard_of = heard

    def heard_by(
        self, stun: Callable[[bytes, tuple[str, int]], None], data: bytes, addr: tuple[str, int]
    ) -> None:
        """Count a packet, or hand it to `stun`, which was to get it."""
        if self.counting and data[0] > 3:
            self.heard_of.arrive(data)
        else:
            stun(data, addr)


class Line:
    """Both ends of one call."""

    def __init__(self, ends: "CallingEnds", number: int) -> None:
        """Be call `number`, which has not begun."""
        self.ends = ends
        self.number = number
        self.sid = f"bench{number}"
        loop = asyncio.get_running_loop()
        self.proceeded: asyncio.Future[str] = loop.create_future()
        self.accepted: asyncio.Future[ET.Element] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self.to_client, self.to_phone = Way(), Way()
        self.phone, self.client = Handset(self.to_phone), Client(self.to_client)
        self.peer = f"user{number}@sip.test"
        self.there = (HOST, 0)
        self.sealed: list[bytes] = []

    @property
    def name(self) -> str:
        """The client, as a device."""
        return f"user{self.number}@xmpp.test/phone"

    async def open(self) -> None:
        """Have sockets and candidates."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self.phone, local_addr=(HOST, 0))
        found = await self.client.get_component_candidates(1, [HOST])
        self.client._local_candidates, self.client._local_candidates_end = found, True  # noqa: SLF001
        for each in self.client._protocols:  # noqa: SLF001
            # one packet in some 50,000 would be taken for STUN
            heard = partial(self.client.heard_by, each.datagram_received)
            each.datagram_received = heard  # type: ignore[method-assign]

    async def connect(self) -> float:
        """Call; return the seconds until the phone's answer was there. TimeoutError, if never."""
        begun = time.perf_counter()
        async with asyncio.timeout(PATIENCE):
            self.ends.say(
                self.name, self.peer, f"<propose xmlns='{JMI}' id='{self.sid}'>{AUDIO}</propose>"
            )
            self.peer = await self.proceeded
            self.ends.ask(self.name, self.peer, self._initiate())
            told = await self.accepted
            took = time.perf_counter() - begun
            await self._shake(told)
        return took

    def _initiate(self) -> str:
        client = self.client
        candidates = "".join(
            f"<candidate component='1' foundation='{each.foundation}' generation='0' id='c{n}'"
            f" ip='{each.host}' port='{each.port}' priority='{each.priority}' protocol='udp'"
            f" type='{each.type}'/>"
            for n, each in enumerate(client.local_candidates)
        )
        return (
            f"<jingle xmlns='{JINGLE}' action='session-initiate' sid='{self.sid}'"
            f" initiator='{self.name}'><content creator='initiator' name='0'>"
            f"<description xmlns='{RTP}' media='audio'><payload-type id='0' name='PCMU'"
            f" clockrate='8000'/><rtcp-mux/></description>"
            f"<transport xmlns='{ICE[1:-1]}' ufrag='{client.local_username}'"
            f" pwd='{client.local_password}'>{candidates}"
            f"<fingerprint xmlns='{FINGERPRINT[1:].partition('}')[0]}' hash='sha-256'"
            f" setup='actpass'>{self.ends.fingerprint}</fingerprint></transport></content></jingle>"
        )

    async def _shake(self, told: ET.Element) -> None:
        """Find the way, and agree on keys."""
        (transport,) = told.iter(f"{ICE}transport")
        client = self.client
        client.remote_username = transport.get("ufrag", "")
        client.remote_password = transport.get("pwd", "")
        for each in transport.iter(f"{ICE}candidate"):
            names = ("foundation", "component", "protocol", "priority", "ip", "port", "type")
            said = [each.get(name, "") for name in names]
            await client.add_remote_candidate(
                Candidate(
                    said[0], int(said[1]), said[2], int(said[3]), said[4], int(said[5]), said[6]
                )
            )
        await client.add_remote_candidate(None)
        await client.connect()
        shown = transport.find(FINGERPRINT)
        assert shown is not None  # noqa: S101 - nobody talks to whom he does not know
        known = [(shown.get("hash", ""), shown.text or "")]
        dtls = Dtls(self.ends.identity, False, known, time.monotonic())
        while dtls.state is not State.CONNECTED:
            dtls.receive(await client.recv(), time.monotonic())
            for data in dtls.to_send():
                await client.send(data)
        client.counting = True
        self.keys = dtls.srtp()

    async def hang_up(self) -> None:
        """End it, and wait until the phone has heard that."""
        reason = "<reason><success/></reason>"
        self.ends.ask(
            self.name,
            self.peer,
            f"<jingle xmlns='{JINGLE}' action='session-terminate' sid='{self.sid}'>"
            f"{reason}</jingle>",
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.over
        await self.close()

    async def close(self) -> None:
        """Close the sockets."""
        self.ends.lines.pop(self.number, None)
        self.phone.transport.abort()
        await self.client.close()

    # -- media ---------------------------------------------------------------------------------

    def prepare(self, traffic: Traffic, count: int) -> None:
        """Have so many packets ready for each end, to be counted by `traffic`."""
        first = self.to_phone.next
        self.sealed = [self.keys.protect(packet(first + n & 0xFFFF)) for n in range(count)]
        for way in (self.to_phone, self.to_client):
            way.begin(traffic, count)

    def spoilt(self) -> bool:
        """Tell whether either end last heard another thing than was said to it."""
        heard = (self.to_phone.last, self.keys.unprotect(self.to_client.last))
        return any(packet(int.from_bytes(data[2:4])) != data for data in heard)

    def talk(self, index: int) -> None:
        """Send one packet from each end."""
        self.phone.transport.sendto(packet(self.to_client.send() & 0xFFFF), self.there)
        pair = self.client._nominated[1]  # noqa: SLF001
        self.to_phone.send()
        pair.protocol.transport.sendto(self.sealed[index], pair.remote_addr)


AUDIO: Final = f"<description xmlns='{RTP}' media='audio'/>"


class CallingEnds(FarEnds):
    """The two domains, whose users call."""

    lines: dict[int, Line]
    identity: Identity
    fingerprint = ""
    refused = 0
    """Calls that were ended before anybody wanted that."""
    _ids = 0

    def reset(self) -> None:
        """Have no calls."""
        self.lines = {}
        self.identity = Identity.make()
        self.fingerprint = self.identity.fingerprint()

    # -- the clients ---------------------------------------------------------------------------

    def say(self, sender: str, to: str, child: str) -> None:
        """Send a message."""
        self._stanzas.append(f"<message from='{sender}' to='{to}' type='chat'>{child}</message>")
        self.flush()

    def ask(self, sender: str, to: str, child: str) -> None:
        """Send a request."""
        self._ids += 1
        head = f"<iq type='set' id='q{self._ids}' from='{sender}' to='{to}'>"
        self._stanzas.append(f"{head}{child}</iq>")
        self.flush()

    def _line(self, values: dict[bytes, bytes], name: bytes) -> Line | None:
        """Return the call of the user that an address names."""
        local = values.get(name, b"").partition(b"@")[0]
        number = local.removeprefix(b"user")
        return self.lines.get(int(number)) if number.isdigit() else None

    def _message(self, attributes: bytes, content: bytes) -> None:
        values = dict(ATTRIBUTE.findall(attributes))
        line = self._line(values, b"to")
        if line is None:
            self.strays += 1
        elif b"<proceed" in content and not line.proceeded.done():
            line.proceeded.set_result(values[b"from"].decode())
        elif b"<reject" in content or values.get(b"type") == b"error":
            self._failed(line)

    def _iq(self, attributes: bytes, payload: bytes) -> None:
        values = dict(ATTRIBUTE.findall(attributes))
        line = self._line(values, b"to")
        if b"<jingle" not in payload or values.get(b"type") != b"set":
            if line is not None and values.get(b"type") == b"error":
                self._failed(line)
            super()._iq(attributes, payload)
            return
        turned = f"to='{values[b'from'].decode()}' from='{values[b'to'].decode()}'"
        self._stanzas.append(f"<iq type='result' {turned} id='{values[b'id'].decode()}'/>")
        if line is None:
            return
        told = ET.fromstring(payload)  # noqa: S314 - it is the gateway's
        match told.get("action"):
            case "session-accept" if not line.accepted.done():
                line.accepted.set_result(told)
            case "session-terminate":
                self._failed(line)

    def _failed(self, line: Line) -> None:
        waiting = [each for each in (line.proceeded, line.accepted) if not each.done()]
        if waiting or not line.over.done():
            self.refused += 1
        for each in waiting:
            each.set_exception(ConnectionError("the gateway ended the call"))
            each.exception()  # it may be that nobody asks

    # -- the phones ----------------------------------------------------------------------------

    def _readable(self) -> None:
        for data, source in self._datagrams():
            if data.startswith(b"SIP/2.0 "):
                self._response(data)
            elif data.strip():
                self._request(data, source)
        self.refill()

    def _request(self, data: bytes, source: tuple[str, int]) -> None:
        method, _, rest = data.partition(b" ")
        number = rest.partition(b"@")[0].removeprefix(b"sip:user")
        line = self.lines.get(int(number)) if number.isdigit() else None
        head, _, body = data.partition(b"\r\n\r\n")
        to, copied = TO.search(head + b"\r\n"), b"".join(COPIED.findall(head + b"\r\n"))
        if method == b"ACK" or to is None:
            return
        tagged = to[0] if b"tag=" in to[0] else to[0] + b";tag=t" + number

        def reply(status: bytes, more: bytes = b"", said: bytes = b"") -> None:
            length = b"Content-Length: %d\r\n\r\n%s" % (len(said), said)
            self._sendto(
                b"SIP/2.0 %s\r\n%s%s\r\n%s%s" % (status, copied, tagged, more, length), source
            )

        if method != b"INVITE" or line is None:
            reply(b"200 OK" if line is not None or method == b"BYE" else b"481 Gone")
            if method == b"BYE" and line is not None and not line.over.done():
                line.over.set_result(None)
            return
        contact = b"Contact: <sip:user%s@%s>\r\n" % (number, self._via)
        line.there = _place(body)
        port = line.phone.transport.get_extra_info("sockname")[1]
        reply(b"180 Ringing", contact)
        described = b"Content-Type: application/sdp\r\n"
        reply(b"200 OK", contact + described, ANSWER % port)

    # -- calls ---------------------------------------------------------------------------------

    async def call(self, number: int) -> tuple[Line, float] | None:
        """Set up call `number`; return it with the seconds until it was answered."""
        line = self.lines[number] = Line(self, number)
        await line.open()
        try:
            return line, await line.connect()
        except (TimeoutError, ConnectionError):
            await line.close()
            return None

    async def talk(self, lines: Sequence[Line], seconds: float) -> Traffic:
        """Have calls talk for some time; return what became of their packets."""
        traffic, count = Traffic(), int(seconds / PERIOD)
        for line in lines:
            line.prepare(traffic, count)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for index in range(count):
            for place, line in enumerate(lines):
                line.talk(index)
                if place % SPREAD == SPREAD - 1 or place == len(lines) - 1:
                    # spread over the period, as calls are
                    ahead = began + PERIOD * (index + (place + 1) / len(lines)) - loop.time()
                    await asyncio.sleep(max(0.0, ahead))
        traffic.seconds = loop.time() - began
        await asyncio.sleep(0.5)  # for what is still under way
        traffic.sent = 2 * count * len(lines)
        traffic.spoilt = sum(line.spoilt() for line in lines)
        return traffic


ANSWER: Final = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


def _place(body: bytes) -> tuple[str, int]:
    """Return where the gateway wants the phone's RTP."""
    at = body.find(b"m=audio ")
    return HOST, int(body[at + 8 :].partition(b" ")[0])
