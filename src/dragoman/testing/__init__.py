"""Scripted peers for tests, demonstrations and benchmarks (RFC 3261, RFC 6120).

They share no code with the gateway's own protocol cores, so that a mistake made there cannot
hide here: a phone (or a domain of phones), an end of MSRP sessions, an XMPP domain, a component's
host, a name server.
"""

from dragoman.testing.component import ComponentHost
from dragoman.testing.credentials import Credentials, self_signed
from dragoman.testing.domain import Domain
from dragoman.testing.msrpend import MsrpEnd
from dragoman.testing.nameserver import Nameserver
from dragoman.testing.phone import Phone, Reply, Sent
from dragoman.testing.siptext import SipText

__all__ = [
    "ComponentHost",
    "Credentials",
    "Domain",
    "MsrpEnd",
    "Nameserver",
    "Phone",
    "Reply",
    "Sent",
    "SipText",
    "self_signed",
]
