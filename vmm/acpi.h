/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The ACPI tables (ACPI 6.4): how a stock kernel finds processors, the IOAPIC, devices and the way
 * to power off, without a word on its command line. Hardware-reduced: no PM timer, no SCI, no
 * fixed buttons; events come through a generic event device.
 */
#ifndef VMM_ACPI_H
#define VMM_ACPI_H

#include "vmm/boot-pieces.h"

/* A device that is found by ACPI alone. */
struct acpi_device {
	char name[5];     /* four characters, unique */
	const char *hid;  /* "PNP0501" or any other string */
	unsigned int uid; /* among those with this hid */
	uint16_t io;      /* ports; 0: none */
	uint8_t io_len;
	uint32_t mmio; /* registers; 0: none */
	uint32_t mmio_len;
	int gsi; /* -1: none */
};

/* A PCI bus 0 behind a host bridge. */
struct acpi_pci {
	struct gm_range ecam;   /* length 0: no PCI */
	struct gm_range window; /* below 4 GiB: where BARs can be */
	uint16_t ports;         /* configuration space by ports */
	uint8_t ports_len;
};

/* What the tables describe. */
struct acpi_machine {
	unsigned int cpus;
	uint32_t lapic_base;
	uint32_t ioapic_base;
	const struct acpi_device *devices;
	size_t device_count;
	uint16_t sleep_control; /* ports of devices/power.h */
	uint16_t sleep_status;
	uint16_t reset;
	uint8_t reset_value;
	unsigned int button_gsi; /* pulsed when the power button is pressed */
	struct acpi_pci pci;
};

/*
 * Make the tables for address @base, with the RSDP first; *data is the caller's to free. Their
 * length does not depend on @base. 0, or -1 without memory.
 */
int acpi_build(const struct acpi_machine *machine, gm_addr base, uint8_t **data, size_t *len);

/*
 * Add the tables to @pieces, on pages of their own below @limit; *where is their place, empty if
 * @machine is NULL. 0 or -1 (the pieces' report).
 */
int acpi_put(const struct acpi_machine *machine, struct pieces *pieces, gm_addr limit,
	     struct gm_range *where);

/* What of the address space outside of memory the tables want reserved; empty if nothing. */
static inline struct gm_range acpi_reserved(const struct acpi_machine *machine)
{
	return machine ? machine->pci.ecam : (struct gm_range){0, 0};
}

#endif
