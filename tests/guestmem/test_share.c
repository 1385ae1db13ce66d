/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Sharing: two processes on one memory; a peer that sends something else. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

static void make_pair(int pair[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* @count memfd regions of a page, every third followed by a hole. */
static struct gm_memory *make_shareable(size_t count)
{
	struct gm_region_config *configs = calloc(count, sizeof(*configs));
	struct gm_memory *memory;
	gm_addr at = 0;

	for (size_t i = 0; i < count; i++) {
		configs[i].start = at;
		configs[i].size = PAGE;
		configs[i].backing = GM_BACKING_MEMFD;
		at += i % 3 == 2 ? 2 * PAGE : PAGE;
	}
	ck_assert_int_eq(gm_memory_from_configs(configs, count, &memory, NULL), 0);
	free(configs);
	return memory;
}

/* The other process: gives up the memory it was forked with, receives another, checks what is
 * there, writes, answers with its exit status. */
static void child(int socket, struct gm_memory *other, size_t regions)
{
	struct gm_memory *memory;
	uint64_t value;

	gm_memory_put(other);
	if (gm_memory_receive(socket, PAGE, &memory))
		_exit(1);
	if (gm_memory_count(memory) != regions)
		_exit(2);
	for (size_t i = 0; i < regions; i++) {
		gm_addr at = gm_region_start(gm_memory_region(memory, i));

		if (gm_read_obj(memory, at, &value) || value != i + 1)
			_exit(3);
		value = ~value;
		if (gm_write_obj(memory, at + 8, &value))
			_exit(4);
	}
	gm_memory_put(memory);
	_exit(0);
}

START_TEST(two_processes_see_the_same_bytes)
{
	/* More regions than descriptors fit in one message. */
	size_t regions = 300;
	struct gm_memory *memory = make_shareable(regions);
	int pair[2], status;
	uint64_t value;
	pid_t pid;

	for (size_t i = 0; i < regions; i++) {
		value = i + 1;
		ck_assert_int_eq(gm_write_obj(memory, gm_region_start(gm_memory_region(memory, i)),
					      &value),
				 0);
	}
	make_pair(pair);
	pid = fork();
	if (pid == 0)
		child(pair[1], memory, regions);
	ck_assert_int_eq(gm_memory_send(memory, pair[0], NULL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	for (size_t i = 0; i < regions; i++) {
		gm_addr at = gm_region_start(gm_memory_region(memory, i));

		ck_assert_int_eq(gm_read_obj(memory, at + 8, &value), 0);
		ck_assert_uint_eq(value, ~(uint64_t)(i + 1));
	}
	gm_memory_put(memory);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(one_file_is_sent_once)
{
	int fd = make_file(4 * PAGE), pair[2], before = open_fds() + 2;
	struct gm_region_config configs[3] = {
		{.start = 0, .size = PAGE, .backing = GM_BACKING_FILE, .fd = fd},
		{.start = PAGE, .size = PAGE, .backing = GM_BACKING_FILE, .fd = fd},
		{.start = 4 * PAGE, .size = PAGE + 100, .backing = GM_BACKING_FILE, .fd = fd},
	};
	struct {
		uint64_t magic;
		uint32_t regions, files;
	} header;
	struct gm_memory *memory, *received;
	struct gm_region *region;
	uint64_t value = 77;

	configs[1].file_offset = 2 * PAGE;
	configs[2].flags = GM_REGION_READ_ONLY;
	ck_assert_int_eq(gm_memory_from_configs(configs, 3, &memory, NULL), 0);
	make_pair(pair);
	ck_assert_int_eq(gm_memory_send(memory, pair[0], NULL), 0);
	ck_assert_int_eq(recv(pair[1], &header, sizeof(header), MSG_PEEK), sizeof(header));
	ck_assert_uint_eq(header.regions, 3);
	ck_assert_uint_eq(header.files, 1);
	ck_assert_int_eq(gm_memory_receive(pair[1], PAGE, &received), 0);

	ck_assert_uint_eq(gm_memory_count(received), 3);
	region = gm_memory_region(received, 2);
	ck_assert_uint_eq(gm_region_start(region), 4 * PAGE);
	ck_assert_uint_eq(gm_region_size(region), PAGE + 100);
	ck_assert(gm_region_flags(region) & GM_REGION_READ_ONLY);
	ck_assert_int_eq(gm_write_obj(received, 4 * PAGE, &value), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_write_obj(received, PAGE + 8, &value), 0);
	value = 0;
	ck_assert_int_eq(gm_read_obj(memory, PAGE + 8, &value), 0);
	ck_assert_uint_eq(value, 77);
	ck_assert(gm_bitmap_dirty_at(gm_region_dirty(gm_memory_region(received, 1)), 8));
	gm_memory_put(memory);
	gm_memory_put(received);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(what_has_no_file_is_refused_before_anything_is_sent)
{
	struct gm_region_config configs[2] = {
		{.start = 0, .size = PAGE, .backing = GM_BACKING_MEMFD},
		{.start = PAGE, .size = PAGE},
	};
	struct gm_memory *memory, *translated;
	struct gm_iotlb *iotlb;
	size_t bad = 99;
	int pair[2];
	char byte;

	make_pair(pair);
	ck_assert_int_eq(gm_memory_from_configs(configs, 2, &memory, NULL), 0);
	ck_assert_int_eq(gm_memory_send(memory, pair[0], &bad), GM_ERR_NOT_SHAREABLE);
	ck_assert_uint_eq(bad, 1);
	ck_assert_int_eq(gm_iotlb_new(&iotlb), 0);
	ck_assert_int_eq(
		gm_memory_new_translated(memory, gm_iotlb_iommu(iotlb), true, 0, 0, &translated), 0);
	ck_assert_int_eq(gm_memory_send(translated, pair[0], &bad), GM_ERR_INVALID_ARGUMENT);
	gm_memory_put(translated);
	gm_iotlb_put(iotlb);
	gm_memory_put(memory);

	/* A private copy is not what the file has. */
	configs[1].backing = GM_BACKING_FILE;
	configs[1].flags = GM_REGION_PRIVATE;
	configs[1].fd = make_file(PAGE);
	ck_assert_int_eq(gm_memory_from_configs(configs, 2, &memory, NULL), 0);
	ck_assert_int_eq(gm_memory_send(memory, pair[0], NULL), GM_ERR_NOT_SHAREABLE);
	gm_memory_put(memory);
	ck_assert_int_eq(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(a_peer_that_is_gone_is_an_error_not_a_signal)
{
	struct gm_memory *memory = make_shareable(1), *received;
	int pair[2];

	make_pair(pair);
	close(pair[1]);
	ck_assert_int_eq(gm_memory_send(memory, pair[0], NULL), GM_ERR_IO);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(gm_memory_receive(pair[0], PAGE, &received), GM_ERR_UNEXPECTED_EOF);
	ck_assert_int_eq(gm_memory_receive(-1, PAGE, &received), GM_ERR_IO);
	gm_memory_put(memory);
}
END_TEST

/* A hostile peer: the messages as they are on the wire, each part to be spoiled by a test. */
struct wire {
	struct {
		uint64_t magic;
		uint32_t regions, files;
	} header;
	struct {
		uint64_t start, size, file_offset;
		uint32_t file, read_only;
	} region[2];
	uint32_t count; /* what the batch says it carries */
	int fds[300];
	uint32_t attach;   /* what it does carry */
	size_t cut;        /* bytes of the header and table that are sent */
	bool attach_early; /* to the header as well */
};

static void send_bytes(int socket, const void *data, size_t len, const int *fds, uint32_t count)
{
	char control[CMSG_SPACE(253 * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (count) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(socket, &msg, 0), (ssize_t)len);
}

/* What the receiver says to it; it must not leave descriptors behind. */
static int receive_from(const struct wire *wire)
{
	size_t table = sizeof(wire->region[0]) * (wire->header.regions < 2 ? 1 : 2);
	struct gm_memory *memory = (void *)1;
	int pair[2], before, err;

	make_pair(pair);
	send_bytes(pair[0], &wire->header, wire->cut < 16 ? wire->cut : 16, wire->fds,
		   wire->attach_early ? 1 : 0);
	if (wire->cut > 16)
		send_bytes(pair[0], wire->region, wire->cut - 16 < table ? wire->cut - 16 : table,
			   NULL, 0);
	if (wire->cut > 16 + table)
		send_bytes(pair[0], &wire->count, 4, wire->fds, wire->attach);
	close(pair[0]);
	before = open_fds();
	err = gm_memory_receive(pair[1], 0, &memory);
	if (err)
		ck_assert_ptr_null(memory);
	gm_memory_put(memory);
	ck_assert_int_eq(open_fds(), before);
	close(pair[1]);
	return err;
}

static struct wire good_wire(void)
{
	struct wire wire = {
		.header = {.magic = 0x316d656d74736567ULL, .regions = 2, .files = 1},
		.region = {{.start = 0, .size = PAGE}, {.start = PAGE, .size = PAGE}},
		.count = 1,
		.attach = 1,
		.cut = SIZE_MAX,
	};

	wire.fds[0] = make_file(4 * PAGE);
	for (size_t i = 1; i < ARRAY_LEN(wire.fds); i++)
		wire.fds[i] = wire.fds[0];
	return wire;
}

/* One line for each lie: a good message with @change. */
#define CHECK_LIE(expected, change)                                                        \
	do {                                                                               \
		struct wire wire = good_wire();                                            \
		int said;                                                                  \
                                                                                           \
		change;                                                                    \
		said = receive_from(&wire);                                                \
		ck_assert_msg(said == (expected), "%s: %s", #change, gm_error_name(said)); \
		close(wire.fds[0]);                                                        \
	} while (0)

START_TEST(lies_are_found_out)
{
	int ends[2];

	CHECK_LIE(0, (void)0);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.header.magic++);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.header.regions = 0);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.header.regions = GM_SHARE_MAX_REGIONS + 1);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.header.files = 0);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.header.files = 3);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.region[1].file = 1);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.region[1].file = UINT32_MAX);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.region[0].read_only = 2);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.region[0].file_offset = UINT64_MAX);
	CHECK_LIE(GM_ERR_ZERO_SIZE, wire.region[1].size = 0);
	CHECK_LIE(GM_ERR_INVALID_ARGUMENT, wire.region[1].file_offset = 1);
	CHECK_LIE(GM_ERR_INVALID_REGION, wire.region[1].start = UINT64_MAX - PAGE + 1);
	CHECK_LIE(GM_ERR_INVALID_REGION, wire.region[1].size = UINT64_MAX);
	CHECK_LIE(GM_ERR_FILE_TOO_SMALL, wire.region[1].size = 4 * PAGE + 1);
	CHECK_LIE(GM_ERR_FILE_TOO_SMALL, wire.region[1].file_offset = 4 * PAGE);
	CHECK_LIE(GM_ERR_OVERLAP, wire.region[1].start = PAGE - 1);
	CHECK_LIE(GM_ERR_UNSORTED, wire.region[0].start = 8 * PAGE);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.count = 0);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.count = 2);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.count = UINT32_MAX);
	/* Descriptors too few, too many, and where none are expected. */
	CHECK_LIE(GM_ERR_PROTOCOL, wire.attach = 0);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.attach = 2);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.attach = 253);
	CHECK_LIE(0, wire.attach_early = true);
	/* The connection ends in the middle. */
	CHECK_LIE(GM_ERR_UNEXPECTED_EOF, wire.cut = 1);
	CHECK_LIE(GM_ERR_UNEXPECTED_EOF, wire.cut = 16);
	CHECK_LIE(GM_ERR_UNEXPECTED_EOF, wire.cut = 16 + 33);
	CHECK_LIE(GM_ERR_UNEXPECTED_EOF, wire.cut = 16 + 64);
	CHECK_LIE(GM_ERR_UNEXPECTED_EOF, wire.header.files = 2);
	/* Not files. */
	ck_assert_int_eq(pipe(ends), 0);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.fds[0] = ends[0]);
	CHECK_LIE(GM_ERR_PROTOCOL, wire.fds[0] = open("/dev/zero", O_RDWR));
	/* A file that may only be read, as a region that may be written. */
	CHECK_LIE(GM_ERR_MAP, wire.fds[0] = open("/proc/self/exe", O_RDONLY));
}
END_TEST

Suite *share_suite(void)
{
	Suite *suite = suite_create("share");
	TCase *tcase = tcase_create("share");

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, two_processes_see_the_same_bytes);
	tcase_add_test(tcase, one_file_is_sent_once);
	tcase_add_test(tcase, what_has_no_file_is_refused_before_anything_is_sent);
	tcase_add_test(tcase, a_peer_that_is_gone_is_an_error_not_a_signal);
	tcase_add_test(tcase, lies_are_found_out);
	suite_add_tcase(suite, tcase);
	return suite;
}
