/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_line.c - the console's line editor, against a model of a terminal.
 *
 * The model shows one row of 80 columns and understands what the editor may send. After every key
 * the row must be the prompt and a window of the text, and the cursor must stand where the editor
 * says: the random test does that for 100,000 keys.
 */
#include "unit.h"

#include "../../sys/app/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT "ithaca> "
#define COLUMNS 80

static struct line_editor le;
static char row[COLUMNS + 1];
static size_t column;
static char all[1 << 16]; /* everything that was sent, as far as it fits */
static size_t all_len;

static void model_clear(void)
{
	memset(row, ' ', COLUMNS);
	column = 0;
}

/* One escape sequence; returns its length. */
static size_t model_escape(const char *s, size_t len)
{
	size_t n = 2, value = 0;

	CHECK(len >= 3 && s[1] == '[');
	while (n < len && s[n] >= '0' && s[n] <= '9')
		value = value * 10 + (size_t)(s[n++] - '0');
	CHECK(n < len);
	if (s[n] == 'C') {
		column += value > 0 ? value : 1;
	} else if (s[n] == 'K') {
		memset(row + column, ' ', COLUMNS - column);
	} else if (s[n] == 'H') {
		column = 0;
	} else {
		CHECK(s[n] == 'J');
		memset(row, ' ', COLUMNS);
	}
	CHECK(column < COLUMNS);
	return n + 1;
}

static void model_out(const char *s, size_t len, void *arg)
{
	CHECK(arg == &le);
	for (size_t i = 0; i < len && all_len + 1 < sizeof(all); i++)
		all[all_len++] = s[i];
	all[all_len] = '\0';
	while (len > 0) {
		size_t n = 1;

		if (*s == '\r')
			column = 0;
		else if (*s == '\n')
			model_clear();
		else if (*s == '\b')
			column--;
		else if (*s == 033)
			n = model_escape(s, len);
		else if (*s != '\a')
			row[column++] = *s;
		CHECK(column < COLUMNS);
		s += n;
		len -= n;
	}
}

/* What the terminal shows must be what the editor has. */
static void check_row(void)
{
	char want[COLUMNS + 1];
	size_t room = COLUMNS - strlen(PROMPT) - 1, shown = le.le_len - le.le_scroll;

	CHECK(le.le_pos <= le.le_len && le.le_len < LINE_SIZE && le.le_text[le.le_len] == '\0');
	CHECK(le.le_scroll <= le.le_pos && le.le_pos <= le.le_scroll + room);
	if (shown > room)
		shown = room;
	memset(want, ' ', COLUMNS);
	memcpy(want, PROMPT, strlen(PROMPT));
	memcpy(want + strlen(PROMPT), le.le_text + le.le_scroll, shown);
	want[COLUMNS] = '\0';
	row[COLUMNS] = '\0';
	CHECK_STR(row, want);
	CHECK_EQ(column, strlen(PROMPT) + le.le_pos - le.le_scroll);
}

static void offer_words(struct line_editor *editor, size_t start, void *arg)
{
	CHECK(arg == &le && start <= editor->le_pos);
	if (start == 0) {
		line_offer(editor, "help");
		line_offer(editor, "intrstat");
		line_offer(editor, "irq");
	} else {
		line_offer(editor, "hw.intr.threads");
		line_offer(editor, "hw.intr.threshold");
		line_offer(editor, "list=");
	}
}

static void begin(void)
{
	line_init(&le, PROMPT, model_out, offer_words, &le);
	model_clear();
	all_len = 0;
	line_begin(&le);
	check_row();
}

/* Type keys that do not end the line. */
static void type(const char *keys)
{
	for (; *keys != '\0'; keys++) {
		CHECK_EQ(line_feed(&le, *keys), LINE_MORE);
		check_row();
	}
}

/* A whole line, and a new one begun. */
static void enter(const char *keys)
{
	type(keys);
	CHECK_EQ(line_feed(&le, '\r'), LINE_DONE);
	line_begin(&le);
}

TEST(echoes_what_is_typed)
{
	begin();
	type("intrstat -w");
	CHECK_STR(le.le_text, "intrstat -w");
	CHECK_STR(all, PROMPT "intrstat -w");
	CHECK_EQ(line_feed(&le, '\r'), LINE_DONE);
	CHECK_STR(le.le_text, "intrstat -w");
	CHECK_STR(all, PROMPT "intrstat -w\r\n");
}

TEST(moves_and_edits)
{
	begin();
	type("bcd\001a\005e");
	CHECK_STR(le.le_text, "abcde");
	type("\002\002X\006Y");
	CHECK_STR(le.le_text, "abcXdYe");
	type("\033[D\033[D\177");
	CHECK_STR(le.le_text, "abcdYe");
	type("\033[H\033[3~\004");
	CHECK_STR(le.le_text, "cdYe");
	type("\033[F\010");
	CHECK_STR(le.le_text, "cdY");
	type("\033[1~1\033[4~2\033OH3\033OF4\033[7~5\033[8~6");
	CHECK_STR(le.le_text, "531cdY246");
}

TEST(kills_and_yanks)
{
	begin();
	type("one two three\027");
	CHECK_STR(le.le_text, "one two ");
	type("\031\031");
	CHECK_STR(le.le_text, "one two threethree");
	type("\001\006\006\006\013");
	CHECK_STR(le.le_text, "one");
	type("\025\031\031");
	CHECK_STR(le.le_text, "oneone");
	type("\025");
	CHECK_STR(le.le_text, "");
	type("a bb ccc\033[1;5D\033[1;5DX\033[1;5CY\033bZ\033fW");
	CHECK_STR(le.le_text, "a ZXbbYW ccc");
}

TEST(ends_of_line)
{
	begin();
	CHECK_EQ(line_feed(&le, 004), LINE_EOF);
	type("abc");
	CHECK_EQ(line_feed(&le, 003), LINE_CANCEL);
	CHECK_STR(le.le_text, "");
	line_begin(&le);
	type("x");
	CHECK_EQ(line_feed(&le, '\r'), LINE_DONE);
	line_begin(&le);
	CHECK_EQ(line_feed(&le, '\n'), LINE_MORE); /* belongs to the return */
	CHECK_EQ(line_feed(&le, '\n'), LINE_DONE);
}

TEST(history)
{
	begin();
	enter("first");
	enter("second");
	enter("");
	enter("first"); /* moves to the end, is not there twice */
	type("draft\033[A");
	CHECK_STR(le.le_text, "first");
	type("\033[A");
	CHECK_STR(le.le_text, "second");
	type("\033[A");
	CHECK_STR(le.le_text, "second");
	type("\033[B\016");
	CHECK_STR(le.le_text, "draft");
	type("\033[B");
	CHECK_STR(le.le_text, "draft");
}

TEST(history_is_bounded)
{
	char line[32];

	begin();
	for (int i = 0; i < 3 * LINE_HISTORY + 7; i++) {
		snprintf(line, sizeof(line), "line %d", i);
		enter(line);
	}
	CHECK_EQ(le.le_hist_count, LINE_HISTORY);
	for (int i = 0; i < LINE_HISTORY + 5; i++)
		type("\020");
	CHECK_STR(le.le_text, "line 135");
	enter("");
	line_remember(&le, "line 135");
	CHECK_EQ(le.le_hist_count, LINE_HISTORY);
	type("\020");
	CHECK_STR(le.le_text, "line 135");
	type("\020");
	CHECK_STR(le.le_text, "line 198");
}

TEST(unknown_sequences_are_ignored)
{
	begin();
	type("a\033[200~b\033[31;42;53mc\033[?25hd\033Ze\033[Zf\033OPg\033[99999999999~h");
	CHECK_STR(le.le_text, "abcdefgh");
	/* One that is cut short by a key: the key counts. */
	type("\033[1;\177");
	CHECK_STR(le.le_text, "abcdefg");
	type("\033\033[D\033[D!");
	CHECK_STR(le.le_text, "abcde!fg");
	/* What is no ASCII and what has no meaning ring the bell. */
	type("\200\303\237\036\021");
	CHECK_STR(le.le_text, "abcde!fg");
}

TEST(completes)
{
	begin();
	type("h\t");
	CHECK_STR(le.le_text, "help ");
	type("\025i\t");
	CHECK_STR(le.le_text, "i");
	type("\tn\t");
	CHECK_STR(le.le_text, "intrstat ");
	CHECK(strstr(all, "intrstat") != NULL && strstr(all, "irq") != NULL);
	CHECK(strstr(all, "help    ") == NULL);
	type("h\t");
	CHECK_STR(le.le_text, "intrstat hw.intr.thre");
	type("s\t");
	CHECK_STR(le.le_text, "intrstat hw.intr.threshold ");
	type("l\t");
	CHECK_STR(le.le_text, "intrstat hw.intr.threshold list=");
	all_len = 0;
	type("\025irq h\t\t"); /* the first adds, the second lists */
	CHECK_HAS(all, "hw.intr.threads ");
	type("\025zz\t\t");
	CHECK_STR(le.le_text, "zz");
	type("\001i\tr\t");
	CHECK_STR(le.le_text, "irq zz");
}

TEST(long_lines_scroll_and_are_bounded)
{
	char line[LINE_SIZE + 100];

	begin();
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	type(line);
	CHECK_EQ(le.le_len, LINE_SIZE - 1);
	type("\001\005\002\002\033[D!\177\177");
	CHECK_EQ(le.le_len, LINE_SIZE - 3);
	type("\025\031\031");
	CHECK(le.le_len < LINE_SIZE);
	/* The prompt is written once a line, whatever is redrawn. */
	CHECK(strstr(strstr(all, PROMPT) + 1, PROMPT) == NULL);
}

TEST(completion_without_function)
{
	begin();
	le.le_complete = NULL;
	type("h\t\t");
	CHECK_STR(le.le_text, "h");
}

/* Keys at random: the row is right after each. */
TEST(random_keys)
{
	static const char *const keys[] = {"a", "b", " ", "zz", "\001", "\002", "\004x", "\005",
	    "\006", "\010", "\013", "\014", "\016", "\020", "\025", "\027", "\031", "\t", "\177",
	    "\033[A", "\033[B", "\033[C", "\033[D", "\033[H", "\033[F", "\033[3~", "\033[1;5D",
	    "\033[1;5C", "\033[", "\033", "\036", "word word word word word word ", "\r"};

	srand(1);
	begin();
	for (int i = 0; i < 100000; i++) {
		const char *key = keys[(size_t)rand() % (sizeof(keys) / sizeof(keys[0]))];

		for (; *key != '\0'; key++) {
			enum line_result result = line_feed(&le, *key);

			if (result != LINE_MORE) {
				CHECK(result == LINE_DONE || result == LINE_EOF);
				if (column != 0) /* Ctrl-D: the shell ends the row */
					model_out("\r\n", 2, &le);
				line_begin(&le);
			}
			check_row();
		}
		if (all_len > sizeof(all) / 2)
			all_len = 0;
	}
}
