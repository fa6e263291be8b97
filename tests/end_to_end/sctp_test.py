# SPDX-License-Identifier: BSD-3-Clause
"""IPFIX over SCTP in UDP (RFC 6951) to a collector on libusrsctp with sockets and threads of its own. The kernel's SCTP is tested in
a guest (tests/nic/sctp_test.sh), since few hosts have it."""
import os
import re

import harness
import ledger
import messages
from collectors import Tshark, free_port, write_pcap
from harness import CAPTURES, Background, Skip, read, wait_until
from tls_test import sink_of

OFFICE = CAPTURES / 'office.pcap'


class SctpCollector:
    """tests/support/sctp_receiver."""

    def __init__(self, scratch, *words, udp=None, prefix=()):
        program = os.environ.get('SCTP_RECEIVER')
        if not program:
            raise Skip('SCTP_RECEIVER names no program')
        self.udp = free_port() if udp is None else udp  # 0: on IP itself
        self.process = Background(*prefix, program, '--udp', self.udp, *words, log=scratch / 'sctp_receiver.out')
        wait_until(lambda: 'listening' in self.process.text(), 'the collector listens')

    def lines(self) -> list:
        return self.process.text().splitlines()

    def messages(self) -> list:
        """(stream, octets) of each."""
        return [(int(stream), bytes.fromhex(octets))
                for stream, octets in re.findall(r'^message (\d+) ([0-9a-f]+)$', self.process.text(), re.M)]


def config(scratch, udp, sctp='', mapping='', exporting='  reconnect_min: 200ms\n  reconnect_max: 200ms\n  shutdown: 3s\n'):
    path = scratch / 'sctp.yaml'
    path.write_text(f'exporting:\n  options_records: true\n{exporting}'
                    f'  collectors:\n    - url: "sctp://127.0.0.1"\n      sctp: {{encapsulation: {udp}{sctp}}}\n{mapping}',
                    encoding='utf-8')
    return path


def test_every_message_is_strictly_right_and_the_association_ends_in_order(parshall, scratch):
    wanted = len(read(parshall, OFFICE, '-o', 'json').records())
    collector = SctpCollector(scratch)
    run = read(parshall, OFFICE, '--config', config(scratch, collector.udp))
    ledger.check_nothing_lost(run.stderr)
    sink = sink_of(run)
    wait_until(lambda: 'end' in collector.lines(), 'the association has ended')
    got = collector.messages()
    session = messages.read([octets for _, octets in got])
    assert session.data_records == wanted + sink['optionsRecords'] and sink['sent']['records'] == wanted, sink
    assert len(got) == sink['messages'] and all(stream == 0 for stream, _ in got), (len(got), sink)
    # one packet a message: an Ethernet frame less IP, UDP, SCTP and chunk headers
    assert max(len(octets) for _, octets in got) <= 1500 - 20 - 8 - 12 - 16
    told = [line for line in collector.lines() if not line.startswith('message')]
    assert told == ['listening', 'up', 'shutdown', 'end'], told
    assert 'connected over SCTP (libusrsctp, in UDP)' in run.stderr, run.stderr
    write_pcap(scratch / 'plain.pcap', [octets for _, octets in got])
    judge = Tshark(scratch / 'plain.pcap')
    assert not judge.complaints(), judge.complaints()[:3]
    assert len(judge.column('cflow.version')) == len(got), judge.column('cflow.version')


def test_with_a_stream_for_each_template_every_stream_is_strictly_right_alone(parshall, scratch):
    wanted = len(read(parshall, OFFICE, '-o', 'json').records())
    collector = SctpCollector(scratch)
    run = read(parshall, OFFICE, '--config', config(scratch, collector.udp, ', streams: per_template'))
    ledger.check_nothing_lost(run.stderr)
    sink = sink_of(run)
    wait_until(lambda: 'end' in collector.lines(), 'the association has ended')
    got = collector.messages()
    streams = {}
    for stream, octets in got:
        streams.setdefault(stream, []).append(octets)
    records = {stream: messages.read(octets).data_records for stream, octets in streams.items()}
    assert sum(records.values()) == wanted + sink['optionsRecords'] and sink['sent']['records'] == wanted, (records, sink)
    assert len(got) == sink['messages'] and set(streams) == set(range(len(streams))), (len(got), sorted(streams))
    on = {}  # streams by the template or data set's number
    for stream, octets in got:
        for number in messages.set_ids(octets):
            if number >= 256:
                on.setdefault(number, set()).add(stream)
    assert on and all(len(where) == 1 for where in on.values()), on
    write_pcap(scratch / 'streams.pcap', [octets for _, octets in got])
    judge = Tshark(scratch / 'streams.pcap')
    assert not [said for said in judge.complaints() if 'equence' not in said], judge.complaints()[:3]


def test_a_collector_that_grants_fewer_streams_gets_several_templates_on_one(parshall, scratch):
    collector = SctpCollector(scratch, '--streams', '3')
    run = read(parshall, OFFICE, '--config', config(scratch, collector.udp, ', streams: per_template'))
    ledger.check_nothing_lost(run.stderr)
    wait_until(lambda: 'end' in collector.lines(), 'the association has ended')
    streams = {}
    for stream, octets in collector.messages():
        streams.setdefault(stream, []).append(octets)
    assert sorted(streams) == [0, 1, 2], sorted(streams)
    assert all(messages.read(octets).data_records for octets in streams.values())
    assert re.search(r'it takes 3 streams for \d+ templates; several templates share a stream', run.stderr), run.stderr


def test_a_collector_that_stops_reading_costs_records_that_are_named(parshall, scratch):
    """Reliable: what was not acknowledged at the deadline is lost[shutdown], neither more nor less."""
    collector = SctpCollector(scratch, '--stop-after', '1', '--window', '4096')
    run = read(parshall, CAPTURES / 'office.pcap', '--config', config(scratch, collector.udp))
    sink = sink_of(run)
    total = sink['sent']['records'] + sum(lost['records'] for lost in sink['lost'].values())
    assert total == sink['offered']['records'] > 0, sink


def test_nobody_there_costs_all_records_and_says_so_once(parshall, scratch):
    run = read(parshall, OFFICE, '--config', config(scratch, free_port()))
    sink = sink_of(run)
    assert sink['sent']['records'] == 0 and sink['lost']['shutdown']['records'] == sink['offered']['records'] > 0, sink
    assert run.stderr.count('cannot connect') <= 1, run.stderr


if __name__ == '__main__':
    harness.main(globals())
