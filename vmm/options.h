/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The command line: one table of options, the device options from the table of device types, and
 * what they add up to.
 */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include "devices/devices.h"
#include "devices/report.h"
#include "vmm/boot.h"
#include "vmm/jail.h"
#include "vmm/layout.h"

struct option_device {
	const struct device_type *type;
	const char *args; /* NULL if the device takes none */
};

struct option_row;

/* One option as it was given. */
struct setting {
	const struct option_row *row;   /* an option, the kernel; or NULL, and */
	const struct device_type *type; /* a device */
	const char *value;              /* NULL: none */
	/* Who says it: the files in their order, then the command line. The last one has it. */
	unsigned int layer;
	const char *file; /* NULL: the command line */
	bool off;         /* it says that there is none */
	bool dropped;     /* while parsing: another one has its place */
};

/* Strings point into argv and texts, but for linux_words, guest_words and modules. */
struct options {
	struct setting *settings; /* what all that follows comes from */
	size_t setting_count;
	char **texts; /* what settings have that is not in argv */
	size_t text_count;
	const char *kernel;
	const char *cmdline;  /* --cmdline, or NULL */
	const char *append;   /* --append, or NULL */
	const char *initrd;   /* --initrd, or NULL */
	const char *flat;     /* --flat, or NULL */
	const char *kvm;      /* --kvm, or /dev/kvm: a path, or "fd:N" */
	const char *serial;   /* --serial; or "stdio", unless a device has it */
	struct layout layout; /* checked by layout_build() */
	struct boot_module *modules;
	size_t module_count;
	struct option_device *devices; /* in command line order */
	size_t device_count;
	char *linux_words;   /* what a Linux kernel is told without --cmdline */
	char *guest_words;   /* what stands behind --, or NULL */
	unsigned int cpus;   /* --cpus, or 1 */
	uint64_t timeout_ms; /* --timeout; 0: none */
	enum jail_mode jail;
	const char **expect; /* --expect, in command line order */
	size_t expect_count;
	bool tap;             /* --tap */
	const char *junit;    /* --junit, or NULL */
	uint8_t *exit_map;    /* --exit-map: 256 statuses, or NULL */
	bool gdb;             /* --gdb was given */
	const char *gdb_spec; /* where it listens, or NULL */
	const char *control;  /* --control, or NULL */
	const char *on_crash; /* --on-crash, or NULL */
	bool pci;             /* --transport pci: virtio devices on a PCI bus */
	bool no_reboot;       /* --no-reboot: a reset ends the machine */
	bool map;             /* --map: the memory map before the start */
	const char *map_file; /* where to, or NULL: standard error */
	bool stats;           /* --stats: counters at the end */
	uint64_t stats_every; /* ms between records of them, or 0: one at the end */
	char *stats_to;       /* the file they go to, or NULL: standard error */
};

/*
 * Parse the command line. Returns 0 to go on, 1 if --help, --version or --print-config was asked
 * for and answered on standard output, -1 on a mistake (@report). options_clear() in every case.
 */
int options_parse(int argc, char **argv, struct options *options, struct report *report);

/* The same for a machine that is only drawn, so that there need not be a kernel. */
int options_parse_map(int argc, char **argv, struct options *options, struct report *report);
void options_clear(struct options *options);

/* The name without dashes; whether it is none on the command line; whether there may be several. */
const char *setting_name(const struct setting *setting);
bool setting_is_word(const struct setting *setting);
bool setting_may_repeat(const struct setting *setting);

int setting_add(struct options *options, const struct setting *setting, struct report *report);

/* A copy that lives as long as the options, or NULL. */
const char *options_keep(struct options *options, const char *text);

#endif
