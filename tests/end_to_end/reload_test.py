# SPDX-License-Identifier: BSD-3-Clause
"""A reload that adds, changes and removes templates, or changes application rules, while packets come and collectors listen;
run by in_namespaces.sh, as root."""
import json
import signal
import subprocess
import time

import harness
import ledger
from collectors import Nfcapd
from harness import Background, settled, tool, wait_until
from live import AF_PACKET, COLLECTOR, LONG, Probe, config, inside, lcores, make_traffic, packets_in, send

NO_HUGE = ('--no-huge', '-m', '1024')
TWO_WORKERS = 'lcores: {exporter: 0, housekeeping: 0, workers: [1, 2]}'

KEYS = ('[sourceIPv{0}Address, destinationIPv{0}Address, protocolIdentifier, sourceTransportPort, destinationTransportPort]')
VALUES = 'flowStartMilliseconds, flowEndMilliseconds, packetDeltaCount, octetDeltaCount, flowEndReason'


def template(name, family, number='', values=VALUES, only=''):
    return (f'  - name: {name}\n    keys: {KEYS.format(family)}\n    values: [{values}]\n' + (f'    id: {number}\n' if number else '') +
            (f'    filter: "{only}"\n' if only else ''))


# "tcp4" is removed and comes back, "rest4" changes its content under an id of its own, "six" stays as it is.
FIRST = 'templates:\n' + template('tcp4', 4, only='tcp') + template('rest4', 4, 300) + template('six', 6)
SECOND = 'templates:\n' + template('rest4', 4, 300, VALUES + ', minimumTTL') + template('six', 6)
# The names of SECOND, with another content.
THIRD = SECOND.replace('minimumTTL', 'maximumTTL')


class Collect:
    """parshall collect --check in the collector's namespace."""

    def __init__(self, parshall, scratch, name, url, *words, print_records=False):
        self.out, self.log = scratch / f'{name}.json', scratch / f'{name}.log'
        with open(self.out, 'wb') as out, open(self.log, 'wb') as log:
            self.process = subprocess.Popen([*inside('collector'), parshall, 'collect', url, '--json', *words,
                                             *([] if print_records else ['--check'])],
                                            stdout=out, stderr=log)
        wait_until(lambda: '(port ' in self.said() or self.process.poll() is not None, f'{name} listens')
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text('utf-8')

    def end(self):
        """Its sessions, without a finding."""
        settled(lambda: self.out.stat().st_size, 0.5)
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(10)
        sessions = [json.loads(line) for line in self.out.read_text('utf-8').splitlines()]
        sessions = [one for one in sessions if 'session' in one]
        assert status == 0, f'exit {status}\n{self.said()}\n{sessions}'
        assert all(not one['findings'] for one in sessions), sessions
        return sessions


def test_templates_change_under_traffic_and_nothing_is_lost(parshall, scratch):
    pcap, _ = make_traffic(scratch, 20000, 1)
    tcp = Collect(parshall, scratch, 'tcp', 'tcp://0.0.0.0:4751')
    udp = Collect(parshall, scratch, 'udp', 'udp://0.0.0.0:4752')
    sctp = Collect(parshall, scratch, 'sctp', 'sctp://0.0.0.0:4753', '--encapsulation', '9753')
    streams = Collect(parshall, scratch, 'streams', 'sctp://0.0.0.0:4755', '--encapsulation', '9755')
    templates, records, file = scratch / 'templates.yaml', scratch / 'records.json', scratch / 'flows.ipfix'
    templates.write_text(FIRST, 'utf-8')
    words = config(AF_PACKET.format(queues=2), [], 2, roles=TWO_WORKERS, templates=templates,
                   more_exporting='message_delay: 20ms').replace(
        'collectors: []', f'''collectors:
    - tcp://{COLLECTOR}:4751
    - udp://{COLLECTOR}:4752
    - {{url: "sctp://{COLLECTOR}:4753", sctp: {{encapsulation: 9753}}}}
    - {{url: "sctp://{COLLECTOR}:4755", sctp: {{encapsulation: 9755, streams: per_template}}}}
    - json:{records}
    - file://{file}''')
    probe = Probe(parshall, scratch, words, '--lcores', lcores(3), *NO_HUGE)
    sender = Background(*inside('wire'), tool('tcpreplay'), '-i', 'w0', '--pps', '15000', pcap, log=scratch / 'replay.log')
    answers = []
    while sender.process.poll() is None and len(answers) < 6:
        templates.write_text((SECOND, FIRST)[len(answers) % 2], 'utf-8')
        before = probe.text().count('have left')
        answers.append(probe.reload(words))
        wait_until(lambda: probe.text().count('have left') > before, 'the flows of the templates before have left', 10)
        time.sleep(0.3)  # their records leave, and the withdrawals behind them
    sender.process.wait(60)
    assert all('is in effect' in answer for answer in answers) and len(answers) >= 3, answers
    # Contents have their ids for good: 300 is never the changed one's, and what comes back is what it was.
    assert 'rest4 300' not in answers[0] and 'rest4 300' in answers[1], answers
    assert [answer.split('templates are ')[1] for answer in answers[2:]] == [
        answer.split('templates are ')[1] for answer in answers[:-2]], answers
    probe.wait_received(packets_in(pcap))
    closed = probe.end()
    ledger.check_nothing_lost(probe.text())
    assert closed['received']['packets'] == packets_in(pcap), closed['ports']
    lines = [json.loads(line) for line in records.read_text('utf-8').splitlines()]
    assert sum(line['packetDeltaCount'] for line in lines) == closed['metered']['packets'], closed
    assert any('minimumTTL' in line for line in lines) and any('minimumTTL' not in line for line in lines)
    # Each reload took some template away; over UDP nobody hears of that.
    (session,) = tcp.end()
    assert session['withdrawals'] >= len(answers) and session['flowRecords'] == len(lines), session
    (session,) = sctp.end()
    assert session['withdrawals'] >= len(answers) and session['flowRecords'] == len(lines), session
    # With a stream for each template, a new association: of the templates in use, each on its stream.
    sessions = streams.end()
    assert len(sessions) == len(answers) + 1, sessions
    assert sum(session['flowRecords'] for session in sessions) == len(lines), sessions
    (session,) = udp.end()
    assert session['withdrawals'] == 0, session
    shown = subprocess.run([parshall, 'show', '--json', file], capture_output=True, text=True, check=True, timeout=60)
    assert sum('flowEndReason' in line for line in shown.stdout.splitlines()) == len(lines), shown.stderr
    tshark = subprocess.run([tool('tshark'), '-r', file, '-Y', 'cflow.template_field_count == 0 || _ws.malformed', '-T', 'fields',
                             '-e', 'cflow.template_id', '-e', '_ws.malformed'], capture_output=True, text=True, check=True,
                            timeout=120)
    assert len(tshark.stdout.splitlines()) >= len(answers) and 'alformed' not in tshark.stdout, tshark.stdout


def test_a_group_with_a_stream_for_each_template_begins_anew(parshall, scratch):
    pcap, _ = make_traffic(scratch, 20000, 1)
    streams = Collect(parshall, scratch, 'streams', 'sctp://0.0.0.0:4771', '--encapsulation', '9771')
    tcp = Collect(parshall, scratch, 'tcp', 'tcp://0.0.0.0:4772')
    alone = Collect(parshall, scratch, 'alone', 'tcp://0.0.0.0:4773')
    templates = scratch / 'templates.yaml'
    templates.write_text(FIRST, 'utf-8')
    plain = f'''collectors:
    - tcp://{COLLECTOR}:4773
    - distribute: round_robin
      collectors:
        - {{url: "sctp://{COLLECTOR}:4771", sctp: {{encapsulation: 9771, streams: per_template}}}}
        - tcp://{COLLECTOR}:4772
'''
    words = config(AF_PACKET.format(queues=2), [], 2, roles=TWO_WORKERS, templates=templates,
                   more_exporting='message_delay: 20ms').replace('collectors: []', plain)
    probe = Probe(parshall, scratch, words, '--lcores', lcores(3), *NO_HUGE)
    sender = Background(*inside('wire'), tool('tcpreplay'), '-i', 'w0', '--pps', '15000', pcap, log=scratch / 'replay.log')
    answers = []
    for turn in range(4):
        templates.write_text((SECOND, FIRST)[turn % 2], 'utf-8')
        before = probe.text().count('have left')
        answers.append(probe.reload(words))
        wait_until(lambda: probe.text().count('have left') > before, 'the flows of the templates before have left', 10)
    assert 'is in effect: 1 collectors kept, 0 opened, 0 closed, the 2 of a group begin anew' in answers[0], answers
    # The same templates: nobody begins anew.
    assert 'begin anew' not in probe.reload(words)
    assert sender.process.wait(60) == 0
    probe.wait_received(packets_in(pcap))
    closed = probe.end()
    ledger.check_nothing_lost(probe.text())
    assert closed['received']['packets'] == packets_in(pcap), closed['ports']
    (session,) = alone.end()
    records = session['flowRecords']
    of_streams, of_tcp = streams.end(), tcp.end()
    assert len(of_streams) == len(of_tcp) == len(answers) + 1, (of_streams, of_tcp)
    counts = [[one['flowRecords'] for one in sessions] for sessions in (of_streams, of_tcp)]
    assert sum(map(sum, counts)) == records and all(map(sum, counts)), counts


def common(properties):
    return f'    common: [{properties}]\n'


def test_common_properties_change_under_traffic_and_are_told_before_what_refers_to_them(parshall, scratch):
    pcap, _ = make_traffic(scratch, 20000, 1)
    tcp = Collect(parshall, scratch, 'tcp', 'tcp://0.0.0.0:4761')
    udp = Collect(parshall, scratch, 'udp', 'udp://0.0.0.0:4762')
    templates, records, file = scratch / 'templates.yaml', scratch / 'records.json', scratch / 'flows.ipfix'
    contents = ['templates:\n' + template('four', 4) + four + template('six', 6) + six for four, six in (
        ('', ''), (common('protocolIdentifier, flowEndReason'), ''), (common('flowEndReason'), common('protocolIdentifier')))]
    templates.write_text(contents[0], 'utf-8')
    words = config(AF_PACKET.format(queues=2), [f'tcp://{COLLECTOR}:4761', f'udp://{COLLECTOR}:4762', f'json:{records}',
                                              f'file://{file}'], 2,
                   roles=TWO_WORKERS, templates=templates, more_exporting='message_delay: 20ms')
    probe = Probe(parshall, scratch, words, '--lcores', lcores(3), *NO_HUGE)
    sender = Background(*inside('wire'), tool('tcpreplay'), '-i', 'w0', '--pps', '15000', pcap, log=scratch / 'replay.log')
    answers = []
    for turn in (1, 2, 1, 0, 2):
        templates.write_text(contents[turn], 'utf-8')
        before = probe.text().count('have left')
        answers.append(probe.reload(words))
        wait_until(lambda: probe.text().count('have left') > before, 'the flows of the templates before have left', 10)
    templates.write_text(contents[1].replace('six', 'sechs').replace('flowEndReason]', 'noSuchElement]'), 'utf-8')
    assert 'not reloaded' in probe.reload(words)
    assert sender.process.wait(60) == 0
    assert all('is in effect' in answer for answer in answers), answers
    assert answers[0].split('templates are ')[1] == answers[2].split('templates are ')[1], answers
    probe.wait_received(packets_in(pcap))
    closed = probe.end()
    ledger.check_nothing_lost(probe.text())
    assert closed['recordsWithoutCommon'] == 0, closed
    lines = [json.loads(line) for line in records.read_text('utf-8').splitlines()]
    assert sum(line['packetDeltaCount'] for line in lines) == closed['metered']['packets'] == packets_in(pcap), closed
    for collector in (tcp, udp):  # no finding: every id was told in its session
        (session,) = collector.end()
        assert session['flowRecords'] == len(lines), session
    shown = subprocess.run([parshall, 'show', '--json', file], capture_output=True, text=True, check=True, timeout=60)
    told, used = {}, set()
    for record in map(json.loads, shown.stdout.splitlines()):
        if 'commonPropertiesId' in record and 'packetDeltaCount' not in record:
            told[record['commonPropertiesId']] = set(record) - {'commonPropertiesId'}
        elif 'commonPropertiesId' in record:
            used.add(frozenset(told[record['commonPropertiesId']]))
    assert used == {frozenset({'protocolIdentifier', 'flowEndReason'}), frozenset({'flowEndReason'}), frozenset({'protocolIdentifier'})}


def test_collectors_of_netflow_follow_a_reload_of_templates(parshall, scratch):
    pcap, _ = make_traffic(scratch, 20000, 1)
    taken = {}
    for version, port in ((9, 4756), (5, 4757)):
        (scratch / f'v{version}').mkdir()
        taken[version] = Nfcapd(scratch / f'v{version}', inside('collector'), COLLECTOR, port)
    templates, records = scratch / 'templates.yaml', scratch / 'records.json'
    templates.write_text(FIRST, 'utf-8')
    words = config(AF_PACKET.format(queues=2), [f'netflow9://{COLLECTOR}:4756', f'netflow5://{COLLECTOR}:4757', f'json:{records}'], 2,
                   roles=TWO_WORKERS, templates=templates, more_exporting='message_delay: 20ms')
    probe = Probe(parshall, scratch, words, '--lcores', lcores(3), *NO_HUGE)
    sender = Background(*inside('wire'), tool('tcpreplay'), '-i', 'w0', '--pps', '15000', pcap, log=scratch / 'replay.log')
    for text in (SECOND, THIRD, FIRST):
        templates.write_text(text, 'utf-8')
        before = probe.text().count('have left')
        assert 'is in effect' in (answer := probe.reload(words)) and 'templates are' in answer, answer
        wait_until(lambda: probe.text().count('have left') > before, 'the flows of the templates before have left', 10)
    sender.process.wait(60)
    probe.wait_received(packets_in(pcap))
    closed = probe.end()
    lines = [json.loads(line) for line in records.read_text('utf-8').splitlines()]
    packets = {version: sum(record['in_packets'] for record in nfcapd.end()) for version, nfcapd in taken.items()}
    assert packets[9] == closed['metered']['packets'] == packets_in(pcap), (packets, closed['metered'])
    ipv4 = [line['packetDeltaCount'] for line in lines if 'sourceIPv4Address' in line]
    assert packets[5] == sum(ipv4), (packets, sum(ipv4))
    version5 = closed['collectors'][1]
    assert version5['lost']['not_representable']['records'] == len(lines) - len(ipv4) > 0, version5


RULES = 'applications:\n  - {{name: {0}, id: 100001, category: test, protocol: tcp, patterns: [{{match: "GET ", from: client}}]}}\n'


def test_application_rules_are_exchanged_without_a_stop(parshall, scratch):
    rules, records = scratch / 'rules.yaml', scratch / 'records.json'
    told = Collect(parshall, scratch, 'told', 'tcp://0.0.0.0:4754', print_records=True)
    rules.write_text(RULES.format('first'), 'utf-8')
    words = config(AF_PACKET.format(queues=2), [f'json:{records}', f'tcp://{COLLECTOR}:4754'], 2, roles=TWO_WORKERS,
                   templates='application', more_metering=f'{LONG}\n  application: {{rules: [{rules}]}}',
                   more_exporting='message_delay: 20ms')
    probe = Probe(parshall, scratch, words, '--lcores', lcores(3), *NO_HUGE)
    pcap = harness.CAPTURES / 'http.pcap'
    send(pcap, '--pps', '20000')
    probe.wait_received(packets_in(pcap))
    # What is not a rule leaves everything as it is, and says where it is wrong.
    rules.write_text('applications: [{name: first}]\n', 'utf-8')
    answer = probe.reload(words)
    assert 'not reloaded' in answer and 'rules.yaml:1' in answer, answer
    rules.write_text(RULES.format('second'), 'utf-8')
    answer = probe.reload(words)
    assert 'is in effect' in answer and 'application rules are new' in answer, answer
    wait_until(lambda: 'have left' in probe.text(), 'the flows under the rules before have left', 10)
    assert 'templates are' in answer and not [line for line in probe.text().splitlines() if 'withdrawn' in line]
    send(pcap, '--pps', '20000')
    probe.wait_received(2 * packets_in(pcap))
    # The same rules: nothing to do. Another timeout holds for the flows that are there.
    assert 'templates are' not in probe.reload(words), probe.text()
    told_so_far = len(records.read_text('utf-8').splitlines())
    assert 'templates are' not in probe.reload(words.replace(LONG, 'timeouts: {idle: 1s, active: 600s}')), probe.text()
    wait_until(lambda: len(records.read_text('utf-8').splitlines()) > told_so_far, 'flows end by the new idle timeout', 15)
    closed = probe.end()
    ledger.check_nothing_lost(probe.text())
    assert closed['received']['packets'] == 2 * packets_in(pcap), closed['ports']
    names = [json.loads(line).get('applicationName') for line in records.read_text('utf-8').splitlines()]
    assert names.count('first') == names.count('second') > 0, names
    settled(lambda: told.out.stat().st_size, 0.5)
    told.process.send_signal(signal.SIGTERM)
    assert told.process.wait(10) == 0, told.said()
    # Options records: which id has which name, in the order of time.
    lines = [json.loads(line) for line in told.out.read_text('utf-8').splitlines()]
    named = [line['applicationName'] for line in lines if 'applicationCategoryName' in line and 'flowEndReason' not in line
             and line['applicationName'] in ('first', 'second')]
    assert named and sorted(named) == named and set(named) == {'first', 'second'}, named


if __name__ == '__main__':
    harness.main(globals())
