/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The system calls of a role as a program for seccomp(2). */
#ifndef VMM_JAIL_FILTER_H
#define VMM_JAIL_FILTER_H

#include <linux/filter.h>

#include "vmm/jail.h"

#define JAIL_FILTER_MAX 1024

/* Write the program for @role and process @pid to @code, JAIL_FILTER_MAX instructions; its length. */
unsigned short jail_filter(enum jail_role role, unsigned int pid, struct sock_filter *code);

#endif
