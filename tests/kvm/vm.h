/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Running build/vmm as people do, from outside: arguments, standard input, output and error, a
 * terminal if wanted, signals, the exit status. Every wait has an end.
 */
#ifndef TESTS_KVM_VM_H
#define TESTS_KVM_VM_H

#include <sys/types.h>

#include "tests/runner.h"

/* A build with sanitizers takes several times as long, and has no jail. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VM_TIMEOUT_MS 60000
#define WHOLE_JAIL    "--no-jail"
#else
#define VM_TIMEOUT_MS 20000
#define WHOLE_JAIL    "--jail"
#endif

#define VM_OUTPUT_MAX (256 * 1024)

struct vm {
	pid_t pid;
	int in;       /* write end of its standard input, -1: closed */
	int out, err; /* read ends */
	int terminal; /* the other side of its terminal, -1: none */
	int status;   /* exit status, or 1000 + the signal it died of, once it ended */
	char output[VM_OUTPUT_MAX]; /* what came so far; zero-terminated */
	size_t output_len;
	char errors[VM_OUTPUT_MAX];
	size_t errors_len;
};

/* A static buffer with the path of a tiny guest, or of a file in the build directory. */
const char *tiny(const char *name);
const char *built(const char *name);

/* Start build/vmm with @args (NULL-terminated, without the program). Never fails but by the test. */
void vm_start(struct vm *vm, const char *const *args);

/* The same with a terminal for standard input and output; the test closes terminal and out. */
void vm_start_on_terminal(struct vm *vm, const char *const *args);

void vm_send(struct vm *vm, const char *bytes, size_t len);
void vm_close_input(struct vm *vm);

/* Wait until the output (or the errors) contain @text. */
void vm_expect_output(struct vm *vm, const char *text);
void vm_expect_errors(struct vm *vm, const char *text);

/* Wait for the end; output is complete then. Fails the test if it does not come. */
int vm_wait(struct vm *vm);

/* All of it: start, send @input, close, wait. */
int vm_run(struct vm *vm, const char *input, const char *const *args);

#define ARGS(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

bool kvm_is_here(void);

/* First in every test that runs a guest. If /dev/kvm opens, nothing is skipped. */
#define NEED_KVM()                                       \
	do {                                             \
		if (!kvm_is_here())                      \
			TEST_SKIP("no usable /dev/kvm"); \
	} while (0)

#endif
