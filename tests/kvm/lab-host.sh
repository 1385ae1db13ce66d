#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Inside the lab: a file system at /tmp that has direct I/O, which those in memory have not; then COMMAND.
#
# usage: sh tests/kvm/lab-host.sh COMMAND [ARG...]

mke2fs /dev/ram0 >/dev/null && mount -t ext4 /dev/ram0 /tmp && exec "$@"
