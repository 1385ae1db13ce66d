/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Encoding ACPI Machine Language; the opcodes are in section 20.2 of the specification. */
#include "vmm/aml.h"

#include <stdlib.h>
#include <string.h>

#define ZERO_OP    0x00
#define ONE_OP     0x01
#define NAME_OP    0x08
#define BYTE_OP    0x0a
#define WORD_OP    0x0b
#define DWORD_OP   0x0c
#define STRING_OP  0x0d
#define QWORD_OP   0x0e
#define SCOPE_OP   0x10
#define BUFFER_OP  0x11
#define PACKAGE_OP 0x12
#define METHOD_OP  0x14
#define EXT_OP     0x5b
#define ARG0_OP    0x68
#define DEVICE_OP  0x82 /* behind EXT_OP */
#define NOTIFY_OP  0x86
#define RETURN_OP  0xa4

#define METHOD_SERIALIZED 0x08

#define RESOURCE_IO        0x47 /* small, 7 bytes */
#define RESOURCE_END       0x79 /* small, a checksum that is not used */
#define RESOURCE_MEMORY32  0x86
#define RESOURCE_DWORD     0x87 /* address spaces, by the width of their numbers */
#define RESOURCE_WORD      0x88
#define RESOURCE_INTERRUPT 0x89

/* The length of a term with an inside: always in the long form, so that it has its place early. */
#define LENGTH_BYTES 4
#define LENGTH_LONG  0xc0

void aml_bytes(struct aml *aml, const void *data, size_t len)
{
	if (aml->len + len > aml->capacity && !aml->failed) {
		size_t capacity = 2 * (aml->len + len);
		uint8_t *bigger = realloc(aml->data, capacity);

		aml->failed = !bigger;
		if (bigger) {
			aml->data = bigger;
			aml->capacity = capacity;
		}
	}
	if (aml->failed)
		return;
	memcpy(aml->data + aml->len, data, len);
	aml->len += len;
}

static void byte(struct aml *aml, uint8_t value)
{
	aml_bytes(aml, &value, 1);
}

static void little_endian(struct aml *aml, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		byte(aml, (uint8_t)(value >> 8 * i));
}

static aml_mark open_length(struct aml *aml)
{
	aml_mark mark = aml->len;

	little_endian(aml, 0, LENGTH_BYTES);
	return mark;
}

void aml_close(struct aml *aml, aml_mark mark)
{
	size_t len = aml->len - mark;

	if (aml->failed)
		return;
	aml->data[mark] = (uint8_t)(LENGTH_LONG | (len & 0xf));
	for (unsigned int i = 1; i < LENGTH_BYTES; i++)
		aml->data[mark + i] = (uint8_t)(len >> (8 * i - 4));
}

static void name_string(struct aml *aml, const char *name)
{
	aml_bytes(aml, name, strlen(name));
}

aml_mark aml_scope(struct aml *aml, const char *name)
{
	aml_mark mark;

	byte(aml, SCOPE_OP);
	mark = open_length(aml);
	name_string(aml, name);
	return mark;
}

aml_mark aml_device(struct aml *aml, const char *name)
{
	aml_mark mark;

	byte(aml, EXT_OP);
	byte(aml, DEVICE_OP);
	mark = open_length(aml);
	name_string(aml, name);
	return mark;
}

aml_mark aml_method(struct aml *aml, const char *name, unsigned int args)
{
	aml_mark mark;

	byte(aml, METHOD_OP);
	mark = open_length(aml);
	name_string(aml, name);
	byte(aml, (uint8_t)(args | METHOD_SERIALIZED));
	return mark;
}

void aml_name(struct aml *aml, const char *name)
{
	byte(aml, NAME_OP);
	name_string(aml, name);
}

void aml_integer(struct aml *aml, uint64_t value)
{
	static const struct {
		uint64_t max;
		uint8_t op;
		unsigned int bytes;
	} forms[] = {
		{UINT8_MAX, BYTE_OP, 1},
		{UINT16_MAX, WORD_OP, 2},
		{UINT32_MAX, DWORD_OP, 4},
		{UINT64_MAX, QWORD_OP, 8},
	};
	size_t i = 0;

	if (value <= 1) {
		byte(aml, value ? ONE_OP : ZERO_OP);
		return;
	}
	while (value > forms[i].max)
		i++;
	byte(aml, forms[i].op);
	little_endian(aml, value, forms[i].bytes);
}

void aml_name_integer(struct aml *aml, const char *name, uint64_t value)
{
	aml_name(aml, name);
	aml_integer(aml, value);
}

void aml_name_string(struct aml *aml, const char *name, const char *value)
{
	aml_name(aml, name);
	byte(aml, STRING_OP);
	aml_bytes(aml, value, strlen(value) + 1);
}

static unsigned int hex_digit(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : c - 'A' + 10);
}

void aml_name_eisa(struct aml *aml, const char *name, const char *id)
{
	uint32_t value = 0;

	/* Three letters of five bits, four digits of four, most significant byte first. */
	for (unsigned int i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)(id[i] - '@');
	for (unsigned int i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);
	aml_name(aml, name);
	byte(aml, DWORD_OP);
	little_endian(aml, __builtin_bswap32(value), 4);
}

void aml_package(struct aml *aml, const uint64_t *values, unsigned int count)
{
	aml_mark mark;

	byte(aml, PACKAGE_OP);
	mark = open_length(aml);
	byte(aml, (uint8_t)count);
	for (unsigned int i = 0; i < count; i++)
		aml_integer(aml, values[i]);
	aml_close(aml, mark);
}

void aml_notify(struct aml *aml, const char *device, uint64_t value)
{
	byte(aml, NOTIFY_OP);
	name_string(aml, device);
	aml_integer(aml, value);
}

void aml_return_arg(struct aml *aml, unsigned int arg)
{
	byte(aml, RETURN_OP);
	byte(aml, (uint8_t)(ARG0_OP + arg));
}

/* --- resources -------------------------------------------------------------------------------- */

/* The buffer's own size follows its length: a number that is filled in at the end. */
#define SIZE_BYTES 5

aml_mark aml_resources(struct aml *aml)
{
	aml_mark mark;

	aml_name(aml, "_CRS");
	byte(aml, BUFFER_OP);
	mark = open_length(aml);
	byte(aml, DWORD_OP);
	little_endian(aml, 0, SIZE_BYTES - 1);
	return mark;
}

void aml_resources_close(struct aml *aml, aml_mark mark)
{
	size_t size;

	byte(aml, RESOURCE_END);
	byte(aml, 0);
	aml_close(aml, mark);
	size = aml->len - mark - LENGTH_BYTES - SIZE_BYTES;
	for (unsigned int i = 1; i < SIZE_BYTES && !aml->failed; i++)
		aml->data[mark + LENGTH_BYTES + i] = (uint8_t)(size >> 8 * (i - 1));
}

void aml_io(struct aml *aml, uint16_t base, uint8_t len)
{
	byte(aml, RESOURCE_IO);
	byte(aml, 1); /* all 16 bits are decoded */
	little_endian(aml, base, 2);
	little_endian(aml, base, 2);
	byte(aml, 1);
	byte(aml, len);
}

void aml_memory32(struct aml *aml, uint32_t base, uint32_t len)
{
	byte(aml, RESOURCE_MEMORY32);
	little_endian(aml, 9, 2);
	byte(aml, 1); /* writable */
	little_endian(aml, base, 4);
	little_endian(aml, len, 4);
}

#define SPACE_MEMORY 0
#define SPACE_BUSES  2
#define SPACE_FIXED  0x0c /* both ends stay, and the bridge passes on what is between */
#define SPACE_WRITE  0x01 /* of memory: read and write, not to be cached */

/* What a bridge passes on: granularity, first, last, no translation, length, each of @bytes. */
static void address_space(struct aml *aml, uint8_t tag, unsigned int bytes, uint8_t type,
			  uint8_t type_flags, uint32_t first, uint32_t len)
{
	byte(aml, tag);
	little_endian(aml, 3 + 5 * bytes, 2);
	byte(aml, type);
	byte(aml, SPACE_FIXED);
	byte(aml, type_flags);
	little_endian(aml, 0, bytes);
	little_endian(aml, first, bytes);
	little_endian(aml, first + len - 1, bytes);
	little_endian(aml, 0, bytes);
	little_endian(aml, len, bytes);
}

void aml_bus_numbers(struct aml *aml, uint16_t first, uint16_t count)
{
	address_space(aml, RESOURCE_WORD, 2, SPACE_BUSES, 0, first, count);
}

void aml_memory_window(struct aml *aml, uint32_t base, uint32_t len)
{
	address_space(aml, RESOURCE_DWORD, 4, SPACE_MEMORY, SPACE_WRITE, base, len);
}

void aml_interrupt(struct aml *aml, uint32_t gsi)
{
	byte(aml, RESOURCE_INTERRUPT);
	little_endian(aml, 6, 2);
	byte(aml, 1 | 1 << 1); /* consumer, edge, active high, exclusive */
	byte(aml, 1);
	little_endian(aml, gsi, 4);
}
