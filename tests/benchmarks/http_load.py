"""Ask one thing over and over on many connections: ``python -m tests.benchmarks.http_load PORT CONNECTIONS SECONDS``.

The request comes on standard input. Prints the answers a second. A process of its own, so that it does not share the
server's interpreter; it knows an answer's length from the first one, and does nothing but count bytes.
"""

from __future__ import annotations

import asyncio
import sys
import time


class Asker(asyncio.Protocol):
    """One connection that asks again when it is answered."""

    def __init__(self, request: bytes, size: int) -> None:
        self.request, self.size = request, size
        self.answers = 0
        self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received >= self.size:
            self._received -= self.size
            self.answers += 1
            self.transport.write(self.request)


async def size_of(port: int, request: bytes) -> int:
    """Return the bytes of one answer, which must be a success with a known length."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.split(b" ")[1] in (b"200", b"204"), head
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    writer.close()
    return len(head) + (int(lengths[0].split(b":")[1]) if lengths else 0)


async def rate(port: int, request: bytes, connections: int, seconds: float) -> float:
    """Return the answers a second."""
    size = await size_of(port, request)
    loop = asyncio.get_running_loop()
    askers = []
    for _ in range(connections):
        _, asker = await loop.create_connection(lambda: Asker(request, size), "127.0.0.1", port)
        askers.append(asker)
    await asyncio.sleep(0.3)
    before, began = sum(asker.answers for asker in askers), time.perf_counter()
    await asyncio.sleep(seconds)
    answers, took = sum(asker.answers for asker in askers) - before, time.perf_counter() - began
    for asker in askers:
        asker.transport.close()
    return answers / took


if __name__ == "__main__":
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(asyncio.run(rate(port, sys.stdin.buffer.read(), connections, seconds)))
