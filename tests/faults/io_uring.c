/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * io_uring's system calls, which liburing makes without the C library. A seccomp filter turns them
 * into SIGSYS; the handler asks the plan and gives the error, or makes the call itself, from the
 * one place the filter lets through.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/faults/plan.h"

/* fault_syscall(number, a, b, c, d, e, f); its system call returns to fault_syscall_end. */
long fault_syscall(long number, long a, long b, long c, long d, long e, long f);
extern const char fault_syscall_end[];
__asm__(".globl fault_syscall, fault_syscall_end\n"
	"fault_syscall:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	mov 8(%rsp), %r9\n"
	"	syscall\n"
	"fault_syscall_end:\n"
	"	ret\n");

static void trapped(int signal, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	int err = errno, what = fault_now(FAULT_URING, (int)regs[REG_RDI]);

	(void)signal;
	regs[REG_RAX] =
		what > 0 ? -what
			 : fault_syscall(info->si_syscall, regs[REG_RDI], regs[REG_RSI],
					 regs[REG_RDX], regs[REG_R10], regs[REG_R8], regs[REG_R9]);
	errno = err;
}

#define LOAD(field)          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define JUMP(k, yes, no)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)
#define AT_LEAST(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, k, yes, no)

__attribute__((constructor(102))) static void trap_io_uring(void)
{
	const uint64_t end = (uintptr_t)fault_syscall_end;
	const struct sock_filter filter[] = {
		LOAD(nr),
		AT_LEAST(SYS_io_uring_setup, 0, 5),
		AT_LEAST(SYS_io_uring_register + 1, 4, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
		JUMP((uint32_t)end, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer) + 4),
		JUMP((uint32_t)(end >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]),
					   (struct sock_filter *)filter};
	struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_RESTART};

	if (!fault_planned(FAULT_URING))
		return;
	if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(125);
}
