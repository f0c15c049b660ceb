"""Finding a domain's XMPP server (RFC 6120 §3.2, XEP-0368, RFC 7673): questions out, answers in."""

from collections.abc import Generator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, cast

import idna

from dragoman.errors import RemoteError
from dragoman.records import (
    Answer,
    Authentic,
    Chance,
    DnsFailure,
    Kind,
    Question,
    Srv,
    Tlsa,
    in_order,
)
from dragoman.xmpp.dane import Associations, question_of, usable

PORT: Final = 5269
MAX_RECORDS: Final = 16
MAX_TARGETS: Final = 32


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: an IP literal without brackets, a port, and whether TLS comes first.

    `domain` is the A-label form of the domain looked up: what SNI says (XEP-0368 §3).
    `associations` are there where the way to this server was signed (RFC 7673).
    """

    address: str
    port: int
    direct_tls: bool
    domain: str
    associations: Associations | None = None


@dataclass(frozen=True, slots=True)
class _Server(Srv):
    """An SRV record of either service, told apart once both kinds are mixed."""

    direct_tls: bool
    authentic: bool


def locate(
    domain: str, *, chance: Chance, dane: bool = False
) -> Generator[Question, Answer, list[Target]]:
    """Return the targets of `domain` (as in a JID) in the order to try them.

    Yields questions and is sent their answers; NXDOMAIN and no data are both the empty answer,
    and a `DnsFailure` is thrown in. The records of `_xmpp-server` and `_xmpps-server` are mixed
    by priority and weight (XEP-0368 §3); a target of "." is no service; where any SRV record
    was found there is no fall-back to the domain's own addresses (RFC 6120 §3.2.1). With `dane`
    the certificates of each server are asked for too, where its SRV record and its addresses are
    authentic; a server about which that cannot be learned is left out (RFC 7673 §3.4). An empty
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
    return (yield from _targets(wanted[:MAX_RECORDS], name, dane=dane))


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


def _records(name: str) -> Generator[Question, Answer, list[_Server]]:
    """Return the SRV records of both services; a failure of one is outweighed by the other."""
    found: list[_Server] = []
    failure: DnsFailure | None = None
    for service, direct in (("_xmpp-server", False), ("_xmpps-server", True)):
        try:
            answer = yield Question(Kind.SRV, f"{service}._tcp.{name}")
        except DnsFailure as error:
            failure = error
            continue
        authentic = isinstance(answer, Authentic)
        found += [
            _Server(each.priority, each.weight, each.port, each.target, direct, authentic)
            for each in cast("tuple[Srv, ...]", answer)
        ]
    if failure is not None and not found:
        raise failure
    return found


def _targets(
    records: list[_Server], name: str, *, dane: bool
) -> Generator[Question, Answer, list[Target]]:
    found: list[Target] = []
    failure: DnsFailure | None = None
    for record in records:
        try:
            answer = yield Question(Kind.ADDRESS, record.target.rstrip("."))
            associations: Associations | None = None
            if dane and record.authentic and answer:
                associations = yield from _associations(record, name, answer)
        except DnsFailure as error:
            failure = error
            continue
        found += [
            Target(str(each), record.port, record.direct_tls, name, associations) for each in answer
        ]
    if failure is not None and not found:
        raise failure
    return found[:MAX_TARGETS]


def _associations(
    record: _Server, name: str, addresses: Answer
) -> Generator[Question, Answer, Associations]:
    """Return what is signed about a server whose SRV record is; DnsFailure where nobody knows."""
    host = record.target.lower().rstrip(".")
    if not isinstance(addresses, Authentic):
        return Associations(name, host)  # TLSA records are not asked for (RFC 7673 §3.2)
    answer = yield Question(Kind.TLSA, question_of(host, record.port))
    signed = cast("tuple[Tlsa, ...]", answer) if isinstance(answer, Authentic) else ()
    return Associations(name, host, usable(signed))
