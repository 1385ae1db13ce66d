/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A vCPU: KVM's descriptor, the thread that runs it, and what is done about each exit.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <pthread.h>

#include "devices/bus.h"
#include "vmm/boot.h"
#include "vmm/kvm.h"

/* How a run ends other than by the guest's own choice. README.md has the whole table. */
enum vcpu_end {
	VCPU_END_HOST = 1,         /* the host cannot go on: KVM_RUN failed */
	VCPU_END_TRIPLE_FAULT = 3, /* the guest shut itself down */
	VCPU_END_BROKEN = 4,       /* KVM cannot execute the guest */
	MACHINE_END_PANIC = 5,     /* the guest said that it panicked */
	MACHINE_END_TIMEOUT = 124, /* as timeout(1) */
};

/* Exits are counted by reason; those above are counted as the last. */
#define VCPU_EXIT_REASONS 64

struct vcpu;

/* What a vCPU runs in: the machine's, shared by all, constant while they run. */
struct vcpu_env {
	const struct kvm *kvm;
	const struct bus *pio;
	const struct bus *mmio;
	struct gm_cell *memory;
	void (*end)(void *arg, int status); /* the machine is to end; any vCPU thread */
	void *arg;
	/* A vCPU met what a debugger asked KVM for; its thread. NULL: nobody did. */
	void (*debug)(void *debugger, struct vcpu *vcpu);
	void *debugger;
};

/* What a vCPU may be asked to do before it enters the guest again. */
enum vcpu_ask {
	VCPU_ASK_STOP = 1,  /* the thread ends */
	VCPU_ASK_PAUSE = 2, /* it parks: the machine is paused */
	VCPU_ASK_HOLD = 4,  /* it parks: a debugger holds this one */
};

/* Where the thread is. */
enum vcpu_place {
	VCPU_ENDED, /* or not started */
	VCPU_RUNS,
	VCPU_PARKED,
};

/*
 * What a vCPU did since the machine was made, over restarts. Its thread writes, anybody reads: each
 * number is atomic, and none says anything about the others. Times, in ns, only if it is timed.
 */
struct vcpu_counts {
	uint64_t exits[VCPU_EXIT_REASONS];   /* by reason */
	uint64_t handled[VCPU_EXIT_REASONS]; /* how long it took to handle these */
	uint64_t inside;                     /* in KVM_RUN, halted or not */
	uint64_t cpu; /* processor time; the loop's thread: of threads that were joined */
};

/* Constant while the thread runs, but for what is marked. */
struct vcpu {
	const struct vcpu_env *env;
	unsigned int index;
	int fd;
	struct kvm_run *run; /* the thread's and KVM's; immediate_exit: whoever stops it */
	pthread_t thread;
	bool started;
	uint32_t asked;       /* atomic, futex: enum vcpu_ask */
	uint32_t place;       /* atomic, futex: enum vcpu_place; the thread sets it */
	unsigned int retries; /* thread: EAGAIN without an exit between */
	bool timed;           /* exits are; set before it starts */
	uint64_t entered;     /* thread: when it enters KVM_RUN next, or 0: not known yet */
	clockid_t cpu_clock;  /* atomic: of the thread, which sets it; 0: not yet */
	uint64_t cpu_at_end;  /* atomic: that clock when the thread ended; 0: not yet */
	struct vcpu_counts counts;
};

/*
 * Make vCPU @index of @count with its CPUID and MSRs; its counters go on from where they are.
 * vcpu_destroy() in every case.
 */
int vcpu_create(struct vcpu *vcpu, const struct vcpu_env *env, unsigned int index,
		unsigned int count, struct report *report);
void vcpu_destroy(struct vcpu *vcpu);

/* Of the first one, before vcpu_start(); the others wait for the guest to start them. */
int vcpu_set_boot_state(struct vcpu *vcpu, const struct boot_state *state, struct report *report);

/* What firmware leaves in the MSRs of each. vcpu_create() does it. */
int vcpu_set_msrs(const struct vcpu *vcpu, struct report *report);

int vcpu_start(struct vcpu *vcpu, struct report *report);

/* Have the thread end rather than enter KVM_RUN again. Any thread. */
void vcpu_leave(struct vcpu *vcpu);

/* Have the thread leave KVM_RUN and end, and wait for it. Nothing to do if it never started. */
void vcpu_stop(struct vcpu *vcpu);

/*
 * Have the thread do so before it enters the guest again, and take that back (not STOP). Any
 * thread; one bit is asked and taken back by one at a time.
 */
void vcpu_ask(struct vcpu *vcpu, enum vcpu_ask ask);
void vcpu_unask(struct vcpu *vcpu, enum vcpu_ask ask);

/*
 * Wait until a vCPU that was asked to park, or to stop, is out of the guest. What KVM shows of it
 * is then final, and any thread may read and change it. Not a vCPU's thread.
 */
void vcpu_wait_parked(struct vcpu *vcpu);

/* A copy, with the processor time until now. The loop's thread. */
void vcpu_read_counts(const struct vcpu *vcpu, struct vcpu_counts *out);

/* Where an exit is counted. */
static inline unsigned int vcpu_exit_slot(unsigned int reason)
{
	return reason < VCPU_EXIT_REASONS ? reason : VCPU_EXIT_REASONS - 1;
}

/* One thread writes, so that no instruction need be locked. */
static inline void vcpu_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* "KVM_EXIT_IO" without its prefix; NULL for a number this monitor does not know. */
const char *vcpu_exit_name(unsigned int reason);

#endif
