/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What goes beside a kernel in guest memory: tables, texts, files. Pieces are gathered first and
 * written at the end, when nothing can be refused any more, so that a refusal leaves files behind
 * guest memory as they were.
 */
#ifndef VMM_BOOT_PIECES_H
#define VMM_BOOT_PIECES_H

#include "vmm/boot-image.h"

/* Something that has its place but is not written yet: bytes, or a file. */
struct piece {
	gm_addr addr;
	void *data; /* NULL: the file */
	struct boot_image file;
	uint64_t len;
	const char *what;
};

struct pieces {
	struct placement *placement;
	struct report *report;
	struct boot_files *files; /* of the boot_params */
	struct piece *list;
	size_t count;
};

/*
 * Find room for @len bytes below @limit; a copy of @data, or zeros if it is NULL, will be written
 * there. @what names it in messages and must outlive the pieces. 0 or -1 (report).
 */
int pieces_put(struct pieces *pieces, const void *data, uint64_t len, uint64_t align, gm_addr limit,
	       const char *what, gm_addr *addr);

/* Change what will be written at @addr, the place of a piece. */
void *pieces_data(struct pieces *pieces, gm_addr addr);

/* A text with its NUL, of at most @max bytes without it. An empty one has no place: *addr is 0. */
int pieces_put_text(struct pieces *pieces, const char *text, uint64_t max, gm_addr limit,
		    const char *what, gm_addr *addr);

/* boot_cmdline() as such a text. */
int pieces_put_cmdline(struct pieces *pieces, const struct boot_params *params, bool is_linux,
		       uint64_t max, gm_addr limit, gm_addr *addr);

/* The whole of the file @path, given with @option, on a page of its own. */
int pieces_put_file(struct pieces *pieces, const char *path, const char *option, gm_addr limit,
		    gm_addr *addr, uint64_t *len);

/* Write all of them. */
int pieces_write(const struct pieces *pieces);

void pieces_clear(struct pieces *pieces);

#endif
