"""Jingle (XEP-0166): sessions of media that two clients agree on by requests and answers.

Contents are values of their own extensions: `jingle_rtp.Rtp` for a description, `jingle_ice.IceUdp`
or `raw_udp.RawUdp` for a transport; what is none of these stays an Element.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self, TypeAlias

from dragoman.errors import RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.grouping import NS as GROUPING
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle_ice import NS as ICE
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import NS as RTP
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

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<reason/>`; one without a condition that is known is a general error."""
        names = [each.local_name for each in element.elements if each.namespace == NS]
        found = next((Why(name) for name in names if name in set(Why)), Why.GENERAL_ERROR)
        text, why = element.find(f"{{{NS}}}text"), element.find(f"{{{NS}}}{found}")
        sid = why.find(f"{{{NS}}}sid") if why is not None else None
        detail = next((each.name for each in element.elements if each.namespace != NS), "")
        return cls(found, text.text if text else "", sid.text if sid else "", detail)

    def element(self) -> Element:
        """Return the `<reason/>`."""
        sid = [Element(f"{{{NS}}}sid", None, [self.sid])] if self.sid else []
        children = [Element(f"{{{NS}}}{self.why}", None, sid)]
        if self.text:
            children.append(Element(f"{{{NS}}}text", None, [self.text]))
        if self.detail:
            children.append(Element(self.detail))
        return Element(f"{{{NS}}}reason", None, children)


@dataclass(frozen=True, slots=True)
class Content:
    """One medium and the way it goes (§7.3)."""

    name: str
    creator: Creator = Creator.INITIATOR
    senders: Senders = Senders.BOTH
    description: Description = None
    transport: Transport = None
    disposition: str = "session"

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<content/>`. Raises RemoteError."""
        description = transport = None
        for child in element.elements:
            if child.local_name == "description":
                description = Rtp.parse(child) if child.namespace == RTP else child
            elif child.local_name == "transport":
                transport = IceUdp.parse(child) if child.namespace == ICE else child
        try:
            return cls(
                element.attributes["name"],
                Creator(element.get("creator", "initiator")),
                Senders(element.get("senders", "both")),
                description,
                transport,
                element.get("disposition", "session"),
            )
        except (KeyError, ValueError) as error:
            raise RemoteError("a content without name, or with odd values") from error

    def element(self) -> Element:
        """Return the `<content/>`."""
        attributes = {"creator": str(self.creator), "name": self.name, "senders": str(self.senders)}
        if self.disposition != "session":
            attributes["disposition"] = self.disposition
        children = [
            each if isinstance(each, Element) else each.element()
            for each in (self.description, self.transport)
            if each is not None and not isinstance(each, RawUdp)
        ]
        return Element(f"{{{NS}}}content", attributes, children)


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

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<jingle/>`. Raises RemoteError."""
        named = {f"{{{NS}}}content", f"{{{NS}}}reason"}
        groups = [each for each in element.elements if each.namespace == GROUPING]
        others = [
            each for each in element.elements if each.name not in named and each not in groups
        ]
        reason = element.find(f"{{{NS}}}reason")
        try:
            return cls(
                Action(element.attributes["action"]),
                element.attributes["sid"],
                tuple(map(Content.parse, element.find_all(f"{{{NS}}}content"))),
                element.get("initiator", ""),
                element.get("responder", ""),
                Reason.parse(reason) if reason is not None else None,
                others[0] if others else None,
                tuple(
                    Group(
                        each.get("semantics", ""), tuple(c.get("name", "") for c in each.elements)
                    )
                    for each in groups
                ),
            )
        except (KeyError, ValueError) as error:
            raise RemoteError("a request without action or sid") from error

    def element(self) -> Element:
        """Return the `<jingle/>`."""
        attributes = {"action": str(self.action), "sid": self.sid}
        if self.initiator:
            attributes["initiator"] = self.initiator
        if self.responder:
            attributes["responder"] = self.responder
        children = [each.element() for each in self.contents]
        for group in self.groups:
            names = [Element(f"{{{GROUPING}}}content", {"name": each}) for each in group.names]
            children.append(Element(f"{{{GROUPING}}}group", {"semantics": group.semantics}, names))
        if self.reason is not None:
            children.append(self.reason.element())
        if self.info is not None:
            children.append(self.info)
        return Element(JINGLE, attributes, children)
