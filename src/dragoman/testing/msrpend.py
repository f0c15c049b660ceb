"""A scripted end of MSRP sessions (RFC 4975), which shares no code with the gateway's own.

It is strict: what breaks a rule that it knows is kept in `faults`, which a test wants empty.
"""

import asyncio
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

HEAD: Final = re.compile(rb"MSRP ([A-Za-z0-9][A-Za-z0-9.+%=-]{3,31}) (?:([A-Z]+)|(\d{3})(?: .*)?)")
URI: Final = re.compile(r"msrps?://(\[[^\]]+\]|[^/:;]+):(\d+)/([A-Za-z0-9._~+=/-]+);tcp")
ORDER: Final = ("To-Path", "From-Path")


@dataclass(frozen=True, slots=True)
class Chunk:
    """One request or response, as it came: `status` 0 for a request, `method` "" for a response."""

    transaction: str
    method: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    """None where there is not even an empty one."""
    flag: str

    def get(self, name: str) -> str:
        """Return the value of a header, "" for none."""
        return next((value for each, value in self.headers if each == name), "")


@dataclass(slots=True)
class MsrpEnd:
    """One end, which listens for TCP, or connects; made by `start`."""

    host: str
    port: int
    server: asyncio.Server
    answers: bool = True
    """Whether a SEND is answered 200."""
    status: int = 200
    """What a SEND is answered, where it is."""
    received: list[Chunk] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    session: str = field(default_factory=lambda: secrets.token_hex(12))
    _arrived: asyncio.Queue[Chunk] = field(default_factory=asyncio.Queue)
    writer: asyncio.StreamWriter | None = None
    """The latest connection."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    async def start(cls, host: str = "127.0.0.3") -> Self:
        """Listen on `host`, at any port."""
        found: list[Self] = []
        server = await asyncio.start_server(lambda r, w: found[0].serve(r, w), host, 0)
        found.append(cls(host, server.sockets[0].getsockname()[1], server))
        return found[0]

    @property
    def path(self) -> str:
        """What goes into a=path."""
        return f"msrp://{self.host}:{self.port}/{self.session};tcp"

    def sdp(self, *more: str, types: str = "text/plain message/cpim", wrapped: str = "*") -> bytes:
        """Return an offer or an answer: its own path, and lines of one's own."""
        lines = ["v=0", f"o=- 1 1 IN IP4 {self.host}", "s=-", f"c=IN IP4 {self.host}", "t=0 0"]
        lines += [f"m=message {self.port} TCP/MSRP *", f"a=path:{self.path}"]
        lines += [f"a=accept-types:{types}", f"a=accept-wrapped-types:{wrapped}", *more]
        return "".join(f"{line}\r\n" for line in lines).encode()

    async def connect(self, remote: str) -> None:
        """Connect to the first URI of a path, and say so with an empty SEND (§5.4)."""
        found = URI.match(remote)
        assert found is not None, remote  # noqa: S101 - for tests
        reader, writer = await asyncio.open_connection(found[1].strip("[]"), int(found[2]))
        self._keep(asyncio.create_task(self.serve(reader, writer)))
        await asyncio.sleep(0)
        self.send(remote, None)

    def send(
        self,
        remote: str,
        body: bytes | None,
        *more: tuple[str, str],
        media: str = "text/plain",
        message_id: str = "",
    ) -> str:
        """Send a message in one chunk; return its Message-ID. `more` are headers."""
        message_id = message_id or secrets.token_hex(8)
        size = len(body or b"")
        ranges = f"1-{size}/{size}" if body is not None else "1-0/0"
        headers = [("Message-ID", message_id), ("Byte-Range", ranges), *more]
        self._write("SEND", remote, headers, body, media)
        return message_id

    def report(self, remote: str, message_id: str, size: int, status: str = "000 200 OK") -> None:
        """Report on a message of `size` octets that came (§7.1.2)."""
        headers = [("Message-ID", message_id), ("Byte-Range", f"1-{size}/{size}")]
        self._write("REPORT", remote, [*headers, ("Status", status)], None, "")

    async def next_chunk(self, within: float = 5) -> Chunk:
        """Return the next request or response that comes, but for empty SENDs; TimeoutError."""
        async with asyncio.timeout(within):
            while True:
                chunk = await self._arrived.get()
                if chunk.method != "SEND" or chunk.body is not None:
                    return chunk

    async def next_message(self, within: float = 5) -> Chunk:
        """Return the next SEND with a body; TimeoutError."""
        async with asyncio.timeout(within):
            while (chunk := await self.next_chunk(within)).method != "SEND":
                pass
            return chunk

    def hang_up(self) -> None:
        """End the connection without a word."""
        if self.writer is not None:
            self.writer.transport.abort()
            self.writer = None

    async def aclose(self) -> None:
        """Close everything."""
        self.hang_up()
        self.server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a connection to its end; what is sent goes by the latest."""
        self.writer = writer
        waiting = b""
        try:
            while data := await reader.read(65536):
                waiting += data
                while (found := _cut(waiting)) is not None:
                    chunk, waiting = found
                    self._take(chunk)
        except OSError:
            pass
        finally:
            writer.close()

    def _take(self, chunk: Chunk) -> None:
        self.received.append(chunk)
        self.faults += _faults(chunk, self.path)
        if chunk.method == "SEND" and self.answers and chunk.get("Failure-Report") in {"", "yes"}:
            back = chunk.get("From-Path").split(" ")[0]
            self._answer(chunk.transaction, back)
        self._arrived.put_nowait(chunk)

    def _answer(self, transaction: str, back: str) -> None:
        lines = [f"MSRP {transaction} {self.status} Scripted", f"To-Path: {back}"]
        lines += [f"From-Path: {self.path}", f"-------{transaction}$", ""]
        self._raw("\r\n".join(lines).encode())

    def _write(
        self,
        method: str,
        remote: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | None,
        media: str,
    ) -> None:
        transaction = secrets.token_hex(8)
        lines = [f"MSRP {transaction} {method}", f"To-Path: {remote}", f"From-Path: {self.path}"]
        lines += [f"{name}: {value}" for name, value in headers]
        data = "".join(f"{line}\r\n" for line in lines).encode()
        if body is not None:
            data += f"Content-Type: {media}\r\n\r\n".encode() + body + b"\r\n"
        self._raw(data + f"-------{transaction}$\r\n".encode())

    def _raw(self, data: bytes) -> None:
        if self.writer is not None:
            self.writer.write(data)


def _cut(data: bytes) -> tuple[Chunk, bytes] | None:
    """Return the first whole request or response, and what follows; None where it is not whole."""
    start, ended, rest = data.partition(b"\r\n")
    found = HEAD.fullmatch(start)
    if not ended or found is None:
        return None
    mark = b"-------" + found[1]
    end = rest.find(mark)
    if end < 0 or len(rest) < end + len(mark) + 3:
        return None
    flag = rest[end + len(mark) : end + len(mark) + 1].decode()
    head, blank, body = rest[:end].partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n") if line]
    headers = tuple((name, value) for name, _, value in lines)
    content = body.removesuffix(b"\r\n") if blank else None
    method, status = (found[2] or b"").decode(), int(found[3] or 0)
    chunk = Chunk(found[1].decode(), method, status, headers, content, flag)
    return chunk, rest[end + len(mark) + 3 :]


def _faults(chunk: Chunk, path: str) -> list[str]:
    """Return which rules a chunk breaks (§7.1, §7.1.1, §9)."""
    found = []
    names = [name for name, _ in chunk.headers]
    if tuple(names[:2]) != ORDER:
        found.append(f"{chunk.transaction}: the paths are not first")
    if chunk.get("To-Path").rpartition(" ")[2] != path:
        found.append(f"{chunk.transaction}: To-Path is {chunk.get('To-Path')}")
    if "Content-Type" in names and names[-1] != "Content-Type":
        found.append(f"{chunk.transaction}: Content-Type is not last")
    if chunk.method == "SEND" and not chunk.get("Message-ID"):
        found.append(f"{chunk.transaction}: a SEND without Message-ID")
    return found
