#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Inside the lab: a file system at /tmp that has direct I/O, which those in memory have not; then COMMAND. What
# sanitizers find in any process, whose end a test may not look at, is shown and makes the status 1.
#
# usage: sh tests/kvm/lab-host.sh COMMAND [ARG...]

mke2fs /dev/ram0 >/dev/null && mount -t ext4 /dev/ram0 /tmp && mkdir /found || exit 1
# Every test is a fork: what is kept of freed memory would be copied a thousand times.
export ASAN_OPTIONS=log_path=/found/report:quarantine_size_mb=16 UBSAN_OPTIONS=log_path=/found/report:print_stacktrace=1 \
    TSAN_OPTIONS=log_path=/found/report
"$@"
status=$?
for report in /found/*; do
    [ ! -e "$report" ] || { cat "$report" && status=1; }
done
exit $status
