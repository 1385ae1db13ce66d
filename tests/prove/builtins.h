/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What gcc knows without a declaration and the prover does not, by its documented meaning. */
#define __builtin_expect(value, expected) (value)
