"""As little as can stand between a socket and a compiled model: no checks, no log, no counts. The limit of Python here.

python bare.py DOCUMENT COLUMNS METHOD:COLUMN         on stdout: the port
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import httptools
import msgspec
import uvloop

from noria.fast.opened import open_model, read_compiled

COLUMNS = sys.argv[2].split(",")
METHOD, CHOSEN = sys.argv[3].split(":")
MODEL: Any = open_model(read_compiled(Path(sys.argv[1]).read_bytes()))
ANSWER = MODEL.method(METHOD, int(CHOSEN) if CHOSEN else None).one
ROW = msgspec.defstruct("Row", [(name, float) for name in COLUMNS])
DECODE, ENCODE = msgspec.json.Decoder(ROW).decode, msgspec.json.Encoder().encode
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


class Handler(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parser: Any = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        answer = ENCODE({"answer": ANSWER(msgspec.structs.astuple(DECODE(self.body)))})
        self.body = b""
        self.transport.write(HEAD % (len(answer), answer))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Handler, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


uvloop.run(main())
