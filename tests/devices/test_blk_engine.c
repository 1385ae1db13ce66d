/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The engines of disks by themselves, and which of them a disk gets. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/virtio-blk.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define DEPTH 32

static const struct blk_engine_type *const types[] = {&blk_uring_type, &blk_thread_type};

static struct blk_engine *engine;
static int file;

static bool open_engine(int index)
{
	file = memfd_create("engine", MFD_CLOEXEC);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(ftruncate(file, DEPTH * INT64_C(4096)), 0);
	engine = types[index]->open(file, DEPTH);
	return engine != NULL;
}

static void close_engine(void)
{
	engine->type->close(engine);
	close(file);
}

/* One operation from end to end. */
static int64_t run(struct blk_op *op)
{
	engine->type->start(engine, op);
	engine->type->submit(engine);
	engine->type->wait(engine);
	ck_assert_ptr_eq(engine->type->done(engine), op);
	ck_assert_ptr_null(engine->type->done(engine));
	return op->result;
}

START_TEST(every_operation)
{
	char out[] = "written", in[sizeof(out)] = "";
	struct iovec iov[] = {{out, 3}, {out + 3, sizeof(out) - 3}}, back = {in, sizeof(in)};
	struct blk_op write_op = {.type = BLK_OP_WRITE, .iov = iov, .iov_count = 2, .offset = 100};
	struct blk_op read_op = {.type = BLK_OP_READ, .iov = &back, .iov_count = 1, .offset = 100};
	struct blk_op sync_op = {.type = BLK_OP_SYNC};
	struct blk_op punch = {.type = BLK_OP_ALLOCATE,
			       .flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       .offset = 0,
			       .len = 4096};

	if (!open_engine(_i))
		TEST_SKIP("this host has no io_uring");
	ck_assert_int_eq(run(&write_op), sizeof(out));
	ck_assert_int_eq(run(&sync_op), 0);
	ck_assert_int_eq(run(&read_op), sizeof(in));
	ck_assert_str_eq(in, "written");
	ck_assert_int_eq(run(&punch), 0);
	ck_assert_int_eq(run(&read_op), sizeof(in));
	ck_assert_int_eq(in[0], 0);
	close_engine();
}
END_TEST

START_TEST(errors_and_short_transfers)
{
	char data[64];
	struct iovec iov = {data, sizeof(data)};
	struct blk_op beyond = {
		.type = BLK_OP_READ, .iov = &iov, .iov_count = 1, .offset = DEPTH * INT64_C(4096)};
	struct blk_op across = {.type = BLK_OP_READ,
				.iov = &iov,
				.iov_count = 1,
				.offset = DEPTH * INT64_C(4096) - 10};
	struct blk_op wrong = {.type = BLK_OP_ALLOCATE, .flags = -1, .len = 1};

	if (!open_engine(_i))
		TEST_SKIP("this host has no io_uring");
	ck_assert_int_eq(run(&beyond), 0);
	ck_assert_int_eq(run(&across), 10);
	ck_assert_int_lt(run(&wrong), 0);
	close_engine();
}
END_TEST

/* All that was started is submitted at once, rings once or more, and each comes back once. */
START_TEST(a_batch)
{
	static uint8_t data[DEPTH][512];
	struct blk_op ops[DEPTH];
	struct iovec iov[DEPTH];
	struct pollfd event = {.events = POLLIN};
	unsigned int left = DEPTH;
	struct blk_op *op;

	if (!open_engine(_i))
		TEST_SKIP("this host has no io_uring");
	event.fd = engine->ready < 0 ? engine->event : engine->ready;
	ck_assert_int_eq(poll(&event, 1, 0), 0);
	for (unsigned int i = 0; i < DEPTH; i++) {
		memset(data[i], (int)i, sizeof(data[i]));
		iov[i] = (struct iovec){data[i], sizeof(data[i])};
		ops[i] = (struct blk_op){.type = BLK_OP_WRITE,
					 .iov = &iov[i],
					 .iov_count = 1,
					 .offset = i * UINT64_C(4096),
					 .result = -1};
		engine->type->start(engine, &ops[i]);
	}
	engine->type->submit(engine);
	while (left) {
		uint64_t count;

		ck_assert_int_eq(poll(&event, 1, 20000), 1);
		if (engine->ready < 0)
			ck_assert_int_eq(read(engine->event, &count, sizeof(count)), sizeof(count));
		while ((op = engine->type->done(engine))) {
			ck_assert_int_eq(op->result, 512);
			op->result = -2; /* not twice */
			left--;
		}
	}
	/* What was taken rings no more. */
	ck_assert_int_eq(poll(&event, 1, 0), 0);
	for (unsigned int i = 0; i < DEPTH; i++) {
		uint8_t byte;

		ck_assert_int_eq(pread(file, &byte, 1, i * INT64_C(4096)), 1);
		ck_assert_uint_eq(byte, i);
	}
	close_engine();
}
END_TEST

/* --- where io_uring is denied ------------------------------------------------------------------ */

static bool deny_io_uring(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

START_TEST(threads_stand_in_for_io_uring)
{
	struct cutting whole = cutting_whole();
	struct virtio_device *dev = NULL;
	struct report report = {0};
	struct harness h;
	char args[64];

	if (!deny_io_uring())
		TEST_SKIP("no seccomp filters here");
	harness_blk(&h, &whole, 8, ",queues=2");
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_ptr_eq(((struct blk *)h.dev)->queues[i].engine->type, &blk_thread_type);
	assert_works(&h);
	/* Who insists on it is told. */
	harness_free(&h);
	h.image = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(h.image, 4096), 0);
	snprintf(args, sizeof(args), "/proc/self/fd/%d,aio=io_uring", h.image);
	ck_assert_int_eq(type_named("disk")->create("--disk", args, NULL, &dev, &report), -1);
	ck_assert_int_eq(report.status, REPORT_HOST);
	ck_assert_ptr_nonnull(strstr(report.text, "--disk: aio=io_uring: "));
	ck_assert_ptr_nonnull(strstr(report.text, "; 'aio=threads' does without"));
	close(h.image);
	cutting_free(&whole);
}
END_TEST

Suite *blk_engine_suite(void)
{
	Suite *suite = suite_create("blk_engine");
	TCase *tc = tcase_create("blk_engine");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, every_operation, 0, 2);
	tcase_add_loop_test(tc, errors_and_short_transfers, 0, 2);
	tcase_add_loop_test(tc, a_batch, 0, 2);
	tcase_add_test(tc, threads_stand_in_for_io_uring);
	suite_add_tcase(suite, tc);
	return suite;
}
