/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Guest memory for a debugger: linear addresses page by page through the vCPU's page tables (KVM
 * walks them, whatever the mode), physical ones through the slice iterator. An int3 of ours is not
 * seen, and what is written over it is what it hides from then on.
 */
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/gdb-target.h"

#define PAGE 4096U

bool gdb_translate(const struct gdb_target *target, unsigned int cpu, uint64_t addr, gm_addr *phys)
{
	struct kvm_translation at = {.linear_address = addr};

	if (ioctl(target->machine->vcpus[cpu].fd, KVM_TRANSLATE, &at) || !at.valid)
		return false;
	*phys = at.physical_address;
	return true;
}

/* Each int3 that lies in [phys, phys + len). */
static struct gdb_breakpoint *next_inside(struct gdb_target *target, unsigned int *i, gm_addr phys,
					  size_t len)
{
	while (*i < target->break_count) {
		struct gdb_breakpoint *at = &target->breaks[(*i)++];

		if (at->slot < 0 && at->phys - phys < len)
			return at;
	}
	return NULL;
}

static size_t read_piece(struct gdb_target *target, const struct gm_memory *memory, gm_addr phys,
			 uint8_t *buf, size_t len)
{
	ssize_t done = gm_read(memory, phys, buf, len);
	struct gdb_breakpoint *at;
	unsigned int i = 0;

	if (done <= 0)
		return 0;
	while ((at = next_inside(target, &i, phys, (size_t)done)))
		buf[at->phys - phys] = at->saved;
	return (size_t)done;
}

static size_t write_piece(struct gdb_target *target, const struct gm_memory *memory, gm_addr phys,
			  const uint8_t *buf, size_t len)
{
	static const uint8_t int3 = 0xcc;
	ssize_t done = gm_write(memory, phys, buf, len);
	struct gdb_breakpoint *at;
	unsigned int i = 0;

	if (done <= 0)
		return 0;
	while ((at = next_inside(target, &i, phys, (size_t)done))) {
		at->saved = buf[at->phys - phys];
		/* It could be written before. */
		if (gm_write_obj(memory, at->phys, &int3))
			return 0;
	}
	return (size_t)done;
}

/* One of @in and @out is NULL. */
static size_t move(struct gdb_target *target, unsigned int cpu, bool physical, uint64_t addr,
		   uint8_t *in, const uint8_t *out, size_t len)
{
	struct gm_memory *memory = gm_cell_snapshot(target->machine->memory);
	size_t done = 0;

	while (done < len) {
		size_t piece = PAGE - (size_t)(addr & (PAGE - 1)), moved;
		gm_addr phys = addr;

		piece = piece < len - done ? piece : len - done;
		if (!physical && !gdb_translate(target, cpu, addr, &phys))
			break;
		moved = in ? read_piece(target, memory, phys, in + done, piece)
			   : write_piece(target, memory, phys, out + done, piece);
		done += moved;
		addr += moved;
		if (moved < piece)
			break;
	}
	gm_memory_put(memory);
	return done;
}

size_t gdb_memory_read(void *target, unsigned int cpu, bool physical, uint64_t addr, void *buf,
		       size_t len)
{
	return move(target, cpu, physical, addr, buf, NULL, len);
}

size_t gdb_memory_write(void *target, unsigned int cpu, bool physical, uint64_t addr,
			const void *buf, size_t len)
{
	return move(target, cpu, physical, addr, NULL, buf, len);
}
