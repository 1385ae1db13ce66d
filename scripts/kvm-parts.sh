# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash
#
# What needs a KVM, for scripts that test: all of it is one script for sh, which runs once, on this host's KVM,
# else in the lab (scripts/kvm-lab) if that was used before, where there is only busybox. Each part of it
# begins with a line "== NAME". Sourced in the directory above.

# kvm_parts DIR FILE...: run DIR/kvm.sh in DIR; FILEs are what it takes beside what is there. All names are absolute,
# and the same in the lab. Says where it ran: host, lab, or nothing and false if there is nowhere.
kvm_parts() {
    local dir=$1 file files=()
    shift
    if scripts/have-kvm; then
        (cd "$dir" && timeout 300 sh kvm.sh) >"$dir/kvm.txt" 2>&1
        echo host
    elif [ -s "${VMM_LAB:-build/lab}/base.cpio.gz" ] && command -v qemu-system-x86_64 >/dev/null; then
        for file in "$dir" "$@"; do
            files+=(--file "$file")
        done
        scripts/kvm-lab "${files[@]}" -- sh -c "cd '$dir' && sh kvm.sh" >"$dir/kvm.txt" 2>&1
        echo lab
    else
        return 1
    fi
}

# section DIR NAME: what that part said.
section() {
    awk -v name="== $2" '/^== / { on = $0 == name; next } on' "$1/kvm.txt"
}
