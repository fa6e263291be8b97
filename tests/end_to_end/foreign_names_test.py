# SPDX-License-Identifier: BSD-3-Clause
"""Names of layer 7 that other projects find in their captures, against ours as they are exported: FlowTest's annotations, ipfixprobe's
plug-ins, nDPI's server names and JA4; and what Wireshark finds in mercury's and retina's captures. Policies
that differ are written down here; tests/README.md has the reasons."""
import csv
import functools
import json
import re
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import harness
from harness import LONG_TIMEOUTS, read

# All elements that any comparison here needs, of the whole flow.
ELEMENTS = ('sslServerName', 'tlsAlpn', 'tlsClientVersion', 'tlsServerVersion', 'tlsCipherSuite', 'sslCertIssuerCommonName',
            'sslCertSubCommonName', 'sslCertValidityNotBefore', 'sslCertValidityNotAfter', 'ja3c_hash', 'ja4c_hash', 'quicSNI',
            'quicVersion', 'quicUserAgent', 'DNSTransactionID', 'DNSName', 'DNSQType', 'DNSClass', 'DNSRCode', 'DNSRRTTL', 'DNSRData',
            'httpRequestMethod', 'httpRequestHost', 'httpRequestTarget', 'httpStatusCode', 'httpUserAgent', 'httpContentType',
            'httpReferer', 'SIPCallID', 'SIPCallingParty', 'SIPCalledParty', 'SIPUserAgent', 'SIPRequestURI', 'SIPStatusCode',
            'rtspCommand', 'rtspURL', 'rtspUserAgent', 'NTPVersion', 'NTPMode', 'NTPStratum', 'SSDPST', 'SSDPServer', 'smtpHello',
            'WGSrcPeer', 'WGDstPeer')


@functools.lru_cache(None)
def templates():
    """A template file with all of them, for both families."""
    text = 'templates:\n'
    for family in (4, 6):
        text += (f'  - name: names{family}\n    keys: [sourceIPv{family}Address, destinationIPv{family}Address, protocolIdentifier, '
                 'sourceTransportPort, destinationTransportPort]\n'
                 f'    values: [packetDeltaCount, reversePacketDeltaCount, flowEndReason, {", ".join(ELEMENTS)}]\n')
    path = harness.keep_until_exit() / 'names.yaml'
    path.write_text(text)
    return path


@functools.lru_cache(None)
def named(parshall, capture, *words) -> dict:
    """Records by their two ends, in either order."""
    run = read(parshall, capture, '-t', templates(), '-o', 'json', *(words or LONG_TIMEOUTS))
    seven = run.ledger()['application']
    assert not seven['flowsRefused'] and not seven['resultsRefused'], seven
    ends = defaultdict(list)
    for record in run.records():
        a = harness.source(record), record['sourceTransportPort']
        b = harness.destination(record), record['destinationTransportPort']
        ends[a, b].append(record)
        ends[b, a].append(record)
    return ends


# --- FlowTest ----------------------------------------------------------------------------------------------------

def seconds(validity: str) -> int:
    """A certificate's UTCTime."""
    return int(datetime.strptime(validity, '%y%m%d%H%M%SZ').replace(tzinfo=timezone.utc).timestamp())


# FlowTest's name -> (our value of a record, their words as such a value)
FLOWTEST = {
    'dns_id': (lambda r: r['DNSTransactionID'], lambda s: int(s, 0)),
    'dns_req_query_name': (lambda r: r['DNSName'], str), 'dns_req_query_type': (lambda r: r['DNSQType'], lambda s: int(s, 0)),
    'dns_req_query_class': (lambda r: r['DNSClass'], lambda s: int(s, 0)),
    'dns_resp_rcode': (lambda r: r['DNSRCode'], lambda s: int(s, 0)),
    'http_host': (lambda r: r['httpRequestHost'], str), 'http_url': (lambda r: r['httpRequestTarget'], str),
    'http_method': (lambda r: r['httpRequestMethod'], str), 'http_agent': (lambda r: r['httpUserAgent'], str),
    'http_content_type': (lambda r: r['httpContentType'], str),
    'http_status_code': (lambda r: r['httpStatusCode'], lambda s: int(s, 0)),
    'tls_sni': (lambda r: r['sslServerName'], str), 'tls_alpn': (lambda r: r['tlsAlpn'], str),
    'tls_server_version': (lambda r: r['tlsServerVersion'], lambda s: int(s, 0)),
    'tls_client_version': (lambda r: r['tlsClientVersion'], lambda s: int(s, 0)),
    'tls_cipher_suite': (lambda r: r['tlsCipherSuite'], lambda s: int(s, 0)),
    'tls_issuer_cn': (lambda r: r['sslCertIssuerCommonName'], str), 'tls_subject_cn': (lambda r: r['sslCertSubCommonName'], str),
    'tls_validity_not_before': (lambda r: seconds(r['sslCertValidityNotBefore']), int),
    'tls_validity_not_after': (lambda r: seconds(r['sslCertValidityNotAfter']), int),
    'tls_ja3': (lambda r: '0x' + r['ja3c_hash'], str),
}
# annotation -> fields in which our policy is another
ANOTHER_POLICY = {
    'http2_switch': {'http_status_code'},  # theirs is in the HTTP/2 part; 101 is the one in clear
}


def alternatives(text: str) -> list:
    return text[1:-1].split(', ') if text.startswith('[') else [text]


def annotated(path) -> tuple:
    """(capture, flows): scalars of a flow, also those of its _forward and _reverse; the first of each name."""
    text = path.read_text('utf-8')
    flows = []
    for line in text[text.index('\nflows:'):].splitlines()[2:]:
        found = re.fullmatch(r' {2}(- |  )(?: {2})?([a-z]\w*): ?(.*)', line)
        if found is None:
            continue
        if found[1] == '- ':
            flows.append({})
        if found[3]:
            flows[-1].setdefault(found[2], found[3].strip("'\""))
    return re.search(r'^pcap: (\S+)', text, re.M)[1], flows


def test_flowtest_s_names_agree(parshall):
    folder = harness.shared_captures() / 'flowtest'
    compared = 0
    for path in sorted((folder / 'annotations').glob('*.yml')):
        capture, flows = annotated(path)
        for flow in flows:
            wanted = flow.keys() & FLOWTEST.keys()
            if not wanted:
                continue
            records = named(parshall, folder / 'pcap' / capture)[(flow['src_ip'], int(flow['src_port'])),
                                                                 (flow['dst_ip'], int(flow['dst_port']))]
            assert len(records) == 1, (path, len(records))
            wrong = {name for name in wanted
                     if FLOWTEST[name][0](records[0]) not in map(FLOWTEST[name][1], alternatives(flow[name]))}
            assert wrong == ANOTHER_POLICY.get(path.stem, set()), f'{path.stem}: {wrong}: {records[0]}'
            compared += len(wanted)
    assert compared >= 60, compared


def test_flowtest_s_wireguard_peers_are_those_of_the_first_handshake(parshall):
    folder = harness.shared_captures() / 'flowtest'
    _, flows = annotated(folder / 'annotations' / 'wireguard.yml')
    capture, _ = annotated(folder / 'annotations' / 'wireguard.yml')
    theirs = {(int(flow['wg_src_peer'], 0), int(flow['wg_dst_peer'], 0)) for flow in flows}
    flow = flows[0]
    records = named(parshall, folder / 'pcap' / capture)[(flow['src_ip'], int(flow['src_port'])), (flow['dst_ip'], int(flow['dst_port']))]
    assert len(records) == 1 and (records[0]['WGSrcPeer'], records[0]['WGDstPeer']) in theirs, (records, theirs)


# --- ipfixprobe --------------------------------------------------------------------------------------------------

def unquoted(text: str) -> str:
    return text.strip('"')


def same(column: str, ours, theirs: str) -> bool:
    """Theirs as they write it; an empty or zero one says nothing."""
    if column == 'TLS_JA4' and len(theirs) == 36:
        # ipfixprobe counts GREASE among the extensions, the authors' example does not: the count is left out
        ours, theirs = ours[:6] + ours[8:], theirs[:6] + theirs[8:]
    if column == 'TLS_VERSION' and ours == 0:
        return True  # a flow without a server's hello: ipfixprobe tells the client's version
    return theirs in ('', '0') or str(ours) == theirs


# output of a plug-in -> (capture, its column -> our element). One of our flows between the same ends must have all of a row's values.
PLUGINS = {
    'dns': ('dns', {'DNS_NAME': 'DNSName', 'DNS_QTYPE': 'DNSQType', 'DNS_CLASS': 'DNSClass', 'DNS_ID': 'DNSTransactionID'}),
    'http': ('http', {'HTTP_REQUEST_HOST': 'httpRequestHost', 'HTTP_REQUEST_METHOD': 'httpRequestMethod',
                      'HTTP_REQUEST_URL': 'httpRequestTarget', 'HTTP_REQUEST_AGENT': 'httpUserAgent',
                      'HTTP_REQUEST_REFERER': 'httpReferer', 'HTTP_RESPONSE_STATUS_CODE': 'httpStatusCode',
                      'HTTP_RESPONSE_CONTENT_TYPE': 'httpContentType'}),
    'tls': ('tls', {'TLS_SNI': 'sslServerName', 'TLS_JA3': 'ja3c_hash', 'TLS_JA4': 'ja4c_hash', 'TLS_VERSION': 'tlsServerVersion'}),
    'quic': ('quic_initial-sample', {'QUIC_SNI': 'quicSNI', 'QUIC_USER_AGENT': 'quicUserAgent', 'QUIC_VERSION': 'quicVersion'}),
    'smtp': ('smtp', {'SMTP_DOMAIN': 'smtpHello'}),
    'ntp': ('ntp', {'NTP_VERSION': 'NTPVersion'}),
    'rtsp': ('rtsp', {'RTSP_REQUEST_AGENT': 'rtspUserAgent'}),
}


def rows_of(output: str) -> list:
    with open(harness.shared_captures() / 'ipfixprobe' / 'outputs' / output, newline='', encoding='utf-8') as lines:
        rows = list(csv.reader(lines))
    header = next(row for row in rows if ' ' in row[0])  # the lines are sorted, so it is the last one
    rows.remove(header)
    return [dict(zip([word.split()[-1] for word in header], row)) for row in rows]


def test_ipfixprobe_s_plugins_find_the_same(parshall):
    for output, (capture, columns) in PLUGINS.items():
        ends = named(parshall, harness.shared_captures() / 'ipfixprobe' / 'inputs' / f'{capture}.pcap')
        compared = 0
        for row in rows_of(output):
            told = {column: unquoted(row[column]) for column in columns if unquoted(row[column]) not in ('', '0')}
            if not told:
                continue
            candidates = ends[(row['SRC_IP'], int(row['SRC_PORT'])), (row['DST_IP'], int(row['DST_PORT']))]
            assert any(all(same(column, record[columns[column]], value) for column, value in told.items()) for record in candidates), \
                f'{output}: {told}: {[{name: record[name] for name in columns.values()} for record in candidates]}'
            compared += 1
        assert compared > 0, output


# --- nDPI --------------------------------------------------------------------------------------------------------

def another_flow(row: dict) -> bool:
    """Inner flows of a tunnel; Google's QUIC before the standard; names that are addresses, of all questions of a flow, or not text."""
    return any(word in row['ndpi_label'] for word in ('CAPWAP', 'SSDP', 'MDNS', 'DHCP')) or row['capture'] == 'quic_q39.pcap' \
        or row['sni'].startswith('?')


def as_ndpi_writes(ja4: str) -> str:
    """nDPI 4 has 'd' also without a server name, the first two characters of the protocol instead of the first and the last, and a hash
    of nothing where FoxIO has zeros."""
    if len(ja4) == 36:
        ja4 = ja4[:3] + 'd' + ja4[4:8] + '..' + ja4[10:]
        if ja4.endswith('_000000000000'):
            ja4 = ja4[:-12] + 'e3b0c44298fc'
    return ja4


def test_ndpi_s_server_names_and_fingerprints_are_ours(parshall):
    folder = harness.shared_captures() / 'copyleft' / 'ndpi'
    names = fingerprints = 0
    with open(folder / 'expected_flows.csv', newline='', encoding='utf-8') as lines:
        rows = [row for row in csv.DictReader(lines) if not another_flow(row)]
    for row in rows:
        if not row['sni'] and not row['ja4']:
            continue
        ours = named(parshall, folder / 'pcap' / row['capture'])[(row['a_ip'], int(row['a_port'])), (row['b_ip'], int(row['b_port']))]
        if row['sni']:
            found = {record[name].lower() for record in ours for name in ('sslServerName', 'quicSNI', 'httpRequestHost', 'DNSName')}
            assert row['sni'].lower() in found | {name.split(':')[0] for name in found}, f'{row}: {found}'
            names += 1
        if row['ja4']:
            found = {as_ndpi_writes(record['ja4c_hash']) for record in ours}
            assert as_ndpi_writes(row['ja4']) in found, f'{row}: {found}'
            fingerprints += 1
    assert names >= 46 and fingerprints >= 28, (names, fingerprints)


# --- mercury and retina, by Wireshark -----------------------------------------------------------------------------

# Wireshark's field -> the elements of which one must have its first value in a flow and direction
WIRESHARK = {'tls.handshake.extensions_server_name': ('sslServerName', 'quicSNI'), 'http.host': ('httpRequestHost',),
          'http.user_agent': ('httpUserAgent',), 'dns.qry.name': ('DNSName',), 'tls.handshake.ja3': ('ja3c_hash',)}
ENDS = ('ip.src', 'ipv6.src', 'tcp.srcport', 'udp.srcport', 'ip.dst', 'ipv6.dst', 'tcp.dstport', 'udp.dstport')
# Flows inside tunnels, which Wireshark tells under the outer addresses and the inner ports.
TUNNELS = {'geneve.pcap', 'ip_encapsulation.pcap'}
# Hellos in frames that are not metered: behind Cisco's metadata header (EtherType 0x8909); without a total length in the IPv4 header,
# as a host captures what its NIC will segment.
NOT_METERED = {'tls_sgt.pcap', 'tlsv1_3.pcap'}


def by_wireshark(captures) -> list:
    """Of each capture: (source, destination) -> field -> its first value. As tshark tells them, but all captures by one process of
    sharkd, which starts from nothing at each: to start costs more than these captures do."""
    columns = {f'column{n}': f'{field}:1' for n, field in enumerate((*ENDS, *WIRESHARK))}
    calls = [call for capture in captures for call in (('load', {'file': str(capture)}), ('frames', columns))]
    lines = ''.join(json.dumps({'jsonrpc': '2.0', 'id': n, 'method': method, 'params': words}) + '\n'
                    for n, (method, words) in enumerate(calls, 1))
    done = subprocess.run([harness.tool('sharkd'), '-'], input=lines, capture_output=True, text=True, timeout=120, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer['id'] for answer in answers] == list(range(1, len(calls) + 1)) and all('result' in answer for answer in answers), \
        (done.stderr[-3000:], [answer for answer in answers if 'result' not in answer])
    return [told_of_flows(frame['c'] for frame in answer['result']) for answer in answers[1::2]]


def told_of_flows(rows) -> dict:
    flows = defaultdict(dict)
    for words in rows:
        ends, values = words[:len(ENDS)], words[len(ENDS):]
        if not any(values) or not (ends[2] or ends[3]):
            continue
        key = tuple((ends[n] or ends[n + 1], int(ends[n + 2] or ends[n + 3])) for n in (0, 4))
        for field, value in zip(WIRESHARK, values):
            if value:
                flows[key].setdefault(field, value)
    return flows


def another_matter(field: str, ends: tuple, records: list) -> bool:
    """SSDP is not HTTP's host; JA3 was made for TLS over TCP; TLS inside OpenVPN is the tunnel's."""
    if field.startswith('http.'):
        return 1900 in (ends[0][1], ends[1][1])
    return field == 'tls.handshake.ja3' and (any(r['protocolIdentifier'] == 17 for r in records) or 1194 in (ends[0][1], ends[1][1]))


def test_mercury_s_and_retina_s_names_are_those_wireshark_finds(parshall):
    folder = harness.shared_captures()
    compared = defaultdict(int)
    missing = []
    paths = [path for path in sorted([*(folder / 'mercury').rglob('*.pcap'), *(folder / 'retina').rglob('*.pcap*')])
             if path.name not in TUNNELS | NOT_METERED]
    with ThreadPoolExecutor(2) as pool:
        theirs = pool.submit(by_wireshark, paths)
        ours_of = list(pool.map(functools.partial(named, parshall), paths))
    for path, flows, ours in zip(paths, theirs.result(), ours_of):
        for ends, told in flows.items():
            records = ours[ends]
            for field, value in told.items():
                if another_matter(field, ends, records):
                    continue
                compared[field] += 1
                if value not in {record[name] for record in records for name in WIRESHARK[field]}:
                    missing.append((path.name, ends, field, value, len(records)))
    assert not missing, missing
    wanted = {'tls.handshake.extensions_server_name': 100, 'http.host': 100, 'http.user_agent': 90, 'dns.qry.name': 400,
              'tls.handshake.ja3': 180}
    assert all(compared[field] >= least for field, least in wanted.items()), dict(compared)


if __name__ == '__main__':
    harness.main(globals())
