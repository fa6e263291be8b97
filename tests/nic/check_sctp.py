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


def verdicts(folder, name):
    return [json.loads(line) for line in (folder / f'{name}.out').read_text('utf-8').splitlines() if line.startswith('{')]


def check_streams(folder, wire):
    """Each template and its data on a stream of their own, and not a rule broken."""
    sink, (verdict,) = sink_of(folder, 'streams'), verdicts(folder, 'streams')
    assert not verdict['findings'] and verdict['flowRecords'] == sink['sent']['records'] > 0, (verdict, sink)
    assert verdict['optionsRecords'] == sink['optionsRecords'], (verdict, sink)
    pairs = {tuple(line.split('\t')) for line in tshark(
        wire, '-Y', 'ip.src == 127.0.0.8 && cflow.template_id', '-T', 'fields', '-e', 'sctp.data_sid', '-e', 'cflow.template_id')}
    streams = {stream for stream, _ in pairs}
    # a data template's stream also tells, in-band, whether its data may be given up (dataRecordsReliability)
    assert len(streams) == verdict['streams'] == 8, (pairs, verdict)


def check_lossy(folder):
    """The kernel does not tell which messages it gave up, so none is, and that is said."""
    sink, (verdict,) = sink_of(folder, 'lossy'), verdicts(folder, 'lossy')
    assert (folder / 'lossy.stats').read_text('utf-8').count('`lifetime` is not used') == 1
    assert not verdict['findings'] and verdict['flowRecords'] == sink['sent']['records'] == 42, (verdict, sink)
    assert int((folder / 'dropped.txt').read_text('ascii')) > 10, 'packets were lost'


def check_back(folder):
    """The second association begins with the templates, and every record is in one of the two, or counted."""
    sink = ledger.check((folder / 'back.stats').read_text('utf-8'))['collectors'][0]
    first, second = verdicts(folder, 'back')
    assert first['messages'] == 8 and not first['findings'] and not second['findings'], (first, second)
    assert second['templateRecords'] == first['templateRecords'] > 0 and sink['sessions'] == 2, (first, second, sink)
    lost = sum(reason['records'] for reason in sink['lost'].values())
    arrived = first['flowRecords'] + second['flowRecords']
    assert sink['sent']['records'] + lost == 42 and sink['sent']['records'] <= arrived <= 42, (arrived, sink)


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
    check_streams(folder, wire)
    check_lossy(folder)
    check_back(folder)
    orderly = '!(ip.addr == 127.0.0.9 || ip.addr == 127.0.0.10)'
    judged = f'{orderly} && ip.src != 127.0.0.8'  # tshark knows no sequence numbers by stream
    complaints = tshark(wire, '-2', '-Y', f'(_ws.expert.severity >= "Warning" || _ws.malformed) && {judged}', '-T', 'fields',
                        '-e', '_ws.expert.message')
    assert not complaints, complaints[:5]
    assert len(tshark(wire, '-Y', 'cflow.version == 10')) > 0, 'tshark sees IPFIX'
    assert len(tshark(wire, '-Y', f'sctp.chunk_type == {CHUNK_SHUTDOWN_COMPLETE}')) >= 7, 'all associations end in order'
    assert not tshark(wire, '-Y', f'sctp.chunk_type == {CHUNK_ABORT} && {orderly}'), 'no association is aborted'
    ours = {tuple(line.split('\t')) for line in tshark(
        wire, '-Y', 'sctp.dstport == 4739 && ip', '-T', 'fields', '-e', 'ip.src', '-e', 'ip.dsfield.dscp', '-e', 'ip.ttl')}
    others = {'127.0.0.8', '127.0.0.9', '127.0.0.10'}
    assert {one for one in ours if one[0] not in others} == {('127.0.0.7', '8', '3')}, ours
    ours = {tuple(line.split('\t')) for line in tshark(
        wire, '-Y', 'sctp.dstport == 4739 && ipv6', '-T', 'fields', '-e', 'ipv6.tclass.dscp', '-e', 'ipv6.hlim')}
    assert ours == {('46', '5')}, ours


if __name__ == '__main__':
    main(Path(sys.argv[1]))
