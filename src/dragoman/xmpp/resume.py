"""Stream Management (XEP-0198): what was handled and what was not, also after a stream is lost."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import STANZA_ERRORS, Condition, StreamCondition, StreamError

NS: Final = "urn:xmpp:sm:3"
OFFER: Final = f"{{{NS}}}sm"
ENABLE: Final = f"{{{NS}}}enable"
ENABLED: Final = f"{{{NS}}}enabled"
RESUME: Final = f"{{{NS}}}resume"
RESUMED: Final = f"{{{NS}}}resumed"
FAILED: Final = f"{{{NS}}}failed"
REQUEST: Final = f"{{{NS}}}r"
ANSWER: Final = f"{{{NS}}}a"

MODULUS: Final = 2**32
"""Counts begin again at zero behind 2^32 - 1 (XEP-0198 §4)."""
LONGEST_ID: Final = 4000
"""Bytes of the longest SM-ID (XEP-0198 §3)."""


class Ledger:
    """What of one managed session was sent and not acknowledged, and how many were handled.

    It outlives the stream: a later stream takes it over and goes on with it (XEP-0198 §5).
    `id` is what the session is resumed by, "" where it cannot be; `patience` is for how many
    seconds after a loss; `pairs` are the domain pairs (ours, theirs) that it was good for.
    """

    __slots__ = ("_acknowledged", "_most", "_sent", "handled", "id", "pairs", "patience")

    def __init__(self, most: int) -> None:
        """Start with nothing sent; at most `most` stanzas wait to be acknowledged."""
        self.id = ""
        self.patience = 0.0
        self.pairs: frozenset[tuple[str, str]] = frozenset()
        self.handled = 0
        self._most = most
        self._acknowledged = 0
        self._sent: deque[Element] = deque()

    def __len__(self) -> int:
        """Return how many stanzas are not acknowledged."""
        return len(self._sent)

    @property
    def full(self) -> bool:
        """Whether no more may be sent before some are acknowledged."""
        return len(self._sent) >= self._most

    def unacknowledged(self) -> Sequence[Element]:
        """Return what was sent and not acknowledged, in order."""
        return tuple(self._sent)

    def note(self, stanza: Element) -> None:
        """Note that a stanza was sent."""
        self._sent.append(stanza)

    def acknowledge(self, text: str | None) -> None:
        """Take the peer's count `h` of what it handled.

        Raises StreamError for a count that is none, or is of more than was sent (XEP-0198 §4).
        """
        if text is None or not (text.isascii() and text.isdigit() and len(text) <= 10):
            raise StreamError(StreamCondition.POLICY_VIOLATION, "h is not a count")
        more = (int(text) - self._acknowledged) % MODULUS
        if more > len(self._sent):
            sent = str((self._acknowledged + len(self._sent)) % MODULUS)
            high = Element(f"{{{NS}}}handled-count-too-high", {"h": text, "send-count": sent})
            raise StreamError(StreamCondition.UNDEFINED_CONDITION, application=high)
        for _ in range(more):
            self._sent.popleft()
        self._acknowledged = (self._acknowledged + more) % MODULUS

    def count(self) -> None:
        """Note that one more stanza of the peer was handled."""
        self.handled = (self.handled + 1) % MODULUS


def offer() -> Element:
    """Return the stream feature."""
    return Element(OFFER)


def enable() -> Element:
    """Return the wish for acknowledgements, and for resumption where the peer has that."""
    return Element(ENABLE, {"resume": "true"})


def enabled(ledger: Ledger) -> Element:
    """Return the consent to `enable`, with the means to resume where there is one."""
    if not ledger.id:
        return Element(ENABLED)
    within = str(int(ledger.patience))
    return Element(ENABLED, {"id": ledger.id, "resume": "true", "max": within})


def resume(ledger: Ledger) -> Element:
    """Return the wish to go on with a session on a new stream."""
    return Element(RESUME, {"previd": ledger.id, "h": str(ledger.handled)})


def resumed(ledger: Ledger) -> Element:
    """Return the consent to `resume`."""
    return Element(RESUMED, {"previd": ledger.id, "h": str(ledger.handled)})


def failed(condition: Condition, handled: int | None = None) -> Element:
    """Return the refusal of `enable` or `resume`; `handled` is told of a session that is over."""
    count = {} if handled is None else {"h": str(handled)}
    return Element(FAILED, count, (Element(f"{{{STANZA_ERRORS}}}{condition}"),))


def answer(ledger: Ledger) -> Element:
    """Return the count of what was handled so far."""
    return Element(ANSWER, {"h": str(ledger.handled)})


def grant(element: Element, longest: float) -> tuple[str, float]:
    """Return what `<enabled/>` lets us resume by, and for how many seconds; ("", 0.0) for not.

    `longest` is the most that we keep a session for, and what holds where the peer names no time.
    """
    if element.get("resume") not in {"true", "1"}:
        return "", 0.0
    identifier, within = element.get("id", ""), element.get("max", "")
    if not identifier or len(identifier) > LONGEST_ID:
        return "", 0.0
    known = within.isascii() and within.isdigit() and len(within) < 10
    return identifier, min(float(within), longest) if known else longest
