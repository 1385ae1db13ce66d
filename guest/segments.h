/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Segment selectors and vectors, for C and assembly. */
#ifndef GUEST_SEGMENTS_H
#define GUEST_SEGMENTS_H

#define SEG_KERNEL_CODE 0x08
#define SEG_KERNEL_DATA 0x10
#define SEG_USER_DATA   0x1b /* with the requested privilege level, 3 */
#define SEG_USER_CODE   0x23
#define SEG_TSS         0x28

/* Exceptions are 0 to 31, then one vector for each pin of the IOAPIC, then the kernel's own. */
#define VECTOR_PIN      0x20
#define PIN_COUNT       24
#define VECTOR_TICK     0x38
#define VECTOR_ONE_SHOT 0x39
#define VECTOR_COUNT    0x3a
#define VECTOR_SPURIOUS 0xff

#endif
