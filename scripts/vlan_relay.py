#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A two-port VLAN switch for recordings on kernels that have no VLAN devices of their own: frames that enter an access
interface leave its trunk interface with tags, and the other way round without them.

    vlan_relay.py ACCESS_A TRUNK_A TRUNK_B ACCESS_B TPID:VLAN [TPID:VLAN]     (outermost tag first, TPID hexadecimal)
"""
import selectors
import socket
import struct
import sys

VLAN_TYPES = (0x8100, 0x88A8)
ETH_P_ALL = 3
PACKET_OUTGOING = 4


def push(frame: bytes, tags: bytes) -> bytes:
    return frame[:12] + tags + frame[12:]


def pop(frame: bytes) -> bytes:
    # The kernel has taken the outermost tag off already, where it knows it; what is left is taken off here.
    while struct.unpack_from('!H', frame, 12)[0] in VLAN_TYPES:
        frame = frame[:12] + frame[16:]
    return frame


def main() -> None:
    access_a, trunk_a, trunk_b, access_b = sys.argv[1:5]
    tags = b''.join(struct.pack('!HH', int(tpid, 16), int(vlan)) for tpid, vlan in (t.split(':') for t in sys.argv[5:]))
    ends = {}
    for name in (access_a, trunk_a, trunk_b, access_b):
        ends[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        ends[name].bind((name, ETH_P_ALL))
    selector = selectors.DefaultSelector()
    for access, trunk in ((access_a, trunk_a), (access_b, trunk_b)):
        selector.register(ends[access], selectors.EVENT_READ, (ends[trunk], lambda frame: push(frame, tags)))
        selector.register(ends[trunk], selectors.EVENT_READ, (ends[access], pop))
    print('relaying', flush=True)
    while True:
        for key, _ in selector.select():
            frame, address = key.fileobj.recvfrom(65536)
            if address[2] != PACKET_OUTGOING and len(frame) >= 14:
                other, change = key.data
                other.send(change(frame))


if __name__ == '__main__':
    main()
