/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From the table of system calls to a program for seccomp(2): a binary tree over the numbers of
 * calls, behind each of them the rows of that call in their order; what no row allows is a SIGSYS
 * (jail.c). A tree, since the kernel runs a new filter once for every number there is, to know
 * which calls it need not be asked about again.
 */
#include "vmm/jail-filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "vmm/jail-table.h"

#define ROWS (sizeof(rows) / sizeof(rows[0]))
#define ANY  0xffffffffU

/* Argument @arg, bits @mask, is @value. Arguments that are compared are 32 bits wide in the kernel. */
struct condition {
	unsigned char arg;
	bool is_pid; /* the value is this process's */
	uint32_t mask, value;
};

static const struct row {
	unsigned short call;
	unsigned short error; /* what the call returns, or 0: it is made */
	unsigned int roles;
	struct condition condition; /* of no bits: none */
} rows[] = {
#define ALWAYS    \
	{         \
		0 \
	}
#define IS(arg, value)                 \
	{                              \
		arg, false, ANY, value \
	}
#define IS_SELF(arg)              \
	{                         \
		arg, true, ANY, 0 \
	}
#define BITS(arg, mask, value)          \
	{                               \
		arg, false, mask, value \
	}
#define ALLOW(call, what, roles, condition, reason) {SYS_##call, 0, roles, condition},
#define REFUSE(call, error, roles, reason)          {SYS_##call, error, roles, ALWAYS},
	JAIL_TABLE};

struct program {
	struct sock_filter *code;
	unsigned short len;
};

static struct sock_filter *add(struct program *program, uint16_t code, uint32_t k, uint8_t yes,
			       uint8_t no)
{
	struct sock_filter *at = &program->code[program->len++];

	*at = (struct sock_filter){code, yes, no, k};
	return at;
}

static void load(struct program *program, size_t offset)
{
	add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void add_row(struct program *program, const struct row *row, unsigned int pid)
{
	const struct condition *condition = &row->condition;

	if (condition->mask) {
		load(program, offsetof(struct seccomp_data, args[condition->arg]));
		if (condition->mask != ANY)
			add(program, BPF_ALU | BPF_AND | BPF_K, condition->mask, 0, 0);
		add(program, BPF_JMP | BPF_JEQ | BPF_K, condition->is_pid ? pid : condition->value,
		    0, 1);
	}
	add(program, BPF_RET | BPF_K,
	    row->error ? SECCOMP_RET_ERRNO | row->error : SECCOMP_RET_ALLOW, 0, 0);
}

/* One call: the number in the accumulator is this one or that of no row. */
static void add_call(struct program *program, const struct row *row, enum jail_role role,
		     unsigned int pid)
{
	unsigned short call = row->call;

	add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 1, 0);
	add(program, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
	for (; row < rows + ROWS && row->call == call; row++) {
		if (row->roles & 1U << role)
			add_row(program, row, pid);
	}
	add(program, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
}

/* @count calls in the order of their numbers: halve until there is one. */
static void add_calls(struct program *program, const struct row *const *calls, size_t count,
		      enum jail_role role, unsigned int pid)
{
	size_t half = count / 2;
	struct sock_filter *to_upper;
	unsigned short lower;

	if (count == 1) {
		add_call(program, calls[0], role, pid);
		return;
	}
	add(program, BPF_JMP | BPF_JGE | BPF_K, calls[half]->call, 0, 1);
	to_upper = add(program, BPF_JMP | BPF_JA, 0, 0, 0);
	lower = program->len;
	add_calls(program, calls, half, role, pid);
	to_upper->k = program->len - lower;
	add_calls(program, calls + half, count - half, role, pid);
}

/* The calls of @role, each by its first row, in the order of their numbers. */
static size_t sort_calls(enum jail_role role, const struct row **calls)
{
	size_t count = 0;
	int last = -1;

	for (size_t i = 0; i < ROWS; i++) {
		size_t at = count;

		if (!(rows[i].roles & 1U << role) || rows[i].call == last)
			continue;
		last = rows[i].call;
		for (; at && calls[at - 1]->call > last; at--)
			calls[at] = calls[at - 1];
		calls[at] = &rows[i];
		count++;
	}
	return count;
}

unsigned short jail_filter(enum jail_role role, unsigned int pid, struct sock_filter *code)
{
	struct program program = {code, 0};
	const struct row *calls[ROWS];
	size_t count = sort_calls(role, calls);

	load(&program, offsetof(struct seccomp_data, arch));
	add(&program, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	add(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	load(&program, offsetof(struct seccomp_data, nr));
	if (rows[0].roles & 1U << role) {
		/* Once more in front of all others: the call that counts. */
		add(&program, BPF_JMP | BPF_JEQ | BPF_K, rows[0].call, 0, 4);
		add_row(&program, &rows[0], pid);
		load(&program, offsetof(struct seccomp_data, nr));
	}
	/* Numbers of the x32 ABI are larger than all others, and none of them is here. */
	add_calls(&program, calls, count, role, pid);
	return program.len;
}
