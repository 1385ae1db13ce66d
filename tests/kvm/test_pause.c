/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Pausing, from inside: a machine in this process, its loop's timer pausing and resuming it in a
 * storm while a guest computes on every processor what it checks itself.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"
#include "vmm/layout.h"
#include "vmm/machine.h"

#define GUEST_CPUS   0x3008 /* guest/tiny/sums.S */
#define GUEST_ROUNDS 0x300c
#define INTERVAL_NS  700000

static struct subject {
	struct kvm kvm;
	struct gm_memory *memory;
	struct machine machine;
	struct boot_params params;
	struct report report;
	int timer;
	struct loop_watch *watch;
	unsigned int pauses;
} subject;

static void make(const char *guest, unsigned int cpus, loop_callback *tick)
{
	const struct itimerspec when = {{0, INTERVAL_NS}, {0, INTERVAL_NS}};
	const struct machine_config config = {.serial = "null", .cpus = cpus};
	struct layout layout = {0};
	struct report *report = &subject.report;

	memset(&subject, 0, sizeof(subject));
	ck_assert_int_eq(kvm_open(&subject.kvm, KVM_PATH, report), 0);
	ck_assert_int_eq(layout_add_memory(&layout, "2M", report), 0);
	ck_assert_int_eq(layout_build(&layout, 8, 0, &subject.memory, report), 0);
	layout_clear(&layout);
	ck_assert_msg(machine_create(&subject.machine, &subject.kvm, subject.memory, &config,
				     report) == 0,
		      "%s", report->text);
	subject.params = (struct boot_params){.kernel = tiny(guest), .flat = "0x1000,32"};
	ck_assert_msg(machine_boot(&subject.machine, &subject.params, report) == 0, "%s",
		      report->text);
	subject.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	ck_assert_int_eq(timerfd_settime(subject.timer, 0, &when, NULL), 0);
	subject.watch = loop_add(subject.machine.loop, subject.timer, EPOLLIN, tick, &subject);
	ck_assert_ptr_nonnull(subject.watch);
}

static void unmake(void)
{
	loop_remove(subject.watch);
	close(subject.timer);
	machine_destroy(&subject.machine);
	kvm_close(&subject.kvm);
	gm_memory_put(subject.memory);
}

static void set_word(uint64_t addr, uint32_t value)
{
	ck_assert_int_eq(gm_write_obj(subject.memory, addr, &value), 0);
}

static struct kvm_regs registers(unsigned int vcpu)
{
	struct kvm_regs regs;

	ck_assert_int_eq(ioctl(subject.machine.vcpus[vcpu].fd, KVM_GET_REGS, &regs), 0);
	return regs;
}

static bool ticked(void)
{
	uint64_t count;

	return read(subject.timer, &count, sizeof(count)) == sizeof(count);
}

/* What is paused stands still, and a port read is over or has not begun. */
static void check_still(unsigned int cpus)
{
	static const struct timespec wait = {.tv_nsec = 200000};
	struct kvm_regs before[4];

	for (unsigned int i = 0; i < cpus; i++) {
		uint8_t last = 0;

		before[i] = registers(i);
		/* The one-byte instruction in %dx, %al, with %eax zero before it. */
		if (before[i].rip > 0x1000 &&
		    gm_read_obj(subject.memory, before[i].rip - 1, &last) == 0 && last == 0xec)
			ck_assert_uint_eq(before[i].rax, 0xff);
	}
	nanosleep(&wait, NULL);
	for (unsigned int i = 0; i < cpus; i++) {
		struct kvm_regs after = registers(i);

		ck_assert_mem_eq(&before[i], &after, sizeof(after));
	}
}

static void storm(void *arg, uint32_t events)
{
	struct machine *machine = &subject.machine;

	(void)arg;
	(void)events;
	if (!ticked())
		return;
	machine_pause(machine);
	ck_assert(machine_paused(machine));
	/* Nested, and asked again before any thread woke. */
	machine_pause(machine);
	if (subject.pauses++ % 4 == 0)
		check_still(machine->vcpu_count);
	machine_resume(machine);
	ck_assert(machine_paused(machine));
	machine_resume(machine);
	machine_pause(machine);
	machine_resume(machine);
	ck_assert(!machine_paused(machine));
}

/* The guest's sums are right however often it stood still. */
START_TEST(test_storm)
{
	unsigned int cpus = (unsigned int)_i + 1;
	int status = -1;

	NEED_KVM();
	make("sums", cpus, storm);
	set_word(GUEST_CPUS, cpus);
	set_word(GUEST_ROUNDS, 10000);
	ck_assert_int_eq(machine_run(&subject.machine, &status, &subject.report), 0);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_gt(subject.pauses, 4);
	unmake();
}
END_TEST

static void hold_reader(void *device, uint64_t offset, void *data, unsigned int len)
{
	(void)device;
	(void)offset;
	(void)len;
	*(uint8_t *)data = 0x5a;
	vcpu_ask(&subject.machine.vcpus[0], VCPU_ASK_HOLD);
}

static void see_held(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	if (!ticked() || !__atomic_load_n(&subject.machine.vcpus[0].asked, __ATOMIC_SEQ_CST))
		return;
	vcpu_wait_parked(&subject.machine.vcpus[0]);
	ck_assert_uint_eq(registers(0).rax, 0x5a);
	machine_stop(&subject.machine, 79);
}

/* A vCPU asked to park in the middle of a port read has the value when it is parked. */
START_TEST(test_read_is_over)
{
	static const struct bus_ops ops = {.read = hold_reader};
	const struct bus_range port = {0x999, 1, &ops, &subject, "held"};
	int status = -1;

	NEED_KVM();
	make("sums", 1, see_held);
	ck_assert_int_eq(bus_add(&subject.machine.pio, &port), 0);
	set_word(GUEST_CPUS, 1);
	set_word(GUEST_ROUNDS, 1);
	ck_assert_int_eq(machine_run(&subject.machine, &status, &subject.report), 0);
	ck_assert_int_eq(status, 79);
	unmake();
}
END_TEST

static void end_while_paused(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	if (!ticked())
		return;
	if (subject.pauses++ == 0)
		machine_pause(&subject.machine);
	else
		machine_stop(&subject.machine, 77);
}

/* A machine ends while it is paused: halted, waiting for its SIPI, never stopped. */
START_TEST(test_end_while_paused)
{
	static const char *const guests[] = {"halt", "spin"};
	int status = -1;

	NEED_KVM();
	make(guests[_i], 3, end_while_paused);
	ck_assert_int_eq(machine_run(&subject.machine, &status, &subject.report), 0);
	ck_assert_int_eq(status, 77);
	unmake();
}
END_TEST

static void let_go(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	if (!ticked() || subject.pauses++ != 3)
		return;
	ck_assert_uint_eq(registers(0).rip, 0x1000);
	machine_resume(&subject.machine);
}

/* Paused before it runs, the guest stands at its first instruction until it is resumed. */
START_TEST(test_before_start)
{
	int status = -1;

	NEED_KVM();
	make("sums", 1, let_go);
	set_word(GUEST_CPUS, 1);
	set_word(GUEST_ROUNDS, 1);
	machine_pause(&subject.machine);
	ck_assert_int_eq(machine_run(&subject.machine, &status, &subject.report), 0);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_gt(subject.pauses, 3);
	unmake();
}
END_TEST

static void restart_then_end(void *arg, uint32_t events)
{
	struct machine *machine = &subject.machine;

	(void)arg;
	(void)events;
	if (!ticked())
		return;
	switch (subject.pauses++) {
	case 0:
		machine_pause(machine);
		machine->power.reset(machine);
		break;
	case 1:
		/* The new vCPU stands at the start; until then the old one is in its circle. */
		if (registers(0).rip == 0x1000)
			machine_resume(machine);
		else
			subject.pauses--;
		break;
	case 5: machine_stop(machine, 78); break;
	}
}

START_TEST(test_restart_while_paused)
{
	int status = -1;

	NEED_KVM();
	make("spin", 2, restart_then_end);
	ck_assert_int_eq(machine_run(&subject.machine, &status, &subject.report), 0);
	ck_assert_int_eq(status, 78);
	unmake();
}
END_TEST

Suite *pause_suite(void)
{
	Suite *suite = suite_create("pause");
	TCase *tc = tcase_create("pause");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_storm, 0, 4);
	tcase_add_test(tc, test_read_is_over);
	tcase_add_loop_test(tc, test_end_while_paused, 0, 2);
	tcase_add_test(tc, test_before_start);
	tcase_add_test(tc, test_restart_while_paused);
	suite_add_tcase(suite, tc);
	return suite;
}
