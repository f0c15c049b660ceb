"""Messages on their way into XMPP (RFC 3428 §7): each is answered once the far server has it.

The stanza of a message is sent, and the message waits until the far server has taken the stanza
(202) or has refused it (its error, as a status): a MESSAGE, or one of a session (RFC 4975).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from logging import getLogger
from typing import Final, TypeAlias

from dragoman.bridge.fence import Fences, Pair
from dragoman.bridge.ports import XmppStreams
from dragoman.log import about
from dragoman.mapping.failure import Answer
from dragoman.sip.message import Request
from dragoman.store.interface import Crossed
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import ping
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import MESSAGE, iq

log = getLogger(__name__)

MOST_OF_ONE: Final = 2000
"""Messages from SIP that wait for the word of one far domain: a slow one holds up no other."""
RETRY_AFTER: Final = 5
"""Seconds after which a sender may try again when the gateway has too much under way."""

Key: TypeAlias = tuple[str, str, str]
"""The id of a stanza, whom it is from, and the bare address of whom it is for."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that was let in, with the exchange that it is part of."""

    request: Request
    answer: Callable[[Answer], bool]
    """Tells its sender what became of it, once; False: he cannot be told that way any more."""
    exchange: str
    message: Crossed | None = None
    """What is remembered of it, which is forgotten where it fails."""
    quiet: bool = False
    """Whether its stanza is a word about others, whose refusal means nothing to its sender."""
    owed: bool = False
    """Whether its sender thinks that it arrived: it was answered 202 already, because it is kept
    until the far server has it, or its session is over."""


class Deliveries:
    """The messages whose stanzas are under way.

    `settled(arrived, key, reason)` learns what became of each, the reason None where the far server
    took it; `most` may wait, and `token()` gives identifiers nobody can guess.
    """

    def __init__(
        self,
        xmpp: XmppStreams,
        token: Callable[[], str],
        settled: Callable[[Arrived, Key, str | None], None],
        most: int,
    ) -> None:
        """Start with nothing under way."""
        self._xmpp = xmpp
        self._token = token
        self._settled = settled
        self._most = most
        self._waiting: dict[Key, Arrived] = {}
        self._fences: Fences[Key] = Fences(self._ping, token)

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def refusal(self, pair: Pair) -> str:
        """Return why nothing more is taken for a pair of domains now, "" when it is."""
        if len(self._waiting) >= self._most:
            return "too many messages are under way"
        if self._fences.under_way(pair) >= MOST_OF_ONE:
            return "that server answers too slowly"
        return ""

    def name(self, stanza: Element) -> Key:
        """Return the key of a stanza of ours, whose id changes where one under way has the same."""
        recipient = Jid.parse(stanza.attributes["to"])
        while (key := key_of(stanza, recipient)) in self._waiting:
            stanza.attributes["id"] = self._token()
        return key

    def carry(self, stanza: Element, key: Key, arrived: Arrived, now: float) -> None:
        """Send the stanza of a MESSAGE under the key that `name` gave."""
        user, recipient = Jid.parse(key[1]), Jid.parse(key[2])
        pair = (user.domain, recipient.domain)
        self._waiting[key] = arrived
        self._xmpp.send(stanza, *pair)
        if key in self._waiting:
            self._fences.sent(pair, key, now)

    def bounced(self, key: Key, answer: Answer, reason: str) -> bool:
        """Answer the MESSAGE that waits under `key`, whose stanza was refused; False: none does."""
        found = self._waiting.get(key)
        return self.settle(key, Answer(202) if found and found.quiet else answer, reason)

    def settle(self, key: Key, answer: Answer, reason: str) -> bool:
        """Answer the MESSAGE that waits under `key`; False: none does."""
        found = self._waiting.pop(key, None)
        if found is None:
            return False
        if not found.owed and not found.answer(answer):
            found = replace(found, owed=True)
        if answer.status >= 300:
            _log_failure(found, key, answer.status, reason)
        self._settled(found, key, reason if answer.status >= 300 else None)
        return True

    def on_answer(self, pair: Pair, identifier: str) -> bool:
        """Take an iq of type result or error with this id; False: it answers nothing of ours."""
        taken = self._fences.answered(pair, identifier)
        if taken is None:
            return False
        self._take_all(taken)
        return True

    def unasked(self, pair: Pair, identifier: str, reason: str) -> None:
        """Learn that a ping could not be sent: what went before it may not have been taken."""
        if self._fences.holds(pair, identifier):
            self._fail_all(self._fences.lost(pair), reason)

    def lost(self, pair: Pair, unacknowledged: Sequence[Element] | None) -> None:
        """Learn that the stream to a domain ended, and what the far server may not have taken.

        None says that nobody knows what became of anything that was sent.
        """
        for each in self._fences.pairs(pair):
            keys = self._fences.lost(each, _keys(self._xmpp.waiting(*each)))
            doubtful = keys if unacknowledged is None else _keys(unacknowledged)
            self._fail_all([key for key in keys if key in doubtful], "the stream was lost")
            self._take_all([key for key in keys if key not in doubtful])

    def on_timer(self, now: float) -> None:
        """Answer what has waited too long."""
        for pair in self._fences.on_timer(now):
            self._be_late(pair, now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._fences.next_timer()

    def give_up(self) -> None:
        """Tell everybody who waits that nothing more will come: the gateway stops."""
        self._fail_all(list(self._waiting), "the gateway stops")

    def _ping(self, pair: Pair, identifier: str) -> None:
        local, remote = pair
        children = [Element(f"{{{ping.NS}}}ping")]
        asked = iq(remote, local, id=identifier, type="get", children=children)
        self._xmpp.send(asked, local, remote)

    def _be_late(self, pair: Pair, now: float) -> None:
        """Answer what the far server takes too long over, before its sender gives up.

        On a managed stream it is delivered or comes back for certain, so the sender may trust us
        with it; else nobody knows, and the stream is given up.
        """
        unacknowledged = self._xmpp.unacknowledged(*pair)
        if unacknowledged is None:
            self._fail_all(self._fences.lost(pair), "the server did not answer")
            self._xmpp.silent(*pair)
            return
        doubtful, late = _keys(unacknowledged), self._fences.late(pair, now)
        taken = {key for key in late if key not in doubtful}
        self._take_all(taken)
        for key in late:
            self._owe(key)
        self._fences.wait_on(pair, taken, now)

    def _owe(self, key: Key) -> None:
        """Answer a MESSAGE before its sender gives up: we keep it until the far server has it."""
        found = self._waiting.get(key)
        if found is not None and not found.owed:
            self._waiting[key] = replace(found, owed=True)
            found.answer(Answer(202))

    def _take_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.settle(key, Answer(202), "")

    def _fail_all(self, keys: list[Key], reason: str) -> None:
        for key in keys:
            self.settle(key, Answer(504), reason)


def key_of(stanza: Element, recipient: Jid) -> Key:
    """Return the key of a message stanza of ours for `recipient`."""
    return stanza.get("id", ""), stanza.attributes["from"], str(recipient.bare)


def _keys(stanzas: Sequence[Element]) -> set[Key]:
    """Return the keys of the messages among what was sent."""
    found = (each for each in stanzas if each.name == MESSAGE)
    return {key_of(each, Jid.parse(each.attributes["to"])) for each in found}


def _log_failure(found: Arrived, key: Key, status: int, reason: str) -> None:
    log.warning(
        "message not delivered",
        extra=about(
            exchange=found.exchange,
            sip=found.request.from_.uri,
            jid=key[2],
            call_id=found.request.call_id,
            stanza_id=key[0],
            status=status,
            reason=reason,
        ),
    )
