/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The nearest of some words: by edits, else as the beginning or an abbreviation of one another. */
#include "devices/near.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LENGTH_MAX 31
/* Farther than any edits that count. */
#define SCORE_BEGINNING    10
#define SCORE_ABBREVIATION 11

static size_t name_length(const char *word)
{
	return strcspn(word, "=[,");
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* How many letters must be put in, left out, changed or swapped with the next. */
static unsigned int edits(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned int rows[3][LENGTH_MAX + 1];
	unsigned int *before = rows[0], *last = rows[1], *row = rows[2];

	for (unsigned int j = 0; j <= b_len; j++)
		last[j] = j;
	for (unsigned int i = 1; i <= a_len; i++) {
		unsigned int *oldest = before;

		row[0] = i;
		for (unsigned int j = 1; j <= b_len; j++) {
			row[j] = least(last[j - 1] + (a[i - 1] != b[j - 1]),
				       least(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[b_len];
}

/* Whether the letters of @word are in @text in their order, the first one first: "ro" in "rdonly". */
static bool abbreviates(const char *word, size_t word_len, const char *text, size_t text_len)
{
	size_t found = 0;

	for (size_t i = 0; i < text_len && found < word_len; i++)
		found += text[i] == word[found] && (found || i == 0);
	return found == word_len;
}

void near_try(struct near *near, const char *word)
{
	size_t text_len = name_length(near->text), word_len = word ? name_length(word) : 0;
	unsigned int score;

	if (!word_len || !text_len || word_len > LENGTH_MAX || text_len > LENGTH_MAX)
		return;
	score = edits(near->text, text_len, word, word_len);
	if (score > (text_len > 3 ? 2 : 1) || score >= word_len) {
		if (text_len >= 3 && text_len < word_len && strncmp(near->text, word, text_len) == 0)
			score = SCORE_BEGINNING;
		else if (word_len >= 2 && word_len <= 3 && text_len > word_len &&
			 abbreviates(word, word_len, near->text, text_len))
			score = SCORE_ABBREVIATION;
		else
			return;
	}
	/* The same is no help: it is known, but not here, or not so. */
	if (score && (!near->best || score < near->score)) {
		near->best = word;
		near->score = score;
	}
}

const char *near_word(const char *text, const struct device_word *words)
{
	struct near near = {.text = text};

	for (; words->word; words++)
		near_try(&near, words->word);
	return near.best;
}
