#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares exported records with the truth of traffic.py, exactly: packets and IP octets of each flow's directions.

    compare_flows.py TRUTH.csv RECORDS.json [--one-record]

RECORDS are JSON Lines with IANA's element names (parshall's own, or of fixbuf_listener). Several records of one flow
are added up; --one-record refuses that: a biflow that was split over queues comes as two. Uniflow and biflow
records are both understood. Exit code 1 on any difference; the first ones are shown.
"""
import csv
import json
import sys
from collections import Counter

ICMP = (1, 58)


def key_of(protocol: int, source: str, source_port: int, target: str, target_port: int) -> tuple:
    if protocol in ICMP:
        source_port = target_port = 0
    return protocol, source, source_port, target, target_port


def turned(key: tuple) -> tuple:
    return key[0], key[3], key[4], key[1], key[2]


def read_truth(path: str) -> dict:
    truth = {}
    with open(path, newline='', encoding='utf-8') as lines:
        for row in csv.DictReader(lines):
            key = key_of(int(row['protocol']), row['source'], int(row['sourcePort']), row['destination'],
                         int(row['destinationPort']))
            truth[key] = (int(row['packets']), int(row['octets']))
            if int(row['reversePackets']):
                truth[turned(key)] = (int(row['reversePackets']), int(row['reverseOctets']))
    return truth


def record_key(record: dict):
    source = record.get('sourceIPv4Address', record.get('sourceIPv6Address'))
    target = record.get('destinationIPv4Address', record.get('destinationIPv6Address'))
    if source is None or 'packetDeltaCount' not in record:
        return None  # an options record
    return key_of(record['protocolIdentifier'], source, record.get('sourceTransportPort', 0), target,
                  record.get('destinationTransportPort', 0))


def read_records(path: str) -> tuple:
    """(sums of each directed key, records of each undirected key)"""
    packets, octets, records = Counter(), Counter(), Counter()
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            record = json.loads(line)
            key = record_key(record)
            if key is None:
                continue
            packets[key] += record['packetDeltaCount']
            octets[key] += record['octetDeltaCount']
            packets[turned(key)] += record.get('reversePacketDeltaCount', 0)
            octets[turned(key)] += record.get('reverseOctetDeltaCount', 0)
            records[min(key, turned(key))] += 1
    return {key: (packets[key], octets[key]) for key in packets if packets[key]}, records


def main() -> None:
    arguments = [a for a in sys.argv[1:] if a != '--one-record']
    if len(arguments) != 2:
        sys.exit(__doc__)
    truth = read_truth(arguments[0])
    sums, records = read_records(arguments[1])
    faults = [f'missing: {key} {value}' for key, value in truth.items() if key not in sums]
    faults += [f'never sent: {key} {value}' for key, value in sums.items() if key not in truth]
    faults += [f'different: {key} sent {value}, exported {sums[key]} (packets, octets)'
               for key, value in truth.items() if key in sums and sums[key] != value]
    if '--one-record' in sys.argv:
        faults += [f'split into {count} records: {key}' for key, count in records.items() if count > 1]
    print('\n'.join(faults[:10]), end='\n' if faults else '')
    print(f'{len(truth)} directed flows sent, {len(sums)} exported in {sum(records.values())} records, '
          f'{len(faults)} differences')
    sys.exit(1 if faults else 0)


if __name__ == '__main__':
    main()
