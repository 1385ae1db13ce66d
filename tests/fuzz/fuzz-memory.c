/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The slice iterator and everything on top of it (bytes, atomics, lists, streams, files, changes of
 * the region table, dirty pages) against one array of bytes: the model and the operations of the
 * property test, with the input for chance.
 */
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/guestmem/property.h"

#define OPS_MAX 1000

static struct fuzz_input input;

static uint64_t behind;

/* Behind the input's end comes a sequence of its own: what is asked again until it is not 0 ends. */
uint64_t below(struct world *w, uint64_t bound)
{
	(void)w;
	if (!input.size)
		return ((behind += 0x9e3779b97f4a7c15ULL) >> 20) % bound;
	return fuzz_take(&input, bound <= 0x100 ? 1 : bound <= 0x10000 ? 2 : 8) % bound;
}

void give_up(const struct world *w, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "operation %u, %s: ", w->op, w->what);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;

	input = (struct fuzz_input){data, size};
	behind = 0;
	if (!w.fd)
		w.fd = memfd_create("file", MFD_CLOEXEC);
	fill(&w, w.file, FILE_SIZE);
	FUZZ_CHECK(pwrite(w.fd, w.file, FILE_SIZE, 0) == FILE_SIZE);
	property_begin(&w);
	for (w.op = 0; w.op < OPS_MAX && input.size; w.op++)
		property_operation(&w);
	property_end(&w);
	return 0;
}
