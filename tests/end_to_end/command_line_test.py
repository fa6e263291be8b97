# SPDX-License-Identifier: BSD-3-Clause
"""What a user sees: exit codes, messages, forms of output, terminals and pipes."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import harness
import ledger
from harness import CAPTURES, ROOT, Run, differences, read

OFFICE = CAPTURES / 'office.pcap'


def test_json_has_the_template_s_names_in_its_order(parshall, scratch):
    names = ['sourceIPv4Address', 'destinationIPv4Address', 'protocolIdentifier', 'tcpControlBits', 'octetDeltaCount',
             'reversePacketDeltaCount', 'packetDeltaCount', 'flowEndMilliseconds', 'flowStartSeconds', 'sourceMacAddress', 'flowEndReason']
    templates = scratch / 'mine.yaml'
    templates.write_text(f'templates:\n  - name: mine\n    filter: "tcp"\n    keys: [{", ".join(names[:3])}]\n'
                         f'    values: [{", ".join(names[3:4] + ["octetDeltaCount[4]".join(chr(34) * 2)] + names[5:])}]\n')
    records = read(parshall, OFFICE, '-t', templates).records()
    assert records
    with open(ROOT / 'encoder' / 'registry' / 'iana.csv', encoding='utf-8') as registry:
        iana = registry.read()
    for record in records:
        assert list(record) == names, list(record)
        for name, value in record.items():
            number = name.endswith(('Count', 'Identifier', 'Bits', 'Reason'))
            assert isinstance(value, int) if number else isinstance(value, str), (name, value)
        assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}', record['flowEndMilliseconds'])
        assert re.fullmatch(r'([0-9a-f]{2}:){5}[0-9a-f]{2}', record['sourceMacAddress'])
    assert all(f',{name},' in iana for name in names if not name.startswith('reverse'))


def test_statistics_as_json_text_or_not_at_all(parshall):
    assert ledger.check(Run(parshall, 'read', '--stats', 'json', OFFICE).stderr)['received']['packets'] == 654
    text = Run(parshall, 'read', '--stats', 'text', OFFICE).stderr
    assert re.search(r'received +654\b', text) and '{' not in text, text
    assert 'received' not in Run(parshall, 'read', '--stats', 'none', OFFICE).stderr
    assert 'received' not in Run(parshall, 'read', '-q', OFFICE).stderr


def test_every_form_of_the_ping_capture_has_the_same_flows(parshall):
    wanted = harness.sums(read(parshall, CAPTURES / 'ping.pcap').records())
    assert wanted
    for name in ('ping.pcapng', 'ping_other_endian.pcap', 'ping_raw.pcap', 'ping_null.pcap', 'ping_loop.pcap'):
        found = harness.sums(read(parshall, CAPTURES / name).records())
        assert found == wanted, f'{name}: {differences(wanted, found)}'
    both = [read(parshall, CAPTURES / f'nanoseconds.{kind}').records() for kind in ('pcap', 'pcapng')]
    for record in both[0] + both[1]:
        del record['ingressInterface']  # pcapng names it, pcap has none
    assert both[0] == both[1]
    # Recorded one after the other: the same conversations from other ports.
    cooked = [sorted((*key[:3], min(key[3:]), *counts) for key, counts in
                     harness.sums(read(parshall, CAPTURES / f'cooked_v{version}.pcap').records()).items()) for version in (1, 2)]
    assert cooked[0] == cooked[1] and cooked[0], cooked


def test_several_files_are_one_stream(parshall):
    parts = sorted(path for path in harness.own_captures() if path.stem in ('dns', 'http', 'tls'))
    wanted = {}
    for part in parts:
        wanted.update(harness.sums(read(parshall, part).records()))
    assert harness.sums(read(parshall, *parts).records()) == wanted


def record_starts(data: bytes) -> list:
    at, starts = 24, []
    while at < len(data):
        starts.append(at)
        at += 16 + int.from_bytes(data[at + 8:at + 12], 'little')
    return starts


def test_a_cut_capture_is_metered_up_to_the_cut(parshall, scratch):
    data = OFFICE.read_bytes()
    starts = record_starts(data)
    cut = scratch / 'cut.pcap'
    for whole, more in ((0, 5), (1, 16), (10, 15), (10, 20), (300, 40), (653, 17)):
        cut.write_bytes(data[:starts[whole] + more])
        run = read(parshall, cut, expect=3)
        assert run.ledger()['received']['packets'] == whole, (whole, more)
        assert str(cut) in run.stderr and str(starts[whole]) in run.stderr, f'octet {starts[whole]} is not named: {run.stderr[:400]}'
        assert bool(run.stdout) == (whole > 4)
    cut.write_bytes(data[:starts[300]])  # between two packets nothing is missing
    assert read(parshall, cut).ledger()['received']['packets'] == 300
    cut.write_bytes(data[:20])
    assert read(parshall, cut, expect=3).ledger()['received']['packets'] == 0


def test_a_broken_file_does_not_keep_the_others_from_being_read(parshall, scratch):
    cut = scratch / 'cut.pcap'
    cut.write_bytes(OFFICE.read_bytes()[:5000])
    run = read(parshall, cut, CAPTURES / 'ping.pcap', scratch / 'missing.pcap', CAPTURES / 'dns.pcap', expect=3)
    assert run.ledger()['received']['packets'] > 20 + 32
    assert 'missing.pcap' in run.stderr and 'cut.pcap' in run.stderr


def test_what_is_no_capture_is_exit_3_and_says_so(parshall, scratch):
    empty = scratch / 'empty.pcap'
    empty.write_bytes(b'')
    for path in (ROOT / 'LICENSE', empty, scratch, scratch / 'no-such-file.pcap'):
        run = read(parshall, path, expect=3)
        assert str(path) in run.stderr and run.ledger()['received']['packets'] == 0
        assert not run.stdout


def test_wrong_yaml_and_wrong_words_are_exit_2(parshall, scratch):
    wrong = scratch / 'wrong.yaml'
    wrong.write_text('metering:\n  timeouts: {idel: 15s}\n')
    for words in (['read', '--config', wrong, OFFICE], ['check', wrong]):
        run = Run(parshall, *words, expect=2)
        assert f'{wrong}:2:14' in run.stderr and 'idle' in run.stderr, run.stderr
        assert not run.stdout
    for words in (['read'], ['read', '--no-such-option', OFFICE], ['fly'], [], ['read', '-t', 'defualt', OFFICE],
                  ['read', '--idle', '15', OFFICE], ['read', '-o', 'http://x', OFFICE]):
        assert Run(parshall, *words, expect=2).stderr.strip(), words


def test_a_record_that_fits_no_datagram_is_refused_at_load(parshall, scratch):
    written = scratch / 'small.yaml'
    for payload, collector, status in ((200, 'udp://127.0.0.1:9', 2), (200, 'tcp://127.0.0.1:9', 0), (1200, 'udp://127.0.0.1:9', 0)):
        written.write_text(f'metering: {{templates: [application]}}\nexporting:\n  udp_payload: {payload}\n'
                           f'  collectors: ["{collector}"]\n', encoding='utf-8')
        run = Run(parshall, 'check', written, expect=status)
        assert status == 0 or 'and datagrams have 200; raise exporting: {udp_payload: ...}' in run.stderr, run.stderr


def test_payload_is_not_sent_unprotected_unless_the_operator_says_so(parshall, scratch):
    templates = scratch / 'payload.yaml'
    templates.write_text('templates:\n  - name: heads\n    keys: [sourceIPv4Address, destinationIPv4Address]\n'
                         '    values: [packetDeltaCount, payload, payloadEntropy, flowEndReason]\n')
    for transport in ('udp', 'tcp'):
        run = Run(parshall, 'read', OFFICE, '-t', templates, '-o', f'{transport}://127.0.0.1:9', expect=2)
        assert 'allow_cleartext_payload: true' in run.stderr and f'{transport}://127.0.0.1:9' in run.stderr, run.stderr
    forced = scratch / 'forced.yaml'
    forced.write_text('metering:\n  templates: [payload.yaml]\n  application: {allow_cleartext_payload: true, head_octets: 4}\n'
                      'exporting:\n  collectors: ["udp://127.0.0.1:9"]\n')
    Run(parshall, 'check', forced)
    records = read(parshall, CAPTURES / 'http.pcap', '-t', templates, '-o', 'json').records()  # it stays here
    heads = {bytes.fromhex(record['payload'].removeprefix('0x')).decode() for record in records}
    assert any(head.startswith('GET / HTTP/1.1\r\n') for head in heads), heads
    assert all(0 <= record['payloadEntropy'] < 256 for record in records)


def test_labels_say_what_a_flow_is_and_by_what(parshall):
    for capture, port, name in (('http', 80, 'http'), ('dns', 53, 'dns'), ('ssh', 22, 'ssh'), ('tls', 443, 'tls')):
        run = read(parshall, CAPTURES / f'{capture}.pcap', '-t', 'application', '-o', 'json')
        seven = run.ledger()['application']
        labels = {(record['applicationName'], record['applicationId'][:4]) for record in run.records()
                  if port in (record.get('sourceTransportPort'), record.get('destinationTransportPort'))}
        assert (name, '0x06') in labels, (capture, labels)  # USER-Defined: a rule; 0x03 would be a mere port
        assert seven['labelledByParser'] + seven['labelledByHost'] + seven['labelledByPattern'] > 0, seven


def test_an_output_that_cannot_be_written_is_exit_1(parshall, scratch):
    run = Run(parshall, 'read', OFFICE, '-o', scratch / 'no' / 'such' / 'folder.ipfix', expect=1)
    assert 'folder.ipfix' in run.stderr, run.stderr


def test_show_gives_the_records_of_the_file_as_read_did(parshall, scratch):
    for templates in ('default', 'application', 'uniflow', 'minimal', 'wide'):
        file = scratch / f'{templates}.ipfix'
        run = read(parshall, OFFICE, '-t', templates, '-o', file, '-o', 'json')
        assert Run(parshall, 'show', '--json', file).stdout == run.stdout, templates
        assert Run(parshall, 'show', file).stdout == run.stdout, 'JSON Lines into a pipe'
    broken = scratch / 'broken.ipfix'
    broken.write_bytes(file.read_bytes()[:-7])
    cut = Run(parshall, 'show', broken, expect=3)
    assert 'broken.ipfix' in cut.stderr and cut.stdout


def test_check_and_elements_print_what_they_say(parshall):
    for templates in ('default', 'application', 'uniflow', 'minimal', 'wide'):
        text = Run(parshall, 'check', ROOT / 'templates' / f'{templates}.yaml').stdout.decode()
        assert 'records a message' in text and text.rstrip().endswith('ok'), text[-300:]
    assert b'packetDeltaCount' in Run(parshall, 'elements').stdout
    assert b'86400' not in Run(parshall, 'elements', 'flowEndReason').stdout


def on_terminal(command, columns=200, stdout_only=False) -> tuple:
    """(exit status, what came on the terminal). stdout_only: standard error goes elsewhere."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 40, columns, 0, 0))
    process = subprocess.Popen([str(word) for word in command], stdin=slave, stdout=slave,
                               stderr=subprocess.DEVNULL if stdout_only else slave, start_new_session=True)
    os.close(slave)
    out = b''
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the terminal is gone with the process
            break
        if not part:
            break
        out += part
    os.close(master)
    return process.wait(60), out.decode('utf-8', 'replace')


def test_a_terminal_gets_a_table_and_a_pipe_json(parshall):
    status, text = on_terminal([parshall, 'read', OFFICE], stdout_only=True)
    assert status == 0
    assert not any(line.startswith('{') for line in text.splitlines()), text[:400]
    assert '192.0.2.10' in text
    assert all(len(line) <= 200 for line in text.splitlines())
    lines = Run(parshall, 'read', OFFICE).stdout.splitlines()
    assert len(lines) == 42 and all(json.loads(line) for line in lines)
    assert b'192.0.2.10' in Run(parshall, 'read', '-o', 'table', OFFICE).stdout


def big_capture(path, octets):
    data = (CAPTURES / 'iperf.pcap').read_bytes()
    with open(path, 'wb') as out:
        out.write(data[:24])
        for _ in range(octets // len(data) + 1):
            out.write(data[24:])


def test_a_progress_bar_for_a_terminal_only(parshall, scratch):
    big = scratch / 'big.pcap'
    big_capture(big, 100_000_000)
    command = [parshall, 'read', big, '-o', f'json:{scratch}/out.json']
    # A fast machine is through before the bar's first second; more of the same then.
    for times in (8, 32, 96):
        begin = time.monotonic()
        status, text = on_terminal([*command[:2], *[big] * times, *command[3:]])
        took = time.monotonic() - begin
        assert status == 0, text
        if took > 2.5:
            break
    assert '\r' in text.replace('\r\n', '\n') and re.search(r'\d+ ?%', text), f'no bar in {took:.1f} s: {text[:300]!r}'
    piped = Run(parshall, 'read', *[big] * times, '-o', f'json:{scratch}/out.json')
    assert '\r' not in piped.stderr and not re.search(r'\d ?%', piped.stderr), piped.stderr[:300]
    _, quiet = on_terminal([*command[:2], *[big] * times, '-q', *command[3:]])
    assert '\r' not in quiet.replace('\r\n', '\n'), quiet[:300]


def test_a_reader_that_goes_away_ends_it_quietly(parshall):
    done = subprocess.run(f'{parshall} read -q {OFFICE} -t wide | head -n 1', shell=True, capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1
    assert 'please report' not in done.stderr, done.stderr


def test_a_stream_is_metered_as_it_comes_and_may_be_stopped(parshall):
    data = OFFICE.read_bytes()
    starts = record_starts(data)
    with subprocess.Popen([parshall, 'read', '-', '-o', 'json', '--stats', 'json', '--idle', '1s'], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdin.write(data[:starts[-1] + 5])  # in the middle of a header: more may come
        run.stdin.flush()
        ready, _, _ = select.select([run.stdout], [], [], 60)
        assert ready, 'no record while the stream goes on'
        first = run.stdout.readline()
        assert json.loads(first)['packetDeltaCount'] > 0
        run.send_signal(signal.SIGINT)
        rest, told = run.stdout.read(), run.stderr.read().decode()  # the stream is still open
        assert run.wait(timeout=60) == 0, told
    stopped = re.search(r'standard input: stopped at octet (\d+)', told)
    assert stopped, told
    counted = ledger.check_nothing_lost(told)
    assert counted['received']['packets'] == starts.index(int(stopped[1])) > 0
    assert counted['collectors'][0]['sent']['records'] == len((first + rest).splitlines())


def test_filter_counts_what_it_keeps_out(parshall):
    closed = read(parshall, OFFICE, '-f', 'tcp port 80').ledger()
    assert 0 < closed['metered']['packets'] < 654
    assert closed['refused']['ignored_by_filter']['packets'] > 0


if __name__ == '__main__':
    harness.main(globals())
