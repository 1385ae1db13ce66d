/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm ctl: the other end of a control socket, for people and scripts. The static binary, which has
 * to be small, is without it; hence the weak names.
 */
#ifndef VMM_CTL_H
#define VMM_CTL_H

#include "devices/report.h"

__attribute__((weak)) int ctl_main(int argc, char **argv, struct report *report);

/* The requests there are, on standard output. */
__attribute__((weak)) void ctl_help(void);

#endif
