#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# The Linux tests, inside the lab (scripts/lab-test), where there is busybox and what came along. A row of
# rows.txt is one boot; prints "ok" and "not ok" lines.
#
# usage: tests/linux/host.sh ROW...        rows as in tests/linux/rows.txt, one argument each

images=build/lab/linux
vmm=$VMM_BUILD/vmm

ok() {
    echo "ok $row: $*"
}

not_ok() {
    echo "not ok $row: $*"
    failed=yes
}

# verdict NAME WHY-NOT COMMAND...
verdict() {
    name=$1 why=$2
    shift 2
    if "$@" >log 2>&1; then ok "$name"; else not_ok "$name: $why"; fi
}

# 64 MiB of random data with room for a copy behind it, and its sum.
make_data() {
    [ -e data.img ] || dd if=/dev/urandom of=data.img bs=1M count=64 2>/dev/null
    cp data.img disk.img
    truncate -s 128M disk.img
    sum=$(md5sum <data.img | cut -d' ' -f1)
}

# The guest has put each MiB at the mirror place behind.
check_data() {
    i=127
    while [ $i -ge 64 ]; do
        dd if=disk.img bs=1M count=1 skip=$i 2>/dev/null
        i=$((i - 1))
    done | md5sum | cut -d' ' -f1
}

# layout NAME[+pci]: options, and the KiB of RAM they are.
layout() {
    case ${1%+pci} in
    plain) options="--memory 256M" memory=262144 ;;
    # With RAM above 4 GiB Linux takes 64 MiB below for a bounce buffer, and it reports free pages
    # only of a zone that has 64 MiB of them.
    hole) options="--region 0:640K --region 1M:127M --region 4G:320M" memory=458368 ;;
    cut) options="--memory 256M --fragment 64K,seed=7" memory=262144 ;;
    esac
    case $1 in *+pci) options="$options --transport pci" ;; esac
}

# Disks in memory whose second 2 MiB of 8 cannot be read or written: /dev/dm-0 and /dev/dm-1.
make_failing_disks() {
    for disk in ram0 ram1; do
        [ -e /dev/dm-1 ] ||
            printf '%s\n' "0 4096 linear /dev/$disk 0" '4096 4096 error' "8192 8192 linear /dev/$disk 8192" |
            dmsetup create --noudevsync failing-$disk
    done
}

# talk ADDRESS PORT GUEST NAME: an echo at ADDRESS:PORT, an iperf3 server, and calls of GUEST until 1 MiB
# came back.
talk() {
    (
        # An interface may be yet to come.
        until socat "TCP-LISTEN:$2,bind=$1,fork,reuseaddr" EXEC:cat 2>/dev/null; do sleep 1; done
    ) &
    peers="$peers $!"
    (until iperf3 -s -B "$1" >/dev/null 2>&1; do sleep 1; done) &
    peers="$peers $!"
    (
        dd if=/dev/urandom of="to-$4" bs=64K count=16 2>/dev/null
        for _ in $(seq 100); do
            socat -t 20 - "TCP:$3" <"to-$4" >"from-$4" 2>/dev/null
            [ "$(wc -c <"from-$4")" = 1048576 ] && break
            sleep 2
        done
    ) &
    peers="$peers $!"
}

# wait_mark NAME: until the guest has said it.
wait_mark() {
    for _ in $(seq 200); do
        grep -q "^mark $1" out && return
        sleep 0.5
    done
    return 1
}

# KiB of memory the monitor has. busybox's timeout becomes what it limits.
resident() {
    sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(cat pid)/status"
}

# What the host does while the guest runs: the other end of vsock, a hand on the power button.
beside() {
    case ,$checks, in
    *,vsock,*)
        socat UNIX-LISTEN:vsock.sock_1000,fork EXEC:cat &
        peers="$peers $!"
        (
            dd if=/dev/urandom of=to-guest bs=64K count=16 2>/dev/null
            for _ in $(seq 100); do
                { echo "CONNECT 1001" && cat to-guest; } |
                    socat -t 20 - UNIX-CONNECT:vsock.sock >from-guest 2>/dev/null
                # The monitor's line is first.
                [ "$(wc -c <from-guest)" -gt 1048576 ] && break
                sleep 2
            done
        ) &
        peers="$peers $!"
        ;;
    esac
    case ,$checks, in *,net,*) talk 127.0.0.1 7000 127.0.0.1:7001 net ;; esac
    case ,$checks, in
    *,tap,*)
        (
            for _ in $(seq 100); do
                ifconfig tap0 192.168.77.1 netmask 255.255.255.0 up 2>/dev/null && break
                sleep 1
            done
        ) &
        peers="$peers $!"
        talk 192.168.77.1 7002 192.168.77.2:7003 tap
        ;;
    esac
    case ,$checks, in
    *,balloon,*)
        (for mark in full freed; do wait_mark $mark && resident >resident-$mark; done) &
        peers="$peers $!"
        ;;
    esac
    [ "$end" = wait ] || return
    (
        # Before, nobody would hear of it.
        until grep -q '^waiting' out 2>/dev/null; do sleep 0.2; done
        kill -TERM "$(cat pid)"
    ) &
    peers="$peers $!"
}

# What a monitor is at that should long have come to its end: its threads, what its descriptors have and wait
# for, and its counters.
show_stuck() {
    process=/proc/$(cat pid)
    for thread in "$process"/task/*; do
        echo "$(cat "$thread/comm"): state and times $(cut -d' ' -f3,14,15 "$thread/stat"), in $(cat "$thread/wchan"), $(cat "$thread/syscall")"
    done
    for info in "$process"/fdinfo/*; do
        echo "${info##*/} $(readlink "$process/fd/${info##*/}"): $(grep -E '^(eventfd|tfd|[SC]q|Cached)' "$info" | tr '\n\t' '; ')"
    done
    for what in status stats; do timeout -s KILL 5 "$vmm" ctl control.sock $what 2>&1; done
}

# boot KERNEL LAYOUT CPUS ROOT CHECKS END
boot() {
    layout "$2"
    checks=$5 end=$6 peers='' devices=0 words="panic=-1 cpus=$3 memory=$memory check=$5 end=$6"
    set -- "$1" "$2" "$3" "$4"
    rm -f out err stuck control.sock vsock.sock* from-* to-* resident-* hvc0.txt
    case $4 in
    initrd) options="$options --initrd $images/initrd-${1%-vmlinux}" ;;
    disk)
        cp "$images/root.ext4" root.img
        options="$options --disk root.img"
        devices=$((devices + 1))
        # The small kernel has all it takes built in; a stock one needs the modules first.
        [ "${1%-vmlinux}" = small ] ||
            { options="$options --initrd $images/initrd-$1" && words="$words newroot=/dev/vda rootflags=rw"; }
        ;;
    esac
    letter=$([ "$4" = disk ] && echo b || echo a)
    case ,$checks, in
    *,disk,*)
        make_data
        options="$options --disk disk.img"
        words="$words disk=vd$letter sum=$sum"
        letter=$(echo "$letter" | tr abcde bcdef)
        devices=$((devices + 1))
        ;;
    esac
    case ,$checks, in
    *,mkfs,*)
        rm -f scratch.img
        truncate -s 64M scratch.img
        options="$options --disk scratch.img"
        words="$words scratch=vd$letter"
        devices=$((devices + 1))
        ;;
    esac
    case ,$checks, in
    *,errors,*)
        make_failing_disks
        options="$options --disk /dev/dm-0,cache=none --disk /dev/dm-1"
        words="$words failing=vd$letter"
        letter=$(echo "$letter" | tr abcde bcdef)
        words="$words cached=vd$letter"
        letter=$(echo "$letter" | tr abcde bcdef)
        devices=$((devices + 2))
        ;;
    esac
    case ,$checks, in *,entropy,*) options="$options --rng" devices=$((devices + 1)) ;; esac
    case ,$checks, in *,vsock,*) options="$options --vsock vsock.sock,cid=3" devices=$((devices + 1)) ;; esac
    case ,$checks, in *,console,*) options="$options --console file=hvc0.txt" devices=$((devices + 1)) ;; esac
    case ,$checks, in *,hvc,*) options="$options --console stdio" devices=$((devices + 1)) ;; esac
    case ,$checks, in
    *,net,*)
        options="$options --net user,hostfwd=tcp::7001-:7001"
        devices=$((devices + 1))
        ifconfig lo 127.0.0.1
        ;;
    esac
    case ,$checks, in *,tap,*) options="$options --net tap" devices=$((devices + 1)) ;; esac
    # What the balloon holds is not of the memory the other checks may want.
    case ,$checks, in *,balloon,*) options="$options --balloon=64M,deflate-on-oom=off" devices=$((devices + 1)) ;; esac
    [ "$end" = reboot ] || options="$options --no-reboot"
    [ "$1" = small-vmlinux ] && kernel=$images/vmlinux-small || kernel=$images/bzImage-$1
    : >out
    beside
    (sleep 300 && show_stuck >stuck) &
    peers="$peers $!"
    # shellcheck disable=SC2086 # words on purpose
    sh -c 'echo $$ >pid && exec "$@"' sh timeout -s KILL 360 "$vmm" "$kernel" $options --cpus "$3" --control control.sock --append "quiet $words devices=$devices" \
        </dev/null >out 2>err
    status=$?
    for peer in $peers; do kill "$peer" 2>/dev/null; done
    tr -d '\r' <out >text
}

# What is true of every boot: the end is the right one, and the guest's own lines.
judge() {
    case $end in panic) want=5 ;; *) want=0 ;; esac
    [ $status -ne 137 ] || status='what comes after 360 s'
    verdict "end=$end" "status $status, not $want" [ "$status" = $want ]
    # "more vCPUs than processors" is said in the lab, which has one.
    grep -vE '^(vmm: (--cpus|net tap:)|Killed)' err | grep . && not_ok "messages of the monitor: $(head -n 1 err)"
    grep -E '^(ok|not ok) ' text | while read -r line; do
        case $line in ok*) echo "ok $row: ${line#ok }" ;; *) echo "not ok $row: ${line#not ok }" ;; esac
    done
    sed -n "s/^# /# $row: /p" text
    for check in $(echo "$checks" | tr ',' ' '); do
        [ "${check%-live}" = dmesg ] || grep -qE "^(ok|not ok) $check" text || not_ok "$check: the guest said nothing of it"
    done
    [ "$end" != wait ] || grep -q '^ok button' text || not_ok "button: the guest was not told"
    [ "$end" != reboot ] || grep -q '^ok reboot' text || not_ok "reboot: no second start"
    case ,$checks, in
    *,disk,*) verdict "disk on the host" "sums differ" [ "$(check_data)" = "$sum" ] ;;
    esac
    case ,$checks, in
    *,mkfs,*) verdict "fsck on the host" "it has errors" e2fsck -fn scratch.img ;;
    esac
    case ,$checks, in
    *,console,*) verdict "hvc0 on the host" "nothing came" grep 'through hvc0' hvc0.txt ;;
    esac
    case ,$checks, in
    *,vsock,*)
        tail -n +2 from-guest >answer
        verdict "vsock to the guest" "what came back differs" cmp answer to-guest
        ;;
    esac
    for net in net tap; do
        case ,$checks, in
        *,$net,*) verdict "$net to the guest" "what came back differs" cmp from-$net to-$net ;;
        esac
    done
    case ,$checks, in
    *,balloon,*)
        for mark in full freed; do [ -s resident-$mark ] || echo 0 >resident-$mark; done
        verdict "balloon on the host" "$(cat resident-full) KiB became $(cat resident-freed)" \
            [ "$(($(cat resident-full) - $(cat resident-freed)))" -ge 61440 ]
        ;;
    esac
    case ,$checks, in *,dmesg*) judge_dmesg ;; esac
    [ -z "$failed" ] || { tail -n 30 text && cat err stuck 2>/dev/null; }
}

# Not how long a timer's interrupt took: that is the emulator's one processor, for all vCPUs there are.
complaints() {
    sed -n '/^complaints:/,/^complaints end/p' | grep -v '^complaints' |
        grep -vE '^(RIP|RSP|RAX|RDX|RBP|R[0-9]+|FS|CS|CR2|PKRU|Code|CPU|Call Trace|Modules linked|DR[0-9]|CPUID\[|hrtimer: interrupt took)|^ |^---' | sort -u
}

# What QEMU's microvm makes the kernel complain of in the lab; its guests stand still there now and
# then, so more than one try.
ask_microvm() {
    for _ in 1 2 3; do
        timeout -s KILL 60 qemu-system-x86_64 -M microvm,acpi=on,rtc=on,pic=off,pit=off -accel kvm -cpu host \
            -m 256 -nodefaults -no-user-config -no-reboot -display none -serial stdio -kernel "$kernel" \
            -initrd "$images/initrd-${kernel##*-}" -append "console=ttyS0 check=dmesg end=poweroff" \
            </dev/null >microvm.out 2>microvm.err
        tr -d '\r' <microvm.out | complaints >microvm.txt
        grep -q '^complaints end' microvm.out && return
    done
    not_ok "QEMU's microvm for comparison: $(tail -n 2 microvm.err)"
}

# What the kernel complains of here and not there. What there is was written down; all rows, which have
# the time, ask again ("dmesg-live").
judge_dmesg() {
    complaints <text >complaints.txt
    case ,$checks, in
    *,dmesg-live,*)
        ask_microvm
        grep -vxF -f microvm.txt complaints.txt >new.txt
        ;;
    *) grep -vE -f tests/linux/microvm-complaints complaints.txt >new.txt ;;
    esac
    verdict dmesg "$(head -n 5 new.txt | tr '\n' ';')" [ ! -s new.txt ]
}

for row in "$@"; do
    failed=''
    # shellcheck disable=SC2086 # fields of the row
    boot $row
    judge
done
