/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line.c - the line editor of the console.
 *
 * A pure state machine: one character in, terminal sequences out, no clock, no lock, no tty. So it
 * is tested on the host (tests/unit/t_line.c) as it is. One lwp uses an editor at a time.
 *
 * What it keeps true after every character:
 * - le_pos <= le_len < LINE_SIZE, and le_text[le_len] is NUL;
 * - le_scroll <= le_pos <= le_scroll + width(), so the cursor is on the screen;
 * - the terminal shows the prompt and le_text from le_scroll on, cut at width().
 *
 * Redraws are kept small: what is typed at the end of a line goes out as itself. A longer line
 * scrolls by a third of the screen at a time. A redraw steps over the prompt and does not write it
 * again (Ctrl-L and a list of completions do): so "prompt seen" means that a new line has begun.
 *
 * Escape sequences that it does not know are read to their end and ignored; one that is cut short
 * by a control character is dropped and the control character counts.
 *
 * It is not for: characters wider than one column (bytes above 126 ring the bell), more than one
 * line of screen, terminals that are not VT100-like. Read next: shell.c, which feeds it.
 */
#include "line.h"

#include <ithaca/print.h>
#include <ithaca/string.h>

#define CTRL(c) ((c)&0x1f)
#define KEY_ESC 0x1b
#define KEY_DEL 0x7f

enum { ESC_NONE, ESC_BEGUN, ESC_CSI, ESC_SS3 };

/* ---- Output ---- */

static void put(struct line_editor *le, const char *text, size_t len)
{
	if (len > 0)
		le->le_out(text, len, le->le_arg);
}

static void put_text(struct line_editor *le, const char *text)
{
	put(le, text, strlen(text));
}

static void bell(struct line_editor *le)
{
	put_text(le, "\a");
}

/* Columns for the text; one is left free, so that the terminal never wraps. */
static size_t width(const struct line_editor *le)
{
	return le->le_columns - le->le_prompt_len - 1;
}

static void put_cursor(struct line_editor *le, size_t column)
{
	char seq[24];

	if (column == 0)
		ksnprintf(seq, sizeof(seq), "\r");
	else
		ksnprintf(seq, sizeof(seq), "\r\033[%uC", (unsigned)column);
	put_text(le, seq);
}

/* redraw - show the text from `from` (a position on the screen) on, and put the cursor right. */
static void redraw(struct line_editor *le)
{
	size_t w = width(le), shown;

	if (le->le_pos < le->le_scroll || le->le_pos > le->le_scroll + w)
		le->le_scroll = le->le_pos > w * 2 / 3 ? le->le_pos - w * 2 / 3 : 0;
	shown = le->le_len - le->le_scroll;
	if (shown > w)
		shown = w;
	put_cursor(le, le->le_prompt_len);
	put(le, le->le_text + le->le_scroll, shown);
	put_text(le, "\033[K");
	if (le->le_scroll + shown != le->le_pos)
		put_cursor(le, le->le_prompt_len + le->le_pos - le->le_scroll);
}

static void redraw_all(struct line_editor *le)
{
	put_text(le, le->le_prompt);
	redraw(le);
}

/* ---- Changes of the text ---- */

static void move_to(struct line_editor *le, size_t pos)
{
	if (pos == le->le_pos)
		return;
	le->le_pos = pos;
	if (pos < le->le_scroll || pos > le->le_scroll + width(le))
		redraw(le);
	else
		put_cursor(le, le->le_prompt_len + pos - le->le_scroll);
}

/* insert - put `n` characters at the cursor, or ring the bell if they do not fit. */
static void insert(struct line_editor *le, const char *text, size_t n)
{
	bool at_end = le->le_pos == le->le_len;

	if (n == 0)
		return;
	if (le->le_len + n >= LINE_SIZE) {
		bell(le);
		return;
	}
	memmove(le->le_text + le->le_pos + n, le->le_text + le->le_pos,
	    le->le_len - le->le_pos + 1);
	memcpy(le->le_text + le->le_pos, text, n);
	le->le_len += n;
	le->le_pos += n;
	if (at_end && le->le_pos <= le->le_scroll + width(le))
		put(le, text, n);
	else
		redraw(le);
}

/* cut - take out [from, to), cursor to `from`; for Ctrl-Y it is kept. */
static void cut(struct line_editor *le, size_t from, size_t to, bool keep)
{
	bool last = to == le->le_len && to == from + 1 && le->le_pos == to;

	if (from == to)
		return;
	if (keep) {
		memcpy(le->le_killed, le->le_text + from, to - from);
		le->le_killed_len = to - from;
	}
	memmove(le->le_text + from, le->le_text + to, le->le_len - to + 1);
	le->le_len -= to - from;
	le->le_pos = from;
	if (last && from > le->le_scroll)
		put_text(le, "\b \b");
	else
		redraw(le);
}

static void set_text(struct line_editor *le, const char *text)
{
	kstrlcpy(le->le_text, text, LINE_SIZE);
	le->le_len = strlen(le->le_text);
	le->le_pos = le->le_len;
	redraw(le);
}

/* word_left, word_right - where the word begins, or ends, seen from the cursor. */
static size_t word_left(const struct line_editor *le)
{
	size_t at = le->le_pos;

	while (at > 0 && le->le_text[at - 1] == ' ')
		at--;
	while (at > 0 && le->le_text[at - 1] != ' ')
		at--;
	return at;
}

static size_t word_right(const struct line_editor *le)
{
	size_t at = le->le_pos;

	while (at < le->le_len && le->le_text[at] == ' ')
		at++;
	while (at < le->le_len && le->le_text[at] != ' ')
		at++;
	return at;
}

/* ---- History ---- */

/* old_line - the n-th most recent, from 1. */
static char *old_line(struct line_editor *le, unsigned n)
{
	KASSERT(n >= 1 && n <= le->le_hist_count, "history line %u of %u", n, le->le_hist_count);
	return le->le_history[(le->le_hist_first + le->le_hist_count - n) % LINE_HISTORY];
}

void line_remember(struct line_editor *le, const char *text)
{
	unsigned n;

	if (text[0] == '\0')
		return;
	for (n = le->le_hist_count; n >= 1; n--) {
		if (strcmp(old_line(le, n), text) != 0)
			continue;
		for (; n > 1; n--)
			memcpy(old_line(le, n), old_line(le, n - 1), LINE_SIZE);
		kstrlcpy(old_line(le, 1), text, LINE_SIZE);
		return;
	}
	if (le->le_hist_count == LINE_HISTORY)
		le->le_hist_first = (le->le_hist_first + 1) % LINE_HISTORY;
	else
		le->le_hist_count++;
	kstrlcpy(old_line(le, 1), text, LINE_SIZE);
}

static void browse(struct line_editor *le, int step)
{
	unsigned to = le->le_hist_at + (unsigned)step;

	if ((step < 0 && le->le_hist_at == 0) || to > le->le_hist_count) {
		bell(le);
		return;
	}
	if (le->le_hist_at == 0)
		kstrlcpy(le->le_draft, le->le_text, LINE_SIZE);
	le->le_hist_at = to;
	set_text(le, to == 0 ? le->le_draft : old_line(le, to));
}

/* ---- Completion ---- */

/* list_word - one more in the list of candidates, in columns of at least two spaces' distance. */
static void list_word(struct line_editor *le, const char *word)
{
	size_t len = strlen(word), cell = (len + 2 + 15) / 16 * 16;

	if (le->le_list_column > 0 && le->le_list_column + len >= le->le_columns) {
		put_text(le, "\r\n");
		le->le_list_column = 0;
	}
	put(le, word, len);
	if (le->le_list_column + cell < le->le_columns)
		put(le, "                                ", cell - len < 32 ? cell - len : 32);
	le->le_list_column += cell;
}

void line_offer(struct line_editor *le, const char *word)
{
	size_t typed = le->le_pos - le->le_word, n = 0;

	if (strlen(word) >= LINE_SIZE || strncmp(word, le->le_text + le->le_word, typed) != 0)
		return;
	le->le_offers++;
	if (le->le_listing) {
		list_word(le, word);
		return;
	}
	if (le->le_offers == 1) {
		le->le_common_len = kstrlcpy(le->le_common, word, LINE_SIZE);
		return;
	}
	while (n < le->le_common_len && le->le_common[n] == word[n])
		n++;
	le->le_common_len = n;
}

static void list_offers(struct line_editor *le)
{
	put_text(le, "\r\n");
	le->le_listing = true;
	le->le_list_column = 0;
	le->le_complete(le, le->le_word, le->le_arg);
	le->le_listing = false;
	put_text(le, "\r\n");
	redraw_all(le);
}

/* complete - a Tab: add what is common to all candidates; the second in a row lists them. */
static void complete(struct line_editor *le, bool again)
{
	size_t typed;

	if (le->le_complete == NULL) {
		bell(le);
		return;
	}
	for (le->le_word = le->le_pos; le->le_word > 0; le->le_word--) {
		if (strchr(" ;\"", le->le_text[le->le_word - 1]) != NULL)
			break;
	}
	typed = le->le_pos - le->le_word;
	le->le_offers = 0;
	le->le_common_len = 0;
	le->le_complete(le, le->le_word, le->le_arg);
	if (le->le_offers == 0) {
		bell(le);
	} else if (le->le_offers == 1) {
		insert(le, le->le_common + typed, le->le_common_len - typed);
		if (le->le_pos > 0 && le->le_text[le->le_pos - 1] != '=' &&
		    le->le_text[le->le_pos] != ' ')
			insert(le, " ", 1);
	} else if (le->le_common_len > typed) {
		insert(le, le->le_common + typed, le->le_common_len - typed);
		le->le_tabbed = true;
	} else if (again) {
		list_offers(le);
	} else {
		bell(le);
		le->le_tabbed = true;
	}
}

/* ---- Keys ---- */

/* csi - a whole sequence ESC [ params final, or ESC O final. */
static void csi(struct line_editor *le, char final)
{
	bool with_ctrl = le->le_nparam == 2 && (le->le_param[1] == 5 || le->le_param[1] == 3);

	switch (final) {
	case 'A':
		browse(le, 1);
		break;
	case 'B':
		browse(le, -1);
		break;
	case 'C':
		move_to(le, with_ctrl ? word_right(le) : le->le_pos + (le->le_pos < le->le_len));
		break;
	case 'D':
		move_to(le, with_ctrl ? word_left(le) : le->le_pos - (le->le_pos > 0));
		break;
	case 'H':
		move_to(le, 0);
		break;
	case 'F':
		move_to(le, le->le_len);
		break;
	case '~':
		if (le->le_param[0] == 1 || le->le_param[0] == 7)
			move_to(le, 0);
		else if (le->le_param[0] == 4 || le->le_param[0] == 8)
			move_to(le, le->le_len);
		else if (le->le_param[0] == 3 && le->le_pos < le->le_len)
			cut(le, le->le_pos, le->le_pos + 1, false);
		break;
	default:
		break;
	}
}

/* escape - inside an escape sequence. False: the character is none of it. */
static bool escape(struct line_editor *le, char c)
{
	if (c == KEY_ESC || (c >= 0 && c < ' ') || c == KEY_DEL) {
		le->le_escape = ESC_NONE;
		return false;
	}
	if (le->le_escape == ESC_BEGUN) {
		le->le_escape = c == '[' ? ESC_CSI : c == 'O' ? ESC_SS3 : ESC_NONE;
		le->le_nparam = 1;
		le->le_param[0] = le->le_param[1] = 0;
		if (c == 'b' || c == 'f')
			move_to(le, c == 'b' ? word_left(le) : word_right(le));
		return true;
	}
	if (le->le_escape == ESC_CSI && c >= '0' && c <= '9') {
		unsigned *param = &le->le_param[le->le_nparam - 1];

		if (*param < 1000)
			*param = *param * 10 + (unsigned)(c - '0');
		return true;
	}
	if (le->le_escape == ESC_CSI && c == ';') {
		if (le->le_nparam < 2)
			le->le_nparam++;
		return true;
	}
	if (le->le_escape == ESC_CSI && c < '@')
		return true;
	le->le_escape = ESC_NONE;
	csi(le, c);
	return true;
}

static enum line_result enter(struct line_editor *le)
{
	put_text(le, "\r\n");
	line_remember(le, le->le_text);
	return LINE_DONE;
}

static enum line_result cancel(struct line_editor *le)
{
	put_text(le, "^C\r\n");
	le->le_text[0] = '\0';
	le->le_len = le->le_pos = 0;
	return LINE_CANCEL;
}

/* control - a control character other than Enter, Ctrl-C, Tab and Escape. */
static enum line_result control(struct line_editor *le, char c)
{
	switch (c) {
	case CTRL('A'):
		move_to(le, 0);
		break;
	case CTRL('B'):
		move_to(le, le->le_pos - (le->le_pos > 0));
		break;
	case CTRL('D'):
		if (le->le_len == 0)
			return LINE_EOF;
		if (le->le_pos < le->le_len)
			cut(le, le->le_pos, le->le_pos + 1, false);
		break;
	case CTRL('E'):
		move_to(le, le->le_len);
		break;
	case CTRL('F'):
		move_to(le, le->le_pos + (le->le_pos < le->le_len));
		break;
	case CTRL('H'):
	case KEY_DEL:
		if (le->le_pos > 0)
			cut(le, le->le_pos - 1, le->le_pos, false);
		break;
	case CTRL('K'):
		cut(le, le->le_pos, le->le_len, true);
		break;
	case CTRL('L'):
		put_text(le, "\033[H\033[2J");
		redraw_all(le);
		break;
	case CTRL('N'):
		browse(le, -1);
		break;
	case CTRL('P'):
		browse(le, 1);
		break;
	case CTRL('U'):
		cut(le, 0, le->le_pos, true);
		break;
	case CTRL('W'):
		cut(le, word_left(le), le->le_pos, true);
		break;
	case CTRL('Y'):
		insert(le, le->le_killed, le->le_killed_len);
		break;
	default:
		bell(le);
		break;
	}
	return LINE_MORE;
}

enum line_result line_feed(struct line_editor *le, char c)
{
	bool after_cr = le->le_after_cr, tabbed = le->le_tabbed;

	le->le_after_cr = false;
	le->le_tabbed = false;
	if (le->le_escape != ESC_NONE && escape(le, c))
		return LINE_MORE;
	switch (c) {
	case '\r':
		le->le_after_cr = true;
		return enter(le);
	case '\n':
		return after_cr ? LINE_MORE : enter(le);
	case CTRL('C'):
		return cancel(le);
	case '\t':
		complete(le, tabbed);
		return LINE_MORE;
	case KEY_ESC:
		le->le_escape = ESC_BEGUN;
		return LINE_MORE;
	default:
		break;
	}
	if (c >= ' ' && c < KEY_DEL) {
		insert(le, &c, 1);
		return LINE_MORE;
	}
	return control(le, c);
}

/* ---- Beginnings ---- */

void line_begin(struct line_editor *le)
{
	le->le_text[0] = '\0';
	le->le_len = le->le_pos = le->le_scroll = 0;
	le->le_hist_at = 0;
	le->le_escape = ESC_NONE;
	le->le_tabbed = false;
	put_text(le, le->le_prompt);
}

void line_columns(struct line_editor *le, size_t columns)
{
	size_t least = le->le_prompt_len + 20;

	le->le_columns = columns < least ? least : columns;
}

void line_init(struct line_editor *le, const char *prompt,
    void (*out)(const char *text, size_t len, void *arg), line_complete_t *complete_fn, void *arg)
{
	memset(le, 0, sizeof(*le));
	le->le_prompt = prompt;
	le->le_prompt_len = strlen(prompt);
	le->le_out = out;
	le->le_complete = complete_fn;
	le->le_arg = arg;
	line_columns(le, LINE_COLUMNS);
}
