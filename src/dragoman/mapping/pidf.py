"""Presence documents (RFC 3863), with their persons (RFC 4479), activities (RFC 4480) and names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from dragoman.errors import RemoteError
from dragoman.mapping.date import parse_stamp, stamp
from dragoman.sip.header import MediaType
from dragoman.sip.message import SipError
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.parser import parse_document

MEDIA_TYPE: Final = "application/pidf+xml"
RELATED: Final = "multipart/related"
NS: Final = "urn:ietf:params:xml:ns:pidf"
PERSON: Final = "urn:ietf:params:xml:ns:pidf:data-model"
RPID: Final = "urn:ietf:params:xml:ns:pidf:rpid"
CIPID: Final = "urn:ietf:params:xml:ns:pidf:cipid"
CLIENT: Final = "jabber:client"
BLINK: Final = "urn:ag-projects:xml:ns:pidf"
"""What AG Projects' clients say beyond the standards."""
KNOWN: Final = frozenset({NS, PERSON, RPID, CIPID, CLIENT, BLINK})

LARGEST: Final = 65_535
"""Octets of a document that is read."""
MOST_TUPLES: Final = 64
MOST_NOTES: Final = 16
MOST_ACTIVITIES: Final = 16
LONGEST_NOTE: Final = 2048
"""Characters; what is more is cut off."""

PREFIXES: Final = {PERSON: "dm", RPID: "rpid", CIPID: "c"}
"""Phones look for these very letters."""
DECLARED: Final = "".join(f" xmlns:{prefix}='{space}'" for space, prefix in PREFIXES.items())


class PidfError(RemoteError):
    """A body is no presence document that can be read: 400."""

    status: Final = 400


class Basic(Enum):
    """Whether somebody can be reached there (RFC 3863 §4.1.4)."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Note:
    """A text for people, and its language, "" where that is not said."""

    text: str
    lang: str = ""


@dataclass(frozen=True, slots=True)
class Tuple:
    """One way to reach somebody: a device, mostly."""

    id: str
    basic: Basic | None = None
    contact: str = ""
    priority: float | None = None
    """From 0 to 1."""
    show: str = ""
    """XMPP's own word for it, as RFC 8048 §6.2 puts it in."""
    extended: str = ""
    """Blink's word for it."""
    activities: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    timestamp: float | None = None
    """Seconds since 1970."""
    idle_since: float | None = None
    device_id: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """All of somebody's presence; a person's notes count where the document itself has none."""

    entity: str
    tuples: tuple[Tuple, ...] = ()
    notes: tuple[Note, ...] = ()
    activities: tuple[str, ...] = ()
    """What the person does."""
    display_name: str = ""


def document_of(content_type: str, body: bytes) -> Document | None:
    """Return the document in a body, or in the root of a multipart/related; None for another type.

    Raises PidfError for what cannot be read.
    """
    try:
        media = MediaType.parse(content_type)
    except SipError as error:
        raise PidfError(error.reason) from error
    if media.essence == RELATED:
        found = _root(media, body)
        if found is None:
            return None
        body = found
    elif media.essence != MEDIA_TYPE:
        return None
    return parse(body)


def parse(body: bytes) -> Document:
    """Read a document of at most 65,535 octets; raises PidfError.

    What is not known is passed over, unless it must be understood: then the tuple is that has it.
    """
    if len(body) > LARGEST:
        raise PidfError("the presence document is too long")
    try:
        root = parse_document(body.lstrip(b"\xef\xbb\xbf \t\r\n"), limit=LARGEST)
    except PidfError:
        raise
    except RemoteError as error:
        raise PidfError(error.reason) from error
    if root.name != _pidf("presence"):
        raise PidfError(f"no presence document, but {root.name[:80]!r}")
    tuples = root.find_all(_pidf("tuple"))
    if len(tuples) > MOST_TUPLES:
        raise PidfError(f"a presence document of {len(tuples)} tuples")
    persons = root.find_all(f"{{{PERSON}}}person")[:MOST_TUPLES]
    notes = _notes(root, NS) or tuple(note for each in persons for note in _notes(each, PERSON))
    activities = [name for each in (root, *persons) for name in _activities(each)]
    name = root.find(f"{{{CIPID}}}display-name")
    return Document(
        root.get("entity", ""),
        tuple(_tuple(each) for each in tuples if not _demands(each)),
        notes[:MOST_NOTES],
        tuple(dict.fromkeys(activities))[:MOST_ACTIVITIES],
        "" if name is None else name.text.strip()[:LONGEST_NOTE],
    )


def write(document: Document) -> bytes:
    """Return a document as it goes onto the wire, its elements in the order of the schemas."""
    parts: list[Element] = [_tuple_element(each) for each in document.tuples]
    parts += _note_elements(document.notes)
    if document.activities:
        parts.append(_person(document.activities))
    if document.display_name:
        parts.append(Element(f"{{{CIPID}}}display-name", None, (document.display_name,)))
    inner = "".join([to_xml(each, NS, PREFIXES) for each in parts])
    # The entity is written by the same hand as all attributes: with what it needs of escapes.
    head = to_xml(Element(_pidf("presence"), {"entity": document.entity}), "", {})[:-2]
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{head}{DECLARED}>{inner}</presence>".encode()


# -- reading -----------------------------------------------------------------------------


def _tuple(element: Element) -> Tuple:
    status = element.find(_pidf("status")) or Element(_pidf("status"))
    contact = element.find(_pidf("contact"))
    found = Tuple(
        element.get("id", ""),
        _basic(status),
        "" if contact is None else contact.text.strip(),
        None if contact is None else _priority(contact.get("priority", "")),
        _word(f"{{{CLIENT}}}show", status, element),
        _word(f"{{{BLINK}}}extended", status, element),
        (*_activities(status), *_activities(element))[:MOST_ACTIVITIES],
        _notes(element, NS),
        parse_stamp(_word(_pidf("timestamp"), element)),
        device_id=_word(f"{{{PERSON}}}deviceID", element),
    )
    idle = element.find(f"{{{RPID}}}user-input")
    if idle is not None and idle.text.strip() == "idle":
        return replace(found, idle_since=parse_stamp(idle.get("last-input", "")))
    return found


def _basic(status: Element) -> Basic | None:
    text = _word(_pidf("basic"), status).lower()
    return next((each for each in Basic if each.value == text), None)


def _priority(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.0 <= value <= 1.0 else None


def _word(name: str, *places: Element) -> str:
    for place in places:
        found = place.find(name)
        if found is not None:
            return found.text.strip()
    return ""


def _notes(element: Element, namespace: str) -> tuple[Note, ...]:
    found = element.find_all(f"{{{namespace}}}note")[:MOST_NOTES]
    notes = (Note(each.text.strip()[:LONGEST_NOTE], each.get("xml:lang", "")) for each in found)
    return tuple(note for note in notes if note.text)


def _activities(element: Element) -> Iterator[str]:
    for each in element.find_all(f"{{{RPID}}}activities")[:MOST_ACTIVITIES]:
        for child in each.elements[:MOST_ACTIVITIES]:
            if child.namespace == RPID:
                yield child.local_name


def _demands(element: Element) -> bool:
    """Tell whether something in a tuple must be understood, and is not (RFC 3863 §4.2.3)."""
    for child in element.elements:
        must = child.get(_pidf("mustUnderstand"), "") in {"1", "true"}
        if (must and child.namespace not in KNOWN) or _demands(child):
            return True
    return False


def _root(media: MediaType, body: bytes) -> bytes | None:
    """Return the root of a multipart/related, if it is a presence document (RFC 2387)."""
    boundary = media.param("boundary") or ""
    if not 0 < len(boundary) <= 70:
        raise PidfError("a multipart without a boundary")
    wanted = (media.param("start") or "").strip("<>")
    for part in body.split(b"--" + boundary.encode())[1 : MOST_TUPLES + 1]:
        head, _, content = part.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
        headers = dict(_header(line) for line in head.decode("latin-1").split("\n"))
        if wanted and headers.get("content-id", "").strip("<>") != wanted:
            continue
        is_presence = headers.get("content-type", "").lower().startswith(MEDIA_TYPE)
        return content if is_presence else None
    return None


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


# -- writing -----------------------------------------------------------------------------


def _tuple_element(found: Tuple) -> Element:
    children = [_status(found)]
    if found.idle_since is not None:
        last = {"last-input": stamp(found.idle_since)}
        children.append(Element(f"{{{RPID}}}user-input", last, ("idle",)))
    if found.device_id:
        children.append(Element(f"{{{PERSON}}}deviceID", None, (found.device_id,)))
    if found.contact:
        given = {} if found.priority is None else {"priority": f"{found.priority:.3f}"}
        children.append(Element(_pidf("contact"), given, (found.contact,)))
    children += _note_elements(found.notes)
    if found.timestamp is not None:
        children.append(Element(_pidf("timestamp"), None, (stamp(found.timestamp),)))
    return Element(_pidf("tuple"), {"id": found.id}, children)


def _status(found: Tuple) -> Element:
    children = []
    if found.basic is not None:
        children.append(Element(_pidf("basic"), None, (found.basic.value,)))
    if found.show:
        children.append(Element(f"{{{CLIENT}}}show", None, (found.show,)))
    if found.extended:
        children.append(Element(f"{{{BLINK}}}extended", None, (found.extended,)))
    if found.activities:
        children.append(_activities_element(found.activities))
    return Element(_pidf("status"), None, children)


def _note_elements(notes: Iterable[Note]) -> list[Element]:
    return [
        Element(_pidf("note"), {"xml:lang": each.lang} if each.lang else {}, (each.text,))
        for each in notes
    ]


def _person(activities: tuple[str, ...]) -> Element:
    return Element(f"{{{PERSON}}}person", {"id": "person"}, [_activities_element(activities)])


def _activities_element(activities: tuple[str, ...]) -> Element:
    return Element(
        f"{{{RPID}}}activities", None, [Element(f"{{{RPID}}}{each}") for each in activities]
    )


def _pidf(name: str) -> str:
    return f"{{{NS}}}{name}"
