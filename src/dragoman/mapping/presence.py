"""Presence: stanzas of an XMPP user's resources, and one document with a tuple for each (RFC 8048).

What it says is the same on both sides; §6.2 and §6.3 have the tables.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from math import ceil, floor
from typing import Final

from dragoman.mapping.date import parse_stamp, stamp
from dragoman.mapping.language import language_tag
from dragoman.mapping.pidf import Basic, Document, Note, Tuple
from dragoman.xmpp.element import CLIENT, Element
from dragoman.xmpp.ext import delay, idle, nick
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import presence

SHOWS: Final = ("chat", "", "away", "xa", "dnd")
"""What <show/> may say (RFC 6121 §4.7.2.1), the most available first (RFC 8048 §6.2)."""
HIGHEST: Final = 127
LOWEST: Final = -128
MOST_LANGUAGES: Final = 8
"""Statuses of one presence; those of further languages are left out."""
LONGEST_STATUS: Final = 1024
"""Characters; what is more is cut off."""
LONGEST_NAME: Final = 256
"""Characters of a name that people are shown."""
LONGEST_TEXTS: Final = 16_384
"""Characters of all statuses and names that one document is made into."""
PLAIN: Final = 64
"""Characters of a resource beyond which `plainest` has another in its place."""
CAPABLE: Final = frozenset({"message"})
"""What an XMPP user's client can be asked for by SIP."""
LATE: Final = 60.0
"""Seconds after which presence is told to be of another time than now."""

ACTIVITY: Final = {"away": "away", "xa": "away", "dnd": "busy"}
"""What a phone reads of <show/> (RFC 4480 §3.2)."""
SHOWN: Final = {
    **dict.fromkeys(("away", "meal", "breakfast", "lunch", "dinner"), "away"),
    **dict.fromkeys(("holiday", "travel", "worship"), "away"),
    **dict.fromkeys(("vacation", "permanent-absence", "sleeping"), "xa"),
    **dict.fromkeys(("busy", "on-the-phone", "meeting", "presentation"), "dnd"),
    **dict.fromkeys(("appointment", "performance", "steering", "in-transit"), "away"),
}
"""What activities are in XMPP: not all of them are anything there."""
EXTENDED: Final = {"away": "away", "extended-away": "xa", "busy": "dnd"}
"""Blink's words; its others say no more than open and closed."""

_SHOW: Final = f"{{{CLIENT}}}show"
_STATUS: Final = f"{{{CLIENT}}}status"
_PRIORITY: Final = f"{{{CLIENT}}}priority"
_PREFIX: Final = "ID-"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]")
_ESCAPED: Final = re.compile(rb"_([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Presence:
    """What one resource of somebody tells of itself; "" is none in particular."""

    resource: str
    available: bool = True
    show: str = ""
    statuses: tuple[Note, ...] = ()
    priority: int = 0
    since: float | None = None
    """Seconds since 1970, where it is not of now."""
    idle_since: float | None = None
    nick: str = ""


def read(stanza: Element) -> Presence:
    """Read presence without type or of type unavailable.

    What RFC 6121 §4.7.2 does not allow is left out; at most 8 statuses, of 1,024 characters each.
    """
    show = stanza.find(_SHOW)
    word = "" if show is None else show.text.strip()
    return Presence(
        Jid.parse(stanza.get("from", "")).resource,
        stanza.get("type") != "unavailable",
        word if word in SHOWS else "",
        _statuses(stanza),
        _priority(stanza),
        parse_stamp(delay.sent(stanza) or ""),
        parse_stamp(idle.since(stanza) or ""),
        nick.nickname(stanza).strip()[:LONGEST_NAME],
    )


def to_document(
    entity: str, presences: Sequence[Presence], contact: Callable[[str], str], now: float
) -> Document:
    """Return the document of an XMPP user: a tuple for each resource, the most available first.

    `contact(resource)` is the SIP URI of a resource, `now` the time of those that tell none. Who
    has no resource is one closed tuple (table 1, note 5). What a resource said as it went is told
    where no other is there: phones show one note, whosever it is.
    """
    ordered = sorted(presences, key=_standing)
    best = ordered[0] if ordered and ordered[0].available else None
    if best is not None:
        ordered = [each if each.available else replace(each, statuses=()) for each in ordered]
    tuples = tuple(_to_tuple(each, contact, now) for each in ordered)
    activity = ACTIVITY.get(best.show) if best is not None else None
    return Document(
        entity,
        tuples or (Tuple(tuple_id(""), Basic.CLOSED, timestamp=now),),
        activities=() if activity is None else (activity,),
        display_name=next((each.nick for each in ordered if each.nick), ""),
    )


def from_document(
    document: Document, resource_of: Callable[[str], str], language: str, now: float
) -> list[Presence]:
    """Return what a document tells of a SIP user: one presence for each of his devices.

    `resource_of(contact)` is the resource that a contact names, "" for none; `language` is
    Content-Language, in which notes are that name none. Of two tuples of one device the open one
    counts (RFC 4479 §3.4).
    """
    found: dict[str, Presence] = {}
    contacts: dict[str, str] = {}
    devices: dict[tuple[str, str], str] = {}
    for each in document.tuples:
        what = _from_tuple(each, document, language, now)
        if what is None:
            continue
        resource = resource_of(each.contact) or _own_name(each, contacts)
        contacts.setdefault(resource, each.contact)
        if each.contact and each.device_id:
            resource = devices.setdefault((each.contact, each.device_id), resource)
        known = found.get(resource)
        if known is None or (what.available and not known.available):
            found[resource] = replace(what, resource=resource)
    return _within_bounds(found.values())


def _own_name(found: Tuple, contacts: Mapping[str, str]) -> str:
    """Return the resource that a tuple's id gives; another where that is one of another device."""
    resource = resource_of_id(found.id)
    return resource if contacts.get(resource, found.contact) == found.contact else _hash(found.id)


def _within_bounds(presences: Iterable[Presence]) -> list[Presence]:
    """Leave out texts beyond what all together may have, so that one document stays one."""
    found, room = [], LONGEST_TEXTS
    for each in presences:
        room -= sum(len(note.text) for note in each.statuses) + len(each.nick)
        found.append(each if room >= 0 else replace(each, statuses=(), nick=""))
    return found


def plainest(presences: Iterable[Presence]) -> tuple[Presence, ...]:
    """Return of several presences what may be had in little room: that somebody is there, if so."""
    best = min(presences, key=_standing, default=None)
    if best is None or not best.available:
        return ()
    resource = best.resource if len(best.resource) <= PLAIN else _hash(best.resource)
    return (Presence(resource, show=best.show),)


def to_stanza(what: Presence, from_: Jid, to: Jid) -> Element:
    """Return the presence of a device of the user `from_`, a bare JID."""
    sender = Jid(from_.local, from_.domain, what.resource)
    children: list[Element] = []
    if what.available and what.show:
        children.append(Element(_SHOW, None, (what.show,)))
    children += [
        Element(_STATUS, {"xml:lang": each.lang} if each.lang else {}, (each.text,))
        for each in what.statuses
    ]
    if what.available and what.priority:
        children.append(Element(_PRIORITY, None, (str(what.priority),)))
    if what.since is not None:
        children.append(delay.delay(stamp(what.since)))
    if what.idle_since is not None:
        children.append(idle.idle(stamp(what.idle_since)))
    if what.nick:
        children.append(nick.nick(what.nick))
    kind = None if what.available else "unavailable"
    return presence(str(to), str(sender), type=kind, children=children)


def gone(before: Iterable[Presence], after: Iterable[Presence]) -> list[str]:
    """Return the resources that were available, and are told of no more (RFC 3856 §6.8)."""
    told = {each.resource for each in after}
    return [each.resource for each in before if each.available and each.resource not in told]


def languages(presences: Iterable[Presence]) -> str:
    """Return the languages of all statuses, as Content-Language has them; "" for none."""
    found = dict.fromkeys(note.lang for each in presences for note in each.statuses if note.lang)
    return ", ".join(list(found)[:MOST_LANGUAGES])


def tuple_id(resource: str) -> str:
    """Return the id of a resource's tuple: an xs:ID for any resource (table 1, note 2)."""
    return _PREFIX + _UNSAFE.sub(_escape, resource)


def resource_of_id(id_: str) -> str:
    """Return the resource of a tuple's id, which undoes `tuple_id`; one that is legal."""
    text = id_
    if id_.startswith(_PREFIX):
        octets = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), id_[3:].encode())
        text = octets.decode(errors="replace")
    if not text:
        return ""
    try:
        return Jid.of("", "example.com", text).resource
    except StanzaError:
        return _hash(id_)


def to_priority(priority: int) -> float | None:
    """Return a contact's priority: 0 to 1, to three places (table 1, note 6); None for < 0."""
    return None if priority < 0 else floor(1000 * min(priority, HIGHEST) / HIGHEST) / 1000


def from_priority(priority: float | None) -> int:
    """Return the priority of a resource, which undoes `to_priority` (table 2, note 2)."""
    return 0 if priority is None else ceil(priority * HIGHEST - 1e-9)


def _hash(id_: str) -> str:
    return sha256(id_.encode()).hexdigest()[:16]


def _escape(found: re.Match[str]) -> str:
    return "".join(f"_{octet:02x}" for octet in found[0].encode())


def _standing(what: Presence) -> tuple[bool, int, int]:
    return not what.available, SHOWS.index(what.show), -what.priority


def _statuses(stanza: Element) -> tuple[Note, ...]:
    found: dict[str, str] = {}
    for each in stanza.find_all(_STATUS):
        lang = language_tag(each.get("xml:lang") or stanza.get("xml:lang"))
        text = each.text.strip()[:LONGEST_STATUS]
        if text and len(found) < MOST_LANGUAGES:
            found.setdefault(lang, text)
    return tuple(Note(text, lang) for lang, text in found.items())


def _priority(stanza: Element) -> int:
    found = stanza.find(_PRIORITY)
    text = "" if found is None else found.text.strip()
    digits = text[1:] if text[:1] in {"-", "+"} else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 4):
        return 0
    return int(text) if LOWEST <= int(text) <= HIGHEST else 0


def _to_tuple(what: Presence, contact: Callable[[str], str], now: float) -> Tuple:
    return Tuple(
        tuple_id(what.resource),
        Basic.OPEN if what.available else Basic.CLOSED,
        contact(what.resource),
        to_priority(what.priority) if what.available else None,
        what.show if what.available else "",
        notes=what.statuses,
        timestamp=now if what.since is None else what.since,
        idle_since=what.idle_since,
        capable=CAPABLE if what.available else frozenset(),
    )


def _from_tuple(found: Tuple, document: Document, language: str, now: float) -> Presence | None:
    show, said = _show(found, document)
    if found.basic is None and not said:
        return None
    statuses: dict[str, str] = {}
    for each in (found.notes or document.notes)[:MOST_LANGUAGES]:
        lang = language_tag(each.lang) or language_tag(language)
        statuses.setdefault(lang, each.text[:LONGEST_STATUS])
    late = found.timestamp is not None and found.timestamp < now - LATE
    return Presence(
        "",
        found.basic is not Basic.CLOSED,
        show,
        tuple(Note(text, lang) for lang, text in statuses.items()),
        from_priority(found.priority),
        found.timestamp if late else None,
        found.idle_since,
        document.display_name[:LONGEST_NAME],
    )


def _show(found: Tuple, document: Document) -> tuple[str, bool]:
    """Return <show/>, and whether anything was said that implies that somebody is there."""
    if found.show in SHOWS and found.show:
        return found.show, True
    if found.extended in EXTENDED:
        return EXTENDED[found.extended], True
    told = [each for each in found.activities if each in SHOWN]
    shown = next((SHOWN[each] for each in (*told, *document.activities) if each in SHOWN), "")
    return shown, any(each != "permanent-absence" for each in told)
