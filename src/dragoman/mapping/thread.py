"""Threads and Call-IDs (RFC 7572 §4, §5): one names the other, or both are remembered."""

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from dragoman.xmpp.jid import Jid

LONGEST: Final = 128

# RFC 3261 §25.1 callid: word ["@" word].
_WORD: Final = r"[A-Za-z0-9\-.!%*_+`'~()<>:\\\"/\[\]?{}]+"
_CALL_ID: Final = re.compile(rf"{_WORD}(?:@{_WORD})?")


class _Talk(NamedTuple):
    """A thread between two people; users and peers are told apart by localpart and domain."""

    user: tuple[str, str]
    peer: tuple[str, str]
    thread: str


class ThreadBook:
    """Which Call-ID stands for which thread, between an XMPP user and a SIP user (the peer).

    A thread whose text is a legal Call-ID of at most 128 octets, not in use between two others, is
    its own Call-ID; any other gets a fresh one. A Call-ID that came from SIP is its own thread.
    Of at most `bound` pairs the longest unused one is forgotten.
    """

    __slots__ = ("_bound", "_by_call_id", "_by_talk", "_token")

    def __init__(self, token: Callable[[], str], *, bound: int = 10000) -> None:
        """Make fresh Call-IDs of `token()`, which must be unique and legal in one."""
        self._token = token
        self._bound = bound
        self._by_call_id: OrderedDict[str, _Talk] = OrderedDict()
        self._by_talk: dict[_Talk, str] = {}

    def __len__(self) -> int:
        """Return how many Call-IDs are remembered."""
        return len(self._by_call_id)

    def call_id(self, thread: str, user: Jid, peer: Jid) -> str:
        """Return the Call-ID for a message of `thread` from `user`; "" for no thread.

        Without a thread every message gets a fresh one that is not remembered (RFC 3261
        §8.1.1.4).
        """
        if not thread:
            return self._token()
        talk = _Talk((user.local, user.domain), (peer.local, peer.domain), thread)
        call_id = self._by_talk.get(talk)
        if call_id is None:
            call_id = thread if self._may_use(thread) else self._token()
        self._remember(call_id, talk)
        return call_id

    def thread(self, call_id: str, user: Jid, peer: Jid) -> tuple[str, bool]:
        """Return the thread for a message with `call_id` to `user`, and whether it is the first.

        A Call-ID that stands for the thread of two others is not theirs to tell: it is then taken
        as it is, and not remembered.
        """
        ends = (user.local, user.domain), (peer.local, peer.domain)
        talk = self._by_call_id.get(call_id)
        if talk is not None and talk[:2] != ends:
            return call_id, True
        first = talk is None
        if talk is None:
            talk = _Talk(*ends, call_id)
        self._remember(call_id, talk)
        return talk.thread, first

    def known(self, call_id: str, user: Jid, peer: Jid) -> str:
        """Return the thread that a Call-ID stands for between these two, "" for none."""
        talk = self._by_call_id.get(call_id)
        ends = (user.local, user.domain), (peer.local, peer.domain)
        return talk.thread if talk is not None and talk[:2] == ends else ""

    def _may_use(self, thread: str) -> bool:
        return (
            len(thread) <= LONGEST
            and thread not in self._by_call_id
            and _CALL_ID.fullmatch(thread) is not None
        )

    def _remember(self, call_id: str, talk: _Talk) -> None:
        before = self._by_call_id.get(call_id)
        if before is not None and before != talk:
            self._by_talk.pop(before, None)
        self._by_call_id[call_id] = talk
        self._by_call_id.move_to_end(call_id)
        self._by_talk[talk] = call_id
        if len(self._by_call_id) > self._bound:
            _, forgotten = self._by_call_id.popitem(last=False)
            self._by_talk.pop(forgotten, None)
