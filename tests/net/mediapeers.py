"""Scripted peers of a media plane: a phone with plain sockets, a client with ICE and DTLS-SRTP."""

import asyncio
from collections.abc import Sequence

from aioice import Candidate as TheirCandidate
from aioice import Connection

from dragoman.media import rtp
from dragoman.media.dtls import Dtls, Identity, State
from dragoman.media.plane import MediaError, MediaEvent, Plane, Profile, Side
from dragoman.media.srtp import Srtp
from dragoman.sdp.session import SessionDescription

OPUS = "a=rtpmap:111 opus/48000/2"
HOST = "127.0.0.1"


def sdp(*lines: str) -> SessionDescription:
    return SessionDescription.parse("\r\n".join(["v=0", *lines, ""]).encode())


class Phone(asyncio.DatagramProtocol):
    """RTP and RTCP on two ports, in the clear."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.transports: list[asyncio.DatagramTransport] = []
        self.there: tuple[str, int] = ("", 0)

    @classmethod
    async def open(cls) -> "Phone":
        phone = cls()
        loop = asyncio.get_running_loop()
        for _ in range(2):
            made, _ = await loop.create_datagram_endpoint(lambda: phone, local_addr=(HOST, 0))
            phone.transports.append(made)
        return phone

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.put_nowait(data)

    @property
    def port(self) -> int:
        return int(self.transports[0].get_extra_info("sockname")[1])

    @property
    def rtcp(self) -> int:
        return int(self.transports[1].get_extra_info("sockname")[1])

    def says(self, *lines: str, formats: str = "0 101") -> SessionDescription:
        return sdp(
            f"c=IN IP4 {HOST}",
            f"m=audio {self.port} RTP/AVP {formats}",
            f"a=rtcp:{self.rtcp}",
            *lines,
        )

    def hears(self, description: SessionDescription) -> None:
        media = description.media[0]
        connection = description.connection_of(media)
        assert connection is not None
        self.there = (connection.host, media.port)

    def send(self, data: bytes, component: int = 0) -> None:
        self.transports[component].sendto(data, (self.there[0], self.there[1] + component))

    async def next(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.heard.get()

    def close(self) -> None:
        for each in self.transports:
            each.abort()


class Checked:
    """A phone that insists on ICE, by aioice: RTP and RTCP in the clear."""

    def __init__(self, components: int = 2) -> None:
        self.ice = Connection(ice_controlling=False, components=components)
        self.components = components
        self.heard: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue()

    async def gather(self) -> None:
        self.ice._local_candidates_start = True
        for component in range(1, self.components + 1):
            found = await self.ice.get_component_candidates(component, [HOST])
            self.ice._local_candidates += found
        self.ice._local_candidates_end = True

    def says(self, *lines: str) -> SessionDescription:
        return sdp(
            f"c=IN IP4 {HOST}",
            f"m=audio {self.ice.local_candidates[0].port} RTP/AVP 0 101",
            f"a=ice-ufrag:{self.ice.local_username}",
            f"a=ice-pwd:{self.ice.local_password}",
            *(f"a=candidate:{each.to_sdp()}" for each in self.ice.local_candidates),
            *lines,
        )

    async def hears(self, description: SessionDescription) -> None:
        """Connect, as the plane's description says."""
        media = description.media[0]
        self.ice.remote_username = description.value("ice-ufrag", media)
        self.ice.remote_password = description.value("ice-pwd", media)
        self.ice.remote_is_lite = description.value("ice-lite") is not None
        if self.ice.remote_is_lite:
            self.ice.ice_controlling = True
        for value in media.values("candidate"):
            candidate = TheirCandidate.from_sdp(value)
            if candidate.component <= self.components:
                await self.ice.add_remote_candidate(candidate)
        await self.ice.add_remote_candidate(None)
        async with asyncio.timeout(10):
            await self.ice.connect()

    async def next(self) -> tuple[bytes, int]:
        """Return what came, and to which component."""
        async with asyncio.timeout(5):
            return await self.ice.recvfrom()


class Client:
    """ICE by aioice itself, keys by DTLS; one transport for all."""

    def __init__(
        self, *, controlling: bool, active: bool, mid: str = "audio", components: int = 1
    ) -> None:
        self.ice = Connection(ice_controlling=controlling, components=components)
        self.components = components
        self.identity = Identity.make()
        self.active = active
        self.mid = mid
        self.dtls: Dtls | None = None
        self.srtp: Srtp | None = None
        self.srtcp: Srtp | None = None
        """The keys of RTCP, where it has a port of its own."""
        self.told: SessionDescription | None = None

    async def gather(self) -> None:
        self.ice._local_candidates_start = True
        for component in range(1, self.components + 1):
            found = await self.ice.get_component_candidates(component, [HOST])
            self.ice._local_candidates += found
        self.ice._local_candidates_end = True

    def says(
        self, setup: str, *lines: str, fingerprint: str = "", trickle: bool = False
    ) -> SessionDescription:
        candidates = [] if trickle else [f"a=candidate:{x.to_sdp()}" for x in self.candidates]
        return sdp(
            f"a=group:BUNDLE {self.mid}",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 110",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{self.mid}",
            "a=rtcp-mux",
            OPUS,
            "a=rtpmap:110 telephone-event/8000",
            f"a=fingerprint:sha-256 {fingerprint or self.identity.fingerprint()}",
            f"a=setup:{setup}",
            f"a=ice-ufrag:{self.ice.local_username}",
            f"a=ice-pwd:{self.ice.local_password}",
            *candidates,
            *lines,
        )

    @property
    def candidates(self) -> Sequence[TheirCandidate]:
        return self.ice.local_candidates

    async def hears(self, description: SessionDescription, index: int = 0) -> None:
        """Connect, as the plane's description says of a stream."""
        self.told = description
        self._media = media = description.media[index]
        self.ice.remote_username = description.value("ice-ufrag", media)
        self.ice.remote_password = description.value("ice-pwd", media)
        self.ice.remote_is_lite = description.value("ice-lite") is not None
        for value in media.values("candidate"):
            candidate = TheirCandidate.from_sdp(value)
            if candidate.component <= self.components:
                await self.ice.add_remote_candidate(candidate)
        await self.ice.add_remote_candidate(None)
        function, _, value = (media.value("fingerprint") or "").partition(" ")
        loop = asyncio.get_running_loop()
        self.dtls = Dtls(self.identity, self.active, [(function, value)], loop.time())
        async with asyncio.timeout(10):
            await self.ice.connect()

    async def shake(self) -> State:
        """Finish DTLS; return how that ended."""
        assert self.dtls is not None
        if await self._shake(self.dtls, 1) is State.CONNECTED:
            self.srtp = self.dtls.srtp()
        return self.dtls.state

    async def shake_rtcp(self) -> None:
        """Have keys for RTCP, which has a port of its own (RFC 5764 §4.1)."""
        function, _, value = (self._media.value("fingerprint") or "").partition(" ")
        now = asyncio.get_running_loop().time()
        control = Dtls(self.identity, self.active, [(function, value)], now)
        assert await self._shake(control, 2) is State.CONNECTED
        self.srtcp = control.srtp()

    async def _shake(self, dtls: Dtls, component: int) -> State:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            while True:
                for each in dtls.to_send():
                    await self.ice.sendto(each, component)
                if dtls.state in {State.CONNECTED, State.FAILED}:
                    return dtls.state
                data, source = await self.ice.recvfrom()
                if source == component:
                    dtls.receive(data, loop.time())

    async def send(self, data: bytes) -> None:
        assert isinstance(self.srtp, Srtp)
        await self.ice.send(self.srtp.protect(data))

    async def next(self) -> bytes:
        """Return the next RTP packet."""
        assert isinstance(self.srtp, Srtp)
        assert self.dtls is not None
        async with asyncio.timeout(5):
            while True:
                data = await self.ice.recv()
                if data[0] < 128:
                    self.dtls.receive(data, 0.0)
                elif rtp.is_rtp(data):
                    return self.srtp.unprotect(data)
                else:
                    return self.srtp.unprotect_rtcp(data)

    async def close(self) -> None:
        await self.ice.close()


class Desk:
    """Whoever uses the plane: asks, and waits for what it is told."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane

    async def offer(
        self,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        call: str = "call",
        successor: Side | None = None,
    ) -> SessionDescription:
        told: asyncio.Future[SessionDescription | MediaError] = asyncio.Future()
        self.plane.offer(call, side, offer, toward, told.set_result, successor)
        return await self._outcome(told)

    async def answer(
        self, side: Side, answer: SessionDescription, call: str = "call"
    ) -> SessionDescription:
        told: asyncio.Future[SessionDescription | MediaError] = asyncio.Future()
        self.plane.answer(call, side, answer, told.set_result)
        return await self._outcome(told)

    async def _outcome(
        self, told: "asyncio.Future[SessionDescription | MediaError]"
    ) -> SessionDescription:
        async with asyncio.timeout(5):
            outcome = await told
        if isinstance(outcome, MediaError):
            raise outcome
        return outcome


class Events:
    """What the plane tells of itself."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[MediaEvent] = asyncio.Queue()

    def __call__(self, event: MediaEvent) -> None:
        self.queue.put_nowait(event)

    async def next(self) -> MediaEvent:
        async with asyncio.timeout(5):
            return await self.queue.get()
