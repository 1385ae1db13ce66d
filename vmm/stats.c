/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The counters: having them kept, and printing them for people. stats-json.c is for programs. */
#include "vmm/stats.h"

#include <inttypes.h>

#include "devices/clock.h"
#include "devices/virtio-meter.h"

int stats_measure(struct machine *machine, struct report *report)
{
	for (size_t i = 0; i < machine->slot_count; i++) {
		if (virtio_measure(machine->slots[i].device))
			return report_fail(report, REPORT_HOST, "out of memory");
	}
	for (unsigned int i = 0; i < machine->config.cpus; i++)
		machine->vcpus[i].timed = true;
	return 0;
}

/* "12.3 us"; three digits are enough for people. */
static void print_time(FILE *out, const char *before, uint64_t ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (ns < units[i].ns)
			continue;
		fprintf(out, "%s%" PRIu64 ".%" PRIu64 " %s", before, ns / units[i].ns,
			ns % units[i].ns * 10 / units[i].ns, units[i].name);
		return;
	}
	fprintf(out, "%s%" PRIu64 " ns", before, ns);
}

static void print_latency(struct virtio_device *device, FILE *out)
{
	struct virtio_queue_meter meter;
	struct histogram all = {0};
	uint32_t depth = 0;

	for (unsigned int i = 0; virtio_meter_read(device, i, &meter); i++) {
		histogram_merge(&all, &meter.latency);
		depth = meter.depth_max > depth ? meter.depth_max : depth;
	}
	if (!all.count)
		return;
	print_time(out, "; half of them within ", histogram_percentile(&all, 500));
	print_time(out, ", 90 % ", histogram_percentile(&all, 900));
	print_time(out, ", 99 % ", histogram_percentile(&all, 990));
	print_time(out, ", all ", all.max);
	fprintf(out, ", at most %u at once", depth);
}

static void print_device(struct virtio_device *device, FILE *out)
{
	struct virtio_stats stats;
	char more[256];

	virtio_device_stats(device, &stats);
	fprintf(out,
		"vmm: %s: %" PRIu64 " requests, %" PRIu64 " errors, %" PRIu64
		" bytes from and %" PRIu64 " to the guest, %" PRIu64 " transfers, %" PRIu64
		" across regions",
		device->name, stats.requests, stats.errors, stats.bytes_read, stats.bytes_written,
		stats.transfers, stats.transfers_crossed);
	if (stats.dropped)
		fprintf(out, ", %" PRIu64 " dropped", stats.dropped);
	fputc('\n', out);
	if (stats.requests) {
		fprintf(out,
			"vmm: %s: %" PRIu64 " notifications, %" PRIu64 " interrupts, %" PRIu64
			" suppressed",
			device->name, stats.notifications, stats.interrupts, stats.suppressed);
		print_latency(device, out);
		fputc('\n', out);
	}
	virtio_device_describe(device, more, sizeof(more));
	if (*more)
		fprintf(out, "vmm: %s: %s\n", device->name, more);
}

static void print_vcpu(const struct vcpu *vcpu, FILE *out)
{
	struct vcpu_counts counts;
	uint64_t handled = 0;

	vcpu_read_counts(vcpu, &counts);
	fprintf(out, "vmm: vcpu %u: exits", vcpu->index);
	for (unsigned int i = 0; i < VCPU_EXIT_REASONS; i++) {
		const char *name = vcpu_exit_name(i);

		if (counts.exits[i])
			fprintf(out, " %s %" PRIu64, name ? name : "other", counts.exits[i]);
		handled += counts.handled[i];
	}
	fputc('\n', out);
	if (!vcpu->timed)
		return;
	fprintf(out, "vmm: vcpu %u: ", vcpu->index);
	print_time(out, "", counts.inside);
	print_time(out, " in KVM_RUN, ", handled);
	print_time(out, " with exits; ", counts.cpu);
	fputs(" of processor time\n", out);
}

void stats_print(const struct machine *machine, FILE *out)
{
	for (size_t i = 0; i < machine->slot_count; i++)
		print_device(machine->slots[i].device, out);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		print_vcpu(&machine->vcpus[i], out);
}
