#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# gdb on Linux with symbols, inside the lab: at the first instruction, interrupted on two processors, in a
# system call of a program, and on the core a panic leaves. "ok" and "not ok" lines say what came of it.
#
# usage: tests/linux/gdb.sh GDB VMLINUX INITRD

gdb=$1 vmlinux=$2 initrd=$3
vmm=$VMM_BUILD/vmm
failed='' breaks=''

# start WORD...: the monitor, once it waits for gdb.
start() {
    "$vmm" "$vmlinux" --initrd "$initrd" --memory 128M --cpus 2 "$@" </dev/null >out 2>err &
    pid=$!
    for _ in $(seq 100); do
        grep -q 'target remote' err && return
        sleep 0.2
    done
}

# expect TEXT WHAT: that gdb printed it.
expect() {
    if grep -qE -- "$1" said; then
        echo "ok gdb: $2"
    else
        echo "not ok gdb: $2: no \"$1\""
        failed=yes
    fi
}

ended() {
    wait "$pid"
    status=$?
    if [ "$status" = "$1" ]; then echo "ok gdb: $2"; else echo "not ok gdb: $2: status $status, not $1" && failed=yes; fi
}

start --gdb=gdb.sock --append "quiet cpus=2 check=cpus,clock end=poweroff"
# What interrupts it is a signal: to go on until then is to wait for it.
cat >script <<'END'
set pagination off
set confirm off
set width 0
set remotetimeout 60
target remote gdb.sock
info symbol $pc + 0xffffffff80000000
shell (until grep -q 'ok cpus' out; do sleep 0.2; done; kill -INT $PPID) &
continue
info threads
printf "banner: %s", (char *)&linux_banner
printf "paging: %d\n", ($cr0 >> 31) & 1
info symbol $pc
printf "privilege: %d\n", $cs & 3
set $at = $pc
stepi
printf "a step: %d\n", $pc != $at
END
# QEMU's emulator does not let KVM see int3, nor use debug registers in a guest.
if "$vmm" features | grep -q '^kvm_int3 *yes'; then
    breaks=yes
    cat >>script <<'END'
break __x64_sys_reboot
continue
backtrace 4
delete
END
fi
cat >>script <<'END'
detach
END
timeout 100 "$gdb" -nx -q -batch -x script "$vmlinux" >said 2>&1
expect '^pvh_start_xen in section' 'stopped at the first instruction'
expect 'received signal SIGINT' 'Ctrl-C'
expect 'Thread 2 ' 'both processors are threads'
expect '^banner: Linux version 6' 'virtual memory'
expect '^paging: 1' 'control registers'
expect '^[a-z_0-9]+ \+ [0-9]+ in section .text' 'where it is, by symbols'
[ -z "$breaks" ] || {
    expect 'hit Breakpoint 1, .*__x64_sys_reboot' 'a breakpoint in the kernel'
    expect 'do_syscall_64 *\(' 'who called'
}
expect '^privilege: 0' 'segments'
expect '^a step: 1' 'a single step'
expect 'detached\]' 'detach'
ended 0 end=0
[ -z "$failed" ] || cat said err

failed=''
start --gdb=gdb.sock,run --on-crash dump=vm.core --append "quiet cpus=2 check=cpus end=panic panic=-1"
ended 5 'a panic has its status'
cat >script <<'END'
set pagination off
set width 0
info threads
printf "banner: %s", (char *)((unsigned long)&linux_banner - 0xffffffff80000000)
info symbol $pc
END
"$gdb" -nx -q -batch -x script "$vmlinux" vm.core >said 2>&1
expect '^banner: Linux version 6' "the core's memory"
expect '^[a-z_0-9]+ \+ [0-9]+ in section .text' "the core's registers"
[ -z "$failed" ] || cat said err
