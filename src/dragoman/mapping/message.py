"""Page-mode messages (RFC 7572, RFC 3428): SIP MESSAGE into a message stanza, and back.

The tables are those of docs/interworking/im.md §1 to §3. What does not cross is a value or an
error that says so: `Dropped` for what nobody waits for, `Refused` and StanzaError for the rest.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from dragoman.mapping import hops
from dragoman.mapping.address import Unmappable, jid_to_sip, without_gr
from dragoman.mapping.content import Content, read
from dragoman.mapping.date import parse_sip_date, parse_stamp, sip_date, stamp
from dragoman.mapping.excerpt import line
from dragoman.mapping.failure import Refused
from dragoman.mapping.language import language_tag
from dragoman.mapping.readable import Quote, in_language, readable, unknown, withheld
from dragoman.mapping.thread import ThreadBook
from dragoman.msrp.cpim import Cpim
from dragoman.sip.header import NameAddress, parse_seconds
from dragoman.sip.message import Request, SipError, build_request, encode
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element, sanitize
from dragoman.xmpp.ext import delay, encryption, nick, oob
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import BODY, MESSAGE, SUBJECT, THREAD, ends

MAX_REQUEST: Final = 1300
"""Bytes of a whole MESSAGE outside of a media session (RFC 3428 §8)."""

STALE: Final = 60.0
"""Seconds after which the date of a message is worth telling."""

_CONTENT_TYPE: Final = "text/plain;charset=UTF-8"
_COOKIE: Final = "z9hG4bK"
_LONGEST_ID: Final = 64
_LONGEST_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nothing crosses and nobody is told: `reason` is for the log. On SIP the answer is 2xx."""

    reason: str


def to_stanza(
    request: Request,
    sender: Jid,
    recipient: Jid,
    *,
    threads: ThreadBook,
    wall: float,
    reply_type: str | None = "chat",
    id: str = "",  # noqa: A002 - the attribute's name
    wrapper: Cpim | None = None,
) -> Element | Dropped:
    """Return the message stanza for a SIP MESSAGE (RFC 7572 §5).

    `sender` and `recipient` are already decided and mapped; `threads` remembers its Call-ID;
    `wall` is the time in seconds since 1970, by which it may be old or expired; `reply_type` is
    "chat", or None where RFC 7572 is to be followed to the letter; `id` is that of the stanza, ""
    for one made of the topmost Via; `wrapper` its message/cpim object, where that was read before.
    Raises Refused: 415 with what would be accepted, 413, 400.
    """
    try:
        return _to_stanza(request, wrapper, sender, recipient, threads, wall, reply_type, id)
    except SipError as error:
        raise Refused(error.reason, error.status) from error


def to_request(
    stanza: Element,
    *,
    threads: ThreadBook,
    token: Callable[[], str],
    source: Callable[[Jid], Uri] = jid_to_sip,
    target: Callable[[Jid], Uri] = jid_to_sip,
    limit: int | None = MAX_REQUEST,
    via: int = 0,
    quote: Quote = unknown,
) -> Request | Dropped:
    """Return the SIP MESSAGE for a message stanza (RFC 7572 §4), still without Via.

    `source` and `target` map its `from` and `to`; `threads` knows the Call-IDs; `token()` makes
    the From tag; `quote` knows what a reply or reaction is about. A request that, with the `via`
    bytes still to be added, is longer than `limit` is a policy-violation, unless that is None.
    Raises StanzaError with what to tell the sender; for a headline, which wants no answer, the
    same becomes Dropped.
    """
    kind = stanza.get("type", "normal")
    if kind == "error":
        return Dropped("an error answers something else and is no message")
    try:
        request = _to_request(stanza, kind, threads, token, source, target, quote)
        return request if limit is None else _fitting(request, limit, via)
    except StanzaError as error:
        if kind == "headline":
            return Dropped(error.reason)
        raise
    except Unmappable as error:
        if kind == "headline":
            return Dropped(error.reason)
        raise StanzaError(error.condition, text=error.reason) from error


def wants_errors(stanza: Element) -> bool:
    """Say whether the sender of a message is to learn of its failure: not for a headline."""
    return stanza.get("type") not in ("error", "headline")


def _fitting(request: Request | Dropped, limit: int, via: int) -> Request | Dropped:
    if isinstance(request, Request):
        check_size(len(encode(request)) + via, limit)
    return request


def check_size(size: int, limit: int = MAX_REQUEST) -> None:
    """Raise StanzaError (policy-violation) when `size`, of a whole request as sent, exceeds it."""
    if size > limit:
        text = f"The message is too long for SIP: {size} of at most {limit} bytes"
        raise StanzaError(Condition.POLICY_VIOLATION, text=text)


def stanza_id(request: Request) -> str:
    """Return the id for the stanza of a request: its topmost branch without the magic cookie.

    One that is missing, longer than 64 characters or not printable is replaced by a hash. A
    retransmission gets the same id. Raises SipError.
    """
    via = request.via
    found = (via.branch or "").removeprefix(_COOKIE)
    if 0 < len(found) <= _LONGEST_ID and found.isascii() and found.isprintable():
        return found
    return _digest(found, str(via.sent_by), request.call_id, str(request.cseq))


def _to_stanza(
    request: Request,
    wrapper: Cpim | None,
    sender: Jid,
    recipient: Jid,
    threads: ThreadBook,
    wall: float,
    reply_type: str | None,
    id_: str,
) -> Element | Dropped:
    date = request.get("Date")
    sent = None if date is None else parse_sip_date(date)
    if request.get("Expires") is not None and _is_expired(request, sent, wall):
        return Dropped("the message expired on its way")
    content = read(request, wrapper)
    subject = _subject(request, content)
    if not content.text and not subject:
        return Dropped("the message says nothing")
    thread, first = threads.thread(request.call_id, recipient, sender)
    attributes = {"from": str(sender), "to": str(recipient), "id": id_ or stanza_id(request)}
    if reply_type is not None:
        attributes["type"] = reply_type
    language = language_tag(content.language or request.get("Content-Language"))
    if language:
        attributes["xml:lang"] = language
    children = [Element(BODY, None, (content.text,))] if content.text else []
    children += _more(content)
    if subject:
        children.append(Element(SUBJECT, None, (subject,)))
    children.append(Element(THREAD, None, (thread,)))
    if first and (display := line(sanitize(request.from_.display))):
        children.append(nick.nick(display))
    sent = _sent(content, sent)
    if sent is not None and wall - sent > STALE:
        children.append(delay.delay(stamp(sent)))
    if (passed := hops.mark(request)) is not None:
        children.append(passed)
    return Element(MESSAGE, attributes, children)


def _more(content: Content) -> Iterator[Element]:
    """Yield what says the same as the body: in other languages, formatted, as addresses."""
    for tag, text in content.translations:
        if language := language_tag(tag):
            yield Element(BODY, {"xml:lang": language}, (text,))
    if content.xhtml is not None:
        yield content.xhtml
    yield from map(oob.oob, content.urls)


def _to_request(
    stanza: Element,
    kind: str,
    threads: ThreadBook,
    token: Callable[[], str],
    source: Callable[[Jid], Uri],
    target: Callable[[Jid], Uri],
    quote: Quote,
) -> Request | Dropped:
    if reason := _refuse_kind(stanza, kind):
        return Dropped(reason)
    body = in_language(stanza.find_all(BODY), stanza.get("xml:lang"))
    subject = in_language(stanza.find_all(SUBJECT), stanza.get("xml:lang"))
    topic = line(subject.text) if subject is not None else ""
    text = readable(stanza, quote) or topic
    if not text:
        return Dropped(f"nothing that a MESSAGE carries: {_about(stanza)}")
    user, peer = ends(stanza)
    whom = target(peer)
    thread = stanza.find(THREAD) if kind != "headline" else None
    headers = [
        ("Max-Forwards", str(hops.left(stanza))),
        ("To", f"<{without_gr(whom)}>"),
        ("From", _from(stanza, source(user), token())),
        ("Call-ID", threads.call_id("" if thread is None else thread.text, user, peer)),
        ("CSeq", "1 MESSAGE"),
    ]
    if (date := _date(stanza)) is not None:
        headers.append(("Date", date))
    if topic:
        headers.append(("Subject", topic))
    if language := language_tag((body and body.get("xml:lang")) or stanza.get("xml:lang")):
        headers.append(("Content-Language", language))
    headers.append(("Content-Type", _CONTENT_TYPE))
    return build_request("MESSAGE", str(whom), headers, text.encode())


def _is_expired(request: Request, sent: float | None, wall: float) -> bool:
    """Judge Expires (RFC 3428 §7); counted from now, it cannot have passed yet."""
    return sent is not None and sent + parse_seconds(request.get("Expires") or "") < wall


def _subject(request: Request, content: Content) -> str:
    enclosed = content.wrapper.subject(content.language) if content.wrapper is not None else None
    return sanitize(enclosed if enclosed is not None else request.get("Subject") or "")


def _sent(content: Content, date: float | None) -> float | None:
    value = content.wrapper.get("DateTime") if content.wrapper is not None else None
    enclosed = parse_stamp(value) if value is not None else None
    return date if enclosed is None else enclosed


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _refuse_kind(stanza: Element, kind: str) -> str:
    """Raise StanzaError for what cannot be a MESSAGE; return why to drop it, "" to carry it."""
    if kind == "groupchat":
        raise StanzaError(Condition.BAD_REQUEST, text="A person is no room")
    if not encryption.is_encrypted(stanza):
        return withheld(stanza)
    if encryption.is_keys_only(stanza) and not any(each.text for each in stanza.find_all(BODY)):
        # Nobody wrote it, so nobody would know what an error is about.
        return "keys for an encrypted talk, and no message"
    text = "SIP users cannot read encrypted messages: please send it unencrypted"
    raise StanzaError(Condition.NOT_ACCEPTABLE, text=text)


def _about(stanza: Element) -> str:
    namespaces = [child.namespace for child in stanza.elements]
    return ", ".join(namespaces)[:200] or "an empty stanza"


def _from(stanza: Element, uri: Uri, tag: str) -> str:
    display = line(nick.nickname(stanza))[:_LONGEST_NAME]
    return f"{NameAddress(display, uri)};tag={tag}"


def _date(stanza: Element) -> str | None:
    sent = parse_stamp(delay.sent(stanza) or "")
    return None if sent is None else sip_date(sent)
