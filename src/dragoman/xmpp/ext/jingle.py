"""Jingle (XEP-0166): sessions of media that two clients agree on by requests and answers.

Contents are values of their own extensions: `jingle_rtp.Rtp` for a description, `jingle_ice.IceUdp`
or `raw_udp.RawUdp` for a transport; what is none of these stays an Element.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self, TypeAlias

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import jingle_errors, jingle_ice, jingle_rtp, raw_udp
from dragoman.xmpp.ext.attributes import few, line, printed, refuse, token
from dragoman.xmpp.ext.grouping import GROUP, Group
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.raw_udp import RawUdp
from dragoman.xmpp.ext.senders import Creator, Senders

NS: Final = "urn:xmpp:jingle:1"
ERRORS: Final = jingle_errors.NS
JINGLE: Final = f"{{{NS}}}jingle"
CONTENT: Final = f"{{{NS}}}content"
REASON: Final = f"{{{NS}}}reason"
MOST_CONTENTS: Final = 32
"""As many as a session description has streams."""
MOST_GROUPS: Final = 16
MOST_OTHERS: Final = 16
"""Elements of other extensions that are kept of one request."""
LONGEST_TEXT: Final = 1024
"""Characters of a reason, or an address, that are kept."""

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
        """Read a `<reason/>`; one that names no known condition is a general error. Never raises.

        A condition that nobody knows is its `detail`.
        """
        names = [
            each for each in element.elements if each.name not in {_TEXT, _own(element, "text")}
        ]
        known = [each for each in names if each.namespace in {NS, element.namespace}]
        found = next((each for each in known if each.local_name in _WHYS), None)
        detail = next((each.name for each in names if each is not found), "")
        if found is None:
            return cls(Why.GENERAL_ERROR, _text(element, "text"), "", detail)
        return cls(
            _WHYS[found.local_name], _text(element, "text"), _text(found, "sid").strip(), detail
        )

    def element(self) -> Element:
        """Return the `<reason/>`."""
        sid = [Element(f"{{{NS}}}sid", None, [self.sid])] if self.sid else []
        children = [Element(f"{{{NS}}}{self.why}", None, sid)]
        if self.text:
            children.append(Element(_TEXT, None, [self.text]))
        if self.detail:
            children.append(Element(self.detail))
        return Element(REASON, None, children)


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
        """Read a `<content/>`; what is neither description nor transport is passed over.

        Raises StanzaError where something could not be told to a phone as it is.
        """
        description = _first(element, "description")
        transport = _first(element, "transport")
        return cls(
            line(element, "name"),
            Creator.of(element),
            Senders.of(element),
            None if description is None else _description(description),
            None if transport is None else _transport(transport),
            token(element, "disposition", "session"),
        )

    def element(self) -> Element:
        """Return the `<content/>`."""
        attributes = {
            "creator": self.creator.value,
            "name": self.name,
            "senders": self.senders.value,
        }
        if self.disposition != "session":
            attributes["disposition"] = self.disposition
        children = [
            each if isinstance(each, Element) else each.element()
            for each in (self.description, self.transport)
            if each is not None
        ]
        return Element(CONTENT, attributes, children)


@dataclass(frozen=True, slots=True)
class Jingle:
    """One request of a session (§7.1); `info` is what a session-info is about, if anything.

    That is the first element of another extension, in any request; `others` are those after it.
    """

    action: Action
    sid: str
    contents: tuple[Content, ...] = ()
    initiator: str = ""
    responder: str = ""
    reason: Reason | None = None
    info: Element | None = None
    groups: tuple[Group, ...] = ()
    others: tuple[Element, ...] = ()

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<jingle/>`.

        Raises StanzaError: bad-request where it has no action or sid, or something in a content
        that no phone could be told; resource-constraint where there is too much of anything.
        """
        if (action := _ACTIONS.get(element.get("action", ""))) is None:
            refuse(element, "no such action")
        reason = element.find(REASON)
        others = _others(element)
        return cls(
            action,
            line(element, "sid"),
            tuple(map(Content.parse, few(element, CONTENT, MOST_CONTENTS))),
            line(element, "initiator", "", _LONGEST_JID),
            line(element, "responder", "", _LONGEST_JID),
            None if reason is None else Reason.parse(reason),
            others[0] if others else None,
            tuple(map(Group.parse, few(element, GROUP, MOST_GROUPS))),
            tuple(others[1:]),
        )

    def element(self) -> Element:
        """Return the `<jingle/>`."""
        told = {"initiator": self.initiator, "responder": self.responder}
        attributes = {"action": self.action.value, "sid": self.sid}
        attributes |= {name: value for name, value in told.items() if value}
        children = printed(*self.groups, *self.contents)
        if self.reason is not None:
            children.append(self.reason.element())
        if self.info is not None:
            children += [self.info, *self.others]
        return Element(JINGLE, attributes, children)


_ACTIONS: Final = {str(each): each for each in Action}
_WHYS: Final = {str(each): each for each in Why}
_OWN: Final = frozenset({CONTENT, REASON, GROUP})
_TEXT: Final = f"{{{NS}}}text"
_LONGEST_JID: Final = 3071


def _own(element: Element, name: str) -> str:
    """Return a name in an element's namespace: some forget that a reason has one of its own."""
    return f"{{{element.namespace}}}{name}" if element.namespace else name


def _text(element: Element, name: str) -> str:
    found = element.find(f"{{{NS}}}{name}") or element.find(_own(element, name))
    return "" if found is None else found.text[:LONGEST_TEXT]


def _first(content: Element, name: str) -> Element | None:
    return next((each for each in content.elements if each.local_name == name), None)


def _description(element: Element) -> Description:
    return Rtp.parse(element) if element.name == jingle_rtp.DESCRIPTION else element


def _transport(element: Element) -> Transport:
    if element.name == jingle_ice.TRANSPORT:
        return IceUdp.parse(element)
    return RawUdp.parse(element) if element.name == raw_udp.TRANSPORT else element


def _others(element: Element) -> list[Element]:
    return [each for each in element.elements if each.name not in _OWN][:MOST_OTHERS]
