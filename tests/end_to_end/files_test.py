# SPDX-License-Identifier: BSD-3-Clause
"""IPFIX files (RFC 5655): rotated, compressed, with checksums; cut, damaged, and those of other exporters."""
import gzip
import hashlib
import struct
import subprocess

import harness
import messages
from collectors import Tshark
from harness import Run, Skip, read, shared_captures, tool
from judges_test import OFFICE, traffic


def rotated(parshall, scratch, name: str, keys: str) -> tuple:
    """A run that writes several files; its records and the files in order."""
    config = scratch / 'probe.yaml'
    config.write_text(f'exporting:\n  collectors:\n    - {{url: "file://{scratch}/{name}", {keys}}}\n    - "json:-"\n',
                      encoding='utf-8')
    run = read(parshall, traffic(), '--config', config)
    files = sorted(file for file in scratch.iterdir() if '.ipfix' in file.name)
    assert len(files) > 1 and not any(file.name.endswith('.part') for file in files), files
    return run, files


def octets_of(file) -> bytes:
    octets = file.read_bytes()
    return gzip.decompress(octets) if file.name.endswith('.gz') else octets


def test_rotated_files_hold_every_record_once_and_every_judge_reads_them(parshall, scratch):
    for number, name in enumerate(('f.ipfix', 'f-%Y%m%d-%H%M%S.ipfix.gz')):
        folder = scratch / str(number)
        folder.mkdir()
        run, files = rotated(parshall, folder, name, 'rotate: {every: 1s, octets: 64k}')
        shown, records = [], 0
        for file in files:
            assert file.stat().st_size <= 65536
            session = messages.read(messages.split(octets_of(file)))  # sequence numbers from 0, templates first
            records += session.data_records
            shown += Run(parshall, 'show', '--json', file).records()
            plain = folder / 'plain'
            plain.write_bytes(octets_of(file))
            assert not Tshark(plain).complaints(), Tshark(plain).complaints()[:5]
            done = subprocess.run([tool('ipfixDump'), '--in', plain, '--stats'], capture_output=True, text=True, check=False)
            assert done.returncode == 0 and not done.stderr, done.stderr
            assert f' {session.data_records} Data Records' in done.stdout, done.stdout
            plain.unlink()
        assert records == len(run.records())
        assert sorted(map(str, shown)) == sorted(map(str, run.records()))


def checksums(octets: bytes):
    """(stated, computed) of every message, the record being the last 16 octets of it."""
    for message in messages.split(octets):
        stated = message[-16:]
        yield stated, hashlib.md5(message[:-16] + bytes(16)).digest()


def test_every_message_has_its_checksum_and_damage_is_found(parshall, scratch):
    config = scratch / 'probe.yaml'
    config.write_text(f'exporting: {{collectors: [{{url: "file://{scratch}/x.ipfix", checksum: true}}, "json:-"]}}\n',
                      encoding='utf-8')
    run = read(parshall, traffic(), '--config', config)
    octets = (scratch / 'x.ipfix').read_bytes()
    pairs = list(checksums(octets))
    assert len(pairs) > 1 and all(stated == computed for stated, computed in pairs)
    session = messages.read(messages.split(octets))
    assert session.data_records == len(run.records()) + len(pairs)
    shown = Run(parshall, 'show', '--json', scratch / 'x.ipfix').records()
    assert sum('messageMD5Checksum' in record for record in shown) == len(pairs)
    assert not Tshark(scratch / 'x.ipfix').complaints()
    damaged = bytearray(octets)
    second = struct.unpack_from('!H', octets, 2)[0]
    damaged[second + 30] ^= 1
    (scratch / 'damaged.ipfix').write_bytes(damaged)
    run = Run(parshall, 'show', '--json', scratch / 'damaged.ipfix', expect=3)
    assert f'octet {second}: the message is not what its checksum says' in run.stderr, run.stderr


def test_each_file_ends_with_its_time_window_and_the_options_records(parshall, scratch):
    config = scratch / 'probe.yaml'
    config.write_text(f'''exporting:
  options_records: true
  collectors:
    - {{url: "file://{scratch}/f-%H%M%S.ipfix", rotate: {{every: 1s}}, time_window: true, checksum: true}}
''', encoding='utf-8')
    read(parshall, traffic(), '--config', config)
    files = sorted(scratch.glob('*.ipfix'))
    assert len(files) >= 2, files
    flows_before = 0
    for file in files:
        messages.read(messages.split(file.read_bytes()))
        shown = Run(parshall, 'show', '--json', file).records()
        flows = [record for record in shown if 'flowStartMilliseconds' in record]
        windows = [record for record in shown if 'minFlowStartMilliseconds' in record]
        flows_before += len(flows)
        exported = [record for record in shown if 'exportedFlowRecordTotalCount' in record]
        assert exported[-1]['exportedFlowRecordTotalCount'] == flows_before
        assert len(windows) == (1 if flows else 0)
        if flows:
            assert shown[-2] == windows[0], 'the last record but its message\'s checksum'
            assert windows[0]['minFlowStartMilliseconds'] == min(record['flowStartMilliseconds'] for record in flows)
            assert windows[0]['maxFlowEndMilliseconds'] == max(record['flowEndMilliseconds'] for record in flows)
        assert not Tshark(file).complaints(), Tshark(file).complaints()[:5]


def test_a_compressed_file_is_read_to_the_octet_where_it_was_cut(parshall, scratch):
    read(parshall, traffic(), '-o', scratch / 'x.ipfix', '-o', scratch / 'x.ipfix.gz')
    plain, packed = (scratch / 'x.ipfix').read_bytes(), (scratch / 'x.ipfix.gz').read_bytes()
    assert gzip.decompress(packed) == plain and len(packed) < len(plain) * 0.7
    whole = Run(parshall, 'show', '--json', scratch / 'x.ipfix.gz').records()
    for kept in (len(packed) - 1, len(packed) // 2, 100):
        (scratch / 'cut').write_bytes(packed[:kept])  # known by its first octets, not by its name
        run = Run(parshall, 'show', '--json', scratch / 'cut', expect=3)
        assert 'gzip stream is cut after octet' in run.stderr, run.stderr
        assert run.records() == whole[:len(run.records())]
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    (scratch / 'damaged.gz').write_bytes(damaged)
    assert 'octet' in Run(parshall, 'show', '--json', scratch / 'damaged.gz', expect=3).stderr


# Template and data messages of other exporters, as their capture files are named, and the records that are in both together.
PAIRS = (
    ('barracuda_tpl', 'barracuda_data256', 8),
    ('barracuda_extended_uniflow_tpl256', 'barracuda_extended_uniflow_data256', 2),
    ('juniper_mx240_junos151r6s3_opttpl512', 'juniper_mx240_junos151r6s3_data512', 1),
    ('mikrotik_tpl', 'mikrotik_data258', 28),
    ('mikrotik_tpl', 'mikrotik_data259', 18),
    ('netscaler_tpl', 'netscaler_data', 3),
    ('nokia_bras_tpl', 'nokia_bras_data256', 1),
    ('openbsd_pflow_tpl', 'openbsd_pflow_data', 26),
    ('procera_tpl52935', 'procera_data52935', 8),
    ('viptela_tpl257', 'viptela_data257', 1),
    ('vmware_vds_tpl', 'vmware_vds_data264', 1),
    ('vmware_vds_tpl', 'vmware_vds_data266', 2),
    ('vmware_vds_tpl', 'vmware_vds_data266_267', 2),
    ('yaf_tpl45841', 'yaf_data45841', 1),
    ('yaf_tpls_option_tpl', 'yaf_data45873', 1),
    ('yaf_tpls_option_tpl', 'yaf_data53248', 1),
)


def test_files_of_other_exporters_are_read_or_the_fault_is_named(parshall, scratch):
    folder = shared_captures() / 'ipfix-wire'
    files = sorted(folder.glob('*/*'))
    if not files:
        raise Skip(f'no ipfix-wire in {folder}')
    for file in files:
        version = struct.unpack_from('!H', file.read_bytes())[0]
        run = Run(parshall, 'show', '--json', file, expect=(0, 3))
        if version == 10:
            assert run.status == 0 and all(run.records()), f'{file.name}: {run.stderr}'
            # Data without its template is said, not passed over in silence.
            assert run.stdout or run.stderr or 'tpl' in file.name, file.name
        else:
            assert run.status == 3 and not run.stdout and f'NetFlow v{version}' in run.stderr, f'{file.name}: {run.stderr}'
    for templates, data, records in PAIRS:
        both = scratch / 'both.ipfix'
        both.write_bytes(b''.join((folder / 'logstash-codec-netflow' / f'ipfix_test_{name}.dat').read_bytes()
                                  for name in (templates, data)))
        found = Run(parshall, 'show', '--json', both).records()
        assert len(found) == records and all(found), f'{data}: {len(found)} records'


if __name__ == '__main__':
    harness.main(globals())
