#!/bin/sh
# A state machine on real files: each state is a step, so the script always knows where it is.
# Killed anywhere and run again, it goes on; a download that was cut off goes on where it was.
#
#     sh state_machine.sh http://127.0.0.1:8000/data.tar FOLDER
set -eu
url=$1 folder=$2

eval "$(holdfast begin state-machine -p "url=$url" -p "folder=$folder")"
mkdir -p "$folder"
cd "$folder"

holdfast step INIT -- mkdir -p in out
holdfast step DOWNLOAD --retry 3 -- wget -q -c -O in/data.tar "$url"
holdfast step EXTRACT -- tar -xf in/data.tar -C in
holdfast step PROCESS -- sh -c '
    for file in in/data/*.txt; do
        sort "$file" >"out/${file##*/}.new"
        mv "out/${file##*/}.new" "out/${file##*/}"
    done'
lines=$(holdfast step VALIDATE -- sh -c '
    test "$(cat in/data/*.txt | wc -l)" -eq "$(cat out/*.txt | wc -l)"
    cat out/*.txt | wc -l')
holdfast step FINALIZE -- sh -c 'echo "$1 lines" >out/done' sh "$lines"
