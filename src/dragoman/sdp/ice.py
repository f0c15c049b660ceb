"""Candidates of ICE in session descriptions (RFC 8839 §5.1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """The value of one a=candidate line; `related` is the base of a reflexive or relayed one.

    `extensions` are the pairs that may follow, as `tcptype` and `generation`.
    """

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    type: str
    related: tuple[str, int] | None = None
    extensions: tuple[tuple[str, str], ...] = ()
