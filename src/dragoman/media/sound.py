"""Sound between codecs, by PyAV, which is optional (RFC 6716, ITU-T G.722, ITU-T G.711).

Samples are 16 bits, one channel, in the byte order of this machine. PyAV is loaded when a call
needs it (`load`), and used here alone.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from dragoman.errors import LocalError

if TYPE_CHECKING:
    import av

EXTRA: Final = "dragoman[transcode]"
"""What brings PyAV."""
LONGEST: Final = 0.2
"""Seconds of sound in the longest packet that is read; Opus ends at 0.12 (RFC 6716 §3.2)."""
_WIDTH: Final = 2


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec: its name and clock in SDP, what PyAV calls it, and the samples a second it takes.

    G.722 has a clock that is not its rate (RFC 3551 §4.5.2).
    """

    name: str
    clock: int
    library: str
    rate: int


OPUS: Final = Codec("opus", 48000, "libopus", 48000)
G722: Final = Codec("G722", 8000, "g722", 16000)
PCMU: Final = Codec("PCMU", 8000, "pcm_mulaw", 8000)
PCMA: Final = Codec("PCMA", 8000, "pcm_alaw", 8000)
CODECS: Final = {(each.name.lower(), each.clock): each for each in (OPUS, G722, PCMU, PCMA)}
"""By name in lower case and clock, the best first."""
_SPEECH: Final = {"application": "voip", "frame_duration": "20"}
_BITS: Final = {8000: 24_000, 16000: 32_000, 48000: 48_000}
"""Bits a second that Opus needs for speech at a rate (RFC 7587 §3.1.1)."""


def installed() -> bool:
    """Tell whether PyAV is there, without loading it."""
    return find_spec("av") is not None


def load() -> None:
    """Load PyAV, which takes a third of a second; LocalError where it cannot be."""
    try:
        import_module("av")
    except (ImportError, OSError) as error:
        raise LocalError(f"PyAV cannot be loaded ({error}): {EXTRA} has it") from error


class Decoder:
    """Decodes one stream of a codec into samples, `rate` a second."""

    __slots__ = ("_codec", "_context", "_fresh", "_rate", "_resampler")

    def __init__(self, codec: Codec, rate: int) -> None:
        """Begin with nothing heard; LocalError where PyAV cannot be loaded."""
        load()
        self._codec = codec
        self._rate = rate
        self._begin()

    def _begin(self) -> None:
        import av

        self._context: av.AudioCodecContext = av.CodecContext.create(self._codec.library, "r")  # type: ignore[assignment]
        self._context.sample_rate = self._codec.rate
        self._context.layout = "mono"  # both channels of Opus become one
        self._context.open()
        self._resampler = (
            None
            if self._codec.rate == self._rate
            else av.AudioResampler(format="s16", layout="mono", rate=self._rate)
        )
        self._fresh = True

    def decode(self, payload: bytes) -> bytes | None:
        """Return the samples of a packet, at most LONGEST; None where it is not one.

        What the resampler holds back of the first packet is made up for by silence.
        """
        import av

        if not payload:  # means the end to PyAV
            return None
        try:
            frames = self._context.decode(av.Packet(payload))
            length = sum(each.samples for each in frames)
            pcm = b"".join(map(self._samples, frames))
        except (av.FFmpegError, ValueError):
            self._begin()
            return None
        if self._fresh and pcm:
            self._fresh = False
            whole = length * self._rate // self._codec.rate * _WIDTH
            pcm = bytes(max(0, whole - len(pcm))) + pcm
        return pcm[: int(self._rate * LONGEST) * _WIDTH]

    def _samples(self, frame: "av.AudioFrame") -> bytes:
        if self._resampler is None:
            return bytes(frame.planes[0])[: frame.samples * _WIDTH]
        frame.pts = None
        made = self._resampler.resample(frame)
        return b"".join(bytes(each.planes[0])[: each.samples * _WIDTH] for each in made)


class Encoder:
    """Encodes samples into packets of a codec."""

    __slots__ = ("_context", "_rate")

    def __init__(self, codec: Codec, rate: int) -> None:
        """Encode `rate` samples a second: Opus takes 8000, 16000 or 48000, others their own.

        LocalError where PyAV cannot be loaded.
        """
        load()
        import av

        self._rate = rate
        self._context: av.AudioCodecContext = av.CodecContext.create(codec.library, "w")  # type: ignore[assignment]
        self._context.sample_rate = rate
        self._context.layout = "mono"
        self._context.format = "s16"
        if codec is OPUS:
            self._context.bit_rate = _BITS[rate]
            self._context.options = dict(_SPEECH)
        self._context.open()

    def encode(self, pcm: bytes) -> bytes:
        """Return the packet of 20 ms of samples; b"" where there is none."""
        import av

        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // _WIDTH)
        frame.sample_rate = self._rate
        frame.planes[0].update(pcm)
        try:
            return b"".join(map(bytes, self._context.encode(frame)))
        except (av.FFmpegError, ValueError):
            return b""
