"""MSRP URIs and paths of them (RFC 4975 §6, §9; RFC 7977 §5.2.1): parsed, printed, compared."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Self, final
from urllib.parse import unquote

from dragoman.msrp.failure import MsrpError

MAX_URI: Final = 1024
MAX_PATH: Final = 16
"""How many URIs a path may have: more is no network, but a loop or an attack."""

_URI: Final = re.compile(
    r"(msrps?)://(?:([A-Za-z0-9._~!$&'()*+,;=:%-]*)@)?"
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,=%-]+)(?::([0-9]{1,5}))?"
    r"(?:/([A-Za-z0-9._~+=/-]*))?"
    r";([A-Za-z0-9]+)((?:;[^\s;]+)*)",
    re.IGNORECASE | re.ASCII,
)


class Transport(StrEnum):
    """What a link runs over: TCP, TLS on it, or WebSocket on TLS (RFC 7977)."""

    TCP = "tcp"
    TLS = "tls"
    WS = "ws"

    @property
    def secure(self) -> bool:
        """Whether it is encrypted: its URIs are `msrps`."""
        return self is not Transport.TCP

    @property
    def parameter(self) -> str:
        """The transport parameter of its URIs."""
        return "ws" if self is Transport.WS else "tcp"


@final
@dataclass(frozen=True, slots=True)
class MsrpUri:
    """One MSRP URI: `host` without brackets, "" for no session id, None for no port.

    `==` compares what is written; `matches` is the comparison of RFC 4975 §6.1.
    """

    host: str
    port: int | None = None
    session_id: str = ""
    secure: bool = False
    transport: str = "tcp"
    userinfo: str = ""
    parameters: str = ""
    """What follows the transport, with its semicolons."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one URI; MsrpError for anything that is none."""
        found = _URI.fullmatch(text) if len(text) <= MAX_URI else None
        if found is None:
            raise MsrpError(f"not an MSRP URI: {text[:60]!r}")
        scheme, user, host, port, session_id, transport, parameters = found.groups("")
        if port and int(port) > 65535:
            raise MsrpError(f"no such port: {port}")
        if "/" in text.partition("://")[2] and not session_id:
            raise MsrpError("a slash with no session-id behind it")
        return cls(
            host.strip("[]"),
            int(port) if port else None,
            session_id,
            scheme.lower() == "msrps",
            transport,
            user,
            parameters,
        )

    def __str__(self) -> str:
        """Return the URI as it goes into a path."""
        scheme = "msrps" if self.secure else "msrp"
        user = f"{self.userinfo}@" if self.userinfo else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port is not None else ""
        session = f"/{self.session_id}" if self.session_id else ""
        return f"{scheme}://{user}{host}{port}{session};{self.transport}{self.parameters}"

    def matches(self, other: "MsrpUri") -> bool:
        """Tell whether both name the same session at the same place (RFC 4975 §6.1)."""
        return self.identity == other.identity

    @property
    def identity(self) -> tuple[bool, str, int | None, str, str]:
        """What is compared: matching URIs have it in common."""
        return self.secure, _plain(self.host), self.port, self.session_id, self.transport.lower()


@final
@dataclass(frozen=True, slots=True)
class Path:
    """The URIs to be visited, next hop first, the far end last (RFC 4975 §7.1, §8.2)."""

    uris: tuple[MsrpUri, ...]
    text: str = field(init=False, repr=False, compare=False)
    """The URIs with blanks between them."""

    def __post_init__(self) -> None:
        """Keep the text: it is written into each request and response of a session."""
        object.__setattr__(self, "text", " ".join(map(str, self.uris)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what To-Path, From-Path or a=path have; MsrpError where it is none."""
        parts = text.split(" ", MAX_PATH)
        if len(parts) > MAX_PATH:
            raise MsrpError(f"a path of more than {MAX_PATH} URIs")
        return cls(tuple(map(MsrpUri.parse, parts)))

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return self.text

    def __add__(self, other: "Path") -> "Path":
        """Return this way, and then the other."""
        return Path(self.uris + other.uris)

    def reversed(self) -> "Path":
        """Return the same way back."""
        return Path(self.uris[::-1])

    @property
    def first(self) -> MsrpUri:
        """The next hop."""
        return self.uris[0]

    @property
    def last(self) -> MsrpUri:
        """The far end."""
        return self.uris[-1]


@lru_cache(maxsize=1024)
def known_path(text: str) -> Path:
    """Return `Path.parse`: the paths of a session come again with each of its messages."""
    return Path.parse(text)


@lru_cache(maxsize=1024)
def _plain(host: str) -> str:
    """Return the form that equal authorities have in common."""
    host = unquote(host).lower()
    try:
        return str(ip_address(host))
    except ValueError:
        return host
