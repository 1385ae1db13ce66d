/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the command line says of itself: the help, the same as a table for programs (completions,
 * man pages), and what somebody may have meant who wrote an option that is none.
 */
#include "devices/near.h"
#include "vmm/options-impl.h"
#include "vmm/verbs.h"

#include <stdio.h>
#include <string.h>

static void print_row(int width, const char *name, const char *args, const char *help)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s%s%s", name, args && *args != '[' ? " " : "",
		 args ? args : "");
	printf("  %-*s %s\n", width, left, help);
}

/* For programs: name, argument or nothing, help. */
static void list_row(const char *name, const char *args, const char *help)
{
	printf("%s\t%s\t%s\n", name, args ? args : "", help);
}

static void print_usage(void)
{
	printf("usage: vmm KERNEL [options] [-- guest arguments]\n"
	       "\n"
	       "  vmm kernel.elf --disk disk.img               boot a kernel with a disk\n"
	       "  vmm kernel.elf --memory 1G --fragment 64K    the same RAM in 64 KiB pieces\n"
	       "  vmm kernel.elf --region 0:64M --region 4G:64M,file=ram.bin\n"
	       "  vmm boot.bin --flat 0x7c00                   a 16-bit binary\n"
	       "\n"
	       "KERNEL is a Linux bzImage or vmlinux, an ELF file with a PVH note, or a flat\n"
	       "binary (--flat). ");
}

/* A device's argument without what its help has: up to the first word, and that there are some. */
static void print_device(const struct device_type *type)
{
	bool optional = *type->args == '[';
	char args[40], help[64];

	snprintf(args, sizeof(args), "%.*s%s", optional ? 0 : (int)strcspn(type->args, "["),
		 type->args, optional ? "[=WORD...]" : "[,WORD...]");
	snprintf(help, sizeof(help), "%.*s", (int)strcspn(type->help, ";:"), type->help);
	print_row(30, type->name, args, help);
}

static void print_help(void)
{
	const char *before = "";

	print_usage();
	printf("Verbs in its place: ");
	for (const struct verb *verb = verbs; verb->name; verb++, before = ", ")
		printf("%s%s", before, verb->name);
	printf(".\n\n");
	for (const struct option_row *row = option_rows; row->name; row++) {
		if (row->flags & OPTION_COMMON)
			print_row(30, row->name, row->args, row->help);
	}
	for (const struct device_type *const *type = device_types; *type; type++)
		print_device(*type);
	printf("\n"
	       "All options: --help=all. WORDs and more: --help=disk, =region, =spec and so\n"
	       "on. Ctrl-A x quits, Ctrl-A ? helps.\n"
	       "Exit status: the guest's; 1 host error, 2 wrong input; see --help=status.\n");
}

static const char *const groups[] = {
	[OPTION_MEMORY] = "Memory",         [OPTION_KERNEL] = "The kernel",
	[OPTION_MACHINE] = "The machine",   [OPTION_END] = "How it ends",
	[OPTION_DEBUG] = "To look into it", [OPTION_ABOUT] = "vmm itself",
};

static void print_all(void)
{
	print_usage();
	printf("In place of KERNEL (a file of that name is ./NAME):\n");
	for (const struct verb *verb = verbs; verb->name; verb++)
		printf("  %-8s %-23s %s\n", verb->name, verb->args ? verb->args : "", verb->help);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		printf("\n%s\n", groups[i]);
		for (const struct option_row *row = option_rows; row->name; row++) {
			if (row->group == i)
				print_row(32, row->name, row->args, row->help);
		}
	}
	printf("\nDevices\n");
	for (const struct device_type *const *type = device_types; *type; type++) {
		print_row(32, (*type)->name, (*type)->args, (*type)->help);
		topic_print_words((*type)->words);
	}
	printf("\n"
	       "SPEC: stdio, null, pty, file=PATH, socket=PATH, connect=PATH, pipe=PATH.\n"
	       "WORDs of a region: ro, file=PATH, offset=N, private, memfd, huge, populate, lock.\n"
	       "Sizes: 4096, 0x1000, 64K, 1M+4K, 3G. Ctrl-A x quits, Ctrl-A ? helps.\n"
	       "Exit status: the guest's; 1 host error, 2 wrong input; see --help=status.\n");
}

static void print_list(void)
{
	for (const struct option_row *row = option_rows; row->name; row++)
		list_row(row->name, row->args, row->help);
	for (const struct device_type *const *type = device_types; *type; type++)
		list_row((*type)->name, (*type)->args, (*type)->help);
}

int options_help(const char *about, struct report *report)
{
	if (!about)
		print_help();
	else if (strcmp(about, "all") == 0)
		print_all();
	else if (strcmp(about, "list") == 0)
		print_list();
	else
		return topic_print(about, report);
	return 0;
}

int options_unknown(const char *name, struct report *report)
{
	struct near near = {.text = name};

	for (const struct option_row *row = option_rows; row->name; row++)
		near_try(&near, row->name);
	for (const struct device_type *const *type = device_types; *type; type++)
		near_try(&near, (*type)->name);
	if (near.best)
		return report_fail(report, REPORT_USER, "--%s: unknown option; did you mean --%s?",
				   name, near.best);
	return report_fail(report, REPORT_USER, "--%s: unknown option; --help lists them", name);
}
