/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm: boot a kernel on a memory of any layout. This is the whole story; each step is a file of
 * its own. README.md has the exit statuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guestmem/fault.h"
#include "vmm/boot-options.h"
#include "vmm/control.h"
#include "vmm/jail.h"
#include "vmm/kvm.h"
#include "vmm/layout.h"
#include "vmm/machine.h"
#include "vmm/map.h"
#include "vmm/on-crash.h"
#include "vmm/options.h"
#include "vmm/stats.h"
#include "vmm/terminal.h"
#include "vmm/verbs.h"
#include "vmm/verdict.h"

/* A descriptor opened below 3 would be taken for standard input, output or error. */
static int open_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	}
	return 0;
}

/* Signals that are answers to something this process does are error numbers instead. */
static int prepare_process(struct report *report)
{
	log_begin();
	if (open_standard_descriptors())
		return report_fail(report, REPORT_HOST, "/dev/null: cannot be opened");
#ifdef __GLIBC__
	/* One heap for all threads: to trim another the C library reads a file, which the jail forbids. */
	mallopt(M_ARENA_MAX, 1);
#endif
	signal(SIGPIPE, SIG_IGN);
	/* A file that may not grow is an I/O error, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	if (terminal_guard(report))
		return -1;
	if (gm_fault_install())
		return report_fail(report, REPORT_HOST, "sigaction: no handler for SIGBUS");
	return 0;
}

static int add_devices(struct machine *machine, const struct options *options, struct report *report)
{
	for (size_t i = 0; i < options->device_count; i++) {
		const struct option_device *device = &options->devices[i];

		if (machine_add_device(machine, device->type, device->args, report))
			return -1;
	}
	return 0;
}

static int load(struct machine *machine, const struct options *options, struct boot_params *params,
		struct report *report)
{
	int err = add_devices(machine, options, report);

	if (err)
		return err;
	if (boot_options_take(params, options, machine, report))
		return -1;
	if (options->timeout_ms && machine_set_timeout(machine, options->timeout_ms, report))
		return -1;
	return machine_boot(machine, params, report);
}

static int run(const struct options *options, struct verdict *verdict, struct kvm *kvm,
	       struct gm_memory *memory, int *status, struct report *report)
{
	const struct machine_config config = {
		.serial = options->serial,
		.cpus = options->cpus,
		.no_reboot = options->no_reboot,
		.exit_map = options->exit_map,
		.pci = options->pci,
		.layout = &options->layout,
	};
	struct boot_files files = {0};
	struct boot_params params = {.files = options->no_reboot ? NULL : &files};
	struct on_crash crash = {.core.fd = -1};
	struct control *control = NULL;
	struct stats stats = {.fd = -1, .timer = -1};
	struct machine machine;
	bool ran = false;
	int err = machine_create(&machine, kvm, memory, &config, report);

	if (err)
		goto out;
	err = load(&machine, options, &params, report);
	if (err)
		goto out;
	err = map_show(options, &machine, report);
	if (err)
		goto out;
	/* Only a restart makes another VM. */
	if (options->no_reboot)
		kvm_forget(kvm);
	err = on_crash_open(&crash, options, &machine, report);
	if (!err && options->control)
		err = control_open(options->control, &machine, &control, report);
	if (!err && options->stats)
		err = stats_open(&stats, options, &machine, report);
	if (!err)
		err = terminal_begin(&machine, report);
	if (!err)
		err = jail_lock(report);
	if (!err)
		log_line(LOG_LEVEL_DEBUG, "the guest starts");
	verdict_set_machine(verdict, &machine);
	ran = !err;
	if (!err)
		err = machine_run(&machine, status, report);
	if (!err)
		log_line(LOG_LEVEL_DEBUG, "the machine has ended with status %d", *status);
	if (!err)
		err = verdict_reach(verdict, status, report);
	verdict_set_machine(verdict, NULL);
	if (control)
		control_over(control, *status);
	if (!err)
		err = on_crash(&crash, *status, report);
	terminal_end();
	if (ran && options->stats)
		stats_end(&stats);
out:
	if (control)
		control_close(control, err ? (int)report->status : *status);
	stats_close(&stats);
	on_crash_close(&crash, *status);
	machine_destroy(&machine);
	boot_files_clear(&files);
	boot_options_clear(&params);
	return err;
}

/* What the user named is the user's mistake, as long as it is no KVM that lacks something. */
static int open_kvm(const struct options *options, struct kvm *kvm, struct report *report)
{
	int err = kvm_open(kvm, options->kvm, report);
	struct report why = *report;

	if (err && kvm->fd < 0 && strcmp(options->kvm, KVM_PATH) != 0)
		report_fail(report, REPORT_USER, "--kvm %s", why.text);
	return err;
}

static int start(const struct options *options, struct verdict *verdict, int *status,
		 struct report *report)
{
	struct kvm kvm;
	struct gm_memory *memory = NULL;
	int err = open_kvm(options, &kvm, report);

	if (err)
		goto out;
	log_line(LOG_LEVEL_DEBUG, "%s: %zu slots, %u vCPUs recommended, %u possible%s",
		 options->kvm, kvm.max_slots, kvm.good_vcpus, kvm.max_vcpus,
		 kvm.is_software ? ", no hardware under it" : "");
	err = layout_build(&options->layout, kvm.max_slots, 0, &memory, report);
	if (err)
		goto out;
	log_line(LOG_LEVEL_DEBUG, "memory: %zu regions", gm_memory_count(memory));
	err = jail_begin(options->jail, report);
	if (!err)
		err = run(options, verdict, &kvm, memory, status, report);
out:
	jail_end();
	kvm_close(&kvm);
	gm_memory_put(memory);
	return err;
}

/*
 * A thread that cannot have its place in liburcu's table of readers for want of memory is told so
 * by abort() alone. The linker sends those calls here (Makefile), for the one line that is due.
 */
_Noreturn void __wrap_abort(void);

_Noreturn void __wrap_abort(void)
{
	static const char line[] = "vmm: out of memory: a thread cannot reach the guest's\n";

	terminal_restore();
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		_exit(REPORT_HOST);
	_exit(REPORT_HOST);
}

/* What the command line asks for: 0 if it is a machine, 1 if it was something else, now done. */
static int understand(int argc, char **argv, struct options *options, struct report *report)
{
	const struct verb *verb = argc > 1 ? verb_find(argv[1]) : NULL;
	const struct verb *near = argc > 1 && !verb ? verb_near(argv[1]) : NULL;

	if (near)
		return report_fail(report, REPORT_USER,
				   "%s: neither a file nor a verb; did you mean %s?", argv[1],
				   near->name);
	if (verb && verb->main)
		return verb_run(verb, argc - 1, argv + 1, report) ? -1 : 1;
	return verb ? options_parse(argc - 1, argv + 1, options, report)
		    : options_parse(argc, argv, options, report);
}

int main(int argc, char **argv)
{
	struct report report;
	struct options options = {0};
	struct verdict verdict = {0};
	int status = EXIT_SUCCESS;
	int err = prepare_process(&report);

	if (!err)
		err = understand(argc, argv, &options, &report);
	if (!err)
		err = verdict_open(&verdict, &options, &report);
	if (!err)
		err = start(&options, &verdict, &status, &report);
	if (err < 0) {
		log_line(LOG_LEVEL_ERROR, "%s", report.text);
		status = (int)report.status;
	}
	verdict_close(&verdict);
	options_clear(&options);
	return status;
}
