"""One end of MSRP sessions, of `dragoman.msrp` and its sockets, with no gateway around it.

    python -m tests.peers.msrp_end NAME [--tls] [--port PORT] [--relay PASSWORD [--at HOST]]

NAME is the host that it stands at; with `--relay`, NAME@sip.example has Kamailio's relay act for
it, or the one at HOST. Commands, a line each: `path`; `meet active|passive PATH`; `big OCTETS`;
`memory`. Each event is a JSON object on a line.
"""

import argparse
import asyncio
import hashlib
import json
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path as File
from typing import Any

from dragoman.msrp import (
    Delivered,
    Endpoint,
    Event,
    Failed,
    Meeting,
    MessageArrived,
    MsrpUri,
    Path,
    PieceArrived,
    RelayFailed,
    RelayReady,
    Sent,
    Session,
    SessionFailed,
    Terms,
    Transport,
    Up,
)
from dragoman.net.certificates import CertificateStore
from dragoman.net.dns import DnsResolver
from dragoman.net.listen import Place
from dragoman.net.msrp import MsrpSockets
from dragoman.net.tls import Tls
from dragoman.net.trust import Trust
from dragoman.sip.auth import Asked, Count, authorization, parse_challenges, strongest


def tell(event: str, **what: Any) -> None:
    print(json.dumps({"event": event, **what}), flush=True)


class Body:
    """So many octets, made as they are asked for."""

    def __init__(self, size: int) -> None:
        self.size: int | None = size
        self._left = size
        self._digest = hashlib.sha256()

    def read(self, limit: int) -> bytes:
        limit = min(limit, self._left)
        data = (b"%016d" % (self._left % 10**16) * (limit // 16 + 1))[:limit]
        self._left -= len(data)
        self._digest.update(data)
        if not self._left:
            tell("read", sha256=self._digest.hexdigest())
        return data


class End:
    """The program."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        transport = Transport.TLS if options.tls or options.relay else Transport.TCP
        self._transport = transport
        place = f"{options.name}.lab.example", options.port
        self.endpoint = Endpoint(
            {transport: place, Transport.TLS: place}, lambda: secrets.token_hex(12)
        )
        store = CertificateStore(File("/etc/dragoman/certs"), File("/var/lib/dragoman"))
        tls = Tls(lambda _: store.pick(f"{options.name}.lab.example"), Trust(""))
        self.sockets = MsrpSockets(self.endpoint, self.hear, tls, DnsResolver())
        self._session: Session | None = None
        self._digest = hashlib.sha256()

    def hear(self, events: Sequence[Event]) -> None:
        for event in events:
            self._hear(event)

    def _hear(self, event: Event) -> None:
        match event:
            case PieceArrived(data=data):
                self._digest.update(data)
            case MessageArrived(total=total, content_type=kind, message_id=id_):
                tell("message", size=total, type=kind, sha256=self._digest.hexdigest())
                self._digest = hashlib.sha256()
                if event.success_report and self._session is not None:
                    self._session.report(id_, self._loop.time())
                    self.sockets.wake()
            case RelayReady(relay=relay) if self._session is None:
                self._prepare(relay=relay)
            case RelayReady(relay=relay):
                tell("renewed", path=f"{event.use_path.reversed()} {relay.own}")
            case RelayFailed(status=status, reason=reason):
                tell("relay failed", status=status, reason=reason)
            case Up() | Sent() | Delivered():
                tell(type(event).__name__.lower())
            case Failed(status=status, reason=reason):
                tell("failed", status=status, reason=reason)
            case SessionFailed(why=why, detail=detail):
                tell("session failed", why=why.name, detail=detail)
            case _:
                pass

    def _prepare(self, **options: Any) -> None:
        self._session = self.endpoint.prepare(Terms(), self._transport, streams=True, **options)
        tell("path", path=str(self._session.path))

    def do(self, line: str) -> None:
        name, *words = line.split()
        now = self._loop.time()
        if name == "path" and self._options.relay:
            relay = MsrpUri.parse(f"msrps://{self._options.at}.lab.example:2855;tcp")
            self.endpoint.relay(relay, self._authorize, now)
        elif name == "path":
            self._prepare()
        elif name == "meet" and self._session is not None:
            remote = Path.parse(" ".join(words[1:]))
            self._session.start(remote, Terms(), Meeting(words[0] == "active"), now)
        elif name == "big" and self._session is not None:
            body = Body(int(words[0]))
            self._session.send("application/octet-stream", body, now, success_report=True)
        elif name == "memory":
            status = File("/proc/self/status").read_text(encoding="ascii")
            tell("memory", peak=int(status.partition("VmHWM:")[2].split()[0]) / 1024)
        self.sockets.wake()

    def _authorize(self, challenges: list[str], method: str, uri: str) -> str | None:
        challenge = strongest(parse_challenges(challenges))
        if challenge is None:
            return None
        asked, count = Asked(method, uri), Count(secrets.token_hex(8))
        return authorization(challenge, self._options.name, self._options.relay, asked, count)


async def main(options: argparse.Namespace) -> None:
    end = End(options)
    scheme = "tls" if options.tls or options.relay else "tcp"
    await end.sockets.listen(Place(scheme, "*", options.port))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    tell("ready")
    async with asyncio.timeout(300):
        while line := await reader.readline():
            end.do(line.decode())
    await end.sockets.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("name")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--port", type=int, default=2855)
    parser.add_argument("--relay", default="")
    parser.add_argument("--at", default="kamailio")
    asyncio.run(main(parser.parse_args()))
