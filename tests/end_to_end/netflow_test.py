# SPDX-License-Identifier: BSD-3-Clause
"""NetFlow v9 and v5 out of the shipped templates: a strict reader of our own, tshark and nfcapd."""
from itertools import product

import harness
import netflow
from collectors import DatagramSink, Nfcapd, Tshark, write_pcap
from dev_mix_test import milliseconds
from harness import CAPTURES, Run, differences, read
from judges_test import OFFICE, settle, traffic

FORMATS = ('netflow9', 'netflow5')
TEMPLATE_SETS = ('default', 'uniflow')


def representable(records, scheme: str) -> list:
    return [record for record in records if scheme == 'netflow9' or 'sourceIPv4Address' in record]


def lost_by_name(run, scheme: str) -> int:
    sink, = [sink for sink in run.ledger()['collectors'] if sink['name'].startswith(scheme)]
    lost = {name: tally['records'] for name, tally in sink['lost'].items() if tally['records']}
    assert set(lost) <= {'not_representable'}, lost
    return lost.get('not_representable', 0)


def test_every_packet_is_strictly_right_and_has_the_sums_of_our_records(parshall):
    for scheme in FORMATS:
        for capture in (*harness.own_captures(), traffic()):
            for templates in TEMPLATE_SETS:
                sink = DatagramSink()
                run = read(parshall, capture, '-t', templates, '-o', f'{scheme}://127.0.0.1:{sink.port}', '-o', 'json')
                told = representable(run.records(), scheme)
                exporter = netflow.read(sink.end())
                wanted, found = harness.sums(told), netflow.sums(exporter.flows)
                assert found == wanted, f'{scheme} {templates} {capture.name}: {differences(wanted, found)}'
                assert lost_by_name(run, scheme) == len(run.records()) - len(told)


def test_times_are_those_of_our_records_though_the_capture_is_years_old(parshall):
    for scheme in FORMATS:
        sink = DatagramSink()
        run = read(parshall, OFFICE, '-t', 'uniflow', '-o', f'{scheme}://127.0.0.1:{sink.port}', '-o', 'json')
        found = sorted((flow[netflow.FIRST_SWITCHED], flow[netflow.LAST_SWITCHED])
                       for flow in netflow.read(sink.end()).flows)
        wanted = sorted((milliseconds(record['flowStartMilliseconds']), milliseconds(record['flowEndMilliseconds']))
                        for record in representable(run.records(), scheme))
        assert found == wanted, (found[:3], wanted[:3])


def test_v9_repeats_its_templates_and_says_that_nothing_is_sampled(parshall, scratch):
    config = scratch / 'probe.yaml'
    config.write_text('exporting: {template_refresh_messages: 2}\n', encoding='utf-8')
    sink = DatagramSink()
    read(parshall, traffic(), '--config', config, '-o', f'netflow9://127.0.0.1:{sink.port}')
    packets = sink.end()
    exporter = netflow.read(packets)
    assert len(packets) > 8 and len(exporter.options_records) >= len(packets) // 3
    assert all(record[34] == 1 for record in exporter.options_records)


def test_tshark_has_nothing_to_complain_about(parshall, scratch):
    for scheme in FORMATS:
        for templates in TEMPLATE_SETS:
            sink = DatagramSink()
            run = read(parshall, traffic(), '-t', templates, '-o', f'{scheme}://127.0.0.1:{sink.port}', '-o', 'json')
            stream = scratch / f'{scheme}-{templates}.pcap'
            write_pcap(stream, sink.end())
            judged = Tshark(stream)
            assert not judged.complaints(), judged.complaints()[:5]
            wanted = sum(octets for _, octets in harness.sums(representable(run.records(), scheme)).values())
            assert sum(map(int, judged.column('cflow.octets'))) == wanted


def nfdump_sums(records) -> dict:
    out = {}
    for record in records:
        ports = (0, 0) if record['proto'] in (1, 58) else (record.get('src_port', 0), record.get('dst_port', 0))
        key = (record.get('src4_addr') or record['src6_addr'], record.get('dst4_addr') or record['dst6_addr'],
               record['proto'], *ports)
        had = out.get(key, (0, 0))
        out[key] = had[0] + record['in_packets'], had[1] + record['in_bytes']
    return out


def test_nfcapd_gets_the_same_flows_and_times(parshall, scratch):
    def case(scheme, templates, capture):
        folder = scratch / f'{scheme}-{templates}-{capture.stem}'
        folder.mkdir()
        collector = Nfcapd(folder)
        run = read(parshall, capture, '-t', templates, '-o', f'{scheme}://127.0.0.1:{collector.port}', '-o', 'json')
        settle(collector)
        records = collector.end()
        told = representable(run.records(), scheme)
        wanted, found = harness.sums(told), nfdump_sums(records)
        assert found == wanted, f'{scheme} {templates} {capture.name}: {differences(wanted, found)}'
        times = {milliseconds(record['flowStartMilliseconds']) for record in told}
        assert {milliseconds(record['first']) for record in records} == times, f'{scheme} {templates} {capture.name}'
    harness.side_by_side(case, *product(FORMATS, TEMPLATE_SETS, (OFFICE, traffic())))


def test_what_a_format_cannot_carry_is_refused_with_what_to_use_instead(parshall, scratch):
    template = scratch / 't.yaml'
    template.write_text('''templates:
  - name: labels
    keys: [sourceIPv4Address, destinationIPv4Address]
    values: [packetDeltaCount, octetDeltaCount, mplsTopLabelStackSection]
''', encoding='utf-8')
    for scheme, why in (('netflow9', 'mplsTopLabelStackSection has no fixed length'), ('netflow5', 'no fixed length')):
        run = Run(parshall, 'read', OFFICE, '-t', template, '-o', f'{scheme}://127.0.0.1', expect=2)
        assert why in run.stderr and 'udp://' in run.stderr, run.stderr
        config = scratch / f'{scheme}.yaml'
        config.write_text(f'metering: {{templates: [{template}]}}\nexporting: {{collectors: ["{scheme}://127.0.0.1"]}}\n',
                          encoding='utf-8')
        assert why in Run(parshall, 'check', config, expect=2).stderr


if __name__ == '__main__':
    harness.main(globals())
