#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a pcap of made-up flows and the truth about them; the same seed gives the same octets.

    traffic.py --flows 20000 --seed 1 --pcap out.pcap --truth out.csv
               [--packets 6] [--seconds 2] [--tcp-only] [--reply-share 0.8]

One line of truth a flow, in the direction of its first packet:
    protocol,source,sourcePort,destination,destinationPort,packets,octets,reversePackets,reverseOctets
Octets are IP octets (RFC 7012 octetDeltaCount: header and payload). ICMP flows have ports 0 and are echo requests with
their replies. No two flows share a key, in either direction. TCP flows begin with a handshake and do not end, so that
an exporter's TCP end detection does not cut them: what a flow is depends on the timeouts alone.
"""
import argparse
import csv
import ipaddress
import random
import struct

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
CLIENT_MAC, SERVER_MAC = bytes.fromhex('00005e005310'), bytes.fromhex('00005e005320')
TCP_FLAGS = {'syn': 0x02, 'syn_ack': 0x12, 'ack': 0x10, 'push': 0x18}


def checksum(data: bytes) -> int:
    """RFC 1071: 2^16 is 1 modulo 0xFFFF, so the whole as one number has the sum of its words."""
    number = int.from_bytes(data + bytes(len(data) % 2), 'big')
    return ~(number % 0xFFFF or 0xFFFF if number else 0) & 0xFFFF


class Flow:
    def __init__(self, index: int, rng: random.Random, tcp_only: bool, reply_share: float, packets_mean: int):
        self.version = 6 if rng.random() < 0.3 else 4
        kind = 'tcp' if tcp_only else rng.choices(('tcp', 'udp', 'icmp'), (0.6, 0.3, 0.1))[0]
        self.protocol = {'tcp': TCP, 'udp': UDP, 'icmp': ICMP if self.version == 4 else ICMPV6}[kind]
        # The index is in the client's address, so every key is unique, also for ICMP, which has no ports.
        if self.version == 4:
            self.client = ipaddress.IPv4Address(0x0A000000 + index).packed
            self.server = ipaddress.IPv4Address(0xC6120000 + rng.randrange(1, 1 << 16)).packed
        else:
            self.client = ipaddress.IPv6Address((0x20010DB8 << 96) + index).packed
            self.server = ipaddress.IPv6Address((0x20010DB8 << 96) + (1 << 64) + rng.randrange(1, 1 << 16)).packed
        ports = kind != 'icmp'
        self.client_port = rng.randrange(1024, 65536) if ports else 0
        self.server_port = rng.choice((22, 25, 53, 80, 123, 443, 4433, 8080)) if ports else 0
        answered = rng.random() < reply_share
        self.directions = self.plan(kind, answered, max(1, int(rng.expovariate(1 / packets_mean))))
        self.sizes = [rng.choice((0, 1, 40, 200, 700, 1400)) for _ in self.directions]
        if kind == 'tcp':  # a handshake carries no data
            self.sizes[:2] = [0] * min(2, len(self.sizes))
        self.sent = 0
        self.counts = [[0, 0], [0, 0]]

    @staticmethod
    def plan(kind: str, answered: bool, packets: int) -> list:
        """0: from the client, 1: from the server; the client always begins."""
        if not answered:
            return [0] * packets
        return [i % 2 for i in range(packets + 1)]

    def next_frame(self) -> bytes:
        reverse = self.directions[self.sent]
        payload = b'p' * self.sizes[self.sent]
        packet = self.ip_packet(reverse, self.transport(reverse, payload))
        self.counts[reverse][0] += 1
        self.counts[reverse][1] += len(packet)
        self.sent += 1
        macs = SERVER_MAC + CLIENT_MAC if not reverse else CLIENT_MAC + SERVER_MAC
        frame = macs + struct.pack('!H', 0x0800 if self.version == 4 else 0x86DD) + packet
        return frame.ljust(60, b'\0')  # the smallest Ethernet frame without its checksum

    def done(self) -> bool:
        return self.sent == len(self.directions)

    def pseudo_header(self, source: bytes, target: bytes, length: int) -> bytes:
        if self.version == 4:
            return source + target + struct.pack('!BBH', 0, self.protocol, length)
        return source + target + struct.pack('!IHBB', length, 0, 0, self.protocol)

    def tcp_flags(self, reverse: int) -> int:
        if self.sent == 0:
            return TCP_FLAGS['syn']
        if self.sent == 1 and reverse:
            return TCP_FLAGS['syn_ack']
        return TCP_FLAGS['push' if self.sizes[self.sent] else 'ack']

    def transport(self, reverse: int, payload: bytes) -> bytes:
        ports = (self.server_port, self.client_port) if reverse else (self.client_port, self.server_port)
        if self.protocol == TCP:
            place, header = 16, struct.pack('!HHIIBBHHH', *ports, self.sent, self.sent, 0x50, self.tcp_flags(reverse),
                                            0xFFFF, 0, 0)
        elif self.protocol == UDP:
            place, header = 6, struct.pack('!HHHH', *ports, 8 + len(payload), 0)
        else:
            request = 8 if self.protocol == ICMP else 128
            reply = 0 if self.protocol == ICMP else 129
            place, header = 2, struct.pack('!BBHHH', reply if reverse else request, 0, 0, 1, self.sent)
        source, target = (self.server, self.client) if reverse else (self.client, self.server)
        covered = header + payload
        if self.protocol != ICMP:
            covered = self.pseudo_header(source, target, len(covered)) + covered
        value = checksum(covered) or 0xFFFF
        return header[:place] + struct.pack('!H', value) + header[place + 2:] + payload

    def ip_packet(self, reverse: int, transport: bytes) -> bytes:
        source, target = (self.server, self.client) if reverse else (self.client, self.server)
        if self.version == 6:
            return struct.pack('!IHBB', 0x60000000, len(transport), self.protocol, 64) + source + target + transport
        header = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(transport), 0, 0x4000, 64, self.protocol, 0)
        header += source + target
        return header[:10] + struct.pack('!H', checksum(header)) + header[12:] + transport

    def truth(self) -> list:
        text = ipaddress.ip_address
        return [self.protocol, text(self.client), self.client_port, text(self.server), self.server_port,
                *self.counts[0], *self.counts[1]]


def generate(arguments) -> None:
    rng = random.Random(arguments.seed)
    flows = [Flow(i + 1, rng, arguments.tcp_only, arguments.reply_share, arguments.packets)
             for i in range(arguments.flows)]
    frames_total = sum(len(flow.directions) for flow in flows)
    step_us = arguments.seconds * 1e6 / frames_total
    start_us = 1_700_000_000 * 1_000_000
    # Flows begin one after another and run interleaved, a few hundred at a time.
    waiting, running, sent = list(reversed(flows)), [], 0
    with open(arguments.pcap, 'wb') as pcap:
        pcap.write(struct.pack('<IHHiIII', 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        while waiting or running:
            while waiting and len(running) < 512:
                running.append(waiting.pop())
            place = rng.randrange(len(running))
            flow = running[place]
            frame = flow.next_frame()
            if flow.done():
                running[place] = running[-1]
                running.pop()
            now_us = start_us + int(sent * step_us)
            pcap.write(struct.pack('<IIII', now_us // 1_000_000, now_us % 1_000_000, len(frame), len(frame)) + frame)
            sent += 1
    with open(arguments.truth, 'w', newline='') as truth:
        writer = csv.writer(truth, lineterminator='\n')
        writer.writerow('protocol source sourcePort destination destinationPort packets octets reversePackets '
                        'reverseOctets'.split())
        writer.writerows(flow.truth() for flow in flows)
    print(f'{len(flows)} flows, {frames_total} packets')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--flows', type=int, required=True)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--pcap', required=True)
    parser.add_argument('--truth', required=True)
    parser.add_argument('--packets', type=int, default=6, help='mean packets a flow')
    parser.add_argument('--seconds', type=float, default=2.0, help='time from the first packet to the last')
    parser.add_argument('--reply-share', type=float, default=0.8, help='part of the flows that are answered')
    parser.add_argument('--tcp-only', action='store_true')
    generate(parser.parse_args())


if __name__ == '__main__':
    main()
