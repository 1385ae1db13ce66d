/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-console with several ports: the messages about them, the bytes of each, who has them open,
 * the size of the terminal, queues that are reset alone, and drivers that talk nonsense.
 */
#include <endian.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/chardev.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define TIMEOUT_MS    20000
#define QUEUE_RESET   0x0c0
#define MULTIPORT     (FEATURE(VIRTIO_CONSOLE_F_MULTIPORT) | FEATURE(VIRTIO_F_RING_RESET))
#define CONFIG(field) (VIRTIO_MMIO_CONFIG + offsetof(struct virtio_console_config, field))

enum { RX0, TX0, CONTROL_RX, CONTROL_TX, RX1, TX1, RX2, TX2 };

static struct harness harness;
static struct harness *const h = &harness;
static pthread_t loop_thread;
static char dir[64];

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void begin_with(const char *args, const struct cutting *cutting)
{
	harness_new(h, cutting, type_named("console"), args, NULL);
	driver_start(h, MULTIPORT);
	ck_assert_int_eq(pthread_create(&loop_thread, NULL, run_loop, h->loop), 0);
}

static void begin(const char *args)
{
	struct cutting pages = cutting_every(4096);

	begin_with(args, &pages);
	cutting_free(&pages);
}

static void end(void)
{
	loop_stop(h->loop, 0);
	pthread_join(loop_thread, NULL);
	harness_free(h);
}

static void enter_dir(void)
{
	signal(SIGPIPE, SIG_IGN);
	snprintf(dir, sizeof(dir), "/tmp/test-ports-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

/* Also shows that the sockets are gone. */
static void leave_dir(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

#define PORTS "null,port=one:socket=1,port=org.two.2:socket=2"

static void set_up(void)
{
	enter_dir();
	begin(PORTS);
}

static void tear_down(void)
{
	end();
	leave_dir();
}

static int client(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void expect(int fd, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		uint8_t byte;

		ck_assert_int_eq(poll(&ready, 1, TIMEOUT_MS), 1);
		ck_assert_int_eq(read(fd, &byte, 1), 1);
		ck_assert_uint_eq(byte, ((const uint8_t *)bytes)[i]);
	}
}

static uint16_t add(unsigned int queue, gm_addr addr, uint32_t len)
{
	struct buffer buffer = {addr, len, queue % 2 == 0};
	uint16_t head = driver_add(h, &h->queues[queue], &buffer, 1, 0);

	driver_kick(h, &h->queues[queue]);
	return head;
}

static uint32_t await_used(unsigned int queue, uint16_t want)
{
	uint32_t head, len;

	for (unsigned int i = 0; i < TIMEOUT_MS; i++) {
		if (driver_used(h, &h->queues[queue], &head, &len)) {
			ck_assert_uint_eq(head, want);
			return len;
		}
		usleep(1000);
	}
	ck_abort_msg("queue %u: the chain never came back", queue);
}

static bool any_used(unsigned int queue)
{
	uint32_t head, len;

	return driver_used(h, &h->queues[queue], &head, &len);
}

/* --- messages -------------------------------------------------------------------------------- */

#define MESSAGE_OUT (BUFFERS + 0x10000)
#define MESSAGE_IN  (BUFFERS + 0x11ff9) /* in two pages */

static void tell(uint32_t id, uint16_t event, uint16_t value)
{
	struct virtio_console_control control = {htole32(id), htole16(event), htole16(value)};

	mem_write(h, MESSAGE_OUT, &control, sizeof(control));
	ck_assert_uint_eq(await_used(CONTROL_TX, add(CONTROL_TX, MESSAGE_OUT, sizeof(control))), 0);
}

/* The next message must be this one. */
static void expect_message(uint32_t id, uint16_t event, uint16_t value, const void *data, size_t len)
{
	struct virtio_console_control control;
	uint8_t got[128];
	uint32_t used = await_used(CONTROL_RX, add(CONTROL_RX, MESSAGE_IN, sizeof(got)));

	ck_assert_uint_eq(used, sizeof(control) + len);
	mem_read(h, MESSAGE_IN, &control, sizeof(control));
	ck_assert_uint_eq(le32toh(control.id), id);
	ck_assert_uint_eq(le16toh(control.event), event);
	ck_assert_uint_eq(le16toh(control.value), value);
	mem_read(h, MESSAGE_IN + sizeof(control), got, len);
	ck_assert_int_eq(memcmp(got, data, len), 0);
}

/* What a driver does first. */
static void shake_hands(void)
{
	tell(VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (uint32_t i = 0; i < 3; i++)
		expect_message(i, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
	tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_message(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, "", 0);
	expect_message(0, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	tell(1, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_message(1, VIRTIO_CONSOLE_PORT_NAME, 1, "one", 3);
	tell(2, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_message(2, VIRTIO_CONSOLE_PORT_NAME, 1, "org.two.2", 9);
}

static uint64_t errors(void)
{
	struct virtio_stats stats;

	virtio_device_stats(h->dev, &stats);
	return stats.errors;
}

START_TEST(what_is_offered)
{
	ck_assert(h->features & FEATURE(VIRTIO_CONSOLE_F_MULTIPORT));
	ck_assert_uint_eq(reg_read(h, CONFIG(max_nr_ports)), 3);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG), 0);
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, TX2);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_NUM_MAX), 64);
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, TX2 + 1);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
}
END_TEST

START_TEST(messages_when_ports_come_up)
{
	int fd;

	shake_hands();
	fd = client("1");
	expect_message(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	close(fd);
	expect_message(1, VIRTIO_CONSOLE_PORT_OPEN, 0, "", 0);
	/* After a reset all is told anew. */
	driver_start(h, MULTIPORT);
	shake_hands();
	ck_assert_uint_eq(errors(), 0);
}
END_TEST

START_TEST(bytes_of_each_port)
{
	int one, two;
	uint16_t head;

	shake_hands();
	one = client("1");
	expect_message(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	two = client("2");
	expect_message(2, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	tell(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	tell(2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	mem_write(h, BUFFERS + 4090, "to the first", 12);
	mem_write(h, BUFFERS + 8190, "to the other", 12);
	head = add(TX1, BUFFERS + 4090, 12);
	ck_assert_uint_eq(await_used(TX2, add(TX2, BUFFERS + 8190, 12)), 0);
	ck_assert_uint_eq(await_used(TX1, head), 0);
	expect(one, "to the first", 12);
	expect(two, "to the other", 12);
	head = add(RX1, BUFFERS, 64);
	ck_assert_int_eq(write(two, "22", 2), 2);
	ck_assert_uint_eq(await_used(RX2, add(RX2, BUFFERS + 100, 64)), 2);
	ck_assert(!any_used(RX1));
	ck_assert_int_eq(write(one, "1", 1), 1);
	ck_assert_uint_eq(await_used(RX1, head), 1);
	ck_assert_uint_eq(mem_byte(h, BUFFERS), '1');
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 101), '2');
	/* The console takes its bytes, too. */
	ck_assert_uint_eq(await_used(TX0, add(TX0, BUFFERS, 12)), 0);
	close(one);
	close(two);
}
END_TEST

START_TEST(input_waits_until_the_guest_opens_the_port)
{
	uint16_t head;
	int fd;

	shake_hands();
	fd = client("1");
	expect_message(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	head = add(RX1, BUFFERS, 64);
	ck_assert_int_eq(write(fd, "early", 5), 5);
	usleep(50000);
	ck_assert(!any_used(RX1));
	tell(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	ck_assert_uint_eq(await_used(RX1, head), 5);
	tell(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	head = add(RX1, BUFFERS, 64);
	ck_assert_int_eq(write(fd, "late", 4), 4);
	usleep(50000);
	ck_assert(!any_used(RX1));
	tell(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	ck_assert_uint_eq(await_used(RX1, head), 4);
	close(fd);
}
END_TEST

/* However often it is asked without taking answers, there is one of each. */
START_TEST(flood_of_messages)
{
	for (unsigned int i = 0; i < 1000; i++) {
		tell(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
		tell(1, VIRTIO_CONSOLE_PORT_READY, 1);
	}
	expect_message(0, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
	expect_message(1, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
	expect_message(1, VIRTIO_CONSOLE_PORT_NAME, 1, "one", 3);
	expect_message(2, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
	add(CONTROL_RX, MESSAGE_IN, 128);
	ck_assert(!any_used(CONTROL_RX));
}
END_TEST

START_TEST(messages_that_make_no_sense)
{
	static const struct {
		uint32_t id;
		uint16_t event;
	} wrong[] = {
		{3, VIRTIO_CONSOLE_PORT_READY},
		{VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_PORT_OPEN},
		{0, VIRTIO_CONSOLE_PORT_ADD},
		{0, VIRTIO_CONSOLE_RESIZE},
		{0, 8},
		{1, 0xffff},
	};

	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		tell(wrong[i].id, wrong[i].event, 1);
		ck_assert_uint_eq(errors(), i + 1);
	}
	/* Too short, and nothing to read at all. */
	ck_assert_uint_eq(await_used(CONTROL_TX, add(CONTROL_TX, MESSAGE_OUT, 7)), 0);
	ck_assert_uint_eq(errors(), 7);
	ck_assert(!needs_reset(h));
	shake_hands();
}
END_TEST

START_TEST(message_that_does_not_fit)
{
	shake_hands();
	tell(1, VIRTIO_CONSOLE_PORT_READY, 1);
	mem_fill(h, MESSAGE_IN, '.', 16);
	ck_assert_uint_eq(await_used(CONTROL_RX, add(CONTROL_RX, MESSAGE_IN, 10)), 0);
	ck_assert_uint_eq(mem_byte(h, MESSAGE_IN), '.');
	ck_assert_uint_eq(errors(), 1);
	tell(1, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_message(1, VIRTIO_CONSOLE_PORT_NAME, 1, "one", 3);
}
END_TEST

/* A driver that knows one port has that, and the queues of others do nothing. */
START_TEST(driver_of_one_port)
{
	driver_start(h, 0);
	ck_assert_uint_eq(await_used(TX0, add(TX0, BUFFERS, 100)), 0);
	add(TX1, BUFFERS, 10);
	add(CONTROL_TX, BUFFERS, 8);
	add(RX1, BUFFERS, 10);
	add(CONTROL_RX, BUFFERS, 10);
	ck_assert(!any_used(TX1));
	ck_assert(!any_used(CONTROL_TX));
	ck_assert(!needs_reset(h));
}
END_TEST

/* --- queues that are reset ------------------------------------------------------------------- */

static void reset_queue(unsigned int queue)
{
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, queue);
	reg_write(h, QUEUE_RESET, 1);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	driver_clear_rings(h, &h->queues[queue]);
	driver_set_queue(h, &h->queues[queue]);
}

/* Send until a chain stays in flight. */
static void jam(unsigned int queue)
{
	for (unsigned int i = 0; i < 1000; i++) {
		add(queue, BUFFERS, 65536);
		if (!any_used(queue))
			return;
	}
	ck_abort_msg("it never fills");
}

START_TEST(queue_reset_with_chains_in_flight)
{
	uint16_t head;
	int fd[2];

	shake_hands();
	for (unsigned int i = 0; i < 2; i++) {
		fd[i] = client(i ? "2" : "1");
		expect_message(i + 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
		tell(i + 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	}
	for (unsigned int i = 0; i < 2; i++) {
		unsigned int rx = i ? RX2 : RX1;

		jam(rx + 1);
		reset_queue(rx + 1);
		/* Held while there was a byte for it: the byte after the reset goes to a new one. */
		ck_assert_int_eq(write(fd[i], "a", 1), 1);
		ck_assert_uint_eq(await_used(rx, add(rx, BUFFERS, 8)), 1);
		add(rx, BUFFERS, 8);
		reset_queue(rx);
		mem_fill(h, BUFFERS, '.', 8);
		ck_assert_int_eq(write(fd[i], "b", 1), 1);
		head = add(rx, BUFFERS + 4094, 8);
		ck_assert_uint_eq(await_used(rx, head), 1);
		ck_assert_uint_eq(mem_byte(h, BUFFERS), '.');
		ck_assert_uint_eq(mem_byte(h, BUFFERS + 4094), 'b');
		/* What was taken before comes out, and then what is sent now. */
		close(fd[i]);
		expect_message(i + 1, VIRTIO_CONSOLE_PORT_OPEN, 0, "", 0);
		ck_assert(!any_used(rx + 1));
		ck_assert_uint_eq(await_used(rx + 1, add(rx + 1, BUFFERS, 8)), 0);
	}
	reset_queue(CONTROL_RX);
	reset_queue(CONTROL_TX);
	shake_hands();
}
END_TEST

START_TEST(client_that_leaves_frees_the_chain)
{
	uint16_t head;
	int fd;

	shake_hands();
	fd = client("1");
	expect_message(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	jam(TX1);
	/* The chain in flight, then this one. */
	head = add(TX1, BUFFERS, 3);
	close(fd);
	expect_message(1, VIRTIO_CONSOLE_PORT_OPEN, 0, "", 0);
	for (unsigned int i = 0, found = 0; !found; i++) {
		uint32_t used, len;

		ck_assert_uint_lt(i, TIMEOUT_MS);
		if (driver_used(h, &h->queues[TX1], &used, &len))
			found = used == head;
		else
			usleep(1000);
	}
	fd = client("1");
	expect_message(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	mem_write(h, BUFFERS, "again", 5);
	ck_assert_uint_eq(await_used(TX1, add(TX1, BUFFERS, 5)), 0);
	expect(fd, "again", 5);
	close(fd);
}
END_TEST

/* --- however memory is cut ------------------------------------------------------------------- */

START_TEST(cuttings)
{
	struct test_random random = test_random_new(_i + 1);
	struct cutting cutting = cutting_random(&random, (unsigned int)_i);
	uint8_t bytes[3000];
	uint16_t head;
	int fd;

	enter_dir();
	begin_with(PORTS, &cutting);
	cutting_free(&cutting);
	shake_hands();
	fd = client("2");
	expect_message(2, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	tell(2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)test_random_below(&random, 256);
	mem_write(h, BUFFERS + 77, bytes, sizeof(bytes));
	ck_assert_uint_eq(await_used(TX2, add(TX2, BUFFERS + 77, sizeof(bytes))), 0);
	expect(fd, bytes, sizeof(bytes));
	ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	for (uint32_t done = 0, len; done < sizeof(bytes); done += len) {
		uint8_t got[700];

		head = add(RX2, BUFFERS + 9999, sizeof(got));
		len = await_used(RX2, head);
		ck_assert_uint_le(done + len, sizeof(bytes));
		mem_read(h, BUFFERS + 9999, got, len);
		ck_assert_int_eq(memcmp(got, bytes + done, len), 0);
	}
	close(fd);
	end();
	leave_dir();
}
END_TEST

/* --- the terminal ---------------------------------------------------------------------------- */

/* Standard input and output on a terminal of the test's. */
static int terminal, saved[2];

static void set_up_terminal(void)
{
	struct winsize size = {.ws_col = 80, .ws_row = 24};
	char name[64];
	int far;

	enter_dir();
	fflush(stdout);
	terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_eq(grantpt(terminal) | unlockpt(terminal), 0);
	ck_assert_int_eq(ptsname_r(terminal, name, sizeof(name)), 0);
	far = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_eq(ioctl(terminal, TIOCSWINSZ, &size), 0);
	for (int fd = 0; fd < 2; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		dup2(far, fd);
	}
	close(far);
}

static void tear_down_terminal(void)
{
	end();
	for (int fd = 0; fd < 2; fd++) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	close(terminal);
	leave_dir();
}

static void resize(unsigned short cols, unsigned short rows)
{
	struct winsize size = {.ws_col = cols, .ws_row = rows};

	ck_assert_int_eq(ioctl(terminal, TIOCSWINSZ, &size), 0);
	chardev_winch(chardev_stdio());
}

START_TEST(size_in_the_configuration)
{
	uint32_t generation;

	begin("stdio");
	driver_start(h, FEATURE(VIRTIO_CONSOLE_F_SIZE));
	ck_assert_uint_eq(h->features & FEATURE(VIRTIO_CONSOLE_F_MULTIPORT), 0);
	ck_assert_uint_ne(h->features & FEATURE(VIRTIO_CONSOLE_F_SIZE), 0);
	ck_assert_uint_eq(reg_read(h, CONFIG(cols)), 24 << 16 | 80);
	generation = reg_read(h, VIRTIO_MMIO_CONFIG_GENERATION);
	resize(132, 50);
	for (unsigned int i = 0; reg_read(h, CONFIG(cols)) != (50 << 16 | 132); i++) {
		ck_assert_uint_lt(i, TIMEOUT_MS);
		usleep(1000);
	}
	ck_assert_uint_ne(reg_read(h, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	ck_assert_uint_ne(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG, 0);
}
END_TEST

START_TEST(size_in_a_message)
{
	static const uint8_t first[] = {80, 0, 24, 0}, second[] = {0x2c, 1, 50, 0};

	begin("stdio,port=x:null");
	tell(0, VIRTIO_CONSOLE_PORT_READY, 1);
	expect_message(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, "", 0);
	expect_message(0, VIRTIO_CONSOLE_RESIZE, 1, first, 4);
	expect_message(0, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	resize(300, 50);
	expect_message(0, VIRTIO_CONSOLE_RESIZE, 1, second, 4);
}
END_TEST

START_TEST(emergency_write)
{
	begin("stdio");
	ck_assert_uint_ne(h->dev->offered & FEATURE(VIRTIO_CONSOLE_F_EMERG_WRITE), 0);
	ck_assert_uint_eq(h->dev->offered & FEATURE(VIRTIO_CONSOLE_F_MULTIPORT), 0);
	reg_write(h, CONFIG(emerg_wr), 'P');
	reg_write(h, CONFIG(max_nr_ports), 'x');
	reg_write(h, CONFIG(emerg_wr), 'Q');
	expect(terminal, "PQ", 2);
	ck_assert_uint_eq(reg_read(h, CONFIG(max_nr_ports)), 1);
	/* Where there is no driver yet, or none any more, too. */
	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	reg_write(h, CONFIG(emerg_wr), 'R');
	reg_write(h, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	reg_write(h, CONFIG(emerg_wr), 'S');
	reg_write(h, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_FAILED);
	reg_write(h, CONFIG(emerg_wr), 'T');
	expect(terminal, "RST", 3);
}
END_TEST

/* What knows nothing of rings, for both of them. */
static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_is_offered);
	tcase_add_test(tc, messages_when_ports_come_up);
	tcase_add_test(tc, bytes_of_each_port);
	tcase_add_test(tc, input_waits_until_the_guest_opens_the_port);
	tcase_add_test(tc, flood_of_messages);
	tcase_add_test(tc, messages_that_make_no_sense);
	tcase_add_test(tc, message_that_does_not_fit);
	tcase_add_test(tc, driver_of_one_port);
	tcase_add_test(tc, queue_reset_with_chains_in_flight);
	tcase_add_test(tc, client_that_leaves_frees_the_chain);
}

Suite *console_ports_suite(void)
{
	Suite *suite = suite_create("console_ports");
	TCase *tc = tcase_create("console_ports");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	tc = tcase_create("ports on packed rings");
	tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	tc = tcase_create("ports on many cuttings");
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, cuttings, 0, 40);
	suite_add_tcase(suite, tc);
	tc = tcase_create("console on a terminal");
	tcase_add_checked_fixture(tc, set_up_terminal, tear_down_terminal);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, size_in_the_configuration);
	tcase_add_test(tc, size_in_a_message);
	tcase_add_test(tc, emergency_write);
	suite_add_tcase(suite, tc);
	return suite;
}
