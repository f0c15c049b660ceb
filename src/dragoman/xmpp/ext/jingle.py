"""Jingle (XEP-0166): sessions of media that two clients agree on by requests and answers.

Contents are values of their own extensions: `jingle_rtp.Rtp` for a description, `jingle_ice.IceUdp`
or `raw_udp.RawUdp` for a transport; what is none of these stays an Element.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.raw_udp import RawUdp
from dragoman.xmpp.ext.senders import Creator, Senders

NS: Final = "urn:xmpp:jingle:1"
ERRORS: Final = "urn:xmpp:jingle:errors:1"
JINGLE: Final = f"{{{NS}}}jingle"

Description: TypeAlias = Rtp | Element | None
Transport: TypeAlias = IceUdp | RawUdp | Element | None


class Action(StrEnum):
    """What a request wants (§7.2)."""

    CONTENT_ACCEPT = "content-accept"
    CONTENT_ADD = "content-add"
    CONTENT_MODIFY = "content-modify"
    CONTENT_REJECT = "content-reject"
    CONTENT_REMOVE = "content-remove"
    DESCRIPTION_INFO = "description-info"
    SECURITY_INFO = "security-info"
    SESSION_ACCEPT = "session-accept"
    SESSION_INFO = "session-info"
    SESSION_INITIATE = "session-initiate"
    SESSION_TERMINATE = "session-terminate"
    TRANSPORT_ACCEPT = "transport-accept"
    TRANSPORT_INFO = "transport-info"
    TRANSPORT_REJECT = "transport-reject"
    TRANSPORT_REPLACE = "transport-replace"


class Why(StrEnum):
    """Why an action was taken (§7.4)."""

    ALTERNATIVE_SESSION = "alternative-session"
    BUSY = "busy"
    CANCEL = "cancel"
    CONNECTIVITY_ERROR = "connectivity-error"
    DECLINE = "decline"
    EXPIRED = "expired"
    FAILED_APPLICATION = "failed-application"
    FAILED_TRANSPORT = "failed-transport"
    GENERAL_ERROR = "general-error"
    GONE = "gone"
    INCOMPATIBLE_PARAMETERS = "incompatible-parameters"
    MEDIA_ERROR = "media-error"
    SECURITY_ERROR = "security-error"
    SUCCESS = "success"
    TIMEOUT = "timeout"
    UNSUPPORTED_APPLICATIONS = "unsupported-applications"
    UNSUPPORTED_TRANSPORTS = "unsupported-transports"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, for programs and for people; `sid` names the session that takes this one's place.

    `detail` is the name of an element of another namespace beside the condition, "" for none.
    """

    why: Why
    text: str = ""
    sid: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """One medium and the way it goes (§7.3)."""

    name: str
    creator: Creator = Creator.INITIATOR
    senders: Senders = Senders.BOTH
    description: Description = None
    transport: Transport = None
    disposition: str = "session"


@dataclass(frozen=True, slots=True)
class Jingle:
    """One request of a session (§7.1); `info` is what a session-info is about, if anything."""

    action: Action
    sid: str
    contents: tuple[Content, ...] = ()
    initiator: str = ""
    responder: str = ""
    reason: Reason | None = None
    info: Element | None = None
    groups: tuple[Group, ...] = ()
