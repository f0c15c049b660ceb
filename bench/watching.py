"""Both far ends of presence (RFC 8048): a presence server with phones, and an XMPP domain.

Pairs are numbered: number n is the SIP user `user<n>` and the XMPP user `user<n % users>`. What
is done to a pair counts when its effect came out at the other end.
"""

import re
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final

from bench.load import ATTRIBUTE, FarEnds

PRESENCE: Final = re.compile(rb"\s*<presence\b([^>]*?)(?:/>|>(.*?)</presence>)", re.DOTALL)
STATUS: Final = re.compile(rb"<status[^>]*>(\d{8})<")
NOTE: Final = re.compile(rb"<note[^>]*>(\d{8})<")
USER: Final = re.compile(rb"sips?:user(\d+)@(sip|xmpp)\.test")
NAMES: Final = {b"f": b"from", b"t": b"to", b"i": b"call-id", b"v": b"via", b"m": b"contact"}
GRANTED: Final = 3600
PIDF: Final = (
    b"<?xml version='1.0' encoding='UTF-8'?><presence xmlns='urn:ietf:params:xml:ns:pidf'"
    b" entity='pres:user%d@sip.test'><tuple id='t1'><status><basic>open</basic></status>"
    b"<contact>sip:user%d@sip.test</contact><note>%08d</note></tuple></presence>"
)


class Run:
    """Pairs that something is done to, `window` at a time; `start(n)` begins with one."""

    def __init__(self, numbers: Iterable[int], window: int, start: Callable[[int], None]) -> None:
        """Begin with none yet."""
        self.todo = deque(numbers)
        self.count = len(self.todo)
        self.window = window
        self.begun: dict[int, float] = {}
        self.delays = array("d")
        self.last_done = time.perf_counter()
        self._start = start

    @property
    def done(self) -> int:
        """How many came to their end."""
        return len(self.delays)

    @property
    def over(self) -> bool:
        """Whether all did."""
        return not self.todo and not self.begun

    def fill(self, room: int | None = None) -> None:
        """Begin with so many more, or as many as the window has room for."""
        if room is None:
            room = self.window - len(self.begun)
        for _ in range(min(room, len(self.todo))):
            number = self.todo.popleft()
            self.begun[number] = time.perf_counter()
            self._start(number)

    def end(self, number: int) -> None:
        """Count a pair's effect."""
        begun = self.begun.pop(number, None)
        if begun is not None:
            self.last_done = time.perf_counter()
            self.delays.append(self.last_done - begun)


class Dialog:
    """One dialog of the SIP side: the names of a request within it, and its last CSeq."""

    __slots__ = ("call_id", "cseq", "local", "remote", "target")

    def __init__(self, call_id: bytes, target: bytes, local: bytes, remote: bytes) -> None:
        """Speak as `local` to `remote` at `target`."""
        self.call_id = call_id
        self.target = target
        self.local = local
        self.remote = remote
        self.cseq = 0


class WatchingEnds(FarEnds):
    """The two domains, whose users watch each other."""

    xmpp_sees: Final = "xmpp"
    sip_sees: Final = "sip"
    seen: str = xmpp_sees
    """Who sees what is done now."""
    run: Run | None = None
    granted = GRANTED
    """Seconds that the presence server grants."""
    notes: dict[int, int]
    watched: dict[int, Dialog]
    """Dialogs in which the gateway watches a SIP user."""
    watching: dict[int, Dialog]
    """Dialogs in which a SIP user watches."""
    seconds: Counter[int]
    """SUBSCRIBEs of the gateway by the second in which they came."""
    refreshed: set[int]

    def reset(self) -> None:
        """Forget all dialogs."""
        self.watched, self.watching, self.notes = {}, {}, {}
        self.seconds, self.refreshed = Counter(), set()

    # -- what is begun ------------------------------------------------------------------

    def xmpp_subscribes(self, number: int) -> None:
        """Have an XMPP user ask to watch a SIP user."""
        self._presence(number, "type='subscribe'")

    def sip_subscribes(self, number: int) -> None:
        """Have a SIP user ask to watch an XMPP user."""
        user = number % self.users
        data = (
            b"SUBSCRIBE sip:user%d@xmpp.test SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP %s;branch=z9hG4bKw%d;rport\r\nMax-Forwards: 70\r\n"
            b"From: <sip:user%d@sip.test>;tag=w%d\r\nTo: <sip:user%d@xmpp.test>\r\n"
            b"Call-ID: w%d\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:user%d@%s>\r\n"
            b"Event: presence\r\nAccept: application/pidf+xml\r\nExpires: 3600\r\n"
            b"Content-Length: 0\r\n\r\n"
        ) % (user, self._via, number, number, number, user, number, number, self._via)
        self._sendto(data, self._gateway)

    def sip_changes(self, number: int) -> None:
        """Have the presence server tell a new note of a SIP user."""
        self.notes[number] = self.notes.get(number, 0) + 1
        self._notify(number, self.watched[number])

    def xmpp_changes(self, number: int) -> None:
        """Have an XMPP user tell a SIP user a new status."""
        self.notes[number] = note = self.notes.get(number, 0) + 1
        self._presence(number, "", f"<status>{note:08d}</status>")

    def _presence(self, number: int, kind: str, inner: str = "") -> None:
        from_ = f"user{number % self.users}@xmpp.test" + ("" if kind else "/phone")
        self._stanzas.append(
            f"<presence from='{from_}' to='user{number}@sip.test' {kind}>{inner}</presence>"
        )

    # -- what comes by XMPP ---------------------------------------------------------------

    def stanzas(self, data: bytes) -> bytes:
        """Count the whole stanzas that `data` begins with; return the rest."""
        at = 0
        while True:
            found = PRESENCE.match(data, at)
            if found is None:
                rest = super().stanzas(data[at:])
                if len(rest) == len(data) - at or not rest:
                    break
                data, at = rest, 0
                continue
            at = found.end()
            values = dict(ATTRIBUTE.findall(found[1]))
            self._told(values, found[2] or b"")
        self._go_on()
        return rest

    def _told(self, values: dict[bytes, bytes], content: bytes) -> None:
        number = int(values[b"from"].partition(b"@")[0][4:])
        kind = values.get(b"type", b"")
        if kind == b"subscribe":
            self._presence(number, "type='subscribed'")
            self._presence(number, "", "<status>00000000</status>")
        elif kind == b"probe":
            note = self.notes.get(number, 0)
            self._presence(number, "", f"<status>{note:08d}</status>")
        elif not kind and self.run is not None and self.seen is self.xmpp_sees:
            note_ = STATUS.search(content)
            if note_ is not None and int(note_[1]) == self.notes.get(number, 0):
                self.run.end(number)

    # -- what comes by SIP ----------------------------------------------------------------

    def _readable(self) -> None:
        for data, source in self._datagrams():
            if data.startswith(b"SUBSCRIBE "):
                self._subscribed(data, source)
            elif data.startswith(b"NOTIFY "):
                self._notified(data, source)
            elif data.startswith(b"SIP/2.0 200") and b" SUBSCRIBE\r\n" in data:
                self._granted(data)
        self._go_on()

    def _go_on(self) -> None:
        if self.run is not None and self.run.window:
            self.run.fill()
        self.flush()

    def _subscribed(self, data: bytes, source: tuple[str, int]) -> None:
        """Grant a SUBSCRIBE of the gateway, and notify."""
        head = _headers(data)
        found = USER.search(head[b"to"])
        assert found is not None  # noqa: S101 - all of our users are numbered
        number = int(found[1])
        self.seconds[int(time.perf_counter())] += 1
        self.refreshed.add(number)
        granted = min(int(head[b"expires"]), self.granted)
        to = head[b"to"] if b";tag=" in head[b"to"] else head[b"to"] + b";tag=s%d" % number
        more = b"Expires: %d\r\nContact: <sip:%s>\r\n" % (granted, self._via)
        self._answer(head, to, source, more)
        dialog = self.watched.get(number)
        if dialog is None or dialog.call_id != head[b"call-id"]:
            target = head[b"contact"].partition(b"<")[2].partition(b">")[0]
            dialog = Dialog(head[b"call-id"], target, to, head[b"from"])
            self.watched[number] = dialog
        self._notify(number, dialog, b"active;expires=%d" % granted)

    def _notify(self, number: int, dialog: Dialog, state: bytes = b"active;expires=3600") -> None:
        dialog.cseq += 1
        body = PIDF % (number, number, self.notes.setdefault(number, 0))
        data = (
            b"NOTIFY %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKs%d-%d;rport\r\n"
            b"Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d NOTIFY\r\n"
            b"Contact: <sip:%s>\r\nEvent: presence\r\nSubscription-State: %s\r\n"
            b"Content-Type: application/pidf+xml\r\nContent-Length: %d\r\n\r\n%s"
        ) % (
            *(dialog.target, self._via, number, dialog.cseq, dialog.local, dialog.remote),
            *(dialog.call_id, dialog.cseq, self._via, state, len(body), body),
        )
        self._sendto(data, self._gateway)

    def _granted(self, data: bytes) -> None:
        head = _headers(data)
        if head[b"call-id"].startswith(b"w"):
            number = int(head[b"call-id"][1:])
            target = head[b"contact"].partition(b"<")[2].partition(b">")[0]
            self.watching[number] = Dialog(head[b"call-id"], target, head[b"from"], head[b"to"])

    def _notified(self, data: bytes, source: tuple[str, int]) -> None:
        """Take a NOTIFY of the gateway."""
        head = _headers(data)
        self._answer(head, head[b"to"], source)
        note = NOTE.search(data)
        if note is None or self.run is None or self.seen is not self.sip_sees:
            return
        number = int(head[b"call-id"][1:])
        if int(note[1]) == self.notes.get(number, 0):
            self.run.end(number)

    def _answer(
        self, head: dict[bytes, bytes], to: bytes, source: tuple[str, int], more: bytes = b""
    ) -> None:
        data = (
            b"SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
            b"%sContent-Length: 0\r\n\r\n"
        ) % (head[b"via"], head[b"from"], to, head[b"call-id"], head[b"cseq"], more)
        self._sendto(data, source)


def _headers(data: bytes) -> dict[bytes, bytes]:
    """Return the headers of a message by their long names, of each the first."""
    found: dict[bytes, bytes] = {}
    for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        found.setdefault(NAMES.get(name, name), value.strip())
    return found
