#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Judges what sctp_guest.sh left in a folder.    check_sctp.py FOLDER"""
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'end_to_end'))
import ledger  # noqa: E402
import messages  # noqa: E402

CHUNK_SHUTDOWN_COMPLETE, CHUNK_ABORT = '14', '6'


def tshark(wire, *words):
    done = subprocess.run(['tshark', '-r', wire, '-d', 'sctp.port==4739,cflow', *words], check=True, capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if line.strip()]


def sink_of(folder, name):
    stats = (folder / f'{name}.stats').read_text('utf-8')
    assert "connected over SCTP (the kernel's)" in stats, stats
    return ledger.check_nothing_lost(stats)['collectors'][0]


def main(folder):
    wire = folder / 'wire.pcap'
    for address in ('127.0.0.1', '::1'):
        sink = sink_of(folder, address)
        lines = (folder / f'{address}.out').read_text('ascii').split()
        assert lines[0] == 'listening' and lines[-1] == 'end', lines[-1]
        session = messages.read([bytes.fromhex(line) for line in lines[1:-1]])
        assert session.data_records == sink['sent']['records'] + sink['optionsRecords'] > 0, sink
        sink = sink_of(folder, f'{address}-collect')
        verdict, = map(json.loads, (folder / f'{address}-collect.out').read_text('utf-8').splitlines())
        assert not verdict['findings'] and verdict['messages'] == sink['messages'], (verdict, sink)
        assert verdict['flowRecords'] == sink['sent']['records'] > 0, (verdict, sink)
        assert verdict['optionsRecords'] == sink['optionsRecords'], (verdict, sink)
    complaints = tshark(wire, '-2', '-Y', '_ws.expert.severity >= "Warning" || _ws.malformed', '-T', 'fields', '-e', '_ws.expert.message')
    assert not complaints, complaints[:5]
    assert len(tshark(wire, '-Y', 'cflow.version == 10')) > 0, 'tshark sees IPFIX'
    assert len(tshark(wire, '-Y', f'sctp.chunk_type == {CHUNK_SHUTDOWN_COMPLETE}')) == 4, 'all associations end in order'
    assert not tshark(wire, '-Y', f'sctp.chunk_type == {CHUNK_ABORT}'), 'no association is aborted'
    ours = {tuple(line.split('\t')) for line in tshark(
        wire, '-Y', 'sctp.dstport == 4739 && ip', '-T', 'fields', '-e', 'ip.src', '-e', 'ip.dsfield.dscp', '-e', 'ip.ttl')}
    assert ours == {('127.0.0.7', '8', '3')}, ours
    ours = {tuple(line.split('\t')) for line in tshark(
        wire, '-Y', 'sctp.dstport == 4739 && ipv6', '-T', 'fields', '-e', 'ipv6.tclass.dscp', '-e', 'ipv6.hlim')}
    assert ours == {('46', '5')}, ours


if __name__ == '__main__':
    main(Path(sys.argv[1]))
