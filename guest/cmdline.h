/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The command line: words separated by blanks, KEY=VALUE. */
#ifndef GUEST_CMDLINE_H
#define GUEST_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void cmdline_init(const char *text);

/* The value of the next word that begins with @key (which ends with '='), after @from or, if that
 * is NULL, from the start. NULL: no more. The value ends at a blank or the end of the text. */
const char *cmdline_next(const char *key, const char *from);

/* The length of a value. */
size_t cmdline_len(const char *value);

/* A number, decimal, or hexadecimal with 0x, with an optional K, M or G. Moves *text behind it. */
uint64_t cmdline_number(const char **text);

/* Hexadecimal digits without 0x. */
uint64_t cmdline_hex(const char *text);

/* The number after @key, or @otherwise. */
uint64_t cmdline_get(const char *key, uint64_t otherwise);

/* True if the comma-separated list @value has the item @name. */
bool cmdline_lists(const char *value, const char *name);

#endif
