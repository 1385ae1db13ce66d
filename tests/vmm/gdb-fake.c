/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* See gdb-fake.h. Every call checks what the session promises of its arguments. */
#include "tests/vmm/gdb-fake.h"

#include <stdlib.h>
#include <string.h>

static struct gdb_fake *standing(void *target, unsigned int cpu)
{
	struct gdb_fake *fake = target;

	if (fake->session->running || cpu >= GDB_FAKE_CPUS)
		abort();
	return fake;
}

static unsigned int cpus(void *target)
{
	(void)target;
	return GDB_FAKE_CPUS;
}

static int get_registers(void *target, unsigned int cpu, struct gdb_registers *registers)
{
	*registers = standing(target, cpu)->registers[cpu];
	return 0;
}

static int set_registers(void *target, unsigned int cpu, const struct gdb_registers *registers)
{
	standing(target, cpu)->registers[cpu] = *registers;
	return 0;
}

static size_t clip(struct gdb_fake *fake, bool physical, uint64_t addr, size_t len)
{
	fake->physical = physical;
	if (addr >= GDB_FAKE_MEMORY)
		return 0;
	return len < GDB_FAKE_MEMORY - addr ? len : GDB_FAKE_MEMORY - addr;
}

static size_t read_memory(void *target, unsigned int cpu, bool physical, uint64_t addr, void *buf,
			  size_t len)
{
	struct gdb_fake *fake = standing(target, cpu);
	size_t can = clip(fake, physical, addr, len);

	if (can)
		memcpy(buf, fake->memory + addr, can);
	return can;
}

static size_t write_memory(void *target, unsigned int cpu, bool physical, uint64_t addr,
			   const void *buf, size_t len)
{
	struct gdb_fake *fake = standing(target, cpu);
	size_t can = clip(fake, physical, addr, len);

	if (can)
		memcpy(fake->memory + addr, buf, can);
	return can;
}

static int set_break(void *target, unsigned int cpu, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	(void)addr;
	(void)len;
	if (kind >= GDB_BREAK_KINDS)
		abort();
	if (standing(target, cpu)->breaks == 4)
		return -1;
	((struct gdb_fake *)target)->breaks++;
	return 0;
}

static int clear_break(void *target, unsigned int cpu, enum gdb_break kind, uint64_t addr,
		       uint64_t len)
{
	(void)kind;
	(void)addr;
	(void)len;
	if (standing(target, cpu)->breaks == 0)
		return -1;
	((struct gdb_fake *)target)->breaks--;
	return 0;
}

static int resume(void *target, const enum gdb_action *actions)
{
	struct gdb_fake *fake = standing(target, 0);

	memcpy(fake->actions, actions, sizeof(fake->actions));
	fake->resumes++;
	return 0;
}

static void interrupt(void *target)
{
	struct gdb_fake *fake = target;
	const struct gdb_stop stop = {.cpu = 1, .signal = GDB_SIGINT};

	if (!fake->session->running)
		abort();
	fake->interrupts++;
	gdb_session_stopped(fake->session, &stop);
}

static void kill_guest(void *target)
{
	((struct gdb_fake *)target)->kills++;
}

/* "long" is longer than all buffers together. */
static char *monitor(void *target, const char *command)
{
	char *text;

	(void)target;
	if (strcmp(command, "long") != 0)
		return strcmp(command, "none") == 0 ? NULL : strdup(command);
	text = malloc(100001);
	if (text) {
		memset(text, 'x', 100000);
		text[100000] = '\0';
	}
	return text;
}

static const char *cpu_state(void *target, unsigned int cpu)
{
	(void)standing(target, cpu);
	return "fake";
}

const struct gdb_target_ops gdb_fake_ops = {
	.cpus = cpus,
	.get_registers = get_registers,
	.set_registers = set_registers,
	.read = read_memory,
	.write = write_memory,
	.set_break = set_break,
	.clear_break = clear_break,
	.resume = resume,
	.interrupt = interrupt,
	.kill = kill_guest,
	.monitor = monitor,
	.cpu_state = cpu_state,
};
