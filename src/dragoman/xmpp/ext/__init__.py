"""Extensions that are answered here, in one table that also feeds disco (XEP-0030).

A new extension is a file beside this one and, where it answers requests, a row in `EXTENSIONS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Final, TypeAlias

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import disco, ping, time, version
from dragoman.xmpp.ext.disco import Describe, Item
from dragoman.xmpp.router import Router
from dragoman.xmpp.stanza import IQ


class Who(Flag):
    """Whose address an extension is answered at (docs/interworking/transports.md §3, §9)."""

    SERVICE = auto()
    """The gateway's own domain."""
    USER = auto()
    """A SIP user, of whom nobody knows whether he exists."""


@dataclass(frozen=True, slots=True)
class About:
    """What an address says of itself; `utc()` is the time in seconds since 1970."""

    name: str
    version: str
    utc: Callable[[], float]
    describe: Describe
    """What disco#info says, the `features` of the table among the rest."""
    items: Sequence[Item] = ()


Answer: TypeAlias = Callable[[Element, About], Element]
"""The answer to an `<iq/>` of type get, from what is to be said."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One row: the namespace, who answers to it, and how."""

    namespace: str
    who: Who
    answer: Answer


EXTENSIONS: Final = (
    Extension(disco.INFO, Who.SERVICE | Who.USER, lambda iq, about: disco.info(iq, about.describe)),
    Extension(disco.ITEMS, Who.SERVICE | Who.USER, lambda iq, about: disco.items(iq, about.items)),
    Extension(ping.NS, Who.SERVICE | Who.USER, lambda iq, _: ping.answer(iq)),
    Extension(
        version.NS,
        Who.SERVICE | Who.USER,
        lambda iq, about: version.answer(iq, about.name, about.version),
    ),
    Extension(time.NS, Who.SERVICE, lambda iq, about: time.answer(iq, about.utc())),
)


def features(who: Who) -> tuple[str, ...]:
    """Return the features that disco#info lists at such an address."""
    return tuple(row.namespace for row in EXTENSIONS if who in row.who)


def install(router: Router, who: Who, about: About) -> None:
    """Have `router` answer the requests that come to such an address."""

    def handle(row: Extension) -> Callable[[Element], Element]:
        return lambda iq: row.answer(iq, about)

    for row in EXTENSIONS:
        if who in row.who:
            router.add(IQ, "get", row.namespace, handle(row))
