/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A memory that is received from a socket: whatever was sent, with whatever descriptors, it is a
 * valid memory of the files that came, or an error that leaves nothing behind.
 *
 * The input is a list of messages: how many descriptors go along, which, how many bytes, the bytes.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guestmem/guestmem.h"
#include "guestmem/share.h"
#include "tests/fuzz/fuzz.h"

#define FILES      4
#define FDS_MAX    8
#define BYTES_MAX  255
#define DIRTY_PAGE 4096

/* Two files of different sizes, one that is read-only, and one that is no file. */
static int files[FILES];

static void make_files(void)
{
	char path[64];

	files[0] = memfd_create("small", MFD_CLOEXEC);
	files[1] = memfd_create("large", MFD_CLOEXEC);
	FUZZ_CHECK(files[0] >= 0 && files[1] >= 0);
	FUZZ_CHECK(!ftruncate(files[0], 4096) && !ftruncate(files[1], 1 << 20));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", files[1]);
	files[2] = open(path, O_RDONLY | O_CLOEXEC);
	files[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
	FUZZ_CHECK(files[2] >= 0 && files[3] >= 0);
}

static void send_one(int socket, struct fuzz_input *input)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = {0};
	size_t count = fuzz_byte(input) % (FDS_MAX + 1), which = fuzz_byte(input);
	uint8_t bytes[BYTES_MAX + 1];
	struct iovec iov = {bytes, fuzz_byte(input)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[FDS_MAX];

	fuzz_bytes(input, bytes, iov.iov_len);
	for (size_t i = 0; i < count; i++)
		fds[i] = files[(which >> (i % 4 * 2)) % FILES];
	if (count) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
	}
	if (sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		input->size = 0;
}

/* Every byte of it is there. */
static void look_at(const struct gm_memory *memory)
{
	uint8_t byte;

	FUZZ_CHECK(gm_memory_count(memory) > 0);
	for (size_t i = 0; i < gm_memory_count(memory); i++) {
		const struct gm_region *region = gm_memory_region(memory, i);
		gm_addr last = gm_region_start(region) + gm_region_size(region) - 1;

		FUZZ_CHECK(gm_find_region(memory, last) == region);
		FUZZ_CHECK(gm_read(memory, gm_region_start(region), &byte, 1) == 1);
		FUZZ_CHECK(gm_read(memory, last, &byte, 1) == 1);
	}
}

/* The lowest descriptor that is free: the same before and after, unless one was left open. */
static int free_descriptor(void)
{
	int fd = dup(files[0]);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct gm_memory *memory;
	int ends[2], before;

	if (!files[0])
		make_files();
	before = free_descriptor();
	FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	while (input.size)
		send_one(ends[1], &input);
	close(ends[1]);
	if (!gm_memory_receive(ends[0], DIRTY_PAGE, &memory)) {
		look_at(memory);
		gm_memory_put(memory);
	}
	close(ends[0]);
	FUZZ_CHECK(free_descriptor() == before);
	return 0;
}
