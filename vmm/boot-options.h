/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* From the command line to a boot: what is started, and what is only planned, is the same. */
#ifndef VMM_BOOT_OPTIONS_H
#define VMM_BOOT_OPTIONS_H

#include "vmm/machine.h"
#include "vmm/options.h"

/*
 * What @options say of a boot of @machine, which has its devices. @params->files stays as it is.
 * boot_options_clear() in every case. 0 or -1 (@report).
 */
int boot_options_take(struct boot_params *params, const struct options *options,
		      struct machine *machine, struct report *report);
void boot_options_clear(struct boot_params *params);

#endif
