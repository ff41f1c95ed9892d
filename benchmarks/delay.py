"""A TCP proxy on loopback that holds every byte back for a while, as a distant API server would.

    python benchmarks/delay.py LISTEN_PORT TARGET_PORT ROUND_TRIP_MILLISECONDS

It delays and does not throttle: bytes that arrive together leave together, half the round trip later.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

HOST = "127.0.0.1"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()

    delivery = asyncio.create_task(deliver())
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            waiting.put_nowait((loop.time() + seconds, data))
    waiting.put_nowait((loop.time() + seconds, b""))
    await delivery


async def _serve(port: int, target: int, seconds: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Opening a connection costs a round trip too.
        await asyncio.sleep(2 * seconds)
        there, back = await asyncio.open_connection(HOST, target)
        await asyncio.gather(_pump(reader, back, seconds), _pump(there, writer, seconds))

    async with await asyncio.start_server(connected, HOST, port) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    listen, to, milliseconds = (int(argument) for argument in sys.argv[1:])
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(listen, to, milliseconds / 2000))
