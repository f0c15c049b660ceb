"""Service Discovery (XEP-0030): what an address is, what it can do, what is found there."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import iq as query_of
from dragoman.xmpp.stanza import reply

INFO: Final = "http://jabber.org/protocol/disco#info"
ITEMS: Final = "http://jabber.org/protocol/disco#items"
MOST_TOLD: Final = 1024
"""Features of an address that are looked at."""


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


@dataclass(frozen=True, slots=True)
class Info:
    """All that an address says of itself, or one node of it: what it is, and what it can do."""

    identities: Sequence[Identity] = ()
    features: frozenset[str] = frozenset()

    def query(self, node: str = "") -> Element:
        """Return the `<query/>` that says it, of a node where one is named."""
        told = [identity.element() for identity in self.identities]
        told += [Element(f"{{{INFO}}}feature", {"var": name}) for name in sorted(self.features)]
        return Element(f"{{{INFO}}}query", {"node": node} if node else {}, told)


def told(answer: Element) -> frozenset[str] | None:
    """Return the features that an iq tells, the first `MOST_TOLD`; None where it tells nothing."""
    query = answer.find(f"{{{INFO}}}query")
    if query is None:
        return None
    found = query.find_all(f"{{{INFO}}}feature")[:MOST_TOLD]
    return frozenset(each.get("var", "") for each in found)


Describe: TypeAlias = Callable[[str, str], Info | None]
"""Says what there is to know of an address, or of a node of it ("": itself); None: no such node."""


def info(iq: Element, describe: Describe) -> Element:
    """Return the answer to a disco#info request (XEP-0030 §3.1).

    Raises StanzaError (item-not-found) when it is about a node that is not there.
    """
    node = _node(iq, INFO)
    found = describe(iq.get("to", ""), node)
    if found is None:
        raise StanzaError(Condition.ITEM_NOT_FOUND)
    return reply(iq, (found.query(node),))


def ask(to: str, from_: str, ident: str) -> Element:
    """Return the request that asks an address what it is and can do (XEP-0030 §3.1)."""
    return query_of(to, from_, id=ident, type="get", children=(Element(f"{{{INFO}}}query"),))


def items(iq: Element, found: Iterable[Item] = ()) -> Element:
    """Return the answer to a disco#items request for the address itself (XEP-0030 §4.1).

    Raises StanzaError (item-not-found) when it is a node that is asked about: there is none.
    """
    if _node(iq, ITEMS):
        raise StanzaError(Condition.ITEM_NOT_FOUND)
    return reply(iq, (Element(f"{{{ITEMS}}}query", None, [item.element() for item in found]),))


def _node(iq: Element, namespace: str) -> str:
    query = iq.find(f"{{{namespace}}}query")
    return "" if query is None else query.get("node", "")
