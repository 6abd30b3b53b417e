// SPDX-License-Identifier: BSD-2-Clause
//
// dashboard.js URL FOLDER: the dashboard in a real browser. Prints a line of JSON a step, which
// tests/system/test_dashboard.py reads; reads a word a line from it when it is to go on (when the
// machine was restarted, say). Ends with 1 and a message if something is not as it must be.
'use strict';

const assert = require('node:assert');
const path = require('node:path');
const readline = require('node:readline');
const {chromium} = require(path.resolve('build/web/playwright-core'));

const [url, folder] = process.argv.slice(2);
const PATIENCE = 60000;
const input = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();

function say(step, more = {}) {
	console.log(JSON.stringify({step, ...more}));
}

// asked - go on when the test says so.
async function asked(word) {
	const line = await input.next();
	assert.equal(line.value, word);
}

function browserPath() {
	return process.env.ITHACA_CHROMIUM || '/usr/bin/chromium';
}

// A page whose every request, error and refusal is noted.
async function open(browser, options) {
	const context = await browser.newContext(options);
	const page = await context.newPage();
	page.setDefaultTimeout(PATIENCE);
	page.wrong = [];
	page.asked = [];
	page.on('pageerror', e => page.wrong.push(String(e)));
	page.on('console', m => {
		if (m.type() === 'error')
			page.wrong.push(m.text());
	});
	page.on('request', r => page.asked.push(r.url()));
	await page.goto(url);
	return page;
}

// until - the function is true in the page. (Playwright's own way needs eval(), which the page's
// Content-Security-Policy forbids, and rightly.)
async function until(page, fn, arg) {
	const end = Date.now() + PATIENCE;
	while (!await page.evaluate(fn, arg)) {
		assert.ok(Date.now() < end, `not so in ${PATIENCE / 1000} s: ${fn}`);
		await new Promise(r => setTimeout(r, 100));
	}
}

const samples = (page, n) => until(page,
	least => Number(document.body.dataset.samples) >= least, n);

// ink - how many points of a chart's canvas are not those of its corner.
const ink = (page, id) => page.evaluate(name => {
	const canvas = document.querySelector(`#${name} canvas`);
	const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
	let n = 0;
	for (let i = 3; i < data.length; i += 4)
		n += data[i] > 0;
	return n;
}, id);

const picture = (page, id) => page.evaluate(
	name => document.querySelector(`#${name} canvas`).toDataURL(), id);

async function shot(page, name) {
	await page.screenshot({path: path.join(folder, `${name}.png`), fullPage: true});
}

// Nothing sticks out to the side.
async function fits(page) {
	const [wide, window] = await page.evaluate(() =>
		[document.documentElement.scrollWidth, document.documentElement.clientWidth]);
	assert.ok(wide <= window, `the page is ${wide} wide in a window of ${window}`);
}

async function desktop(browser) {
	const page = await open(browser, {viewport: {width: 1280, height: 900}, colorScheme: 'light'});
	await samples(page, 4);
	assert.equal(await page.getAttribute('#state', 'data-state'), 'live');
	// Each of the machine's requests waits for a queue's thread.
	await until(page, () => /igb0-q\d/.test(document.getElementById('waits-table').textContent));
	const first = {};
	for (const id of ['sources-chart', 'handlers-chart', 'cpus-chart', 'latency-chart',
		'waits-chart', 'network-chart']) {
		assert.ok(await ink(page, id) > 500, `${id}: nothing is drawn`);
		first[id] = await picture(page, id);
	}
	for (const id of ['sources', 'handlers', 'cpus', 'latency', 'waits', 'network'])
		assert.ok(await page.locator(`#${id}-table tbody tr`).count() > 0, `${id}: empty table`);
	await samples(page, 7);
	for (const id of ['sources-chart', 'cpus-chart', 'network-chart'])
		assert.notEqual(await picture(page, id), first[id], `${id} does not move`);
	await fits(page);
	await shot(page, 'desktop-light');
	for (const asked of page.asked)
		assert.ok(asked.startsWith(url), `the page asked for ${asked}`);
	assert.deepEqual(page.wrong, []);
	say('desktop', {requests: page.asked.length});
	return page;
}

// The link of each card, with its speed where the card gives one, as it is now.
async function links(page) {
	const link = (card, wanted) => until(page, ([name, words]) => [...document.querySelectorAll(
		'#network-table tbody tr')].some(tr => tr.cells[0].textContent === name &&
		tr.cells[1].textContent === words && (words === 'down') ===
		tr.cells[1].classList.contains('bad')), [`${card}-q0`, wanted]);

	await link('igb0', '1 Gbit/s');
	await link('vtnet0', 'up');
	say('link is on');
	await link('vtnet0', 'down');
	await link('igb0', '1 Gbit/s');
	await page.locator('#network').screenshot({path: path.join(folder, 'network-down.png')});
	say('link is off');
	await link('vtnet0', 'up');
}

// Tab goes through everything that can be used, and what has the focus shows it.
async function tabs(page) {
	const seen = [];
	await page.evaluate(() => document.activeElement.blur());
	for (let i = 0; i < 120; i++) {
		await page.keyboard.press('Tab');
		const at = await page.evaluate(() => {
			const e = document.activeElement, style = getComputedStyle(e);
			return {tag: e.tagName, id: e.id, visible: style.outlineStyle !== 'none',
				name: e.getAttribute('aria-label') || e.textContent.trim(),
				kind: e.className || e.parentElement?.id};
		});
		if (at.tag === 'BODY')
			break;
		assert.ok(at.visible, `no focus to be seen at ${JSON.stringify(at)}`);
		assert.ok(at.name, `no name: ${JSON.stringify(at)}`);
		seen.push(at);
	}
	const count = what => seen.filter(what).length;
	assert.ok(count(s => s.id === 'pause') && count(s => s.id === 'help'), 'buttons');
	assert.equal(count(s => s.kind === 'plot'), 6, 'charts');
	assert.equal(count(s => s.kind === 'table'), 6, 'tables');
	assert.ok(count(s => s.tag === 'A') >= 4, 'links');
	return seen.length;
}

async function keys(page) {
	const stops = await tabs(page);
	await page.keyboard.press('?');
	assert.ok(await page.locator('#keys').isVisible(), 'no help');
	assert.ok((await page.textContent('#keys')).includes('Clear the charts'));
	await page.keyboard.press('Escape');
	assert.ok(!await page.locator('#keys').isVisible(), 'help stays');
	for (const [key, id] of [['4', 'latency'], ['1', 'sources'], ['5', 'network']]) {
		await page.keyboard.press(key);
		assert.equal(await page.evaluate(() => document.activeElement.id), id);
	}
	await page.keyboard.press('p');
	await page.waitForSelector('#state[data-state="paused"]');
	const still = await page.evaluate(() => document.body.dataset.samples);
	await page.keyboard.press('p');
	await page.waitForSelector('#state[data-state="live"]');
	await until(page, n => document.body.dataset.samples !== n, still);
	await page.focus('#cpus-chart .plot');
	await page.keyboard.press('ArrowLeft');
	assert.match(await page.textContent('#cpus-chart .readout'), /cpu0 [\d.]+ %/);
	await page.focus('#waits-chart .plot');
	await page.keyboard.press('ArrowLeft');
	assert.match(await page.textContent('#waits-chart .readout'), /^below [\d.]+ .?s: .*igb0-q\d /);
	await page.focus('#cpus-chart .legend button');
	await page.keyboard.press('Space');
	assert.equal(await page.getAttribute('#cpus-chart .legend button', 'aria-pressed'), 'false');
	await page.keyboard.press('Space');
	// Every button, link, picture and region has a name; every table a caption and heads.
	assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll(
		'button, a, [role=img], [role=region]')].filter(e =>
		!(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)), []);
	assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('table')].filter(t =>
		!t.caption || !t.querySelector('th[scope=col]') || !t.querySelector('th[scope=row]'))
		.map(t => t.id)), []);
	say('keys', {stops});
}

// contrast - of each text that is shown, against what it stands on; the least that WCAG 2 wants.
const contrast = page => page.evaluate(() => {
	const parts = c => c.match(/[\d.]+/g).map(Number);
	const light = c => parts(c).slice(0, 3).map(v => v / 255).map(v =>
		v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((a, v, i) => a + v * [0.2126, 0.7152, 0.0722][i], 0);
	const under = e => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor;
			if ((parts(c)[3] ?? 1) > 0.5)
				return c;
		}
		return 'rgb(255, 255, 255)';
	};
	const poor = [];
	for (const e of document.querySelectorAll('h1, h2, h3, p, td, th, caption, button, a, span')) {
		if (!e.offsetParent || !e.textContent.trim())
			continue;
		const [a, b] = [light(getComputedStyle(e).color), light(under(e))].sort((x, y) => y - x);
		if ((a + 0.05) / (b + 0.05) < 4.5)
			poor.push(`${e.tagName} ${e.className}: ${e.textContent.trim().slice(0, 20)}`);
	}
	return poor;
});

async function dark(browser) {
	const page = await open(browser, {viewport: {width: 1280, height: 900}, colorScheme: 'dark'});
	await samples(page, 4);
	const paper = await page.evaluate(() =>
		getComputedStyle(document.documentElement).backgroundColor);
	assert.ok(paper.match(/\d+/g).every(v => Number(v) < 64), `in the dark the page is ${paper}`);
	assert.deepEqual(await contrast(page), []);
	await shot(page, 'desktop-dark');
	const before = await picture(page, 'cpus-chart');
	await page.emulateMedia({colorScheme: 'light'});
	await until(page, b => document.querySelector('#cpus-chart canvas').toDataURL() !== b,
		before);
	assert.deepEqual(await contrast(page), []);
	assert.deepEqual(page.wrong, []);
	await page.context().close();
	say('dark');
}

async function phone(browser) {
	const page = await open(browser, {viewport: {width: 390, height: 844}, colorScheme: 'dark',
		deviceScaleFactor: 2, isMobile: true, hasTouch: true});
	await samples(page, 4);
	await fits(page);
	// What a key or a link leads to is not under the bar that stays at the top.
	for (const id of ['sources', 'network']) {
		const [top, bar] = await page.evaluate(name => {
			document.getElementById(name).scrollIntoView({block: 'start'});
			return [document.getElementById(`${name}-title`).getBoundingClientRect().top,
				document.querySelector('header').getBoundingClientRect().bottom];
		}, id);
		assert.ok(top >= bar, `${id}: its title is ${bar - top} under the header`);
	}
	const small = await page.evaluate(() => [...document.querySelectorAll('button')].filter(b =>
		b.offsetParent && b.getBoundingClientRect().height < 24).map(b => b.textContent));
	assert.deepEqual(small, [], 'buttons too small for a finger');
	assert.ok(await ink(page, 'sources-chart') > 300);
	await shot(page, 'phone-dark');
	await page.locator('#network').screenshot({path: path.join(folder, 'phone-network.png')});
	assert.deepEqual(page.wrong, []);
	await page.context().close();
	say('phone');
}

// The machine goes, and comes back as another.
async function restart(page) {
	say('ready');
	await asked('gone');
	await page.waitForSelector('#state[data-state="stale"]');
	assert.match(await page.textContent('#state'), /stale for \d+ s/);
	await page.waitForSelector('#notice:not([hidden])');
	await shot(page, 'stale');
	say('stale');
	await asked('back');
	await page.waitForSelector('#state[data-state="live"]');
	await until(page, () =>
		document.getElementById('notice').textContent.includes('started anew'));
	await samples(page, 3);
	say('again');
}

async function main() {
	const browser = await chromium.launch({executablePath: browserPath(),
		args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']});
	try {
		const page = await desktop(browser);
		await links(page);
		await keys(page);
		await dark(browser);
		await phone(browser);
		await restart(page);
	} finally {
		await browser.close();
	}
}

main().then(() => process.exit(0), e => {
	console.error(e.stack || String(e));
	process.exit(1);
});
