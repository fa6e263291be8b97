#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reads what the guest left: nfcapd's records against the truth, and parshall's ledger.    check_results.py FOLDER"""
import csv
import json
import sys


def truth_sums(path: str) -> dict:
    with open(path, newline='', encoding='utf-8') as lines:
        rows = list(csv.DictReader(lines))

    def total(*names: str) -> int:
        return sum(int(row[name]) for row in rows for name in names)

    return {'flows': len(rows), 'packets': total('packets', 'reversePackets'),
            'octets': total('octets', 'reverseOctets')}


def nfdump_sums(path: str) -> dict:
    with open(path, encoding='utf-8') as lines:
        records = [record for record in json.load(lines) if record['type'] == 'FLOW']

    def total(*names: str) -> int:
        return sum(record.get(name, 0) for record in records for name in names)

    return {'flows': len(records), 'packets': total('in_packets', 'out_packets'),
            'octets': total('in_bytes', 'out_bytes')}


def ledger_of(path: str) -> dict:
    """The last line of parshall's standard error that is a JSON object."""
    with open(path, encoding='utf-8') as lines:
        objects = [line for line in lines if line.startswith('{')]
    return json.loads(objects[-1])


def ledger_faults(ledger: dict, truth: dict) -> list:
    faults = [] if ledger['ledgerCloses'] else ['the ledger does not close']
    if ledger['received']['packets'] < truth['packets']:
        faults.append(f"the port handed over {ledger['received']['packets']} packets of {truth['packets']}")
    if ledger['meteredIpOctets'] != truth['octets']:
        faults.append(f"metered {ledger['meteredIpOctets']} IP octets of {truth['octets']}")
    for collector in ledger['collectors']:
        if collector['sent']['records'] != truth['flows']:
            faults.append(f"{collector['name']} was sent {collector['sent']['records']} records")
    return faults


def queue_faults(path: str) -> list:
    """Both queues had a fair part; otherwise nothing could have been split, and the test would prove nothing."""
    with open(path, encoding='utf-8') as text:
        queues = json.load(text)
    print('queues', queues)
    if len(queues) != 2 or min(queues.values()) * 5 < sum(queues.values()):
        return [f'the packets were not spread over two queues: {queues}']
    return []


def main() -> None:
    folder = sys.argv[1]
    truth = truth_sums(f'{folder}/truth.csv')
    collected = nfdump_sums(f'{folder}/nfdump.json')
    print('sent', truth, 'nfcapd has', collected)
    faults = [f'{name}: sent {truth[name]}, nfcapd has {collected[name]}'
              for name in truth if truth[name] != collected[name]]
    faults += ledger_faults(ledger_of(f'{folder}/parshall.log'), truth)
    faults += queue_faults(f'{folder}/queues.json')
    print('\n'.join(faults), end='\n' if faults else '')
    sys.exit(1 if faults else 0)


if __name__ == '__main__':
    main()
