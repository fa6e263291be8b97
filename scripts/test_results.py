#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Counts the test cases in a meson testlog.json: prints "PASSED FAILED SKIPPED", and the failed tests on standard
error. A Catch2 program counts as many cases as it says it ran; any other test counts as one.

    test_results.py testlog.json"""
import json
import re
import sys

GOOD = {'OK', 'EXPECTEDFAIL'}


def cases(test: dict) -> tuple:
    """(passed, failed, skipped) of one entry."""
    output = test.get('stdout', '') or ''
    good = test['result'] in GOOD
    if test['result'] == 'SKIP':
        return 0, 0, 1
    all_passed = re.search(r'All tests passed \(.*? in (\d+) test cases?\)', output)
    if good and all_passed:
        return int(all_passed[1]), 0, 0
    some_failed = re.search(r'^test cases: +(\d+) \|(?: +(\d+) passed \|)? +(\d+) failed', output, re.M)
    if not good and some_failed:
        return int(some_failed[2] or 0), int(some_failed[3]), 0
    return (1, 0, 0) if good else (0, 1, 0)


def main() -> None:
    totals = [0, 0, 0]
    with open(sys.argv[1], encoding='utf-8') as log:
        for line in log:
            test = json.loads(line)
            counted = cases(test)
            totals = [a + b for a, b in zip(totals, counted)]
            if counted[1]:
                print(f"FAILED {test['name']} ({test['result']})", file=sys.stderr)
                print((test.get('stdout') or '')[-4000:], (test.get('stderr') or '')[-4000:], file=sys.stderr)
            elif counted[2]:
                text = ((test.get('stderr') or '') + (test.get('stdout') or '')).strip().splitlines()
                print(f"skipped {test['name']}: {text[-1] if text else 'no reason given'}", file=sys.stderr)
    print(*totals)


if __name__ == '__main__':
    main()
