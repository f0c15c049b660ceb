"""MSRP and what it carries (RFC 4975, RFC 4976, RFC 3862): no sockets, no clock."""

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
from dragoman.msrp.session import Direction, Meeting, Session, State, Terms
from dragoman.msrp.uri import MsrpUri, Path, Transport

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
