#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# The benchmarks on real Linux, inside the lab (scripts/bench-lab), where there is busybox and what came
# along. Monitors run in turn and the least time of each counts. Prints "TIME monitor kernel what
# seconds" lines for scripts/bench-lab to make a table of.
#
# usage: tests/linux/bench.sh [RUNS [KERNELS [MONITORS]]]

images=build/lab/linux
runs=${1:-3} kernels=${2:-debian small} monitors=${3:-vmm pci fragment qemu}

# start MONITOR KERNEL WORDS: one boot, each line of its console with its time.
start() {
    vmm="$VMM_BUILD/vmm $images/bzImage-$2 --memory 256M --initrd $images/initrd-$2"
    case $1 in
    vmm) command="$vmm --disk disk.img" ;;
    pci) command="$vmm --disk disk.img --transport pci" ;;
    fragment) command="$vmm --disk disk.img --transport pci --fragment 64K,seed=7" ;;
    qemu)
        command="qemu-system-x86_64 -M microvm,acpi=on,rtc=on,pic=off,pit=off -accel kvm -cpu host -m 256
            -nodefaults -no-user-config -no-reboot -display none -serial stdio
            -drive id=d,file=disk.img,format=raw,if=none -device virtio-blk-device,drive=d
            -kernel $images/bzImage-$2 -initrd $images/initrd-$2"
        ;;
    esac
    words="console=ttyS0 quiet panic=-1 $3 end=poweroff"
    set -- "$1"
    # shellcheck disable=SC2086 # words on purpose
    case $1 in
    qemu) timeout -s KILL 100 "$VMM_BUILD/line-times" $command -append "$words" ;;
    *) timeout -s KILL 100 "$VMM_BUILD/line-times" $command --append "$words" ;;
    esac </dev/null 2>>err
}

dd if=/dev/zero of=disk.img bs=1M count=64 2>/dev/null
for _ in $(seq "$runs"); do
    for kernel in $kernels; do
        for monitor in $monitors; do
            start $monitor $kernel check=bench >out
            awk -v m="$monitor $kernel" '
                $2 == "bench" && $3 == "init" { print "TIME", m, "init", $1 }
                $2 == "bench" && $3 == "begin" { begin[$4] = $1 }
                $2 == "bench" && $3 == "end" {
                    what = $4
                    sub(/-[0-9]*$/, "", what)
                    print "TIME", m, what, $1 - begin[$4]
                }
                $2 == "exit" { print "TIME", m, "exit", $1; if ($3) print "bad exit " $3 " of " m }' out
        done
    done
done
[ ! -s err ] || sort err | uniq -c | head -n 20
