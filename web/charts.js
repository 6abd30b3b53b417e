// SPDX-License-Identifier: BSD-2-Clause
//
// charts.js - a chart of several lines: uPlot, with what it lacks for those who do not use a
// mouse: a legend of buttons, a reader moved by the arrow keys, a name that says what is seen.
//
//   const chart = new Chart(element, {unit: '%', max: 100});
//   chart.show(['cpu0', 'cpu1'], [times, values0, values1]);
//
// Lines keep their colour for as long as their name is there. Colours are those of style.css, so
// light and dark are its business; a change of the system's scheme draws anew.
'use strict';

const COLOURS = 8;
const DASHES = [[], [8, 4], [2, 3]];
const PLOT_HEIGHT = 220;

function css(name) {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// brief - a number as a person wants it: 3 digits, then k, M, G.
function brief(n) {
	if (n == null || !isFinite(n))
		return '–';
	const units = ['', 'k', 'M', 'G', 'T'];
	let at = 0;
	while (Math.abs(n) >= 1000 && at < units.length - 1) {
		n /= 1000;
		at++;
	}
	const digits = n === 0 || Math.abs(n) >= 100 || (at === 0 && Number.isInteger(n)) ? 0 :
		Math.abs(n) >= 10 ? 1 : 2;
	return n.toFixed(digits) + units[at];
}

// span - nanoseconds, likewise.
function span(ns) {
	if (ns == null || !isFinite(ns))
		return '–';
	if (ns < 1000)
		return `${Math.round(ns)} ns`;
	if (ns < 1e6)
		return `${(ns / 1e3).toFixed(ns < 1e4 ? 1 : 0)} µs`;
	if (ns < 1e9)
		return `${(ns / 1e6).toFixed(ns < 1e7 ? 1 : 0)} ms`;
	return `${(ns / 1e9).toFixed(1)} s`;
}

function element(name, attributes = {}, ...children) {
	const e = document.createElement(name);
	for (const [key, value] of Object.entries(attributes))
		e.setAttribute(key, value);
	e.append(...children);
	return e;
}

class Chart {
	constructor(root, options = {}) {
		this.root = root;
		this.options = options;
		this.title = root.dataset.title;
		this.names = [];
		this.colours = new Map();
		this.hidden = new Set();
		this.data = [[]];
		this.plot = null;
		this.at = null;
		this.holder = element('div', {class: 'plot', tabindex: '0', role: 'img'});
		this.legend = element('ul', {class: 'legend', 'aria-label': `Lines of ${this.title}`});
		this.readout = element('p', {class: 'readout', 'aria-live': 'polite'});
		root.append(element('h3', {}, this.title), this.holder, this.legend, this.readout);
		this.holder.addEventListener('keydown', e => this.key(e));
		this.holder.addEventListener('blur', () => this.read(null));
		new ResizeObserver(() => this.resize()).observe(this.holder);
		this.nothing();
	}

	nothing() {
		this.holder.replaceChildren(element('p', {class: 'empty'}, this.options.empty ||
			'nothing yet'));
		this.holder.setAttribute('aria-label', `${this.title}: nothing yet`);
	}

	// A line's colour and dash: the first that nobody has.
	colour(name) {
		if (!this.colours.has(name)) {
			const used = new Set(this.colours.values());
			let n = 0;
			while (used.has(n))
				n++;
			this.colours.set(name, n);
		}
		return this.colours.get(name);
	}

	show(names, data) {
		const same = this.plot && names.length === this.names.length &&
			names.every((n, i) => n === this.names[i]);
		this.data = data;
		if (names.length === 0) {
			this.clear();
			return;
		}
		if (same) {
			this.plot.setData(data);
		} else {
			this.names = names;
			for (const name of [...this.colours.keys()])
				if (!names.includes(name))
					this.colours.delete(name);
			this.draw();
		}
		this.label();
	}

	clear() {
		this.plot?.destroy();
		this.plot = null;
		this.names = [];
		this.at = null;
		this.legend.replaceChildren();
		this.readout.textContent = '';
		this.nothing();
	}

	series(name) {
		const n = this.colour(name);
		const stroke = css(`--s${n % COLOURS}`);
		const line = {
			label: name, stroke, width: 2, show: !this.hidden.has(name),
			dash: DASHES[Math.floor(n / COLOURS) % DASHES.length],
			points: {show: false}, spanGaps: false,
		};
		if (this.options.steps) {
			line.paths = uPlot.paths.stepped({align: 1});
			line.fill = stroke + '22';
		}
		return line;
	}

	axes() {
		const grid = {stroke: css('--line'), width: 1};
		const font = '12px system-ui, sans-serif';
		const x = {stroke: css('--quiet'), grid, ticks: grid, font, size: 34};
		const y = {stroke: css('--quiet'), grid, ticks: grid, font, size: 52,
			values: (u, all) => all.map(brief)};
		if (this.options.log) {
			x.values = (u, all) => all.map(v => v == null ? '' : span(v));
			const tens = (u, all) => all.map(v => /^10*$/.test(String(Math.round(v))) ? v : null);
			x.filter = tens;
			x.grid = {...grid, filter: tens};
			x.ticks = {...grid, filter: tens};
		} else {
			x.space = 70;
			x.incrs = [1, 2, 5, 10, 15, 30, 60, 120];
			x.values = (u, all) => all.map(v => new Date(v * 1000).toTimeString().slice(0, 8));
		}
		return [x, y];
	}

	draw() {
		const {max, log} = this.options;
		this.plot?.destroy();
		this.holder.replaceChildren();
		this.plot = new uPlot({
			width: Math.max(200, this.holder.clientWidth), height: PLOT_HEIGHT,
			legend: {show: false}, cursor: {drag: {x: false, y: false}, y: false},
			hooks: {setCursor: [u => this.moved(u)]},
			scales: {
				x: log ? {time: false, distr: 3} : {time: true},
				y: {range: (u, low, high) => [0, max || Math.max(high * 1.1, 1)]},
			},
			axes: this.axes(),
			series: [{}, ...this.names.map(n => this.series(n))],
		}, this.data, this.holder);
		this.legend.replaceChildren(...this.names.map((n, i) => this.button(n, i)));
	}

	button(name, index) {
		const swatch = element('span', {class: 'swatch', 'aria-hidden': 'true'});
		const b = element('button', {type: 'button', 'aria-pressed': !this.hidden.has(name)},
			swatch, name);
		swatch.style.color = css(`--s${this.colour(name) % COLOURS}`);
		b.addEventListener('click', () => {
			const hide = !this.hidden.has(name);
			if (hide)
				this.hidden.add(name);
			else
				this.hidden.delete(name);
			b.setAttribute('aria-pressed', !hide);
			this.plot.setSeries(index + 1, {show: !hide});
		});
		return element('li', {}, b);
	}

	resize() {
		const width = this.holder.clientWidth;
		if (this.plot && width > 0 && width !== this.plot.width)
			this.plot.setSize({width, height: PLOT_HEIGHT});
	}

	// ---- reading

	text(value) {
		return brief(value) + (this.options.unit || '');
	}

	label() {
		const last = this.options.log ? '' : this.names.map((n, i) =>
			`${n} ${this.text(this.data[i + 1].at(-1))}`).join(', ');
		this.holder.setAttribute('aria-label', `${this.title}: chart of ${this.names.length} ` +
			`lines. ${last}`);
	}

	moved(u) {
		if (u.cursor.idx != null && u.cursor.left >= 0)
			this.read(u.cursor.idx);
		else if (this.at == null)
			this.readout.textContent = '';
	}

	read(index) {
		if (index == null || this.data[0][index] == null) {
			this.readout.textContent = '';
			this.at = null;
			return;
		}
		const x = this.data[0][index];
		const when = this.options.log ? `below ${span(this.data[0][index + 1] ?? x)}` :
			new Date(x * 1000).toTimeString().slice(0, 8);
		this.readout.textContent = `${when}: ` + this.names.map((n, i) =>
			`${n} ${this.text(this.data[i + 1][index])}`).join(' · ');
	}

	key(event) {
		const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
		const end = this.data[0].length - 1;
		if (!step || !this.plot || end < 0)
			return;
		event.preventDefault();
		this.at = Math.min(end, Math.max(0, (this.at ?? end + 1) + step));
		this.plot.setCursor({left: this.plot.valToPos(this.data[0][this.at], 'x'), top: 10});
		this.read(this.at);
	}
}
