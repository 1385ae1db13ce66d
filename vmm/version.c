/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* --version: what this program is, and what it was built with. */
#include <gnu/libc-version.h>
#include <stdio.h>
#include <sys/auxv.h>

#include "devices/net.h"
#include "vmm/config.h"
#include "vmm/expect.h"
#include "vmm/options-impl.h"

#ifndef LIBURING_VERSION
#define LIBURING_VERSION NULL
#endif
#ifndef LIBURCU_VERSION
#define LIBURCU_VERSION "unknown"
#endif
#ifdef __clang__
#define COMPILER ""
#else
#define COMPILER "gcc "
#endif

static void print_library(const char *name, const char *version, const char *use)
{
	printf("  %-11s %-10s %s\n", name, version ? version : "-", use);
}

void print_version(void)
{
	/* A program without shared libraries has no loader. */
	bool is_static = getauxval(AT_BASE) == 0;

	printf("vmm %s\n", VMM_VERSION);
	printf("  %-11s %s\n", "compiler", COMPILER __VERSION__);
	print_library("C library", gnu_get_libc_version(),
		      is_static ? "in this file, which is static" : "shared");
	print_library("liburcu", LIBURCU_VERSION, "memory that changes while it is used");
	print_library("liburing", LIBURING_VERSION, "disks: aio=io_uring");
	print_library("libslirp", &net_user_type ? net_user_library : NULL, "--net user");
	print_library("jansson", config_read ? config_library : NULL,
		      "--config, --print-config, --control, vmm ctl");
	print_library("regex", expect_new ? "yes" : NULL, "--expect");
	print_library("gdb stub", "yes", "--gdb, --on-crash gdb");
}
