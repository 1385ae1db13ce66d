/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Registers by gdb's numbers. The order within a feature is gdb's; see gdb-registers.h. */
#include "vmm/gdb-registers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reg {
	const char *name;
	const char *type;
	uint8_t size;        /* for gdb, in bytes */
	uint8_t kept;        /* in the structure; above it reads as zero */
	uint16_t offset;     /* in struct gdb_registers */
	const char *feature; /* begins with this register; or NULL */
};

#define KEPT(field) sizeof(((struct gdb_registers *)0)->field)
#define REG(name, type, size, field)                                           \
	{                                                                      \
		name, type, size, KEPT(field) < (size) ? KEPT(field) : (size), \
			offsetof(struct gdb_registers, field), NULL            \
	}
#define FIRST(feature, name, type, size, field)                                \
	{                                                                      \
		name, type, size, KEPT(field) < (size) ? KEPT(field) : (size), \
			offsetof(struct gdb_registers, field), feature         \
	}
#define GENERAL(name)  REG(#name, "int64", 8, regs.name)
#define SELECTOR(name) REG(#name, "int32", 4, sregs.name.selector)
#define ST(n)          REG("st" #n, "i387_ext", 10, fpu.fpr[n])
#define XMM(n)         REG("xmm" #n, "vec128", 16, fpu.xmm[n])
#define CONTROL(name)  REG(#name, "int64", 8, sregs.name)

static const struct reg table[] = {
	FIRST("org.gnu.gdb.i386.core", "rax", "int64", 8, regs.rax),
	GENERAL(rbx),
	GENERAL(rcx),
	GENERAL(rdx),
	GENERAL(rsi),
	GENERAL(rdi),
	REG("rbp", "data_ptr", 8, regs.rbp),
	REG("rsp", "data_ptr", 8, regs.rsp),
	GENERAL(r8),
	GENERAL(r9),
	GENERAL(r10),
	GENERAL(r11),
	GENERAL(r12),
	GENERAL(r13),
	GENERAL(r14),
	GENERAL(r15),
	REG("rip", "code_ptr", 8, regs.rip),
	REG("eflags", "i386_eflags", 4, regs.rflags),
	SELECTOR(cs),
	SELECTOR(ss),
	SELECTOR(ds),
	SELECTOR(es),
	SELECTOR(fs),
	SELECTOR(gs),
	ST(0),
	ST(1),
	ST(2),
	ST(3),
	ST(4),
	ST(5),
	ST(6),
	ST(7),
	REG("fctrl", "int", 4, fpu.fcw),
	REG("fstat", "int", 4, fpu.fsw),
	REG("ftag", "int", 4, ftag),
	REG("fiseg", "int", 4, none),
	REG("fioff", "int", 4, fpu.last_ip),
	REG("foseg", "int", 4, none),
	REG("fooff", "int", 4, fpu.last_dp),
	REG("fop", "int", 4, fpu.last_opcode),
	FIRST("org.gnu.gdb.i386.sse", "xmm0", "vec128", 16, fpu.xmm[0]),
	XMM(1),
	XMM(2),
	XMM(3),
	XMM(4),
	XMM(5),
	XMM(6),
	XMM(7),
	XMM(8),
	XMM(9),
	XMM(10),
	XMM(11),
	XMM(12),
	XMM(13),
	XMM(14),
	XMM(15),
	REG("mxcsr", "int", 4, fpu.mxcsr),
	FIRST("org.gnu.gdb.i386.segments", "fs_base", "int64", 8, sregs.fs.base),
	REG("gs_base", "int64", 8, sregs.gs.base),
	FIRST("vmm.x86.system", "k_gs_base", "int64", 8, kernel_gs_base),
	CONTROL(cr0),
	CONTROL(cr2),
	CONTROL(cr3),
	CONTROL(cr4),
	CONTROL(cr8),
	CONTROL(efer),
};

/* Types that features define for themselves, before their first register. */
static const struct {
	const char *feature;
	const char *xml;
} types[] = {
	{"org.gnu.gdb.i386.core",
	 "<flags id=\"i386_eflags\" size=\"4\">"
	 "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"PF\" start=\"2\" end=\"2\"/>"
	 "<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"ZF\" start=\"6\" end=\"6\"/>"
	 "<field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"TF\" start=\"8\" end=\"8\"/>"
	 "<field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"DF\" start=\"10\" end=\"10\"/>"
	 "<field name=\"OF\" start=\"11\" end=\"11\"/><field name=\"NT\" start=\"14\" end=\"14\"/>"
	 "<field name=\"RF\" start=\"16\" end=\"16\"/><field name=\"AC\" start=\"18\" end=\"18\"/>"
	 "</flags>"},
	{"org.gnu.gdb.i386.sse",
	 "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
	 "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	 "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
	 "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
	 "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
	 "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	 "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
	 "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
	 "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
	 "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/>"
	 "</union>"},
};

#define COUNT (sizeof(table) / sizeof(table[0]))

unsigned int gdb_register_count(void)
{
	return COUNT;
}

size_t gdb_register_size(unsigned int number)
{
	return number < COUNT ? table[number].size : 0;
}

void gdb_register_get(const struct gdb_registers *registers, unsigned int number, void *bytes)
{
	const struct reg *reg = &table[number];

	memset(bytes, 0, reg->size);
	memcpy(bytes, (const char *)registers + reg->offset, reg->kept);
}

void gdb_register_set(struct gdb_registers *registers, unsigned int number, const void *bytes)
{
	const struct reg *reg = &table[number];

	/* The upper half of a wider register stays: there is nothing settable in rflags'. */
	memcpy((char *)registers + reg->offset, bytes, reg->kept);
}

void gdb_registers_unpack(struct gdb_registers *registers)
{
	registers->ftag = 0;
	registers->none = 0;
	for (unsigned int i = 0; i < 8; i++) {
		/* Empty or not; valid, zero and special can be seen from the value. */
		if (!(registers->fpu.ftwx & 1U << i))
			registers->ftag |= (uint16_t)(3U << 2 * i);
	}
}

void gdb_registers_pack(struct gdb_registers *registers)
{
	registers->fpu.ftwx = 0;
	for (unsigned int i = 0; i < 8; i++) {
		if ((registers->ftag >> 2 * i & 3) != 3)
			registers->fpu.ftwx |= (uint8_t)(1U << i);
	}
}

static void print_feature(FILE *out, const char *feature, bool first)
{
	fprintf(out, "%s<feature name=\"%s\">\n", first ? "" : "</feature>", feature);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].feature, feature) == 0)
			fprintf(out, "%s\n", types[i].xml);
	}
}

char *gdb_register_xml(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
	      "<architecture>i386:x86-64</architecture>",
	      out);
	for (size_t i = 0; i < COUNT; i++) {
		const struct reg *reg = &table[i];

		if (reg->feature)
			print_feature(out, reg->feature, i == 0);
		fprintf(out, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>\n", reg->name,
			reg->size * 8U, reg->type);
	}
	fputs("</feature></target>\n", out);
	/* What could not be written is noticed here, too. */
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
