# Runs the probes of a host when it is told to, in a directory of its own, which goes when its input ends.
#
# Arguments: a word that no probe can foresee, seconds and bytes that a probe may take and print, DATASTORE_LOCATION,
# PCI_FILTER.  It is told, a line each:
#     put PATH N     the next N lines are a probe
#     put64 PATH N   the next N lines are a probe that is no text, base64
#     vms N          the next N lines are what the probes of VMs read
#     run PATH       run a probe, and say what it said
#     later PATH     say what a slow probe has said since, and let it run on beside the others
#     end NUMBER     say it back
# It says, each on a line after what it is about: WORD ready; WORD ran PATH STATUS; WORD gone PATH; WORD busy PATH;
# WORD end NUMBER.  A probe that failed is told by the end of its error text.
#
# POSIX sh with mktemp, base64, timeout, find, cat, tail, chmod, mkdir and rm, those of busybox too.
word=$1 limit_s=$2 output_bytes=$3 DATASTORE_LOCATION=$4 PCI_FILTER=$5
export DATASTORE_LOCATION PCI_FILTER
umask 077
for tool in mktemp base64 timeout find; do
    command -v "$tool" >/dev/null || { echo "it has no $tool, which probes need" >&2; exit 1; }
done

# What loops left that were killed: nothing has run there for a day.  That their processes are not seen proves nothing,
# they may be in another namespace.
for base in "${TMPDIR:-/tmp}" /var/tmp "$HOME"; do
    for left in "$base"/trifid-watch.*; do
        [ -d "$left" ] && [ ! -L "$left" ] && [ -O "$left" ] || continue
        [ -n "$(find "$left" -prune -mmin +1440 2>/dev/null)" ] || continue
        [ -n "$(find "$left/alive" -mmin -1440 2>/dev/null)" ] || rm -rf "$left"
    done
done

directory=
for base in "${TMPDIR:-/tmp}" /var/tmp "$HOME"; do
    directory=$(mktemp -d "$base/trifid-watch.XXXXXX" 2>/dev/null) || continue
    printf '#!/bin/sh\n' >"$directory/try" && chmod 700 "$directory/try" && "$directory/try" 2>/dev/null && break
    rm -rf "$directory"
    directory=
done
[ -n "$directory" ] || { echo "probes can be put nowhere: /tmp, /var/tmp and $HOME are full or mounted noexec" >&2; exit 1; }
trap 'rm -rf "$directory" || rm -rf "$directory"' EXIT
trap 'exit 1' HUP INT TERM PIPE
for kind in shipped own host vm; do mkdir -p "$directory/$kind" "$directory/state/$kind" "$directory/said/$kind" || exit 1; done
: >"$directory/vms"

probe() {
    case $1 in vm/*) input=$directory/vms ;; *) input=/dev/null ;; esac
    (
        ulimit -f $((output_bytes / 512))
        TRIFID_PROBE_STATE=$directory/state/$1
        export TRIFID_PROBE_STATE
        exec timeout -s KILL "$limit_s" "$directory/$1"
    ) <"$input" >"$directory/said/$1.out" 2>"$directory/said/$1.err"
}

tell() {
    if [ "$2" = 0 ]; then cat "$directory/said/$1.out"; else tail -c 300 "$directory/said/$1.err"; fi 2>/dev/null
    printf '\n%s ran %s %s\n' "$word" "$1" "$2"
}

later() {
    status=
    if [ -e "$directory/said/$1.busy" ]; then
        [ ! -e "$directory/said/$1.status" ] || read -r status <"$directory/said/$1.status"
        [ -n "$status" ] || { printf '\n%s busy %s\n' "$word" "$1"; return; }
        tell "$1" "$status"
        rm -f "$directory/said/$1.status"
    else
        printf '\n%s busy %s\n' "$word" "$1"
    fi
    : >"$directory/said/$1.busy"
    (probe "$1"; echo $? >"$directory/said/$1.status") </dev/null >/dev/null 2>&1 &
}

lines() {
    left=$1
    while [ "$left" -gt 0 ] && IFS= read -r line; do
        printf '%s\n' "$line"
        left=$((left - 1))
    done
}

are_executable=yes
printf '\n%s ready\n' "$word"
while read -r verb path number; do
    [ -d "$directory/state" ] || exit 75 # somebody has cleaned up: all is to be made anew
    case $verb in
    vms) lines "$path" >"$directory/vms" ;;
    end)
        : >"$directory/alive"
        printf '\n%s end %s\n' "$word" "$path"
        ;;
    put | put64)
        # one that is still at work must not be written to
        [ ! -e "$directory/$path" ] || rm -f "$directory/$path" || exit 1
        if [ "$verb" = put ]; then
            lines "$number" >"$directory/$path" || exit 1
        else
            lines "$number" | base64 -d >"$directory/$path" || exit 1
        fi
        are_executable=
        ;;
    run | later)
        [ -n "$are_executable" ] || chmod -R 700 "$directory/shipped" "$directory/own" "$directory/host" "$directory/vm" || exit 1
        are_executable=yes
        if [ ! -f "$directory/$path" ]; then
            printf '\n%s gone %s\n' "$word" "$path"
        elif [ "$verb" = run ]; then
            probe "$path"
            tell "$path" $?
        else
            later "$path"
        fi
        ;;
    esac
done
