#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# The test kernel on every layout, inside the lab (scripts/lab-test), where there is only busybox. A
# line for each: "layout STATUS OK NOT-OK FILE".

dd if=/dev/zero of=backing-shared.bin bs=1024 count=1024 2>/dev/null
cp backing-shared.bin backing-private.bin
cp backing-shared.bin backing-rom.bin
for layout in scripts/layouts/*.layout; do
    dd if=/dev/zero of=disk.img bs=1024 count=1024 2>/dev/null
    timeout 100 "$VMM_BUILD/vmm" "$VMM_BUILD/guest/kernel.elf" --layout "$layout" --disk disk.img \
        --rng --serial file=out --console stdio --cmdline consoleecho=hello >/dev/null 2>err <<EOT
hello
EOT
    status=$?
    echo "layout $status $(grep -c '^ok ' out) $(grep -c '^not ok ' out) $layout"
    [ $status = 0 ] || { grep -E '^(not ok|#)' out; tail -n 5 err; }
done
