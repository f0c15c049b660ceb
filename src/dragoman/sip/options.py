"""OPTIONS: what we can do, and whether another is there (RFC 3261 §11)."""

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Header, Request, Response, build_request, response_to


@dataclass(frozen=True, slots=True)
class Abilities:
    """Methods, body types, event packages, extensions and codings that an element takes."""

    allow: Sequence[str]
    accept: Sequence[str] = ()
    events: Sequence[str] = ()
    supported: Sequence[str] = ()
    encodings: Sequence[str] = ()
    """Content codings; none is the same as "identity" alone (§20.2)."""

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
    """Return the 200 to an OPTIONS request: what an INVITE would have met, without a body."""
    return response_to(request, 200, headers=abilities.headers, to_tag=to_tag)


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
