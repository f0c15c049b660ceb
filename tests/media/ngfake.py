"""An rtpengine that lives in memory, and a plane with such engines on a hand-turned clock."""

from itertools import count

from dragoman.media import bencode
from dragoman.media.bencode import Value, Written
from dragoman.media.ngplane import Calls, Settings
from dragoman.media.plane import Counters, MediaError, MediaEvent, Profile, Side
from dragoman.sdp.session import Address, Attribute, Media, SessionDescription

HOST = "198.51.100.11"
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
KEY = "inline:" + "A" * 40
SUITES = {
    "AEAD_AES_256_GCM": "inline:" + "A" * 59,
    "AES_CM_128_HMAC_SHA1_80": KEY,
    "NULL_HMAC_SHA1_80": KEY,
}

OPUS = "97"
"""By which number an engine adds Opus."""
ADDED = {"opus": OPUS, "G722": "9", "PCMU": "0", "PCMA": "8"}
RATES = {"opus": "/48000/2"}


def sdp(*lines: str) -> SessionDescription:
    return SessionDescription.parse("\r\n".join(["v=0", *lines, ""]).encode())


PHONE = sdp(
    "c=IN IP4 192.0.2.1",
    "m=audio 5004 RTP/AVP 0 101",
    "a=rtpmap:101 telephone-event/8000",
)
CLIENT = sdp(
    "a=group:BUNDLE voice",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 101",
    "c=IN IP4 0.0.0.0",
    "a=mid:voice",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=rtpmap:101 telephone-event/8000",
    "a=ssrc:1 cname:x",
    f"a=fingerprint:{FINGERPRINT}",
    "a=setup:actpass",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:" + "p" * 24,
)
STANDING = sdp("c=IN IP4 0.0.0.0", "m=audio 9 RTP/AVP 111 0", "a=rtpmap:111 opus/48000/2")


class FakeEngine:
    """A datagram core that does as rtpengine does, as far as it is asked here."""

    def __init__(self, name: str = "a:1") -> None:
        self.name = name
        self.calls: dict[str, dict[tuple[str, int], int]] = {}
        self.asked: list[dict[bytes, Value]] = []
        """Requests that were not repeated."""
        self.mute = False
        self.deaf: set[str] = set()
        """Commands that it does not hear."""
        self.searching = False
        """Whether ICE has found no way to the client yet."""
        self.full = False
        self.others = 0
        self.fares: dict[str, tuple[int, bool]] = {"sip": (0, True), "xmpp": (0, True)}
        """Packets from each leg, and whether it is connected."""
        self._done: dict[bytes, bytes] = {}
        self._protocol: dict[tuple[str, str], str] = {}
        self._heard: dict[tuple[str, str], SessionDescription] = {}
        self._ports = count(30000, 2)
        self._out: list[bytes] = []

    def receive(self, data: bytes, now: float) -> None:
        if self.mute:
            return
        cookie, _, body = data.partition(b" ")
        asked = bencode.decode(body)
        assert isinstance(asked, dict)
        if _text(asked[b"command"]) in self.deaf:
            return
        if cookie not in self._done:
            self.asked.append(asked)
            self._done[cookie] = cookie + b" " + bencode.encode(self._answer(asked))
        self._out.append(self._done[cookie])

    def on_timer(self, now: float) -> None:
        """Have none."""

    def next_timer(self) -> float | None:
        return None

    def to_send(self) -> list[bytes]:
        out, self._out = self._out, []
        return out

    def commands(self) -> list[str]:
        """Return what was asked for, without looks at its health."""
        found = [_text(each[b"command"]) for each in self.asked]
        return [each for each in found if each not in {"ping", "statistics", "list"}]

    def last(self, command: str) -> dict[bytes, Value]:
        return [each for each in self.asked if each[b"command"] == command.encode()][-1]

    def _answer(self, asked: dict[bytes, Value]) -> dict[str, Written]:
        call = _text(asked.get(b"call-id", b""))
        match _text(asked[b"command"]):
            case "ping":
                return {"result": "pong"}
            case "statistics":
                total = {"sessionstotal": len(self.calls) + self.others}
                return {"result": "ok", "statistics": {"currentstatistics": total}}
            case "list":
                return {"result": "ok", "calls": list(self.calls)}
            case "delete":
                self.calls.pop(call, None)
                return {"result": "ok"}
            case "offer" if self.full and call not in self.calls:
                return {"result": "load limit", "message": "Parallel session limit reached"}
            case "offer":
                self.calls.setdefault(call, {})
                return self._told(asked, call)
            case _ if call not in self.calls:
                return {"result": "error", "error-reason": "Unknown call-id"}
            case "answer":
                return self._told(asked, call)
            case "query":
                return {"result": "ok", "tags": {each: self._leg(each) for each in self.fares}}
        return {"result": "ok"}

    def _told(self, asked: dict[bytes, Value], call: str) -> dict[str, Written]:
        said = asked[b"sdp"]
        assert isinstance(said, bytes)
        to = _text(asked[b"to-tag" if asked[b"command"] == b"offer" else b"from-tag"])
        wanted = asked.get(b"transport-protocol")
        if wanted is not None:
            self._protocol[call, to] = _text(wanted)
        answered = asked[b"command"] == b"answer"
        if not answered:
            self._heard[call, _text(asked[b"from-tag"])] = SessionDescription.parse(said)
        media = []
        for index, each in enumerate(SessionDescription.parse(said).media):
            if not each.port:
                media.append(each.refused())
                continue
            port = self.calls[call].setdefault((to, index), next(self._ports))
            media.append(self._media(each, index, port, asked, call, to, answered=answered))
        return {"result": "ok", "sdp": str(SessionDescription(media=tuple(media)))}

    def _media(
        self,
        said: Media,
        index: int,
        port: int,
        asked: dict[bytes, Value],
        call: str,
        to: str,
        *,
        answered: bool,
    ) -> Media:
        heard = self._heard[call, to].media[index] if answered else None
        protocol = heard.protocol if heard is not None else self._protocol[call, to]
        muxed = b"require" in _list(asked.get(b"rtcp-mux"))
        if heard is not None:
            muxed = heard.value("rtcp-mux") is not None
        lines = ["rtcp-mux"] if muxed else [f"rtcp:{port + 1}"]
        if asked[b"ICE"] == b"force":
            lines += ["ice-ufrag:engine", "ice-pwd:" + "e" * 24]
            lines += [f"candidate:1 1 UDP 2130706431 {HOST} {port} typ host"]
        if "TLS" in protocol:
            lines += [f"fingerprint:{FINGERPRINT}", f"setup:{'active' if answered else 'actpass'}"]
        elif "SAVP" in protocol:
            suites = list(SUITES) if heard is None else ["AES_CM_128_HMAC_SHA1_80"]
            lines += [f"crypto:{n} {each} {SUITES[each]}" for n, each in enumerate(suites, 1)]
        attributes = tuple(map(Attribute.parse, lines))
        more = [_text(each) for each in _list(_dictionary(asked.get(b"codec")).get(b"transcode"))]
        added = {ADDED[each]: each for each in more if said.kind == "audio"}
        maps = [f"rtpmap:{n} {name}{RATES.get(name, '/8000')}" for n, name in added.items()]
        attributes += tuple(map(Attribute.parse, maps))
        where, formats = (Address.of(HOST),), (*said.formats, *added)
        return Media(said.kind, port, protocol, formats, 1, None, where, (), attributes)

    def _leg(self, tag: str) -> dict[str, Written]:
        packets, connected = self.fares[tag]
        flags = ["RTP", "filled", *(["DTLS fingerprint verified"] if connected else [])]
        flags += ["ICE"] if tag == "xmpp" and self.searching else []
        stream: dict[str, Written] = {
            "local port": 30000,
            "flags": flags,
            "stats": {"packets": packets, "bytes": 172 * packets},
        }
        kinds = ["DTLS-SRTP"] if tag == "xmpp" else []
        return {"medias": [{"flags": kinds, "streams": [stream]}]}


class House:
    """A plane with engines in memory; `now` is the time."""

    def __init__(self, *names: str, mute: bool = False, **options: float | bool | None) -> None:
        numbers = count(1)
        settings = Settings(names or ("a:1",), "here", **options)  # type: ignore[arg-type]
        self.events: list[MediaEvent] = []
        self.engines = {name: FakeEngine(name) for name in settings.engines}
        self.calls = Calls(settings, lambda: f"c{next(numbers)}", self.events.append)
        self.now = 0.0
        for each in self.engines.values():
            each.mute = mute
        self.run(0.0)

    @property
    def engine(self) -> FakeEngine:
        return next(iter(self.engines.values()))

    def pump(self) -> None:
        """Have all that is said be heard, until nobody says anything."""
        for _ in range(1000):
            sent = self.calls.engines.to_send()
            for name, data in sent:
                self.engines[name].receive(data, self.now)
                for reply in self.engines[name].to_send():
                    self.calls.engines.all[name].receive(reply, self.now)
            due = self.calls.due()
            for each in due:
                each()
            if not sent and not due:
                return
        raise AssertionError("no end of talking")

    def run(self, seconds: float) -> None:
        """Turn the clock."""
        end = self.now + seconds
        self.pump()
        while (when := self.calls.next_timer()) is not None and when <= end:
            self.now = max(self.now, when)
            self.calls.on_timer(self.now)
            self.pump()
        self.now = end

    def offer(
        self,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        call: str = "call",
        successor: Side | None = None,
    ) -> "Told":
        told = Told()
        self.calls.offer(call, side, offer, toward, told, self.now, successor)
        self.pump()
        return told

    def answer(self, side: Side, answer: SessionDescription, call: str = "call") -> "Told":
        told = Told()
        self.calls.answer(call, side, answer, told, self.now)
        self.pump()
        return told

    def revert(self) -> None:
        self.calls.revert("call", self.now)
        self.pump()

    def close(self, call: str = "call") -> None:
        self.calls.close(call, self.now)
        self.pump()

    def counters(self) -> dict[Side, Counters]:
        found: list[dict[Side, Counters]] = []
        self.calls.counters("call", found.append, self.now)
        self.pump()
        return found[0]


class Told:
    """What somebody was told, once."""

    def __init__(self) -> None:
        self.outcomes: list[SessionDescription | MediaError] = []

    def __call__(self, outcome: SessionDescription | MediaError) -> None:
        self.outcomes.append(outcome)

    @property
    def description(self) -> SessionDescription:
        (found,) = self.outcomes
        assert isinstance(found, SessionDescription), found
        return found

    @property
    def error(self) -> MediaError:
        (found,) = self.outcomes
        assert isinstance(found, MediaError), found
        return found


def _text(value: Value) -> str:
    assert isinstance(value, bytes)
    return value.decode()


def _list(value: Value | None) -> list[Value]:
    return value if isinstance(value, list) else []


def _dictionary(value: Value | None) -> dict[bytes, Value]:
    return value if isinstance(value, dict) else {}
