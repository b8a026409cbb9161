"""A form with a file in it, read from disk while it is sent (RFC 7578)."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from client.errors import FileChanged, Stopped


class FormBody:
    """The body of one POST; `data` stands at its start and has `size` bytes.

    `sha256` is of what was sent of the file so far, `sent` how many bytes that is; `on_bytes`
    hears of each piece. Reading raises `Stopped` once `stop` is set, and `FileChanged` where the
    file has become shorter.
    """

    def __init__(
        self,
        fields: Mapping[str, str],
        data: BinaryIO,
        size: int,
        *,
        on_bytes: Callable[[int], None],
        stop: threading.Event,
    ) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        # S3 reads nothing behind the file.
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n'
            f"Content-Type: {fields.get('Content-Type', 'application/octet-stream')}\r\n\r\n"
        )
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._data, self._size = data, size
        self._on_bytes, self._stop = on_bytes, stop
        self._digest = hashlib.sha256()
        self.sent = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(1 << 16):
            yield piece

    def read(self, most: int = -1) -> bytes:
        if self._stop.is_set():
            raise Stopped("It was stopped.")
        most = len(self) if most < 0 else most
        if self._head:
            piece, self._head = self._head[:most], self._head[most:]
            return piece
        if self.sent < self._size:
            return self._read_file(min(most, self._size - self.sent))
        piece, self._tail = self._tail[:most], self._tail[most:]
        return piece

    def _read_file(self, most: int) -> bytes:
        piece = self._data.read(most)
        if not piece:
            raise FileChanged("It has become shorter while it was read.")
        self._digest.update(piece)
        self.sent += len(piece)
        self._on_bytes(len(piece))
        return piece
