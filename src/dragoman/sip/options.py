"""OPTIONS: what we can do, and whether another is there (RFC 3261 §11)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from dragoman.sip.header import accepts
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import (
    Header,
    Request,
    Response,
    SipError,
    build_request,
    response_to,
)
from dragoman.sip.session import SDP

_TAKING: Final = frozenset({SDP, "application/*", "*/*"})


@dataclass(frozen=True, slots=True)
class Abilities:
    """Methods, body types, event packages, extensions and codings that an element takes."""

    allow: Sequence[str]
    accept: Sequence[str] = ()
    events: Sequence[str] = ()
    supported: Sequence[str] = ()
    encodings: Sequence[str] = ()
    """Content codings; none is the same as "identity" alone (§20.2)."""
    sessions: bytes = b""
    """The description of what sessions can be (RFC 3264 §9), for those who ask for a user."""

    @property
    def headers(self) -> tuple[Header, ...]:
        """The headers that say so; an empty Accept or Supported says that there is none."""
        headers = [
            ("Allow", ", ".join(self.allow)),
            ("Accept", ", ".join(self.accept)),
            ("Supported", ", ".join(self.supported)),
        ]
        if self.encodings:
            headers.append(("Accept-Encoding", ", ".join(self.encodings)))
        if self.events:
            headers.append(("Allow-Events", ", ".join(self.events)))
        return tuple(headers)


def answer(request: Request, abilities: Abilities, to_tag: str | None = None) -> Response:
    """Return the 200 to an OPTIONS request: what an INVITE would have met (§11.2).

    It has a description of sessions where it is about a user, and the sender takes one.
    """
    body = abilities.sessions if _wants(request) else b""
    described = [("Content-Type", SDP)] if body else []
    headers = [*abilities.headers, *described]
    return response_to(request, 200, headers=headers, body=body, to_tag=to_tag)


def _wants(request: Request) -> bool:
    """Tell whether a request is for a user, from somebody who takes a session description."""
    with suppress(SipError):
        return request.uri.user is not None and accepts(request.get_all("Accept"), _TAKING)
    return False


def probe(target: Target, sent_by: str, token: str) -> Request:
    """Return the OPTIONS, without Via, that asks whether a target is there.

    It has no hops left: a proxy answers by itself instead of asking somebody behind it (§16.3).
    """
    host = f"[{target.address}]" if ":" in target.address else target.address
    scheme = "sips" if target.transport is Transport.TLS else "sip"
    way = ";transport=tcp" if target.transport is Transport.TCP else ""
    uri = f"{scheme}:{host}:{target.port}{way}"
    headers = [
        ("Max-Forwards", "0"),
        ("From", f"<sip:{sent_by}>;tag={token[:16]}"),
        ("To", f"<{uri}>"),
        ("Call-ID", token),
        ("CSeq", "1 OPTIONS"),
    ]
    return build_request("OPTIONS", uri, headers)
