/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The machine as a debugger sees it: registers, holding and letting go, what monitor commands do.
 * The guest is held by one machine_pause(); a vCPU that is to stay where it is while others run, or
 * that met a breakpoint, by VCPU_ASK_HOLD.
 */
#include "vmm/gdb-target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/machine-parts.h"

#define MSR_KERNEL_GS_BASE 0xc0000102

/* --- registers ---------------------------------------------------------------------------------- */

static int kernel_gs_base(int fd, uint64_t *value, bool set)
{
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs = {.head.nmsrs = 1};

	msrs.head.entries[0].index = MSR_KERNEL_GS_BASE;
	msrs.head.entries[0].data = *value;
	if (ioctl(fd, set ? KVM_SET_MSRS : KVM_GET_MSRS, &msrs) != 1)
		return -1;
	*value = msrs.head.entries[0].data;
	return 0;
}

static int get_registers(void *arg, unsigned int cpu, struct gdb_registers *registers)
{
	const struct gdb_target *target = arg;
	int fd = target->machine->vcpus[cpu].fd;

	memset(registers, 0, sizeof(*registers));
	if (ioctl(fd, KVM_GET_REGS, &registers->regs) || ioctl(fd, KVM_GET_SREGS, &registers->sregs))
		return -1;
	/* A KVM without these shows zeros. */
	ioctl(fd, KVM_GET_FPU, &registers->fpu);
	kernel_gs_base(fd, &registers->kernel_gs_base, false);
	gdb_registers_unpack(registers);
	return 0;
}

/* Only what changed: each kind may be refused as a whole. */
static int set_registers(void *arg, unsigned int cpu, const struct gdb_registers *registers)
{
	const struct gdb_target *target = arg;
	int fd = target->machine->vcpus[cpu].fd;
	struct gdb_registers now, then = *registers;

	if (target->over || get_registers(arg, cpu, &now))
		return -1;
	gdb_registers_pack(&then);
	if (memcmp(&now.regs, &then.regs, sizeof(now.regs)) != 0 &&
	    ioctl(fd, KVM_SET_REGS, &then.regs))
		return -1;
	if (memcmp(&now.sregs, &then.sregs, sizeof(now.sregs)) != 0 &&
	    ioctl(fd, KVM_SET_SREGS, &then.sregs))
		return -1;
	if (memcmp(&now.fpu, &then.fpu, sizeof(now.fpu)) != 0 && ioctl(fd, KVM_SET_FPU, &then.fpu))
		return -1;
	if (now.kernel_gs_base != then.kernel_gs_base)
		return kernel_gs_base(fd, &then.kernel_gs_base, true);
	return 0;
}

static unsigned int cpus(void *arg)
{
	const struct gdb_target *target = arg;

	return target->machine->vcpu_count;
}

static const char *cpu_state(void *arg, unsigned int cpu)
{
	const struct gdb_target *target = arg;
	struct kvm_mp_state state;

	if (ioctl(target->machine->vcpus[cpu].fd, KVM_GET_MP_STATE, &state))
		return "state unknown";
	switch (state.mp_state) {
	case KVM_MP_STATE_RUNNABLE: return "runs";
	case KVM_MP_STATE_HALTED: return "halted";
	default: return "not started";
	}
}

/* --- holding and letting go --------------------------------------------------------------------- */

void gdb_target_hold(struct gdb_target *target)
{
	if (!target->held)
		machine_pause(target->machine);
	target->held = true;
}

static void let_go(struct gdb_target *target)
{
	for (unsigned int i = 0; i < target->machine->vcpu_count; i++) {
		if (target->actions[i] == GDB_HOLD)
			vcpu_ask(&target->machine->vcpus[i], VCPU_ASK_HOLD);
		else
			vcpu_unask(&target->machine->vcpus[i], VCPU_ASK_HOLD);
	}
	target->held = false;
	machine_resume(target->machine);
}

/* What others met at the same time they meet again, but for a watched access, which is over. */
static void forget_met(struct gdb_target *target)
{
	bool left = false;
	uint64_t one = 1;

	for (unsigned int i = 0; i < target->machine->vcpu_count; i++) {
		struct gdb_met *met = &target->met[i];
		struct gdb_stop stop;

		if (!__atomic_load_n(&met->pending, __ATOMIC_ACQUIRE))
			continue;
		if (gdb_break_explain(target, met, &stop) && stop.reason &&
		    strstr(stop.reason, "watch"))
			left = true;
		else
			__atomic_store_n(&met->pending, false, __ATOMIC_RELEASE);
	}
	/* The counter is small: it succeeds. */
	if (left && write(target->event, &one, sizeof(one)) < 0)
		return;
}

/* A KVM that interprets ring 0 runs the rest natively, and has no steps there. */
static bool can_step(const struct gdb_target *target, unsigned int cpu)
{
	struct kvm_sregs sregs;

	return !target->software ||
	       (ioctl(target->machine->vcpus[cpu].fd, KVM_GET_SREGS, &sregs) == 0 &&
		sregs.cs.dpl == 0);
}

static int resume(void *arg, const enum gdb_action *actions)
{
	struct gdb_target *target = arg;
	unsigned int count = target->machine->vcpu_count;

	if (target->over) {
		target->released = true;
		return 0;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (actions[i] == GDB_STEP && !can_step(target, i))
			return -1;
	}
	memcpy(target->actions, actions, count * sizeof(*actions));
	for (unsigned int i = 0; i < count; i++) {
		if (gdb_break_apply(target, i, 0))
			return -1;
	}
	forget_met(target);
	let_go(target);
	return 0;
}

static void interrupt(void *arg)
{
	struct gdb_target *target = arg;
	const struct gdb_stop stop = {.cpu = target->session->cpu, .signal = GDB_SIGINT};

	gdb_target_hold(target);
	gdb_session_stopped(target->session, &stop);
}

void gdb_target_release(struct gdb_target *target)
{
	target->released = true;
	if (target->over)
		return;
	gdb_target_hold(target);
	gdb_break_clear_all(target);
	for (unsigned int i = 0; i < target->machine->vcpu_count; i++) {
		target->actions[i] = GDB_CONTINUE;
		/* It only takes away; what it refused would not have been there. */
		gdb_break_apply(target, i, 0);
		__atomic_store_n(&target->met[i].pending, false, __ATOMIC_RELEASE);
	}
	let_go(target);
}

static void kill_guest(void *arg)
{
	struct gdb_target *target = arg;

	target->released = true;
	machine_stop(target->machine, 0);
}

/* --- what a vCPU met ---------------------------------------------------------------------------- */

static void vcpu_met(void *debugger, struct vcpu *vcpu)
{
	struct gdb_target *target = debugger;
	struct gdb_met *met = &target->met[vcpu->index];
	const struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;
	uint64_t one = 1;

	met->exception = arch->exception;
	met->pc = arch->pc;
	met->dr6 = arch->dr6;
	vcpu_ask(vcpu, VCPU_ASK_HOLD);
	__atomic_store_n(&met->pending, true, __ATOMIC_RELEASE);
	/* The counter is small: it succeeds. */
	if (write(target->event, &one, sizeof(one)) < 0)
		return;
}

/* An int3 of the guest's own: the exception is its to handle. */
static void give_back(struct gdb_target *target, unsigned int cpu)
{
	gdb_break_apply(target, cpu, KVM_GUESTDBG_INJECT_BP);
	if (target->actions[cpu] != GDB_HOLD)
		vcpu_unask(&target->machine->vcpus[cpu], VCPU_ASK_HOLD);
}

bool gdb_target_stopped(struct gdb_target *target, struct gdb_stop *stop)
{
	bool found = false;
	uint64_t count;

	if (read(target->event, &count, sizeof(count)) != sizeof(count) || target->held)
		return false;
	gdb_target_hold(target);
	for (unsigned int i = 0; i < target->machine->vcpu_count && !found; i++) {
		struct gdb_met *met = &target->met[i];

		if (!__atomic_load_n(&met->pending, __ATOMIC_ACQUIRE))
			continue;
		__atomic_store_n(&met->pending, false, __ATOMIC_RELEASE);
		stop->cpu = i;
		found = gdb_break_explain(target, met, stop);
		if (!found)
			give_back(target, i);
	}
	if (!found) {
		target->held = false;
		machine_resume(target->machine);
	}
	return found;
}

/* --- a restart in place ------------------------------------------------------------------------- */

static void restart(void *debugger)
{
	gdb_breaks_out(debugger);
}

static void restarted(void *debugger)
{
	struct gdb_target *target = debugger;

	gdb_breaks_in(target);
	for (unsigned int i = 0; i < target->machine->vcpu_count; i++) {
		__atomic_store_n(&target->met[i].pending, false, __ATOMIC_RELEASE);
		target->actions[i] = GDB_CONTINUE;
		if (gdb_break_apply(target, i, 0))
			log_line(LOG_LEVEL_WARN, "gdb: vcpu %u: KVM_SET_GUEST_DEBUG: %s", i,
				 strerror(errno));
	}
}

/* --- monitor commands --------------------------------------------------------------------------- */

static char *monitor_help(struct gdb_target *target);

static char *monitor_reset(struct gdb_target *target)
{
	machine_guest_resets(target->machine);
	return strdup("the machine restarts\n");
}

static char *monitor_power(struct gdb_target *target)
{
	machine_press_button(target->machine, 0);
	return strdup("the power button is pressed when the guest goes on\n");
}

static char *monitor_map(struct gdb_target *target)
{
	struct gm_memory *memory = gm_cell_snapshot(target->machine->memory);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out) {
		gm_memory_print(memory, out);
		fclose(out);
	}
	gm_memory_put(memory);
	return text;
}

static char *monitor_quit(struct gdb_target *target)
{
	kill_guest(target);
	return strdup("the machine ends\n");
}

static const struct {
	const char *name;
	const char *help;
	char *(*run)(struct gdb_target *target);
	bool alive; /* not of a guest that has crashed */
} commands[] = {
	{"help", "this list", monitor_help, false},
	{"info map", "the regions of guest memory", monitor_map, false},
	{"power", "press the power button", monitor_power, true},
	{"quit", "end the machine", monitor_quit, false},
	{"reset", "restart the machine; breakpoints stay", monitor_reset, true},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static char *monitor_help(struct gdb_target *target)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)target;
	for (size_t i = 0; i < COMMANDS && out; i++)
		fprintf(out, "%-10s %s\n", commands[i].name, commands[i].help);
	if (out)
		fclose(out);
	return text;
}

static char *monitor(void *arg, const char *command)
{
	struct gdb_target *target = arg;
	char *text = NULL;

	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(command, commands[i].name) == 0)
			return target->over && commands[i].alive ? strdup("the guest has crashed\n")
								 : commands[i].run(target);
	}
	if (asprintf(&text, "%s: not a command; help lists them\n", command) < 0)
		return NULL;
	return text;
}

/* --- life --------------------------------------------------------------------------------------- */

const struct gdb_target_ops gdb_target_ops = {
	.cpus = cpus,
	.get_registers = get_registers,
	.set_registers = set_registers,
	.read = gdb_memory_read,
	.write = gdb_memory_write,
	.set_break = gdb_break_set,
	.clear_break = gdb_break_clear,
	.resume = resume,
	.interrupt = interrupt,
	.kill = kill_guest,
	.monitor = monitor,
	.cpu_state = cpu_state,
};

int gdb_target_init(struct gdb_target *target, struct machine *machine, struct gdb_session *session,
		    struct report *report)
{
	struct machine_debugger debugger = {vcpu_met, restart, restarted, target};
	int controls = ioctl(machine->kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);
	int stops = kvm_stops_at(machine->kvm, report);

	if (stops < 0)
		return -1;
	memset(target, 0, sizeof(*target));
	target->event = -1;
	target->stops = (unsigned int)stops;
	target->machine = machine;
	target->session = session;
	target->software = kvm_is_software();
	target->controls = controls > 0 ? (uint32_t)controls : 0;
	target->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (target->event < 0)
		return report_fail(report, REPORT_HOST, "eventfd: %s", strerror(errno));
	for (unsigned int i = 0; i < GDB_CPUS_MAX; i++)
		target->actions[i] = GDB_CONTINUE;
	machine_set_debugger(machine, &debugger);
	return 0;
}

void gdb_target_clear(struct gdb_target *target)
{
	if (target->event >= 0)
		close(target->event);
}
