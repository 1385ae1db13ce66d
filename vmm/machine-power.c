/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * How a machine ends or begins again: power off, panic, time out, restart.
 *
 * A restart happens on the loop's thread, asked for by a vCPU's. The VM and its vCPUs are made
 * anew, which resets all state of theirs there is; devices are reset as their drivers would do it,
 * and what they are connected to stays connected.
 */
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/machine-parts.h"

void machine_stop(struct machine *machine, int status)
{
	__atomic_fetch_add(&machine->stops, 1, __ATOMIC_RELEASE);
	loop_stop(machine->loop, status);
}

/* No vCPU goes on; the one that asked for it executes not one instruction more. */
static void all_leave(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_leave(&machine->vcpus[i]);
}

void machine_guest_ends(void *arg, int status)
{
	struct machine *machine = arg;

	all_leave(machine);
	machine_stop(machine, status);
}

/* What comes first counts, as in loop_stop(). */
static void guest_chooses_end(struct machine *machine, int status)
{
	if (!__atomic_load_n(&machine->stops, __ATOMIC_ACQUIRE))
		__atomic_store_n(&machine->guest_ended, true, __ATOMIC_RELEASE);
	machine_guest_ends(machine, status);
}

bool machine_ended_by_guest(const struct machine *machine)
{
	return __atomic_load_n(&machine->guest_ended, __ATOMIC_ACQUIRE);
}

void machine_exit_port_written(void *arg, int status)
{
	struct machine *machine = arg;
	const uint8_t *map = machine->config.exit_map;

	guest_chooses_end(machine, map ? map[status & 0xff] : status);
}

static void guest_powers_off(void *arg)
{
	guest_chooses_end(arg, 0);
}

/* The first is what it was: others may follow before all have left. */
static void crashed(struct machine *machine, int status)
{
	int none = 0;

	__atomic_compare_exchange_n(&machine->crash, &none, status, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
}

void machine_vcpu_ends(void *arg, int status)
{
	if (status == VCPU_END_TRIPLE_FAULT || status == VCPU_END_BROKEN)
		crashed(arg, status);
	machine_guest_ends(arg, status);
}

int machine_crash(const struct machine *machine)
{
	return __atomic_load_n(&machine->crash, __ATOMIC_ACQUIRE);
}

static void guest_panics(void *arg)
{
	crashed(arg, MACHINE_END_PANIC);
	machine_guest_ends(arg, MACHINE_END_PANIC);
}

void machine_guest_resets(void *arg)
{
	struct machine *machine = arg;
	uint64_t one = 1;

	if (machine->config.no_reboot) {
		guest_chooses_end(machine, 0);
		return;
	}
	all_leave(machine);
	/* The counter is small: it succeeds. */
	if (write(machine->restart, &one, sizeof(one)) < 0)
		machine_stop(machine, VCPU_END_HOST);
}

void machine_press_button(struct machine *machine, int status)
{
	uint64_t one = 1;
	int err = errno;

	__atomic_store_n(&machine->off_status, status, __ATOMIC_RELEASE);
	if (write(machine->press, &one, sizeof(one)) < 0)
		machine_stop(machine, status);
	/* A signal handler may have brought us here. */
	errno = err;
}

static void button_pressed(void *arg, uint32_t events)
{
	struct machine *machine = arg;
	uint64_t count;

	(void)events;
	if (read(machine->press, &count, sizeof(count)) != sizeof(count))
		return;
	if (machine_has_button(machine))
		irq_pulse(machine->button);
	else
		machine_stop(machine, __atomic_load_n(&machine->off_status, __ATOMIC_ACQUIRE));
}

bool machine_has_button(struct machine *machine)
{
	return ioapic_is_open(&machine->ioapic, MACHINE_BUTTON_PIN);
}

void machine_reset(struct machine *machine)
{
	machine_guest_resets(machine);
}

/* --- restart -------------------------------------------------------------------------------------- */

static void reset_devices(struct machine *machine)
{
	if (machine->config.pci)
		pci_reset(&machine->pci.bus);
	for (size_t i = 0; i < machine->slot_count && !machine->config.pci; i++) {
		uint32_t zero = 0;

		virtio_mmio_bus_ops.write(machine->slots[i].mmio, VIRTIO_MMIO_STATUS, &zero,
					  sizeof(zero));
	}
	serial_reset(machine->serial);
	i8042_reset(&machine->i8042);
	ioapic_reset(&machine->ioapic);
}

/* What a kernel finds in RAM is what it finds at the first start; files keep what is in them. */
static int clear_memory(struct machine *machine, struct report *report)
{
	struct gm_memory *memory = gm_cell_snapshot(machine->memory);
	int err = 0;

	for (size_t i = 0; i < gm_memory_count(memory) && !err; i++) {
		const struct gm_region *region = gm_memory_region(memory, i);

		if (gm_region_backing(region) == GM_BACKING_ANON)
			err = gm_discard(memory, gm_region_start(region), gm_region_size(region),
					 NULL);
	}
	gm_memory_put(memory);
	if (err)
		return report_fail(report, REPORT_HOST, "restart: cannot clear memory: %s",
				   gm_strerror(err));
	return 0;
}

static int restart(struct machine *machine, struct report *report)
{
	struct gm_memory *memory;
	int err;

	if (machine->debugger.restart)
		machine->debugger.restart(machine->debugger.debugger);
	machine->restarts++;
	machine_end_vcpus(machine);
	reset_devices(machine);
	kvm_destroy_vm(machine->kvm);
	if (clear_memory(machine, report))
		return -1;
	memory = gm_cell_snapshot(machine->memory);
	err = kvm_create_vm(machine->kvm, memory, IOAPIC_PINS, report);
	gm_memory_put(memory);
	if (err || machine_boot(machine, machine->boot, report))
		return -1;
	if (machine->debugger.restarted)
		machine->debugger.restarted(machine->debugger.debugger);
	if (machine_start_vcpus(machine, report))
		return -1;
	machine_tell(machine, MACHINE_RESTARTED);
	return 0;
}

static void restart_asked(void *arg, uint32_t events)
{
	struct machine *machine = arg;
	struct report report;
	uint64_t count;

	(void)events;
	if (read(machine->restart, &count, sizeof(count)) != sizeof(count))
		return;
	if (restart(machine, &report) == 0)
		return;
	log_line(LOG_LEVEL_ERROR, "%s", report.text);
	machine_stop(machine, (int)report.status);
}

static void time_is_up(void *arg, uint32_t events)
{
	(void)events;
	log_line(LOG_LEVEL_ERROR, "--timeout: the time is up");
	crashed(arg, MACHINE_END_TIMEOUT);
	machine_stop(arg, MACHINE_END_TIMEOUT);
}

/* --- set-up --------------------------------------------------------------------------------------- */

int machine_set_timeout(struct machine *machine, uint64_t ms, struct report *report)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000},
	};

	machine->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (machine->timer < 0 || timerfd_settime(machine->timer, 0, &when, NULL))
		return report_fail(report, REPORT_HOST, "timerfd: %s", strerror(errno));
	machine->timer_watch = loop_add(machine->loop, machine->timer, EPOLLIN, time_is_up, machine);
	if (!machine->timer_watch)
		return report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));
	return 0;
}

int machine_add_power(struct machine *machine, struct report *report)
{
	machine->power = (struct power){
		.off = guest_powers_off,
		.reset = machine_guest_resets,
		.panic = guest_panics,
		.arg = machine,
	};
	machine->button = ioapic_line(&machine->ioapic, MACHINE_BUTTON_PIN);
	machine->restart = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	machine->press = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!machine->button || machine->restart < 0 || machine->press < 0)
		return report_fail(report, REPORT_HOST, "eventfd: %s", strerror(errno));
	machine->restart_watch =
		loop_add(machine->loop, machine->restart, EPOLLIN, restart_asked, machine);
	machine->press_watch =
		loop_add(machine->loop, machine->press, EPOLLIN, button_pressed, machine);
	if (!machine->restart_watch || !machine->press_watch)
		return report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));
	return 0;
}

void machine_remove_power(struct machine *machine)
{
	const int fds[] = {machine->restart, machine->press, machine->timer};

	loop_remove(machine->restart_watch);
	loop_remove(machine->press_watch);
	loop_remove(machine->timer_watch);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}
