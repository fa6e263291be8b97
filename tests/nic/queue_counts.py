#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Asks a running DPDK program, by its telemetry socket, how many packets each receive queue of port 0 has taken; prints
a JSON object {"rx_q0_...": n, ...}.    queue_counts.py"""
import glob
import json
import re
import socket
import sys


def main() -> None:
    places = glob.glob('/run/dpdk/*/dpdk_telemetry.v2') + glob.glob('/tmp/dpdk/*/dpdk_telemetry.v2')
    if not places:
        sys.exit('no DPDK telemetry socket')
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(places[0])
        limit = json.loads(connection.recv(1024))['max_output_len']
        connection.sendall(b'/ethdev/xstats,0')
        counters = json.loads(connection.recv(limit))['/ethdev/xstats']
    print(json.dumps({name: value for name, value in counters.items()
                      if re.fullmatch(r'rx_q\d+_(good_)?packets', name)}))


if __name__ == '__main__':
    main()
