/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The monitor as a child process. */
#include "tests/kvm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGS_MAX 64

bool kvm_is_here(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static const char *path(const char *format, const char *name)
{
	static char paths[8][512];
	static unsigned int next;
	char *at = paths[next++ % 8];

	snprintf(at, sizeof(paths[0]), format, test_env("VMM_BUILD", "build"), name);
	return at;
}

const char *tiny(const char *name)
{
	return path("%s/guest/tiny/%s.bin", name);
}

const char *built(const char *name)
{
	return path("%s/%s", name);
}

static _Noreturn void child(int in, int out, int err, const char *const *args)
{
	const char *argv[ARGS_MAX] = {built("vmm")};

	for (size_t i = 0; i + 2 < ARGS_MAX && args[i]; i++)
		argv[i + 1] = args[i];
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static void start(struct vm *vm, int in, int out, const char *const *args)
{
	int err[2];

	ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
	vm->pid = fork();
	ck_assert_int_ge(vm->pid, 0);
	if (vm->pid == 0)
		child(in, out, err[1], args);
	close(err[1]);
	vm->err = err[0];
	vm->status = -1;
	vm->output_len = 0;
	vm->errors_len = 0;
	vm->output[0] = '\0';
	vm->errors[0] = '\0';
}

void vm_start(struct vm *vm, const char *const *args)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	start(vm, in[0], out[1], args);
	close(in[0]);
	close(out[1]);
	vm->in = in[1];
	vm->out = out[0];
	vm->terminal = -1;
}

void vm_start_on_terminal(struct vm *vm, const char *const *args)
{
	int master;

	ck_assert_int_eq(openpty(&master, &vm->terminal, NULL, NULL, NULL), 0);
	ck_assert_int_eq(fcntl(master, F_SETFD, FD_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(vm->terminal, F_SETFD, FD_CLOEXEC), 0);
	start(vm, vm->terminal, vm->terminal, args);
	vm->in = master;
	vm->out = master;
}

void vm_send(struct vm *vm, const char *bytes, size_t len)
{
	ck_assert_int_eq(write(vm->in, bytes, len), (ssize_t)len);
}

void vm_close_input(struct vm *vm)
{
	if (vm->in >= 0 && vm->in != vm->out)
		close(vm->in);
	vm->in = -1;
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Read what there is. False at the end of the stream. */
static bool collect(int fd, char *text, size_t *len)
{
	ssize_t n = read(fd, text + *len, VM_OUTPUT_MAX - 1 - *len);

	if (n <= 0)
		return false;
	*len += (size_t)n;
	text[*len] = '\0';
	return *len < VM_OUTPUT_MAX - 1;
}

/* Wait for more, at most until @deadline. */
static void collect_both(struct vm *vm, long long deadline, bool *out_open, bool *err_open)
{
	struct pollfd fds[] = {
		{.fd = *out_open ? vm->out : -1, .events = POLLIN},
		{.fd = *err_open ? vm->err : -1, .events = POLLIN},
	};
	long long left = deadline - now_ms();

	if (left <= 0 || poll(fds, 2, (int)left) <= 0) {
		kill(vm->pid, SIGKILL);
		ck_abort_msg("the monitor hangs; so far: %s%s", vm->output, vm->errors);
	}
	if (fds[0].revents)
		*out_open = collect(vm->out, vm->output, &vm->output_len);
	if (fds[1].revents)
		*err_open = collect(vm->err, vm->errors, &vm->errors_len);
}

static void expect(struct vm *vm, const char *in, const char *text)
{
	long long deadline = now_ms() + VM_TIMEOUT_MS;
	bool out_open = true, err_open = true;

	while (!strstr(in, text)) {
		ck_assert_msg(out_open || err_open, "it ended without '%s': %s%s", text, vm->output,
			      vm->errors);
		collect_both(vm, deadline, &out_open, &err_open);
	}
}

void vm_expect_output(struct vm *vm, const char *text)
{
	expect(vm, vm->output, text);
}

void vm_expect_errors(struct vm *vm, const char *text)
{
	expect(vm, vm->errors, text);
}

int vm_wait(struct vm *vm)
{
	long long deadline = now_ms() + VM_TIMEOUT_MS;
	/* A terminal does not end while this side of it is open: its output is complete anyway. */
	bool out_open = vm->terminal < 0, err_open = true;
	int status;

	while (out_open || err_open)
		collect_both(vm, deadline, &out_open, &err_open);
	ck_assert_int_eq(waitpid(vm->pid, &status, 0), vm->pid);
	if (vm->terminal >= 0) {
		fcntl(vm->out, F_SETFL, O_NONBLOCK);
		collect(vm->out, vm->output, &vm->output_len);
	}
	vm_close_input(vm);
	/* What is behind a terminal goes with this side of it, and is the test's to look at first. */
	if (vm->terminal < 0)
		close(vm->out);
	close(vm->err);
	vm->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
	return vm->status;
}

int vm_run(struct vm *vm, const char *input, const char *const *args)
{
	vm_start(vm, args);
	vm_send(vm, input, strlen(input));
	vm_close_input(vm);
	return vm_wait(vm);
}
