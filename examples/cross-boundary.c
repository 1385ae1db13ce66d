/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A memory of three regions, with a hole: what is contiguous for the guest is written and read as
 * one piece, whatever it is for the host; what is not is an error that says how far one can go.
 *
 *	cc cross-boundary.c $(pkg-config --cflags --libs guestmem)
 */
#include <stdio.h>
#include <string.h>

#include <guestmem/guestmem.h>

int main(void)
{
	/* 640 KiB, the next page in a mapping of its own, and a MiB behind the hole. */
	const struct gm_range ranges[] = {{0x0, 0xa0000}, {0xa0000, 0x1000}, {0x100000, 0x100000}};
	const char text[] = "across the boundary";
	char back[sizeof(text)] = "";
	struct gm_memory *memory;
	struct gm_slice slice;
	struct gm_iter it;
	size_t done;
	int err;

	err = gm_memory_from_ranges(ranges, 3, 4096, &memory, NULL);
	if (err) {
		fprintf(stderr, "cross-boundary: %s\n", gm_strerror(err));
		return 1;
	}
	gm_memory_print(memory, stdout);

	err = gm_write_exact(memory, 0xa0000 - 7, text, sizeof(text), NULL);
	if (!err)
		err = gm_read_exact(memory, 0xa0000 - 7, back, sizeof(back), NULL);
	printf("\"%s\": %s\n", back, gm_strerror(err));

	/* The pieces, as a device sees them. */
	gm_iter_init(&it, memory, 0xa0000 - 7, sizeof(text), GM_ACCESS_READ);
	while (gm_iter_next(&it, &slice))
		printf("  %zu bytes at host %p\n", slice.len, (void *)slice.host);

	/* Into the hole: the contiguous first part is moved, and how much that is is known. */
	err = gm_write_exact(memory, 0xa1000 - 4, text, sizeof(text), &done);
	printf("into the hole: %s, after %zu bytes\n", gm_strerror(err), done);

	gm_memory_put(memory);
	return strcmp(text, back) || err != GM_ERR_PARTIAL || done != 4;
}
