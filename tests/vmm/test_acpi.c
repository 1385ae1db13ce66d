/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The ACPI tables, walked as a kernel does: checksums, pointers, what is in them; the encoding of
 * AML by hand; and all of it by the reference disassembler where that is installed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/runner.h"
#include "tests/vmm/suites.h"
#include "vmm/acpi.h"
#include "vmm/aml.h"

static const struct acpi_device devices[] = {
	{.name = "COM1", .hid = "PNP0501", .io = 0x3f8, .io_len = 8, .gsi = 4},
	{.name = "VR00", .hid = "LNRO0005", .mmio = 0xfeb00000, .mmio_len = 0x1000, .gsi = 5},
	{.name = "VR01", .hid = "LNRO0005", .uid = 1, .mmio = 0xfeb01000, .mmio_len = 0x1000, .gsi = 6},
};

static const struct acpi_machine machine = {
	.cpus = 300,
	.lapic_base = 0xfee00000,
	.ioapic_base = 0xfec00000,
	.devices = devices,
	.device_count = 3,
	.sleep_control = 0x600,
	.sleep_status = 0x601,
	.reset = 0x602,
	.reset_value = 1,
	.button_gsi = 3,
};

static const struct acpi_pci pci = {
	.ecam = {0xff000000, 0x100000},
	.window = {0xfeb00000, 0x100000},
	.ports = 0xcf8,
	.ports_len = 8,
};

#define BASE 0x7ff0000ULL

static uint8_t *tables;
static size_t tables_len;

static void set_up(void)
{
	ck_assert_int_eq(acpi_build(&machine, BASE, &tables, &tables_len), 0);
}

static void set_up_pci(void)
{
	struct acpi_machine with = machine;

	with.pci = pci;
	ck_assert_int_eq(acpi_build(&with, BASE, &tables, &tables_len), 0);
}

static void tear_down(void)
{
	free(tables);
}

static uint8_t sum(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *data++);
	return sum;
}

static uint64_t number(const uint8_t *at, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

/* The table at @addr: its signature and checksum are right. */
static const uint8_t *table(uint64_t addr, const char *signature)
{
	const uint8_t *at = tables + (addr - BASE);

	ck_assert_uint_ge(addr, BASE);
	ck_assert_uint_lt(addr - BASE, tables_len - 36);
	ck_assert_mem_eq(at, signature, 4);
	ck_assert_uint_le(addr - BASE + number(at + 4, 4), tables_len);
	ck_assert_uint_eq(sum(at, number(at + 4, 4)), 0);
	return at;
}

static const uint8_t *entry(unsigned int index, const char *signature)
{
	const uint8_t *xsdt = table(number(tables + 24, 8), "XSDT");

	ck_assert_uint_lt(36 + 8 * index, number(xsdt + 4, 4));
	return table(number(xsdt + 36 + 8 * index, 8), signature);
}

START_TEST(rsdp)
{
	ck_assert_mem_eq(tables, "RSD PTR ", 8);
	ck_assert_uint_eq(sum(tables, 20), 0);
	ck_assert_uint_eq(sum(tables, 36), 0);
	ck_assert_uint_eq(tables[15], 2);
	ck_assert_uint_eq(number(tables + 20, 4), 36);
	entry(0, "FACP");
	entry(1, "APIC");
	/* And no more: without PCI there is no word of it. */
	ck_assert_uint_eq(number(table(number(tables + 24, 8), "XSDT") + 4, 4), 36 + 2 * 8);
	ck_assert_ptr_null(memmem(tables, tables_len, "PCI0", 4));
	ck_assert_uint_eq(acpi_reserved(&machine).len, 0);
	ck_assert_uint_eq(acpi_reserved(NULL).len, 0);
}
END_TEST

START_TEST(mcfg_has_bus_0)
{
	const uint8_t *mcfg = entry(2, "MCFG");
	struct acpi_machine with = {.pci = pci};

	ck_assert_uint_eq(number(mcfg + 4, 4), 60);
	ck_assert_uint_eq(number(mcfg + 44, 8), 0xff000000);
	ck_assert_uint_eq(number(mcfg + 52, 2), 0);
	ck_assert_uint_eq(mcfg[54], 0);
	ck_assert_uint_eq(mcfg[55], 0);
	ck_assert_uint_eq(acpi_reserved(&with).addr, 0xff000000);
	ck_assert_uint_eq(acpi_reserved(&with).len, 0x100000);
}
END_TEST

static void check_port(const uint8_t *address, uint64_t port)
{
	ck_assert_uint_eq(address[0], 1);
	ck_assert_uint_eq(address[1], 8);
	ck_assert_uint_eq(number(address + 4, 8), port);
}

START_TEST(fadt_is_hardware_reduced)
{
	const uint8_t *fadt = entry(0, "FACP");

	ck_assert_uint_eq(number(fadt + 4, 4), 276);
	ck_assert_uint_eq(number(fadt + 112, 4), 1 | 1 << 4 | 1 << 5 | 1 << 10 | 1 << 20);
	check_port(fadt + 116, 0x602);
	ck_assert_uint_eq(fadt[128], 1);
	check_port(fadt + 244, 0x600);
	check_port(fadt + 256, 0x601);
	table(number(fadt + 140, 8), "DSDT");
}
END_TEST

START_TEST(madt_has_all_processors)
{
	const uint8_t *madt = entry(1, "APIC");
	size_t at = 44, end = number(madt + 4, 4);
	unsigned int cpus = 0, ioapics = 0;

	ck_assert_uint_eq(number(madt + 36, 4), 0xfee00000);
	for (; at < end; at += madt[at + 1]) {
		const uint8_t *structure = madt + at;

		ck_assert_uint_ge(structure[1], 8);
		if (structure[0] == 0) {
			ck_assert_uint_eq(structure[2], cpus);
			ck_assert_uint_eq(structure[3], cpus++);
			ck_assert_uint_eq(number(structure + 4, 4), 1);
		} else if (structure[0] == 9) {
			ck_assert_uint_eq(number(structure + 4, 4), cpus);
			ck_assert_uint_eq(number(structure + 12, 4), cpus++);
			ck_assert_uint_eq(number(structure + 8, 4), 1);
		} else {
			ck_assert_uint_eq(structure[0], 1);
			ck_assert_uint_eq(number(structure + 4, 4), 0xfec00000);
			ck_assert_uint_eq(number(structure + 8, 4), 0);
			ioapics++;
		}
	}
	ck_assert_uint_eq(at, end);
	ck_assert_uint_eq(cpus, 300);
	ck_assert_uint_eq(ioapics, 1);
}
END_TEST

START_TEST(length_is_the_same_everywhere)
{
	uint8_t *other;
	size_t len;

	ck_assert_int_eq(acpi_build(&machine, 0xfffff000, &other, &len), 0);
	ck_assert_uint_eq(len, tables_len);
	free(other);
}
END_TEST

/* Against bytes from the specification's grammar, by hand. */
START_TEST(aml)
{
	static const uint8_t want[] = {
		0x5b, 0x82, 0xce, 0x05, 0,    0,    'D',  'E',  'V',  '0',  /* Device (DEV0) */
		0x08, '_',  'H',  'I',  'D',  0x0c, 0x41, 0xd0, 0x05, 0x01, /* PNP0501 */
		0x08, '_',  'U',  'I',  'D',  0x01,                         /* 1 */
		0x08, 'T',  'E',  'X',  'T',  0x0d, 'a',  'b',  0,          /* "ab" */
		0x08, '_',  'C',  'R',  'S',  0x11, 0xc8, 0x02, 0,    0,    /* a buffer */
		0x0c, 0x1f, 0,    0,    0,                                  /* of 31 bytes */
		0x47, 1,    0xf8, 3,    0xf8, 3,    1,    8,                /* ports */
		0x86, 9,    0,    1,    0,    0,    0xb0, 0xfe, 0,    0x10, 0, 0, /* memory */
		0x89, 6,    0,    3,    1,    4,    0,    0,    0,                /* interrupt */
		0x79, 0,                                                          /* the end */
		0x08, 'B',  'I',  'G',  '0',  0x0b, 0x34, 0x12,                   /* 0x1234 */
		0x08, 'B',  'I',  'G',  '1',  0x0e, 0,    0,    0,    0,    1, 0,
		0,    0, /* 1 << 32 */
	};
	struct aml out = {0};
	aml_mark device = aml_device(&out, "DEV0"), crs;

	aml_name_eisa(&out, "_HID", "PNP0501");
	aml_name_integer(&out, "_UID", 1);
	aml_name_string(&out, "TEXT", "ab");
	crs = aml_resources(&out);
	aml_io(&out, 0x3f8, 8);
	aml_memory32(&out, 0xfeb00000, 0x1000);
	aml_interrupt(&out, 4);
	aml_resources_close(&out, crs);
	aml_name_integer(&out, "BIG0", 0x1234);
	aml_name_integer(&out, "BIG1", 1ULL << 32);
	aml_close(&out, device);
	ck_assert(!out.failed);
	ck_assert_uint_eq(out.len, sizeof(want));
	for (size_t i = 0; i < sizeof(want); i++)
		ck_assert_msg(out.data[i] == want[i] || i == 2 || i == 3, "byte %zu: %#x, not %#x",
			      i, out.data[i], want[i]);
	/* The length of all but the two opcode bytes. */
	ck_assert_uint_eq((out.data[2] & 0xf) | out.data[3] << 4, sizeof(want) - 2);
	free(out.data);
}
END_TEST

/* What the disassembler makes of it; the first is there without PCI too. */
static const char *const words[] = {
	"Device .VR01.",
	"Device .PCI0.",
	"_HID, EisaId .\"PNP0A08\"",
	"_CID, EisaId .\"PNP0A03\"",
	"WordBusNumber .ResourceProducer, MinFixed, MaxFixed, PosDecode",
	"DWordMemory .ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite",
	"0xFEB00000, *// Range Minimum",
	"0xFEBFFFFF, *// Range Maximum",
	"Method ._OSC, 4, Serialized.",
	"Return .Arg3.",
};

#define WORDS (sizeof(words) / sizeof(words[0]))

START_TEST(disassembles)
{
	bool with_pci = memmem(tables, tables_len, "MCFG", 4);
	char dir[] = "/tmp/test-acpi.XXXXXX", path[64], command[256];
	const uint8_t *dsdt = table(number(entry(0, "FACP") + 140, 8), "DSDT");
	FILE *file;

	if (system("command -v iasl >/dev/null 2>&1"))
		TEST_SKIP("no iasl (package acpica-tools)");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/dsdt.aml", dir);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(dsdt, 1, number(dsdt + 4, 4), file), number(dsdt + 4, 4));
	ck_assert_int_eq(fclose(file), 0);
	/* There and back without a complaint. */
	snprintf(command, sizeof(command),
		 "cd %s && iasl -d dsdt.aml >log 2>&1 && iasl dsdt.dsl >>log 2>&1 && "
		 "grep -q ' 0 Errors, 0 Warnings' log",
		 dir);
	ck_assert_int_eq(system(command), 0);
	for (size_t i = 0; i < WORDS && (i == 0 || with_pci); i++) {
		snprintf(command, sizeof(command), "grep -qE '%s' %s/dsdt.dsl", words[i], dir);
		ck_assert_msg(system(command) == 0, "no %s", words[i]);
	}
	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

Suite *suite_acpi(void)
{
	Suite *suite = suite_create("acpi");
	TCase *tcase = tcase_create("acpi");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, rsdp);
	tcase_add_test(tcase, fadt_is_hardware_reduced);
	tcase_add_test(tcase, madt_has_all_processors);
	tcase_add_test(tcase, length_is_the_same_everywhere);
	tcase_add_test(tcase, aml);
	tcase_add_test(tcase, disassembles);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("acpi-pci");
	tcase_add_checked_fixture(tcase, set_up_pci, tear_down);
	tcase_add_test(tcase, fadt_is_hardware_reduced);
	tcase_add_test(tcase, madt_has_all_processors);
	tcase_add_test(tcase, mcfg_has_bus_0);
	tcase_add_test(tcase, disassembles);
	suite_add_tcase(suite, tcase);
	return suite;
}
