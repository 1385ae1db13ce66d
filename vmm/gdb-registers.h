/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The registers of a vCPU as gdb numbers them: one table for the description (target.xml) and for
 * the values, which are taken from KVM's structures.
 */
#ifndef VMM_GDB_REGISTERS_H
#define VMM_GDB_REGISTERS_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A vCPU's registers as KVM has them, and what gdb wants in another form. */
struct gdb_registers {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	uint64_t kernel_gs_base; /* an MSR */
	uint16_t ftag;           /* the tag word with two bits a register */
	uint32_t none;           /* what a 64-bit processor does not keep */
};

#define GDB_REGISTER_MAX 16 /* bytes of the widest */

unsigned int gdb_register_count(void);

/* Its size in bytes; 0 if there is no such register. */
size_t gdb_register_size(unsigned int number);
void gdb_register_get(const struct gdb_registers *registers, unsigned int number, void *bytes);
void gdb_register_set(struct gdb_registers *registers, unsigned int number, const void *bytes);

/* The two forms of the FPU's tags. */
void gdb_registers_unpack(struct gdb_registers *registers);
void gdb_registers_pack(struct gdb_registers *registers);

/* target.xml, to be freed; NULL without memory. */
char *gdb_register_xml(void);

#endif
