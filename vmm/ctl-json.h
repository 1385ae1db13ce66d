/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * As much of JSON as the client of a control socket needs: to find members of a reply, and to show
 * it to people. No library, so that every build has it. A text that is no JSON yields nonsense or
 * nothing, and no harm: it is looked at up to its zero and no further.
 */
#ifndef VMM_CTL_JSON_H
#define VMM_CTL_JSON_H

#include <stdio.h>

/* The value of the member @name (which has no escapes) of an object, or NULL. */
const char *ctl_json_member(const char *object, const char *name);

/* A text without quotation marks and escapes, to be freed; NULL if it is none or memory is short. */
char *ctl_json_text(const char *value);

/* @text in quotation marks. */
void ctl_json_quote(const char *text, FILE *out);

/*
 * The members of an object but "ok" and "id", a line each, what is in them indented. A text of
 * several lines is printed as it is.
 */
void ctl_json_print(const char *object, FILE *out);

#endif
