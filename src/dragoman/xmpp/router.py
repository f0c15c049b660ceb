"""Stanzas to their handlers, by kind, type and payload (RFC 6120 §8.2.3, §8.4)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from dragoman.errors import LocalError
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import IQ, MESSAGE, PRESENCE, error_reply

Handler: TypeAlias = Callable[[Element], Element | None]
"""Takes a stanza and returns what to send back; a StanzaError it raises is sent back instead."""

ANY: Final = ""

_DEFAULT_TYPE: Final = {MESSAGE: "normal", PRESENCE: "available"}
_REQUESTS: Final = frozenset({"get", "set"})
_ANSWERS: Final = frozenset({"result", "error"})


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of a stanza: whether anyone wanted it, and what to send back."""

    handled: bool
    reply: Element | None = None


class Router:
    """A table of handlers; what it does not have is answered as the standard says."""

    def __init__(self) -> None:
        """Begin with no handlers: every request is refused."""
        self._handlers: dict[tuple[str, str, str], Handler] = {}

    def add(self, kind: str, type_: str, namespace: str, handler: Handler) -> None:
        """Have `handler` take stanzas named `kind` of a type that hold a child of a namespace.

        `ANY` stands for every type or every namespace; the exact row wins.  An absent type counts
        as "normal" of a message and "available" of presence.  A handler for an `<iq/>` of type get
        or set has to return its answer.
        """
        key = (kind, type_, namespace)
        if key in self._handlers:
            raise LocalError(f"two handlers for {key}")
        self._handlers[key] = handler

    def route(self, stanza: Element) -> Routed:
        """Return what becomes of a stanza.

        An `<iq/>` of type get or set gets exactly one answer (RFC 6120 §8.2.3): the handler's, or
        service-unavailable without one, or bad-request when it is malformed.  Anything else that
        nobody handles comes back unhandled, with no reply.
        """
        type_ = stanza.get("type") or _DEFAULT_TYPE.get(stanza.name, ANY)
        try:
            if stanza.name == IQ:
                _check_iq(stanza, type_)
            handler = self._find(stanza, type_)
            reply = None if handler is None else handler(stanza)
        except StanzaError as error:
            return Routed(handled=True, reply=error_reply(stanza, error))
        if stanza.name != IQ or type_ not in _REQUESTS:
            return Routed(handler is not None, reply)
        if handler is None:
            unavailable = StanzaError(Condition.SERVICE_UNAVAILABLE)
            return Routed(handled=False, reply=error_reply(stanza, unavailable))
        if reply is None or reply.name != IQ or reply.get("type") not in _ANSWERS:
            raise LocalError(f"a request was left without an answer: {stanza!r}")
        return Routed(handled=True, reply=reply)

    def _find(self, stanza: Element, type_: str) -> Handler | None:
        for key in _keys(stanza, type_):
            if (handler := self._handlers.get(key)) is not None:
                return handler
        return None


def _keys(stanza: Element, type_: str) -> Iterator[tuple[str, str, str]]:
    spaces = list(dict.fromkeys(child.namespace for child in stanza.elements))
    for space in [*spaces, ANY]:
        yield stanza.name, type_, space
        yield stanza.name, ANY, space


def _check_iq(iq: Element, type_: str) -> None:
    """Raise bad-request for what RFC 6120 §8.2.3 does not allow; answers are let pass."""
    if type_ in _ANSWERS:
        return
    if type_ not in _REQUESTS:
        raise StanzaError(
            Condition.BAD_REQUEST, text="the type of an iq is get, set, result, error"
        )
    if not iq.get("id") or len(iq.elements) != 1:
        raise StanzaError(Condition.BAD_REQUEST, text="a request has an id and one child")
