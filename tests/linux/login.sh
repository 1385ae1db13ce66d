#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Debian from its disk to the login prompt and a shell, inside the lab, where the disk of
# scripts/debian-image is /dev/vda. Somebody types; "ok" and "not ok" lines say what came of it.
#
# usage: tests/linux/login.sh VMLINUZ INITRD

mkfifo keys
: >out
ifconfig lo 127.0.0.1

# expect TEXT WHAT: until the console has shown it.
expect() {
    for _ in $(seq 300); do
        grep -qaF -- "$1" out && echo "ok login: $2" && return
        sleep 1
    done
    echo "not ok login: $2: no \"$1\" on the console"
    kill -KILL "$(cat pid)"
}

# The keyboard stays open while the guest runs.
exec 3<>keys
sh -c 'echo $$ >pid && exec "$@"' sh "$VMM_BUILD/vmm" "$1" --initrd "$2" --disk /dev/vda \
    --net user --memory 512M --append quiet <keys >out 2>err &
expect 'debian login: ' "the prompt"
echo root >&3
expect 'root@debian:~#' "a shell"
# What is typed is echoed: the answer has to differ from the question.
# shellcheck disable=SC2016 # the guest's
echo 'echo system=$(systemctl is-system-running --wait)' >&3
expect 'system=running' "every unit runs"
# shellcheck disable=SC2016
echo 'ping -c 1 -W 20 10.0.2.2 >/dev/null; echo network=$?' >&3
expect 'network=0' "the network answers"
echo poweroff >&3
wait $!
status=$?
if [ "$status" = 0 ]; then echo "ok login: end=0"; else echo "not ok login: status $status, not 0"; fi
if [ -s err ]; then echo "not ok login: $(head -n 1 err)"; else echo "ok login: nothing to complain of"; fi
tr -d '\r' <out | tail -n 30 >&2
