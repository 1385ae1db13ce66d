/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The PCI bus and a virtio function on it as a system finds them: configuration space both ways,
 * capabilities, BAR sizing and moves, memory and bus master enable. Registers and interrupts of the
 * function are test_virtio_pci.c's.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define BAR_SIZE    VIRTIO_PCI_BAR_SIZE
#define BAR_HOME    (HARNESS_WINDOW + HARNESS_SLOT * BAR_SIZE)
#define CAP_PCI_CFG 0x98

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

static uint64_t ecam(unsigned int slot, unsigned int number, unsigned int offset, unsigned int len)
{
	uint64_t value = 0;

	pci_ecam_bus_ops.read(&h->pci.bus, slot << 15 | number << 12 | offset, &value, len);
	return le64toh(value);
}

static uint32_t port_read(uint64_t port, unsigned int len)
{
	uint32_t value = 0;

	pci_ports_bus_ops.read(&h->pci.bus, port, &value, len);
	return le32toh(value);
}

static void port_write(uint64_t port, uint32_t value, unsigned int len)
{
	value = htole32(value);
	pci_ports_bus_ops.write(&h->pci.bus, port, &value, len);
}

static uint64_t ones(unsigned int len)
{
	return len == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * len) - 1;
}

/* What somebody finds at an address of the window. */
static uint32_t window(uint32_t address, unsigned int len)
{
	uint32_t value = 0;

	pci_window_bus_ops.read(&h->pci.bus, address - HARNESS_WINDOW, &value, len);
	return le32toh(value);
}

static uint32_t status_at(uint32_t bar)
{
	return window(bar + VIRTIO_PCI_COMMON_STATUS, 1);
}

/* --- configuration space ---------------------------------------------------------------------- */

START_TEST(absent_functions_are_all_ones)
{
	for (unsigned int slot = 0; slot < PCI_SLOTS; slot++) {
		for (unsigned int number = 0; number < 8; number++) {
			bool there = number == 0 && (slot == 0 || slot == HARNESS_SLOT);

			ck_assert_int_eq(ecam(slot, number, PCI_VENDOR_ID, 4) != UINT32_MAX, there);
		}
	}
	pci_ecam_bus_ops.write(&h->pci.bus, 1 << 15, "\0\0\0\0", 4);
	ck_assert_uint_eq(ecam(1, 0, 0, 4), UINT32_MAX);
	ck_assert_uint_eq(ecam(0, 0, PCI_CLASS_REVISION, 4), 0x06000000);
}
END_TEST

/* What is no register, or not accessed as one, reads as ones and is not written. */
START_TEST(only_registers_answer)
{
	for (unsigned int len = 1; len <= 8; len *= 2) {
		for (unsigned int offset = 0; offset + len <= 4096; offset++) {
			bool may = len <= 4 && offset % len == 0 && offset + len <= PCI_CONFIG_SIZE;
			uint64_t want = 0;

			for (unsigned int i = 0; may && i < len; i++)
				want |= ecam(HARNESS_SLOT, 0, offset + i, 1) << 8 * i;
			ck_assert_uint_eq(ecam(HARNESS_SLOT, 0, offset, len), may ? want : ones(len));
		}
	}
	pci_ecam_bus_ops.write(&h->pci.bus, HARNESS_SLOT << 15 | (PCI_COMMAND - 1), "\0\0", 2);
	pci_ecam_bus_ops.write(&h->pci.bus, HARNESS_SLOT << 15 | PCI_COMMAND, "\0\0\0\0\0\0\0\0", 8);
	ck_assert_uint_eq(pci_config(h, PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}
END_TEST

START_TEST(ports_reach_the_same_registers)
{
	const uint32_t base = 0x80000000 | HARNESS_SLOT << 11;

	for (unsigned int offset = 0; offset < PCI_CONFIG_SIZE; offset += 4) {
		port_write(0, base | offset, 4);
		ck_assert_uint_eq(port_read(0, 4), base | offset);
		ck_assert_uint_eq(port_read(4, 4), pci_config(h, offset, 4));
		ck_assert_uint_eq(port_read(6, 2), pci_config(h, offset + 2, 2));
		ck_assert_uint_eq(port_read(7, 1), pci_config(h, offset + 3, 1));
		/* Not aligned, or in part the address register. */
		ck_assert_uint_eq(port_read(5, 2), 0xffff);
		ck_assert_uint_eq(port_read(2, 2), 0xffff);
	}
	port_write(0, base | PCI_INTERRUPT_LINE, 4);
	port_write(4, 0x5a, 1);
	ck_assert_uint_eq(pci_config(h, PCI_INTERRUPT_LINE, 1), 0x5a);
	/* Bits that do not exist; the register takes 32 bits at once only. */
	port_write(0, UINT32_MAX, 4);
	ck_assert_uint_eq(port_read(0, 4), 0x80fffffc);
	port_write(0, 0, 2);
	port_write(1, 0, 1);
	ck_assert_uint_eq(port_read(0, 4), 0x80fffffc);
	/* Another bus, another function, the enable bit off. */
	port_write(0, base | 1 << 16, 4);
	ck_assert_uint_eq(port_read(4, 4), UINT32_MAX);
	port_write(0, base | 1 << 8, 4);
	ck_assert_uint_eq(port_read(4, 4), UINT32_MAX);
	port_write(0, base & ~0x80000000, 4);
	ck_assert_uint_eq(port_read(4, 4), UINT32_MAX);
	port_write(4, 0, 4);
	ck_assert_uint_eq(pci_config(h, PCI_INTERRUPT_LINE, 1), 0x5a);
}
END_TEST

START_TEST(identity)
{
	ck_assert_uint_eq(pci_config(h, PCI_VENDOR_ID, 2), 0x1af4);
	ck_assert_uint_eq(pci_config(h, PCI_DEVICE_ID, 2), 0x1040 + VIRTIO_ID_BLOCK);
	ck_assert_uint_ge(pci_config(h, PCI_REVISION_ID, 1), 1);
	ck_assert_uint_eq(pci_config(h, PCI_CLASS_DEVICE, 2), 0x0180);
	ck_assert_uint_eq(pci_config(h, PCI_HEADER_TYPE, 1), 0);
	ck_assert_uint_eq(pci_config(h, PCI_SUBSYSTEM_VENDOR_ID, 2), 0x1af4);
	ck_assert_uint_ge(pci_config(h, PCI_SUBSYSTEM_ID, 2), 0x40);
	ck_assert_uint_eq(pci_config(h, PCI_INTERRUPT_PIN, 1), 0);
	ck_assert(pci_config(h, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
}
END_TEST

/* Everything is written with ones and zeros; only what a system has to change does change. */
START_TEST(the_rest_is_read_only)
{
	static const struct {
		unsigned int offset;
		uint32_t writable;
	} changes[] = {
		{PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE},
		{PCI_CACHE_LINE_SIZE, 0xff},
		{PCI_BASE_ADDRESS_0, ~(BAR_SIZE - 1U)},
		{PCI_INTERRUPT_LINE, 0xff},
		{HARNESS_MSIX, (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) << 16},
		{CAP_PCI_CFG + VIRTIO_PCI_CAP_BAR, 0xff},
		{CAP_PCI_CFG + VIRTIO_PCI_CAP_OFFSET, UINT32_MAX},
		{CAP_PCI_CFG + VIRTIO_PCI_CAP_LENGTH, UINT32_MAX},
		{CAP_PCI_CFG + 16, UINT32_MAX},
	};

	for (unsigned int offset = 0; offset < PCI_CONFIG_SIZE; offset += 4) {
		uint32_t writable = 0, before;

		for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
			writable |= changes[i].offset == offset ? changes[i].writable : 0;
		before = pci_config(h, offset, 4);
		pci_set_config(h, offset, 4, UINT32_MAX);
		ck_assert_uint_eq(pci_config(h, offset, 4), before | writable);
		pci_set_config(h, offset, 4, 0);
		/* What is read where an access is described badly says nothing. */
		if (offset != CAP_PCI_CFG + 16)
			ck_assert_uint_eq(pci_config(h, offset, 4), before & ~writable);
		pci_set_config(h, offset, 4, before);
	}
}
END_TEST

/* --- capabilities ------------------------------------------------------------------------------- */

/* Walk the chain; *types has a bit for each virtio structure. Its length is the number of links. */
static unsigned int walk(struct harness *own, unsigned int *types)
{
	uint8_t seen[PCI_CONFIG_SIZE] = {0};
	unsigned int links = 0;

	*types = 0;
	for (uint32_t at = pci_config(own, PCI_CAPABILITY_LIST, 1); at; links++) {
		uint32_t id = pci_config(own, at, 1), len = id == PCI_CAP_ID_MSIX ? 12 : 0;
		uint32_t type, offset, size;

		ck_assert_uint_eq(at % 4, 0);
		ck_assert_uint_ge(at, 0x40);
		if (id == PCI_CAP_ID_VNDR) {
			len = pci_config(own, at + VIRTIO_PCI_CAP_LEN, 1);
			type = pci_config(own, at + VIRTIO_PCI_CAP_CFG_TYPE, 1);
			offset = pci_config(own, at + VIRTIO_PCI_CAP_OFFSET, 4);
			size = pci_config(own, at + VIRTIO_PCI_CAP_LENGTH, 4);
			ck_assert_uint_ge(len, 16);
			ck_assert_uint_eq(pci_config(own, at + VIRTIO_PCI_CAP_BAR, 1), 0);
			ck_assert_uint_le((uint64_t)offset + size, BAR_SIZE);
			ck_assert(type == VIRTIO_PCI_CAP_PCI_CFG || size);
			ck_assert(!(*types & 1U << type));
			*types |= 1U << type;
		}
		ck_assert_uint_ne(len, 0);
		for (uint32_t i = 0; i < len; i++)
			ck_assert_uint_eq(seen[at + i]++, 0);
		at = pci_config(own, at + PCI_CAP_LIST_NEXT, 1);
	}
	return links;
}

#define ALL_TYPES 0x3e /* COMMON to PCI_CFG */

START_TEST(chain_is_well_formed)
{
	struct cutting whole = cutting_whole();
	struct harness rng;
	unsigned int types;

	ck_assert_uint_eq(walk(h, &types), 6);
	ck_assert_uint_eq(types, ALL_TYPES);
	/* A device without configuration has no structure for it. */
	harness_new(&rng, &whole, type_named("rng"), NULL, NULL);
	ck_assert_uint_eq(walk(&rng, &types), 5);
	ck_assert_uint_eq(types, ALL_TYPES & ~(1U << VIRTIO_PCI_CAP_DEVICE_CFG));
	harness_free(&rng);
	cutting_free(&whole);
}
END_TEST

static void describe(uint32_t bar, uint32_t offset, uint32_t len)
{
	pci_set_config(h, CAP_PCI_CFG + VIRTIO_PCI_CAP_BAR, 1, bar);
	pci_set_config(h, CAP_PCI_CFG + VIRTIO_PCI_CAP_OFFSET, 4, offset);
	pci_set_config(h, CAP_PCI_CFG + VIRTIO_PCI_CAP_LENGTH, 4, len);
}

/* Firmware reaches the BAR without decoding it. */
START_TEST(configuration_access)
{
	pci_set_config(h, PCI_COMMAND, 2, 0);
	describe(0, VIRTIO_PCI_COMMON_STATUS, 1);
	pci_set_config(h, CAP_PCI_CFG + 16, 4, 0xffffff00 | VIRTIO_CONFIG_S_ACKNOWLEDGE);
	ck_assert_uint_eq(pci_config(h, CAP_PCI_CFG + 16, 1), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	describe(0, VIRTIO_PCI_COMMON_NUMQ, 2);
	ck_assert_uint_eq(pci_config(h, CAP_PCI_CFG + 16, 2), 1);
	describe(0, HARNESS_CONFIG, 4);
	ck_assert_uint_eq(pci_config(h, CAP_PCI_CFG + 16, 4), 8);
}
END_TEST

START_TEST(configuration_access_out_of_place)
{
	static const struct {
		uint32_t bar, offset, len;
	} bad[] = {
		{1, 0, 4},
		{0, 0, 0},
		{0, 0, 3},
		{0, 0, 8},
		{0, 0, UINT32_MAX},
		{0, 2, 4},
		{0, BAR_SIZE, 4},
		{0, BAR_SIZE - 1, 2},
		{0, UINT32_MAX, 1},
		{0xff, VIRTIO_PCI_COMMON_STATUS, 1},
		{0, UINT32_MAX - 3, 4},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		describe(bad[i].bar, bad[i].offset, bad[i].len);
		pci_set_config(h, CAP_PCI_CFG + 16, 4, 0x01010101);
		ck_assert_uint_eq(pci_config(h, CAP_PCI_CFG + 16, 4), UINT32_MAX);
	}
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_STATUS), 0);
	assert_works(h);
}
END_TEST

/* --- BARs --------------------------------------------------------------------------------------- */

START_TEST(bar_says_its_size)
{
	ck_assert_uint_eq(pci_config(h, PCI_BASE_ADDRESS_0, 4), BAR_HOME);
	pci_set_config(h, PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
	ck_assert_uint_eq(pci_config(h, PCI_BASE_ADDRESS_0, 4), ~(BAR_SIZE - 1U));
	/* Not decoded meanwhile, and no other BAR is there. */
	ck_assert_uint_eq(window(BAR_HOME, 4), UINT32_MAX);
	for (unsigned int bar = PCI_BASE_ADDRESS_1; bar <= PCI_BASE_ADDRESS_5; bar += 4) {
		pci_set_config(h, bar, 4, UINT32_MAX);
		ck_assert_uint_eq(pci_config(h, bar, 4), 0);
	}
	pci_set_config(h, PCI_ROM_ADDRESS, 4, UINT32_MAX);
	ck_assert_uint_eq(pci_config(h, PCI_ROM_ADDRESS, 4), 0);
	pci_set_config(h, PCI_BASE_ADDRESS_0, 4, BAR_HOME);
	assert_works(h);
}
END_TEST

START_TEST(bar_moves)
{
	const uint32_t elsewhere = HARNESS_WINDOW + HARNESS_WINDOW_SIZE - BAR_SIZE;

	driver_start(h, 0);
	pci_set_config(h, PCI_BASE_ADDRESS_0, 4, elsewhere);
	ck_assert_uint_eq(status_at(BAR_HOME), 0xff);
	ck_assert_uint_eq(status_at(elsewhere), 0xf);
	ck_assert_uint_eq(window(elsewhere + BAR_SIZE - 4, 4), 0);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 1, BUFFERS, 512, NULL), VIRTIO_BLK_S_OK);
	/* Half of it, byte by byte, is an address too. */
	pci_set_config(h, PCI_BASE_ADDRESS_0 + 2, 1, 0);
	ck_assert_uint_eq(status_at(elsewhere), 0xff);
	ck_assert_uint_eq(status_at((elsewhere & ~0xff0000U)), 0xf);
	pci_set_config(h, PCI_BASE_ADDRESS_0, 4, BAR_HOME);
	ck_assert_uint_eq(status_at(BAR_HOME), 0xf);
}
END_TEST

START_TEST(bar_out_of_the_window_is_nowhere)
{
	static const uint32_t outside[] = {0,
					   0x1000000,
					   HARNESS_WINDOW - BAR_SIZE,
					   HARNESS_WINDOW + HARNESS_WINDOW_SIZE,
					   0xfee00000,
					   0xffffc000};

	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		pci_set_config(h, PCI_BASE_ADDRESS_0, 4, outside[i]);
		for (uint32_t at = 0; at < HARNESS_WINDOW_SIZE; at += 4096)
			ck_assert_uint_eq(window(HARNESS_WINDOW + at, 4), UINT32_MAX);
	}
	pci_set_config(h, PCI_BASE_ADDRESS_0, 4, BAR_HOME);
	assert_works(h);
}
END_TEST

START_TEST(memory_enable)
{
	driver_start(h, 0);
	pci_set_config(h, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	ck_assert_uint_eq(status_at(BAR_HOME), 0xff);
	pci_window_bus_ops.write(&h->pci.bus, BAR_HOME + VIRTIO_PCI_COMMON_STATUS - HARNESS_WINDOW,
				 "\0", 1);
	pci_set_config(h, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(status_at(BAR_HOME), 0xf);
}
END_TEST

/* One that may not reach memory takes nothing; what waited is taken when it may again. */
START_TEST(bus_master_enable)
{
	struct driver_queue *q = &h->queues[0];
	uint32_t head, len;

	driver_start(h, 0);
	pci_set_config(h, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	blk_put_header(h, BUFFERS, VIRTIO_BLK_T_IN, 2);
	driver_add(h, q,
		   (struct buffer[]){{BUFFERS, 16, false},
				     {BUFFERS + 512, 512, true},
				     {BUFFERS + 1024, 1, true}},
		   3, 0);
	driver_kick(h, q);
	harness_settle(h);
	ck_assert(!driver_used(h, q, &head, &len));
	ck_assert_uint_eq(h->irq.count, 0);
	pci_set_config(h, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	driver_await(h, q, &head, &len);
	ck_assert_uint_eq(len, 513);
	/* A driver that comes up without it is not served before either. */
	pci_set_config(h, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	driver_start(h, 0);
	driver_add(h, q, &(struct buffer){BUFFERS, 16, false}, 1, 0);
	driver_kick(h, q);
	harness_settle(h);
	ck_assert(!needs_reset(h));
	pci_set_config(h, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	harness_settle(h);
	assert_works(h);
}
END_TEST

static void plain_read(struct pci_function *function, uint32_t offset, void *data, unsigned int len)
{
	(void)function;
	(void)offset;
	memset(data, 0x77, len);
}

static void plain_write(struct pci_function *function, uint32_t offset, const void *data,
			unsigned int len)
{
	(void)function;
	(void)offset;
	(void)data;
	(void)len;
}

static void plain_config(struct pci_function *function, unsigned int offset, unsigned int len)
{
	(void)function;
	(void)offset;
	(void)len;
}

static void plain_reset(struct pci_function *function)
{
	(void)function;
}

static const struct pci_ops plain_ops = {plain_config, plain_config, plain_reset, plain_read,
					 plain_write};

START_TEST(bars_on_top_of_each_other)
{
	static struct pci_function other;

	other = (struct pci_function){.ops = &plain_ops, .bar_size = 16};
	pci_add(&h->pci.bus, HARNESS_SLOT + 1, &other);
	ck_assert_uint_eq(ecam(HARNESS_SLOT + 1, 0, PCI_BASE_ADDRESS_0, 4),
			  HARNESS_WINDOW + (HARNESS_SLOT + 1) * 16);
	pci_ecam_bus_ops.write(&h->pci.bus, (HARNESS_SLOT + 1) << 15 | PCI_COMMAND, "\2\0", 2);
	ck_assert_uint_eq(window(HARNESS_WINDOW + (HARNESS_SLOT + 1) * 16, 4), 0x77777777);
	/* An access belongs to one that has it as a whole. */
	ck_assert_uint_eq(window(HARNESS_WINDOW + (HARNESS_SLOT + 1) * 16 + 14, 4), UINT32_MAX);
	/* The lower slot has it where both are. */
	pci_set_config(h, PCI_BASE_ADDRESS_0, 4, HARNESS_WINDOW);
	ck_assert_uint_ne(window(HARNESS_WINDOW + (HARNESS_SLOT + 1) * 16, 4), 0x77777777);
	pci_set_config(h, PCI_BASE_ADDRESS_0, 4, BAR_HOME);
	ck_assert_uint_eq(window(HARNESS_WINDOW + (HARNESS_SLOT + 1) * 16, 4), 0x77777777);
}
END_TEST

START_TEST(reset_of_the_bus)
{
	uint8_t fresh[PCI_CONFIG_SIZE];

	pci_reset(&h->pci.bus);
	for (unsigned int i = 0; i < PCI_CONFIG_SIZE; i++)
		fresh[i] = (uint8_t)pci_config(h, i, 1);
	ck_assert_uint_eq(pci_config(h, PCI_COMMAND, 2), 0);
	ck_assert_uint_eq(window(BAR_HOME, 4), UINT32_MAX);
	harness_switch_on(h);
	driver_start(h, 0);
	port_write(0, UINT32_MAX, 4);
	describe(1, 2, 3);
	pci_set_config(h, PCI_BASE_ADDRESS_0, 4, HARNESS_WINDOW);
	pci_set_config(h, PCI_INTERRUPT_LINE, 1, 7);
	pci_reset(&h->pci.bus);
	for (unsigned int i = 0; i < PCI_CONFIG_SIZE; i++)
		ck_assert_uint_eq(pci_config(h, i, 1), fresh[i]);
	ck_assert_uint_eq(port_read(0, 4), 0);
	pci_set_config(h, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(status_at(BAR_HOME), 0);
	ck_assert_uint_eq(pci_bar(h, HARNESS_TABLE, 8), 0);
	ck_assert_uint_eq(pci_bar(h, HARNESS_TABLE + 8, 8), UINT64_C(1) << 32);
	harness_switch_on(h);
	assert_works(h);
}
END_TEST

Suite *pci_suite(void)
{
	Suite *suite = suite_create("pci");
	TCase *tc = tcase_create("pci");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, absent_functions_are_all_ones);
	tcase_add_test(tc, only_registers_answer);
	tcase_add_test(tc, ports_reach_the_same_registers);
	tcase_add_test(tc, identity);
	tcase_add_test(tc, the_rest_is_read_only);
	tcase_add_test(tc, chain_is_well_formed);
	tcase_add_test(tc, configuration_access);
	tcase_add_test(tc, configuration_access_out_of_place);
	tcase_add_test(tc, bar_says_its_size);
	tcase_add_test(tc, bar_moves);
	tcase_add_test(tc, bar_out_of_the_window_is_nowhere);
	tcase_add_test(tc, memory_enable);
	tcase_add_test(tc, bus_master_enable);
	tcase_add_test(tc, bars_on_top_of_each_other);
	tcase_add_test(tc, reset_of_the_bus);
	suite_add_tcase(suite, tc);
	return suite;
}
