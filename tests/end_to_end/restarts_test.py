# SPDX-License-Identifier: BSD-3-Clause
"""Collectors that are killed and start again while records come: TLS, DTLS and SCTP. The session begins anew with all
templates, and what the ledger says was sent is what arrived."""
import signal
import time

import harness
import ledger
import messages
from collect_test import Collect
from harness import Background, free_port, settled, wait_until
from live import make_traffic
from sctp_test import SctpCollector
from tls_test import Authority

RATE = 4000  # records a second, so that an outage falls into the middle of the export


class Exporter:
    """`parshall read` to collectors that are described in YAML, at a limited rate."""

    def __init__(self, parshall, scratch, flows, *collectors):
        pcap, _ = make_traffic(scratch, flows)
        config = scratch / 'exporter.yaml'
        config.write_text('exporting:\n  options_records: true\n  shutdown: 20s\n  reconnect_min: 200ms\n  reconnect_max: 200ms\n'
                          '  collectors:\n' + ''.join(f'    - {{{one}, records_per_second: {RATE}}}\n' for one in collectors),
                          encoding='utf-8')
        self.process = Background(parshall, 'read', pcap, '-c', config, '--stats', 'json', log=scratch / 'exporter.log')

    def text(self) -> str:
        return self.process.text()

    def kill_between_messages(self, collector, octets) -> None:
        """What a collector has acknowledged and not read dies with it, and no exporter can know; so it reads all of it first."""
        self.process.process.send_signal(signal.SIGSTOP)
        settled(octets, 0.5)
        collector.kill()
        collector.wait()
        self.process.process.send_signal(signal.SIGCONT)

    def wait_said(self, words: str, times=1) -> None:
        wait_until(lambda: self.text().count(words) >= times, f'{words}, {times} times')

    def end(self) -> list:
        """The collectors of the ledger, which closes."""
        assert self.process.wait(60) == 0, self.text()
        return ledger.check(self.text())['collectors']


def lost(sink, *reasons) -> int:
    """Records lost for these reasons; for any other there are none."""
    assert not sum(tally['records'] for reason, tally in sink['lost'].items() if reason not in reasons), sink
    return sum(sink['lost'][reason]['records'] for reason in reasons)


def flow_records(collect) -> int:
    settled(lambda: collect.out.stat().st_size, 0.3)
    return collect.out.read_bytes().count(b'"packetDeltaCount"')


def secured(scratch, transport, credentials, port, *words):
    authority, ours = credentials
    folder = scratch / str(time.monotonic_ns())
    folder.mkdir()
    return folder, (f'{transport}://127.0.0.1:{port}', '--json', '--ca', authority.pem, '--certificate', ours[0], '--key', ours[1], *words)


def restart_while_records_come(parshall, scratch, transport):
    """(records that arrived at both, what the ledger says)"""
    authority = Authority(scratch)
    credentials = authority, authority.sign('collector', 'IP:127.0.0.1')
    certificate, key = authority.sign('probe')
    port = free_port()
    folder, words = secured(scratch, transport, credentials, port)
    first = Collect(parshall, folder, *words)
    exporter = Exporter(parshall, scratch, 12000, f'url: "{transport}://127.0.0.1:{port}", '
                        f'tls: {{ca: "{authority.pem}", certificate: "{certificate}", key: "{key}"}}')
    wait_until(lambda: first.out.stat().st_size > 100000, 'records arrive')
    exporter.kill_between_messages(first.process, lambda: first.out.stat().st_size)
    exporter.wait_said('Connection refused')
    time.sleep(0.5)
    folder, words = secured(scratch, transport, credentials, port)
    second = Collect(parshall, folder, *words)
    exporter.wait_said('exporting over DTLS' if transport == 'dtls' else 'connected over T', 2)
    sink, = exporter.end()
    arrived = flow_records(first) + flow_records(second)
    second.end()
    assert '--check tells' not in second.said() and 'wait for a template' not in second.said(), second.said()
    return arrived, sink


def test_a_tls_collector_that_is_killed_and_returns_gets_every_record_once(parshall, scratch):
    arrived, sink = restart_while_records_come(parshall, scratch, 'tls')
    # what TCP had under way when the collector died may have arrived
    in_flight = lost(sink, 'connection_lost')
    print(f'         {arrived} arrived, {sink["sent"]["records"]} sent, {in_flight} in flight')
    assert sink['sessions'] == 2 and 0 < sink['sent']['records'] <= arrived <= sink['sent']['records'] + in_flight, (arrived, sink)


def test_a_dtls_collector_that_is_killed_and_returns_misses_what_was_under_way(parshall, scratch):
    """Nobody acknowledges datagrams: what left before ICMP told of the closed port is sent, and gone."""
    arrived, sink = restart_while_records_come(parshall, scratch, 'dtls')
    print(f'         {arrived} arrived, {sink["sent"]["records"]} sent')
    assert lost(sink) == 0 and sink['sent'] == sink['offered'] and sink['sessions'] == 2, sink
    assert 0 <= sink['sent']['records'] - arrived <= RATE / 10, (arrived, sink)


def test_of_two_sctp_collectors_only_the_one_that_returned_gets_its_templates_again(parshall, scratch):
    (scratch / 'other').mkdir()
    stays, leaves = SctpCollector(scratch / 'other', '--port', '4740'), SctpCollector(scratch)
    exporter = Exporter(parshall, scratch, 12000, f'url: "sctp://127.0.0.1:4740", sctp: {{encapsulation: {stays.udp}}}',
                        f'url: "sctp://127.0.0.1:4739", sctp: {{encapsulation: {leaves.udp}}}')
    wait_until(lambda: len(leaves.messages()) > 20, 'messages arrive')
    exporter.kill_between_messages(leaves.process.process, lambda: len(leaves.messages()))
    first = leaves.messages()
    time.sleep(0.5)
    (scratch / 'again').mkdir()
    again = SctpCollector(scratch / 'again', udp=leaves.udp)
    exporter.wait_said('connected over SCTP', 3)
    of_stays, of_leaves = exporter.end()
    for one in (stays, again):
        wait_until(lambda c=one: 'end' in c.lines(), 'the associations have ended')
    whole, before, after = (messages.read([octets for _, octets in part]) for part in (stays.messages(), first, again.messages()))
    assert lost(of_stays) == 0 and of_stays['sessions'] == 1 and of_leaves['sessions'] == 2, (of_stays, of_leaves)
    assert whole.template_records == before.template_records == after.template_records > 0, 'templates once in each association'
    assert whole.data_records == of_stays['sent']['records'] + of_stays['optionsRecords'], of_stays
    # what was under way when the collector died may have arrived
    in_flight = lost(of_leaves, 'connection_lost')
    arrived = before.data_records + after.data_records
    sent = of_leaves['sent']['records'] + of_leaves['optionsRecords']
    print(f'         {arrived} arrived, {sent} sent, {in_flight} in flight')
    assert sent <= arrived <= sent + in_flight and of_leaves['sent']['records'] > 0, (arrived, of_leaves)


def test_sctp_by_libusrsctp_over_ipv6(parshall, scratch):
    udp = free_port()
    collect = Collect(parshall, scratch, 'sctp://[::1]:4739', '--encapsulation', udp, '--check', '--json')
    sink, = Exporter(parshall, scratch, 1000, f'url: "sctp://[::1]", sctp: {{encapsulation: {udp}}}').end()
    wait_until(lambda: 'closed by the exporter' in collect.said(), 'the association has ended')
    session, = collect.end()
    assert not session['findings'] and session['session'].startswith('sctp [::1]:'), session
    assert lost(sink) == 0 and session['flowRecords'] == sink['sent']['records'] > 0, (session, sink)


if __name__ == '__main__':
    harness.main(globals())
