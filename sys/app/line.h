/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line.h - a line editor as a state machine: characters in, terminal sequences out.
 *
 * It knows no tty and blocks nowhere: whoever owns one feeds it what arrives and gives it a
 * function that writes. One lwp uses it at a time. ASCII only; the terminal is VT100-like, one
 * line of it is used, and a longer text scrolls sideways. The prompt is written once a line, never
 * by a redraw, so a program that waits for it can.
 */
#ifndef SYS_APP_LINE_H
#define SYS_APP_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_SIZE 512   /* the longest line, with its NUL */
#define LINE_HISTORY 64 /* lines remembered */
#define LINE_COLUMNS 80 /* of the terminal, until line_columns() */

enum line_result {
	LINE_MORE,   /* not finished */
	LINE_DONE,   /* Enter: l_text is the line; it is in the history */
	LINE_CANCEL, /* Ctrl-C: l_text is empty */
	LINE_EOF     /* Ctrl-D on an empty line */
};

struct line_editor;

/*
 * line_complete_t - offer, by line_offer(), every word that could stand where `word` begins in
 * le->le_text; `word` is what has been typed of it. Called once or twice for each Tab.
 */
typedef void line_complete_t(struct line_editor *le, size_t word_start, void *arg);

/* All fields belong to the lwp that uses the editor. */
struct line_editor {
	char le_text[LINE_SIZE]; /* the line, with a NUL behind it */
	size_t le_len;
	size_t le_pos;    /* cursor, 0 to le_len */
	size_t le_scroll; /* first character that is shown */
	size_t le_columns;
	const char *le_prompt;
	size_t le_prompt_len;

	void (*le_out)(const char *text, size_t len, void *arg);
	line_complete_t *le_complete;
	void *le_arg;

	char le_killed[LINE_SIZE]; /* for Ctrl-Y */
	size_t le_killed_len;

	char le_history[LINE_HISTORY][LINE_SIZE]; /* a ring */
	unsigned le_hist_first, le_hist_count;
	unsigned le_hist_at;      /* 0: the new line; n: the n-th most recent */
	char le_draft[LINE_SIZE]; /* the new line while an old one is shown */

	unsigned char le_escape; /* where in an escape sequence; line.c */
	unsigned le_param[2];    /* its numbers */
	unsigned le_nparam;
	bool le_after_cr; /* a newline now belongs to the return before it */

	/* Completion. */
	size_t le_word;            /* where the word begins */
	char le_common[LINE_SIZE]; /* what all candidates begin with */
	size_t le_common_len;
	unsigned le_offers; /* candidates so far */
	bool le_listing;    /* this is the call that lists them */
	size_t le_list_column;
	bool le_tabbed; /* the last key was a Tab that left a choice */
};

/* line_init - `out` writes to the terminal; `complete` may be NULL. Both are called with `arg`. */
void line_init(struct line_editor *le, const char *prompt,
    void (*out)(const char *text, size_t len, void *arg), line_complete_t *complete, void *arg);

/* line_begin - an empty line: writes the prompt. */
void line_begin(struct line_editor *le);

/* line_feed - one character has arrived. Any result but LINE_MORE ends the line; line_begin() is
 * then due before the next character. */
enum line_result line_feed(struct line_editor *le, char c);

/* line_columns - the terminal is that wide (at least 20 more than the prompt is taken). */
void line_columns(struct line_editor *le, size_t columns);

/* line_remember - add a line to the history; an equal one moves to the end. Empty ones are not. */
void line_remember(struct line_editor *le, const char *text);

/* line_offer - from a line_complete_t: `word` could stand there. Copies nothing. */
void line_offer(struct line_editor *le, const char *word);

#endif
