/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm features: what this host has of what the monitor can use, found out by trying, and what the
 * monitor makes of it. A fact is a row; as text for people, with --json as one JSON object.
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/net.h"
#include "vmm/jail-files.h"
#include "vmm/kvm.h"
#include "vmm/verbs.h"

#define HUGE_PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

/* What a question is asked about. */
struct host {
	struct kvm kvm;
	bool has_kvm;
	struct report report; /* why there is none */
};

/* --- of KVM; asked only where there is one --------------------------------------------------------- */

static long kvm_there(struct host *host)
{
	return host->has_kvm;
}

static long kvm_hardware(struct host *host)
{
	return !host->kvm.is_software;
}

static long kvm_stock_kernels(struct host *host)
{
	return kvm_runs_kernels(&host->kvm, &host->report);
}

static long kvm_slots(struct host *host)
{
	return (long)host->kvm.max_slots;
}

static long kvm_vcpus(struct host *host)
{
	return (long)host->kvm.good_vcpus;
}

static long kvm_vcpus_max(struct host *host)
{
	return (long)host->kvm.max_vcpus;
}

static long kvm_int3(struct host *host)
{
	int stops = kvm_stops_at(&host->kvm, &host->report);

	return stops < 0 ? stops : !!(stops & KVM_STOPS_AT_INT3);
}

static long kvm_watch(struct host *host)
{
	int stops = kvm_stops_at(&host->kvm, &host->report);

	return stops < 0 ? stops : !!(stops & KVM_STOPS_AT_WATCH);
}

/* --- of the host ------------------------------------------------------------------------------------ */

static long landlock_abi(struct host *host)
{
	(void)host;
	return jail_landlock_version();
}

static long seccomp_filters(struct host *host)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	(void)host;
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static long io_uring(struct host *host)
{
	struct io_uring_params params = {0};
	int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

	(void)host;
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static long huge_pages(struct host *host)
{
	char text[32] = "";
	int fd = open(HUGE_PAGES, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	(void)host;
	if (fd >= 0)
		close(fd);
	return n > 0 ? strtol(text, NULL, 10) : 0;
}

static long tap(struct host *host)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	(void)host;
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* --- of the build ----------------------------------------------------------------------------------- */

static long user_network(struct host *host)
{
	(void)host;
	return &net_user_type != NULL;
}

/* --- all of it -------------------------------------------------------------------------------------- */

static const struct feature {
	const char *name;
	const char *use;                /* what the monitor does with it */
	bool number;                    /* else it is there or not */
	bool of_kvm;                    /* asked only where there is a KVM */
	long (*ask)(struct host *host); /* negative: cannot be found out, host->report */
} features[] = {
	{"kvm", "/dev/kvm opens and has all that is needed", false, false, kvm_there},
	{"kvm_hardware", "else ring 0 is interpreted, which is slow", false, true, kvm_hardware},
	{"kvm_stock_kernels", "what Linux executes when it starts works", false, true,
	 kvm_stock_kernels},
	{"kvm_slots", "regions of memory at most", true, true, kvm_slots},
	{"kvm_vcpus", "vCPUs KVM recommends for --cpus", true, true, kvm_vcpus},
	{"kvm_vcpus_max", "and allows", true, true, kvm_vcpus_max},
	{"kvm_int3", "--gdb: break by int3, else by debug registers", false, true, kvm_int3},
	{"kvm_watch", "--gdb: watch", false, true, kvm_watch},
	{"landlock", "ABI; the jail forbids files by it", true, false, landlock_abi},
	{"seccomp", "the jail forbids system calls by it", false, false, seccomp_filters},
	{"io_uring", "--disk: aio=io_uring, else threads", false, false, io_uring},
	{"huge_pages", "of 2 MiB that are free, for regions with huge", true, false, huge_pages},
	{"tap", "/dev/net/tun opens, for --net tap", false, false, tap},
	{"user_network", "built with libslirp, for --net user", false, false, user_network},
};

static int print_feature(const struct feature *feature, struct host *host, bool json, bool first)
{
	long value = feature->of_kvm && !host->has_kvm ? 0 : feature->ask(host);
	char text[32];

	if (value < 0)
		return -1;
	if (feature->number)
		snprintf(text, sizeof(text), "%ld", value);
	else
		snprintf(text, sizeof(text), "%s",
			 json ? (value ? "true" : "false") : (value ? "yes" : "no"));
	if (json)
		printf("%s\"%s\": %s", first ? "{" : ", ", feature->name, text);
	else
		printf("%-18s %-6s %s\n", feature->name, text, feature->use);
	return 0;
}

int features_main(int argc, char **argv, struct report *report)
{
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	struct host host = {.kvm.fd = -1};
	int err = 0;

	if (argc > 1 + json)
		return report_fail(report, REPORT_USER, "features: %s: takes --json or nothing",
				   argv[1 + json]);
	host.has_kvm = kvm_open(&host.kvm, KVM_PATH, report) == 0;
	for (size_t i = 0; !err && i < sizeof(features) / sizeof(features[0]); i++)
		err = print_feature(&features[i], &host, json, i == 0);
	if (json)
		printf("}\n");
	if (err)
		*report = host.report;
	kvm_close(&host.kvm);
	return err || !host.has_kvm ? -1 : 0;
}
