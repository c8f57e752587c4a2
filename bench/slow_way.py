"""slow_way.py PORT TARGET MILLISECONDS: a long way to a port of this machine, which begins at another port of it.

Whatever goes over it, there or back, takes half of the time; a connection begins with a round trip of its own.
"""

import asyncio
import sys
from collections.abc import Callable

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]
PIECE = 1 << 16


async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    # Each piece with the moment at which it arrives: what follows does not wait for what went before.
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take() -> None:
        piece = b"more"
        while piece:
            piece = await source.read(PIECE)
            pieces.put_nowait((loop.time() + seconds, piece))

    taking = asyncio.create_task(take())
    try:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                sink.write_eof()
                return
            sink.write(piece)
            await sink.drain()
    finally:
        taking.cancel()


def way(target: int, seconds: float) -> Connected:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * seconds)
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", target)
        flows = (carry(reader, onward_writer, seconds), carry(onward_reader, writer, seconds))
        await asyncio.gather(*flows, return_exceptions=True)
        onward_writer.close()
        writer.close()

    return connected


async def main(port: int, target: int, milliseconds: int) -> None:
    server = await asyncio.start_server(way(target, milliseconds / 2000), "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main(*map(int, sys.argv[1:])))
