/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Run a command and print each line of its standard output with the seconds since it was started in
 * front, and at the end the line "exit STATUS". What is not printable in a line is left out.
 *
 *	line-times COMMAND [ARG...]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct timespec start;

static double elapsed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
}

/* A line begins when its first byte arrives, but what counts is when it is whole. */
static void stamp_lines(FILE *in)
{
	char line[512];
	size_t len = 0;
	int c;

	while ((c = getc(in)) != EOF) {
		if (c == '\n') {
			printf("%.6f %.*s\n", elapsed(), (int)len, line);
			fflush(stdout);
			len = 0;
		} else if (c >= ' ' && c <= '~' && len < sizeof(line)) {
			line[len++] = (char)c;
		}
	}
}

int main(int argc, char **argv)
{
	int status, out[2];
	FILE *in;
	pid_t child;

	if (argc < 2) {
		fprintf(stderr, "usage: line-times COMMAND [ARG...]\n");
		return 2;
	}
	if (pipe(out) < 0 || !(in = fdopen(out[0], "r"))) {
		perror("line-times: pipe");
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	child = fork();
	if (child == 0) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	close(out[1]);
	if (child < 0) {
		perror("line-times: fork");
		return 1;
	}
	stamp_lines(in);
	fclose(in);
	if (waitpid(child, &status, 0) < 0)
		return 1;
	printf("%.6f exit %d\n", elapsed(),
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
