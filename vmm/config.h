/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Configuration files: the options as JSON. Only where jansson was there to build with; who calls
 * these asks first whether they are there.
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <stdio.h>

#include "vmm/options.h"

/* The file's settings behind those that are there already, all of them of @layer. 0 or -1 (@report). */
int config_read(const char *path, unsigned int layer, struct options *options, struct report *report)
	__attribute__((weak));

/*
 * All settings as such a file: read again they are the same, and the text, too. 0, or -1 (@report)
 * if something is not UTF-8.
 */
int config_print(const struct options *options, FILE *out, struct report *report)
	__attribute__((weak));

/* Its version. */
extern const char config_library[] __attribute__((weak));

#endif
