"""File lists -> blocks of `{"b64": …}` instances: every line names a file, whose bytes are the instance."""

import json
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import orjson

from model.batch_predict.blocks import Block, Position, read_blocks
from model.batch_predict.inputs import InputFile
from model.batch_predict.listed_files import AHEAD, LINES_SIZE, Listed, read_listed
from model.batch_predict.plan import Range
from model.batch_predict.settings import BLOCK_SIZE
from model.instances import WHITESPACE
from model.rejections import Rejection


@dataclass
class _Filling:
    """A block in the making: instances as sent and as echoed, and those that cannot be read."""

    lines: list[bytes] = field(default_factory=list)
    echoes: list[bytes] = field(default_factory=list)
    faults: list[Rejection] = field(default_factory=list)
    size: int = 0
    marks: int = 0

    def add(self, name: bytes, listed: Listed) -> None:
        """Add what a line of the list came to."""
        content = listed.content
        self.marks += listed.mark
        echo = orjson.dumps(name.decode(errors="replace")) if name else b""
        if isinstance(content, tuple):
            self.faults.append(Rejection(len(self.lines), json.loads(echo), *content))
            content = b"-"
        self.lines.append(b'{"b64": "' + b64encode(content) + b'"}' if name else b"")
        self.echoes.append(echo)
        self.size += len(content)

    def block(self, end: int, size: int, before: int) -> Block:
        """Return the block of a part of a block of names."""
        echoes = self.echoes

        def find_key(at: int) -> str:
            key: str = json.loads(echoes[at])
            return key

        content = Block(self.lines, end, size, before, faults=self.faults, find_key=find_key)
        return replace(content, echoes=echoes, marks=self.marks)


def read_listed_blocks(file: InputFile, part: Range, since: Position | None = None) -> Iterator[Block]:
    """Yield the instances that a range of a list names, in blocks of a few megabytes of content.

    A file that cannot be read is a fault of its instance alone.
    """
    start = since.offset if since else 0
    for block in read_blocks(file, part, since, LINES_SIZE):
        yield from _filled(block, file, start if file.gzipped else block.end - block.size)
        start = block.end


def _filled(names: Block, file: InputFile, offset: int) -> Iterator[Block]:
    """Cut a block of names into blocks whose content fits in memory."""
    filling, taken, before = _Filling(), 0, names.first_line
    last = len(names.lines) - 1
    for at, (name, listed) in enumerate(_contents(names, file)):
        filling.add(name, listed)
        taken += len(names.lines[at]) + 1
        if filling.size >= BLOCK_SIZE and at < last:
            yield filling.block(offset + taken, 0 if file.gzipped else taken, before)
            before += len(filling.lines)
            filling, taken, offset = _Filling(), 0, offset + taken
    rest = filling.block(names.end, names.size if file.gzipped else names.end - offset, before)
    yield replace(rest, ends=names.ends, voids=names.voids)


def _contents(block: Block, file: InputFile) -> Iterator[tuple[bytes, Listed]]:
    """Yield what every name came to, in their order; a few are read ahead."""
    names = [line.strip(WHITESPACE) for line in block.lines]
    whole = names if block.last_line_fault is None else names[:-1]
    with ThreadPoolExecutor(AHEAD) as pool:
        waiting: deque[tuple[bytes, Future[Listed]]] = deque()
        for name in whole:
            waiting.append((name, pool.submit(read_listed, name, file)))
            if len(waiting) > AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        yield from ((name, future.result()) for name, future in waiting)
    if block.last_line_fault is not None:
        yield names[-1][:1024] or b"?", Listed(block.last_line_fault)
