"""Entity Capabilities (XEP-0115): what somebody can do, told by a hash in his presence."""

from base64 import b64encode
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha1
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.disco import INFO, Info

NS: Final = "http://jabber.org/protocol/caps"
HASH: Final = "sha-1"
MOST: Final = 256
"""Sets that are remembered; the longest unused is forgotten."""

_FORM: Final = "{jabber:x:data}x"
_FIELD: Final = "{jabber:x:data}field"
_VALUE: Final = "{jabber:x:data}value"
_FORM_TYPE: Final = "FORM_TYPE"


def verification(query: Element) -> str:
    """Return the `ver` of a disco#info answer's `<query/>`, by SHA-1 (§5.1).

    Forms whose FORM_TYPE is not there, or not hidden, are passed over (§5.4).
    """
    pieces = [*_identities(query), *_features(query), *_forms(query)]
    text = "".join(f"{piece}<" for piece in pieces)
    # Collisions are the protocol's own business: nobody is believed for such a hash (§9.2).
    return b64encode(sha1(text.encode(), usedforsecurity=False).digest()).decode()


class Capabilities:
    """The sets of abilities that were told of under one `node`, the URI of the software.

    Each is known by its hash from then on, so that whoever saw it can ask what it stands for.
    """

    def __init__(self, node: str, most: int = MOST) -> None:
        """Start with nothing told; `most` sets are remembered."""
        self._node = node
        self._most = most
        self._hashes: OrderedDict[Info, str] = OrderedDict()
        self._sets: dict[str, Info] = {}

    def __len__(self) -> int:
        """Return how many sets are remembered."""
        return len(self._hashes)

    def tell(self, info: Info) -> Element:
        """Return the `<c/>` that tells of a set (§4), which is known from now on."""
        ver = self._hashes.get(info)
        if ver is None:
            ver = self._hashes[info] = verification(info.query())
            self._sets[ver] = info
            if len(self._hashes) > self._most:
                _, forgotten = self._hashes.popitem(last=False)
                del self._sets[forgotten]
        else:
            self._hashes.move_to_end(info)
        return Element(f"{{{NS}}}c", {"hash": HASH, "node": self._node, "ver": ver})

    def find(self, node: str) -> Info | None:
        """Return the set that a node of disco#info names, "NODE#ver" (§6.2); None: not known."""
        name, _, ver = node.rpartition("#")
        return self._sets.get(ver) if name == self._node else None


def _identities(query: Element) -> list[str]:
    found = [
        (each.get("category", ""), each.get("type", ""), each.get("xml:lang", ""), each.get("name"))
        for each in query.find_all(f"{{{INFO}}}identity")
    ]
    return [
        f"{category}/{type_}/{language}/{name or ''}"
        for category, type_, language, name in sorted(found, key=lambda one: _octets(one[:3]))
    ]


def _features(query: Element) -> list[str]:
    return sorted((each.get("var", "") for each in query.find_all(f"{{{INFO}}}feature")), key=_utf8)


def _forms(query: Element) -> Iterator[str]:
    named = [(_form_type(form), form) for form in query.find_all(_FORM)]
    for kind, form in sorted(named, key=lambda one: _utf8(one[0])):
        if kind:
            yield kind
            yield from _fields(form)


def _form_type(form: Element) -> str:
    for field in form.find_all(_FIELD):
        if field.get("var") == _FORM_TYPE and field.get("type") == "hidden":
            value = field.find(_VALUE)
            return "" if value is None else value.text
    return ""


def _fields(form: Element) -> Iterator[str]:
    for field in sorted(form.find_all(_FIELD), key=lambda one: _utf8(one.get("var", ""))):
        if (var := field.get("var", "")) != _FORM_TYPE:
            yield var
            yield from sorted((each.text for each in field.find_all(_VALUE)), key=_utf8)


def _utf8(text: str) -> bytes:
    """Return the key of the collation i;octet (RFC 4790 §9.3)."""
    return text.encode()


def _octets(texts: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(map(_utf8, texts))
