/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The ACPI tables, one after the other in one piece: RSDP, DSDT, FADT, MADT, MCFG, XSDT. Each is
 * appended to a buffer and then knows its address; those that point come behind those they point
 * to, and the RSDP is filled in at the end.
 */
#include "vmm/acpi.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/aml.h"

#define OEM_ID       "VMM   "
#define OEM_TABLE_ID "VMMTABLE"
#define TABLE_ALIGN  16

/* Section 5.2.6: every table but the RSDP begins like this. */
struct table_header {
	char signature[4];
	gm_le32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	gm_le32_t oem_revision;
	char creator_id[4];
	gm_le32_t creator_revision;
};

/* Section 5.2.3.2 */
struct generic_address {
	uint8_t space;
	uint8_t bits;
	uint8_t offset;
	uint8_t access;
	uint8_t address[8];
};

#define SPACE_IO    1
#define ACCESS_BYTE 1

/* Section 5.2.5.3 */
struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	gm_le32_t rsdt;
	gm_le32_t length;
	uint8_t xsdt[8];
	uint8_t extended_checksum;
	uint8_t reserved[3];
};

#define RSDP_OLD_SIZE 20

/* Section 5.2.9: revision 6.3; offsets of what is not zero in hardware-reduced ACPI. */
#define FADT_SIZE           276
#define FADT_BOOT_FLAGS     109
#define FADT_FLAGS          112
#define FADT_RESET_REG      116
#define FADT_RESET_VALUE    128
#define FADT_MINOR          131
#define FADT_X_DSDT         140
#define FADT_SLEEP_CONTROL  244
#define FADT_SLEEP_STATUS   256
#define FADT_REVISION       6
#define FADT_MINOR_REVISION 3

#define BOOT_NO_VGA (1U << 2)

#define FLAG_WBINVD           (1U << 0)
#define FLAG_PWR_BUTTON       (1U << 4) /* no fixed one */
#define FLAG_SLP_BUTTON       (1U << 5) /* no fixed one */
#define FLAG_RESET_REG        (1U << 10)
#define FLAG_HARDWARE_REDUCED (1U << 20)

/* Section 5.2.12 */
#define MADT_REVISION  5
#define MADT_LAPIC     0
#define MADT_IOAPIC    1
#define MADT_X2APIC    9
#define APIC_ENABLED   1
#define XAPIC_IDS      255 /* ids from here on are an x2APIC's */
#define DSDT_REVISION  2
#define XSDT_REVISION  1
#define MCFG_REVISION  1
#define SLEEP_TYPE_OFF 5

#define NOTIFY_BUTTON 0x80

struct tables {
	struct aml out; /* a buffer of bytes is what it is, too */
	gm_addr base;
};

static void put32(uint8_t *at, uint32_t value)
{
	gm_le32_t le = gm_le32(value);

	memcpy(at, &le, sizeof(le));
}

static void put64(uint8_t *at, uint64_t value)
{
	gm_le64_t le = gm_le64(value);

	memcpy(at, &le, sizeof(le));
}

static uint8_t checksum(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *data++);
	return (uint8_t)-sum;
}

/* Begin a table; returns its offset. */
static size_t begin(struct tables *tables, const char *signature, uint8_t revision)
{
	static const uint8_t zeros[TABLE_ALIGN];
	struct table_header header = {
		.revision = revision,
		.oem_id = OEM_ID,
		.oem_table_id = OEM_TABLE_ID,
		.oem_revision = gm_le32(1),
		.creator_id = "VMM ",
		.creator_revision = gm_le32(1),
	};
	size_t at;

	aml_bytes(&tables->out, zeros, -tables->out.len % TABLE_ALIGN);
	at = tables->out.len;
	memcpy(header.signature, signature, sizeof(header.signature));
	aml_bytes(&tables->out, &header, sizeof(header));
	return at;
}

/* End it; returns its address. */
static gm_addr end(struct tables *tables, size_t at)
{
	struct table_header header;
	uint8_t *table = tables->out.data + at;
	size_t len = tables->out.len - at;

	if (tables->out.failed)
		return 0;
	memcpy(&header, table, sizeof(header));
	header.length = gm_le32((uint32_t)len);
	memcpy(table, &header, sizeof(header));
	table[offsetof(struct table_header, checksum)] = checksum(table, len);
	return tables->base + at;
}

/* --- DSDT: what there is -------------------------------------------------------------------------- */

static void put_device(struct aml *aml, const struct acpi_device *device)
{
	aml_mark mark = aml_device(aml, device->name), crs;

	if (strncmp(device->hid, "PNP", 3) == 0)
		aml_name_eisa(aml, "_HID", device->hid);
	else
		aml_name_string(aml, "_HID", device->hid);
	aml_name_integer(aml, "_UID", device->uid);
	/* DMA is coherent, as everything is on x86. */
	aml_name_integer(aml, "_CCA", 1);
	crs = aml_resources(aml);
	if (device->io)
		aml_io(aml, device->io, device->io_len);
	if (device->mmio)
		aml_memory32(aml, device->mmio, device->mmio_len);
	if (device->gsi >= 0)
		aml_interrupt(aml, (uint32_t)device->gsi);
	aml_resources_close(aml, crs);
	aml_close(aml, mark);
}

static void put_cpu(struct aml *aml, unsigned int index)
{
	static const char digits[] = "0123456789ABCDEF";
	char name[5] = {'C', digits[index >> 8 & 15], digits[index >> 4 & 15], digits[index & 15]};
	aml_mark mark = aml_device(aml, name);

	aml_name_string(aml, "_HID", "ACPI0007");
	aml_name_integer(aml, "_UID", index);
	aml_close(aml, mark);
}

/* A button, and the interrupt that says it was pressed (section 5.6.9). */
static void put_button(struct aml *aml, unsigned int gsi)
{
	aml_mark mark = aml_device(aml, "PWRB"), inner;

	aml_name_eisa(aml, "_HID", "PNP0C0C");
	aml_name_integer(aml, "_UID", 0);
	aml_close(aml, mark);
	mark = aml_device(aml, "GED_");
	aml_name_string(aml, "_HID", "ACPI0013");
	aml_name_integer(aml, "_UID", 0);
	inner = aml_resources(aml);
	aml_interrupt(aml, gsi);
	aml_resources_close(aml, inner);
	inner = aml_method(aml, "_EVT", 1);
	aml_notify(aml, "PWRB", NOTIFY_BUTTON);
	aml_close(aml, inner);
	aml_close(aml, mark);
}

/*
 * The host bridge. Of what the system asks _OSC for it gets everything as it asks: there is nothing
 * that firmware would do in its place (PCI firmware specification, 4.5.1).
 */
static void put_pci(struct aml *aml, const struct acpi_pci *pci)
{
	aml_mark mark = aml_device(aml, "PCI0"), inner;

	aml_name_eisa(aml, "_HID", "PNP0A08");
	aml_name_eisa(aml, "_CID", "PNP0A03");
	aml_name_integer(aml, "_SEG", 0);
	aml_name_integer(aml, "_BBN", 0);
	aml_name_integer(aml, "_UID", 0);
	aml_name_integer(aml, "_CCA", 1);
	inner = aml_resources(aml);
	aml_bus_numbers(aml, 0, 1);
	aml_io(aml, pci->ports, pci->ports_len);
	aml_memory_window(aml, (uint32_t)pci->window.addr, (uint32_t)pci->window.len);
	aml_resources_close(aml, inner);
	inner = aml_method(aml, "_OSC", 4);
	aml_return_arg(aml, 3);
	aml_close(aml, inner);
	aml_close(aml, mark);
}

static gm_addr put_dsdt(struct tables *tables, const struct acpi_machine *machine)
{
	static const uint64_t off[] = {SLEEP_TYPE_OFF, 0, 0, 0};
	struct aml *aml = &tables->out;
	size_t at = begin(tables, "DSDT", DSDT_REVISION);
	aml_mark scope = aml_scope(aml, "\\_SB_");

	for (unsigned int i = 0; i < machine->cpus; i++)
		put_cpu(aml, i);
	for (size_t i = 0; i < machine->device_count; i++)
		put_device(aml, &machine->devices[i]);
	if (machine->pci.ecam.len)
		put_pci(aml, &machine->pci);
	put_button(aml, machine->button_gsi);
	aml_close(aml, scope);
	aml_name(aml, "\\_S5_");
	aml_package(aml, off, sizeof(off) / sizeof(off[0]));
	return end(tables, at);
}

/* --- FADT, MADT ------------------------------------------------------------------------------------ */

static void put_port(uint8_t *at, uint16_t port)
{
	struct generic_address address = {.space = SPACE_IO, .bits = 8, .access = ACCESS_BYTE};

	put64(address.address, port);
	memcpy(at, &address, sizeof(address));
}

static gm_addr put_fadt(struct tables *tables, const struct acpi_machine *machine, gm_addr dsdt)
{
	size_t at = begin(tables, "FACP", FADT_REVISION);
	uint8_t fadt[FADT_SIZE] = {0};

	fadt[FADT_BOOT_FLAGS] = BOOT_NO_VGA;
	put32(fadt + FADT_FLAGS, FLAG_WBINVD | FLAG_PWR_BUTTON | FLAG_SLP_BUTTON | FLAG_RESET_REG |
					 FLAG_HARDWARE_REDUCED);
	put_port(fadt + FADT_RESET_REG, machine->reset);
	fadt[FADT_RESET_VALUE] = machine->reset_value;
	fadt[FADT_MINOR] = FADT_MINOR_REVISION;
	put64(fadt + FADT_X_DSDT, dsdt);
	put_port(fadt + FADT_SLEEP_CONTROL, machine->sleep_control);
	put_port(fadt + FADT_SLEEP_STATUS, machine->sleep_status);
	aml_bytes(&tables->out, fadt + sizeof(struct table_header),
		  FADT_SIZE - sizeof(struct table_header));
	return end(tables, at);
}

static void put_lapic(struct aml *out, unsigned int index)
{
	uint8_t small[8] = {MADT_LAPIC, sizeof(small), (uint8_t)index, (uint8_t)index, APIC_ENABLED};
	uint8_t large[16] = {MADT_X2APIC, sizeof(large)};

	if (index < XAPIC_IDS) {
		aml_bytes(out, small, sizeof(small));
		return;
	}
	put32(large + 4, index);
	put32(large + 8, APIC_ENABLED);
	put32(large + 12, index);
	aml_bytes(out, large, sizeof(large));
}

static gm_addr put_madt(struct tables *tables, const struct acpi_machine *machine)
{
	size_t at = begin(tables, "APIC", MADT_REVISION);
	uint8_t head[8] = {0}, ioapic[12] = {MADT_IOAPIC, sizeof(ioapic)};

	/* No PIC beside them: the flags are 0. */
	put32(head, machine->lapic_base);
	aml_bytes(&tables->out, head, sizeof(head));
	for (unsigned int i = 0; i < machine->cpus; i++)
		put_lapic(&tables->out, i);
	put32(ioapic + 4, machine->ioapic_base);
	aml_bytes(&tables->out, ioapic, sizeof(ioapic));
	return end(tables, at);
}

/* Where the configuration space of bus 0 is (PCI firmware specification, 4.1.2). */
static gm_addr put_mcfg(struct tables *tables, const struct acpi_pci *pci)
{
	size_t at = begin(tables, "MCFG", MCFG_REVISION);
	uint8_t rest[24] = {0};

	/* Behind eight reserved bytes: base, segment 0, buses 0 to 0. */
	put64(rest + 8, pci->ecam.addr);
	aml_bytes(&tables->out, rest, sizeof(rest));
	return end(tables, at);
}

/* --- all of it ------------------------------------------------------------------------------------- */

static gm_addr put_xsdt(struct tables *tables, const gm_addr *entries, size_t count)
{
	size_t at = begin(tables, "XSDT", XSDT_REVISION);

	for (size_t i = 0; i < count; i++) {
		uint8_t entry[8];

		put64(entry, entries[i]);
		aml_bytes(&tables->out, entry, sizeof(entry));
	}
	return end(tables, at);
}

static void fill_rsdp(struct tables *tables, gm_addr xsdt)
{
	struct rsdp rsdp = {
		.signature = "RSD PTR ",
		.oem_id = OEM_ID,
		.revision = 2,
		.length = gm_le32(sizeof(rsdp)),
	};

	put64(rsdp.xsdt, xsdt);
	rsdp.checksum = checksum((const uint8_t *)&rsdp, RSDP_OLD_SIZE);
	rsdp.extended_checksum = checksum((const uint8_t *)&rsdp, sizeof(rsdp));
	memcpy(tables->out.data, &rsdp, sizeof(rsdp));
}

int acpi_build(const struct acpi_machine *machine, gm_addr base, uint8_t **data, size_t *len)
{
	struct tables tables = {.base = base};
	gm_addr entries[3], dsdt, xsdt;
	size_t count = 0;

	aml_bytes(&tables.out, &(struct rsdp){0}, sizeof(struct rsdp));
	dsdt = put_dsdt(&tables, machine);
	entries[count++] = put_fadt(&tables, machine, dsdt);
	entries[count++] = put_madt(&tables, machine);
	if (machine->pci.ecam.len)
		entries[count++] = put_mcfg(&tables, &machine->pci);
	xsdt = put_xsdt(&tables, entries, count);
	if (tables.out.failed) {
		free(tables.out.data);
		return -1;
	}
	fill_rsdp(&tables, xsdt);
	*data = tables.out.data;
	*len = tables.out.len;
	return 0;
}

#define PAGE 4096ULL

int acpi_put(const struct acpi_machine *machine, struct pieces *pieces, gm_addr limit,
	     struct gm_range *where)
{
	uint8_t *data;
	size_t len;

	*where = (struct gm_range){0, 0};
	if (!machine)
		return 0;
	if (acpi_build(machine, 0, &data, &len))
		goto no_memory;
	free(data);
	where->len = (len + PAGE - 1) & ~(PAGE - 1);
	if (pieces_put(pieces, NULL, where->len, PAGE, limit, "the ACPI tables", &where->addr))
		return -1;
	if (acpi_build(machine, where->addr, &data, &len))
		goto no_memory;
	memcpy(pieces_data(pieces, where->addr), data, len);
	free(data);
	return 0;
no_memory:
	return report_fail(pieces->report, REPORT_HOST, "out of memory");
}
