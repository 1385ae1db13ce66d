/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The few functions of <string.h> that the compiler may call on its own or that tests need. */
#ifndef GUEST_STRING_H
#define GUEST_STRING_H

#include <stddef.h>

void *memset(void *dst, int byte, size_t len);
void *memcpy(void *dst, const void *src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *text);
int strncmp(const char *a, const char *b, size_t len);

#endif
