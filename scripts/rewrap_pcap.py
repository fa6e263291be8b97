#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The packets of an Ethernet pcap file in another wrapping, for the reader's tests.

    rewrap_pcap.py other_endian IN OUT    every header field in the other byte order, as a foreign machine writes it
    rewrap_pcap.py raw|null|loop IN OUT   without Ethernet: LINKTYPE_RAW (101), NULL (0), LOOP (108); only IP packets
"""
import struct
import sys

LINKTYPES = {'raw': 101, 'null': 0, 'loop': 108}
# The address families of BSD that NULL and LOOP carry in front of the packet (www.tcpdump.org/linktypes.html).
AF_INET, AF_INET6 = 2, 24


def byte_order(data: bytes) -> str:
    return '<' if data[:4] in (b'\xd4\xc3\xb2\xa1', b'\x4d\x3c\xb2\xa1') else '>'


def records(data: bytes, order: str):
    position = 24
    while position < len(data):
        seconds, fraction, captured, original = struct.unpack_from(order + 'IIII', data, position)
        yield seconds, fraction, original, data[position + 16:position + 16 + captured]
        position += 16 + captured


def unwrap(frame: bytes, wrapping: str) -> bytes:
    ether_type = struct.unpack_from('!H', frame, 12)[0]
    if ether_type not in (0x0800, 0x86DD):
        return b''
    family = AF_INET if ether_type == 0x0800 else AF_INET6
    return {'raw': b'', 'null': struct.pack('<I', family), 'loop': struct.pack('>I', family)}[wrapping] + frame[14:]


def rewrap(data: bytes, wrapping: str) -> bytes:
    order = byte_order(data)
    target = order
    header = list(struct.unpack_from(order + 'IHHiIII', data))
    if wrapping == 'other_endian':
        target = '>' if order == '<' else '<'
    else:
        header[6] = LINKTYPES[wrapping]
    result = [struct.pack(target + 'IHHiIII', *header)]
    for seconds, fraction, original, frame in records(data, order):
        packet = frame if wrapping == 'other_endian' else unwrap(frame, wrapping)
        if packet:
            original += len(packet) - len(frame)
            result.append(struct.pack(target + 'IIII', seconds, fraction, len(packet), original) + packet)
    return b''.join(result)


if __name__ == '__main__':
    if len(sys.argv) != 4 or sys.argv[1] not in ('other_endian', *LINKTYPES):
        sys.exit(__doc__)
    with open(sys.argv[2], 'rb') as source, open(sys.argv[3], 'wb') as target_file:
        target_file.write(rewrap(source.read(), sys.argv[1]))
