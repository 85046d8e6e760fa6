"""A block of instances -> arrays and rejections: faults of its reader join those of the decoder."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from model.batch_predict.blocks import Block
from model.batch_predict.transforms import AS_IT_IS, InstanceConfig, Sent, decode_sent, send
from model.instances import Decoded, Group
from model.rejections import KEY, Rejection

Decode = Callable[[Sequence[bytes]], Decoded]


def decode_block(decode: Decode, block: Block, config: InstanceConfig = AS_IT_IS) -> tuple[Decoded, Sent | None]:
    """Return what a block's instances became, each in a group, rejected, or blank; and as what they were sent."""
    faults = _faults(block, config.key_field or KEY)
    bad = {fault.at for fault in faults}
    lines = [b"" if at in bad else line for at, line in enumerate(block.lines)] if bad else block.lines
    sent = send(config, lines) if config else None
    decoded = _again(decode, block, decode_sent(decode, sent) if sent else decode(lines), config, sent)
    return Decoded(decoded.groups, [*decoded.rejections, *faults], decoded.blank - len(bad)), sent


def _faults(block: Block, key: str) -> list[Rejection]:
    """Return the instances that were not read whole; only the last line can have been torn. `key` names its field."""
    faults = [replace(fault, key=block.key(fault.at, key)) if fault.key is None else fault for fault in block.faults]
    if block.last_line_fault is not None:
        last = len(block.lines) - 1
        faults.append(Rejection(last, block.key(last, key), *block.last_line_fault))
    return faults


def _again(decode: Decode, block: Block, decoded: Decoded, config: InstanceConfig, sent: Sent | None) -> Decoded:
    """Decode rejected instances again, made with more care: JSON may write them otherwise, or the reason be plainer."""
    if block.redo is None or not decoded.rejections:
        return decoded
    groups, rejections = [*decoded.groups], []
    for at in [rejection.at for rejection in decoded.rejections]:
        line = block.redo(at)
        if isinstance(line, Rejection):
            rejections.append(line)
            continue
        one = send(config, [line]) if sent else None
        second = decode_sent(decode, one) if one else decode([line])
        if sent and one:
            sent.lines[at], sent.heads[at] = one.lines[0], one.heads[0]
            sent.keys.update(dict.fromkeys([at][: len(one.keys)], one.keys.get(0)))
        groups += [Group(group.index + at, group.inputs) for group in second.groups]
        rejections += [replace(each, at=at) for each in second.rejections]
    return Decoded(groups, rejections, decoded.blank)
