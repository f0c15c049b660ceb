"""Conference documents (RFC 4575), which are the same in XEP-0298: read, made coherent, written.

A phone's come as bodies of NOTIFY, a client's within stanzas. Either may tell of changes only;
what leaves here is all that is known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from dragoman.errors import RemoteError
from dragoman.mapping.address import Unmappable, parse_xmpp_uri
from dragoman.mapping.document import read_document
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext.coin import DOCUMENT, DOCUMENT_NS
from dragoman.xmpp.jid import Jid

MEDIA_TYPE: Final = "application/conference-info+xml"
LARGEST: Final = 65_535
"""Octets of a document, and of all that is known of a conference."""
MOST_USERS: Final = 500
LINPHONE: Final = b"linphone:xml:ns:conference-info"
"""Is declared in documents of Linphone's, whose <users> are said to be all of them and are not."""
LATEST: Final = 2**32 - 1
"""The highest version (§4.3)."""


class ConferenceError(RemoteError):
    """A document cannot be taken: 400, or 413 where it, or the conference, is too large."""

    def __init__(self, reason: str, status: int = 400) -> None:
        """Say why, and what SIP answers."""
        super().__init__(reason)
        self.status: Final = status


class Gap(RemoteError):
    """A document tells of changes to what was never heard: all is to be asked for (§4.6)."""


class State(StrEnum):
    """How much of an element is told (§4.4)."""

    FULL = "full"
    PARTIAL = "partial"
    DELETED = "deleted"

    @classmethod
    def of(cls, element: Element) -> "State":
        """Return the state of an element: full, where it says none that is known."""
        said = element.get("state", "").strip() if element.namespace == DOCUMENT_NS else ""
        return next((each for each in cls if each == said), cls.FULL)


@dataclass(frozen=True, slots=True)
class Document:
    """One document; `version` is None where it has none, which XEP-0298 allows."""

    root: Element
    state: State
    version: int | None

    @classmethod
    def of(cls, root: Element) -> Self:
        """Take a document that is read already; raises ConferenceError."""
        if root.name != DOCUMENT:
            raise ConferenceError(f"no conference document, but {root.name[:80]!r}")
        return cls(root, State.of(root), _version(root.get("version", "").strip()))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a document of at most 65,535 octets; raises ConferenceError."""
        if len(body) > LARGEST:
            raise ConferenceError("the conference document is too long", 413)
        try:
            root = read_document(body, LARGEST)
        except RemoteError as error:
            raise ConferenceError(error.reason) from error
        if LINPHONE in body:
            for each in root.find_all(_USERS):
                each.attributes["state"] = root.get("state", "full")
        return cls.of(root)


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a conference, by what was heard of it in order."""

    root: Element | None = None
    """A full document; None: nothing was heard."""
    version: int | None = None
    over: bool = False
    """Whether it has ceased to exist."""

    def heard(self, document: Document) -> "Known":
        """Return what is known after a document: the same, where it tells of the past (§4.6).

        Raises Gap, and ConferenceError where that were too much.
        """
        version = document.version
        if self.version is not None and version is not None and version <= self.version:
            return self
        if document.state is State.PARTIAL:
            root = self._changed(document)
        else:
            root = _coherent(document.root)
        _bounded(root)
        return Known(root, version, document.state is State.DELETED)

    def _changed(self, document: Document) -> Element:
        if self.root is None:
            raise Gap("a part of a conference document without the whole")
        if None not in {self.version, document.version} and document.version != self._next:
            raise Gap(f"version {document.version} after {self.version}")
        return _merged(self.root, document.root)

    @property
    def _next(self) -> int:
        return (self.version or 0) + 1

    def told(self, entity: str, version: int) -> Element | None:
        """Return it as a document of ours about the conference `entity`; None for nothing."""
        if self.root is None:
            return None
        state = State.DELETED if self.over else State.FULL
        said = {"entity": entity, "state": state.value, "version": str(version)}
        return Element(
            DOCUMENT, self.root.attributes | said, () if self.over else self.root.children
        )

    @property
    def entity(self) -> str:
        """The conference's address, "" for none told."""
        return "" if self.root is None else self.root.get("entity", "")


def in_sip(element: Element, named: Callable[[Jid], Uri]) -> Element:
    """Return an element whose users and their devices have SIP addresses in place of `xmpp:` ones.

    Phones read no others: Linphone takes `xmpp:` for somebody's name. `named` raises Unmappable for
    who has none; he stays as he is, and so does one whose address another has already.
    """
    taken = {each.get("entity", "") for each in element.elements}
    children: list[Element | str] = []
    for each in element.children:
        if isinstance(each, Element) and each.namespace == DOCUMENT_NS:
            each = in_sip(each, named)
            if each.name in _PEOPLE:
                each.attributes = each.attributes | _address(each.get("entity", ""), named, taken)
        children.append(each)
    return Element(element.name, element.attributes, children)


def _address(entity: str, named: Callable[[Jid], Uri], taken: set[str]) -> dict[str, str]:
    try:
        found = str(named(parse_xmpp_uri(entity)))
    except (Unmappable, RemoteError):
        return {}
    if found in taken:
        return {}
    taken.add(found)
    return {"entity": found}


def write(document: Element) -> bytes:
    """Return a document as the body of a NOTIFY."""
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{to_xml(document)}".encode()


def _version(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return min(int(text), LATEST)


def _bounded(root: Element) -> None:
    """Raise ConferenceError for what is more than we keep, or anybody is told."""
    users = sum(len(each.find_all(_USER)) for each in root.find_all(_USERS))
    if users > MOST_USERS:
        raise ConferenceError(f"a conference of {users} users", 413)
    if len(to_xml(root).encode()) > LARGEST:
        raise ConferenceError("a conference of too many words", 413)


# -- one coherent state of many documents (§4.6) ---------------------------------------------------

_USERS: Final = f"{{{DOCUMENT_NS}}}users"
_USER: Final = f"{{{DOCUMENT_NS}}}user"
_PEOPLE: Final = frozenset({_USER, f"{{{DOCUMENT_NS}}}endpoint"})
_KEYS: Final = {
    "user": ("entity",),
    "endpoint": ("entity",),
    "media": ("id",),
    "entry": ("entity", "label"),
}
"""What tells elements of one name apart (§4.5): for an entry without these it is its <uri>."""
_ORDER: Final = {
    "conference-info": (
        *("conference-description", "host-info", "conference-state", "users"),
        *("sidebars-by-ref", "sidebars-by-val"),
    ),
    "conference-description": (
        *("display-text", "subject", "free-text", "keywords", "conf-uris", "service-uris"),
        *("maximum-user-count", "available-media"),
    ),
    "host-info": ("display-text", "web-page", "uris"),
    "conference-state": ("user-count", "active", "locked"),
    "user": (
        *("display-text", "associated-aors", "roles", "languages", "cascaded-focus", "endpoint"),
    ),
    "endpoint": (
        *("display-text", "referred", "status", "joining-method", "joining-info"),
        *("disconnection-method", "disconnection-info", "media", "call-info"),
    ),
    "media": ("display-text", "type", "label", "src-id", "status"),
}
"""In which order the schema wants what an element has (§6)."""


def _key(element: Element) -> tuple[str, str]:
    """Return what an element is known by among its siblings."""
    named = _KEYS.get(element.local_name, ()) if element.namespace == DOCUMENT_NS else ()
    found = next((value for each in named if (value := element.get(each))), "")
    uri = element.find(f"{{{DOCUMENT_NS}}}uri")
    return element.name, found if found or not named or uri is None else uri.text.strip()


def _merged(known: Element, update: Element) -> Element:
    """Return an element after a partial one of the same key."""
    changes: dict[tuple[str, str], list[Element]] = {}
    for each in update.elements:
        changes.setdefault(_key(each), []).append(each)
    children: list[Element | str] = []
    for each in known.elements:
        told = changes.get(_key(each))
        if told is None:
            children.append(each)
        else:
            children += _after(each, told)
            changes[_key(each)] = []
    for told in changes.values():
        children += _after(None, told)
    attributes = known.attributes | update.attributes
    attributes.pop("state", None)
    return _ordered(Element(known.name, attributes, children))


def _after(known: Element | None, told: list[Element]) -> list[Element]:
    """Return what is left of an element, if it was known, after what is told under its key."""
    found = known
    for each in told:
        state = State.of(each)
        if each.name == _USERS and each.get("state") is None:
            state = State.PARTIAL  # as in the example of §7.2
        if state is State.DELETED:
            found = None
        elif state is State.PARTIAL and found is not None:
            found = _merged(found, each)
        else:
            found = _coherent(each)
    return [] if found is None else [found]


def _coherent(element: Element) -> Element:
    """Return a full element without white space between others, and without what is deleted."""
    inner = element.elements
    if not inner:
        return Element(element.name, _without_state(element), element.children)
    kept = [_coherent(each) for each in inner if State.of(each) is not State.DELETED]
    return _ordered(Element(element.name, _without_state(element), kept))


def _without_state(element: Element) -> dict[str, str]:
    if element.namespace != DOCUMENT_NS:
        return element.attributes
    return {name: value for name, value in element.attributes.items() if name != "state"}


def _ordered(element: Element) -> Element:
    order = _ORDER.get(element.local_name, ())
    ranks = {f"{{{DOCUMENT_NS}}}{name}": rank for rank, name in enumerate(order)}
    if ranks:
        element.children.sort(
            key=lambda each: ranks.get(each.name, len(ranks)) if isinstance(each, Element) else 0
        )
    return element
