"""The opening of a WebSocket, the server's side (RFC 6455 §4.2, RFC 7118 §4.1, RFC 7977 §4.1)."""

import re
from base64 import b64encode
from binascii import Error, a2b_base64
from collections.abc import Collection, Sequence
from hashlib import sha1
from http import HTTPStatus
from typing import Final

from dragoman.errors import RemoteError

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION: Final = "13"
REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/(\d)\.(\d)")
FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*+([\x20-\x7e\t\x80-\xff]*)")

Fields = dict[str, list[str]]


class Refusal(RemoteError):
    """The handshake is refused: `status` is HTTP's, `answer` what to send before closing."""

    def __init__(self, status: int, reason: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Say why in `reason`, for the log."""
        super().__init__(reason)
        self.status = status
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if not any(name == "Connection" for name, _ in headers):
            lines.append("Connection: close")
        self.answer = "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()


def accept(head: bytes, origins: Collection[str] = (), *, subprotocol: str = "sip") -> bytes:
    """Return the answer that opens the WebSocket asked for by `head`, an HTTP request's head.

    The client must offer `subprotocol`: "sip" (RFC 7118), or "msrp" (RFC 7977).
    A browser, which says whose page it shows (Origin), is let in for the pages of `origins` only
    (RFC 6455 §10.2); "*" stands for all. Raises `Refusal`.
    """
    line, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    _check_request(line)
    fields = _fields(rest)
    _check_upgrade(fields)
    key = _key(fields)
    if subprotocol not in _tokens(fields, "sec-websocket-protocol"):
        raise Refusal(400, f"the client does not speak {subprotocol.upper()} over WebSocket")
    for origin in fields.get("origin", ()):
        if origin.lower() not in origins and "*" not in origins:
            raise Refusal(403, f"a page of {origin[:80]} is not let in")
    return b"\r\n".join(
        [
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: " + _proof(key),
            b"Sec-WebSocket-Protocol: " + subprotocol.encode(),
            b"",
            b"",
        ]
    )


def _proof(key: bytes) -> bytes:
    """Return what shows the client that its key was read; nothing secret depends on it (§1.3)."""
    return b64encode(sha1(key + GUID, usedforsecurity=False).digest())


def _check_request(line: bytes) -> None:
    found = REQUEST_LINE.fullmatch(line)
    if found is None:
        raise Refusal(400, "not an HTTP request")
    method, _, major, minor = found.groups()
    if (major, minor) < (b"1", b"1") or major > b"1":
        raise Refusal(505, "a WebSocket begins with HTTP/1.1")
    if method != b"GET":
        raise Refusal(405, "a WebSocket begins with GET", [("Allow", "GET")])


def _fields(lines: Sequence[bytes]) -> Fields:
    """Return the header fields by lower-case name; folded lines are refused (RFC 9112 §5.2)."""
    fields: Fields = {}
    for line in lines:
        found = FIELD.fullmatch(line)
        if found is None:
            raise Refusal(400, "a malformed HTTP header field")
        name, value = found[1].decode().lower(), found[2].decode("latin-1").strip(" \t")
        fields.setdefault(name, []).append(value)
    if len(fields.get("host", ())) != 1:
        raise Refusal(400, "a request without one Host")
    if "transfer-encoding" in fields or set(fields.get("content-length", ())) - {"0"}:
        raise Refusal(400, "the request to upgrade has a body")
    return fields


def _check_upgrade(fields: Fields) -> None:
    upgrade = [token.lower() for token in _tokens(fields, "upgrade")]
    connection = [token.lower() for token in _tokens(fields, "connection")]
    if "websocket" not in upgrade or "upgrade" not in connection:
        wanted = [("Upgrade", "websocket"), ("Connection", "Upgrade, close")]
        raise Refusal(426, "not a request for a WebSocket", wanted)
    if fields.get("sec-websocket-version") != [VERSION]:
        wanted = [("Upgrade", "websocket"), ("Connection", "Upgrade, close")]
        wanted.append(("Sec-WebSocket-Version", VERSION))
        raise Refusal(426, "a version of WebSocket that is not 13", wanted)


def _key(fields: Fields) -> bytes:
    """Return the key to prove that we read it: the base64 of sixteen bytes (§4.2.1)."""
    keys = fields.get("sec-websocket-key", [])
    try:
        good = len(keys) == 1 and len(a2b_base64(keys[0], strict_mode=True)) == 16
    except (Error, ValueError):
        good = False
    if not good:
        raise Refusal(400, "a WebSocket without a good key")
    return keys[0].encode("ascii")


def _tokens(fields: Fields, name: str) -> list[str]:
    return [each.strip(" \t") for line in fields.get(name, ()) for each in line.split(",")]
