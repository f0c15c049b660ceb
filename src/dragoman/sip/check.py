"""What a request must satisfy before anyone looks at it (RFC 3261 §8.2, §16.3)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from dragoman.sip.header import split_list
from dragoman.sip.message import Header, Request, SipError

KNOWN_METHODS: Final = frozenset(
    {"ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK"}
    | {"PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"}
)
"""Every registered method: refused with 405 where not allowed, others with 501 (§21.5.2)."""

MAGIC_COOKIE: Final = "z9hG4bK"
"""How the branch of a client begins that follows RFC 3261 rather than RFC 2543 (§8.1.1.7)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that needs no state: its status and the headers that belong to it."""

    status: int
    headers: tuple[Header, ...] = ()


def syntax(request: Request) -> None:
    """Check the headers that every request needs.

    Raises SipError(400) when From (with its tag), To, Call-ID, CSeq or Max-Forwards is missing or
    malformed, or CSeq names another method. A client of RFC 2543 knows neither tags nor
    Max-Forwards. What CSeq says of a method that nobody knows does not matter: `refusal` answers
    501 (RFC 4475 §3.1.2.18).
    """
    modern = (request.via.branch or "").startswith(MAGIC_COOKIE)
    if request.from_.tag is None and modern:
        raise SipError("From has no tag")
    if request.max_forwards is None and modern and request.method != "ACK":
        raise SipError("Max-Forwards is missing")
    if request.cseq.method != request.method and request.method in KNOWN_METHODS:
        raise SipError(f"CSeq is for {request.cseq.method[:40]!r}")
    _ = (request.to, request.call_id)


def refusal(
    request: Request, *, allow: Collection[str], supported: Collection[str]
) -> Refusal | None:
    """Return how a well-formed request is to be refused, None when it may pass.

    In the order of §8.2: the method, the scheme of the Request-URI (which raises SipError), the
    extensions required; then the hops left (§16.3), which OPTIONS may use up (§11).
    """
    method = request.method
    if method not in allow:
        if method not in KNOWN_METHODS:
            return Refusal(501)
        return Refusal(405, (("Allow", ", ".join(allow)),))
    _ = request.uri
    unknown = _required(request, supported)
    if unknown and method != "CANCEL":
        return Refusal(420, (("Unsupported", ", ".join(unknown)),))
    if request.max_forwards == 0 and method != "OPTIONS":
        return Refusal(483)
    return None


def passed_through(request: Request, ours: Collection[str]) -> bool:
    """Tell whether a Via says that we sent the request ourselves; `ours` are "host:port"."""
    lines = request.get_all("Via")
    if len(lines) == 1 and "," not in lines[0]:
        return request.via.sent_by in ours
    return any(via.sent_by in ours for via in request.vias)


def _required(request: Request, supported: Collection[str]) -> list[str]:
    if request.get("Require") is None and request.get("Proxy-Require") is None:
        return []
    lines = request.get_all("Require") + request.get_all("Proxy-Require")
    return [tag for line in lines for tag in split_list(line) if tag not in supported]
