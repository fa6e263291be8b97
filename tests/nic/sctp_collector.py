#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A collector on the kernel's SCTP: a line of hexadecimal a message, then "end" a line.    sctp_collector.py ADDRESS PORT"""
import socket
import sys

IPPROTO_SCTP = 132

listener = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen(4)
print('listening', flush=True)
while True:
    association, _ = listener.accept()
    while True:
        octets, _, flags, _ = association.recvmsg(65536)
        if not octets:
            break
        assert flags & socket.MSG_EOR, 'a message arrives whole'
        print(octets.hex(), flush=True)
    print('end', flush=True)
    association.close()
