"""How a SIP user is spelled (RFC 3261 §19.1.4): case counts there and does not in a JID."""

from collections import OrderedDict
from typing import Final

from dragoman.sip.uri import Uri
from dragoman.xmpp.jid import Jid

_SCHEMES: Final = frozenset({"sip", "sips"})


class SpellingBook:
    """The exact user part of SIP users whose JID would lead to another one.

    `Romeo@example.net` and `romeo@example.net` are one JID, but may be two users, or only the
    first a user at all; so who wrote as `Romeo` is answered as `Romeo`. Of at most `bound` users
    the longest unused one is forgotten, and answered by the spelling of the JID again.
    """

    __slots__ = ("_bound", "_users")

    def __init__(self, *, bound: int = 10000) -> None:
        """Remember nobody yet."""
        self._bound = bound
        self._users: OrderedDict[tuple[str, str], str] = OrderedDict()

    def __len__(self) -> int:
        """Return how many users are remembered."""
        return len(self._users)

    def remember(self, jid: Jid, uri: Uri, usual: Uri) -> None:
        """Keep how the SIP user `uri` is spelled, whose JID is `jid`; the last spelling counts.

        `usual` is what the JID leads to by itself: that spelling needs no memory.
        """
        key = (jid.local, jid.domain)
        if uri.user is None or uri.scheme not in _SCHEMES or uri.user == usual.user:
            self._users.pop(key, None)
            return
        self._users[key] = uri.user
        self._users.move_to_end(key)
        if len(self._users) > self._bound:
            self._users.popitem(last=False)

    def spelled(self, jid: Jid, uri: Uri) -> Uri:
        """Return `uri`, to which `jid` maps, with its user spelled as remembered."""
        key = (jid.local, jid.domain)
        user = self._users.get(key)
        if user is None:
            return uri
        self._users.move_to_end(key)
        return Uri(uri.scheme, user, uri.host, uri.port, params=uri.params)
