/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The host's side of the test kernel's blk-records (guest/abi.h). */
#ifndef TESTS_KVM_RECORDS_H
#define TESTS_KVM_RECORDS_H

#include "guest/abi.h"
#include "tests/kvm/vm.h"

/* The disk: so many records have room, on so many sectors from the first on. */
#define RECORDS_PLACES  64
#define RECORDS_SECTORS (RECORDS_PLACES * ABI_RECORD_SECTORS)

/* The number of the last record that was flushed, by the last line that is complete; 0: none. */
uint64_t records_flushed(const struct vm *vm);

/*
 * All up to @flushed must be on the disk; of the batch behind that, some sectors may be. Returns
 * how many. @round is for messages.
 */
unsigned int records_check(int fd, uint64_t flushed, const char *round);

#endif
