/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-console: what the driver sends comes out, what is typed comes in, and whoever is slow
 * makes the other wait without stopping the loop.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define TIMEOUT_S 20

static struct harness harness;
static struct harness *const h = &harness;
static struct driver_queue *const rx = &harness.queues[0];
static struct driver_queue *const tx = &harness.queues[1];
static pthread_t loop_thread;
static sem_t interrupts;
static int far; /* the other end of the pty */

static void pulse(struct irq_line *line)
{
	(void)line;
	sem_post(&interrupts);
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* Make the console with @args and start its driver; what it says on stderr goes to @said. */
static void make_console(const char *args, char *said, size_t size)
{
	struct cutting pages = cutting_every(4096);
	int saved = dup(STDERR_FILENO), pipes[2];
	ssize_t len;

	ck_assert_int_eq(pipe2(pipes, O_NONBLOCK | O_CLOEXEC), 0);
	dup2(pipes[1], STDERR_FILENO);
	harness_new(h, &pages, type_named("console"), args, NULL);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	len = read(pipes[0], said, size - 1);
	said[len > 0 ? len : 0] = '\0';
	close(saved);
	close(pipes[0]);
	close(pipes[1]);
	cutting_free(&pages);
	sem_init(&interrupts, 0, 0);
	h->irq.line.pulse = pulse;
	driver_start(h, 0);
}

static void start_loop(void)
{
	ck_assert_int_eq(pthread_create(&loop_thread, NULL, run_loop, h->loop), 0);
}

static void end_console(void)
{
	loop_stop(h->loop, 0);
	pthread_join(loop_thread, NULL);
	harness_free(h);
}

static void set_up(void)
{
	char said[128], *path;
	struct termios termios;

	make_console("pty", said, sizeof(said));
	path = strstr(said, "/dev/");
	ck_assert_ptr_nonnull(path);
	path[strcspn(path, "\n")] = '\0';
	far = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(far, 0);
	/* As a terminal program does: no echo, no lines, every byte as it is. */
	ck_assert_int_eq(tcgetattr(far, &termios), 0);
	cfmakeraw(&termios);
	ck_assert_int_eq(tcsetattr(far, TCSANOW, &termios), 0);
	start_loop();
}

static void tear_down(void)
{
	close(far);
	end_console();
}

/* The next used entry, for which the device must interrupt. */
static uint32_t await_used(struct driver_queue *q, uint32_t want_head)
{
	struct timespec deadline;
	uint32_t head, len;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += TIMEOUT_S;
	while (!driver_used(h, q, &head, &len))
		ck_assert_msg(sem_timedwait(&interrupts, &deadline) == 0, "no interrupt came");
	ck_assert_uint_eq(head, want_head);
	return len;
}

static uint16_t post(gm_addr addr, uint32_t len)
{
	uint16_t head = driver_add(h, rx, &(struct buffer){addr, len, true}, 1, 0);

	driver_kick(h, rx);
	return head;
}

static uint16_t send(gm_addr addr, uint32_t len)
{
	uint16_t head = driver_add(h, tx, &(struct buffer){addr, len, false}, 1, 0);

	driver_kick(h, tx);
	return head;
}

/* Exactly @len bytes from the other end. */
static void read_far(uint8_t *data, size_t len)
{
	while (len) {
		struct pollfd ready = {.fd = far, .events = POLLIN};
		ssize_t n;

		ck_assert_int_eq(poll(&ready, 1, TIMEOUT_S * 1000), 1);
		n = read(far, data, len);
		ck_assert_int_gt(n, 0);
		data += n;
		len -= (size_t)n;
	}
}

START_TEST(output)
{
	uint8_t got[5000];
	uint16_t head;

	mem_fill(h, BUFFERS, 'a', 5000);
	head = send(BUFFERS + 10, 5000 - 10);
	ck_assert_uint_eq(await_used(tx, head), 0);
	read_far(got, 5000 - 10);
	for (unsigned int i = 0; i < 5000 - 10; i++) {
		if (got[i] != 'a')
			ck_abort_msg("byte %u is %#x", i, got[i]);
	}
}
END_TEST

START_TEST(output_of_several_buffers_is_in_order)
{
	struct buffer chain[] = {
		{BUFFERS + 4094, 4, false}, {BUFFERS + 100, 0, false}, {BUFFERS, 3, false}};
	uint8_t got[7];
	uint16_t head;

	mem_write(h, BUFFERS + 4094, "one ", 4);
	mem_write(h, BUFFERS, "two", 3);
	head = driver_add(h, tx, chain, 3, 0);
	driver_kick(h, tx);
	ck_assert_uint_eq(await_used(tx, head), 0);
	read_far(got, 7);
	ck_assert_mem_eq(got, "one two", 7);
}
END_TEST

START_TEST(input)
{
	uint8_t got[8];
	uint16_t head;

	mem_fill(h, BUFFERS + 4096 - 3, '.', 64);
	head = post(BUFFERS + 4096 - 3, 64);
	ck_assert_int_eq(write(far, "hello\n", 6), 6);
	ck_assert_uint_eq(await_used(rx, head), 6);
	mem_read(h, BUFFERS + 4096 - 3, got, 8);
	ck_assert_mem_eq(got, "hello\n..", 8);
}
END_TEST

START_TEST(input_waits_for_buffers)
{
	static const char text[] = "0123456789";
	char got[11] = "";
	size_t done = 0;

	ck_assert_int_eq(write(far, text, 10), 10);
	while (done < 10) {
		uint16_t head = post(BUFFERS, 4);
		uint32_t len = await_used(rx, head);

		ck_assert_uint_ge(len, 1);
		ck_assert_uint_le(len, 4);
		ck_assert_uint_le(done + len, 10);
		mem_read(h, BUFFERS, got + done, len);
		done += len;
	}
	ck_assert_str_eq(got, text);
}
END_TEST

START_TEST(input_into_scattered_buffers)
{
	struct buffer chain[] = {{BUFFERS, 1, true},
				 {BUFFERS + 50, 0, true},
				 {BUFFERS + 4095, 2, true},
				 {BUFFERS + 9000, 100, true}};
	uint16_t head = driver_add(h, rx, chain, 4, 0);
	uint8_t tail[3];

	driver_kick(h, rx);
	ck_assert_int_eq(write(far, "abcdef", 6), 6);
	ck_assert_uint_eq(await_used(rx, head), 6);
	ck_assert_uint_eq(mem_byte(h, BUFFERS), 'a');
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 4095), 'b');
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 4096), 'c');
	mem_read(h, BUFFERS + 9000, tail, 3);
	ck_assert_mem_eq(tail, "def", 3);
}
END_TEST

START_TEST(buffers_without_room_go_back)
{
	uint16_t empty = driver_add(h, rx, &(struct buffer){BUFFERS, 8, false}, 1, 0);
	uint16_t head = post(BUFFERS, 8);

	ck_assert_int_eq(write(far, "x", 1), 1);
	ck_assert_uint_eq(await_used(rx, empty), 0);
	ck_assert_uint_eq(await_used(rx, head), 1);
}
END_TEST

/* Fill the pty until a chain stays in flight; returns its head. */
static uint16_t jam(uint32_t *sent)
{
	uint32_t head, len;

	mem_fill(h, BUFFERS, 'j', 65536);
	for (*sent = 0; *sent < 64 * 65536; *sent += 65536) {
		uint16_t added = send(BUFFERS, 65536);

		if (!driver_used(h, tx, &head, &len)) {
			*sent += 65536;
			return added;
		}
	}
	ck_abort_msg("a pty that never fills");
}

START_TEST(slow_other_end_keeps_the_chain_in_flight)
{
	uint8_t *got = malloc(64 * 65536 + 3);
	uint16_t stuck, next;
	uint32_t sent;

	ck_assert_ptr_nonnull(got);
	stuck = jam(&sent);
	/* The device is not blocked: it takes notifications, and input still flows. */
	mem_write(h, BUFFERS + 0x11000, "end", 3);
	next = send(BUFFERS + 0x11000, 3);
	ck_assert_int_eq(write(far, "in", 2), 2);
	ck_assert_uint_eq(await_used(rx, post(BUFFERS + 0x12000, 16)), 2);
	read_far(got, sent + 3);
	ck_assert_uint_eq(await_used(tx, stuck), 0);
	ck_assert_uint_eq(await_used(tx, next), 0);
	for (uint32_t i = 0; i < sent; i++) {
		if (got[i] != 'j')
			ck_abort_msg("byte %u is %#x", i, got[i]);
	}
	ck_assert_mem_eq(got + sent, "end", 3);
	free(got);
}
END_TEST

START_TEST(reset_forgets_chains_in_flight)
{
	uint8_t *got = malloc(64 * 65536);
	uint32_t sent, head, len;

	ck_assert_ptr_nonnull(got);
	jam(&sent);
	post(BUFFERS, 16);
	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	driver_start(h, 0);
	/* What was taken before the reset comes out; the rest of that chain never will. */
	while (poll(&(struct pollfd){.fd = far, .events = POLLIN}, 1, 300) == 1)
		ck_assert_int_gt(read(far, got, 65536), 0);
	ck_assert(!driver_used(h, tx, &head, &len));
	ck_assert(!driver_used(h, rx, &head, &len));
	mem_write(h, BUFFERS, "after", 5);
	ck_assert_uint_eq(await_used(tx, send(BUFFERS, 5)), 0);
	read_far(got, 5);
	ck_assert_mem_eq(got, "after", 5);
	free(got);
}
END_TEST

START_TEST(counts_both_directions)
{
	struct virtio_stats stats;
	uint8_t got[4];

	mem_write(h, BUFFERS + 4094, "ping", 4);
	await_used(tx, send(BUFFERS + 4094, 4));
	read_far(got, 4);
	ck_assert_int_eq(write(far, "pong!", 5), 5);
	await_used(rx, post(BUFFERS, 16));
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.requests, 2);
	ck_assert_uint_eq(stats.bytes_read, 4);
	ck_assert_uint_eq(stats.bytes_written, 5);
	ck_assert_uint_eq(stats.transfers, 2);
	ck_assert_uint_eq(stats.transfers_crossed, 1);
	ck_assert_uint_eq(stats.errors, 0);
}
END_TEST

START_TEST(broken_queue_and_recovery)
{
	uint8_t got[2];

	put_desc(h, tx->desc, 0, HOLE, 16, 0, 0);
	put_avail(h, tx, 0);
	driver_kick(h, tx);
	ck_assert(needs_reset(h));
	driver_start(h, 0);
	mem_write(h, BUFFERS, "ok", 2);
	await_used(tx, send(BUFFERS, 2));
	read_far(got, 2);
	ck_assert_mem_eq(got, "ok", 2);
}
END_TEST

/* A sink that refuses everything costs the driver an error count, not its chain. */
START_TEST(other_end_that_is_gone)
{
	struct virtio_stats stats;
	char said[64];

	make_console("file=/dev/full", said, sizeof(said));
	start_loop();
	ck_assert_uint_eq(await_used(tx, send(BUFFERS, 100)), 0);
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.errors, 1);
	ck_assert_uint_eq(stats.bytes_read, 0);
	end_console();
}
END_TEST

/* 64 MiB in one chain are sent in turns, between which the loop does other things. */
START_TEST(endless_output_takes_turns)
{
	struct virtio_stats stats;
	struct buffer chain[64];
	char said[64];
	uint32_t len, head;
	uint16_t added;

	make_console("null", said, sizeof(said));
	for (unsigned int i = 0; i < 64; i++)
		chain[i] = (struct buffer){RAM_BASE, RAM_SIZE, false};
	added = driver_add(h, tx, chain, 64, 0);
	driver_kick(h, tx);
	/* The kick itself did the first turn only, and the loop does the rest. */
	ck_assert(!driver_used(h, tx, &head, &len));
	start_loop();
	ck_assert_uint_eq(await_used(tx, added), 0);
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.bytes_read, 64 * RAM_SIZE);
	end_console();
}
END_TEST

/* What knows nothing of rings, for both of them. */
static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, output);
	tcase_add_test(tc, output_of_several_buffers_is_in_order);
	tcase_add_test(tc, input);
	tcase_add_test(tc, input_waits_for_buffers);
	tcase_add_test(tc, input_into_scattered_buffers);
	tcase_add_test(tc, buffers_without_room_go_back);
	tcase_add_test(tc, slow_other_end_keeps_the_chain_in_flight);
	tcase_add_test(tc, reset_forgets_chains_in_flight);
	tcase_add_test(tc, counts_both_directions);
}

Suite *console_suite(void)
{
	Suite *suite = suite_create("console");
	TCase *tc = tcase_create("console");

	add_tests(tc);
	tcase_add_test(tc, broken_queue_and_recovery);
	suite_add_tcase(suite, tc);
	tc = tcase_create("console on packed rings");
	tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	tc = tcase_create("console sinks");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, other_end_that_is_gone);
	tcase_add_test(tc, endless_output_takes_turns);
	suite_add_tcase(suite, tc);
	return suite;
}
