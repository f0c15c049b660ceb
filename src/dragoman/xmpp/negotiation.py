"""What a session of Jingle consists of: contents agreed on, asked for, gone (XEP-0166 §7.2, §7.3).

Nothing of this sends or tells; what the peer may not say raises the StanzaError that answers it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeAlias

from dragoman.errors import LocalError
from dragoman.xmpp.ext.jingle import Action, Content
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.failure import Condition, StanzaError

MOST: Final = 16
"""Contents of a session, those that are only asked for included."""

_REMEMBERED: Final = 2 * MOST
"""Names of contents that are gone."""

Key: TypeAlias = tuple[Creator, str]
"""What a content is known by (§7.3)."""
Contents: TypeAlias = tuple[Content, ...]

OFFERS: Final = (Action.CONTENT_ADD, Action.TRANSPORT_REPLACE)
"""What has to be agreed to, or declined."""


def key(content: Content) -> Key:
    """Return what a content is known by."""
    return content.creator, content.name


def kinds(contents: Iterable[Content]) -> frozenset[str]:
    """Return what contents are about: the media of calls, else the namespaces (§7.2.16)."""
    return frozenset(
        each.media if isinstance(each, Rtp) else each.namespace
        for each in (content.description for content in contents)
        if each is not None
    )


def whole(contents: Contents, creator: Creator) -> Contents:
    """Return contents that stand for themselves, as in session-initiate and content-add.

    Raises StanzaError: bad-request where there are none, one lacks something, has another's
    creator or the name of another, or none is for the session (§7.2.10); resource-constraint
    where there are too many.
    """
    if not contents or len({key(each) for each in contents}) < len(contents):
        raise StanzaError(Condition.BAD_REQUEST, text="no contents, or two of one name")
    if len(contents) > MOST:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT)
    for each in contents:
        if each.creator is not creator or each.description is None or each.transport is None:
            raise StanzaError(Condition.BAD_REQUEST, text="a content lacks something")
    if all(each.disposition != "session" for each in contents):
        raise StanzaError(Condition.BAD_REQUEST, text="no content is for the session")
    return contents


def ours_whole(contents: Contents, creator: Creator) -> Contents:
    """Return contents of ours that stand for themselves; raises LocalError for any that do not."""
    try:
        return whole(contents, creator)
    except StanzaError as error:
        raise LocalError(error.reason) from error


class Negotiation:
    """The contents of one session; `role` is who we are in it."""

    __slots__ = ("_agreed", "_gone", "ours", "role", "theirs")

    def __init__(self, role: Creator) -> None:
        """Begin with none."""
        self.role = role
        self._agreed: dict[Key, Content] = {}
        self._gone: dict[Key, None] = {}
        self.ours: dict[Action, dict[Key, Content]] = {each: {} for each in OFFERS}
        """What we asked for, and nobody agreed to yet."""
        self.theirs: dict[Action, dict[Key, Content]] = {each: {} for each in OFFERS}

    @property
    def agreed(self) -> Contents:
        """What the session consists of: before the session-accept, what it began with."""
        return tuple(self._agreed.values())

    @property
    def peer(self) -> Creator:
        """Who the other side is."""
        return Creator.RESPONDER if self.role is Creator.INITIATOR else Creator.INITIATOR

    def begin(self, contents: Contents) -> None:
        """Take what a session-initiate has."""
        self._agreed = {key(each): each for each in contents}

    def narrowed(self, contents: Contents) -> Contents:
        """Return what a session-accept has, as it is known here; raises StanzaError."""
        known = self.known(contents, self._agreed)
        if not known:
            raise StanzaError(Condition.BAD_REQUEST, text="nothing is accepted")
        return known

    def accept(self, contents: Contents) -> None:
        """Have the session consist of contents that were accepted."""
        self._bury(self._agreed.keys() - {key(each) for each in contents})
        self.begin(contents)

    def everything(self) -> dict[Key, Content]:
        """Return all contents that one may talk of."""
        adds = Action.CONTENT_ADD
        return {**self._agreed, **self.ours[adds], **self.theirs[adds]}

    def known(self, contents: Contents, among: dict[Key, Content] | None = None) -> Contents:
        """Return contents under the names by which they are known.

        One that is gone is left out: its name crossed our removal. A creator that does not fit is
        put right where only one content has the name. Raises StanzaError: item-not-found for one
        that there is not, bad-request for the same one twice.
        """
        there = self.everything() if among is None else among
        found = [each for each in (self._known(each, there) for each in contents) if each]
        if len({key(each) for each in found}) < len(found):
            raise StanzaError(Condition.BAD_REQUEST, text="two contents of one name")
        return tuple(found)

    def _known(self, content: Content, there: dict[Key, Content]) -> Content | None:
        if key(content) in there:
            return content
        alike = [each for each in there if each[1] == content.name]
        if len(alike) == 1:
            return replace(content, creator=alike[0][0])
        if any(each[1] == content.name for each in self._gone):
            return None
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="no such content")

    # -- offers -----------------------------------------------------------------------------------

    def added(self, contents: Contents) -> Contents:
        """Return what their content-add has; raises StanzaError."""
        new = whole(contents, self.peer)
        there = self.everything()
        if any(key(each) in there for each in new):
            raise StanzaError(Condition.BAD_REQUEST, text="a content of that name is there")
        if len(there) + len(new) > MOST:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT)
        return new

    def ask(self, action: Action, contents: Contents, *, ours: bool) -> None:
        """Keep an offer until it is answered."""
        side = self.ours if ours else self.theirs
        side[action].update({key(each): each for each in contents})

    def waiting(self, action: Action, contents: Contents, *, ours: bool) -> Contents:
        """Return those of `contents` that wait for an answer, as they are known there."""
        side = (self.ours if ours else self.theirs)[action]
        return tuple(each for each in contents if key(each) in side)

    def settle(self, action: Action, contents: Contents, *, ours: bool, agreed: bool) -> Contents:
        """Have an offer answered, and return its contents as they were offered."""
        side = (self.ours if ours else self.theirs)[action]
        offered = [side.pop(key(each)) for each in contents if key(each) in side]
        if action is Action.CONTENT_ADD and agreed:
            self._agreed.update({key(each): each for each in offered})
        elif action is Action.CONTENT_ADD:
            self._bury(key(each) for each in offered)
        return tuple(offered)

    # -- changes ----------------------------------------------------------------------------------

    def modify(self, contents: Contents) -> None:
        """Take the senders of contents."""
        for each in contents:
            known = self._agreed.get(key(each))
            if known is not None:
                self._agreed[key(each)] = replace(known, senders=each.senders)

    def leaves(self, contents: Contents) -> bool:
        """Tell whether a content is left once these are removed."""
        return bool(self._agreed.keys() - {key(each) for each in contents})

    def remove(self, contents: Contents) -> None:
        """Forget contents, and whatever waits for them."""
        for each in contents:
            for there in (self._agreed, *self.ours.values(), *self.theirs.values()):
                there.pop(key(each), None)
        self._bury(key(each) for each in contents)

    def own(self, contents: Contents) -> Contents:
        """Return contents of ours that may be added; raises LocalError."""
        mine = ours_whole(tuple(replace(each, creator=self.role) for each in contents), self.role)
        there = self.everything()
        if any(key(each) in there for each in mine) or len(there) + len(mine) > MOST:
            raise LocalError("a content of that name is there, or too many are")
        return mine

    def _bury(self, keys: Iterable[Key]) -> None:
        self._gone.update(dict.fromkeys(sorted(keys)))
        for oldest in list(self._gone)[: max(0, len(self._gone) - _REMEMBERED)]:
            del self._gone[oldest]
