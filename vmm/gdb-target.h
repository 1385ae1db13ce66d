/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The machine as a debugger sees it: what gdb-target.c, gdb-memory.c and gdb-break.c share. All of
 * it is called on the loop's thread while the guest stands still, but for gdb_target_debug().
 */
#ifndef VMM_GDB_TARGET_H
#define VMM_GDB_TARGET_H

#include "vmm/gdb-session.h"
#include "vmm/machine.h"

#define GDB_BREAKS_MAX  64
#define GDB_DEBUG_SLOTS 4 /* debug registers */

struct gdb_breakpoint {
	enum gdb_break kind;
	uint64_t addr; /* linear */
	uint64_t len;
	int slot;      /* which debug register; -1: int3 in memory */
	gm_addr phys;  /* where int3 is */
	uint8_t saved; /* what was there */
};

/* What a vCPU met. Its thread writes it and sets pending; then it is the loop's. */
struct gdb_met {
	bool pending; /* atomic */
	uint32_t exception;
	uint64_t pc;
	uint64_t dr6;
};

struct gdb_target {
	struct machine *machine;
	bool software;      /* KVM interprets ring 0: no steps elsewhere */
	unsigned int stops; /* enum kvm_stops: what else it can */
	uint32_t controls;  /* KVM_GUESTDBG_... this KVM has beyond the first */
	bool held;          /* machine_pause() was called */
	int event;          /* eventfd: a vCPU met something */
	bool killed;
	struct gdb_breakpoint breaks[GDB_BREAKS_MAX];
	unsigned int break_count;
	enum gdb_action actions[GDB_CPUS_MAX];
	struct gdb_met met[GDB_CPUS_MAX];
	/* After the guest's end there is nothing to resume. */
	bool over, released;
	struct gdb_session *session;
};

extern const struct gdb_target_ops gdb_target_ops;

int gdb_target_init(struct gdb_target *target, struct machine *machine, struct gdb_session *session,
		    struct report *report);
void gdb_target_clear(struct gdb_target *target);

/* Have the guest stand still, and let it go as nobody had asked. */
void gdb_target_hold(struct gdb_target *target);
void gdb_target_release(struct gdb_target *target);

/* The event: a vCPU met something. True: the guest stands still now, and *@stop says why. */
bool gdb_target_stopped(struct gdb_target *target, struct gdb_stop *stop);

/* --- gdb-memory.c ------------------------------------------------------------------------------- */

/* Physical address of a linear one by the vCPU's page tables. False if it is not mapped. */
bool gdb_translate(const struct gdb_target *target, unsigned int cpu, uint64_t addr, gm_addr *phys);

/* Breakpoints do not show, and stay. */
size_t gdb_memory_read(void *target, unsigned int cpu, bool physical, uint64_t addr, void *buf,
		       size_t len);
size_t gdb_memory_write(void *target, unsigned int cpu, bool physical, uint64_t addr,
			const void *buf, size_t len);

/* --- gdb-break.c -------------------------------------------------------------------------------- */

int gdb_break_set(void *target, unsigned int cpu, enum gdb_break kind, uint64_t addr, uint64_t len);
int gdb_break_clear(void *target, unsigned int cpu, enum gdb_break kind, uint64_t addr, uint64_t len);
void gdb_break_clear_all(struct gdb_target *target);

/* Around a restart: no int3 in memory that outlives it; then in what was loaded anew. */
void gdb_breaks_out(struct gdb_target *target);
void gdb_breaks_in(struct gdb_target *target);

/* Tell KVM what a vCPU is to stop at; @more: KVM_GUESTDBG_... for this once. */
int gdb_break_apply(const struct gdb_target *target, unsigned int cpu, uint32_t more);

/* What @met was. False: not the debugger's. */
bool gdb_break_explain(const struct gdb_target *target, const struct gdb_met *met,
		       struct gdb_stop *stop);

#endif
