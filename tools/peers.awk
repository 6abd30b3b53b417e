# SPDX-License-Identifier: BSD-2-Clause
#
# peers.awk FILE...: the table of ./ithaca bench --peers, from results of ours and of Linux, one
# JSON object a line: medians, and how many times ours.  Where something was measured twice, as
# rates are, the better counts.  What was not measured is a dash.

# field NAME: of the JSON object in $0, a number or a string without its quotes.
function field(name,   s) {
	if (!match($0, "\"" name "\": ?(\"[^\"]*\"|-?[0-9.]+)"))
		return ""
	s = substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3)
	gsub(/^ |"/, "", s)
	return s
}

# As many digits as a number needs, or a dash.
function number(v) {
	if (v == "")
		return "-"
	return sprintf(v == int(v) ? "%d" : v < 1 ? "%.3f" : "%.1f", v)
}

function times(theirs, ours) {
	return theirs == "" || ours == "" || ours <= 0 ? "-" : sprintf("%.1f", theirs / ours)
}

# value MODEL NAME: the median, or nothing.
function value(model, name,   k) {
	k = model SUBSEP name
	return k in median ? median[k] : ""
}

function title(text) {
	heading = text
}

# row LABEL OURS OURS_LEAN THEIRS: one line, unless neither side has it.
function row(label, ours, ours_lean, theirs,   a, b, m, line, some) {
	a = value("handoff", ours)
	b = value("handoff", ours_lean)
	some = a b
	line = sprintf("%-42s %7s %7s ", label, number(a), number(b))
	for (m = 1; m <= 5; m++) {
		some = some value(machine[m], theirs)
		line = line sprintf(" %7s", number(value(machine[m], theirs)))
	}
	if (some == "")
		return
	if (heading != "")
		print heading
	heading = ""
	printf "%s  %7s %7s %7s\n", line, times(value("linux", theirs), a),
		times(value("linux-lean", theirs), b), times(value("linux-rt", theirs), a)
}

# intr NAME [LABEL]: with accounting, as we are shipped, and without.
function intr(name, label) {
	row(label == "" ? name : label, "intr/" name " (acct)", "intr/" name, "intr/" name)
}

function user(name) {
	row("process: " name, "intr/" name " (acct)", "intr/" name,
		"user/process: " name)
}

function same(name, theirs, label) {
	row(label == "" ? substr(name, index(name, "/") + 1) : label, name, name,
		theirs == "" ? name : theirs)
}

# rate_row LABEL FIGURE BY: one line of rates, or of shares of a thousand (BY 10: in percent).  More
# is better here, so it is ours that is a multiple of theirs.
function rate_row(label, name, by) {
	rates_of(label, "rate/" name, by)
}

function rates_of(label, key, by,   m, ours, some, line) {
	ours = some = value("handoff", key)
	line = sprintf("%-42s %7s %7s ", label, "", rate_number(ours, by))
	for (m = 1; m <= 5; m++) {
		some = some value(machine[m], key)
		line = line sprintf(" %7s", rate_number(value(machine[m], key), by))
	}
	if (some == "")
		return
	if (heading != "")
		print heading
	heading = ""
	printf "%s  %7s %7s %7s\n", line, times(ours, value("linux", key)),
		times(ours, value("linux-lean", key)), times(ours, value("linux-rt", key))
}

function rate_number(v, by) {
	return v == "" ? "-" : sprintf("%d", v / by + 0.5)
}

function rates() {
	title("\ninterrupts a second by the wall's clock, QEMU translating; here ours is the multiple")
	rate_row("direct handler", "direct interrupts a second and CPU, of 1", 1)
	rate_row("threaded handler", "threaded interrupts a second and CPU, of 1", 1)
	rate_row("threaded, in percent of direct", "threaded rate by direct rate, CPUs at once: 1",
		10)
}

# network CARD: its packets, all that they cost.
function network(card,   way, n, i) {
	n = split("UDP echo, one at a time;UDP echo, 64 at once;TCP segment received", way, ";")
	title("\n" card ": instructions a packet, all of them")
	for (i = 1; i <= n; i++)
		same("net/" card ": " way[i] ", all instructions", "", way[i])
	title(card ": context switches a packet")
	for (i = 1; i <= n; i++)
		same("net/" card ": " way[i] ", context switches a packet", "", way[i])
}

# queues CARD: 1 to 8 CPUs with a queue each, counted and by the clock.
function queues(card,   rate, n, i, r) {
	split("driver alone, frames a second;UDP echo, datagrams a second;" \
		"UDP echo by one CPU, datagrams a second;TCP echo, KiB a second", rate, ";")
	title("\n" card ", a queue a CPU: instructions, all of them")
	for (n = 1; n <= 8; n *= 2) {
		i = "net/" card ", " n " queue" (n > 1 ? "s" : "") ": "
		same(i "UDP echo, 64 at once, all instructions a packet", "", n ": UDP echo, a packet")
	}
	for (n = 1; n <= 8; n *= 2) {
		i = "net/" card ", " n " queue" (n > 1 ? "s" : "") ": "
		same(i "TCP echo, all instructions a KiB", "", n ": TCP echo, a KiB")
	}
	title(card ", a queue a CPU, by the wall's clock; here ours is the multiple")
	for (r = 1; r <= 4; r++)
		for (n = 1; n <= 8; n *= 2) {
			i = "net/" card ", " n " queue" (n > 1 ? "s" : "") ": "
			rates_of(n ": " rate[r], i rate[r], 1)
		}
}

function calibrations(   m, v) {
	v = value("handoff", "calibration/ticks an instruction")
	print "\nticks of the counter an instruction, ours: " (v == "" ? "-" : v)
	for (m = 1; m <= 5; m++) {
		v = value(machine[m], "calibration/loop of 200000 instructions")
		if (v != "")
			print "ticks of a loop of 200000 instructions, " machine[m] ": " v
	}
}

/^[ \t]*\{.*"name":/ {
	m = field("median")
	k = field("model") SUBSEP field("group") "/" field("name")
	if (m != "" && (!(k in median) || m + 0 > median[k]))
		median[k] = m + 0
	lines++
}

END {
	if (lines == 0) {
		print "ithaca bench --peers: no result in these files" >"/dev/stderr"
		exit 4
	}
	split("linux linux-off linux-lean linux-rt linux-rt-lean", machine, " ")
	printf "%-42s %15s  %39s  %23s\n", "", "Ithaca", "Linux, and how it was booted", "times ours"
	printf "%-42s %7s %7s  %7s %7s %7s %7s %7s  %7s %7s %7s\n", "instructions, medians", "shipped",
		"lean", "default", "off", "lean", "rt", "rt-lean", "default", "lean", "rt"
	title("an interrupt, taken from a thread of the kernel")
	intr("raise to filter", "raise to filter (hard handler)")
	intr("raise to thread function")
	intr("thread function's end to interrupted lwp")
	intr("whole loss, direct handler")
	intr("whole loss, threaded handler")
	intr("price of the thread (threaded - direct)")
	intr("raise to softint", "raise to softint (tasklet)")
	intr("whole loss, filter and softint")
	row("raise to work", "", "", "intr/raise to work")
	row("whole loss, filter and work", "", "", "intr/whole loss, filter and work")
	intr("whole loss, thread takes a free mutex")
	same("intr/divorce: whole", "", "thread blocks on a held mutex, whole")
	title("an interrupt, taken from a process of theirs; ours as above")
	user("raise to filter")
	user("raise to thread function")
	user("whole loss, direct handler")
	user("whole loss, threaded handler")
	title("locks that nobody else wants, enter and exit")
	same("lock/adaptive mutex, enter and exit", "", "mutex")
	same("lock/adaptive mutex, tryenter and exit", "", "mutex, tried")
	same("lock/spin mutex, enter and exit", "", "spin mutex (spinlock)")
	same("lock/spin mutex, with interrupts saved", "", "spin mutex (spinlock, interrupts saved)")
	same("lock/spin lock of the core, lock and unlock", "", "bare spin lock (raw)")
	same("lock/spin lock of the core, with interrupts saved", "", "bare spin lock, interrupts saved")
	same("work/rwlock, enter and exit as a reader", "", "rwlock, reader")
	same("work/rwlock, enter and exit as the writer", "", "rwlock, writer")
	same("lock/preempt_disable and preempt_enable", "", "preemption off and on")
	title("threads, and what is put off from one")
	same("sched/lwp switch (yield), one way")
	same("sched/wake and switch, one way")
	same("work/softint, schedule to function", "", "softint (tasklet), to function")
	same("work/work queue, enqueue to function", "", "work queue, to function")
	title("callouts (timers of the wheel; hrtimers)")
	for (n = 10; n <= 1000000; n *= 10) {
		s = ", " sprintf("%d", n) " others armed"
		same("callout/callout, arm and stop" s, "", "arm and stop" s)
		same("callout/callout, arm and stop" s, "callout/hrtimer, arm and stop" s,
			"  (hrtimer)")
	}
	same("callout/callout, arm one that is armed", "", "arm one that is armed")
	same("callout/callout, arm one that is armed", "callout/hrtimer, arm one that is armed",
		"  (hrtimer)")
	same("callout/callout, fire to function, 10 others armed",
		"callout/hrtimer, fire to function, 10 others armed",
		"fire to function (hrtimer, in interrupt)")
	same("callout/callout, fire, whole loss, 10 others armed",
		"callout/hrtimer, fire, whole loss, 10 others armed",
		"fire, whole loss (hrtimer, in interrupt)")
	network("igb")
	network("virtio-net-pci")
	queues("igb")
	queues("virtio-net-pci")
	rates()
	calibrations()
}
