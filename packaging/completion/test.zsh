# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# What _vmm offers: for each line of standard input, "LINE|OFFERED OFFERED ..." in a shell of its own with
# a terminal, as somebody presses Tab at its end. Offers are the words that go in, sorted.
#
# usage: zsh -f test.zsh DIRECTORY-OF-_vmm

zmodload zsh/zpty
offers=$(mktemp)
trap 'rm -f $offers' EXIT
zpty shell "PS1= PS2= zsh -f -i"
# What compadd() is asked to add is written down, unless it is asked something else.
zpty -w shell "unsetopt zle_bracketed_paste 2>/dev/null; stty -echo; unset zle_bracketed_paste
fpath=(${(q)1} \$fpath); autoload -U compinit; compinit -u -D; zstyle ':completion:*' menu no; LISTMAX=1000000
compadd() {
    local -a hits
    [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] || { builtin compadd -O hits \"\$@\"; print -rl -- \$hits >>$offers }
    builtin compadd \"\$@\"
}
tell() { print -r -- DONE >>$offers; BUFFER=; zle -R }
zle -N tell; bindkey '^I' list-choices; bindkey '^O' tell; print -r -- READY >>$offers"
wait_for() {
    local n=0
    while ! grep -qx $1 $offers; do
        (( n++ < 3000 )) || { print "nothing in 60 s"; exit 1 }
        zpty -r -t shell >/dev/null
        sleep 0.02
    done
}
wait_for READY
while IFS= read -r line; do
    : >$offers
    zpty -n -w shell "$line"$'\t'$'\x0f'
    wait_for DONE
    print -r -- "$line|$(grep -vx -e DONE -e '' $offers | LC_ALL=C sort -u | paste -sd ' ')"
done
zpty -d shell
