# SPDX-License-Identifier: BSD-3-Clause
"""The flows that other projects expect of their captures: ipfixprobe's outputs and FlowTest's annotations (fields up to
layer 4). Where the policies differ is written down here, and must differ in exactly that way; tests/README.md has the reasons."""
import csv
import functools
import re

import harness
from dev_mix_test import milliseconds
from harness import LONG_TIMEOUTS, differences, read


def wide(parshall, capture, *words) -> list:
    return read(parshall, capture, '-t', 'wide', '-o', 'json', *words).records()


# --- ipfixprobe --------------------------------------------------------------------------------------------------

def expected_rows(output: str) -> list:
    path = harness.shared_captures() / 'ipfixprobe' / 'outputs' / output
    with open(path, newline='', encoding='utf-8') as lines:
        rows = list(csv.reader(lines))
    header = next(row for row in rows if ' ' in row[0])  # the lines are sorted, so it is the last one
    rows.remove(header)
    names = [word.split()[-1] for word in header]
    assert all(len(row) == len(names) for row in rows), f'{output}: {len(names)} columns, {rows[0]}'
    return [dict(zip(names, row)) for row in rows]


def of_ipfixprobe(row: dict) -> tuple:
    number = lambda name: int(row[name])
    return (row['SRC_IP'], row['DST_IP'], number('PROTOCOL'), number('SRC_PORT'), number('DST_PORT'), number('PACKETS'), number('BYTES'),
            number('PACKETS_REV'), number('BYTES_REV'), milliseconds(row['TIME_FIRST']), milliseconds(row['TIME_LAST']), row['SRC_MAC'],
            row['DST_MAC'], number('TCP_FLAGS'), number('TCP_FLAGS_REV'))


def of_ours(record: dict) -> tuple:
    return (harness.source(record), harness.destination(record), record['protocolIdentifier'], record.get('sourceTransportPort', 0),
            record.get('destinationTransportPort', 0), record['packetDeltaCount'], record['octetDeltaCount'],
            record['reversePacketDeltaCount'], record['reverseOctetDeltaCount'], milliseconds(record['flowStartMilliseconds']),
            milliseconds(record['flowEndMilliseconds']), record['sourceMacAddress'], record['destinationMacAddress'],
            record.get('tcpControlBits', 0) & 0xFF, record.get('reverseTcpControlBits', 0) & 0xFF)


LIKE_IPFIXPROBE = ('--idle', '30s', '--active', '300s', '--tcp-end', 'off')

# output of a plug-in -> capture. Every flow of the capture, exactly.
ALL_FLOWS = {'basic': 'mixed', 'phists': 'mixed', 'pstats': 'mixed', 'basicplus': 'http', 'http': 'http', 'dnssd': 'dnssd',
             'idpcontent': 'idpcontent', 'netbios': 'netbios', 'quic': 'quic_initial-sample', 'ssdp': 'ssdp'}
# Only the flows for which the plug-in has something to say.
SOME_FLOWS = {'bstats': 'bstats', 'nettisa': 'mixed', 'ovpn': 'ovpn', 'passivedns': 'dns', 'smtp': 'smtp', 'ssadetector': 'ovpn',
              'tls': 'tls'}
# The plug-in ends the flow at each message of its protocol: the sums of each direction agree.
SPLIT_FLOWS = {'dns': 'dns', 'ntp': 'ntp', 'rtsp': 'rtsp', 'sip': 'sip', 'wg': 'wg'}


def ours_and_theirs(parshall, output: str, capture: str) -> tuple:
    path = harness.shared_captures() / 'ipfixprobe' / 'inputs' / f'{capture}.pcap'
    return wide(parshall, path, *LIKE_IPFIXPROBE), expected_rows(output)


def test_ipfixprobe_has_the_same_flows(parshall):
    for output, capture in ALL_FLOWS.items():
        records, rows = ours_and_theirs(parshall, output, capture)
        ours, theirs = set(map(of_ours, records)), set(map(of_ipfixprobe, rows))
        assert len(ours) == len(records) and ours == theirs, f'{output}: {differences(dict.fromkeys(theirs), dict.fromkeys(ours))}'


def test_ipfixprobe_s_chosen_flows_are_among_ours(parshall):
    for output, capture in SOME_FLOWS.items():
        records, rows = ours_and_theirs(parshall, output, capture)
        ours, theirs = set(map(of_ours, records)), set(map(of_ipfixprobe, rows))
        assert theirs and theirs < ours, f'{output}: {theirs - ours or "all of them, so it belongs to ALL_FLOWS"}'


def test_ipfixprobe_s_split_flows_have_the_same_sums(parshall):
    for output, capture in SPLIT_FLOWS.items():
        records, rows = ours_and_theirs(parshall, output, capture)
        theirs = harness.sums({
            'sourceIPv4Address': row['SRC_IP'], 'destinationIPv4Address': row['DST_IP'], 'protocolIdentifier': int(row['PROTOCOL']),
            'sourceTransportPort': int(row['SRC_PORT']), 'destinationTransportPort': int(row['DST_PORT']),
            'packetDeltaCount': int(row['PACKETS']), 'octetDeltaCount': int(row['BYTES']),
            'reversePacketDeltaCount': int(row['PACKETS_REV']), 'reverseOctetDeltaCount': int(row['BYTES_REV'])} for row in rows)
        ours = {key: value for key, value in harness.sums(records).items() if key in theirs}
        assert theirs and ours == theirs, f'{output}: {differences(theirs, ours)}'
        assert len(rows) > len(records) or output == 'rtsp' or any(of_ipfixprobe(row) not in set(map(of_ours, records)) for row in rows)


def test_ipfixprobe_s_flows_of_a_cooked_capture_but_for_mac_addresses(parshall):
    records, rows = ours_and_theirs(parshall, 'mqtt', 'mqtt')
    without = lambda flow: flow[:11] + flow[13:]
    ours, theirs = {without(of_ours(record)) for record in records}, {without(of_ipfixprobe(row)) for row in rows}
    assert ours == theirs, differences(dict.fromkeys(theirs), dict.fromkeys(ours))
    # There is no Ethernet header; ipfixprobe takes the one address of the cooked header for a source.
    assert {record['sourceMacAddress'] for record in records} == {'00:00:00:00:00:00'}


def test_ipfixprobe_has_the_same_flows_with_the_tag_among_the_keys(parshall, scratch):
    templates = scratch / 'vlan.yaml'
    text = (harness.ROOT / 'templates' / 'wide.yaml').read_text('utf-8')
    text = text.replace('      - vlanId\n', '').replace('      - sourceIPv4Address\n', '      - vlanId\n      - sourceIPv4Address\n')
    templates.write_text(text)
    path = harness.shared_captures() / 'ipfixprobe' / 'inputs' / 'vlan.pcap'
    records = read(parshall, path, '-t', templates, '-o', 'json', *LIKE_IPFIXPROBE).records()
    ours = {(*of_ours(record), record['vlanId']) for record in records}
    theirs = {(*of_ipfixprobe(row), int(row['VLAN_ID'])) for row in expected_rows('vlan')}
    assert len(theirs) == 3 and ours == theirs, differences(dict.fromkeys(theirs), dict.fromkeys(ours))


# --- FlowTest ----------------------------------------------------------------------------------------------------

def annotation(path) -> tuple:
    """(capture, flows) of one file: the few forms of YAML that these files use, scalars of the flows only."""
    text = path.read_text('utf-8')
    capture = re.search(r'^pcap: (\S+)', text, re.M)[1]
    flows = []
    for line in text[text.index('\nflows:'):].splitlines()[2:]:
        found = re.fullmatch(r'  (- |  )([a-z][\w@]*): ?(.*)', line)
        if found is None:
            continue
        if found[1] == '- ':
            flows.append({})
        if found[3]:
            flows[-1][found[2]] = found[3].strip("'\"")
    return capture, flows


def number(text: str) -> int:
    return int(text, 0)


# FlowTest's name -> our value of a record
FIELDS = {
    'bytes': lambda r: r['octetDeltaCount'], 'bytes@rev': lambda r: r['reverseOctetDeltaCount'],
    'packets': lambda r: r['packetDeltaCount'], 'packets@rev': lambda r: r['reversePacketDeltaCount'],
    'ip_version': lambda r: r['ipVersion'], 'protocol': lambda r: r['protocolIdentifier'],
    'tos': lambda r: r['ipClassOfService'], 'tos@rev': lambda r: r['reverseIpClassOfService'],
    'ttl': lambda r: r['ipTTL'], 'ttl@rev': lambda r: r['reverseIpTTL'],
    'tcp_flags': lambda r: r['tcpControlBits'], 'tcp_flags@rev': lambda r: r['reverseTcpControlBits'],
    'vlan_id': lambda r: r['vlanId'], 'src_mac': lambda r: r['sourceMacAddress'], 'dst_mac': lambda r: r['destinationMacAddress'],
    'src_port': lambda r: r.get('sourceTransportPort', 0), 'dst_port': lambda r: r.get('destinationTransportPort', 0),
    'icmp_type_code': lambda r: r.get('icmpTypeCodeIPv4', r.get('icmpTypeCodeIPv6')),
    'icmp_type_code@rev': lambda r: r.get('reverseIcmpTypeCodeIPv4', r.get('reverseIcmpTypeCodeIPv6')),
    'icmp_type': lambda r: r.get('icmpTypeIPv4', r.get('icmpTypeIPv6')),
    'icmp_code': lambda r: r.get('icmpCodeIPv4', r.get('icmpCodeIPv6')),
    'mpls_label_1': lambda r: int(r['mplsTopLabelStackSection'], 16),
    'flow_label': lambda r: r['flowLabelIPv6'],
}


# annotation -> fields in which our policy is another
ANOTHER_POLICY = {
    # Later fragments have ports 0 and so are a flow of their own; together both have FlowTest's numbers.
    'ipv4_fragmented': {'bytes@rev', 'packets@rev'},
    # One 5-tuple is one flow; FlowTest divides it by WireGuard's peer indices. The sums agree.
    'wireguard': {'bytes', 'bytes@rev', 'packets', 'packets@rev'},
}
# The flows inside of tunnels are not metered, the tunnel is: its packets, and FlowTest's bytes_outer.
TUNNELS = {'gre': ('10.0.0.1', '10.0.0.2', 47), 'vxlan': ('192.168.56.11', '192.168.56.12', 17)}


def matching(records: list, flow: dict) -> dict:
    """The one record of an annotated flow."""
    same = [record for record in records
            if (harness.source(record), harness.destination(record)) == (flow['src_ip'], flow['dst_ip'])
            and all(FIELDS[name](record) == number(flow[name]) for name in ('protocol', 'src_port', 'dst_port') if name in flow)]
    assert len(same) == 1, f'{len(same)} records of {flow}'
    return same[0]


def disagreements(record: dict, flow: dict) -> dict:
    out = {}
    for name in flow.keys() & FIELDS.keys():
        wanted = flow[name] if name.endswith('_mac') else number(flow[name])
        if FIELDS[name](record) != wanted:
            out[name] = FIELDS[name](record), wanted
    return out


@functools.lru_cache(None)
def flowtest_cases(parshall) -> list:
    """(name, annotated flows, our records)"""
    cases = []
    folder = harness.shared_captures() / 'flowtest'
    for path in sorted((folder / 'annotations').glob('*.yml')):
        capture, flows = annotation(path)
        assert flows, path
        cases.append((path.stem, flows, wide(parshall, folder / 'pcap' / capture, *LONG_TIMEOUTS)))
    return cases


def test_flowtest_s_fields_agree(parshall):
    compared, cases = 0, 0
    for name, flows, records in flowtest_cases(parshall):
        cases += 1
        for flow in flows if name not in TUNNELS else ():
            found = disagreements(matching(records, flow), flow)
            assert set(found) == ANOTHER_POLICY.get(name, set()), f'{name}: {found}'
            compared += len(flow.keys() & FIELDS.keys())
    assert cases == 28 and compared > 250, (cases, compared)


def test_flowtest_s_other_policies_are_as_written(parshall):
    for name, flows, records in flowtest_cases(parshall):
        sums = harness.sums(records)
        packets = lambda direction: sum(value[0] for key, value in sums.items() if direction(key))
        octets = lambda direction: sum(value[1] for key, value in sums.items() if direction(key))
        if name in ('ipv4_fragmented', 'wireguard'):
            there = lambda key: (key[0], key[1]) == (flows[0]['src_ip'], flows[0]['dst_ip'])
            back = lambda key: (key[1], key[0]) == (flows[0]['src_ip'], flows[0]['dst_ip'])
            for direction, suffix in ((there, ''), (back, '@rev')):
                assert packets(direction) == sum(number(flow[f'packets{suffix}']) for flow in flows), name
                assert octets(direction) == sum(number(flow[f'bytes{suffix}']) for flow in flows), name
        elif name in TUNNELS:
            flow = flows[0]
            source, destination, protocol = TUNNELS[name]
            for direction, suffix in ((lambda key: key[:3] == (source, destination, protocol), ''),
                                      (lambda key: key[:3] == (destination, source, protocol), '@rev')):
                assert packets(direction) == number(flow[f'packets{suffix}']), (name, sums)
                assert octets(direction) == number(flow[f'bytes_outer{suffix}']), (name, sums)


if __name__ == '__main__':
    harness.main(globals())
