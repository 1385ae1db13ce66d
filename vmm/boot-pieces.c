/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Pieces beside the kernel: a list that is written in one go. */
#include "vmm/boot-pieces.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct piece *add(struct pieces *pieces, const char *what)
{
	struct piece *list = realloc(pieces->list, (pieces->count + 1) * sizeof(*list));

	if (!list) {
		report_fail(pieces->report, REPORT_HOST, "out of memory");
		return NULL;
	}
	pieces->list = list;
	list += pieces->count++;
	*list = (struct piece){.file.fd = -1, .what = what};
	return list;
}

int pieces_put(struct pieces *pieces, const void *data, uint64_t len, uint64_t align, gm_addr limit,
	       const char *what, gm_addr *addr)
{
	struct piece *piece = add(pieces, what);

	if (!piece)
		return -1;
	piece->len = len;
	piece->data = calloc(1, len);
	if (!piece->data)
		return report_fail(pieces->report, REPORT_HOST, "out of memory");
	if (data)
		memcpy(piece->data, data, len);
	if (placement_find(pieces->placement, len, align, limit, what, &piece->addr, pieces->report))
		return -1;
	*addr = piece->addr;
	return 0;
}

void *pieces_data(struct pieces *pieces, gm_addr addr)
{
	for (size_t i = 0; i < pieces->count; i++) {
		if (pieces->list[i].addr == addr)
			return pieces->list[i].data;
	}
	return NULL;
}

int pieces_put_text(struct pieces *pieces, const char *text, uint64_t max, gm_addr limit,
		    const char *what, gm_addr *addr)
{
	*addr = 0;
	if (!text || !*text)
		return 0;
	if (strlen(text) > max)
		return report_fail(pieces->report, REPORT_USER,
				   "%s: %zu bytes; at most %llu are possible", what, strlen(text),
				   (unsigned long long)max);
	return pieces_put(pieces, text, strlen(text) + 1, 16, limit, what, addr);
}

int pieces_put_cmdline(struct pieces *pieces, const struct boot_params *params, bool is_linux,
		       uint64_t max, gm_addr limit, gm_addr *addr)
{
	char *text = boot_cmdline(params, is_linux);
	int ret;

	if (!text)
		return report_fail(pieces->report, REPORT_HOST, "out of memory");
	ret = pieces_put_text(pieces, text, max, limit, "--cmdline", addr);
	free(text);
	return ret;
}

int pieces_put_file(struct pieces *pieces, const char *path, const char *option, gm_addr limit,
		    gm_addr *addr, uint64_t *len)
{
	struct piece *piece = add(pieces, option);
	struct report *report = pieces->report;
	char what[512];
	struct stat st;

	if (!piece)
		return -1;
	piece->file.path = path;
	piece->file.fd = boot_files_open(pieces->files, path);
	if (piece->file.fd < 0)
		return report_fail(report, report_whose(errno), "%s %s: cannot open it: %s", option,
				   path, strerror(errno));
	if (fstat(piece->file.fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0)
		return report_fail(report, REPORT_USER,
				   "%s %s: must be a regular file that is not empty", option, path);
	piece->len = (uint64_t)st.st_size;
	snprintf(what, sizeof(what), "%s %.480s", option, path);
	if (placement_find(pieces->placement, piece->len, 4096, limit, what, &piece->addr, report))
		return -1;
	*addr = piece->addr;
	*len = piece->len;
	return 0;
}

int pieces_write(const struct pieces *pieces)
{
	const struct gm_memory *memory = pieces->placement->memory;

	for (size_t i = 0; i < pieces->count; i++) {
		const struct piece *piece = &pieces->list[i];

		if (!piece->data) {
			if (boot_load_range(&piece->file, 0, piece->len, memory, piece->addr,
					    piece->len, piece->what, pieces->report))
				return -1;
		} else if (gm_write_exact(memory, piece->addr, piece->data, piece->len, NULL)) {
			return report_fail(pieces->report, REPORT_HOST, "cannot write %s",
					   piece->what);
		}
	}
	return 0;
}

void pieces_clear(struct pieces *pieces)
{
	for (size_t i = 0; i < pieces->count; i++) {
		free(pieces->list[i].data);
		if (pieces->list[i].file.fd >= 0)
			close(pieces->list[i].file.fd);
	}
	free(pieces->list);
	pieces->list = NULL;
	pieces->count = 0;
}
