/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Text on the serial line, and the end of the kernel. */
#ifndef GUEST_PRINT_H
#define GUEST_PRINT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* %s, %c, %d, %u, %x and, for 64 bits, %lu, %lx. One call is at most 160 characters. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void vprint(const char *format, va_list args);

/* Leave with @status, one of ABI_EXIT_*. */
__attribute__((noreturn)) void kernel_exit(uint32_t status);

#endif
