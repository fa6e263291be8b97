# SPDX-License-Identifier: BSD-3-Clause
"""Foreign judges of what parshall sends: tshark, nfcapd, libfixbuf, pmacct, and a strict reader of our own."""
import subprocess
from collections import Counter
from itertools import product
from pathlib import Path

import harness
import ledger
import messages
from collectors import DatagramSink, FixbufListener, Nfacctd, Nfcapd, StreamSink, Tshark, write_pcap
from dev_mix_test import milliseconds
from harness import CAPTURES, Run, differences, read, tool

TEMPLATE_SETS = ('default', 'application', 'uniflow', 'minimal', 'wide')
OFFICE = CAPTURES / 'office.pcap'
generated = {}


def traffic() -> Path:
    """Made-up flows, the same every time; so few that their messages fit into a socket's buffer on a busy machine."""
    if not generated:
        folder = harness.keep_until_exit()
        subprocess.run([harness.ROOT / 'tests/support/traffic.py', '--flows', '400', '--seed', '3', '--pcap',
                        folder / 'traffic.pcap', '--truth', folder / 'truth.csv'], check=True, capture_output=True)
        generated['pcap'] = folder / 'traffic.pcap'
        generated['truth'] = folder / 'truth.csv'
    return generated['pcap']


def totals(records) -> dict:
    """In the names of fixbuf_listener."""
    return {'records': len(records), 'packets': sum(r['packetDeltaCount'] for r in records),
            'octets': sum(r['octetDeltaCount'] for r in records),
            'reversePackets': sum(r.get('reversePacketDeltaCount', 0) for r in records),
            'reverseOctets': sum(r.get('reverseOctetDeltaCount', 0) for r in records)}


def test_every_message_over_udp_tcp_and_in_files_is_strictly_right(parshall, scratch):
    for capture in (*harness.own_captures(), traffic()):
        for templates in TEMPLATE_SETS if capture in (OFFICE, traffic()) else TEMPLATE_SETS[:1]:
            udp, tcp, file = DatagramSink(), StreamSink(), scratch / 'x.ipfix'
            run = read(parshall, capture, '-t', templates, '-o', f'udp://127.0.0.1:{udp.port}', '-o',
                       f'tcp://127.0.0.1:{tcp.port}', '-o', file, '-o', 'json')
            ledger.check_nothing_lost(run.stderr)
            wanted = len(run.records())
            assert wanted, capture
            streams = tcp.end()
            assert len(streams) == 1, 'one connection'
            for name, octets in (('udp', udp.end()), ('tcp', messages.split(streams[0])),
                                 ('file', messages.split(file.read_bytes()))):
                session = messages.read(octets)
                assert session.data_records == wanted, \
                    f'{capture.name} {templates} {name}: {session.data_records} records, {wanted} in JSON'
                if name == 'udp':
                    assert session.longest <= 65535 - 28


def test_tshark_has_nothing_to_complain_about(parshall, scratch):
    for templates in TEMPLATE_SETS:
        datagrams = []
        for number, capture in enumerate((OFFICE, CAPTURES / 'vlan.pcap', traffic())):
            udp, file = DatagramSink(), scratch / f'{templates}{number}.ipfix'
            run = read(parshall, capture, '-t', templates, '-o', f'udp://127.0.0.1:{udp.port}', '-o', file, '-o', 'json')
            datagrams = udp.end()
            stream = scratch / f'{templates}{number}.pcap'
            write_pcap(stream, datagrams)
            records = run.records()
            for judged in (Tshark(stream), Tshark(file)):
                assert not judged.complaints(), f'{judged.path}: {judged.complaints()[:5]}'
                octets = judged.column('cflow.octets')
                found = Counter(map(int, octets))
                wanted = Counter(record['octetDeltaCount'] for record in records)
                wanted.update(record['reverseOctetDeltaCount'] for record in records if 'reverseOctetDeltaCount' in record)
                assert found == wanted, f'{judged.path}: {sum(found.values())} octet counts, {sum(wanted.values())} expected'


COMMON = '''templates:
  - name: common
    keys: [sourceIPv4Address, destinationIPv4Address, protocolIdentifier, sourceTransportPort, destinationTransportPort]
    values: [packetDeltaCount, "octetDeltaCount[1]", flowStartMilliseconds, flowEndMilliseconds, ingressInterface,
             ipClassOfService, flowEndReason, ipVersion, observationDomainId]
    common: [protocolIdentifier, ingressInterface, ipClassOfService, flowEndReason, ipVersion, observationDomainId]
'''


def test_common_properties_and_wider_templates_pass_the_judges_and_give_every_record_back(parshall, scratch):
    """RFC 5473, and RFC 7011 section 6.2: what is told apart or in wider fields is what JSON has whole."""
    (scratch / 'common.yaml').write_text(COMMON, 'utf-8')
    udp, file = DatagramSink(), scratch / 'common.ipfix'
    run = read(parshall, traffic(), '-t', scratch / 'common.yaml', '-o', f'udp://127.0.0.1:{udp.port}', '-o', file, '-o', 'json')
    closed = ledger.check_nothing_lost(run.stderr)
    whole = Counter(tuple(sorted(record.items())) for record in run.records())
    assert closed['wideRecords'] == sum(count for record, count in whole.items() if dict(record)['octetDeltaCount'] > 255)
    assert closed['wideRecords'] > 0 and closed['recordsWithoutCommon'] == 0, closed
    shown = Run(parshall, 'show', '--json', file).records()
    told = {record['commonPropertiesId']: record for record in shown if 'packetDeltaCount' not in record}
    joined = Counter(tuple(sorted((key, value) for key, value in {**record, **told.get(record.get('commonPropertiesId'), {})}.items()
                                  if key != 'commonPropertiesId')) for record in shown if 'packetDeltaCount' in record)
    assert joined == whole and 1 < len(told) < 64, (len(told), joined - whole, whole - joined)
    Run(parshall, 'show', '--check', file)
    datagrams = udp.end()
    assert messages.read(datagrams).data_records == len(shown)
    write_pcap(scratch / 'common.pcap', datagrams)
    for judge in (Tshark(scratch / 'common.pcap'), Tshark(file)):
        assert not judge.complaints(), judge.complaints()[:3]
        assert Counter(map(int, judge.column('cflow.octets'))) == Counter(record['octetDeltaCount'] for record in run.records())
    octets = []  # 12 octets of a record become 2
    for text in (COMMON, COMMON[:COMMON.index('    common:')]):
        (scratch / 'size.yaml').write_text(text.replace('"octetDeltaCount[1]"', 'octetDeltaCount'), 'utf-8')
        read(parshall, traffic(), '-t', scratch / 'size.yaml', '-o', scratch / 'size.ipfix')
        octets.append((scratch / 'size.ipfix').stat().st_size / len(run.records()))
    assert octets[1] - octets[0] > 8, f'{octets[0]:.1f} octets a record instead of {octets[1]:.1f}'
    print(f'  common properties: {octets[0]:.1f} octets a record instead of {octets[1]:.1f}')


def test_lists_padding_and_sampling_pass_the_judges(parshall, scratch):
    (scratch / 'lists.yaml').write_text('''templates:
  - name: lists
    order: canonical
    keys: [sourceIPv4Address, destinationIPv4Address, protocolIdentifier, sourceTransportPort, destinationTransportPort]
    values: [packetDeltaCount, octetDeltaCount, reversePacketDeltaCount, reverseOctetDeltaCount, flowEndReason,
             "basicList(ipTotalLength)", "basicList(biflowDirection)", "basicList(observationTimeMilliseconds)",
             flowStartMilliseconds, flowEndMilliseconds, samplingInterval]
''', 'utf-8')
    for every in (1, 3):
        sampling = f'sampling: {{every: {every}}}' if every > 1 else ''
        config = scratch / f'every{every}.yaml'
        config.write_text(f'''metering:
  templates: [lists.yaml]
  {sampling}
exporting: {{set_padding: 4, template_copies: 3, options_records: true}}
''', 'utf-8')
        udp, file = DatagramSink(), scratch / f'every{every}.ipfix'
        run = read(parshall, traffic(), '--config', config, '-o', f'udp://127.0.0.1:{udp.port}', '-o', file, '-o', 'json')
        closed = ledger.check_nothing_lost(run.stderr)
        left_out = closed['refused']['ignored_not_sampled']['packets']
        assert left_out == closed['received']['packets'] - -(-closed['received']['packets'] // every), closed['refused']
        records = run.records()
        for record in records:
            lengths, ways, times = (record[f'basicList({name})'] for name in
                                    ('ipTotalLength', 'biflowDirection', 'observationTimeMilliseconds'))
            packets = record['packetDeltaCount'] + record['reversePacketDeltaCount']
            assert {len(lengths['values']), len(ways['values']), len(times['values'])} == {min(16, packets)}, record
            assert lengths['semantic'] == 'ordered' and record['samplingInterval'] == every
            if packets <= 16:
                assert sum(lengths['values']) == record['octetDeltaCount'] + record['reverseOctetDeltaCount'], record
                assert ways['values'].count(1) == record['packetDeltaCount'], record
                assert min(times['values']) == record['flowStartMilliseconds'], record
        shown = harness.Run(parshall, 'show', '--json', file).records()
        assert [one for one in shown if 'basicList(ipTotalLength)' in one] == records
        datagrams = udp.end()
        assert all(len(datagram) % 4 == 0 for datagram in datagrams)
        stream = scratch / f'every{every}.pcap'
        write_pcap(stream, datagrams)
        for judged in (Tshark(stream), Tshark(file)):
            assert not judged.complaints(), f'{judged.path}: {judged.complaints()[:5]}'
        for octets in (datagrams, messages.split(file.read_bytes())):
            assert messages.read(octets).data_records >= len(records)


def test_tshark_and_the_strict_reader_notice_a_lost_message(parshall, scratch):
    udp = DatagramSink()
    read(parshall, traffic(), '-o', f'udp://127.0.0.1:{udp.port}')
    datagrams = udp.end()
    assert len(datagrams) > 4
    del datagrams[2]
    write_pcap(scratch / 'gap.pcap', datagrams)
    assert any('sequence' in line for line in Tshark(scratch / 'gap.pcap').complaints())
    try:
        messages.read(datagrams)
    except messages.MessageError as fault:
        assert 'sequence number' in str(fault)
    else:
        raise AssertionError('the gap was not noticed')


def nfdump_flow(record: dict) -> tuple:
    """What both know: key, counters of both directions, times."""
    icmp = record['proto'] in (1, 58)
    ports = (0, 0) if icmp else (record.get('src_port', 0), record.get('dst_port', 0))
    return (record.get('src4_addr') or record['src6_addr'], record.get('dst4_addr') or record['dst6_addr'],
            record['proto'], *ports, record['in_packets'], record['in_bytes'], record.get('out_packets', 0),
            record.get('out_bytes', 0), milliseconds(record['first']), milliseconds(record['last']))


def our_flow(record: dict) -> tuple:
    return (harness.source(record), harness.destination(record), record['protocolIdentifier'],
            record.get('sourceTransportPort', 0), record.get('destinationTransportPort', 0), record['packetDeltaCount'],
            record['octetDeltaCount'], record.get('reversePacketDeltaCount', 0), record.get('reverseOctetDeltaCount', 0),
            milliseconds(record['flowStartMilliseconds']), milliseconds(record['flowEndMilliseconds']))


def test_nfcapd_gets_the_same_flows(parshall, scratch):
    def case(templates, capture):
        folder = scratch / f'{templates}-{capture.stem}'
        folder.mkdir()
        collector = Nfcapd(folder)
        run = read(parshall, capture, '-t', templates, '-o', f'udp://127.0.0.1:{collector.port}', '-o', 'json')
        settle(collector)
        # nfdump 1.7 takes reverseFlowStart (RFC 5103) for the flow's own start: times only where there is none.
        parts = 9 if templates == 'wide' else 11
        found = Counter(nfdump_flow(record)[:parts] for record in collector.end())
        wanted = Counter(our_flow(record)[:parts] for record in run.records())
        assert found == wanted, f'{templates}, {capture.name}: {differences(wanted, found)}'
    harness.side_by_side(case, *product(TEMPLATE_SETS, (OFFICE, traffic())))


def settle(collector) -> None:
    """nfcapd and nfacctd have no sign of having read everything; their socket's queue has."""
    def queued():
        with open('/proc/net/udp', encoding='ascii') as lines:
            return sum(int(words[4].split(':')[1], 16) for words in map(str.split, list(lines)[1:])
                       if words[1].endswith(f':{collector.port:04X}'))
    harness.wait_until(lambda: queued() == 0, 'the collector has read everything')
    harness.settled(queued, 0.3)


def test_libfixbuf_gets_the_same_sums_over_tcp_and_udp(parshall, scratch):
    def case(templates, kind, capture):
        folder = scratch / f'{templates}-{kind}-{capture.stem}'
        folder.mkdir()
        listener = FixbufListener(kind, folder)
        run = read(parshall, capture, '-t', templates, '-o', f'{kind}://127.0.0.1:{listener.port}', '-o', 'json')
        found, records = listener.end()
        assert found['warnings'] == 0
        wanted = totals(run.records())
        if templates == 'wide':  # the listener adds octetTotalCount to octetDeltaCount
            wanted = {'records': wanted['records']}
        assert {name: found[name] for name in wanted} == wanted, f'{templates} {kind} {capture.name}: {wanted}, {found}'
        assert harness.sums(records) == harness.sums(run.records()), f'{templates} {kind} {capture.name}'
    harness.side_by_side(case, *product(TEMPLATE_SETS, ('udp', 'tcp'), (OFFICE, traffic())))


def test_options_records_disturb_no_collector(parshall, scratch):
    config = scratch / 'options.yaml'
    config.write_text('observation: {domain_name: "the tap"}\nexporting: {options_records: true}\n', encoding='utf-8')
    nfcapd, fixbuf, udp, file = Nfcapd(scratch), FixbufListener('tcp', scratch), DatagramSink(), scratch / 'x.ipfix'
    run = read(parshall, traffic(), '--config', config, '-o', f'udp://127.0.0.1:{nfcapd.port}',
               '-o', f'tcp://127.0.0.1:{fixbuf.port}', '-o', f'udp://127.0.0.1:{udp.port}', '-o', file, '-o', 'json')
    settle(nfcapd)
    told = {sink['name']: sink for sink in run.ledger()['collectors'] if sink['name'] != 'json'}
    assert len(told) == 4 and all(sink['optionsRecords'] > 10 for sink in told.values()), told
    found = Counter(nfdump_flow(record) for record in nfcapd.end())
    wanted = Counter(our_flow(record) for record in run.records())
    assert found == wanted, differences(wanted, found)
    sums, _ = fixbuf.end()
    assert sums['warnings'] == 0 and sums['optionsRecords'] == told[f'tcp://127.0.0.1:{fixbuf.port}']['optionsRecords']
    assert {name: sums[name] for name in totals(run.records())} == totals(run.records())
    stream = scratch / 'stream.pcap'
    write_pcap(stream, udp.end())
    for judged in (Tshark(stream), Tshark(file)):
        assert not judged.complaints(), f'{judged.path}: {judged.complaints()[:5]}'
        # the last record of each kind equals the ledger: all flow records, and none that was not sent
        assert int(judged.column('cflow.flowsexp')[-1]) == len(run.records())
        assert set(judged.column('cflow.notsent_flows')) == {'0'}
    shown = [record for record in harness.Run(parshall, 'show', '--json', file).records() if 'flowKeyIndicator' in record]
    assert len(shown) == 2 * 4 and all(record['flowKeyIndicator'] != 0 for record in shown), shown


def test_ipfixDump_reads_our_files(parshall, scratch):
    for templates in TEMPLATE_SETS:
        for capture in (OFFICE, CAPTURES / 'vlan.pcap', CAPTURES / 'fragments.pcap', traffic()):
            file = scratch / 'x.ipfix'
            run = read(parshall, capture, '-t', templates, '-o', file, '-o', 'json')
            done = subprocess.run([tool('ipfixDump'), '--in', file, '--stats'], capture_output=True, text=True, check=False)
            assert done.returncode == 0 and not done.stderr, done.stderr
            wanted = f' {len(run.records())} Data Records'
            assert wanted in done.stdout, f'{templates} {capture.name}: {done.stdout}, expected{wanted}'


def test_pmacct_gets_the_same_sums(parshall, scratch):
    def case(templates, capture):
        folder = scratch / f'{templates}-{capture.stem}'
        folder.mkdir()
        collector = Nfacctd(folder)
        run = read(parshall, capture, '-t', templates, '-o', f'udp://127.0.0.1:{collector.port}', '-o', 'json')
        settle(collector)
        found = {}
        for row in collector.end():
            protocol = PROTOCOLS.get(row['ip_proto'], row['ip_proto'])
            key = (row['ip_src'], row['ip_dst'], protocol, row['port_src'], row['port_dst'])
            found[key] = row['packets'], row['bytes']
        wanted = harness.sums(run.records())
        assert found == wanted, f'{templates}, {capture.name}: {differences(wanted, found)}'
    harness.side_by_side(case, *product(('uniflow', 'minimal'), (OFFICE, traffic())))


PROTOCOLS = {'tcp': 6, 'udp': 17, 'icmp': 1, 'ipv6-icmp': 58, 'igmp': 2}


def test_generated_traffic_equals_its_truth(parshall, scratch):
    run = read(parshall, traffic(), '-o', 'json')
    (scratch / 'records.json').write_bytes(run.stdout)
    done = subprocess.run([harness.ROOT / 'tests/support/compare_flows.py', generated['truth'], scratch / 'records.json',
                           '--one-record'], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


if __name__ == '__main__':
    harness.main(globals())
