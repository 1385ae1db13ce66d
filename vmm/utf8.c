/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* UTF-8 as RFC 3629 has it: the shortest form, no surrogates, nothing above U+10FFFF. */
#include "vmm/utf8.h"

#include <stdint.h>

size_t utf8_character(const char *text, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)text;
	uint32_t code;
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (n < 2)
		return n;
	if (n > len || s[0] > 0xf4)
		return 0;
	code = s[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[n] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
		return 0;
	return n;
}
