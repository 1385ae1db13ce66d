/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What --on-crash means: a triple fault, an instruction KVM cannot execute, a panic that the guest
 * reports, --timeout (by which alone a guest that hangs is known). A debugger that is there sees
 * the crash in any case.
 */
#include "vmm/on-crash.h"

#include <errno.h>
#include <string.h>

#include "devices/try-path.h"

#define DEFAULT_CORE "vmm.core"

/* The path of dump[=PATH], or NULL. */
static const char *dump_path(const char *value)
{
	static const char word[] = "dump";
	size_t len = sizeof(word) - 1;

	if (strncmp(value, word, len) != 0 || (value[len] && value[len] != '='))
		return NULL;
	return value[len] && value[len + 1] ? value + len + 1 : value[len] ? NULL : DEFAULT_CORE;
}

int on_crash_check(const char *value, struct report *report)
{
	if (strcmp(value, "gdb") != 0 && !dump_path(value))
		return report_fail(report, REPORT_USER,
				   "--on-crash %s: neither gdb nor dump[=PATH]", value);
	return 0;
}

int on_crash_try(const struct options *options, struct report *report)
{
	const char *path = options->on_crash ? dump_path(options->on_crash) : NULL;

	if (path && try_make(path))
		return report_fail(report, report_whose(errno), "--on-crash dump=%s: %s", path,
				   strerror(errno));
	return options->gdb ? gdb_check(options->gdb_spec, report) : 0;
}

int on_crash_open(struct on_crash *crash, const struct options *options, struct machine *machine,
		  struct report *report)
{
	const char *path = options->on_crash ? dump_path(options->on_crash) : NULL;

	crash->machine = machine;
	crash->wait = options->on_crash && !path;
	if (path && core_open(&crash->core, path, machine, report))
		return -1;
	if (options->gdb)
		return gdb_open("--gdb", options->gdb_spec, machine, &crash->gdb, report);
	/* Nothing can be opened when it has crashed. */
	return crash->wait ? gdb_open("--on-crash gdb", "run", machine, &crash->gdb, report) : 0;
}

int on_crash(struct on_crash *crash, int status, struct report *report)
{
	if (!machine_crash(crash->machine))
		return 0;
	/* First: a debugger may change what is there. */
	if (crash->core.fd >= 0) {
		if (crash->gdb)
			gdb_withdraw(crash->gdb);
		if (core_write(&crash->core, crash->machine, report))
			return -1;
		log_line(LOG_LEVEL_INFO, "the guest's memory and registers are in %s",
			 crash->core.path);
	}
	if (crash->gdb)
		gdb_post_mortem(crash->gdb, status, crash->wait);
	return 0;
}

void on_crash_close(struct on_crash *crash, int status)
{
	gdb_close(crash->gdb, status);
	core_close(&crash->core);
}
