# SPDX-License-Identifier: BSD-3-Clause
"""Exporting by a path that loses, refuses, is full or shrinks: what the ledger says was sent is what `parshall collect` got and
what it misses by sequence number, and nothing else is lost. By in_namespaces.sh, as root."""
import contextlib
import re
import subprocess
import time

import harness
import ledger
from collect_test import Collect, rules
from harness import Background, tool, wait_until
from live import COLLECTOR, inside, make_traffic

ROUTED = '192.0.2.1'  # the exporter's address in the namespace wire, when the probe's is a router


def run_in(where, *words) -> str:
    return subprocess.run([*inside(where), *map(str, words)], check=True, capture_output=True, text=True).stdout


def collect(parshall, scratch, url=f'udp://{COLLECTOR}:4739', *words):
    return Collect(parshall, scratch, url, '--check', '--json', *words, prefix=inside('collector'))


class Exporter:
    """`parshall read` in a namespace, which keeps to a rate so that something can happen meanwhile."""

    def __init__(self, parshall, scratch, pcap, *, url=f'udp://{COLLECTOR}:4739', rate=100000, more='', where='probe'):
        config = scratch / 'exporter.yaml'
        config.write_text('exporting:\n  options_records: true\n  template_refresh_messages: 20\n  shutdown: 20s\n'
                          f'  collectors: [{{url: "{url}", records_per_second: {rate}{more}}}]\n', encoding='ascii')
        self.process = Background(*inside(where), parshall, 'read', pcap, '-t', 'uniflow', '-c', config, '--stats', 'json',
                                  log=scratch / 'exporter.log')

    def text(self) -> str:
        return self.process.text()

    def wait_said(self, words: str) -> None:
        wait_until(lambda: words in self.text(), words)

    def end(self) -> dict:
        """The collector's part of the ledger, which closes."""
        assert self.process.wait(40) == 0, self.text()
        return ledger.check(self.text())['collectors'][0]


def received(session) -> int:
    return session['flowRecords'] + session['optionsRecords']


def check_gap(session, sink, lost: int) -> None:
    """What was sent is what came and what is missing, and `lost` messages carried what is missing."""
    assert sink['sent'] == sink['offered'], sink
    assert received(session) + session['recordsMissing'] == sink['sent']['records'] + sink['optionsRecords'], (session, sink)
    assert session['messages'] + lost == sink['messages'], (session, sink, lost)
    assert rules(session) == {'sequence_gap'} and session['setsUnread'] == 0, session


def check_whole(session, sink) -> None:
    assert sink['sent'] == sink['offered'] and not sum(lost['records'] for lost in sink['lost'].values()), sink
    assert received(session) == sink['sent']['records'] + sink['optionsRecords'] > 0, (session, sink)
    assert not session['findings'] and session['messages'] == sink['messages'], (session, sink)


@contextlib.contextmanager
def losing(scratch, percent):
    """Loses so many of 100 messages in the collector's namespace, chosen by a hash of their sequence number with a seed. Messages of
    sequence number 0 pass, since nobody can count records without a template, and all after the first 2,000,000 octets, since
    only a later message shows what the last one was."""
    rules_file = scratch / 'loss.nft'
    rules_file.write_text('table ip loss {\nchain input {\ntype filter hook input priority 0;\n'
                          'udp dport 4739 @th,128,32 != 0 quota until 2000 kbytes '
                          f'jhash @th,128,32 mod 100 seed 0x7011 < {percent} counter drop\n}}\n}}\n', encoding='ascii')
    run_in('collector', tool('nft'), '-f', rules_file)
    try:
        yield lambda: int(re.search(r'counter packets (\d+)', run_in('collector', tool('nft'), 'list', 'table', 'ip', 'loss'))[1])
    finally:
        run_in('collector', tool('nft'), 'delete', 'table', 'ip', 'loss')


@contextlib.contextmanager
def route(where, *words):
    """A route to the collector alone, more specific than that of its network."""
    run_in(where, 'ip', 'route', 'replace', *words)
    try:
        yield
    finally:
        run_in(where, 'ip', 'route', 'del', *words)


def test_1_10_and_50_percent_lost_are_missed_by_exactly_their_records(parshall, scratch):
    pcap, _ = make_traffic(scratch, 20000)
    for percent in (1, 10, 50):
        with losing(scratch, percent) as dropped:
            collector = collect(parshall, scratch)
            sink = Exporter(parshall, scratch, pcap).end()
            session, = collector.end(expect=1)
            lost = dropped()
        check_gap(session, sink, lost)
        print(f'         {percent} %: {lost} of {sink["messages"]} messages lost, {session["recordsMissing"]} records of '
              f'{sink["sent"]["records"] + sink["optionsRecords"]}')
        assert session['recordsMissing'] > 0 and percent / 3 < 100 * lost / (2e6 / 1500) < percent * 3, (percent, lost, sink)


def test_a_collector_without_a_route_costs_nothing(parshall, scratch):
    """EHOSTUNREACH, at the start and in the middle."""
    pcap, _ = make_traffic(scratch, 10000)
    collector = collect(parshall, scratch)
    with route('probe', 'unreachable', COLLECTOR):
        exporter = Exporter(parshall, scratch, pcap, rate=6000)
        exporter.wait_said('cannot reach it (No route to host)')
    wait_until(lambda: 'exporting over UDP' in exporter.text(), 'it is reached')
    time.sleep(0.5)
    with route('probe', 'unreachable', COLLECTOR):
        exporter.wait_said('sending fails (No route to host)')
        time.sleep(0.5)
    sink = exporter.end()
    session, = collector.end()
    check_whole(session, sink)
    assert sink['sendErrors']['unreachable'] >= 2, sink


def test_a_route_whose_mtu_shrinks_costs_nothing(parshall, scratch):
    """EMSGSIZE from this host: the route takes less than its interface, and that changes while records leave."""
    pcap, _ = make_traffic(scratch, 10000)
    collector = collect(parshall, scratch)
    exporter = Exporter(parshall, scratch, pcap, rate=6000)
    exporter.wait_said('exporting over UDP')
    time.sleep(0.5)
    with route('probe', COLLECTOR, 'dev', 'c0', 'mtu', 800):
        sink = exporter.end()
    session, = collector.end()
    check_whole(session, sink)
    assert sink['sendErrors']['message_size'] >= 1, sink
    assert sink['messageOctets'] / sink['messages'] < 1000, sink


def test_a_router_s_smaller_mtu_costs_what_it_drops_and_no_fragments(parshall, scratch):
    """ICMP says it (RFC 1191): what the router dropped until then is missing, by exactly its records."""
    pcap, _ = make_traffic(scratch, 10000)
    run_in('wire', 'ip', 'address', 'add', f'{ROUTED}/24', 'dev', 'w0')
    run_in('probe', 'ip', 'address', 'add', '192.0.2.2/24', 'dev', 'p0')
    run_in('probe', 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
    run_in('probe', 'ip', 'link', 'set', 'c0', 'mtu', 1000)
    try:
        with route('wire', COLLECTOR, 'via', '192.0.2.2'), route('collector', ROUTED, 'via', '198.18.0.1'):
            collector = collect(parshall, scratch)
            sink = Exporter(parshall, scratch, pcap, where='wire').end()
            session, = collector.end(expect=1)
    finally:
        run_in('probe', 'ip', 'link', 'set', 'c0', 'mtu', 1500)
        run_in('probe', 'ip', 'address', 'del', '192.0.2.2/24', 'dev', 'p0')
        run_in('wire', 'ip', 'address', 'del', f'{ROUTED}/24', 'dev', 'w0')
    check_gap(session, sink, sink['messages'] - session['messages'])
    assert 0 < session['recordsMissing'] < sink['sent']['records'] / 10 and sink['sendErrors']['message_size'] >= 1, (session, sink)


def test_what_partial_reliability_gives_up_is_what_the_collector_misses(parshall, scratch):
    """PR-SCTP (RFC 3758): messages live for 300 ms, and for two seconds nothing gets through to the collector."""
    pcap, _ = make_traffic(scratch, 10000)
    collector = collect(parshall, scratch, f'sctp://{COLLECTOR}:4739', '--encapsulation', '9899')
    exporter = Exporter(parshall, scratch, pcap, rate=4000, url=f'sctp://{COLLECTOR}',
                        more=', sctp: {encapsulation: 9899, lifetime: 300ms}')
    exporter.wait_said('connected over SCTP')
    time.sleep(0.5)
    outage = 'add table ip gone; add chain ip gone input {type filter hook input priority 0;}; add rule ip gone input udp dport 9899 drop'
    run_in('collector', tool('nft'), outage)
    time.sleep(2)
    run_in('collector', tool('nft'), 'delete table ip gone')
    sink = exporter.end()
    session, = collector.end(expect=1)
    abandoned = sink['lost']['abandoned']['records']
    print(f'         {abandoned} records given up')
    assert session['recordsMissing'] > 0 and rules(session) == {'sequence_gap'}, (session, sink)
    # A message that was there before the outage and acknowledged too late was given up and arrived; none that is called sent is missing.
    late, one_message = abandoned - session['recordsMissing'], 20
    assert 0 <= late <= 2 * one_message, (session, sink)
    assert session['flowRecords'] == sink['sent']['records'] + late and session['optionsRecords'] == sink['optionsRecords'], (session, sink)
    assert sink['sent']['records'] + abandoned == sink['offered']['records'] and sink['sessions'] == 1, sink


@contextlib.contextmanager
def shaped(burst):
    """The exporter's interface sends 4 Mbit/s and queues next to nothing. Of datagrams handed over as one, `burst` octets pass whole."""
    shaper = ('dev', 'c0', 'root', 'handle', '1:', 'tbf', 'rate', '4mbit', 'burst', burst, 'limit', '4000')
    run_in('probe', 'tc', 'qdisc', 'add', *shaper)
    run_in('probe', 'tc', 'qdisc', 'add', 'dev', 'c0', 'parent', '1:1', 'pfifo', 'limit', '2')
    try:
        yield
    finally:
        run_in('probe', 'tc', 'qdisc', 'del', 'dev', 'c0', 'root')


def test_a_full_queue_of_the_interface_costs_nothing(parshall, scratch):
    """ENOBUFS: the kernel drops what its queue has no room for, and says so; the records wait."""
    pcap, _ = make_traffic(scratch, 6000)
    for burst in (100000, 3000):
        with shaped(burst):
            collector = collect(parshall, scratch)
            sink = Exporter(parshall, scratch, pcap).end()
        session, = collector.end(expect=None)
        assert sink['sendErrors']['no_buffers'] > 0, sink
        if burst == 100000:
            check_whole(session, sink)
        else:  # the shaper cuts larger ones and tells nobody of a part that it dropped; after the first refusal there are none
            assert received(session) + session['recordsMissing'] == sink['sent']['records'] + sink['optionsRecords'], (session, sink)
            assert session['recordsMissing'] < 1000, session


if __name__ == '__main__':
    harness.main(globals())
