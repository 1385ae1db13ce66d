/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The jail's table of system calls: it is what its documentation says, and what the programs made
 * of it answer. The programs are run here by an interpreter of the few instructions they have.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/runner.h"
#include "tests/vmm/suites.h"
#include "vmm/jail-filter.h"
#include "vmm/jail-table.h"

#define PID       4711U
#define CALLS_MAX 600

static const struct row {
	const char *call, *what, *reason;
	unsigned int roles;
	int number;
} rows[] = {
#define ALLOW(call, what, roles, condition, reason) {#call, what, reason, roles, SYS_##call},
#define REFUSE(call, error, roles, reason)          {#call, "returns " #error, reason, roles, SYS_##call},
	JAIL_TABLE};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* --- the documentation ----------------------------------------------------------------------------- */

static void print_row(FILE *out, const struct row *row)
{
	static const char *const names[JAIL_ROLES] = {"vCPU", "loop", "vsock", "I/O", "net"};

	fprintf(out, "| `%s`%s%s |", row->call, *row->what ? " " : "", row->what);
	/* The loop's thread with a vsock device is named where it has more than one without. */
	for (unsigned int role = 0, any = 0; role < JAIL_ROLES; role++) {
		bool more = role != JAIL_LOOP_VSOCK || !(row->roles & 1U << JAIL_LOOP);

		if (row->roles & 1U << role && more)
			fprintf(out, "%s%s", any++ ? ", " : " ", names[role]);
	}
	fprintf(out, " | %s |\n", row->reason);
}

START_TEST(test_documentation)
{
	char path[512], line[512], *text = NULL, *at;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size), *in;

	for (size_t i = 0; i < ROWS; i++)
		print_row(out, &rows[i]);
	fclose(out);
	snprintf(path, sizeof(path), "%s/docs/jail.md", test_env("VMM_SRC", "."));
	in = fopen(path, "re");
	ck_assert_ptr_nonnull(in);
	at = text;
	while (fgets(line, sizeof(line), in)) {
		if (strncmp(line, "| `", 3) != 0)
			continue;
		ck_assert_msg(strncmp(at, line, strlen(line)) == 0,
			      "docs/jail.md has:\n%sthe table in vmm/jail-table.h has:\n%.*s", line,
			      (int)strcspn(at, "\n"), at);
		at += strlen(line);
	}
	ck_assert_msg(!*at, "docs/jail.md lacks:\n%s", at);
	fclose(in);
	free(text);
}
END_TEST

/* What a layered filter takes, the lower one must give: vCPUs' threads have the loop's as well. */
START_TEST(test_table)
{
	bool seen[CALLS_MAX] = {false};

	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];

		ck_assert_msg(row->reason[0] && row->roles, "%s has no reason", row->call);
		ck_assert_msg(!(row->roles & 1U << JAIL_VCPU) || row->roles & 1U << JAIL_LOOP,
			      "%s %s: vCPUs but not the loop", row->call, row->what);
		ck_assert_msg(!(row->roles & 1U << JAIL_LOOP) || row->roles & 1U << JAIL_LOOP_VSOCK,
			      "%s %s: less with a vsock device", row->call, row->what);
		ck_assert_int_lt(row->number, CALLS_MAX);
		ck_assert_msg(!seen[row->number] || rows[i - 1].number == row->number,
			      "%s: rows are apart", row->call);
		seen[row->number] = true;
	}
}
END_TEST

/* --- the programs ----------------------------------------------------------------------------------- */

/* As the kernel runs one. What is no instruction of ours, or leads out of the program, fails. */
static uint32_t answer(const struct sock_filter *code, size_t len, const struct seccomp_data *data)
{
	uint32_t a = 0, word;

	for (size_t pc = 0; pc < len; pc++) {
		const struct sock_filter *at = &code[pc];

		switch (at->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			ck_assert_uint_le(at->k, sizeof(*data) - sizeof(word));
			memcpy(&word, (const char *)data + at->k, sizeof(word));
			a = word;
			break;
		case BPF_ALU | BPF_AND | BPF_K: a &= at->k; break;
		case BPF_JMP | BPF_JA: pc += at->k; break;
		case BPF_JMP | BPF_JEQ | BPF_K: pc += a == at->k ? at->jt : at->jf; break;
		case BPF_JMP | BPF_JGE | BPF_K: pc += a >= at->k ? at->jt : at->jf; break;
		case BPF_RET | BPF_K: return at->k;
		default: ck_abort_msg("instruction %zu is %#x", pc, at->code);
		}
	}
	ck_abort_msg("the program has no end");
}

static uint32_t ask(enum jail_role role, long call, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
	struct sock_filter code[JAIL_FILTER_MAX];
	struct seccomp_data data = {
		.nr = (int)call,
		.arch = AUDIT_ARCH_X86_64,
		.args = {arg0, arg1, arg2},
	};

	return answer(code, jail_filter(role, PID, code), &data);
}

#define ALLOWED SECCOMP_RET_ALLOW
#define TRAPPED SECCOMP_RET_TRAP

static const struct {
	long call;
	uint64_t args[3];
	uint32_t answers[JAIL_ROLES]; /* vCPU, loop, loop with vsock, I/O, net */
} asked[] = {
	{SYS_ioctl, {3, KVM_RUN, 0}, {ALLOWED, ALLOWED, ALLOWED, TRAPPED, TRAPPED}},
	{SYS_ioctl, {3, KVM_CREATE_VM, 0}, {TRAPPED, ALLOWED, ALLOWED, TRAPPED, TRAPPED}},
	{SYS_ioctl, {3, KVM_CREATE_DEVICE, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_ioctl, {0, TIOCSTI, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_mmap, {0, 4096, PROT_READ}, {ALLOWED, ALLOWED, ALLOWED, ALLOWED, ALLOWED}},
	{SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_mprotect, {0, 4096, PROT_EXEC}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_socket, {AF_UNIX, 0, 0}, {TRAPPED, TRAPPED, ALLOWED, TRAPPED, TRAPPED}},
	{SYS_socket, {AF_INET, 0, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, ALLOWED}},
	{SYS_socket, {AF_PACKET, 0, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_openat, {0, 0, O_RDONLY | O_CLOEXEC}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, ALLOWED}},
	{SYS_openat, {0, 0, O_RDWR}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_openat, {0, 0, O_CREAT}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_execve, {0, 0, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_ptrace, {0, 0, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_clone,
	 {CLONE_VM | CLONE_THREAD | CLONE_FS, 0, 0},
	 {TRAPPED, ALLOWED, ALLOWED, TRAPPED, TRAPPED}},
	{SYS_clone, {CLONE_VM, 0, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_clone,
	 {CLONE_VM | CLONE_THREAD | CLONE_NEWUSER, 0, 0},
	 {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_clone3,
	 {0, 0, 0},
	 {TRAPPED, SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_RET_ERRNO | ENOSYS, TRAPPED, TRAPPED}},
	{SYS_tgkill, {PID, PID, 9}, {ALLOWED, ALLOWED, ALLOWED, ALLOWED, ALLOWED}},
	{SYS_tgkill, {PID + 1, PID + 1, 9}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_kill, {PID, 9, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{SYS_exit_group, {0, 0, 0}, {ALLOWED, ALLOWED, ALLOWED, ALLOWED, ALLOWED}},
	/* The x32 ABI's read(2). */
	{0x40000000L | SYS_read, {0, 0, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
	{CALLS_MAX, {0, 0, 0}, {TRAPPED, TRAPPED, TRAPPED, TRAPPED, TRAPPED}},
};

START_TEST(test_answers)
{
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		for (unsigned int role = 0; role < JAIL_ROLES; role++)
			ck_assert_msg(ask(role, asked[i].call, asked[i].args[0], asked[i].args[1],
					  asked[i].args[2]) == asked[i].answers[role],
				      "row %zu: call %ld, role %u", i, asked[i].call, role);
	}
}
END_TEST

/* A call that no row names is trapped, one that a row names is not, whatever stands before it. */
START_TEST(test_all_numbers)
{
	for (unsigned int role = 0; role < JAIL_ROLES; role++) {
		bool named[CALLS_MAX] = {false}, always[CALLS_MAX] = {false};

		for (size_t i = 0; i < ROWS; i++) {
			if (rows[i].roles & 1U << role) {
				named[rows[i].number] = true;
				always[rows[i].number] |= !*rows[i].what;
			}
		}
		for (int call = 0; call < CALLS_MAX; call++) {
			uint32_t got = ask(role, call, ~0ULL, ~0ULL, ~0ULL);

			ck_assert_msg(named[call] || got == TRAPPED, "role %u: %d", role, call);
			ck_assert_msg(!always[call] || got == ALLOWED, "role %u: %d", role, call);
		}
	}
}
END_TEST

START_TEST(test_other_architecture)
{
	struct sock_filter code[JAIL_FILTER_MAX];
	struct seccomp_data data = {.nr = SYS_read, .arch = AUDIT_ARCH_I386};
	size_t len = jail_filter(JAIL_LOOP, PID, code);

	ck_assert_uint_le(len, JAIL_FILTER_MAX);
	ck_assert_uint_eq(answer(code, len, &data), SECCOMP_RET_KILL_PROCESS);
}
END_TEST

Suite *suite_jail(void)
{
	Suite *suite = suite_create("jail");
	TCase *tcase = tcase_create("jail");

	tcase_add_test(tcase, test_documentation);
	tcase_add_test(tcase, test_table);
	tcase_add_test(tcase, test_answers);
	tcase_add_test(tcase, test_all_numbers);
	tcase_add_test(tcase, test_other_architecture);
	suite_add_tcase(suite, tcase);
	return suite;
}
