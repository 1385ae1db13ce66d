/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Breakpoints and watchpoints. A software breakpoint is int3 in guest memory where that is mapped
 * and this KVM stops at it; otherwise, and for hardware breakpoints and watchpoints, one of the
 * four debug registers, which know linear addresses only and so also those that are mapped later.
 */
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/gdb-target.h"

#define EXCEPTION_DEBUG 1
#define EXCEPTION_INT3  3

#define DR6_STEP          (1U << 14)
#define DR7_FIXED         0x400U
#define DR7_GLOBAL(slot)  (2U << 2 * (slot))
#define DR7_TYPE(slot, t) ((uint32_t)(t) << (16 + 4 * (slot)))
#define DR7_LEN(slot, l)  ((uint32_t)(l) << (18 + 4 * (slot)))

static const uint8_t int3 = 0xcc;

/* How DR7 says it; x86 cannot watch reads alone, and gdb drops what changed nothing. */
static const struct {
	const char *reason;
	uint32_t type;
} kinds[GDB_BREAK_KINDS] = {
	[GDB_BREAK_SOFTWARE] = {"swbreak", 0}, [GDB_BREAK_HARDWARE] = {"hwbreak", 0},
	[GDB_WATCH_WRITE] = {"watch", 1},      [GDB_WATCH_READ] = {"rwatch", 3},
	[GDB_WATCH_ACCESS] = {"awatch", 3},
};

static bool is_watch(enum gdb_break kind)
{
	return kind >= GDB_WATCH_WRITE;
}

static struct gdb_breakpoint *find(struct gdb_target *target, enum gdb_break kind, uint64_t addr,
				   uint64_t len)
{
	for (unsigned int i = 0; i < target->break_count; i++) {
		struct gdb_breakpoint *at = &target->breaks[i];

		if (at->kind == kind && at->addr == addr && (!is_watch(kind) || at->len == len))
			return at;
	}
	return NULL;
}

static int free_slot(const struct gdb_target *target)
{
	unsigned int used = 0;

	for (unsigned int i = 0; i < target->break_count; i++) {
		if (target->breaks[i].slot >= 0)
			used |= 1U << target->breaks[i].slot;
	}
	for (int slot = 0; slot < GDB_DEBUG_SLOTS; slot++) {
		if (!(used & 1U << slot))
			return slot;
	}
	return -1;
}

static bool put_int3(struct gdb_target *target, struct gdb_breakpoint *at)
{
	struct gm_memory *memory = gm_cell_snapshot(target->machine->memory);
	bool done = gm_read_obj(memory, at->phys, &at->saved) == 0 &&
		    gm_write_obj(memory, at->phys, &int3) == 0;

	gm_memory_put(memory);
	return done;
}

/* The guest may have written over it; then that stays. */
static void take_int3(struct gdb_target *target, const struct gdb_breakpoint *at)
{
	struct gm_memory *memory = gm_cell_snapshot(target->machine->memory);
	uint8_t now;

	if (gm_read_obj(memory, at->phys, &now) == 0 && now == int3)
		gm_write(memory, at->phys, &at->saved, 1);
	gm_memory_put(memory);
}

static bool valid(const struct gdb_target *target, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	if (!is_watch(kind))
		return true;
	/* It would never report one. */
	if (!(target->stops & KVM_STOPS_AT_WATCH))
		return false;
	return (len == 1 || len == 2 || len == 4 || len == 8) && addr % len == 0;
}

/* By int3 if it can be. */
static bool place(struct gdb_target *target, unsigned int cpu, struct gdb_breakpoint *at)
{
	at->slot = -1;
	if (at->kind == GDB_BREAK_SOFTWARE && target->stops & KVM_STOPS_AT_INT3 &&
	    gdb_translate(target, cpu, at->addr, &at->phys)) {
		/* Two addresses of one byte share it: the second would save the first's int3. */
		for (unsigned int i = 0; i < target->break_count; i++) {
			if (target->breaks[i].slot < 0 && target->breaks[i].phys == at->phys)
				return false;
		}
		if (put_int3(target, at))
			return true;
	}
	at->slot = free_slot(target);
	return at->slot >= 0;
}

int gdb_break_set(void *arg, unsigned int cpu, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	struct gdb_target *target = arg;
	struct gdb_breakpoint at = {.kind = kind, .addr = addr, .len = len};

	if (find(target, kind, addr, len))
		return 0;
	if (target->break_count == GDB_BREAKS_MAX || !valid(target, kind, addr, len) ||
	    !place(target, cpu, &at))
		return -1;
	target->breaks[target->break_count++] = at;
	return 0;
}

int gdb_break_clear(void *arg, unsigned int cpu, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	struct gdb_target *target = arg;
	struct gdb_breakpoint *at = find(target, kind, addr, len);

	(void)cpu;
	/* They were withdrawn from a guest that crashed. */
	if (!at)
		return target->over ? 0 : -1;
	if (at->slot < 0)
		take_int3(target, at);
	*at = target->breaks[--target->break_count];
	return 0;
}

void gdb_break_clear_all(struct gdb_target *target)
{
	gdb_breaks_out(target);
	target->break_count = 0;
}

void gdb_breaks_out(struct gdb_target *target)
{
	for (unsigned int i = 0; i < target->break_count; i++) {
		if (target->breaks[i].slot < 0)
			take_int3(target, &target->breaks[i]);
	}
}

/* Where it cannot be written again it is lost, and clearing it finds no int3 of ours. */
void gdb_breaks_in(struct gdb_target *target)
{
	for (unsigned int i = 0; i < target->break_count; i++) {
		if (target->breaks[i].slot < 0)
			put_int3(target, &target->breaks[i]);
	}
}

int gdb_break_apply(const struct gdb_target *target, unsigned int cpu, uint32_t more)
{
	static const uint32_t lengths[] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
	struct kvm_guest_debug debug = {.control = more};
	uint32_t dr7 = DR7_FIXED;

	for (unsigned int i = 0; i < target->break_count; i++) {
		const struct gdb_breakpoint *at = &target->breaks[i];
		uint32_t len = is_watch(at->kind) ? lengths[at->len] : 0;

		if (at->slot < 0) {
			debug.control |= KVM_GUESTDBG_USE_SW_BP;
			continue;
		}
		debug.control |= KVM_GUESTDBG_USE_HW_BP;
		debug.arch.debugreg[at->slot] = at->addr;
		dr7 |= DR7_GLOBAL(at->slot) | DR7_TYPE(at->slot, kinds[at->kind].type) |
		       DR7_LEN(at->slot, len);
	}
	debug.arch.debugreg[7] = dr7;
	if (target->actions[cpu] == GDB_STEP) {
		debug.control |= KVM_GUESTDBG_SINGLESTEP;
		/* Where KVM can, no interrupt comes between. */
		debug.control |= target->controls & KVM_GUESTDBG_BLOCKIRQ;
	}
	if (debug.control)
		debug.control |= KVM_GUESTDBG_ENABLE;
	return ioctl(target->machine->vcpus[cpu].fd, KVM_SET_GUEST_DEBUG, &debug);
}

bool gdb_break_explain(const struct gdb_target *target, const struct gdb_met *met,
		       struct gdb_stop *stop)
{
	stop->signal = GDB_SIGTRAP;
	stop->reason = NULL;
	for (unsigned int i = 0; i < target->break_count; i++) {
		const struct gdb_breakpoint *at = &target->breaks[i];
		bool hit = at->slot < 0
				   ? met->exception == EXCEPTION_INT3 && at->addr == met->pc
				   : met->exception == EXCEPTION_DEBUG && met->dr6 & 1U << at->slot;

		if (hit) {
			stop->reason = kinds[at->kind].reason;
			stop->addr = at->addr;
			return true;
		}
	}
	/* A step; or a breakpoint that has been taken away since. An int3 may be the guest's. */
	return met->exception == EXCEPTION_DEBUG;
}
