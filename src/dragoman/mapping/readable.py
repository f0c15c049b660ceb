"""What a message says to somebody who has a phone (XEP-0308, 0424, 0444, 0461, 0066, 0224, 0382).

A phone shows text and nothing else: so a correction, a retraction, a reaction and the rest are put
into words here, once, in place of what a client wrote for those who do not know them (XEP-0428).
"""

from collections.abc import Callable, Container, Iterable
from typing import Final

from dragoman.mapping.excerpt import LONGEST, excerpt, line
from dragoman.xmpp.element import Element, sanitize
from dragoman.xmpp.ext import (
    attention,
    chatstates,
    correction,
    delay,
    fallback,
    forwarding,
    markers,
    oob,
    reactions,
    receipts,
    replies,
    retraction,
    sources,
    spoiler,
    stanza_ids,
)
from dragoman.xmpp.stanza import BODY, SUBJECT, THREAD

Quote = Callable[[str], str]
"""The text of the message with that id in the conversation at hand, "" where it is not known."""

MOST_URLS: Final = 32
MOST_LINES: Final = 3
"""Lines of another message that a reply repeats: usually whose it was, and how it began."""
LONGEST_EMOJI: Final = 16
"""Code points: a couple kissing, each with a skin of their own, has ten."""

_BESIDE: Final = frozenset(
    {
        *(BODY, SUBJECT, THREAD, stanza_ids.ORIGIN_ID, stanza_ids.STANZA_ID),
        *(receipts.REQUEST, markers.MARKABLE),
        *(chatstates.element(state).name for state in chatstates.State),
    }
)
"""Elements beside which a message reads as its body."""
_RETRACTIONS: Final = (retraction.NS, retraction.EARLIER)
_REACTIONS: Final = (reactions.NS, replies.NS)
_LONGEST_BOILERPLATE: Final = 200
_QUOTED: Final = 4000


def unknown(_: str) -> str:
    """Know no message."""
    return ""


def readable(stanza: Element, quote: Quote = unknown) -> str:
    """Return the text that tells a message to its reader, "" where there is nothing to tell.

    `quote` knows the messages that others refer to.  Chat states, receipts and markers are not
    text; nor is a message within this one.
    """
    if _is_plain(stanza):
        return _body(stanza)
    taken_back = retraction.retracts(stanza)
    if taken_back is not None:
        return _retracted(stanza, taken_back, quote)
    reacted = reactions.reactions(stanza)
    if reacted is not None:
        return _reacted(stanza, reacted, quote)
    text = said(stanza)
    if not text:
        return "[buzz]" if attention.calls(stanza) and delay.sent(stanza) is None else ""
    text = _spoiling(stanza, text)
    if correction.replaces(stanza) is not None:
        return f"* {text}"
    return _joined(*_quotation(stanza, text, quote), text)


def said(stanza: Element) -> str:
    """Return what its sender himself says with a message: words, and addresses of files.

    That is what to remember of it, for others that refer to it; of a correction it is the new text.
    """
    text = _body(stanza)
    if _is_plain(stanza):
        return text
    replied = replies.replied_to(stanza)
    if replied is not None:
        _, own = _parted(stanza, text, (replies.NS,))
        text = own.lstrip("\n") if own.strip() else text
    for url in _urls(stanza):
        if url not in text:
            text = _joined(text, url)
    return text or _joined(*(f"[file: {excerpt(name)}]" for name in _names(stanza)))


def known_as(stanza: Element) -> list[str]:
    """Return the ids by which other messages may refer to this one, without those too long.

    A correction is referred to by the id of what it corrects as well (XEP-0444 §4).
    """
    given = stanza.get("id", ""), stanza_ids.origin_id(stanza), correction.replaces(stanza) or ""
    return [each for each in dict.fromkeys(given) if 0 < len(each) <= stanza_ids.LONGEST]


def corrects_nothing(stanza: Element, had: Callable[[str, str], bool]) -> bool:
    """Say whether a correction leaves the text as it was, so that nobody need read it again.

    `had(id, text)` knows whether the sender's message with that id has `said` that text last.
    """
    replaced = correction.replaces(stanza) or ""
    return 0 < len(replaced) <= stanza_ids.LONGEST and had(replaced, said(stanza))


def withheld(stanza: Element) -> str:
    """Return why nothing of a message is to be read by anybody, "" for one that may be read."""
    if forwarding.is_copy(stanza):
        return "a copy of another message, from who is not the receiver's server"
    if forwarding.is_forwarded(stanza) and not said(stanza):
        return "a message passed on without a word"
    return ""


def _is_plain(stanza: Element) -> bool:
    """Say whether a message is its body and nothing else, as most are."""
    return all(child.name in _BESIDE for child in stanza.elements)


def in_language(found: Iterable[Element], language: str | None) -> Element | None:
    """Return the element in the stanza's language, or else the first."""
    first: Element | None = None
    for element in found:
        if element.get("xml:lang") in (None, language):
            return element
        first = first or element
    return first


def _retracted(stanza: Element, id_: str, quote: Quote) -> str:
    told = f"[took back{_which(id_, quote, ': ') or ' a message'}]"
    marked, rest = _parted(stanza, _body(stanza), _RETRACTIONS)
    return told if not marked and _is_boilerplate(rest) else _joined(told, rest.strip())


def _is_boilerplate(text: str) -> bool:
    """Recognize the words that clients put beside a retraction, where they are not marked."""
    lower = text.lower() if len(text) <= _LONGEST_BOILERPLATE else ""
    return "retract" in lower and ("unsupported" in lower or "not support" in lower)


def _reacted(stanza: Element, reacted: reactions.Reactions, quote: Quote) -> str:
    emoji = [excerpt(each, LONGEST_EMOJI) for each in reacted.emoji]
    which = _which(reacted.id, quote, " to ")
    told = f"[reacted {' '.join(emoji)}{which}]" if emoji else f"[took back a reaction{which}]"
    _, rest = _parted(stanza, _body(stanza), _REACTIONS)
    # Who does not mark his fallback has the emoji themselves there.
    again = "".join(rest.split()) == "".join(emoji)
    return told if again else _joined(told, rest.strip())


def _which(id_: str, quote: Quote, before: str) -> str:
    """Return the beginning of a message in quotation marks, after `before`; "" if not known."""
    found = excerpt(_unquoted(_known(quote, id_)))
    return f'{before}"{found}"' if found else ""


def _quotation(stanza: Element, text: str, quote: Quote) -> list[str]:
    """Return the lines that say what a reply is about: its sender's own, else the message known."""
    replied = replies.replied_to(stanza)
    if replied is None:
        return []
    stand_in, own = _parted(stanza, _body(stanza), (replies.NS,))
    if stand_in.strip() and own.strip():
        found = [line(each.removeprefix(">")) for each in stand_in[:_QUOTED].splitlines()]
        lines = [f"> {excerpt(each)}" for each in found if each]
        return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], "> …"]
    found_ = excerpt(_unquoted(_known(quote, replied)), LONGEST)
    return [f"> {found_}"] if found_ and not text.startswith(">") else []


def _unquoted(text: str) -> str:
    """Return `text` without the lines that quote another, unless there is nothing else."""
    own = [each for each in text[:_QUOTED].split("\n") if not each.startswith(">")]
    return "\n".join(own) if any(map(str.strip, own)) else text


def _spoiling(stanza: Element, text: str) -> str:
    about = spoiler.hint(stanza, stanza.get("xml:lang"))
    if about is None:
        return text
    topic = excerpt(about)
    return f"[spoiler: {topic}]\n{text}" if topic else f"[spoiler]\n{text}"


def _urls(stanza: Element) -> list[str]:
    found = (*oob.urls(stanza), *sources.urls(stanza))
    return [url for each in dict.fromkeys(found[:MOST_URLS]) if (url := line(sanitize(each)))]


def _names(stanza: Element) -> list[str]:
    return sources.names(stanza)[:MOST_URLS]


def _body(stanza: Element) -> str:
    found = in_language(stanza.find_all(BODY), stanza.get("xml:lang"))
    return "" if found is None else found.text


def _parted(stanza: Element, text: str, understood: Container[str]) -> tuple[str, str]:
    return fallback.split(text, fallback.ranges(stanza, understood, len(text)))


def _known(quote: Quote, id_: str) -> str:
    return quote(id_) if 0 < len(id_) <= stanza_ids.LONGEST else ""


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
