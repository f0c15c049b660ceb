"""Attributes of Jingle's elements, held to what SDP can carry (XEP-0167 §6, RFC 8866 §9).

Whatever may end up in a session description is checked here, once, where it is read: so that
nobody smuggles a line, or a word, into what a phone is told. All raise StanzaError: bad-request
for what is missing, is not what it should be or is too long, resource-constraint for too much.
"""

from typing import Final, NoReturn, Protocol

from dragoman.sdp.grammar import is_host, is_line, is_token, is_word
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError

LONGEST: Final = 1024
"""Characters of a value."""
LARGEST: Final = 2**32 - 1
_DIGITS: Final = 20


class Printable(Protocol):
    """What prints itself as an element."""

    def element(self) -> Element:
        """Return the element."""
        ...


def printed(*values: Printable) -> list[Element]:
    """Return the elements of values, in order."""
    return [each.element() for each in values]


def refuse(element: Element, why: str) -> NoReturn:
    """Raise StanzaError (bad-request) about an element; `why` has nothing of what it holds."""
    raise StanzaError(Condition.BAD_REQUEST, text=f"{element.local_name[:40]}: {why}")


def few(element: Element, name: str, most: int) -> list[Element]:
    """Return all children of a name; more than `most` are refused."""
    found = element.find_all(name)
    if len(found) > most:
        local = found[0].local_name
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text=f"more than {most} of {local}")
    return found


def number(
    element: Element, name: str, default: int | None = None, *, least: int = 0, most: int = LARGEST
) -> int:
    """Return a number in decimal digits; `default`, if any, for none or an empty one."""
    text = element.get(name, "").strip()
    if not text:
        if default is None:
            refuse(element, f"no {name}")
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        refuse(element, f"{name} is not a number")
    value = int(text)
    if not least <= value <= most:
        refuse(element, f"{name} is not from {least} to {most}")
    return value


def token(element: Element, name: str, default: str | None = None) -> str:
    """Return a token of SDP; `default`, if any, for none or an empty one."""
    text = _text(element, name, default)
    return text if not text or is_token(text) else refuse(element, f"{name} is not a token")


def word(element: Element, name: str, default: str | None = None, longest: int = LONGEST) -> str:
    """Return a word without blanks; `default`, if any, for none or an empty one."""
    text = _text(element, name, default, longest)
    return text if not text or is_word(text) else refuse(element, f"{name} has blanks")


def line(element: Element, name: str, default: str | None = None, longest: int = LONGEST) -> str:
    """Return a text that fits on a line; `default`, if any, for none or an empty one."""
    text = _text(element, name, default, longest)
    return text if not text or is_line(text) else refuse(element, f"{name} has line breaks")


def host(element: Element, name: str) -> str:
    """Return an address, or the name of a host."""
    text = _text(element, name, None)
    return text if is_host(text) else refuse(element, f"{name} is not a host")


def flag(element: Element, name: str) -> bool:
    """Return a boolean, False for anything but "true" and "1"."""
    return element.get(name, "").strip() in {"true", "1"}


def pairs(element: Element, name: str, most: int) -> tuple[tuple[str, str], ...]:
    """Return what the children of a name, say `<parameter/>`, have as `name` and `value`."""
    return tuple((word(each, "name"), line(each, "value", "")) for each in few(element, name, most))


def paired(name: str, values: tuple[tuple[str, str], ...]) -> list[Element]:
    """Return the children that `pairs` reads; an empty value is left out."""
    return [
        Element(name, {"name": key} | ({"value": value} if value else {})) for key, value in values
    ]


def _text(element: Element, name: str, default: str | None, longest: int = LONGEST) -> str:
    text = element.get(name, "") or default
    if text is None:
        refuse(element, f"no {name}")
    if len(text) > longest:
        refuse(element, f"{name} is too long")
    return text
