/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From the table of system calls to a program for seccomp(2). Rows are tried in their order, rows
 * of one call behind one comparison of its number; what no row allows is a SIGSYS (jail.c). That a
 * program is some hundred instructions long matters little: the kernel knows in advance which calls
 * are allowed whatever their arguments are, and the hottest of the others stands first.
 */
#include "vmm/jail-filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "vmm/jail-table.h"

#define X32_BIT 0x40000000U
#define ROWS    (sizeof(rows) / sizeof(rows[0]))
#define ANY     0xffffffffU

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

/* The rows of one call, and where its number is another's past them. Returns the next row. */
static size_t add_call(struct program *program, size_t row, enum jail_role role, unsigned int pid)
{
	unsigned short call = rows[row].call, first;
	struct sock_filter *past;

	add(program, BPF_JMP | BPF_JEQ | BPF_K, call, 1, 0);
	past = add(program, BPF_JMP | BPF_JA, 0, 0, 0);
	first = program->len;
	for (; row < ROWS && rows[row].call == call; row++) {
		if (rows[row].roles & 1U << role)
			add_row(program, &rows[row], pid);
	}
	add(program, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
	past->k = program->len - first;
	return row;
}

unsigned short jail_filter(enum jail_role role, unsigned int pid, struct sock_filter *code)
{
	struct program program = {code, 0};
	size_t row = 0;

	load(&program, offsetof(struct seccomp_data, arch));
	add(&program, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	add(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	load(&program, offsetof(struct seccomp_data, nr));
	add(&program, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	add(&program, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
	while (row < ROWS)
		row = rows[row].roles & 1U << role ? add_call(&program, row, role, pid) : row + 1;
	add(&program, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
	return program.len;
}
