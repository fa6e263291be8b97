# SPDX-License-Identifier: BSD-3-Clause
"""replay/dev-mix of the shared captures: every flow exactly as in its truth, and the same records however they are made."""
import csv
import lzma
import shutil
import subprocess
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

import harness
from harness import LONG_TIMEOUTS, Skip, differences, read

# Both tags among the keys, as in the truth; one template a family, whatever the protocol.
TEMPLATES = '''templates:
  - {{name: all_ipv4, keys: [vlanId, dot1qCustomerVlanId, sourceIPv4Address, destinationIPv4Address, {rest}}}
  - {{name: all_ipv6, keys: [vlanId, dot1qCustomerVlanId, sourceIPv6Address, destinationIPv6Address, {rest}}}
'''.format(rest='protocolIdentifier, sourceTransportPort, destinationTransportPort], '
           'values: [packetDeltaCount, octetDeltaCount, layer2OctetDeltaCount, flowStartMilliseconds, '
           'flowEndMilliseconds, flowStartNanoseconds, flowEndNanoseconds, tcpControlBits, flowEndReason]')

unpacked = {}


def capture() -> Path:
    folder = harness.shared_captures() / 'replay'
    if not (folder / 'dev-mix.pcap.xz').is_file():
        raise Skip(f'no dev-mix in {folder}')
    if 'file' not in unpacked:
        unpacked['file'] = harness.keep_until_exit() / 'dev-mix.pcap'
        with lzma.open(folder / 'dev-mix.pcap.xz') as packed, open(unpacked['file'], 'wb') as plain:
            shutil.copyfileobj(packed, plain)
    return unpacked['file']


def truth() -> list:
    with open(harness.shared_captures() / 'replay' / 'dev-mix.flows.csv', newline='', encoding='utf-8') as lines:
        return list(csv.DictReader(lines))


def tags(written: str) -> tuple:
    """The truth names all tags; reported are the outermost and the innermost."""
    all_tags = [int(tag) for tag in written.split('.')] if written else []
    return (all_tags[0] if all_tags else 0, all_tags[-1] if len(all_tags) > 1 else 0)


def milliseconds(text: str) -> int:
    """RFC 7373: 2026-01-01T00:00:00.123 to milliseconds since 1970, exactly."""
    return nanoseconds(text) // 1_000_000


def nanoseconds(text: str) -> int:
    whole, _, fraction = text.partition('.')
    at = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    return int(at.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, '0') or 0)


def vlan_key(record: dict) -> tuple:
    return (record['vlanId'], record['dot1qCustomerVlanId'], record['protocolIdentifier'], harness.source(record),
            harness.destination(record), record['sourceTransportPort'], record['destinationTransportPort'])


def truth_key(row: dict) -> tuple:
    return (*tags(row['vlan']), int(row['proto']), row['src'], row['dst'], int(row['sport']), int(row['dport']))


def vlan_records(parshall, scratch, *words):
    templates = scratch / 'vlan.yaml'
    templates.write_text(TEMPLATES)
    return read(parshall, capture(), '-t', templates, '-o', 'json', *words)


def test_every_flow_has_the_packets_octets_times_and_flags_of_the_truth(parshall, scratch):
    run = vlan_records(parshall, scratch, *LONG_TIMEOUTS)
    records = run.records()
    found = {vlan_key(record): (record['packetDeltaCount'], record['octetDeltaCount'], record['layer2OctetDeltaCount'],
                                milliseconds(record['flowStartMilliseconds']),
                                milliseconds(record['flowEndMilliseconds']), record['tcpControlBits'] & 0xFF)
             for record in records}
    assert len(found) == len(records), 'a flow came in more than one record'
    wanted = {truth_key(row): (int(row['packets']), int(row['ip_octets']), int(row['l2_octets']),
                               int(row['first_ns']) // 1_000_000, int(row['last_ns']) // 1_000_000,
                               int(row['tcp_flags_or']) & 0xFF) for row in truth()}
    assert len(wanted) == 10384, len(wanted)
    assert found == wanted, differences(wanted, found)
    received = run.ledger()
    assert received['received']['packets'] == 76287, received['received']
    assert received['metered']['packets'] == 73121, received['metered']
    assert received['meteredIpOctets'] == 18035067, received['meteredIpOctets']


def test_nanosecond_times_are_the_capture_s_own(parshall, scratch):
    wanted = {truth_key(row): (int(row['first_ns']), int(row['last_ns'])) for row in truth()}
    for record in vlan_records(parshall, scratch, *LONG_TIMEOUTS).records():
        found = nanoseconds(record['flowStartNanoseconds']), nanoseconds(record['flowEndNanoseconds'])
        assert max(abs(a - b) for a, b in zip(found, wanted[vlan_key(record)])) < 256, (record, wanted[vlan_key(record)])


def five_tuple_truth() -> dict:
    """Without the tags; ICMP records of the default templates have no ports, as the truth's ICMP has none."""
    out = {}
    for row in truth():
        key = row['src'], row['dst'], int(row['proto']), int(row['sport']), int(row['dport'])
        had = out.get(key, (0, 0))
        out[key] = had[0] + int(row['packets']), had[1] + int(row['ip_octets'])
    return out


def test_default_biflows_have_the_truth_in_each_direction(parshall):
    found = harness.sums(read(parshall, capture(), '-o', 'json', *LONG_TIMEOUTS).records())
    wanted = five_tuple_truth()
    assert found == wanted, differences(wanted, found)


def test_timeouts_split_flows_but_keep_every_sum(parshall):
    run = read(parshall, capture(), '-o', 'json', '--idle', '1s', '--active', '5s')
    wanted = five_tuple_truth()
    found = harness.sums(run.records())
    assert found == wanted, differences(wanted, found)
    for record in run.records():
        start, end = (milliseconds(record[f'flow{which}Milliseconds']) for which in ('Start', 'End'))
        assert start <= end <= start + 5000, record


def test_a_full_table_splits_flows_but_keeps_every_sum(parshall):
    run = read(parshall, capture(), '-o', 'json', '--flows-max', '1000')
    wanted, found = five_tuple_truth(), harness.sums(run.records())
    assert found == wanted, differences(wanted, found)
    assert run.ledger()['recordsMade']['lack_of_resources']['records'] > 0


def test_two_runs_give_the_same_octets(parshall, scratch):
    for words in ([], LONG_TIMEOUTS):
        outputs = []
        for run in ('first', 'second'):
            files = scratch / f'{run}.ipfix', scratch / f'{run}.json'
            read(parshall, capture(), '-o', files[0], '-o', files[1], *words)
            outputs.append([file.read_bytes() for file in files])
        assert outputs[0][0] and outputs[0][1]
        assert outputs[0] == outputs[1], f'two runs differ with {words}'


def test_one_two_and_four_workers_give_the_same_records(parshall):
    for words in ([], LONG_TIMEOUTS, ['--idle', '1s', '--active', '3s']):
        one = Counter(read(parshall, capture(), '-o', 'json', *words).stdout.splitlines())
        for workers in (2, 4):
            more = Counter(read(parshall, capture(), '-o', 'json', '-w', workers, *words).stdout.splitlines())
            missing, added = one - more, more - one
            assert more == one, (f'{workers} workers, {words}: {sum(missing.values())} records missing, '
                                 f'{sum(added.values())} others, as {list(missing)[:2]} and {list(added)[:2]}')


def test_ipfix_file_and_json_say_the_same(parshall, scratch):
    file = scratch / 'all.ipfix'
    run = read(parshall, capture(), '-o', file, '-o', 'json')
    shown = subprocess.run([parshall, 'show', '--json', file], capture_output=True, check=True, timeout=60).stdout
    assert shown == run.stdout


if __name__ == '__main__':
    harness.main(globals())
