"""How does the command write: in which pieces, how many at a time?

The input is read as it is sent: a file may be larger than memory.

Source: influxdb3_commands/src/write.rs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import BinaryIO

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.cli.target import Target, WriteOptions
from procengine.model.duration import MILLISECOND, format_duration

NO_LINES = "No input from stdin detected, no string was passed in, and no file path was given"
READ_BYTES = 4 * 1024 * 1024

_BINARY_UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


def write(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Write line protocol from the line, a file or the standard input, in pieces.

    Raises: what `Target.write` raises for the first piece that fails; others may be stored.
    """
    options = WriteOptions(
        precision=invocation["precision"],
        accept_partial=invocation["accept_partial"],
        no_sync=invocation["no_sync"],
        gzip=invocation["gzip"],
    )
    tally = _Tally()

    def send(piece: bytes) -> bytes:
        target.write(invocation["database"], piece, options)
        return piece

    at_once = invocation["max_concurrent_requests"] if target.takes_parallel_writes else 1
    with surroundings.open_input(invocation["line_protocol"], invocation["file"], NO_LINES) as source:
        pieces = read_pieces(source, invocation["max_request_size"])
        sent = map(send, pieces) if at_once == 1 else _sent_at_once(send, pieces, at_once)
        for piece in sent:
            tally.add(piece)
            if not invocation["quiet"]:
                surroundings.tell(f"  {tally.report()}")
    return CommandOutput()


def read_pieces(source: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield an input in pieces of at most a size that end at newlines; a longer line is a piece of its own."""
    buffer = bytearray()
    ended = False
    while not ended or buffer:
        end = _piece_end(buffer, size, ended=ended) if ended or len(buffer) >= size else 0
        if end:
            yield bytes(buffer[:end])
            del buffer[:end]
        else:
            block = source.read(READ_BYTES)
            ended = not block
            buffer += block


def _piece_end(buffer: bytearray, size: int, *, ended: bool) -> int:
    """Return where the next piece ends; 0: more must be read."""
    newline = buffer.rfind(b"\n", 0, size)
    newline = newline if newline >= 0 else buffer.find(b"\n", size)
    if ended and len(buffer) <= size:
        return len(buffer)
    if newline >= 0:
        return newline + 1
    return len(buffer) if ended else 0


class _Tally:
    """What was sent so far, and since when."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._pieces = self._lines = self._bytes = 0

    def add(self, piece: bytes) -> None:
        self._pieces += 1
        self._bytes += len(piece)
        self._lines += piece.count(b"\n") + (not piece.endswith(b"\n"))

    def report(self) -> str:
        seconds = max(time.perf_counter() - self._started, 1e-9)
        spent = format_duration(int(seconds * 1000) * MILLISECOND)
        requests = "request" if self._pieces == 1 else "requests"
        return (
            f"{spent}: {self._pieces} {requests} ({self._pieces / seconds:.2f} requests/sec), "
            f"{self._lines} lines ({self._lines / seconds:.0f} lines/s), "
            f"{format_bytes(self._bytes)} ({format_bytes(int(self._bytes / seconds))}/s)"
        )


def format_bytes(count: int) -> str:
    """Return a number of bytes in the largest binary unit that it fills.

    Source: influxdb3_clap_blocks/src/memory_size.rs, format_bytes.
    """
    for unit, size in _BINARY_UNITS:
        if count >= size:
            return f"{count / size:.2f}{unit}"
    return f"{count}B"


def _sent_at_once(
    send: Callable[[bytes], bytes], pieces: Iterator[bytes], at_once: int
) -> Iterator[bytes]:
    """Send pieces on as many threads, and yield each once it is sent; no more are read than can be sent."""
    with ThreadPoolExecutor(at_once, thread_name_prefix="procengine-write") as pool:
        waiting: set[Future[bytes]] = set()
        for piece in pieces:
            if len(waiting) == at_once:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
            waiting.add(pool.submit(send, piece))
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
