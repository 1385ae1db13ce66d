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

#endif
