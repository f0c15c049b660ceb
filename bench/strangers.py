"""Who abuses a gateway, each kind in a process of its own, cheap and nice (RFC 3261 §26.1.5).

Everything is sent from addresses of 127/8 to 127.0.0.1, and ends by itself.
"""

import multiprocessing
import os
import random
import resource
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeAlias

Counted: TypeAlias = Any
"""A number that a process and its parent share: `multiprocessing.Value`, whose type is private."""

GATEWAY: Final = "127.0.0.1"
NICE: Final = 10
TICK: Final = 0.005
TRICKLE: Final = 1.0
"""Seconds between two bytes of a slow-loris."""
HELLO: Final = bytes.fromhex("16030100f8010000f40303") + bytes(240)
"""A TLS ClientHello, as far as it is ever sent."""
HEADER: Final = b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' from='a.test' to='"
MESSAGE: Final = (
    b"MESSAGE sip:user1@xmpp.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.9.9.9;branch=z9hG4bKl"
)


def request(method: str, target: str, sender: str, number: int, agent: str = "Phone 1.0") -> bytes:
    """Return a request as a stranger would send it."""
    body = b"What's in a name?" if method == "MESSAGE" else b""
    return (
        f"{method} {target} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.9.9.9:5060;branch=z9hG4bKx{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <{sender}>;tag=x{number}\r\nTo: <{target}>\r\n"
        f"Call-ID: x{number}\r\nCSeq: 1 {method}\r\nContact: <sip:x@127.9.9.9>\r\n"
        f"User-Agent: {agent}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def junk(seed: int, count: int = 400) -> list[bytes]:
    """Return datagrams of every bad kind: noise, cut short, of scanners, of strangers."""
    chance = random.Random(seed)  # noqa: S311 - repeatable noise
    found: list[bytes] = []
    for number in range(count):
        match number % 4:
            case 0:
                found.append(chance.randbytes(chance.randrange(1, 1200)))
            case 1:
                whole = request("MESSAGE", "sip:user1@xmpp.test", "sip:a@b.test", number)
                found.append(whole[: chance.randrange(1, len(whole))])
            case 2:
                method = chance.choice(["REGISTER", "INVITE", "OPTIONS"])
                target = f"sip:{chance.randrange(9999)}@127.0.0.1"
                found.append(request(method, target, target, number, "friendly-scanner"))
            case _:
                sender = f"sip:user{number}@stranger{chance.randrange(2000)}.test"
                found.append(request("MESSAGE", "sip:user1@xmpp.test", sender, number))
    return found


def flood(port: int, rate: float, sources: int, seed: int, until: float, sent: Counted) -> None:
    """Send `rate` junk datagrams a second from `sources` addresses; count them."""
    os.nice(NICE)
    sockets = []
    for number in range(sources):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        made.bind((f"127.{20 + seed}.{number // 200}.{1 + number % 200}", 0))
        made.connect((GATEWAY, port))
        sockets.append(made.send)
    prepared = junk(seed)
    begun, done = time.monotonic(), 0
    while (now := time.monotonic()) < until:
        due = int((now - begun) * rate)
        if due - done > rate / 2:  # what could not be sent in time is not sent in a heap
            begun, done, due = now, 0, 0
        for index in range(done, due):
            with suppress(OSError):
                sockets[index % sources](prepared[index % len(prepared)])
        sent.value += due - done
        done = due
        time.sleep(TICK)


def idle(ports: list[int], count: int, until: float, open_now: Counted) -> None:
    """Hold `count` connections that never say anything, and open again what is closed."""
    os.nice(NICE)
    _hold(ports, count, until, open_now, lambda _: b"")


def loris(ports: list[int], count: int, until: float, open_now: Counted) -> None:
    """Hold `count` connections that say something sensible, one byte a second."""
    os.nice(NICE)
    words = dict(zip(ports, (MESSAGE, HELLO, HEADER, HELLO), strict=True))
    _hold(ports, count, until, open_now, words.__getitem__)


def _hold(
    ports: list[int],
    count: int,
    until: float,
    open_now: Counted,
    words: Callable[[int], bytes],
) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    selector = selectors.DefaultSelector()
    numbers = 0
    sayings: dict[socket.socket, bytes] = {}
    next_words = 0.0
    while (now := time.monotonic()) < until:
        for _ in range(min(100, count - len(sayings))):
            port = ports[numbers % len(ports)]
            address = f"127.{40 + bool(words(port))}.{numbers // 200 % 250}.{1 + numbers % 200}"
            numbers += 1
            made = socket.socket()
            made.setblocking(False)
            with suppress(OSError):
                made.bind((address, 0))
                made.connect_ex((GATEWAY, port))
                selector.register(made, selectors.EVENT_READ, made)
                sayings[made] = words(port)
        if now >= next_words:
            next_words = now + TRICKLE
            for each, rest in sayings.items():
                if rest:
                    with suppress(OSError):
                        sayings[each] = rest[each.send(rest[:1]) :]
        for key, _ in selector.select(0.05):
            _drop_if_over(selector, key.data, sayings)
        open_now.value = len(sayings)


def _drop_if_over(
    selector: selectors.BaseSelector, each: socket.socket, sayings: dict[socket.socket, bytes]
) -> None:
    """Read what came; forget a connection that the gateway has closed."""
    try:
        over = not each.recv(4096)
    except OSError:
        over = True
    if over:
        selector.unregister(each)
        each.close()
        del sayings[each]


class Strangers:
    """The processes of one case."""

    def __init__(self, sip: tuple[int, int], xmpp: tuple[int, int], seconds: float) -> None:
        """Be ready to abuse these ports (plain and TLS) for `seconds`, from when they are told."""
        self._ports = [*sip, *xmpp]
        self._until = time.monotonic() + seconds
        self._processes: list[multiprocessing.process.BaseProcess] = []
        self._context = multiprocessing.get_context("spawn")
        self.sent = [self._number(), self._number()]
        self.open = self._number()
        self.trickling = self._number()

    def flood(self, rate: float, sources: int) -> None:
        """Begin to send junk, from two processes."""
        for seed, sent in enumerate(self.sent):
            self._start(flood, self._ports[0], rate / 2, sources // 2, seed, self._until, sent)

    def idle(self, count: int) -> None:
        """Begin to hold idle connections."""
        self._start(idle, self._ports, count, self._until, self.open)

    def loris(self, count: int) -> None:
        """Begin to hold slow ones."""
        self._start(loris, self._ports, count, self._until, self.trickling)

    def stop(self) -> None:
        """End what has not ended by itself."""
        for each in self._processes:
            each.terminate()
            each.join()

    def _number(self) -> Counted:
        return self._context.Value("q", 0, lock=True)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        process = self._context.Process(target=work, args=arguments, daemon=True)
        process.start()
        self._processes.append(process)
