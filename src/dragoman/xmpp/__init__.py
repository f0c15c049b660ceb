"""XMPP (RFC 6120, RFC 7622) without sockets: values first, streams on top of them."""

from dragoman.xmpp.element import Element, sanitize, to_xml
from dragoman.xmpp.failure import (
    DEFAULT_TYPE,
    Condition,
    ErrorType,
    StanzaError,
    StreamCondition,
    StreamError,
)
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import StreamEnd, StreamParser, StreamStart, parse_document

__all__ = [
    "DEFAULT_TYPE",
    "Condition",
    "Element",
    "ErrorType",
    "Jid",
    "StanzaError",
    "StreamCondition",
    "StreamEnd",
    "StreamError",
    "StreamParser",
    "StreamStart",
    "parse_document",
    "sanitize",
    "to_xml",
]
