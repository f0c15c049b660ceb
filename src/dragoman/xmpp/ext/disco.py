"""Service Discovery (XEP-0030): what an address is, what it can do, what is found there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import reply

INFO: Final = "http://jabber.org/protocol/disco#info"
ITEMS: Final = "http://jabber.org/protocol/disco#items"


@dataclass(frozen=True, slots=True)
class Identity:
    """What an address is: a category and type of the registry, and a name for people."""

    category: str
    type: str
    name: str = ""

    def element(self) -> Element:
        """Return the `<identity/>`."""
        named = {"name": self.name} if self.name else {}
        return Element(
            f"{{{INFO}}}identity", {"category": self.category, "type": self.type} | named
        )


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is found at an address: its own address, and a name for people."""

    jid: str
    name: str = ""

    def element(self) -> Element:
        """Return the `<item/>`."""
        named = {"name": self.name} if self.name else {}
        return Element(f"{{{ITEMS}}}item", {"jid": self.jid} | named)


def info(iq: Element, identities: Sequence[Identity], features: Iterable[str]) -> Element:
    """Return the answer to a disco#info request for the address itself (XEP-0030 §3.1).

    Raises StanzaError (item-not-found) when it is a node that is asked about: there is none.
    """
    listed = [Element(f"{{{INFO}}}feature", {"var": feature}) for feature in sorted(set(features))]
    return _answer(iq, INFO, [*(identity.element() for identity in identities), *listed])


def items(iq: Element, found: Iterable[Item] = ()) -> Element:
    """Return the answer to a disco#items request (XEP-0030 §4.1); nodes as in `info`."""
    return _answer(iq, ITEMS, [item.element() for item in found])


def _answer(iq: Element, namespace: str, children: Sequence[Element]) -> Element:
    query = iq.find(f"{{{namespace}}}query")
    if query is not None and query.get("node"):
        raise StanzaError(Condition.ITEM_NOT_FOUND)
    return reply(iq, (Element(f"{{{namespace}}}query", None, children),))
