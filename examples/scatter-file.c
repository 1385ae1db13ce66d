/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a disk does with a request: the driver's list of buffers, cut again by the host's regions,
 * becomes one preadv(2) straight into guest memory.
 *
 *	scatter-file [FILE]	default: the program itself
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <guestmem/guestmem.h>

/* Fill the list from the file, by hand: iovecs, the call, then the dirty bits. */
static ssize_t read_by_hand(struct gm_sg *sg, int fd)
{
	struct gm_sg start = *sg;
	struct iovec iov[16];
	uint64_t bytes;
	ssize_t count = gm_sg_iovec(sg, UINT64_MAX, iov, 16, &bytes), n;

	if (count < 0)
		return count;
	printf("%llu bytes in %zd iovecs\n", (unsigned long long)bytes, count);
	n = preadv(fd, iov, (int)count, 0);
	if (n > 0)
		gm_sg_mark_dirty(&start, (uint64_t)n);
	return n;
}

int main(int argc, char **argv)
{
	const struct gm_range regions[] = {{0x0, 0x1000}, {0x1000, 0x1000}, {0x2000, 0x1000}};
	/* The driver's buffers: one crosses two boundaries, they are in no order. */
	const struct gm_range buffers[] = {{0xf00, 0x1200}, {0x10, 0x20}, {0x2800, 0x100}};
	const char *path = argc > 1 ? argv[1] : argv[0];
	unsigned char first[16], expected[16];
	struct gm_memory *memory;
	struct gm_sg sg;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, expected, sizeof(expected), 0) != sizeof(expected)) {
		fprintf(stderr, "scatter-file: %s cannot be read\n", path);
		return 1;
	}
	if (gm_memory_from_ranges(regions, 3, 4096, &memory, NULL) ||
	    gm_sg_init(&sg, memory, buffers, 3, GM_ACCESS_WRITE))
		return 1;

	/* A device validates the whole request before its first side effect. */
	if (!gm_sg_check(&sg)) {
		fprintf(stderr, "scatter-file: a buffer is not backed by memory\n");
		return 1;
	}
	n = read_by_hand(&sg, fd);
	printf("read %zd bytes; page 2 is %s\n", n,
	       gm_bitmap_dirty_at(gm_region_dirty(gm_memory_region(memory, 2)), 0) ? "dirty"
										   : "clean");

	/* The same in one call. */
	gm_sg_init(&sg, memory, buffers, 3, GM_ACCESS_WRITE);
	if (gm_sg_read_from_fd(&sg, fd, 0, UINT64_MAX) != n)
		return 1;
	gm_read_exact(memory, 0xf00, first, sizeof(first), NULL);
	gm_memory_put(memory);
	close(fd);
	return memcmp(first, expected, sizeof(first)) != 0;
}
