"""Finding a domain's XMPP server (RFC 6120 §3.2, XEP-0368): questions out, answers in."""

from collections.abc import Generator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, cast

import idna

from dragoman.errors import RemoteError
from dragoman.records import Answer, Chance, DnsFailure, Kind, Question, Srv, in_order

PORT: Final = 5269
MAX_RECORDS: Final = 16
MAX_TARGETS: Final = 32


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: an IP literal without brackets, a port, and whether TLS comes first.

    `domain` is the A-label form of the domain looked up: what SNI says (XEP-0368 §3).
    """

    address: str
    port: int
    direct_tls: bool
    domain: str


@dataclass(frozen=True, slots=True)
class _DirectTls(Srv):
    """An SRV record of `_xmpps-server`, told apart once both kinds are mixed."""


def locate(domain: str, *, chance: Chance) -> Generator[Question, Answer, list[Target]]:
    """Return the targets of `domain` (as in a JID) in the order to try them.

    Yields questions and is sent their answers; NXDOMAIN and no data are both the empty answer,
    and a `DnsFailure` is thrown in. The records of `_xmpp-server` and `_xmpps-server` are mixed
    by priority and weight (XEP-0368 §3); a target of "." is no service; where any SRV record
    was found there is no fall-back to the domain's own addresses (RFC 6120 §3.2.1). An empty
    list says that the domain has no XMPP service. Raises DnsFailure when every way that could
    have led somewhere failed, and RemoteError when `domain` is no domain name.
    """
    literal = _literal(domain)
    if literal is not None:
        return [Target(literal, PORT, direct_tls=False, domain=literal)]
    name = to_ascii(domain)
    records = yield from _records(name)
    if not records:
        addresses = yield Question(Kind.ADDRESS, name)
        return [Target(str(each), PORT, False, name) for each in addresses[:MAX_TARGETS]]
    wanted = in_order([each for each in records if each.target != "."], chance)
    return (yield from _addresses(wanted[:MAX_RECORDS], name))


def moved(place: str, domain: str) -> Generator[Question, Answer, list[Target]]:
    """Return the targets of a see-other-host, "HOST" or "HOST:PORT", for the server of `domain`.

    An IPv6 address is in brackets when a port follows (RFC 6120 §4.9.3.19). An empty list says
    that this is no place. Raises DnsFailure and RemoteError as `locate` does.
    """
    host, _, port = place.rpartition(":")
    if not host or "]" in port or (":" in host and not host.endswith("]")):
        host, port = place, str(PORT)
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return []
    literal = _literal(host)
    name = to_ascii(domain)
    if literal is not None:
        return [Target(literal, int(port), direct_tls=False, domain=name)]
    addresses = yield Question(Kind.ADDRESS, to_ascii(host))
    return [Target(str(each), int(port), False, name) for each in addresses[:MAX_TARGETS]]


def to_ascii(domain: str) -> str:
    """Return `domain` in A-labels (IDNA 2008), lower case; RemoteError if it has no such form."""
    if domain.isascii():
        return domain.lower().rstrip(".")
    try:
        return idna.encode(domain, uts46=True).decode("ascii").rstrip(".")
    except (idna.IDNAError, UnicodeError) as error:
        raise RemoteError(f"not a domain name: {domain[:64]!r}") from error


def _literal(domain: str) -> str | None:
    try:
        return str(ip_address(domain.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None


def _records(name: str) -> Generator[Question, Answer, list[Srv]]:
    """Return the SRV records of both services; a failure of one is outweighed by the other."""
    found: list[Srv] = []
    failure: DnsFailure | None = None
    for service, kind in (("_xmpp-server", Srv), ("_xmpps-server", _DirectTls)):
        try:
            answer = yield Question(Kind.SRV, f"{service}._tcp.{name}")
        except DnsFailure as error:
            failure = error
            continue
        found += [
            kind(each.priority, each.weight, each.port, each.target)
            for each in cast("tuple[Srv, ...]", answer)
        ]
    if failure is not None and not found:
        raise failure
    return found


def _addresses(records: list[Srv], name: str) -> Generator[Question, Answer, list[Target]]:
    found: list[Target] = []
    failure: DnsFailure | None = None
    for record in records:
        try:
            answer = yield Question(Kind.ADDRESS, record.target.rstrip("."))
        except DnsFailure as error:
            failure = error
            continue
        direct = isinstance(record, _DirectTls)
        found += [Target(str(each), record.port, direct, name) for each in answer]
    if failure is not None and not found:
        raise failure
    return found[:MAX_TARGETS]
