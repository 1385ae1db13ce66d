/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The boot parameters of a command line. */
#include "vmm/boot-options.h"

#include <stdlib.h>

int boot_options_take(struct boot_params *params, const struct options *options,
		      struct machine *machine, struct report *report)
{
	*params = (struct boot_params){
		.files = params->files,
		.kernel = options->kernel,
		.cmdline = options->cmdline,
		.append = options->append,
		.linux_words = options->linux_words,
		.guest_words = options->guest_words,
		.device_words = machine_device_words(machine),
		.initrd = options->initrd,
		.acpi = machine_acpi(machine),
		.modules = options->modules,
		.module_count = options->module_count,
		.flat = options->flat,
	};
	if (!params->device_words)
		return report_fail(report, REPORT_HOST, "out of memory");
	return 0;
}

void boot_options_clear(struct boot_params *params)
{
	free((char *)params->device_words);
	params->device_words = NULL;
}
