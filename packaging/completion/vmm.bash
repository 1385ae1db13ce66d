# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash
#
# Completion of vmm for bash. What there is to complete is asked of the program itself, as it is about
# to be run: options and what their arguments look like (`vmm --help=list`), verbs and words for
# regions and character devices (`vmm --help=all`). Only the values of a few words stand here.

# The values of a word that ends in '='; "@files" for a path.
_vmm_values() {
    case $1 in
    cache=) offered=(writeback writethrough none) ;;
    aio=) offered=(io_uring threads) ;;
    block=) offered=(512 4096) ;;
    discard= | restrict= | reporting= | deflate-on-oom=) offered=(on off) ;;
    hostfwd=) offered=(tcp: udp:) ;;
    file= | socket= | connect= | pipe= | dump=) offered=(@files) ;;
    *) offered=() ;;
    esac
}

# The functions below work on variables of _vmm(): help (the lines of --help=all), args and about (of the
# row of an option), offered (what may come next).

# The words $1 names in the help: "KEY: ro, file=PATH" gives "ro file=".
_vmm_help_words() {
    local line word
    for line in "${help[@]}"; do
        [[ $line = "$1: "* ]] || continue
        line=${line#"$1: "}
        for word in ${line//[,.]/ }; do
            [[ $word != *=* ]] || word=${word%%=*}=
            offered+=("$word")
        done
    done
}

# What may stand at the "first" place of an argument, or at one behind a comma ("next").
_vmm_places() {
    local all=${args#\[=} token word
    # dump[=PATH]: with and without.
    while [[ $all =~ ([a-z]+)\[= ]]; do
        all=${all/"${BASH_REMATCH[0]}"/"${BASH_REMATCH[1]}|${BASH_REMATCH[1]}="}
    done
    if [ "$1" = first ]; then
        all=${all%%,*}
    elif [[ $all = *,* ]]; then
        all=${all#*,}
    else
        return
    fi
    all=${all//[][,|]/ }
    for token in ${all//.../ }; do
        case $token in
        PATH | FILE) [ "$1" = next ] || offered+=(@files) ;;
        SPEC) _vmm_help_words SPEC ;;
        LEVEL)
            all=${about#*: } all=${all%% (*}
            for word in ${all//[,]/ }; do
                [ "$word" = or ] || offered+=("$word")
            done
            ;;
        WORD)
            if [[ $args = BASE:* ]]; then
                _vmm_help_words "WORDs of a region"
                continue
            fi
            all=${about#*:}
            for word in ${all//[,;]/ }; do
                [[ $word != *=* ]] || offered+=("${word%%=*}=")
            done
            ;;
        [a-z]*=* | [a-z]*:*) [[ $token =~ ^[a-z-]+[=:] ]] && offered+=("${BASH_REMATCH[0]}") ;;
        [a-z0-9]*) offered+=("$token") ;;
        esac
    done
}

# COMPREPLY for the argument $1, as far as it is typed.
_vmm_argument() {
    local head='' tail=$1 word offered=()
    if [[ $tail = *,* ]]; then
        head=${tail%,*}, tail=${tail##*,}
    fi
    if [[ $tail = port=*:* ]]; then
        head+=${tail%%:*}: tail=${tail#*:}
        _vmm_help_words SPEC
    elif [ -n "$head" ]; then
        _vmm_places next
    else
        _vmm_places first
    fi
    if [[ $tail = *=* ]]; then
        [[ $tail != *:* ]] || return
        head+=${tail%%=*}=
        _vmm_values "${tail%%=*}="
        tail=${tail#*=}
    fi
    for word in "${offered[@]}"; do
        if [ "$word" = @files ]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r word; do
                COMPREPLY+=("$head$word")
            done < <(compgen -f -- "$tail")
        elif [[ $word = "$tail"* ]]; then
            COMPREPLY+=("$head$word")
        fi
    done
}

# Look for the row of option $1: args and about. False if there is none.
_vmm_row() {
    local row
    for row in "${table[@]}"; do
        [[ $row = "$1"$'\t'* ]] || continue
        row=${row#*$'\t'}
        args=${row%%$'\t'*} about=${row#*$'\t'}
        return 0
    done
    return 1
}

_vmm() {
    local program=${1/#\~/$HOME} rest=$COMP_LINE i line word words=() table=() help=() verbs=() other_verbs=() verb=''
    local name='' args='' about='' kernel='' prefix='' in_verbs=''
    COMPREPLY=()
    mapfile -t table < <("$program" --help=list 2>/dev/null)
    mapfile -t help < <("$program" --help=all 2>/dev/null)
    [ "${#table[@]}" -gt 0 ] || return
    for line in "${help[@]}"; do
        if [[ $line = *"In place of KERNEL"* ]]; then
            in_verbs=yes
        elif [ -z "$line" ]; then
            in_verbs=''
        elif [ -n "$in_verbs" ] && [[ $line =~ ^\ \ ([a-z-]+) ]]; then
            verbs+=("${BASH_REMATCH[1]}")
            [[ $line = *"[options]"* ]] || other_verbs+=("${BASH_REMATCH[1]}")
        fi
    done

    # Readline cuts at '=' and ':'; here a word is what has no blank in it.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $i -gt 0 && $rest != [[:blank:]]* ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        rest=${rest#"${rest%%[![:blank:]]*}"}
        rest=${rest#"$word"}
    done

    # What is behind the words before it: a verb, an option that waits for its argument, a kernel.
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [ -n "$name" ]; then
            name=''
        elif [ "$word" = -- ]; then
            return
        elif [[ $word = --* ]]; then
            _vmm_row "${word#--}" && [[ $args = [!\[]* || $args = \[[!=]* ]] && name=${word#--}
        elif [ "$i" = 1 ] && [[ " ${verbs[*]} " = *" $word "* ]]; then
            verb=$word
        else
            kernel=${kernel:-$word}
        fi
    done
    word=${words[-1]}
    if [[ $word = --*=* ]]; then
        name=${word%%=*} name=${name#--} prefix=${word%%=*}=
    elif [[ $word = --* ]]; then
        name=''
    fi
    if [[ -n $verb && " ${other_verbs[*]} " = *" $verb "* ]]; then
        # It makes no machine; its own options stand in its line of the help.
        words=(--help)
        for line in "${help[@]}"; do
            [[ $line = "  $verb "* ]] || continue
            while [[ $line =~ --[a-z-]+ ]]; do
                words+=("${BASH_REMATCH[0]}")
                line=${line#*"${BASH_REMATCH[0]}"}
            done
        done
        mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$word")
    elif [ -n "$name" ]; then
        _vmm_row "$name" || return
        _vmm_argument "${word#"$prefix"}"
        COMPREPLY=("${COMPREPLY[@]/#/$prefix}")
    elif [[ $word = -* ]] || { [ -n "$kernel" ] && [ -z "$word" ]; }; then
        for line in "${table[@]}"; do
            line=--${line%%$'\t'*}
            [[ $line != "$word"* ]] || COMPREPLY+=("$line")
        done
    elif [ -z "$kernel" ]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(
            [ "${#words[@]}" -gt 2 ] || compgen -W "${verbs[*]}" -- "$word"
            compgen -f -- "$word"
        )
    fi
    # No blank where more of the same word is to come.
    [ "${#COMPREPLY[@]}" -ne 1 ] || [[ ${COMPREPLY[0]} != *[=:] ]] || compopt -o nospace 2>/dev/null
    # Readline puts in what is behind the last place where it cuts.
    if [[ $word = *[=:]* ]]; then
        prefix=${word%"${word##*[=:]}"}
        COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
}
complete -F _vmm vmm vmm-static
