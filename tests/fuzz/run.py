"""Garbage for a parser: by atheris where it is installed, else by a deterministic mutator.

    python -m tests.fuzz.fuzz_NAME [--runs N] [--seed N] [--time SECONDS] [--plain]

A target is a file fuzz_NAME.py with `one_input(data: bytes) -> None`, which raises when the
parser breaks its promise.  It has SEEDS, valid inputs to start from, and may have TOKENS, of
which its grammar is made.  A run fails as well when one input takes longer than 100 ms, and,
where it is long enough for that, when memory grows after its tenth part.
"""

import argparse
import gc
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import _lru_cache_wrapper
from importlib.util import find_spec
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Final, NamedTuple
from zlib import crc32

Target = Callable[[bytes], None]

FOLDER: Final = Path(__file__).resolve().parent
LONGEST: Final = 4096
STRETCHED: Final = 65536
"""How long an input is at most that is one piece repeated: where quadratic work shows."""
ONE_STRETCHED_IN: Final = 2000
ONE_BY_BYTES_IN: Final = 64
LONGEST_BY_BYTES: Final = 1024
DEFAULT_RUNS: Final = 20_000

SLOW: Final = 0.1
"""Seconds of processor time that are too long for one input."""
SUSPECT: Final = 0.005
"""Seconds by the clock after which an input is measured again, by processor time."""
ENOUGH: Final = 500_000
"""Inputs after which growth counts: at a tenth of them all that happens once has happened."""
MOST_GROWTH: Final = 16_384
"""KiB of the process: what an input of 64 KiB once needed is not always given back."""
MOST_BLOCKS: Final = 10_000
"""Blocks that Python has allocated: what is kept of one input in a thousand shows."""

TOKENS: Final = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"<", b">", b"/>",
    b'"', b"'", b"\\", b"%", b"%00", b"%zz", b"@", b"=", b"&", b"&amp;", b"&#0;", b"&#x110000;",
    b"]]>", b"<![CDATA[", b"<!--", b"<?x?>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"xmlns=''",
    b"</a>", b"<a>", b"-1", b"0", b"4294967296", b"9" * 40, b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"\xf4\x90\x80\x80", "\u0345ß\u03a3\u2003".encode(), b"Content-Length: ",
    b"SIP/2.0", b"a" * 300, b"\r\n ", b"()", b"[", b"]", b"::", b";a=b", b'"\\', b"<a b='", b"/",
    b"?", b"..", "\u202e\u200d\u0660".encode(), b"\x7f", b"*", b"--", b"xn--", b"+", b"#", b"|",
)  # fmt: skip


class Material(NamedTuple):
    """What inputs are made of: seeds are edited, strangers spliced into them, tokens put in."""

    seeds: tuple[bytes, ...]
    strangers: tuple[bytes, ...] = ()
    tokens: tuple[bytes, ...] = TOKENS


class Measured(NamedTuple):
    """What the process holds: KiB in memory, blocks that Python has allocated."""

    memory: int
    blocks: int


def mutated(
    seed: bytes, random: Random, others: Sequence[bytes], tokens: Sequence[bytes] = TOKENS
) -> bytes:
    """Return `seed` after a few random edits, at most LONGEST bytes; rarely a stretched one."""
    data = bytearray(seed)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        start = random.randint(0, len(data))
        end = min(len(data), start + random.choice((0, 1, 2, 8, 64)))
        match random.randrange(7):
            case 0:
                data[start:end] = b""
            case 1:
                data[start:start] = data[start:end] * random.choice((1, 2, 30))
            case 2 | 3:
                data[start:end] = random.choice(tokens)
            case 4:
                data[start:end] = random.randbytes(end - start)
            case 5:
                del data[start:]
            case _:
                other = random.choice(others)
                data[start:] = other[random.randint(0, len(other)) :]
    if random.randrange(ONE_STRETCHED_IN) == 0:
        return stretched(bytes(data), random, tokens)
    return bytes(data[:LONGEST])


def stretched(data: bytes, random: Random, tokens: Sequence[bytes]) -> bytes:
    """Return `data` with a token, two tokens or a piece of itself repeated, 4 to 64 KiB in all."""
    start = random.randint(0, len(data))
    piece = random.choice(
        (
            random.choice(tokens),
            random.choice(tokens) + random.choice(tokens),
            data[start : start + random.choice((1, 8, 64))] or b" ",
        )
    )
    room = (LONGEST << random.randint(0, 4)) - len(data)
    return data[:start] + piece * max(1, room // len(piece)) + data[start:]


def inputs(material: Material, runs: int, seed: int) -> Iterator[bytes]:
    """Yield `runs` inputs, the same for the same arguments: what there is, then mutations."""
    random = Random(seed)  # noqa: S311 (repeatable on purpose)
    there = (*material.seeds, *material.strangers)
    yield from there[:runs]
    for _ in range(runs - len(there)):
        yield mutated(random.choice(material.seeds), random, there, material.tokens)


def material_of(module: ModuleType) -> Material:
    """Return what a target is fed with; the strangers are the files of `seeds`, of every kind."""
    strangers = (path.read_bytes() for path in sorted(FOLDER.joinpath("seeds").iterdir()))
    tokens = (*getattr(module, "TOKENS", ()), *TOKENS)
    return Material(module.SEEDS, tuple(strangers), tokens)


def targets() -> list[str]:
    """Return the module names of all targets, sorted."""
    return [f"tests.fuzz.{path.stem}" for path in sorted(FOLDER.glob("fuzz_*.py"))]


def cut_at(data: bytes) -> int:
    """Return a place inside `data` to cut a stream in two, always the same for the same bytes."""
    return crc32(data) % (len(data) or 1)


def one_in(number: int, data: bytes) -> bool:
    """Tell whether `data` is one of the few that a costly check is made for, always the same."""
    return crc32(data, number) % number == 0


def by_bytes(data: bytes) -> bool:
    """Tell whether a stream parser is to get these bytes one at a time: one short input in 64."""
    return len(data) <= LONGEST_BY_BYTES and one_in(ONE_BY_BYTES_IN, data)


def measured() -> Measured:
    """Return what this process holds once its caches are empty and all garbage is gone."""
    for each in gc.get_objects():
        if isinstance(each, _lru_cache_wrapper):
            each.cache_clear()
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Measured(pages * os.sysconf("SC_PAGE_SIZE") // 1024, sys.getallocatedblocks())


def processor_time(one_input: Target, data: bytes) -> float:
    """Return the seconds of processor that `data` takes at best: other processes do not count."""
    found = []
    for _ in range(3):
        start = time.process_time()
        one_input(data)
        found.append(time.process_time() - start)
    return min(found)


class Course:
    """One run of one target: how many inputs it took, the slowest of them, and what it grew by."""

    def __init__(self, one_input: Target, runs: int) -> None:
        """Be ready for `runs` inputs."""
        self._one_input = one_input
        self._runs = runs
        self._early: Measured | None = None
        self.done = 0
        self.slowest = 0.0
        self.growth = Measured(0, 0)

    def take(self, data: bytes) -> None:
        """Feed one input; AssertionError when it took too long."""
        start = time.perf_counter()
        self._one_input(data)
        took = time.perf_counter() - start
        if took > self.slowest:
            if took >= SUSPECT:
                took = processor_time(self._one_input, data)
                assert took < SLOW, f"{took * 1000:.0f} ms for one input"
            self.slowest = max(took, self.slowest)
        self.done += 1
        if self.done == self._runs // 10:
            self._early = measured()

    def end(self) -> None:
        """Compare with the tenth part of the way; AssertionError for growth in a long run."""
        if self._early is None or self.done < self._runs:
            return
        late = measured()
        memory = late.memory - self._early.memory
        blocks = late.blocks - self._early.blocks
        self.growth = Measured(memory, blocks)
        if self.done >= ENOUGH:
            assert memory <= MOST_GROWTH, f"{memory} KiB more than at the tenth part"
            assert blocks <= MOST_BLOCKS, f"{blocks} blocks more than at the tenth part"

    def __str__(self) -> str:
        """Return the slowest input and the growth, as the last line of a run has them."""
        return (
            f"slowest {self.slowest * 1000:.1f} ms, "
            f"growth {self.growth.memory} KiB and {self.growth.blocks} blocks"
        )


def by_mutation(name: str, arguments: argparse.Namespace) -> None:
    """Feed the target `name`, until the runs or the time are over, and print what was done."""
    module = importlib.import_module(name)
    course = Course(module.one_input, arguments.runs)
    start = time.monotonic()
    for data in inputs(material_of(module), arguments.runs, arguments.seed):
        if arguments.time and time.monotonic() - start > arguments.time:
            break
        try:
            course.take(data)
        except BaseException:
            shown = f"input {course.done} of seed {arguments.seed} fails: {data[:LONGEST]!r}"
            print(f"{name}: {shown}", file=sys.stderr)
            raise
    course.end()
    seconds = time.monotonic() - start
    print(
        f"{name}: {course.done} inputs, seed {arguments.seed}, {seconds:.1f} s, {course}, "
        "no failure",
        flush=True,
    )


def by_coverage(name: str, arguments: argparse.Namespace) -> None:
    """Let atheris lead: it prints what it does, and never returns."""
    import atheris

    # What is loaded already was not instrumented: the target must load it afresh.
    for loaded in [
        each for each in sys.modules if each.startswith(("dragoman", "tests.fuzz.fuzz"))
    ]:
        del sys.modules[loaded]
    with atheris.instrument_imports(include=["dragoman"]):
        module = importlib.import_module(name)
    corpus = FOLDER / "corpus" / name.rpartition(".")[2]
    corpus.mkdir(parents=True, exist_ok=True)
    material = material_of(module)
    for number, data in enumerate((*material.seeds, *material.strangers)):
        (corpus / f"seed-{number}").write_bytes(data)
    options = [f"-runs={arguments.runs}", f"-seed={arguments.seed}", f"-max_len={LONGEST}"]
    if arguments.time:
        options.append(f"-max_total_time={arguments.time}")
    atheris.Setup([name, *options, str(corpus)], module.one_input)
    atheris.Fuzz()


def main(one_input: Target) -> None:
    """Fuzz the target that `one_input` belongs to, as the command line asks."""
    parser = argparse.ArgumentParser(description="Feed garbage to a parser.")
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--time", type=int, default=0, help="seconds at most; 0: as long as it takes"
    )
    parser.add_argument("--plain", action="store_true", help="without atheris though it is there")
    arguments = parser.parse_args()
    name = f"tests.fuzz.{Path(one_input.__code__.co_filename).stem}"
    plain = arguments.plain or find_spec("atheris") is None
    (by_mutation if plain else by_coverage)(name, arguments)
