"""Incremental restricted XML (RFC 6120 §4, §11, §13.12; XML 1.0; XML Names) by way of expat."""

from codecs import utf_8_decode
from dataclasses import dataclass
from typing import Final, NoReturn
from xml.parsers import expat

from dragoman.xmpp.element import NEUTRAL, STREAMS, XML, Element
from dragoman.xmpp.failure import StreamCondition, StreamError

MAX_STANZA: Final = 262144

_SPACE: Final = " \t\r\n"
_SPACE_BYTES: Final = b" \t\r\n"
_ROOT: Final = f"{{{STREAMS}}}stream"

_UNDEFINED_ENTITY: Final = 11

_SHORT_TOKEN: Final = 32
"""An unfinished token of fewer bytes is handed to expat again at every chunk."""
_SHORT_DECLARATION: Final = 128
"""So is an unfinished comment, instruction or declaration: a verdict on it is not to wait."""


@dataclass(frozen=True, slots=True)
class StreamStart:
    """A stream header: `attributes` of the root, content `namespace`, `prefixes` by prefix.

    `namespace` is the default namespace exactly as declared ("jabber:server"), "" for none.
    """

    attributes: dict[str, str]
    namespace: str
    prefixes: dict[str, str]


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The end tag of the stream: nothing more will come."""


Event = StreamStart | Element | StreamEnd


class StreamParser:
    """Bytes of one stream in, its first-level elements out.

    Elements of jabber:server and jabber:component:accept come out in jabber:client. The result
    does not depend on how the bytes were cut. Memory is bounded by the limits: a stanza of
    `max_stanza` octets, from "<" to ">" (RFC 6120 §13.12), nested `max_depth` deep, with
    `max_attributes` on one element and names of `max_name` characters, namespace included; and
    `max_names` different names in a stream, of which one counts once more for every 64 characters.
    """

    __slots__ = (
        "_attribute_names",
        "_base",
        "_begun",
        "_budget",
        "_error",
        "_events",
        "_expat",
        "_fed",
        "_head",
        "_in_stream",
        "_max_attributes",
        "_max_depth",
        "_max_name",
        "_max_names",
        "_max_stanza",
        "_names",
        "_over",
        "_plain",
        "_prefixes",
        "_quote",
        "_scanned",
        "_sent",
        "_split",
        "_stack",
        "_tail",
        "_token",
    )

    def __init__(
        self,
        *,
        max_stanza: int = MAX_STANZA,
        max_depth: int = 64,
        max_attributes: int = 128,
        max_name: int = 1024,
        max_names: int = 20000,
    ) -> None:
        """Begin a stream; going over a limit is a StreamError (policy-violation)."""
        self._max_stanza = max_stanza
        self._max_depth = max_depth
        self._max_attributes = max_attributes
        self._max_name = max_name
        self._max_names = max_names
        self.reset()

    def reset(self) -> None:
        """Forget everything and expect a new stream header (RFC 6120 §4.3.3)."""
        self._events: list[Event] = []
        self._error: StreamError | None = None
        self._stack: list[Element] = []
        self._in_stream = False
        self._over = False
        self._split = False
        self._begin_names()
        self._begin_bytes()
        self._begin_expat()

    def _begin_names(self) -> None:
        self._names: dict[str, str] = {}
        self._attribute_names: dict[str, str] = {}
        self._plain: set[str] = set()
        self._prefixes: dict[str, str] = {}
        self._budget = self._max_names

    def _begin_bytes(self) -> None:
        self._head = b""
        self._tail = b""  # the first bytes of a character
        self._fed = 0  # octets expat has been given
        self._base = 0  # where what is unfinished begins: a stanza, or a token between stanzas
        self._begun = 0  # where the last stanza begins
        self._token = bytearray()  # a token that expat has not seen the end of
        self._sent = 0  # how much of it expat has
        self._scanned = 0  # how much of it was searched for its end
        self._quote = 0  # the quotation mark that is open there

    def _begin_expat(self) -> None:
        parser = expat.ParserCreate("UTF-8", "}", intern=None)
        parser.buffer_text = True
        parser.namespace_prefixes = True
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)  # `_due` defers, and never a whole stanza
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartNamespaceDeclHandler = self._declared
        parser.XmlDeclHandler = self._declaration
        parser.CommentHandler = _restricted
        parser.ProcessingInstructionHandler = _restricted
        parser.StartDoctypeDeclHandler = _restricted
        self._expat = parser

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes and return what they complete, in order.

        Raises StreamError with the condition to send (§4.9.3), and again at every later call until
        `reset`; what was complete before the fault is then in `completed`.
        """
        if self._error is not None:
            raise StreamError(self._error.condition, self._error.text)
        try:
            self._take(data)
        except StreamError as error:
            self._error = error
            raise
        events, self._events = self._events, []
        return events

    @property
    def completed(self) -> list[Event]:
        """After `feed` or `finish` raised: the events before the fault, which are still good."""
        return self._events

    def finish(self) -> list[Event]:
        """Say that no bytes follow: StreamError (not-well-formed) when that cuts something short.

        The verdict on an unfinished token may wait for more bytes; this is where it falls.
        """
        events = self.feed(b"")
        try:
            self._flush()
            if not self._over:
                _fail(StreamCondition.NOT_WELL_FORMED, "the stream was cut off")
        except StreamError as error:
            self._events = events + self._events
            self._error = error
            raise
        return events + self._events

    # Bytes ------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        if len(self._head) < 2:
            data = self._opening(data)
        if self._tail or not data.isascii():
            data = self._whole_characters(data)
        if not self._token:
            self._hand_over(data)
            return
        self._token += data
        if self._due():
            self._flush()

    def _flush(self) -> None:
        if self._token:
            held = bytes(self._token[self._sent :])
            del self._token[self._sent :]
            self._hand_over(held)

    def _opening(self, data: bytes) -> bytes:
        """Look at the first two bytes, from which expat would conclude to UTF-16 (§11.6)."""
        if not self._head:
            data = data.lstrip(_SPACE_BYTES)
        self._head = (self._head + data[:2])[:2]
        first, second = self._head[:1], self._head[1:]
        if first not in b"<\xfe\xff\0":
            _fail(StreamCondition.NOT_WELL_FORMED, "a stream begins with a tag")
        if first not in b"<" or second == b"\0":
            _fail(StreamCondition.UNSUPPORTED_ENCODING, "only UTF-8 is spoken here")
        return data

    def _whole_characters(self, data: bytes) -> bytes:
        """All of `data` but a last character that lacks bytes; expat judges those too early."""
        data = self._tail + data
        try:
            end = utf_8_decode(data, "strict", False)[1]
        except UnicodeDecodeError as error:
            self._token += data[: error.start]
            self._flush()
            _fail(StreamCondition.UNSUPPORTED_ENCODING, "only UTF-8 is spoken here")
        self._tail = data[end:]
        return data[:end]

    def _hand_over(self, data: bytes) -> None:
        """Give expat pieces that end where a stanza would become too large: no other count."""
        while data:
            room = self._base + self._max_stanza - self._fed
            piece, data = data[:room], data[room:]
            try:
                self._expat.Parse(piece)
            except expat.ExpatError as error:
                raise self._verdict(error.code) from error
            self._fed += len(piece)
            index = self._expat.CurrentByteIndex
            self._remember(piece, self._fed - index)
            self._base = self._begun if self._stack else index
            if self._fed - self._base >= self._max_stanza:
                _fail(StreamCondition.POLICY_VIOLATION, "the stanza is too large")

    def _remember(self, piece: bytes, pending: int) -> None:
        """Keep the last `pending` bytes: the token that expat waits for the end of."""
        if not pending and not self._token:
            return
        self._token += piece
        done = len(self._token) - pending
        if done:
            del self._token[:done]
            self._scanned = self._quote = 0
        self._sent = pending

    def _due(self) -> bool:
        """Whether expat should see what is held of an unfinished token.

        Expat reads such a token from its start each time. So it gets it when it may be complete, or
        twice as long as before, or at the size limit: that bounds all re-reading by a small
        multiple of the bytes received, however they were cut.
        """
        token, sent = self._token, self._sent
        if sent < _SHORT_TOKEN or len(token) >= 2 * sent:
            return True
        if self._fed - sent + len(token) - self._base >= self._max_stanza:
            return True
        if token.startswith((b"<!", b"<?")):
            return sent < _SHORT_DECLARATION
        return self._tag_ends() if token.startswith(b"<") else self._reference_ends()

    def _tag_ends(self) -> bool:
        """Whether the tag in `_token` reaches its ">": one that is not in an attribute's value."""
        for at in range(self._scanned, len(self._token)):
            byte = self._token[at]
            if self._quote:
                if byte == self._quote:
                    self._quote = 0
            elif byte in b"'\"":
                self._quote = byte
            elif byte in b">":
                self._scanned = at + 1
                return True
        self._scanned = len(self._token)
        return False

    def _reference_ends(self) -> bool:
        at = self._token.find(b";", self._scanned)
        self._scanned = len(self._token) if at < 0 else at + 1
        return at >= 0

    def _verdict(self, code: int) -> StreamError:
        """Expat's complaint in the words of RFC 6120 §4.9.3."""
        # Text that expat still collects came before: this hands it to `_text`, which may raise.
        self._expat.buffer_text = False
        if code == _UNDEFINED_ENTITY:
            return StreamError(StreamCondition.RESTRICTED_XML, "only predefined entities")
        return StreamError(StreamCondition.NOT_WELL_FORMED, expat.ErrorString(code) or "")

    # What expat calls. What these raise comes out of its Parse -------------------------------

    def _start(self, raw: str, attributes: dict[str, str]) -> None:
        name = self._names.get(raw) or self._learned(raw)
        if attributes:
            if not self._plain.issuperset(attributes):
                attributes = self._named(attributes)
            if len(attributes) > self._max_attributes:
                _fail(StreamCondition.POLICY_VIOLATION, "too many attributes")
        stack = self._stack
        element = Element(name, attributes)
        if stack:
            if len(stack) >= self._max_depth:
                _fail(StreamCondition.POLICY_VIOLATION, "nested too deeply")
            stack[-1].children.append(element)
        elif self._in_stream:
            self._begun = self._expat.CurrentByteIndex
        else:
            self._opened(element)
            return
        stack.append(element)

    def _opened(self, root: Element) -> None:
        if root.namespace != STREAMS:
            _fail(StreamCondition.INVALID_NAMESPACE, "not the namespace of streams")
        if root.name != _ROOT:
            _fail(StreamCondition.BAD_FORMAT, "not a stream")
        self._in_stream = True
        prefixes = dict(self._prefixes)
        namespace = prefixes.pop("", "")
        self._events.append(StreamStart(root.attributes, namespace, prefixes))

    def _end(self, _raw: str) -> None:
        stack = self._stack
        if not stack:
            self._over = True
            self._events.append(StreamEnd())
            return
        element = stack.pop()
        if not stack:
            if self._split:
                _join(element)
                self._split = False
            self._events.append(element)

    def _text(self, data: str) -> None:
        if self._stack:
            children = self._stack[-1].children
            if children and isinstance(children[-1], str):
                self._split = True
            children.append(data)
        elif data.strip(_SPACE):
            _fail(StreamCondition.BAD_FORMAT, "text between stanzas")

    def _declared(self, prefix: str | None, namespace: str | None) -> None:
        if (prefix or "") not in self._prefixes:
            if prefix:
                self._spend(prefix)
            self._prefixes[prefix or ""] = namespace or ""

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            _fail(StreamCondition.UNSUPPORTED_ENCODING, "only UTF-8 is spoken here")

    # Names: expat gives "local", "namespace}local" or "namespace}local}prefix" -----------------

    def _learned(self, raw: str) -> str:
        self._spend(raw)
        namespace, local = _expanded(raw)
        namespace = NEUTRAL.get(namespace, namespace)
        name = self._names[raw] = f"{{{namespace}}}{local}" if namespace else local
        return name

    def _named(self, attributes: dict[str, str]) -> dict[str, str]:
        known = self._attribute_names
        for raw in attributes:
            if raw not in known:
                self._learn_attribute(raw)
        return {known[raw]: value for raw, value in attributes.items()}

    def _learn_attribute(self, raw: str) -> None:
        self._spend(raw)
        namespace, local = _expanded(raw)
        if not namespace:
            self._plain.add(raw)
            self._attribute_names[raw] = local
        elif namespace == XML:
            self._attribute_names[raw] = f"xml:{local}"
        else:
            self._attribute_names[raw] = f"{{{namespace}}}{local}"

    def _spend(self, name: str) -> None:
        # Expat too remembers every name and prefix as long as it lives, so both are counted.
        if len(name) > self._max_name:
            _fail(StreamCondition.POLICY_VIOLATION, "the name is too long")
        self._budget -= 1 + len(name) // 64
        if self._budget < 0:
            _fail(StreamCondition.POLICY_VIOLATION, "too many different names in one stream")


class _DocumentParser(StreamParser):
    """Takes the root itself for the element that is wanted."""

    __slots__ = ()

    def reset(self) -> None:
        super().reset()
        self._in_stream = True


def parse_document(data: bytes, *, limit: int = MAX_STANZA) -> Element:
    """Read one whole document in UTF-8 under the restrictions and limits of a stream.

    Raises StreamError with the condition that a stream would end with; what is cut short is
    not-well-formed.
    """
    events = _DocumentParser(max_stanza=limit).feed(data)
    if len(events) != 1 or not isinstance(events[0], Element):
        _fail(StreamCondition.NOT_WELL_FORMED, "the document is cut off")
    return events[0]


def _fail(condition: StreamCondition, reason: str) -> NoReturn:
    raise StreamError(condition, reason)


def _restricted(*_: object) -> NoReturn:
    _fail(StreamCondition.RESTRICTED_XML, "comments, instructions and document types are barred")


def _expanded(raw: str) -> tuple[str, str]:
    parts = raw.split("}")
    return ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _join(element: Element) -> None:
    """Make one string of neighbouring ones, all the way down; the order of chunks cut them."""
    joined: list[Element | str] = []
    pieces: list[str] = []
    for child in element.children:
        if isinstance(child, str):
            pieces.append(child)
            continue
        _join(child)
        if pieces:
            joined.append("".join(pieces))
            pieces = []
        joined.append(child)
    if pieces:
        joined.append("".join(pieces))
    element.children = joined
