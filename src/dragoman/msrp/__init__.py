"""MSRP sessions, and what they carry (RFC 4975, RFC 4976, RFC 7977, RFC 3862): no sockets.

An `Endpoint` has sessions, for its user, and connections, for whoever lends it sockets and a clock.
Here two of them talk in one process; `wire` is what a driver does after each turn:

>>> import secrets
>>> from functools import partial
>>> token = partial(secrets.token_hex, 12)
>>> alice = Endpoint({Transport.TCP: ("alice.example.com", 7654)}, token)
>>> bob = Endpoint({Transport.TCP: ("bob.example.com", 8888)}, token)

Each prepares a session, whose path goes into the SDP, and starts it when it has the other's:

>>> terms = Terms(("text/plain",), max_size=10_000)
>>> hers, his = alice.prepare(terms), bob.prepare(terms)
>>> his.start(Path.parse(str(hers.path)), terms, Meeting(active=False), now=0.0)
>>> hers.start(Path.parse(str(his.path)), terms, Meeting(active=True), now=0.0)
>>> handle = hers.send("text/plain", b"Hi, I'm Alice!", now=0.0, success_report=True)

The active side wants a connection, the passive one accepts it:

>>> [wanted] = alice.events()
>>> wanted.connection.target.host
'bob.example.com'
>>> there = bob.accepted(Transport.TCP, now=0.0)
>>> wanted.connection.opened(now=0.0)
>>> def wire():
...     for one, other in ((wanted.connection, there), (there, wanted.connection)):
...         while data := b"".join(one.to_send(now=0.0)):
...             other.receive(data, now=0.0)
>>> wire()
>>> [up, message] = bob.events()
>>> message.body
b"Hi, I'm Alice!"

The SEND has its 200 by now. That the message is where it was to go is another matter:

>>> his.report(message.message_id, now=0.0)
True
>>> wire()
>>> [type(event).__name__ for event in alice.events()]
['Up', 'Sent', 'Delivered']
"""

from dragoman.msrp.connection import Connection, PeerIdentity, Target
from dragoman.msrp.endpoint import Endpoint
from dragoman.msrp.event import (
    CloseWanted,
    ConnectWanted,
    Delivered,
    Event,
    Failed,
    FailureReport,
    MessageArrived,
    MessageBegun,
    MessageBroken,
    PieceArrived,
    RelayFailed,
    RelayReady,
    Sent,
    SessionFailed,
    Unreported,
    Up,
    Why,
)
from dragoman.msrp.failure import (
    PHRASES,
    DirectionForbids,
    Full,
    MsrpError,
    NotOpen,
    SendRefused,
    TooLarge,
    TypeNotAccepted,
)
from dragoman.msrp.limits import Limits
from dragoman.msrp.relay import Authorize, Relay
from dragoman.msrp.sending import Outgoing, Source
from dragoman.msrp.session import Session, State
from dragoman.msrp.terms import Meeting, Terms
from dragoman.msrp.uri import MsrpUri, Path, Transport
from dragoman.sdp.session import Direction

__all__ = [
    "PHRASES",
    "Authorize",
    "CloseWanted",
    "ConnectWanted",
    "Connection",
    "Delivered",
    "Direction",
    "DirectionForbids",
    "Endpoint",
    "Event",
    "Failed",
    "FailureReport",
    "Full",
    "Limits",
    "Meeting",
    "MessageArrived",
    "MessageBegun",
    "MessageBroken",
    "MsrpError",
    "MsrpUri",
    "NotOpen",
    "Outgoing",
    "Path",
    "PeerIdentity",
    "PieceArrived",
    "Relay",
    "RelayFailed",
    "RelayReady",
    "SendRefused",
    "Sent",
    "Session",
    "SessionFailed",
    "Source",
    "State",
    "Target",
    "Terms",
    "TooLarge",
    "Transport",
    "TypeNotAccepted",
    "Unreported",
    "Up",
    "Why",
]
