"""Fuzz target: whatever a name server says, a search ends and finds little.

RFC 3263, RFC 6120 §3, RFC 7673.

The input is a row of records, each with one byte for its type and one for its length: what is in
them is read by dnspython, turned into our values by `net/dns.py`, and given as the answers.
"""

from collections.abc import Generator
from random import Random
from typing import Any, Final, TypeAlias, TypeVar, cast
from zlib import crc32

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from dragoman.errors import RemoteError
from dragoman.net.dns import _naptr, _srv, _tlsa
from dragoman.records import Answer, Authentic, DnsFailure, Kind, Question
from dragoman.sip import locate as sip
from dragoman.sip.uri import Uri
from dragoman.xmpp import dane
from dragoman.xmpp import locate as xmpp

T = TypeVar("T")
Found: TypeAlias = dict[Kind, list[Any]]


def _name(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _record(kind: int, rdata: bytes) -> bytes:
    return bytes([kind, len(rdata)]) + rdata


FOUND: Final = _name(b"a", b"example")
SRV: Final = _record(33, b"\0\1\0\2\x14\x95" + FOUND)
NONE: Final = _record(33, b"\0\0\0\0\0\0\0")
NAPTR: Final = _record(35, b"\0\1\0\2\1s\7SIP+D2U\0" + _name(b"_sip", b"_udp", b"b", b"example"))
MORE: Final = _record(35, b"\0\1\0\2\0\x08SIPS+D2T\0" + FOUND)
TLSA: Final = _record(52, b"\3\1\1" + bytes(32))
ANCHOR: Final = _record(52, b"\2\0\0" + b"0\x820\3")
A: Final = _record(1, b"\xc0\0\2\1")
AAAA: Final = _record(28, b"\x20\1\r\xb8" + bytes(11) + b"\1")
SEEDS = (
    NAPTR + SRV + A + AAAA,
    MORE * 2 + NAPTR + SRV * 4 + A * 8,
    NONE + A,
    SRV + TLSA + ANCHOR + A + AAAA,
)
TOKENS = (
    SRV,
    NONE,
    NAPTR,
    MORE,
    A,
    AAAA,
    TLSA,
    ANCHOR,
    FOUND,
    b"\0",
    b"\x3f" + b"x" * 63,
    b"\1.",
    b"\xc0\0",
)

URIS: Final = tuple(
    map(Uri.parse, ("sip:u@b.example", "sips:b.example", "sip:b.example;transport=tcp"))
)
KINDS: Final = {33: Kind.SRV, 35: Kind.NAPTR, 1: Kind.ADDRESS, 28: Kind.ADDRESS, 52: Kind.TLSA}
MOST_QUESTIONS: Final = 500


def read(data: bytes) -> Found:
    """Return what the records say, by kind; one that dnspython refuses is a failure to it."""
    found: Found = {kind: [] for kind in Kind}
    at = 0
    while at + 2 <= len(data) and at < 2048:
        number, length = data[at], data[at + 1]
        at += 2
        kind = KINDS.get(number)
        if kind is not None and at + length <= len(data):
            try:
                record = dns.rdata.from_wire(
                    dns.rdataclass.IN, dns.rdatatype.RdataType(number), data, at, length
                )
            except dns.exception.DNSException:
                continue
            if kind is Kind.SRV:
                found[kind].append(_srv(record))
            elif kind is Kind.NAPTR:
                found[kind].append(_naptr(record))
            elif kind is Kind.TLSA:
                found[kind].append(_tlsa(record))
            else:
                found[kind].append(record.to_text())
        at += length
    return found


def searched(search: Generator[Question, Answer, T], found: Found) -> T | None:
    """Answer every question of a search from what there is; None when it failed."""
    asked = 0
    try:
        question = next(search)
        while True:
            asked += 1
            assert asked <= MOST_QUESTIONS, question
            if asked % 5 == 0:
                question = search.throw(DnsFailure("no answer"))
            else:
                question = search.send(Authentic(found[question.kind]))
    except StopIteration as end:
        return cast("T", end.value)
    except (DnsFailure, RemoteError):
        return None


def one_input(data: bytes) -> None:
    found = read(data)
    random = Random(1)  # noqa: S311 (repeatable on purpose)
    which = crc32(data) % (len(URIS) + 2)
    if which == len(URIS):
        domains = searched(xmpp.locate("b.example", chance=random, dane=True), found) or ()
        assert len(domains) <= xmpp.MAX_TARGETS
        for each in domains:
            records = each.associations.records if each.associations is not None else ()
            assert len(records) <= dane.MOST
            assert not any(dane.matches(record, data) for record in records[:1] if record.matching)
    elif which > len(URIS):
        searched(sip.sources("b.example"), found)
    else:
        search = sip.locate(URIS[which], supported=sip.DIALLED, random=random)
        assert len(searched(search, found) or ()) <= sip.MAX_TARGETS


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
