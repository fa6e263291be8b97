#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the same flows cost on the wire over UDP and over SCTP: messages, packets, octets.

    bench/udp_against_sctp.py [PARSHALL] [--packets N]

50,000 packets from one address to as many random destinations, each a flow, in records of 48 octets, exported to `parshall collect` over a
link between two network namespaces (root), where nftables counts both directions. Beside it stand the figures of Table 1 in
draft-deri-impl-00 (2004), and NetFlow v5, whose records and messages have the sizes that those figures give away. Prints a Markdown table;
exit code 1 when a record is missing or the counts do not add up.
"""
import argparse
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
END_TO_END = ROOT / 'tests/end_to_end'
sys.path.insert(0, str(END_TO_END))
import ledger  # noqa: E402
from collect_test import Collect  # noqa: E402
from harness import Background, Run, listening, tool, wait_until  # noqa: E402
from live import COLLECTOR, inside  # noqa: E402

SEED = 2004
ETHERNET, IPV4, UDP, SCTP, DATA_CHUNK, SACK_CHUNK = 14, 20, 8, 12, 16, 16
MESSAGE_HEADER, SET_HEADER, RECORD = 16, 4, 48
# messages and packets of both directions, octets with Ethernet headers; messages of SCTP are not told
DERI = {'udp': (1667, 1667, 2509540), 'sctp': (None, 2514, 2595952)}
TEMPLATE = '''templates:
  - name: forty_eight_octets
    keys: [sourceIPv4Address, destinationIPv4Address, protocolIdentifier, sourceTransportPort, destinationTransportPort]
    values: [flowStartMilliseconds, flowEndMilliseconds, packetDeltaCount, octetDeltaCount, tcpControlBits, flowEndReason]
'''
COUNTERS = '''table ip wire {
  counter to_udp { }
  counter to_sctp { }
  counter from_sctp { }
  chain arriving {
    type filter hook input priority 0;
    udp dport 4739 counter name to_udp
    sctp dport 4739 counter name to_sctp
  }
  chain leaving {
    type filter hook output priority 0;
    sctp sport 4739 counter name from_sctp
  }
}
'''


def write_packets(path: Path, count: int) -> None:
    """From 198.18.0.1 to addresses of 100.64.0.0/10 that differ, 1 ms apart: no flow ends before the file does."""
    destinations = random.Random(SEED).sample(range(0x64400000, 0x64800000), count)
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))  # raw IP
        for number, destination in enumerate(destinations):
            packet = struct.pack('!BBHHHBBH4sI', 0x45, 0, IPV4 + UDP, 0, 0, 64, 17, 0, socket.inet_aton('198.18.0.1'), destination)
            packet += struct.pack('!HHHH', 40000, 53, UDP, 0)
            out.write(struct.pack('<IIII', 1_089_000_000 + number // 1000, number % 1000 * 1000, len(packet), len(packet)) + packet)


def in_collector(*words, text=None) -> str:
    return subprocess.run([*inside('collector'), *words], check=True, capture_output=True, text=True, input=text).stdout


def counted() -> dict:
    """name of the counter -> (packets, octets with Ethernet headers)"""
    listed = json.loads(in_collector(tool('nft'), '-j', 'list', 'counters'))['nftables']
    return {one['counter']['name']: (one['counter']['packets'], one['counter']['bytes'] + ETHERNET * one['counter']['packets'])
            for one in listed if 'counter' in one}


def export(parshall, folder, url) -> dict:
    """The collector's part of the ledger, after all records were sent."""
    config = folder / 'probe.yaml'
    config.write_text(f'metering:\n  templates: [{folder}/template.yaml]\n  timeouts: {{idle: 1h, active: 2h}}\n'
                      f'exporting:\n  shutdown: 60s\n  queue_octets: 64M\n  collectors: ["{url}"]\n', encoding='ascii')
    prefix = inside('probe')
    run = Run(prefix[0], *prefix[1:], parshall, 'read', folder / 'packets.pcap', '-c', config, '--stats', 'json', timeout=120)
    return ledger.check_nothing_lost(run.stderr)['collectors'][0]


def measure(parshall, folder, transport, packets) -> tuple:
    """(messages, packets there, packets back, octets of both)"""
    in_collector(tool('nft'), '-f', '-', text='flush ruleset\n' + COUNTERS)
    url = f'{transport}://{COLLECTOR}:4739'
    if transport == 'netflow5':
        script = f'import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("{COLLECTOR}", 4739)); time.sleep(600)'
        taker = Background(*inside('collector'), sys.executable, '-c', script, log=folder / 'taker.log')
        wait_until(lambda: listening(4739, 'udp', inside('collector')), 'somebody listens')
        sink = export(parshall, folder, url)
        taker.kill()
    else:
        collector = Collect(parshall, folder, url, '--check', '--json', prefix=inside('collector'))
        sink = export(parshall, folder, url)
        verdict, = collector.end()
        if verdict['findings'] or verdict['flowRecords'] != packets:
            sys.exit(f'{transport}: {verdict}')
    wire = counted()
    there, back = (wire['to_sctp'], wire['from_sctp']) if transport == 'sctp' else (wire['to_udp'], (0, 0))
    return sink['messages'], there[0], back[0], there[1] + back[1]


def row(*cells) -> str:
    return '| ' + ' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in cells) + ' |'


def table(found) -> str:
    lines = ['| | messages | packets there | back | packets | octets | packets to UDP | octets to UDP |',
             '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |']

    def add(name, messages, there, back, octets, udp):
        packets = there + back
        lines.append(row(name, messages, there, back, packets, octets, f'{100 * packets / udp[0] - 100:+.1f} %',
                         f'{100 * octets / udp[1] - 100:+.1f} %'))
    for transport, (messages, packets, octets) in DERI.items():
        back = packets - DERI['udp'][1] if transport == 'sctp' else 0
        add(f'Deri 2004, {transport.upper()}', messages or '', packets - back, back, octets, DERI['udp'][1:])
    udp = found['udp'][1], found['udp'][3]
    for transport, name in (('netflow5', 'NetFlow v5, UDP'), ('udp', 'IPFIX, UDP'), ('sctp', 'IPFIX, SCTP')):
        add(name, *found[transport][:3], found[transport][3], udp)
    return '\n'.join(lines)


def check(found, packets) -> None:
    """The counts are those that the sizes ask for."""
    for transport, headers in (('udp', IPV4 + UDP), ('sctp', IPV4 + SCTP + DATA_CHUNK)):
        messages, there, back, _ = found[transport]
        records = (1500 - headers - MESSAGE_HEADER - SET_HEADER) // RECORD
        data = -(-packets // records)
        if not data <= messages <= data + 8 or not messages <= there:
            sys.exit(f'{transport}: {messages} messages in {there} packets, expected {data} with data')
        if transport == 'sctp' and not back >= messages // 2 - 8:
            sys.exit(f'sctp: {back} packets back for {there}')


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('parshall', nargs='?', default=str(ROOT / 'build/probe/parshall'))
    options.add_argument('--packets', type=int, default=50000)
    words = options.parse_args()
    if 'NETNS_COLLECTOR' not in os.environ:
        os.execv(END_TO_END / 'in_namespaces.sh', ['in_namespaces.sh', __file__, *sys.argv[1:]])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'template.yaml').write_text(TEMPLATE, encoding='ascii')
        write_packets(folder / 'packets.pcap', words.packets)
        found = {transport: measure(words.parshall, folder, transport, words.packets) for transport in ('netflow5', 'udp', 'sctp')}
    print(table(found))
    check(found, words.packets)


if __name__ == '__main__':
    main()
