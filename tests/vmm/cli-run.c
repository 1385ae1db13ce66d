/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* See cli-run.h. */
#include "tests/vmm/cli-run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/runner.h"

void cli_run(struct cli_result *result, const char *line)
{
	char command[2048], out[] = "/tmp/test-cli-out.XXXXXX", err[] = "/tmp/test-cli-err.XXXXXX";
	int out_fd = mkstemp(out), err_fd = mkstemp(err), status;
	ssize_t n;

	snprintf(command, sizeof(command), "timeout 20 %s/vmm %s </dev/null >%s 2>%s",
		 test_env("VMM_BUILD", "build"), line, out, err);
	status = system(command);
	ck_assert(WIFEXITED(status));
	result->status = WEXITSTATUS(status);
	n = read(out_fd, result->out, sizeof(result->out) - 1);
	result->out[n < 0 ? 0 : n] = '\0';
	n = read(err_fd, result->err, sizeof(result->err) - 1);
	result->err[n < 0 ? 0 : n] = '\0';
	close(out_fd);
	close(err_fd);
	unlink(out);
	unlink(err);
}
