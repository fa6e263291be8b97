#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Renders the CSV files of a run as markdown tables (README.md beside them) and, with matplotlib, as plots (SVG).

    bench/render_results.py [FOLDER]        default: bench/results

Every table says machine, memory pages, compiler, commit, date and command of its rows. Nothing is computed here.
"""
import csv
import glob
import os
import sys

IDENTITY = ('machine', 'pages', 'compiler', 'commit', 'date', 'command')
TITLES = {
    'line_rate_ladder': 'The ladder over numbers of flows',
    'line_rate_axes': 'One axis of the traffic at a time',
    'line_rate_new_flows': 'Every packet a new flow',
    'line_rate_full_table': 'More flows than the table holds',
    'line_rate_sweep': 'The sweep, and the worker beside it',
    'line_rate_lateness': 'How late flows end',
    'line_rate_exporter': 'The exporter alone',
    'line_rate_application': 'Layer 7: names, labels, an operator\'s rules',
    'line_rate_loss_free_rate': 'The highest rate without loss, source and worker on a core each',
    'line_rate_memory': 'Memory a flow',
    'hash': 'Hashes of flow keys',
    'order': 'Records into structs, by order of elements',
    'labels': 'Application labels, a payload',
    'compare': 'Reading a file, beside other probes',
}
RUNGS = ('receive', 'parse', 'hash', 'lookup', 'account', 'expiry', 'export_null', 'export_udp')


def read(path: str) -> list:
    with open(path, encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == ''
    return True


def table(rows: list) -> str:
    columns = [name for name in rows[0] if name not in IDENTITY]
    # a column that says the same in every row says it above the table
    fixed = [name for name in columns if len(rows) > 1 and len({row[name] for row in rows}) == 1]
    shown = [name for name in columns if name not in fixed]
    lines = []
    if fixed:
        lines.append('All rows: ' + ', '.join(f'{name} {rows[0][name] or "-"}' for name in fixed) + '.\n')
    lines.append('| ' + ' | '.join(shown) + ' |')
    right = [all(is_number(row[name]) for row in rows) for name in shown]
    lines.append('|' + '|'.join(' ---: ' if r else ' --- ' for r in right) + '|')
    lines += ['| ' + ' | '.join(row[name] for name in shown) + ' |' for row in rows]
    return '\n'.join(lines)


def identity(rows: list) -> str:
    parts = [f'{name}: {rows[0][name]}' for name in IDENTITY if name != 'command' and rows[0].get(name)]
    commands = {row['command'] for row in rows}
    if len(commands) == 1:
        parts.append(f'command: `{commands.pop()}`')
    return '; '.join(parts)


def plot_ladder(rows: list, folder: str, plt) -> str:
    figure, axes = plt.subplots(figsize=(8, 5))
    flows = sorted({int(row['flows']) for row in rows})

    def ns(rung: str) -> list:
        found = {int(row['flows']): float(row['ns']) for row in rows if row['rung'] == rung}
        return [found.get(f, float('nan')) for f in flows]

    for rung in RUNGS:
        axes.plot(flows, ns(rung), marker='o', label=rung)
    for bare, style in (('bare_hash', '--'), ('bare_tags', ':')):
        both = [a + b for a, b in zip(ns(bare), ns('receive'))]
        axes.plot(flows, both, style, color='black', label=f'{bare} + receive')
    axes.set(xscale='log', xlabel='flows', ylabel='ns a packet', title='64-octet packets, one core')
    axes.set_ylim(bottom=0)
    axes.legend(fontsize='small')
    axes.grid(alpha=0.3)
    figure.savefig(f'{folder}/ladder.svg', metadata={'Date': None})
    plt.close(figure)
    return 'ladder.svg'


def plot_compare(rows: list, folder: str, plt) -> str:
    figure, axes = plt.subplots(figsize=(8, 5))
    for probe in dict.fromkeys(row['probe'] for row in rows):
        mine = [row for row in rows if row['probe'] == probe]
        axes.plot([int(row['flows']) for row in mine], [float(row['cpu_ns']) for row in mine], marker='o',
                  label=probe if all(row['exact'] == 'yes' for row in mine) else f'{probe} (not exact)')
    axes.set(xscale='log', yscale='log', xlabel='flows', ylabel='ns of CPU a packet',
             title='Reading a file of 64-octet packets')
    axes.legend(fontsize='small')
    axes.grid(alpha=0.3, which='both')
    figure.savefig(f'{folder}/compare.svg', metadata={'Date': None})
    plt.close(figure)
    return 'compare.svg'


PLOTS = {'line_rate_ladder': plot_ladder, 'compare': plot_compare}


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), 'results')
    try:
        import matplotlib
        matplotlib.use('svg')
        matplotlib.rcParams['svg.hashsalt'] = 'parshall'  # the same rows give the same file
        import matplotlib.pyplot as plt
    except ImportError:
        plt = None
        print('no plots: python3-matplotlib is not installed', file=sys.stderr)
    parts = ['<!-- SPDX-License-Identifier: BSD-3-Clause -->',
             '<!-- Made by bench/render_results.py from the CSV files. -->',
             '# Results', '', 'What the columns mean: ../README.md.', '']
    names = {os.path.basename(path)[:-4] for path in glob.glob(f'{folder}/*.csv')}
    for name in [n for n in TITLES if n in names] + sorted(names - set(TITLES)):
        rows = read(f'{folder}/{name}.csv')
        if not rows:
            continue
        parts += [f'## {TITLES.get(name, name)}', '']
        if plt is not None and name in PLOTS:
            parts += [f'![{name}]({PLOTS[name](rows, folder, plt)})', '']
        parts += [table(rows), '', identity(rows), '']
    with open(f'{folder}/README.md', 'w', encoding='utf-8') as file:
        file.write('\n'.join(parts))
    print(f'{folder}/README.md')


if __name__ == '__main__':
    main()
