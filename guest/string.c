/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Memory and string functions. Copy and fill are single string instructions: written as loops the
 * compiler would recognise them and replace them by calls of themselves.
 */
#include "guest/string.h"

void *memset(void *dst, int byte, size_t len)
{
	void *to = dst;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t len)
{
	void *to = dst;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(len) : : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t len)
{
	char *to = (char *)dst + len - 1;
	const char *from = (const char *)src + len - 1;

	if ((char *)dst <= (const char *)src || (char *)dst >= (const char *)src + len)
		return memcpy(dst, src, len);
	__asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < len; i++) {
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	}
	return 0;
}

size_t strlen(const char *text)
{
	size_t len = 0;

	while (text[len])
		len++;
	return len;
}

int strncmp(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (a[i] != b[i])
			return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1;
		if (!a[i])
			break;
	}
	return 0;
}
