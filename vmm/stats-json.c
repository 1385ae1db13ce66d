/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The counters for programs: one JSON object on one line. Names and units are in docs/stats.md; who
 * adds one adds it there. Written by hand, so that a build without libraries has it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "devices/clock.h"
#include "devices/virtio-meter.h"
#include "vmm/stats.h"
#include "vmm/utf8.h"

/* A number that is a row of a table, behind a comma. */
static void put_number(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, ",\"%s\":%" PRIu64, name, value);
}

/* Names are bytes of paths, and may be cut in the middle of a character. */
static void put_string(FILE *out, const char *text)
{
	size_t len = strlen(text);

	fputc('"', out);
	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		unsigned char c = (unsigned char)text[i];

		n = utf8_character(text + i, len - i);
		if (!n)
			fputs(UTF8_REPLACEMENT, out);
		else if (c < 0x20 || c == '"' || c == '\\')
			fprintf(out, "\\u%04x", c);
		else
			fwrite(text + i, 1, n, out);
	}
	fputc('"', out);
}

/* --- devices ------------------------------------------------------------------------------------ */

static void put_buckets(FILE *out, const struct histogram *latency)
{
	const char *comma = "";

	fputs(",\"buckets\":[", out);
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!latency->buckets[i])
			continue;
		fprintf(out, "%s[%" PRIu64 ",%" PRIu64 "]", comma, histogram_low(i),
			latency->buckets[i]);
		comma = ",";
	}
	fputc(']', out);
}

static void put_latency(FILE *out, const struct histogram *latency, bool buckets)
{
	fprintf(out, ",\"latency\":{\"count\":%" PRIu64, latency->count);
	put_number(out, "sum_ns", latency->sum);
	put_number(out, "p50_ns", histogram_percentile(latency, 500));
	put_number(out, "p90_ns", histogram_percentile(latency, 900));
	put_number(out, "p99_ns", histogram_percentile(latency, 990));
	put_number(out, "max_ns", latency->max);
	if (buckets)
		put_buckets(out, latency);
	fputc('}', out);
}

/* What was measured, by queue and of all of them. */
static void put_queues(FILE *out, struct virtio_device *device)
{
	struct virtio_queue_meter meter;
	struct histogram all = {0};

	fputs(",\"queues\":[", out);
	for (unsigned int i = 0; virtio_meter_read(device, i, &meter); i++) {
		fprintf(out, "%s{\"depth\":%u", i ? "," : "", meter.depth);
		put_number(out, "depth_max", meter.depth_max);
		put_latency(out, &meter.latency, false);
		fputc('}', out);
		histogram_merge(&all, &meter.latency);
	}
	fputc(']', out);
	put_latency(out, &all, true);
}

static void put_device(FILE *out, struct virtio_device *device)
{
	struct virtio_stats stats;
	char more[256];

	fputs("{\"name\":", out);
	put_string(out, device->name);
	fputs(",\"type\":", out);
	put_string(out, device->ops->name);
	virtio_device_stats(device, &stats);
	put_number(out, "requests", stats.requests);
	put_number(out, "errors", stats.errors);
	put_number(out, "bytes_from_guest", stats.bytes_read);
	put_number(out, "bytes_to_guest", stats.bytes_written);
	put_number(out, "transfers", stats.transfers);
	put_number(out, "crossings", stats.transfers_crossed);
	put_number(out, "dropped", stats.dropped);
	put_number(out, "notifications", stats.notifications);
	put_number(out, "interrupts", stats.interrupts);
	put_number(out, "interrupts_suppressed", stats.suppressed);
	virtio_device_describe(device, more, sizeof(more));
	if (*more) {
		fputs(",\"note\":", out);
		put_string(out, more);
	}
	if (device->meter)
		put_queues(out, device);
	fputc('}', out);
}

/* --- vCPUs and memory ----------------------------------------------------------------------------- */

static void put_exit(FILE *out, const char *comma, const char *name, uint64_t count)
{
	fprintf(out, "%s\"", comma);
	for (; *name; name++)
		fputc(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name, out);
	fprintf(out, "\":{\"count\":%" PRIu64, count);
}

static void put_exits(FILE *out, const struct vcpu_counts *counts, bool timed)
{
	uint64_t other = 0, other_ns = 0;
	const char *comma = "";

	fputs("\"exits\":{", out);
	for (unsigned int i = 0; i < VCPU_EXIT_REASONS; i++) {
		const char *name = vcpu_exit_name(i);

		if (!name) {
			other += counts->exits[i];
			other_ns += counts->handled[i];
		} else if (counts->exits[i]) {
			put_exit(out, comma, name, counts->exits[i]);
			if (timed)
				put_number(out, "ns", counts->handled[i]);
			fputc('}', out);
			comma = ",";
		}
	}
	if (other) {
		put_exit(out, comma, "other", other);
		if (timed)
			put_number(out, "ns", other_ns);
		fputc('}', out);
	}
	fputc('}', out);
}

static void put_vcpu(FILE *out, const struct vcpu *vcpu)
{
	struct vcpu_counts counts;

	vcpu_read_counts(vcpu, &counts);
	fputc('{', out);
	put_exits(out, &counts, vcpu->timed);
	put_number(out, "cpu_ns", counts.cpu);
	if (vcpu->timed)
		put_number(out, "run_ns", counts.inside);
	fputc('}', out);
}

static void put_memory(FILE *out, const struct machine *machine)
{
	struct gm_memory *memory = gm_cell_snapshot(machine->memory);
	uint64_t bytes = 0, pages = 0;
	bool tracked = false;

	for (size_t i = 0; i < gm_memory_count(memory); i++) {
		const struct gm_region *region = gm_memory_region(memory, i);
		const struct gm_bitmap *dirty = gm_region_dirty(region);

		bytes += gm_region_size(region);
		pages += dirty ? gm_bitmap_count(dirty) : 0;
		tracked |= dirty != NULL;
	}
	fprintf(out, ",\"memory\":{\"bytes\":%" PRIu64 ",\"regions\":%zu", bytes,
		gm_memory_count(memory));
	if (tracked)
		put_number(out, "dirty_pages", pages);
	fputc('}', out);
	gm_memory_put(memory);
}

/* --- all of it ------------------------------------------------------------------------------------- */

static const char *state(const struct machine *machine)
{
	if (!machine->vcpu_count || !machine->vcpus[0].started)
		return "stopped";
	return machine_paused(machine) ? "paused" : "running";
}

int stats_write_json(const struct machine *machine, FILE *out)
{
	uint64_t up = machine->started ? clock_ns(CLOCK_MONOTONIC) - machine->started : 0;

	fprintf(out, "{\"version\":\"%s\",\"time_ns\":%" PRIu64 ",\"uptime_ns\":%" PRIu64,
		VMM_VERSION, clock_ns(CLOCK_REALTIME), up);
	fprintf(out, ",\"state\":\"%s\",\"restarts\":%u", state(machine), machine->restarts);
	put_memory(out, machine);
	fputs(",\"vcpus\":[", out);
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		fputs(i ? "," : "", out);
		put_vcpu(out, &machine->vcpus[i]);
	}
	fputs("],\"devices\":[", out);
	for (size_t i = 0; i < machine->slot_count; i++) {
		fputs(i ? "," : "", out);
		put_device(out, machine->slots[i].device);
	}
	fputs("]}\n", out);
	return ferror(out) || fflush(out) ? -1 : 0;
}
