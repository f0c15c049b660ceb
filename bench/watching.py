"""Both far ends of presence (RFC 8048): a presence server with phones, and an XMPP domain.

Pairs are numbered: number n is the SIP user `user<n>` and the XMPP user `user<n % users>`. What
is done to a pair counts when its effect came out at the other end: a subscription when consent was
told and the state that it is of, a change when its note was. Requests are sent again until they are
answered (RFC 3261 §17.1.2.2); those of the gateway that come again are answered and not counted.
"""

import asyncio
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
T1, T2 = 0.5, 4.0
AGAIN: Final = 0.1
"""Seconds between two looks at what is to be sent again."""
PIDF: Final = (
    b"<?xml version='1.0' encoding='UTF-8'?><presence xmlns='urn:ietf:params:xml:ns:pidf'"
    b" entity='pres:user%d@sip.test'><tuple id='t1'><status><basic>open</basic></status>"
    b"<contact>sip:user%d@sip.test</contact><note>%08d</note></tuple></presence>"
)


class Run:
    """Pairs that something is done to, `window` at a time.

    `start(n)` begins with one, and returns the note that tells of it.
    """

    def __init__(self, numbers: Iterable[int], window: int, start: Callable[[int], int]) -> None:
        """Begin with none yet."""
        self.todo = deque(numbers)
        self.count = len(self.todo)
        self.window = window
        self.begun: dict[tuple[int, int], float] = {}
        self.delays = array("d")
        self.overtaken = 0
        """How many were not seen for a later one of the same pair."""
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
            number, now = self.todo.popleft(), time.perf_counter()
            self.begun[number, self._start(number)] = now

    def end(self, number: int, note: int) -> None:
        """Count a pair's effect, once; what came before it will not be seen any more."""
        begun = self.begun.pop((number, note), None)
        if begun is None:
            return
        self.last_done = time.perf_counter()
        self.delays.append(self.last_done - begun)
        while self.begun.pop((number, note := note - 1), None) is not None:
            self.overtaken += 1

    @property
    def lost(self) -> int:
        """How many were not seen at all."""
        return self.count - self.done - self.overtaken


class Unanswered:
    """Requests that wait for a response, by Call-ID and CSeq; times are in seconds."""

    def __init__(self) -> None:
        """Have none."""
        self._waiting: dict[tuple[bytes, bytes], tuple[bytes, float, float, float]] = {}

    def add(self, call_id: bytes, cseq: bytes, data: bytes, now: float) -> None:
        """Have a request that was just sent wait."""
        self._waiting[call_id, cseq] = (data, now + T1, T1, now + 64 * T1)

    def answered(self, call_id: bytes, cseq: bytes) -> bool:
        """Take a final response; False where nothing waits for it."""
        return self._waiting.pop((call_id, cseq), None) is not None

    def due(self, now: float) -> list[bytes]:
        """Return what is to be sent again; what has waited too long is given up."""
        found = []
        for key, (data, when, wait, until) in list(self._waiting.items()):
            if until <= now:
                del self._waiting[key]
            elif when <= now:
                wait = min(2 * wait, T2)
                self._waiting[key] = (data, now + wait, wait, until)
                found.append(data)
        return found


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
    """Seconds that the presence server grants a new dialog."""
    notes: dict[int, int]
    watched: dict[int, Dialog]
    """Dialogs in which the gateway watches a SIP user."""
    watching: dict[int, Dialog]
    """Dialogs in which a SIP user watches."""
    consent: set[int]
    """SIP users whose XMPP user was told `subscribed`."""
    seconds: Counter[int]
    """SUBSCRIBEs of the gateway by the second in which they came."""
    refreshed: set[int]
    """SIP users whose state the gateway took, after a SUBSCRIBE of its own."""
    last_told = 0.0
    """When the gateway last told a SIP user anything."""
    counts: Counter[str]
    """Requests sent again, those of the gateway that came again, and responses that refuse."""
    _ticking: asyncio.TimerHandle | None = None

    def reset(self) -> None:
        """Forget all dialogs, and look after what is not answered from now on."""
        self.watched, self.watching, self.notes, self.consent = {}, {}, {}, set()
        self.seconds, self.refreshed, self.counts = Counter(), set(), Counter()
        self._unanswered = Unanswered()
        self._grants: dict[int, tuple[bytes, bytes, bytes]] = {}
        self._told_at: dict[bytes, int] = {}
        self._confirming: dict[tuple[bytes, bytes], int] = {}
        if self._ticking is None:
            self._tick()

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(AGAIN, self._tick)
        for data in self._unanswered.due(time.perf_counter()):
            self.counts["sent_again"] += 1
            self._sendto(data, self._gateway)

    async def aclose(self) -> None:
        """Close every socket."""
        if self._ticking is not None:
            self._ticking.cancel()
        await super().aclose()

    def clear(self) -> None:
        """Count refreshes from now on."""
        self.seconds.clear()
        self.refreshed.clear()
        self._confirming.clear()

    # -- what is begun ------------------------------------------------------------------

    def xmpp_subscribes(self, number: int) -> int:
        """Have an XMPP user ask to watch a SIP user."""
        self._presence(number, "type='subscribe'")
        return self.notes.get(number, 0)

    def sip_subscribes(self, number: int) -> int:
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
        self._ask(b"w%d" % number, b"1 SUBSCRIBE", data)
        return self.notes.get(number, 0)

    def sip_changes(self, number: int) -> int:
        """Have the presence server tell a new note of a SIP user."""
        self.notes[number] = note = self.notes.get(number, 0) + 1
        self._notify(number, self.watched[number])
        return note

    def xmpp_changes(self, number: int) -> int:
        """Have an XMPP user tell a SIP user a new status."""
        self.notes[number] = note = self.notes.get(number, 0) + 1
        self._presence(number, "", f"<status>{note:08d}</status>")
        return note

    def _ask(self, call_id: bytes, cseq: bytes, data: bytes) -> None:
        """Send a request, and again until it is answered."""
        self._unanswered.add(call_id, cseq, data, time.perf_counter())
        self._sendto(data, self._gateway)

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
        elif kind == b"subscribed":
            self.consent.add(number)
        elif not kind and number in self.consent and self.seen is self.xmpp_sees:
            self._seen(number, STATUS.search(content))

    def _seen(self, number: int, note: re.Match[bytes] | None) -> None:
        """Count what a document or stanza tells of a pair."""
        if note is not None and self.run is not None:
            self.run.end(number, int(note[1]))

    # -- what comes by SIP ----------------------------------------------------------------

    def _readable(self) -> None:
        for data, source in self._datagrams():
            if data.startswith(b"SUBSCRIBE "):
                self._subscribed(data, source)
            elif data.startswith(b"NOTIFY "):
                self._notified(data, source)
            elif data.startswith(b"SIP/2.0 ") and data[8:9] != b"1":
                self._answered(int(data[8:11]), _headers(data))
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
        call_id, cseq, answer = self._grants.get(number, (b"", b"", b""))
        if (call_id, cseq) == (head[b"call-id"], head[b"cseq"]):
            self.counts["came_again"] += 1
            self._sendto(answer, source)
            return
        self.seconds[int(time.perf_counter())] += 1
        new = b";tag=" not in head[b"to"]
        granted = min(int(head[b"expires"]), self.granted if new else GRANTED)
        to = head[b"to"] + b";tag=s%d" % number if new else head[b"to"]
        more = b"Expires: %d\r\nContact: <sip:%s>\r\n" % (granted, self._via)
        answer = self._answer(head, to, source, more)
        self._grants[number] = (head[b"call-id"], head[b"cseq"], answer)
        dialog = self.watched.get(number)
        if dialog is None or dialog.call_id != head[b"call-id"]:
            target = head[b"contact"].partition(b"<")[2].partition(b">")[0]
            dialog = Dialog(head[b"call-id"], target, to, head[b"from"])
            self.watched[number] = dialog
        self._notify(number, dialog, b"active;expires=%d" % granted)
        self._confirming[dialog.call_id, b"%d NOTIFY" % dialog.cseq] = number

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
        self._ask(dialog.call_id, b"%d NOTIFY" % dialog.cseq, data)

    def _answered(self, status: int, head: dict[bytes, bytes]) -> None:
        """Take the final response to a request of ours."""
        call_id, cseq = head[b"call-id"], head[b"cseq"]
        number = self._confirming.pop((call_id, cseq), None)
        if not self._unanswered.answered(call_id, cseq):
            return
        if status >= 300:
            self.counts["refused"] += 1
        elif number is not None:
            self.refreshed.add(number)
        elif cseq.endswith(b" SUBSCRIBE"):
            target = head[b"contact"].partition(b"<")[2].partition(b">")[0]
            self.watching[int(call_id[1:])] = Dialog(call_id, target, head[b"from"], head[b"to"])

    def _notified(self, data: bytes, source: tuple[str, int]) -> None:
        """Take a NOTIFY of the gateway."""
        head = _headers(data)
        self._answer(head, head[b"to"], source)
        call_id, cseq = head[b"call-id"], int(head[b"cseq"].split()[0])
        if cseq <= self._told_at.get(call_id, 0):
            self.counts["came_again"] += 1
            return
        self._told_at[call_id], self.last_told = cseq, time.perf_counter()
        if self.seen is self.sip_sees and head[b"subscription-state"].startswith(b"active"):
            self._seen(int(call_id[1:]), NOTE.search(data))

    def _answer(
        self, head: dict[bytes, bytes], to: bytes, source: tuple[str, int], more: bytes = b""
    ) -> bytes:
        data = (
            b"SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
            b"%sContent-Length: 0\r\n\r\n"
        ) % (head[b"via"], head[b"from"], to, head[b"call-id"], head[b"cseq"], more)
        self._sendto(data, source)
        return data


def _headers(data: bytes) -> dict[bytes, bytes]:
    """Return the headers of a message by their long names, of each the first."""
    found: dict[bytes, bytes] = {}
    for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        found.setdefault(NAMES.get(name, name), value.strip())
    return found
