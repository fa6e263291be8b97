# SPDX-License-Identifier: BSD-3-Clause
"""Every file of the shared captures: no crash, exit 0 or 3, and a ledger that closes. One process a capture, so that a message
and an exit code belong to it; what is no capture goes many files a process."""
import csv
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import harness
import ledger

# A process mostly waits (the EAL measures its clock for 0.1 s), so there are more of them than CPUs.
PROCESSES = 4 * (os.cpu_count() or 1)
FILES_AT_ONCE = 40
# The record header names fewer octets on the wire than were captured: the index takes its word, we the larger number, since
# a frame cannot have been shorter than what there is of it.
SHORTER_THAN_CAPTURED = {'tcpdump/pim_header_asan-2.pcap': 524292, 'tcpdump/rsvp-rsvp_obj_print-oobr.pcap': 262245,
                         'tcpdump/slip-compressed_sl_print-oobr.pcap': 255}
MAGICS = {bytes.fromhex(text) for text in ('a1b2c3d4', 'd4c3b2a1', 'a1b23c4d', '4d3cb2a1', 'a1b2cd34', '34cdb2a1', '0a0d0d0a')}


def is_capture(path: Path) -> bool:
    with open(path, 'rb') as file:
        return file.read(4) in MAGICS


def read_files(parshall: str, paths: list, *words):
    """(paths, exit status, standard error) of a run that may not crash, hang or leave the ledger open."""
    done = subprocess.run([parshall, 'read', '--stats', 'json', '--flows-max', '2000', '-o', 'json:/dev/null', *words, *paths],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    return paths, done.returncode, done.stderr.decode('utf-8', 'replace')


def all_files() -> list:
    return sorted(path for path in harness.shared_captures().rglob('*') if path.is_file())


def read_all(parshall: str, batches: list, *words) -> list:
    with ThreadPoolExecutor(PROCESSES) as pool:
        return list(pool.map(lambda paths: read_files(parshall, paths, *words), batches))


def batches_of(files: list) -> list:
    return [files[at:at + FILES_AT_ONCE] for at in range(0, len(files), FILES_AT_ONCE)]


def faults_of(paths: list, status: int, stderr: str) -> list:
    found = []
    if status not in (0, 3):
        found.append(f'exit {status}: {stderr[-600:]}')
    else:
        try:
            ledger.check_nothing_lost(stderr)
        except AssertionError as fault:
            found.append(str(fault))
    if status == 3 and not any(str(path) in stderr for path in paths):
        found.append(f'exit 3, but no message names the file: {stderr[:600]}')
    return [f'{paths[0].relative_to(harness.shared_captures())}...: {fault}' for fault in found]


def no_faults(results: list) -> None:
    faults = [fault for result in results for fault in faults_of(*result)]
    assert not faults, f'{len(faults)} faults\n' + '\n'.join(faults[:20])


def test_every_capture_is_read_without_crash_and_its_ledger_closes(parshall):
    captures = [path for path in all_files() if is_capture(path)]
    results = read_all(parshall, [[path] for path in captures])
    print(f'         {len(captures)} captures, {sum(status == 3 for _, status, _ in results)} of them broken or cut')
    no_faults(results)
    check_against_index(results)


def test_what_is_no_capture_is_refused_by_name(parshall):
    files = [path for path in all_files() if not is_capture(path)]
    results = read_all(parshall, batches_of(files))
    no_faults(results)
    for paths, status, stderr in results:
        missing = [str(path) for path in paths if str(path) not in stderr]
        assert status == 3 and not missing, f'exit {status}, not named: {missing}\n{stderr[-1000:]}'
        assert ledger.find(stderr)['received']['packets'] == 0


def test_the_wide_templates_survive_the_malformed_ones(parshall):
    folders = ('tcpdump', 'suricata-verify', 'pcapplusplus')
    files = [path for path in all_files()
             if is_capture(path) and path.relative_to(harness.shared_captures()).parts[0] in folders]
    no_faults(read_all(parshall, batches_of(files), '-t', 'wide'))


def check_against_index(results: list) -> None:
    """Packets as another program counted them, for the files it could read to their end."""
    with open(harness.shared_captures() / 'INDEX.csv', newline='', encoding='utf-8') as lines:
        index = {row['file']: row for row in csv.DictReader(lines)}
    faults, compared = [], 0
    for (path,), status, stderr in results:
        name = str(path.relative_to(harness.shared_captures()))
        row = index.get(name)
        if row is None or status != 0 or not row['packets']:
            continue
        compared += 1
        wanted = {'packets': int(row['packets']), 'octets': SHORTER_THAN_CAPTURED.get(name, int(row['wire_bytes']))}
        received = ledger.find(stderr)['received']
        if received != wanted:
            faults.append(f'{name}: {received}, the index has {wanted}')
    assert compared > 700, f'only {compared} files could be compared with the index'
    assert not faults, f'{len(faults)} of {compared} differ from the index\n' + '\n'.join(faults[:20])


if __name__ == '__main__':
    harness.main(globals())
