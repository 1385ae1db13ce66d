/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A directory for each test of maps, files in it, and a shell there that has vmm. */
#ifndef TESTS_VMM_MAP_SHELL_H
#define TESTS_VMM_MAP_SHELL_H

extern char map_dir[];

/* A checked fixture. */
void map_set_up(void);
void map_tear_down(void);

/* What a shell does with @format in the directory; its output in a static buffer. */
const char *map_shell(int *status, const char *format, ...) __attribute__((format(printf, 2, 3)));

void map_put_file(const char *name, const char *text);

/* A PVH kernel of two segments. */
void map_put_kernel(const char *name);

#endif
