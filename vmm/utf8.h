/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Which bytes are text, where they come from a guest or a path and go into a file that is UTF-8. */
#ifndef VMM_UTF8_H
#define VMM_UTF8_H

#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* How many of the @len bytes at @text are one character of UTF-8; 0: none. @len is 1 or more. */
size_t utf8_character(const char *text, size_t len);

#endif
