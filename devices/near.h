/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What somebody may have meant who wrote a word that is none: "did you mean". */
#ifndef DEVICES_NEAR_H
#define DEVICES_NEAR_H

struct near {
	const char *text;   /* what was written; its name ends before a '=' */
	const char *best;   /* of what was tried, or NULL */
	unsigned int score; /* how far it is */
};

/* One that there is, "cache=on|off": the name is what is before '=', '[' or ','. NULL is none. */
void near_try(struct near *near, const char *word);

/* A word of a device's argument, for its help. */
struct device_word {
	const char *word; /* "cache=writeback|writethrough|none" */
	const char *help; /* what it does, and what is so without it */
};

/* What may have been meant by @text, of words that end with one without a name; or NULL. */
const char *near_word(const char *text, const struct device_word *words);

#endif
