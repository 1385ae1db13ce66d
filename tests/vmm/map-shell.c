/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* See map-shell.h. */
#include "tests/vmm/map-shell.h"

#include <check.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/runner.h"
#include "tests/vmm/make-elf.h"

char map_dir[] = "/tmp/test-map.XXXXXX";

void map_set_up(void)
{
	memcpy(map_dir + sizeof(map_dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(map_dir));
}

void map_tear_down(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", map_dir);
	ck_assert_int_eq(system(command), 0);
}

const char *map_shell(int *status, const char *format, ...)
{
	static char output[65536], words[4096], vmm[PATH_MAX], src[PATH_MAX], command[4 * PATH_MAX];
	va_list args;
	FILE *pipe;
	size_t n;

	ck_assert_ptr_nonnull(realpath(test_env("VMM_BUILD", "build"), vmm));
	ck_assert_ptr_nonnull(realpath(test_env("VMM_SRC", "."), src));
	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "cd %s || exit; vmm() { %s/vmm \"$@\"; }; src=%s; %s",
		 map_dir, vmm, src, words);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = '\0';
	*status = pclose(pipe);
	ck_assert(WIFEXITED(*status));
	*status = WEXITSTATUS(*status);
	return output;
}

void map_put_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", map_dir, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

void map_put_kernel(const char *name)
{
	struct test_elf elf = test_elf_new();
	char path[128];
	const char *made;

	test_elf_segment(&elf, 0x100000, "text", 4, 0x3000);
	test_elf_segment(&elf, 0x110000, "data", 4, 0x1234);
	test_elf_entry(&elf, 0x100000);
	made = test_elf_write(&elf);
	snprintf(path, sizeof(path), "%s/%s", map_dir, name);
	ck_assert_int_eq(rename(made, path), 0);
}
