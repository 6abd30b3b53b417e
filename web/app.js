// SPDX-License-Identifier: BSD-2-Clause
//
// app.js - the dashboard: figures in, charts and tables out.
//
// The machine sends counts since its start, once a second (/events; man/dash.4 says what they
// are). Two texts make a rate; the last SAMPLES of them are the charts. Three things are told
// apart here: figures that come (live), figures that stopped coming (stale: the connection is
// tried again until it is there), and figures of another start of the machine, with which all
// begins anew.
'use strict';

const SAMPLES = 120;        // seconds in the charts
const WINDOW = 60;          // seconds of probes in the latencies
const LINES = 6;            // in a chart by source or handler
const STALE_MS = 3500;      // without figures
const AGAIN_MS = 6000;      // without figures: a new connection
const SECTIONS = ['sources', 'handlers', 'cpus', 'latency', 'network'];

const $ = id => document.getElementById(id);
const charts = {};
let source = null, opened = 0, heard = 0, paused = false, failed = '', shown = false;
let history = [];           // {time, text, rates}

// ---------------------------------------------------------------- rates

// Probes (man/dash.4) have sources that never interrupt: only their handlers are shown.
const isProbe = r => r.kind === 'source' && /^probe\d+$/.test(r.name);
const rowKey = r => `${r.kind}/${r.source}/${r.name}/${r.id}`;

// perSecond - how much a count grew in a second; null: not known, or it began anew.
function perSecond(now, before, seconds) {
	return before == null || now < before ? null : (now - before) / seconds;
}

function rowRates(text, before, seconds) {
	const old = new Map(before.rows.map(r => [rowKey(r), r]));
	return text.rows.filter(r => !isProbe(r)).map(r => {
		const o = old.get(rowKey(r));
		const time = perSecond(r.ns, o?.ns, seconds);
		return {...r, rate: perSecond(r.count, o?.count, seconds),
			share: time == null ? null : time / 1e7};
	});
}

function cpuRates(text, before, seconds) {
	return text.cpus.map((c, i) => {
		const o = before.cpus[i] ?? {};
		const idle = perSecond(c.idle_ns, o.idle_ns, seconds);
		const rates = {busy: idle == null ? null : Math.min(100, Math.max(0, 100 - idle / 1e7))};
		for (const key of ['handoffs', 'nested', 'ipis', 'switches'])
			rates[key] = perSecond(c[key], o[key], seconds);
		return {...c, rates};
	});
}

function queueRates(text, before, seconds) {
	const old = new Map(before.cards.map(c => [c.name, c]));
	return text.cards.flatMap(card => card.queues.map((q, i) => {
		const o = old.get(card.name)?.queues[i] ?? {};
		const rates = {};
		for (const key of ['in', 'in_bytes', 'out', 'out_bytes', 'interrupts'])
			rates[key] = perSecond(q[key], o[key], seconds);
		return {...q, card: card.name, link: card.link, mbps: card.mbps,
			name: `${card.name}-q${q.queue}`, rates};
	}));
}

// take - another text from the machine.
function take(text) {
	failed = text.error ?? '';
	heard = performance.now();
	if (failed || paused)
		return;
	const last = history.at(-1);
	if (last && (last.text.boot !== text.boot || last.text.uptime_ns > text.uptime_ns)) {
		forget();
		say('The machine was started anew; the charts begin again.');
	}
	const before = history.at(-1)?.text;
	const seconds = before ? (text.uptime_ns - before.uptime_ns) / 1e9 : 0;
	if (before && seconds <= 0)
		return;
	history.push({time: Date.now() / 1000, text, rates: before ? {
		rows: rowRates(text, before, seconds),
		cpus: cpuRates(text, before, seconds),
		queues: queueRates(text, before, seconds),
	} : null});
	history = history.slice(-SAMPLES);
	show();
}

function forget() {
	history = [];
	for (const chart of Object.values(charts))
		chart.clear();
}

// ---------------------------------------------------------------- charts

// lines - of the rated parts of all samples: the data of a chart with these names.
function lines(names, pick) {
	const samples = history.filter(s => s.rates);
	return [samples.map(s => s.time), ...names.map(n => samples.map(s => pick(s.rates, n)))];
}

// busiest - the names of the rows that had most, in an order that does not change with each text.
function busiest(kind, value, label) {
	const sums = new Map();
	for (const s of history)
		for (const r of s.rates?.rows ?? [])
			if (r.kind === kind)
				sums.set(label(r), (sums.get(label(r)) ?? 0) + (value(r) ?? 0));
	return [...sums].sort((a, b) => b[1] - a[1]).slice(0, LINES).map(s => s[0]).sort();
}

function showRows(chart, kind, value, label) {
	const names = busiest(kind, value, label);
	const index = new Map(history.map(s => [s.rates, s.rates &&
		new Map(s.rates.rows.filter(r => r.kind === kind).map(r => [label(r), value(r)]))]));
	chart.show(names, lines(names, (rates, n) => index.get(rates).get(n) ?? null));
}

function showCharts(waited) {
	const now = history.at(-1).rates;
	showRows(charts.sources, 'source', r => r.rate, r => r.name);
	showRows(charts.handlers, 'handler', r => r.share, handlerNamer(now.rows));
	const cpus = now.cpus.slice(0, 16).map(c => `cpu${c.cpu}`);
	charts.cpus.show(cpus, lines(cpus, (rates, n) => rates.cpus[n.slice(3)]?.rates.busy ?? null));
	const ways = now.queues.slice(0, 8).flatMap(q => [`${q.name} in`, `${q.name} out`]);
	charts.network.show(ways, lines(ways, (rates, n) => {
		const [name, way] = n.split(' ');
		return rates.queues.find(q => q.name === name)?.rates[way] ?? null;
	}));
	showLatencyCharts(now.rows, waited);
}

// ---------------------------------------------------------------- latency

// recent - what a histogram, picked from each text, has counted in the last WINDOW seconds.
function recent(pick) {
	const now = pick(history.at(-1).text);
	if (!now)
		return [];
	const from = pick(history.slice(-WINDOW).find(s => pick(s.text)).text);
	const began = from === now || from.some((n, i) => n > (now[i] ?? 0));
	return began ? now : now.map((n, i) => n - (from[i] ?? 0));
}

const probes = (cpu, key) => recent(text => text.cpus[cpu]?.[key]);

// waits - of each handler that waited lately, the busiest first: [row, counts].
function waits(rows) {
	return rows.filter(r => r.waited).map(r => {
		const key = rowKey(r);
		return [r, recent(text => text.rows.find(o => rowKey(o) === key)?.waited)];
	}).filter(w => total(w[1]) > 0).sort((a, b) => total(b[1]) - total(a[1]));
}

function add(a, b) {
	const longer = a.length > b.length ? a : b;
	return longer.map((_, i) => (a[i] ?? 0) + (b[i] ?? 0));
}

const total = counts => counts.reduce((a, b) => a + b, 0);

// percentile - below what so many of 100 were, in ns; null: there were none.
function percentile(counts, edges, part) {
	let left = total(counts) * part / 100;
	if (left === 0)
		return null;
	for (let i = 0; i < counts.length; i++) {
		left -= counts[i];
		if (left <= 1e-9)
			return edges[i];
	}
	return edges[counts.length - 1];
}

// showHistograms - each a line, in percent of its own count.
function showHistograms(chart, names, counts, edges) {
	if (names.length === 0) {
		chart.clear();
		return;
	}
	const columns = counts.map(c => c.map(n => 100 * n / total(c)));
	let first = edges.length, end = 0;
	for (const c of columns)
		c.forEach((n, i) => {
			if (n > 0) {
				first = Math.min(first, i);
				end = Math.max(end, i);
			}
		});
	first = Math.max(0, first - 2);
	end = Math.min(edges.length - 1, end + 3);
	const below = edges.slice(first, end).map((e, i) => first + i > 0 ? edges[first + i - 1] : e / 2);
	chart.show(names, [below, ...columns.map(c => below.map((_, i) => c[first + i] ?? 0))]);
}

function showLatencyCharts(rows, waited) {
	const {cpus, edges_ns: edges, waited_edges_ns: waitedEdges} = history.at(-1).text;
	const both = [['raise', 'raise → hard context'], ['thread', 'hard → thread']].map(
		([key, name]) => [name, cpus.map((_, i) => probes(i, key)).reduce(add, [])])
		.filter(b => total(b[1]) > 0);
	showHistograms(charts.latency, both.map(b => b[0]), both.map(b => b[1]), edges);
	const label = handlerNamer(rows);
	const shown = waited.slice(0, LINES).map(([r, counts]) => [label(r), counts])
		.sort((a, b) => a[0] < b[0] ? -1 : 1);
	showHistograms(charts.waits, shown.map(w => w[0]), shown.map(w => w[1]), waitedEdges);
}

// ---------------------------------------------------------------- tables

// cell - [text, classes, share of 100 or undefined]
function fill(table, heads, rows) {
	const cell = (c, i) => {
		const [text, kind, part] = Array.isArray(c) ? c : [c];
		const e = element(i === 0 ? 'th' : 'td', i === 0 ? {scope: 'row'} : {}, String(text));
		if (kind)
			e.className = kind;
		if (part != null)
			e.style.setProperty('--part', `${Math.min(100, part).toFixed(1)}%`);
		return e;
	};
	const signature = heads.join();
	if (table.dataset.heads !== signature) {
		table.dataset.heads = signature;
		table.tHead?.remove();
		const head = table.createTHead().insertRow();
		for (const h of heads) {
			const th = element('th', {scope: 'col'}, h.replace('<', ''));
			if (h.startsWith('<'))
				th.className = 'text';
			head.append(th);
		}
	}
	const body = element('tbody', {}, ...rows.map(r => {
		const tr = element('tr');
		tr.append(...r.map(cell));
		return tr;
	}));
	if (table.tBodies.length)
		table.tBodies[0].replaceWith(body);
	else
		table.append(body);
}

const percent = n => n == null ? '–' : `${n.toFixed(1)} %`;

// handlerNamer - what to call a handler: its name, and its source too if another has the same name.
function handlerNamer(rows) {
	const count = new Map();
	for (const r of rows)
		if (r.kind === 'handler')
			count.set(r.name, (count.get(r.name) ?? 0) + 1);
	return r => count.get(r.name) > 1 ? `${r.name} (${r.source})` : r.name;
}

// linkCell - is there a link, and how fast, if the card says so.
function linkCell({link, mbps}) {
	if (!link)
		return ['down', 'text bad'];
	const speed = mbps >= 1000 ? `${mbps / 1000} Gbit/s` : `${mbps} Mbit/s`;
	return [mbps ? speed : 'up', 'text'];
}

function showTables(now, text, waited) {
	const share = r => [percent(r.share), 'share', r.share ?? 0];
	fill($('sources-table'), ['<Source', 'CPU', 'Rate/s', 'CPU time', 'Count', 'Stray'],
		now.rows.filter(r => r.kind === 'source').map(r =>
			[r.name, r.cpu, brief(r.rate), share(r), brief(r.count), brief(r.stray)]));
	fill($('handlers-table'), ['<Handler', '<Source', '<Level', 'Runs/s', 'CPU time', 'Count'],
		now.rows.filter(r => r.kind === 'handler').map(r =>
			[r.name, [r.source, 'text'], [r.level, 'text'], brief(r.rate), share(r),
				brief(r.count)]));
	fill($('cpus-table'), ['<CPU', 'Busy', 'Handoffs', 'Nested', 'IPIs', 'Switches', 'Divorces',
		'Starved', 'Rescues'], now.cpus.map(c =>
		[`cpu${c.cpu}`, [percent(c.rates.busy), 'share', c.rates.busy ?? 0],
			...['handoffs', 'nested', 'ipis', 'switches'].map(k => brief(c.rates[k])),
			...['divorces', 'starvations', 'rescues'].map(k => brief(c[k]))]));
	fill($('network-table'), ['<Queue', '<Link', 'In/s', 'In B/s', 'Out/s', 'Out B/s', 'Interrupts/s',
		'Dropped', 'Errors', 'Yields'], now.queues.map(q =>
		[q.name, linkCell(q), ...['in', 'in_bytes', 'out', 'out_bytes', 'interrupts'].map(k =>
			brief(q.rates[k])), brief(q.in_dropped + q.out_full),
			brief(q.in_errors + q.out_errors), brief(q.yields)]));
	fill($('latency-table'), ['<CPU', '<Step', 'Median', '99 %', '99.9 %', 'Longest', 'Probes'],
		text.cpus.flatMap((c, i) => [['raise', 'raise → hard'], ['thread', 'hard → thread']]
			.filter(([key]) => c[key]?.length).map(([key, name]) => {
				const counts = probes(i, key);
				return [`cpu${c.cpu}`, [name, 'text'],
					...[50, 99, 99.9].map(p => span(percentile(counts, text.edges_ns, p))),
					span(c[`${key}_max_ns`]), brief(total(counts))];
			})));
	fill($('waits-table'), ['<Handler', '<Source', '<Level', 'Median', '99 %', '99.9 %', 'Longest',
		'Waits'], waited.map(([r, counts]) =>
		[r.name, [r.source, 'text'], [r.level, 'text'], ...[50, 99, 99.9, 100].map(p =>
			span(percentile(counts, text.waited_edges_ns, p))), brief(total(counts))]));
}

function tile(label, value, note, bad) {
	return element('li', {}, element('span', {class: 'label'}, label),
		element('span', {class: bad ? 'value bad' : 'value'}, value),
		element('span', {class: 'note'}, note));
}

function showTiles(now, text) {
	const sum = (list, pick) => list.reduce((a, x) => a + (pick(x) ?? 0), 0);
	const of = kind => now.rows.filter(r => r.kind === kind);
	const top = of('handler').sort((a, b) => (b.share ?? 0) - (a.share ?? 0))[0];
	const {pool, cpus, cards} = text;
	const starved = sum(cpus, c => c.starvations), storms = text.sysctl['hw.intr.storms'] ?? 0;
	const linked = cards.filter(c => c.link).length;
	$('tiles').replaceChildren(
		tile('Interrupts/s', brief(sum(of('source'), r => r.rate)), `${of('source').length} sources`),
		tile('Handlers', percent(sum(of('handler'), r => r.share)),
			top ? `most: ${top.name}` : 'none'),
		tile('Packets/s', brief(sum(now.queues, q => (q.rates.in ?? 0) + (q.rates.out ?? 0))),
			`${linked} of ${cards.length} cards linked`),
		tile('Ithreads ready', `${pool.free + pool.spare} of ${pool.total}`,
			`${pool.active} active, ${pool.divorced} divorced`),
		tile('Divorces', brief(sum(cpus, c => c.divorces)), 'handlers that blocked'),
		tile('Starvations', brief(starved), `${brief(sum(cpus, c => c.rescues))} rescues`,
			starved > 0),
		tile('Storms', brief(storms), storms > 0 ? 'sources were held' : 'none held', storms > 0));
}

function show() {
	const {rates, text} = history.at(-1);
	const seconds = Math.floor(text.uptime_ns / 1e9);
	const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
	$('machine').textContent = `${text.ncpu} CPU${text.ncpu === 1 ? '' : 's'}, up ` +
		`${hours}:${String(minutes).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}` +
		(text.sysctl['hw.intr.acct'] ? '' : '; no times: hw.intr.acct is 0');
	if (!rates)
		return;
	const waited = waits(rates.rows);
	showTiles(rates, text);
	showTables(rates, text, waited);
	showCharts(waited);
	shown = true;
	document.body.dataset.samples = history.length;
}

// ---------------------------------------------------------------- the connection

function say(words) {
	$('notice').textContent = words;
	$('notice').hidden = !words;
}

function connect() {
	source?.close();
	opened = performance.now();
	source = new EventSource('/events');
	source.onmessage = event => {
		let text;
		try {
			text = JSON.parse(event.data);
		} catch {
			failed = 'what the machine sent makes no sense';
			return;
		}
		take(text);
	};
}

// watch - twice a second: what is the state, and does the connection want to be made anew?
function watch() {
	const now = performance.now();
	const age = now - heard;
	const live = heard > 0 && age < STALE_MS;
	let state = 'waiting', words = 'connecting';
	if (live && failed)
		[state, words] = ['stale', failed];
	else if (live)
		[state, words] = paused ? ['paused', 'paused'] : ['live', 'live'];
	else if (heard > 0)
		[state, words] = ['stale', `stale for ${Math.floor(age / 1000)} s; connecting`];
	// A machine that was reset says no goodbye: the browser would wait for ever.
	if (!live && now - opened > AGAIN_MS || source.readyState === EventSource.CLOSED &&
		now - opened > 1000)
		connect();
	if (live && !failed && shown && $('notice').textContent.startsWith('No figures'))
		say('');
	if (state === 'stale' && age > AGAIN_MS)
		say('No figures from the machine: it is off, starting, or too busy. What is shown is old.');
	document.body.classList.toggle('stale', state === 'stale');
	if ($('state').dataset.state !== state || state !== 'live') {
		$('state').dataset.state = state;
		if ($('state').textContent !== words)
			$('state').textContent = words;
	}
}

// ---------------------------------------------------------------- keys

function pause() {
	paused = !paused;
	$('pause').setAttribute('aria-pressed', paused);
	$('pause').textContent = paused ? 'Go on' : 'Pause';
	watch();
}

function help() {
	if (!$('keys').open)
		$('keys').showModal();
}

function onKey(event) {
	if (event.ctrlKey || event.altKey || event.metaKey || $('keys').open)
		return;
	if (event.key === '?')
		help();
	else if (event.key === 'p')
		pause();
	else if (event.key === 'c')
		forget();
	else if (event.key >= '1' && event.key <= String(SECTIONS.length) && event.key.length === 1) {
		const section = $(SECTIONS[event.key - 1]);
		section.scrollIntoView({block: 'start'});
		section.focus({preventScroll: true});
	} else
		return;
	event.preventDefault();
}

function begin() {
	charts.sources = new Chart($('sources-chart'), {});
	charts.handlers = new Chart($('handlers-chart'), {unit: ' %'});
	charts.cpus = new Chart($('cpus-chart'), {unit: ' %', max: 100});
	charts.latency = new Chart($('latency-chart'), {unit: ' %', log: true, steps: true,
		empty: 'no probes yet: they begin when somebody watches'});
	charts.waits = new Chart($('waits-chart'), {unit: ' %', log: true, steps: true,
		empty: 'no handler has waited for its thread yet'});
	charts.network = new Chart($('network-chart'), {empty: 'no card'});
	$('pause').addEventListener('click', pause);
	$('help').addEventListener('click', help);
	document.addEventListener('keydown', onKey);
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
		for (const chart of Object.values(charts))
			if (chart.plot)
				chart.draw();
	});
	connect();
	watch();
	setInterval(watch, 500);
}

begin();
