"""What a packet of a call costs: through the relay alone, and through the whole media plane.

Prints one JSON object a line; `--help` tells the options. `relay` hands packets of 20 ms of G.711
to the core of one call, without sockets: `us` is the microseconds of one packet from the clear to
SRTP, and back. `plane` is this process with that many calls, each between RTP in the clear and
DTLS-SRTP by ICE, whose peers are another process: packets a second in and out, what was lost, and
`cpu`, how much of one core this process took, `us` for one packet, `kernel_us` of it in the kernel;
the budget is one core for 150 calls, 15,000 packets a second in and as many out. `transcode` makes
Opus into G.711 and back (G.722 too), where PyAV is: `us` of a packet each way, `cpu` of one call
that goes both ways all the time, and the KiB that PyAV and each such call hold.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path as File
from typing import Final, cast

import uvloop
from aioice import Candidate, Connection

sys.path.insert(0, str(File(__file__).resolve().parents[1]))  # this file is run as a script

from dragoman.media import rtp, sound
from dragoman.media.dtls import Dtls, Identity, State
from dragoman.media.plane import PLAIN, MediaError, Side
from dragoman.media.relay import Half, Path
from dragoman.media.srtp import Srtp
from dragoman.media.suite import Suite
from dragoman.media.transcoder import Plan, Transcoder
from dragoman.net.media import Embedded, Settings
from dragoman.sdp.session import SessionDescription

HOST: Final = "127.0.0.1"
SOUND: Final = bytes(range(160))
PERIOD: Final = 0.02
SPARE: Final = 0.5
"""Seconds for what is still under way at the end."""


def packet(sequence: int) -> bytes:
    return rtp.build(
        SOUND, payload_type=0, sequence=sequence, timestamp=160 * sequence, ssrc=0x1234
    )


def srtp() -> tuple[Srtp, Srtp]:
    suite = Suite.AEAD_AES_128_GCM
    one, other = bytes(range(suite.length)), bytes(range(1, 1 + suite.length))
    return Srtp(suite, one, other), Srtp(suite, other, one)


def relay(count: int) -> dict[str, object]:
    """Pass `count` packets each way."""
    out: list[bytes] = []
    place = ("192.0.2.1", 4000)
    plain = Path([lambda data, _: out.append(data)])
    secret = Path([lambda data, _: out.append(data)])
    for each in (plain, secret):
        each.expect((place, place), mux=True)
    plain.secure = False
    secret.srtp, far = srtp()
    for path, target in ((plain, secret), (secret, plain)):
        half = Half(8000, "PCMU")
        half.target = target
        path.carry([half])
    clear = [packet(sequence & 0xFFFF) for sequence in range(count)]
    closed = [far.protect(each) for each in clear]
    return {
        "bench": "relay",
        "us": round(_timed(plain, clear, place), 2),
        "back_us": round(_timed(secret, closed, place), 2),
        "passed": len(out) == 2 * count,
    }


def _timed(path: Path, packets: list[bytes], place: tuple[str, int]) -> float:
    began = time.perf_counter()
    for each in packets:
        path.receive(0, each, place, began)
    return (time.perf_counter() - began) * 1e6 / len(packets)


def transcode(count: int, calls: int = 20) -> dict[str, object]:
    """Make `count` packets of Opus into another codec, and as many back."""
    before = _held()
    sound.load()
    loaded = _held()
    found: dict[str, object] = {"bench": "transcode"}
    for codec in (sound.PCMU, sound.G722):
        there = _paced(sound.OPUS, codec, count)
        back = _paced(codec, sound.OPUS, count)
        name = codec.name.lower()
        found |= {f"{name}_us": round(there, 1), f"{name}_back_us": round(back, 1)}
        found[f"{name}_cpu"] = round((there + back) / 1e6 / PERIOD, 4)
    start = _held()
    kept = [_busy(sound.OPUS, sound.PCMU) + _busy(sound.PCMU, sound.OPUS) for _ in range(calls)]
    each = (_held() - start) / len(kept)
    return found | {"library_kib": loaded - before, "call_kib": round(each)}


def _held() -> int:
    """Return the KiB of memory that this process has."""
    pages = int(File("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def _packets(source: sound.Codec, count: int) -> list[bytes]:
    """Return noise, which is what costs most, in packets."""
    encoder = sound.Encoder(source, source.rate)
    noise = (os.urandom(source.rate // 50 * 2) for _ in range(count))
    return [
        rtp.build(encoder.encode(pcm), payload_type=1, sequence=n, timestamp=step, ssrc=1)
        for n, pcm in enumerate(noise)
        for step in (n * source.clock // 50,)
    ]


def _paced(source: sound.Codec, target: sound.Codec, count: int) -> float:
    """Return the microseconds of processor that a packet takes."""
    subject = Transcoder(Plan(target, 2, {1: source}), 1)
    packets = _packets(source, count)
    began = time.process_time()
    made = sum(len(subject.transcode(each, n * PERIOD)) for n, each in enumerate(packets))
    took = time.process_time() - began
    if made != count:
        raise RuntimeError(f"{made} packets of {count}")
    return took * 1e6 / count


def _busy(source: sound.Codec, target: sound.Codec) -> list[Transcoder]:
    """Return one direction of a call that has begun."""
    subject = Transcoder(Plan(target, 2, {1: source}), 1)
    for n, each in enumerate(_packets(source, 10)):
        subject.transcode(each, n * PERIOD)
    return [subject]


# -- the peers, in a process of their own ------------------------------------------------------


class Socket(asyncio.DatagramProtocol):
    """Counts what it hears."""

    heard = 0

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but class
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        Socket.heard += 1


class Peer(Connection):
    """A client, whose packets are counted once it is connected."""

    heard = 0
    counting = False

    def data_received(self, data: bytes, component: int) -> None:
        if self.counting:
            Peer.heard += 1
        else:
            super().data_received(data, component)


class Call:
    """Both peers of one call."""

    def __init__(self, identity: Identity) -> None:
        self.phone = Socket()
        self.client = Peer(ice_controlling=True)
        self.identity = identity
        self.there = (HOST, 0)
        self.sealed: list[bytes] = []

    async def open(self) -> tuple[str, str]:
        """Return what the client offers, and what the phone will answer."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self.phone, local_addr=(HOST, 0))
        found = await self.client.get_component_candidates(1, [HOST])
        self.client._local_candidates, self.client._local_candidates_end = found, True  # noqa: SLF001
        port = self.phone.transport.get_extra_info("sockname")[1]
        lines = [
            "v=0",
            "m=audio 9 UDP/TLS/RTP/SAVPF 0",
            "a=group:BUNDLE 0",
            "a=mid:0",
            "a=rtcp-mux",
            f"a=fingerprint:sha-256 {self.identity.fingerprint()}",
            "a=setup:actpass",
            f"a=ice-ufrag:{self.client.local_username}",
            f"a=ice-pwd:{self.client.local_password}",
            *(f"a=candidate:{each.to_sdp()}" for each in found),
        ]
        offer = "\r\n".join([*lines, ""])
        return offer, f"v=0\r\nc=IN IP4 {HOST}\r\nm=audio {port} RTP/AVP 0\r\n"

    async def connect(self, offer: str, answer: str, packets: int) -> None:
        """Find the way, agree on keys, and have all packets ready."""
        told = SessionDescription.parse(answer.encode())
        media = told.media[0]
        self.client.remote_username = told.value("ice-ufrag", media)
        self.client.remote_password = told.value("ice-pwd", media)
        for value in media.values("candidate"):
            await self.client.add_remote_candidate(Candidate.from_sdp(value))
        await self.client.add_remote_candidate(None)
        await self.client.connect()
        function, _, value = (media.value("fingerprint") or "").partition(" ")
        dtls = Dtls(self.identity, False, [(function, value)], time.monotonic())
        while dtls.state is not State.CONNECTED:
            dtls.receive(await self.client.recv(), time.monotonic())
            for each in dtls.to_send():
                await self.client.send(each)
        self.client.counting = True
        keys = dtls.srtp()
        self.sealed = [keys.protect(packet(sequence)) for sequence in range(packets)]
        self.there = (HOST, SessionDescription.parse(offer.encode()).media[0].port)

    def say(self, index: int) -> None:
        """Send one packet from each end."""
        self.phone.transport.sendto(packet(index), self.there)
        pair = self.client._nominated[1]  # noqa: SLF001
        pair.protocol.transport.sendto(self.sealed[index], pair.remote_addr)


def peers(pipe: Pipe, count: int, packets: int) -> None:
    """Hold `count` calls: their descriptions go by `pipe`, and what came at the end."""
    uvloop.run(_hold(pipe, count, packets))


async def _hold(pipe: Pipe, count: int, packets: int) -> None:
    loop = asyncio.get_running_loop()
    identity = Identity.make()
    calls = [Call(identity) for _ in range(count)]
    pipe.send([await each.open() for each in calls])
    told: list[tuple[str, str]] = await loop.run_in_executor(None, pipe.recv)
    for start in range(0, count, 10):
        some = slice(start, start + 10)
        await asyncio.gather(
            *(
                each.connect(*pair, packets)
                for each, pair in zip(calls[some], told[some], strict=True)
            )
        )
    pipe.send("ready")
    await loop.run_in_executor(None, pipe.recv)
    began = loop.time()
    for index in range(packets):
        for place, each in enumerate(calls):
            each.say(index)
            if place % 10 == 9 or place == count - 1:
                # spread over the period, as calls are
                ahead = began + PERIOD * (index + (place + 1) / count) - loop.time()
                await asyncio.sleep(max(0.0, ahead))
    took = loop.time() - began
    await asyncio.sleep(SPARE)
    pipe.send((took, Socket.heard, Peer.heard))
    for each in calls:
        each.phone.transport.abort()
        await each.client.close()


# -- the plane, in this one --------------------------------------------------------------------


async def plane(count: int, packets: int, settings: Settings) -> dict[str, object]:
    """Carry `count` calls with that many packets from each end."""
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=peers, args=(there, count, packets), daemon=True)
    process.start()
    loop = asyncio.get_running_loop()
    found = Embedded(settings, lambda _: None)
    offers = await loop.run_in_executor(None, here.recv)
    began = time.process_time()
    told = [await _call(found, f"call{n}", *each) for n, each in enumerate(offers)]
    here.send(told)
    await loop.run_in_executor(None, here.recv)
    setup = time.process_time() - began
    before = os.times()
    here.send("go")
    took, phones, clients = await loop.run_in_executor(None, here.recv)
    after = os.times()
    system = after.system - before.system
    used = system + after.user - before.user
    await found.aclose()
    process.join()
    sent = 2 * count * packets
    return {
        "bench": "plane",
        "lite": settings.lite,
        "calls": count,
        "packets_s_in": round(sent / took),
        "packets_s_out": round((phones + clients) / took),
        "lost": sent - phones - clients,
        "cpu": round(used / took, 3),
        "us": round(used * 1e6 / sent, 1),
        "kernel_us": round(system * 1e6 / sent, 1),
        "setup_ms": round(setup * 1000 / count, 1),
    }


async def _call(found: Embedded, name: str, offer: str, answer: str) -> tuple[str, str]:
    first: asyncio.Future[SessionDescription | MediaError] = asyncio.Future()
    found.offer(name, Side.XMPP, _read(offer), PLAIN, first.set_result)
    offered = await first
    second: asyncio.Future[SessionDescription | MediaError] = asyncio.Future()
    found.answer(name, Side.SIP, _read(answer), second.set_result)
    return str(offered), str(await second)


def _read(text: str) -> SessionDescription:
    return SessionDescription.parse(text.encode())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few packets")
    parser.add_argument("--calls", type=int, default=150)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args(arguments)
    seconds = options.seconds or (3.0 if options.quick else 10.0)
    print(json.dumps(relay(5_000 if options.quick else 30_000)), flush=True)
    if sound.installed():
        print(json.dumps(transcode(200 if options.quick else 2_000)), flush=True)
    settings = Settings(HOST, first=20000, last=29999, lite=False)
    for lite in (False, True):
        work = plane(options.calls, int(seconds / PERIOD), replace(settings, lite=lite))
        print(json.dumps(uvloop.run(work)), flush=True)


if __name__ == "__main__":
    main()
