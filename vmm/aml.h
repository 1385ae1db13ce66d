/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ACPI Machine Language, as much as describing devices takes (ACPI 6.4, chapter 20): names,
 * numbers, strings, packages, methods, resource templates. Terms are appended to a buffer; those
 * that have an inside are opened and closed.
 */
#ifndef VMM_AML_H
#define VMM_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *data; /* the caller's to free */
	size_t len;
	size_t capacity;
	bool failed; /* out of memory: what is in data is of no use */
};

/* Where a term was opened; close it with the same. */
typedef size_t aml_mark;

void aml_bytes(struct aml *aml, const void *data, size_t len);

/* Names are one segment of four characters. */
aml_mark aml_scope(struct aml *aml, const char *name); /* "\\_SB_" may have a root prefix */
aml_mark aml_device(struct aml *aml, const char *name);
aml_mark aml_method(struct aml *aml, const char *name, unsigned int args);
void aml_close(struct aml *aml, aml_mark mark);

/* Name (NAME, value); aml_name() is followed by the term that is the value. */
void aml_name(struct aml *aml, const char *name);
void aml_name_integer(struct aml *aml, const char *name, uint64_t value);
void aml_name_string(struct aml *aml, const char *name, const char *value);
/* A hardware id like "PNP0501" in its compressed form. */
void aml_name_eisa(struct aml *aml, const char *name, const char *id);

void aml_integer(struct aml *aml, uint64_t value);
/* A package of @count integers. */
void aml_package(struct aml *aml, const uint64_t *values, unsigned int count);
/* Return (ArgN) */
void aml_return_arg(struct aml *aml, unsigned int arg);
/* Notify (device, value) */
void aml_notify(struct aml *aml, const char *device, uint64_t value);

/* Name (_CRS, ResourceTemplate () {...}) and what may be in it. */
aml_mark aml_resources(struct aml *aml);
void aml_resources_close(struct aml *aml, aml_mark mark);
void aml_io(struct aml *aml, uint16_t base, uint8_t len);
void aml_memory32(struct aml *aml, uint32_t base, uint32_t len);
/* PCI buses from @first on, and memory of which devices behind a bridge are given theirs. */
void aml_bus_numbers(struct aml *aml, uint16_t first, uint16_t count);
void aml_memory_window(struct aml *aml, uint32_t base, uint32_t len);
/* An edge-triggered, active-high, exclusive interrupt. */
void aml_interrupt(struct aml *aml, uint32_t gsi);

#endif
