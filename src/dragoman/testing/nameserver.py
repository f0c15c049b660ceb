"""A DNS server on a loopback address, its records a plain dict (RFC 1035, RFC 2782, RFC 3403)."""

import asyncio
from collections.abc import Mapping, Sequence
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


def answer(query: bytes, records: Records) -> bytes | None:
    """Return the answer to a DNS query, both in wire format; None for what is no query.

    A name without records is NXDOMAIN unless another name lies below it (RFC 8020 §2).
    """
    try:
        asked = dns.message.from_wire(query)
        reply = dns.message.make_response(asked)
    except dns.exception.DNSException:
        return None
    reply.flags |= dns.flags.AA | dns.flags.RA
    for question in asked.question:
        _fill(reply, question.name, question.rdtype, records)
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

    def __init__(self, records: Records) -> None:
        """Answer from `records`; the mapping is read anew for each query."""
        self.records = records
        self.queries: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def start(cls, records: Records, *, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Listen on `host` and `port` (0: any free one) and return the running server."""
        loop = asyncio.get_running_loop()
        _, server = await loop.create_datagram_endpoint(
            lambda: cls(records), local_addr=(host, port)
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
        reply = answer(data, self.records)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
