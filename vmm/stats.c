/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The counters, for people. */
#include "vmm/stats.h"

#include <inttypes.h>
#include <stdio.h>

static void print_device(struct virtio_device *device)
{
	struct virtio_stats stats;
	char more[256];

	virtio_device_stats(device, &stats);
	fprintf(stderr,
		"vmm: %s: %" PRIu64 " requests, %" PRIu64 " errors, %" PRIu64
		" bytes from and %" PRIu64 " to the guest, %" PRIu64 " transfers, %" PRIu64
		" across regions",
		device->name, stats.requests, stats.errors, stats.bytes_read, stats.bytes_written,
		stats.transfers, stats.transfers_crossed);
	if (stats.dropped)
		fprintf(stderr, ", %" PRIu64 " dropped", stats.dropped);
	fputc('\n', stderr);
	virtio_device_describe(device, more, sizeof(more));
	if (*more)
		fprintf(stderr, "vmm: %s: %s\n", device->name, more);
}

static void print_vcpu(const struct vcpu *vcpu)
{
	fprintf(stderr, "vmm: vcpu %u: exits", vcpu->index);
	for (unsigned int i = 0; i < VCPU_EXIT_REASONS; i++) {
		const char *name = vcpu_exit_name(i);

		if (vcpu->exits[i])
			fprintf(stderr, " %s %" PRIu64, name ? name : "other", vcpu->exits[i]);
	}
	fputc('\n', stderr);
}

void print_stats(const struct machine *machine)
{
	for (size_t i = 0; i < machine->slot_count; i++)
		print_device(machine->slots[i].device);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		print_vcpu(&machine->vcpus[i]);
}
