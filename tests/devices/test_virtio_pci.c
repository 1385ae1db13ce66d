/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a virtio-pci function has in its BAR: registers as wide as they are, vectors and MSI-X with
 * its masks, the interrupt status, notifications through eventfds; and a guest that writes anything
 * anywhere. The status machine is test_mmio.c's, on both transports.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <unistd.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define NO_VECTOR   VIRTIO_MSI_NO_VECTOR
#define COMMON_SIZE 60
#define Q_RESET     58
#define MASTER      (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
#define MASKALL     PCI_MSIX_FLAGS_MASKALL
#define ENABLE      PCI_MSIX_FLAGS_ENABLE

static struct harness harness;
static struct harness *const h = &harness;

static void set_up(void)
{
	struct cutting whole = cutting_whole();

	driver_use_pci(true);
	harness_blk(h, &whole, 8, "");
	cutting_free(&whole);
}

static void tear_down(void)
{
	harness_free(h);
	driver_use_pci(false);
}

static unsigned int sent(void)
{
	return __atomic_load_n(&h->irq.count, __ATOMIC_SEQ_CST);
}

static void request(void)
{
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 1, BUFFERS, 512, NULL), VIRTIO_BLK_S_OK);
}

/* --- registers ---------------------------------------------------------------------------------- */

/* Fields, as the specification lists them. */
static const struct {
	uint8_t offset, width;
	bool writable;
} fields[] = {
	{0, 4, true},   {4, 4, false}, {8, 4, true},   {12, 4, true}, {16, 2, true},
	{18, 2, false}, {20, 1, true}, {21, 1, false}, {22, 2, true}, {24, 2, true},
	{26, 2, true},  {28, 2, true}, {30, 2, false}, {32, 4, true}, {36, 4, true},
	{40, 4, true},  {44, 4, true}, {48, 4, true},  {52, 4, true}, {58, 2, true},
};

static bool is_field(uint32_t offset, unsigned int len)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].offset == offset && fields[i].width == len)
			return true;
	}
	return false;
}

static void snapshot(uint64_t *values)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		values[i] = pci_bar(h, fields[i].offset, fields[i].width);
}

START_TEST(fields_are_as_wide_as_they_are)
{
	uint64_t before[sizeof(fields) / sizeof(fields[0])], after[sizeof(before) / 8];

	ck_assert(driver_negotiate(h, VERSION_1));
	snapshot(before);
	for (uint32_t offset = 0; offset < COMMON_SIZE + 8; offset++) {
		for (unsigned int len = 1; len <= 8; len *= 2) {
			if (is_field(offset, len))
				continue;
			pci_set_bar(h, offset, len, UINT64_C(0x0101010101010101));
			ck_assert_uint_eq(pci_bar(h, offset, len), 0);
		}
	}
	/* What only can be read. */
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!fields[i].writable)
			pci_set_bar(h, fields[i].offset, fields[i].width, 0x5a5a5a5a);
	}
	snapshot(after);
	ck_assert_mem_eq(before, after, sizeof(before));
}
END_TEST

START_TEST(queue_fields_read_back)
{
	ck_assert(driver_negotiate(h, VERSION_1));
	/* The device's largest until the driver says less. */
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_SIZE, 2), 512);
	for (uint32_t at = VIRTIO_PCI_COMMON_Q_DESCLO; at <= VIRTIO_PCI_COMMON_Q_USEDHI; at += 4) {
		pci_set_bar(h, at, 4, 0x1000 + at);
		ck_assert_uint_eq(pci_bar(h, at, 4), 0x1000 + at);
	}
	pci_set_bar(h, VIRTIO_PCI_COMMON_Q_SIZE, 2, 32);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_SIZE, 2), 32);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_NOFF, 2), 0);
	pci_set_bar(h, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_GF, 4), VERSION_1 >> 32);
	pci_set_bar(h, VIRTIO_PCI_COMMON_GFSELECT, 4, 2);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_GF, 4), 0);
	/* A reset forgets all of it. */
	pci_set_bar(h, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_GFSELECT, 4), 0);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_SIZE, 2), 512);
	for (uint32_t at = VIRTIO_PCI_COMMON_Q_DESCLO; at <= VIRTIO_PCI_COMMON_Q_USEDHI; at += 4)
		ck_assert_uint_eq(pci_bar(h, at, 4), 0);
	assert_works(h);
}
END_TEST

START_TEST(absent_queue)
{
	driver_start(h, 0);
	for (uint32_t queue = 1; queue < 0x10000; queue += 0x1fff) {
		pci_set_bar(h, VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
		for (uint32_t at = VIRTIO_PCI_COMMON_Q_SIZE; at < COMMON_SIZE; at += 2)
			pci_set_bar(h, at, at < VIRTIO_PCI_COMMON_Q_DESCLO ? 2 : 4, 1);
		ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
		ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	}
	request();
}
END_TEST

/* Not even a driver that must not can stop a queue by its enable field. */
START_TEST(enable_is_for_ever)
{
	driver_start(h, FEATURE(VIRTIO_F_RING_RESET));
	pci_set_bar(h, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	request();
	pci_set_bar(h, Q_RESET, 2, 1);
	ck_assert_uint_eq(pci_bar(h, Q_RESET, 2), 0);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	driver_clear_rings(h, &h->queues[0]);
	driver_set_queue(h, &h->queues[0]);
	request();
}
END_TEST

/* --- interrupts --------------------------------------------------------------------------------- */

/* 128 vectors are more than any device has queues; those that are not there read back as none. */
START_TEST(vectors_that_do_not_exist)
{
	static const uint32_t fields_of_vectors[] = {VIRTIO_PCI_COMMON_MSIX,
						     VIRTIO_PCI_COMMON_Q_MSIX};
	uint32_t count = (pci_config(h, HARNESS_MSIX + PCI_MSIX_FLAGS, 2) & 0x7ff) + 1;

	ck_assert_uint_eq(count, 2);
	for (size_t i = 0; i < 2; i++) {
		uint32_t at = fields_of_vectors[i];

		ck_assert_uint_eq(pci_bar(h, at, 2), NO_VECTOR);
		pci_set_bar(h, at, 2, count - 1);
		ck_assert_uint_eq(pci_bar(h, at, 2), count - 1);
		pci_set_bar(h, at, 2, count);
		ck_assert_uint_eq(pci_bar(h, at, 2), NO_VECTOR);
		pci_set_bar(h, at, 2, 0);
		pci_set_bar(h, at, 2, NO_VECTOR);
		ck_assert_uint_eq(pci_bar(h, at, 2), NO_VECTOR);
		pci_set_bar(h, at, 2, 1);
	}
	pci_set_bar(h, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
	ck_assert_uint_eq(pci_bar(h, VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
}
END_TEST

/* Each cause has its message: here of a device with two queues. */
START_TEST(each_queue_has_its_message)
{
	struct cutting whole = cutting_whole();
	struct harness own;
	uint32_t head, len;

	harness_new(&own, &whole, type_named("console"), "null", NULL);
	cutting_free(&whole);
	driver_start(&own, 0);
	driver_add(&own, &own.queues[1], &(struct buffer){BUFFERS, 10, false}, 1, 0);
	driver_kick(&own, &own.queues[1]);
	ck_assert(driver_used(&own, &own.queues[1], &head, &len));
	ck_assert_uint_eq(own.irq.count, 1);
	ck_assert_uint_eq(own.pci.messages[0], HARNESS_VECTOR + 2);
	ck_assert_uint_eq(own.pci.last_address, 0xfee00000);
	/* A message says all there is to say; a change of the configuration is in the status too. */
	ck_assert_uint_eq(pci_bar(&own, HARNESS_ISR, 1), 0);
	put_avail(&own, &own.queues[1], 999);
	driver_kick(&own, &own.queues[1]);
	ck_assert_uint_eq(own.irq.count, 2);
	ck_assert_uint_eq(own.pci.messages[1], HARNESS_VECTOR);
	ck_assert_uint_eq(pci_bar(&own, HARNESS_ISR, 1), VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_eq(pci_bar(&own, HARNESS_ISR, 1), 0);
	harness_free(&own);
}
END_TEST

START_TEST(no_vector_no_message)
{
	driver_start(h, 0);
	pci_set_bar(h, VIRTIO_PCI_COMMON_Q_MSIX, 2, NO_VECTOR);
	request();
	ck_assert_uint_eq(sent(), 0);
	pci_set_bar(h, VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	request();
	ck_assert_uint_eq(sent(), 1);
}
END_TEST

static void mask(unsigned int vector, bool masked)
{
	pci_set_bar(h, HARNESS_TABLE + vector * 16 + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, masked);
}

static uint64_t pending(void)
{
	return pci_bar(h, HARNESS_PBA, 8);
}

/* What came while it was masked is sent once, with the message as it is by then. */
START_TEST(masked_is_pending)
{
	driver_start(h, 0);
	mask(1, true);
	request();
	request();
	ck_assert_uint_eq(sent(), 0);
	ck_assert_uint_eq(pending(), 2);
	ck_assert_uint_eq(pci_bar(h, HARNESS_PBA, 4), 2);
	ck_assert_uint_eq(pci_bar(h, HARNESS_PBA + 4, 4), 0);
	/* The system's to read. */
	pci_set_bar(h, HARNESS_PBA, 8, 0);
	ck_assert_uint_eq(pending(), 2);
	pci_set_bar(h, HARNESS_TABLE + 16 + PCI_MSIX_ENTRY_DATA, 4, 0x77);
	mask(0, true);
	mask(0, false);
	ck_assert_uint_eq(sent(), 0);
	mask(1, false);
	ck_assert_uint_eq(sent(), 1);
	ck_assert_uint_eq(h->pci.messages[0], 0x77);
	ck_assert_uint_eq(pending(), 0);
	mask(1, true);
	mask(1, false);
	ck_assert_uint_eq(sent(), 1);
}
END_TEST

START_TEST(all_masked_at_once)
{
	const unsigned int flags = HARNESS_MSIX + PCI_MSIX_FLAGS;

	driver_start(h, 0);
	pci_set_config(h, flags, 2, ENABLE | MASKALL);
	request();
	ck_assert_uint_eq(sent(), 0);
	ck_assert_uint_eq(pending(), 2);
	mask(1, true);
	pci_set_config(h, flags, 2, ENABLE);
	ck_assert_uint_eq(sent(), 0);
	pci_set_config(h, flags, 2, ENABLE | MASKALL);
	mask(1, false);
	ck_assert_uint_eq(sent(), 0);
	pci_set_config(h, flags, 2, ENABLE);
	ck_assert_uint_eq(sent(), 1);
	ck_assert_uint_eq(pending(), 0);
}
END_TEST

/* A message is a write to memory. */
START_TEST(messages_need_a_bus_master)
{
	driver_start(h, 0);
	mask(1, true);
	request();
	pci_set_config(h, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	mask(1, false);
	ck_assert_uint_eq(sent(), 0);
	ck_assert_uint_eq(pending(), 2);
	pci_set_config(h, PCI_COMMAND, 2, MASTER);
	ck_assert_uint_eq(sent(), 1);
}
END_TEST

START_TEST(reset_takes_back_what_is_pending)
{
	driver_start(h, 0);
	mask(1, true);
	request();
	ck_assert_uint_eq(pending(), 2);
	pci_set_bar(h, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	ck_assert_uint_eq(pending(), 0);
	mask(1, false);
	ck_assert_uint_eq(sent(), 0);
}
END_TEST

/* Without MSI-X the driver polls the interrupt status. */
START_TEST(without_messages)
{
	driver_start(h, 0);
	pci_set_config(h, HARNESS_MSIX + PCI_MSIX_FLAGS, 2, 0);
	request();
	ck_assert_uint_eq(sent(), 0);
	ck_assert_uint_eq(pending(), 0);
	ck_assert(pci_config(h, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	ck_assert_uint_eq(pci_bar(h, HARNESS_ISR + 1, 1), 0);
	ck_assert_uint_eq(pci_bar(h, HARNESS_ISR, 4), VIRTIO_MMIO_INT_VRING);
	ck_assert_uint_eq(pci_bar(h, HARNESS_ISR, 1), 0);
	ck_assert(!(pci_config(h, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	/* What came meanwhile is not a message later. */
	request();
	pci_set_config(h, HARNESS_MSIX + PCI_MSIX_FLAGS, 2, ENABLE);
	ck_assert_uint_eq(sent(), 0);
	ck_assert(!(pci_config(h, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	request();
	ck_assert_uint_eq(sent(), 1);
}
END_TEST

START_TEST(table_is_accessed_by_words)
{
	for (uint32_t at = 0; at < 64; at++) {
		for (unsigned int len = 1; len <= 8; len *= 2) {
			if (len >= 4 && at % len == 0 && at + len <= 32)
				continue;
			pci_set_bar(h, HARNESS_TABLE + at, len, UINT64_MAX);
			ck_assert_uint_eq(pci_bar(h, HARNESS_TABLE + at, len), 0);
		}
	}
	for (uint32_t vector = 0; vector < 2; vector++) {
		uint32_t at = HARNESS_TABLE + vector * 16;

		ck_assert_uint_eq(pci_bar(h, at, 8), 0xfee00000);
		ck_assert_uint_eq(pci_bar(h, at + 8, 8), HARNESS_VECTOR + vector);
		pci_set_bar(h, at + 8, 8, UINT64_MAX);
		ck_assert_uint_eq(pci_bar(h, at + 8, 8), UINT64_C(0x1ffffffff));
	}
}
END_TEST

/* --- notifications through an eventfd ----------------------------------------------------------- */

struct test_notify {
	struct notify_line line;
	uint64_t offset; /* 0: not attached */
	int eventfd;
	unsigned int detached;
};

static int attach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		  int eventfd)
{
	struct test_notify *notify = (struct test_notify *)line;

	ck_assert_uint_eq(len, 2);
	ck_assert_uint_eq(value, 0);
	ck_assert_uint_eq(notify->offset, 0);
	notify->offset = offset;
	notify->eventfd = eventfd;
	return 0;
}

static void detach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		   int eventfd)
{
	struct test_notify *notify = (struct test_notify *)line;

	ck_assert_uint_eq(len, 2);
	ck_assert_uint_eq(value, 0);
	ck_assert_uint_eq(offset, notify->offset);
	ck_assert_int_eq(eventfd, notify->eventfd);
	notify->offset = 0;
	notify->detached++;
}

START_TEST(notify_line_follows_the_bar)
{
	struct test_notify notify = {.line = {attach, detach}};
	struct cutting whole = cutting_whole();
	const uint32_t home = HARNESS_WINDOW + HARNESS_SLOT * VIRTIO_PCI_BAR_SIZE;
	struct harness own;
	uint64_t one = 1;
	uint32_t head, len;

	harness_new(&own, &whole, type_named("rng"), NULL, &notify.line);
	cutting_free(&whole);
	ck_assert(driver_negotiate(&own, VERSION_1));
	ck_assert_uint_eq(notify.offset, 0);
	driver_start(&own, 0);
	ck_assert_uint_eq(notify.offset, home + HARNESS_NOTIFY);
	pci_set_config(&own, PCI_BASE_ADDRESS_0, 4, HARNESS_WINDOW);
	ck_assert_uint_eq(notify.offset, HARNESS_WINDOW + HARNESS_NOTIFY);
	driver_add(&own, &own.queues[0], &(struct buffer){BUFFERS, 100, true}, 1, 0);
	ck_assert_int_eq(write(notify.eventfd, &one, sizeof(one)), sizeof(one));
	ck_assert_int_eq(loop_turn(own.loop, 0), 0);
	ck_assert(driver_used(&own, &own.queues[0], &head, &len));
	ck_assert_uint_eq(len, 100);
	/* Nowhere, and back. */
	pci_set_config(&own, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	ck_assert_uint_eq(notify.offset, 0);
	pci_set_config(&own, PCI_COMMAND, 2, MASTER);
	ck_assert_uint_eq(notify.offset, HARNESS_WINDOW + HARNESS_NOTIFY);
	reg_write(&own, VIRTIO_MMIO_STATUS, 0);
	ck_assert_uint_eq(notify.offset, 0);
	driver_start(&own, 0);
	harness_free(&own);
	ck_assert_uint_eq(notify.detached, 4);
}
END_TEST

/* The address says which queue. What is too narrow or beside it is no notification. */
START_TEST(notifications_out_of_place)
{
	struct driver_queue *q = &h->queues[0];
	uint32_t head, len;

	driver_start(h, 0);
	blk_put_header(h, BUFFERS, VIRTIO_BLK_T_IN, 2);
	driver_add(h, q,
		   (struct buffer[]){{BUFFERS, 16, false},
				     {BUFFERS + 512, 512, true},
				     {BUFFERS + 1024, 1, true}},
		   3, 0);
	pci_set_bar(h, HARNESS_NOTIFY, 1, 0);
	pci_set_bar(h, HARNESS_NOTIFY + 1, 2, 0);
	for (uint32_t at = 4; at < 0x1000; at += 4)
		pci_set_bar(h, HARNESS_NOTIFY + at, 2, 0);
	harness_settle(h);
	ck_assert(!driver_used(h, q, &head, &len));
	ck_assert_uint_eq(pci_bar(h, HARNESS_NOTIFY, 2), 0);
	pci_set_bar(h, HARNESS_NOTIFY, 4, 0);
	driver_await(h, q, &head, &len);
	ck_assert_uint_eq(len, 513);
}
END_TEST

/* --- anything anywhere -------------------------------------------------------------------------- */

#define ROUNDS   20
#define ACCESSES 4000

static uint64_t some_value(struct test_random *random)
{
	static const uint64_t likely[] = {0,      1,      2,          4,       0xf,
					  0xffff, 0x8000, UINT64_MAX, BUFFERS, RAM_BASE};

	return test_random_below(random, 3) ? likely[test_random_below(random, 10)]
					    : test_random(random);
}

static void access_somewhere(struct test_random *random)
{
	static const struct bus_ops *const ops[] = {&pci_ecam_bus_ops, &pci_ports_bus_ops,
						    &pci_window_bus_ops};
	static const uint64_t sizes[] = {PCI_ECAM_SIZE, PCI_PORTS, HARNESS_WINDOW_SIZE};
	/* Mostly where something is. */
	const uint64_t there[] = {HARNESS_SLOT << 15, 0,
				  HARNESS_SLOT * (uint64_t)VIRTIO_PCI_BAR_SIZE};
	static const uint64_t near[] = {PCI_CONFIG_SIZE, PCI_PORTS, VIRTIO_PCI_BAR_SIZE};
	unsigned int which = (unsigned int)test_random_below(random, 3);
	unsigned int len = 1U << test_random_below(random, 4);
	uint64_t at, value = some_value(random);

	at = test_random_below(random, 8) ? there[which] + test_random_below(random, near[which])
					  : test_random_below(random, sizes[which]);
	if (which == 2 && test_random_below(random, 2))
		at = there[which] + test_random_below(random, COMMON_SIZE);
	if (len > sizes[which] - at)
		return;
	if (test_random_below(random, 3))
		ops[which]->write(&h->pci.bus, at, &value, len);
	else
		ops[which]->read(&h->pci.bus, at, &value, len);
}

START_TEST(anything_anywhere)
{
	struct test_random random = test_random_new(0x9c1);

	for (unsigned int round = 0; round < ROUNDS; round++) {
		driver_start(h, FEATURE(VIRTIO_F_RING_RESET));
		for (unsigned int i = 0; i < ACCESSES; i++)
			access_somewhere(&random);
		pci_reset(&h->pci.bus);
		harness_switch_on(h);
		assert_works(h);
	}
}
END_TEST

Suite *virtio_pci_suite(void)
{
	Suite *suite = suite_create("virtio_pci");
	TCase *tc = tcase_create("virtio_pci");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, fields_are_as_wide_as_they_are);
	tcase_add_test(tc, queue_fields_read_back);
	tcase_add_test(tc, absent_queue);
	tcase_add_test(tc, enable_is_for_ever);
	tcase_add_test(tc, vectors_that_do_not_exist);
	tcase_add_test(tc, each_queue_has_its_message);
	tcase_add_test(tc, no_vector_no_message);
	tcase_add_test(tc, masked_is_pending);
	tcase_add_test(tc, all_masked_at_once);
	tcase_add_test(tc, messages_need_a_bus_master);
	tcase_add_test(tc, reset_takes_back_what_is_pending);
	tcase_add_test(tc, without_messages);
	tcase_add_test(tc, table_is_accessed_by_words);
	tcase_add_test(tc, notify_line_follows_the_bar);
	tcase_add_test(tc, notifications_out_of_place);
	tcase_add_test(tc, anything_anywhere);
	suite_add_tcase(suite, tc);
	return suite;
}
