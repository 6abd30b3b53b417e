# SPDX-License-Identifier: BSD-2-Clause
"""charts: the pictures of docs/measured.md, for tools/report.

Each function draw_X() makes docs/charts/X.svg out of results; it returns nothing to draw if what it
shows was not measured.  The files are the same for the same results: no date, names of elements by
a fixed salt, text as text.
"""

import matplotlib

matplotlib.use('svg')
import matplotlib.pyplot as plt  # noqa: E402  (the backend must be chosen before)
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

matplotlib.rcParams.update({
    'svg.hashsalt': 'ithaca', 'svg.fonttype': 'none', 'font.family': 'sans-serif',
    'font.sans-serif': ['DejaVu Sans', 'Helvetica', 'Arial', 'sans-serif'], 'font.size': 10,
    'axes.spines.top': False, 'axes.spines.right': False, 'axes.grid': True,
    'axes.axisbelow': True, 'grid.color': '#dddddd', 'grid.linewidth': 0.7,
    'legend.frameon': False, 'figure.facecolor': 'white', 'axes.titlesize': 11,
    'axes.titlelocation': 'left',
})

# Okabe and Ito's colours, which those who see no red or no green tell apart.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    '#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#777777')
MODEL = {'handoff': BLUE, 'pool': ORANGE, 'dedicated': GREEN, 'direct': RED}
# The lines of these two may lie on each other.
RING = {'direct': {'marker': 'o', 'markersize': 10, 'fillstyle': 'none', 'linestyle': '--'}}
ARMED = (10, 100, 1000, 10000, 100000, 1000000)
CPUS = (1, 2, 4, 8)
LOADS = (('idle', 'idle'), ('a packet every 5000', 'every\n5,000'),
         ('a packet every 2500', 'every\n2,500'), ('flooded', 'flooded'))
PACKETS = (('UDP echo, one at a time', 'UDP echo,\none at a time'),
           ('UDP echo, 64 at once', 'UDP echo,\n64 at once'),
           ('TCP segment received', 'TCP segment\nreceived'))
WAYS = (('six steps', "the letter's six steps"), ('puller', 'a puller'),
        ('reader', 'a puller, and a reader'))


def thousands(value, _pos=None):
    return f'{value:,.0f}'


def plain_log(axis):
    """A logarithmic axis with whole numbers at it."""
    axis.set_major_formatter(FuncFormatter(thousands))
    axis.set_minor_formatter(NullFormatter())


def draw_steps(results, shown):
    """One interrupt, step by step: a bar a model, and beside them Linux."""
    steps = (('raise to filter, thread follows', 'raise to filter', SKY),
             (None, 'filter to thread function', BLUE),
             ("thread function's end to interrupted lwp", "thread's end to interrupted lwp",
              ORANGE))
    bars = []
    for m in results.ours + results.peers:
        first = results.get(m, steps[0][0])
        entry = results.get(m, 'raise to thread function')
        leave = results.get(m, steps[2][0])
        if None not in (first, entry, leave):
            bars.append((m, (first, entry - first, leave)))
    if not bars:
        return None
    groups = [[b for b in bars if b[0] in results.ours], [b for b in bars if b[0] in results.peers]]
    groups = [g for g in groups if g]
    fig, axes = plt.subplots(len(groups), 1, squeeze=False, figsize=(8, 1.3 + 0.42 * len(bars)
                                                                     + 0.5 * len(groups)),
                             gridspec_kw={'height_ratios': [len(g) for g in groups]})
    for ax, group in zip(axes[:, 0], groups):
        left = [0] * len(group)
        for i, (_, label, color) in enumerate(steps):
            widths = [b[1][i] for b in group]
            ax.barh([shown[b[0]] for b in group], widths, left=left, color=color, label=label,
                    height=0.65)
            left = [a + w for a, w in zip(left, widths)]
        for y, total in enumerate(left):
            ax.text(total, y, f' {total:,}', va='center')
        ax.invert_yaxis()
        ax.grid(axis='y', visible=False)
        ax.margins(x=0.1)
        ax.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes[0, 0].set_title('A threaded interrupt, without the handlers\' own instructions')
    axes[-1, 0].set_xlabel('instructions (the two scales differ)' if len(groups) > 1
                           else 'instructions')
    fig.tight_layout(rect=(0, 0.4 / fig.get_figheight(), 1, 1))
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc='lower center', ncol=3)
    return fig


def draw_callouts(results, _shown):
    """Callouts with ever more others armed."""
    lines = [('handoff', 'callout, fire, whole loss', 'fire, whole loss', RED, '-'),
             ('handoff', 'callout, fire to function', 'fire to function', ORANGE, '-'),
             ('handoff', 'callout, arm and stop', 'arm and stop', BLUE, '-'),
             ('handoff', 'callout, arm', 'arm', SKY, '-'),
             ('handoff', 'callout, stop', 'stop', GREEN, '-'),
             ('linux', 'callout, arm and stop', 'Linux: timer, arm and stop', GREY, '--'),
             ('linux', 'hrtimer, arm and stop', 'Linux: hrtimer, arm and stop', GREY, ':')]
    fig, ax = plt.subplots(figsize=(8, 4.4))
    for model, what, label, color, style in lines:
        points = [(n, results.get(model, f'{what}, {n} others armed')) for n in ARMED]
        points = [p for p in points if p[1] is not None]
        if points:
            ax.plot(*zip(*points), style, color=color, marker='o', markersize=4)
            ax.annotate(f'{label}, {points[-1][1]:,}', points[-1], xytext=(6, 0),
                        textcoords='offset points', va='center', color=color)
    ax.set_xscale('log')
    ax.set_yscale('log')
    ax.set_xlim(8, 1.2e6)
    ax.set_ylim(bottom=10)
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    ax.set_xlabel('others armed')
    ax.set_ylabel('instructions, median')
    ax.set_title('Callouts: what one costs does not depend on how many there are')
    fig.subplots_adjust(right=0.68)
    return fig


def draw_cpus(results, _shown):
    """Instructions an interrupt with 1 to 8 CPUs at it; threaded by direct rate."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
    some = False
    for m in results.ours:
        points = [(n, results.get(m, f'all instructions by interrupts, CPUs at once: {n}'))
                  for n in CPUS]
        if all(p[1] is not None for p in points):
            some = True
            left.plot(*zip(*points), color=MODEL[m], label=m, **RING.get(m, {'marker': 'o'}))
        points = [(n, results.get(m, f'threaded rate by direct rate, CPUs at once: {n}'))
                  for n in CPUS]
        if all(p[1] is not None for p in points):
            right.plot([p[0] for p in points], [p[1] / 10 for p in points], color=MODEL[m],
                       label=m, **RING.get(m, {'marker': 'o'}))
    if not some:
        plt.close(fig)
        return None
    for ax in left, right:
        ax.set_xscale('log', base=2)
        ax.set_xticks(CPUS)
        ax.set_ylim(0, 1.25 * ax.get_ylim()[1] if ax is left else 110)
        ax.xaxis.set_major_formatter(FuncFormatter(thousands))
        ax.set_xlabel('CPUs at once')
    left.set_title('Instructions an interrupt, exact')
    right.set_title('Threaded rate in % of direct, wall clock')
    right.axhline(100, color=GREY, linewidth=0.8)
    fig.tight_layout(rect=(0, 0.08, 1, 1))
    if len(results.ours) > 1:
        fig.legend(*left.get_legend_handles_labels(), loc='lower center', ncol=4)
    return fig


def draw_latency(results, _shown):
    """How long a high-level source waits: idle below, and a storm."""
    models = [m for m in results.ours
              if (m, 'high source: raise to thread, storm below') in results.histograms]
    if not models:
        return None
    fig, axes = plt.subplots(len(models), 2, squeeze=False, sharex=True, sharey=True,
                             figsize=(8, 0.9 + 1.7 * len(models)))
    for row, m in zip(axes, models):
        for ax, what in zip(row, ('filter', 'thread')):
            for below, color, style in (('storm', RED, {'alpha': 0.75}),
                                        ('idle', BLUE, {'fill': False, 'linewidth': 1.2})):
                for n, (begin, end, count) in enumerate(results.histograms.get(
                        (m, f'high source: raise to {what}, {below} below'), ())):
                    more = {'edgecolor': color} if 'fill' in style else {'color': color,
                                                                         'linewidth': 0}
                    ax.bar(begin, count, width=end - begin, align='edge', **more, **style,
                           label=('lower sources storm' if below == 'storm' else
                                  'nothing below') if n == 0 else None)
            ax.set_xscale('log')
            ax.set_yscale('log')
            ax.set_title(f'{m}: raise to {"filter" if what == "filter" else "thread function"}')
            plain_log(ax.xaxis)
            plain_log(ax.yaxis)
    for ax in axes[-1]:
        ax.set_xlabel('instructions')
        low, high = ax.get_xlim()
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,)))
    for row in axes:
        row[0].set_ylabel('events')
    fig.tight_layout(rect=(0, 0.35 / fig.get_figheight(), 1, 1))
    fig.legend(*axes[0, 1].get_legend_handles_labels(), loc='lower center', ncol=2)
    return fig


def draw_path(results, _shown):
    """Switches and handoffs a packet, by load, for each way to do it."""
    models = [m for m in results.ours if results.get(m, 'puller, idle: switches') is not None]
    if not models:
        return None
    fig, axes = plt.subplots(1, 3, sharey=True, figsize=(8, 3.8))
    width = 0.8 / len(models)
    for ax, (way, title) in zip(axes, WAYS):
        for i, m in enumerate(models):
            xs = [x + (i - (len(models) - 1) / 2) * width for x in range(len(LOADS))]
            switches = [results.get(m, f'{way}, {load}: switches') for load, _ in LOADS]
            handoffs = [results.get(m, f'{way}, {load}: handoffs') for load, _ in LOADS]
            if None in switches + handoffs:
                continue
            ax.bar(xs, switches, width * 0.92, color=MODEL[m], label=m)
            ax.bar(xs, handoffs, width * 0.92, bottom=switches, facecolor='none',
                   edgecolor=MODEL[m], hatch='////', linewidth=0.8)
        ax.set_xticks(range(len(LOADS)), [text for _, text in LOADS], fontsize=9)
        ax.grid(axis='x', visible=False)
        ax.set_title(title)
    axes[0].set_ylabel('switches (solid) and handoffs (hatched)')
    axes[1].set_xlabel('how often a packet comes, in instructions')
    fig.tight_layout(rect=(0, 0.08, 1, 1))
    fig.legend(*axes[1].get_legend_handles_labels(), loc='lower center', ncol=4)
    return fig


def draw_network(results, shown):
    """All instructions of a packet, ours and Linux's, on each card."""
    models = [m for m in ('handoff', 'linux', 'linux-lean', 'linux-rt')
              if results.get(m, 'igb: UDP echo, one at a time, all instructions') is not None]
    if len(models) < 2:
        return None
    fig, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 3.8))
    width = 0.84 / len(models)
    for ax, card in zip(axes, ('igb', 'virtio-net-pci')):
        for i, (m, color) in enumerate(zip(models, (BLUE, GREY, SKY, ORANGE))):
            xs = [x + (i - (len(models) - 1) / 2) * width for x in range(len(PACKETS))]
            ys = [results.get(m, f'{card}: {what}, all instructions') or 0 for what, _ in PACKETS]
            ax.bar(xs, ys, width * 0.92, color=color, label=shown[m])
            for x, y in zip(xs, ys):
                ax.text(x, y, f'{y / 1000:.1f}', ha='center', va='bottom', fontsize=7)
        ax.set_xticks(range(len(PACKETS)), [text for _, text in PACKETS], fontsize=9)
        ax.grid(axis='x', visible=False)
        ax.yaxis.set_major_formatter(FuncFormatter(thousands))
        ax.set_title(card)
    axes[0].set_ylabel('instructions a packet (above: thousands)')
    fig.tight_layout(rect=(0, 0.08, 1, 1))
    fig.legend(*axes[0].get_legend_handles_labels(), loc='lower center', ncol=4)
    return fig


def draw_queues(results, _shown):
    """Rates by queues, of one queue's: with TCP/IP under its lock, and the driver alone."""
    fig, axes = plt.subplots(1, 2, sharey=True, figsize=(8, 3.6))
    some = False
    for ax, card in zip(axes, ('igb', 'virtio-net-pci')):
        for rate, label, color in (('driver alone, frames a second', 'driver alone', GREEN),
                                   ('UDP echo by one CPU, datagrams a second',
                                    'UDP echo, one CPU at it', SKY),
                                   ('UDP echo, datagrams a second', 'UDP echo', BLUE),
                                   ('TCP echo, KiB a second', 'TCP echo', ORANGE)):
            ys = [results.get('handoff', f'{card}, {n} queue{"s" * (n > 1)}: {rate}')
                  for n in CPUS]
            if None not in ys and ys[0] > 0:
                some = True
                ax.plot(CPUS, [y / ys[0] for y in ys], marker='o', color=color, label=label)
        ax.set_xscale('log', base=2)
        plain_log(ax.xaxis)
        ax.set_xticks(CPUS)
        ax.set_xlabel('CPUs, and queues')
        ax.set_title(card)
    if not some:
        plt.close(fig)
        return None
    axes[0].set_ylabel('rate, by that of one queue')
    axes[0].set_ylim(bottom=0)
    fig.tight_layout(rect=(0, 0.08, 1, 1))
    fig.legend(*axes[0].get_legend_handles_labels(), loc='lower center', ncol=4)
    return fig


def by_queues(ax, results, card, lines):
    """A line for each (model, figure, label, style) that was measured; were there any?"""
    some = False
    for model, figure, label, style in lines:
        ys = [results.get(model, f'{card}, {n} queue{"s" * (n > 1)}: {figure}') for n in CPUS]
        if None not in ys:
            some = True
            ax.plot(CPUS, ys, marker='o', markersize=4, label=label, **style)
    ax.set_xscale('log', base=2)
    plain_log(ax.xaxis)
    ax.set_xticks(CPUS)
    ax.yaxis.set_major_formatter(FuncFormatter(thousands))
    return some


def beside_lines(results, shown, figure):
    """Ours, and of Linux's machines those that were measured."""
    colors = {'linux': GREY, 'linux-lean': PURPLE, 'linux-rt': ORANGE}
    return [('beside', figure, 'ours', {'color': BLUE}),
            *((m, figure, shown[m], {'color': colors[m]}) for m in results.peers if m in colors)]


def by_card(results, rows, height):
    """A row of the chart for each (title, label of y, lines), a column for each card."""
    fig, axes = plt.subplots(len(rows), 2, squeeze=False, sharex=True, sharey='row',
                             figsize=(8, height))
    some = False
    for row, (title, label, lines) in zip(axes, rows):
        row[0].set_ylabel(label)
        for ax, card in zip(row, ('igb', 'virtio-net-pci')):
            some |= by_queues(ax, results, card, lines)
            ax.set_title(f'{card}: {title}')
        row[0].set_ylim(bottom=0)       # both share it: when all is drawn
    for ax in axes[-1]:
        ax.set_xlabel('CPUs, and queues')
    if not some:
        plt.close(fig)
        return None
    fig.tight_layout(rect=(0, 0.35 / height, 1, 1))
    handles = {}
    for ax in axes.flat:
        handles.update({text: line for line, text in zip(*ax.get_legend_handles_labels())})
    fig.legend(handles.values(), handles.keys(), loc='lower center', ncol=4)
    return fig


def draw_beside(results, shown):
    """Rates by queues, ours and Linux's in one run."""
    udp = [*beside_lines(results, shown, 'UDP echo, datagrams a second'),
           ('beside', 'UDP echo by one CPU, datagrams a second', 'ours, interrupts to one CPU',
            {'color': SKY, 'linestyle': '--'})]
    return by_card(results, (
        ('UDP echo', 'datagrams a second', udp),
        ('TCP echo', 'KiB a second', beside_lines(results, shown, 'TCP echo, KiB a second')),
        ('driver alone', 'frames a second',
         beside_lines(results, shown, 'driver alone, frames a second'))), 7.6)


def draw_queuecost(results, shown):
    """All instructions by queues, ours and Linux's in one run."""
    return by_card(results, (
        ('UDP echo', 'instructions a datagram',
         beside_lines(results, shown, 'UDP echo, 64 at once, all instructions a packet')),
        ('TCP echo', 'instructions a KiB',
         beside_lines(results, shown, 'TCP echo, all instructions a KiB'))), 5.4)


def draw(results, shown, folder):
    """All charts, into the folder; the names of those that there are."""
    names = []
    for name, make in sorted(globals().items()):
        if not name.startswith('draw_'):
            continue
        fig = make(results, shown)
        if fig is None:
            continue
        names.append(name[5:] + '.svg')
        fig.savefig(f'{folder}/{names[-1]}', format='svg', bbox_inches='tight', metadata={
            'Date': None, 'Creator': None, 'Description': f'results {results.digest()}'})
        plt.close(fig)
    return names
