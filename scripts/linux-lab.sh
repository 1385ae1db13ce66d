# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# For scripts that boot real Linux in the lab: to be sourced at the top of the tree.

# linux_lab_files [GUEST...]: make these guests (scripts/linux-guest); lab_args is then what
# scripts/kvm-lab has to take along, with all guests there are.
linux_lab_files() {
    local files tool rom slirp file
    [ $# -eq 0 ] || scripts/linux-guest "$@" >&2 || return
    files=("$build/vmm" "$build/line-times" tests/linux build/lab/linux/{*Image-*,initrd-*,root.ext4})
    [ ! -e build/lab/linux/vmlinux-small ] || files+=(build/lab/linux/vmlinux-small)
    for tool in qemu-system-x86_64 socat e2fsck iperf3 dmsetup; do
        files+=("$(PATH=$PATH:/sbin:/usr/sbin command -v $tool)")
    done
    # What is loaded when it is asked for, and not seen by ldd.
    slirp=$(ldconfig -p | sed -n 's/.*libslirp\.so\.0 .*=> //p' | head -n 1)
    [ -z "$slirp" ] || mapfile -t -O ${#files[@]} files < <(echo "$slirp" && ldd "$slirp" | grep -oE '/[^ ]+\.so[^ ]*')
    for rom in qboot.rom bios-microvm.bin linuxboot_dma.bin pvh.bin; do
        files+=("/usr/share/qemu/$rom")
    done
    lab_args=(--memory 2000)
    for file in "${files[@]}"; do lab_args+=(--file "$file"); done
}

# linux_lab SECONDS COMMAND...: run it there. 125 is the lab's own failure: an emulated processor that
# sleeps for good, now and then, under load; a monitor that does is ended by its time limit in there.
linux_lab() {
    local try seconds=$1
    shift
    for try in 1 2 3; do
        scripts/kvm-lab "${lab_args[@]}" --timeout "$seconds" -- "$@" 2>&1
        [ $? -eq 125 ] || return
        echo "the lab stood still (try $try)"
    done
}
