/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* build/vmm as a process of its own, as a user meets it. */
#ifndef TESTS_VMM_CLI_RUN_H
#define TESTS_VMM_CLI_RUN_H

struct cli_result {
	int status;
	char out[16384];
	char err[16384];
};

/* Run build/vmm with the words of @line, as a shell would split them; no input. */
void cli_run(struct cli_result *result, const char *line);

#endif
