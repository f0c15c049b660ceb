"""A DNS server on a loopback address, its records a plain dict (RFC 1035, RFC 2782, RFC 3403).

It signs nothing, but says of chosen zones that it found them signed, as a resolver that looks at
signatures does (the AD bit, RFC 6840 §5.8).
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL: Final = 60
SERVFAIL: Final = "SERVFAIL"

Records = Mapping[str, Sequence[str]]
"""By name (no last dot), records as a zone file writes them: `"SRV 0 0 5269 gateway.test."`.

A name whose records hold the one word `SERVFAIL` is answered with that failure.
"""


def answer(query: bytes, records: Records, signed: Collection[str] = ()) -> bytes | None:
    """Return the answer to a DNS query, both in wire format; None for what is no query.

    A name without records is NXDOMAIN unless another name lies below it (RFC 8020 §2). Who asks
    with AD or DO is told of a name at or below one of `signed` that the answer is authentic.
    """
    try:
        asked = dns.message.from_wire(query)
        reply = dns.message.make_response(asked)
    except dns.exception.DNSException:
        return None
    reply.flags |= dns.flags.AA | dns.flags.RA
    for question in asked.question:
        _fill(reply, question.name, question.rdtype, records)
        wanted = asked.flags & dns.flags.AD or asked.ednsflags & dns.flags.DO
        if wanted and any(question.name.is_subdomain(dns.name.from_text(each)) for each in signed):
            reply.flags |= dns.flags.AD
    return reply.to_wire()


def _fill(
    reply: dns.message.Message,
    name: dns.name.Name,
    kind: dns.rdatatype.RdataType,
    records: Records,
) -> None:
    plain = name.to_text(omit_final_dot=True).lower()
    lines = records.get(plain)
    if lines is None:
        if not any(other.endswith("." + plain) for other in records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return
    if SERVFAIL in lines:
        reply.set_rcode(dns.rcode.SERVFAIL)
        return
    wanted = dns.rdatatype.to_text(kind)
    found = [rest for word, _, rest in (line.partition(" ") for line in lines) if word == wanted]
    if found:
        reply.answer.append(dns.rrset.from_text(name, TTL, "IN", wanted, *found))


class Nameserver(asyncio.DatagramProtocol):
    """Answers every query over UDP from `records`, which may change while it runs."""

    def __init__(self, records: Records, signed: Collection[str] = ()) -> None:
        """Answer from `records`, which are read anew for each query; `signed` as in `answer`."""
        self.records = records
        self.signed = signed
        self.queries: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def start(
        cls,
        records: Records,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        signed: Collection[str] = (),
    ) -> Self:
        """Listen on `host` and `port` (0: any free one) and return the running server."""
        loop = asyncio.get_running_loop()
        _, server = await loop.create_datagram_endpoint(
            lambda: cls(records, signed), local_addr=(host, port)
        )
        return server

    @property
    def address(self) -> tuple[str, int]:
        """The address that it listens on; ("", 0) before it started."""
        if self._transport is None:
            return ("", 0)
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by the loop)."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer one query; garbage is dropped (called by the loop)."""
        self.queries.append(data)
        reply = answer(data, self.records, self.signed)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
