"""Presence documents (RFC 3863), with their persons (RFC 4479), activities (RFC 4480) and names."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Final

from dragoman.errors import RemoteError
from dragoman.mapping import multipart
from dragoman.mapping.date import parse_stamp, stamp
from dragoman.mapping.document import read_document
from dragoman.sip.header import MediaType
from dragoman.sip.message import SipError
from dragoman.xmpp.element import Element, to_xml

MEDIA_TYPE: Final = "application/pidf+xml"
RELATED: Final = "multipart/related"
NS: Final = "urn:ietf:params:xml:ns:pidf"
PERSON: Final = "urn:ietf:params:xml:ns:pidf:data-model"
RPID: Final = "urn:ietf:params:xml:ns:pidf:rpid"
CIPID: Final = "urn:ietf:params:xml:ns:pidf:cipid"
CAPS: Final = "urn:ietf:params:xml:ns:pidf:caps"
CLIENT: Final = "jabber:client"
BLINK: Final = "urn:ag-projects:xml:ns:pidf"
"""What AG Projects' clients say beyond the standards."""
PERSONS: Final = (PERSON, "urn:ietf:params:xml:ns:pidf:person")
RPIDS: Final = (RPID, "urn:ietf:params:xml:ns:pidf:rpid:rpid-person")
"""The second of each is a draft's, which Asterisk writes."""

LARGEST: Final = 65_535
"""Octets of a document that is read."""
MOST_TUPLES: Final = 64
MOST_PARTS: Final = 32
MOST_NOTES: Final = 16
MOST_ACTIVITIES: Final = 16
LONGEST_NOTE: Final = 2048
"""Characters; what is more is cut off."""

CAPABILITIES: Final = ("audio", "message", "video")

PREFIXES: Final = {PERSON: "dm", RPID: "rpid", CIPID: "c", CAPS: "caps"}
"""Phones look for these very letters."""
DECLARED: Final = "".join(f" xmlns:{prefix}='{space}'" for space, prefix in PREFIXES.items())


_QVALUE: Final = re.compile(r"0(?:\.[0-9]{0,17})?|1(?:\.0{0,17})?|\.[0-9]{1,17}")


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
    capable: frozenset[str] = frozenset()
    """Of audio, message and video, what the service there can do (RFC 5196 §3.2)."""


@dataclass(frozen=True, slots=True)
class Document:
    """All of somebody's presence; a person's notes count where the document itself has none."""

    entity: str
    tuples: tuple[Tuple, ...] = ()
    notes: tuple[Note, ...] = ()
    activities: tuple[str, ...] = ()
    """What the person does."""
    display_name: str = ""


def document_of(content_type: str, body: bytes, now: float = 0.0) -> Document | None:
    """Return the document in a body, or in the root of a multipart/related; None for another type.

    `now` is that of `parse`. Raises PidfError for what cannot be read.
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
    return parse(body, now)


def parse(body: bytes, now: float = 0.0) -> Document:
    """Read a document of at most 65,535 octets; raises PidfError.

    What is not known is passed over (RFC 3863 §4.2.3), and what was done until a time before `now`,
    in seconds since 1970 (RFC 4480 §3.1).
    """
    root = _read(body)
    if root.name != _pidf("presence"):
        raise PidfError(f"no presence document, but {root.name[:80]!r}")
    tuples = root.find_all(_pidf("tuple"))
    if len(tuples) > MOST_TUPLES:
        raise PidfError(f"a presence document of {len(tuples)} tuples")
    persons = [each for space in PERSONS for each in root.find_all(f"{{{space}}}person")]
    del persons[MOST_TUPLES:]
    lang = root.get("xml:lang", "")
    notes = tuple(note for each in persons for note in _notes(each, PERSON, lang))
    activities = [name for each in (root, *persons) for name in _activities(each, now)]
    idle = _idle_devices(root)
    return Document(
        root.get("entity", ""),
        tuple(_tuple(each, lang, idle, now) for each in tuples),
        (notes or _notes(root, NS, lang))[:MOST_NOTES],
        tuple(dict.fromkeys(activities))[:MOST_ACTIVITIES],
        _word(f"{{{CIPID}}}display-name", *persons, *tuples, root)[:LONGEST_NOTE],
    )


def write(document: Document) -> bytes:
    """Return a document as it goes onto the wire, its elements in the order of the schemas."""
    parts: list[Element] = [_tuple_element(each) for each in document.tuples]
    parts += _note_elements(document.notes)
    if document.activities or document.display_name:
        parts.append(_person(document))
    inner = "".join([to_xml(each, NS, PREFIXES) for each in parts])
    # The entity is written by the same hand as all attributes: with what it needs of escapes.
    head = to_xml(Element(_pidf("presence"), {"entity": document.entity}), "", {})[:-2]
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{head}{DECLARED}>{inner}</presence>".encode()


# -- reading -----------------------------------------------------------------------------


def _read(body: bytes) -> Element:
    try:
        return read_document(body, LARGEST)
    except RemoteError as error:
        raise PidfError(error.reason) from error


def _idle_devices(root: Element) -> dict[str, float | None]:
    """Return since when devices are idle, by their names (RFC 4480 §3.14, RFC 4479 §3.4)."""
    devices = root.find_all(f"{{{PERSON}}}device")[:MOST_TUPLES]
    return {_word(f"{{{PERSON}}}deviceID", each): _idle(each) for each in devices}


def _idle(element: Element) -> float | None:
    found = element.find(f"{{{RPID}}}user-input")
    if found is None or found.text.strip() != "idle":
        return None
    return parse_stamp(found.get("last-input", ""))


def _tuple(element: Element, lang: str, idle: Mapping[str, float | None], now: float) -> Tuple:
    status = element.find(_pidf("status")) or Element(_pidf("status"))
    contact = element.find(_pidf("contact"))
    device_id, since = _word(f"{{{PERSON}}}deviceID", element), _idle(element)
    return Tuple(
        element.get("id", ""),
        _basic(status),
        "" if contact is None else contact.text.strip(),
        None if contact is None else _priority(contact.get("priority", "")),
        _word(f"{{{CLIENT}}}show", status, element),
        _word(f"{{{BLINK}}}extended", status, element),
        tuple(_activities(element, now))[:MOST_ACTIVITIES],
        _notes(element, NS, lang),
        parse_stamp(_word(_pidf("timestamp"), element)),
        idle.get(device_id) if since is None else since,
        device_id,
        _capable(element),
    )


def _capable(element: Element) -> frozenset[str]:
    found = element.find(f"{{{CAPS}}}servcaps")
    if found is None:
        return frozenset()
    told = ((each, _word(f"{{{CAPS}}}{each}", found)) for each in CAPABILITIES)
    return frozenset(each for each, text in told if text in {"true", "1"})


def _basic(status: Element) -> Basic | None:
    text = _word(_pidf("basic"), status).lower()
    return next((each for each in Basic if each.value == text), None)


def _priority(text: str) -> float | None:
    return float(text) if _QVALUE.fullmatch(text.strip()) else None


def _word(name: str, *places: Element) -> str:
    for place in places:
        found = place.find(name)
        if found is not None:
            return found.text.strip()
    return ""


def _notes(element: Element, namespace: str, lang: str) -> tuple[Note, ...]:
    """Return notes with their languages, which those around them may tell (RFC 3863 §4.1.6)."""
    lang = element.get("xml:lang", lang)
    found = element.find_all(f"{{{namespace}}}note")[:MOST_NOTES]
    notes = (Note(each.text.strip()[:LONGEST_NOTE], each.get("xml:lang", lang)) for each in found)
    return tuple(note for note in notes if note.text)


def _activities(element: Element, now: float) -> Iterator[str]:
    """Yield what is done there; a draft has <status> between.

    An element with something that must be understood, and is not, is passed over (§4.3.3).
    """
    for place in (element, *element.find_all(_pidf("status"))[:1]):
        for space in RPIDS:
            for each in place.find_all(f"{{{space}}}activities")[:MOST_ACTIVITIES]:
                children = each.elements[:MOST_ACTIVITIES]
                until = parse_stamp(each.get("until", ""))
                over = until is not None and until < now
                if not over and not any(map(_demands, children)):
                    yield from [one.local_name for one in children if one.namespace == space]


def _demands(element: Element) -> bool:
    must = element.get(_pidf("mustUnderstand"), "") in {"1", "true"}
    return must and element.namespace not in RPIDS


def _root(media: MediaType, body: bytes) -> bytes | None:
    """Return the root of a multipart/related, if it is a presence document (RFC 2387)."""
    boundary = media.param("boundary") or ""
    if not 0 < len(boundary) <= multipart.LONGEST_BOUNDARY:
        raise PidfError("a multipart without a boundary")
    wanted = (media.param("start") or "").strip("<>")
    found = islice(multipart.parts(boundary.encode(), body), MOST_PARTS)
    for headers, content in found:
        if wanted and headers.get("content-id", "").strip("<>") != wanted:
            continue
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        encoding = headers.get("content-transfer-encoding", "").lower()
        return multipart.transfer_decoded(content, encoding) if kind == MEDIA_TYPE else None
    return None


# -- writing -----------------------------------------------------------------------------


def _tuple_element(found: Tuple) -> Element:
    children = [_status(found)]
    if found.idle_since is not None:
        last = {"last-input": stamp(found.idle_since)}
        children.append(Element(f"{{{RPID}}}user-input", last, ("idle",)))
    if found.capable:
        told = [
            Element(f"{{{CAPS}}}{each}", None, (str(each in found.capable).lower(),))
            for each in CAPABILITIES
        ]
        children.append(Element(f"{{{CAPS}}}servcaps", None, told))
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


def _person(document: Document) -> Element:
    children = []
    if document.activities:
        children.append(_activities_element(document.activities))
    if document.display_name:
        children.append(Element(f"{{{CIPID}}}display-name", None, (document.display_name,)))
    return Element(f"{{{PERSON}}}person", {"id": "person"}, children)


def _activities_element(activities: tuple[str, ...]) -> Element:
    return Element(
        f"{{{RPID}}}activities", None, [Element(f"{{{RPID}}}{each}") for each in activities]
    )


def _pidf(name: str) -> str:
    return f"{{{NS}}}{name}"
