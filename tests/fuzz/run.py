"""Garbage for a parser: by atheris where it is installed, else by a deterministic mutator.

    python -m tests.fuzz.fuzz_NAME [--runs N] [--seed N] [--time SECONDS]

A target is a file fuzz_NAME.py with `one_input(data: bytes) -> None`, which raises when the
parser breaks its promise.  It may have SEEDS, valid inputs to start from.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Final

Target = Callable[[bytes], None]

FOLDER: Final = Path(__file__).resolve().parent
LONGEST: Final = 4096
DEFAULT_RUNS: Final = 20_000

TOKENS: Final = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"<", b">", b"/>",
    b'"', b"'", b"\\", b"%", b"%00", b"%zz", b"@", b"=", b"&", b"&amp;", b"&#0;", b"&#x110000;",
    b"]]>", b"<![CDATA[", b"<!--", b"<?x?>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"xmlns=''",
    b"</a>", b"<a>", b"-1", b"0", b"4294967296", b"9" * 40, b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"\xf4\x90\x80\x80", "\u0345ß\u03a3\u2003".encode(), b"Content-Length: ",
    b"SIP/2.0", b"a" * 300,
)  # fmt: skip


def mutated(seed: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Return `seed` after a few random edits, at most LONGEST bytes."""
    data = bytearray(seed)
    for _ in range(random.choice((0, 1, 1, 2, 3, 8))):
        start = random.randint(0, len(data))
        end = min(len(data), start + random.choice((0, 1, 2, 8, 64)))
        match random.randrange(6):
            case 0:
                data[start:end] = b""
            case 1:
                data[start:start] = data[start:end] * random.choice((1, 2, 30))
            case 2:
                data[start:end] = random.choice(TOKENS)
            case 3:
                data[start:end] = random.randbytes(end - start)
            case 4:
                del data[start:]
            case _:
                other = random.choice(others)
                data[start:] = other[random.randint(0, len(other)) :]
    return bytes(data[:LONGEST])


def inputs(seeds: Sequence[bytes], runs: int, seed: int) -> Iterator[bytes]:
    """Yield `runs` inputs, the same for the same arguments: the seeds first, then mutations."""
    random = Random(seed)  # noqa: S311 (repeatable on purpose)
    yield from seeds[:runs]
    for _ in range(runs - len(seeds)):
        yield mutated(random.choice(seeds), random, seeds)


def seeds_of(module: ModuleType) -> tuple[bytes, ...]:
    """Return a target's own SEEDS and those of the folder, which have something of every kind."""
    common = (path.read_bytes() for path in sorted(FOLDER.joinpath("seeds").iterdir()))
    return (*getattr(module, "SEEDS", ()), *common)


def targets() -> list[str]:
    """Return the module names of all targets, sorted."""
    return [f"tests.fuzz.{path.stem}" for path in sorted(FOLDER.glob("fuzz_*.py"))]


def by_mutation(name: str, arguments: argparse.Namespace) -> None:
    """Feed the target `name`, until the runs or the time are over, and print what was done."""
    module = importlib.import_module(name)
    start = time.monotonic()
    done = 0
    for data in inputs(seeds_of(module), arguments.runs, arguments.seed):
        if arguments.time and time.monotonic() - start > arguments.time:
            break
        try:
            module.one_input(data)
        except BaseException:
            print(f"{name}: input {done} of seed {arguments.seed} fails: {data!r}", file=sys.stderr)
            raise
        done += 1
    seconds = time.monotonic() - start
    print(f"{name}: {done} mutated inputs, seed {arguments.seed}, {seconds:.1f} s, no failure")


def by_coverage(name: str, arguments: argparse.Namespace) -> None:
    """Let atheris lead: it prints what it does, and never returns."""
    import atheris

    # What is loaded already was not instrumented: the target must load it afresh.
    for loaded in [each for each in sys.modules if each.split(".")[0] == "dragoman"]:
        del sys.modules[loaded]
    with atheris.instrument_imports(include=["dragoman"]):
        module = importlib.import_module(name)
    corpus = FOLDER / "corpus" / name.rpartition(".")[2]
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds_of(module)):
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
