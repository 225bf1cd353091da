#!/bin/sh
# Phases whose parts run side by side: a phase begins when all parts of the one before are done.
# Killed in the middle, only the parts that were not done run again.
#
#     sh parallel.sh FOLDER
set -eu
cd "$1"

eval "$(holdfast begin report -p "folder=$PWD")"

# Wait for all of them, and fail when one failed.
join() {
    failed=0
    for job; do wait "$job" || failed=1; done
    return "$failed"
}

holdfast stage count
for region in north south west; do
    holdfast step "$region" -- sh -c 'wc -w <"$1.txt" >"$1.count"' sh "$region" &
    jobs="${jobs:-} $!"
done
# shellcheck disable=SC2086
join $jobs
holdfast stage --end

holdfast stage publish
holdfast step total -- sh -c 'awk "{ n += \$1 } END { print n }" ./*.count >total' & total=$!
holdfast step index -- sh -c 'ls -- *.count >index' & index=$!
join "$total" "$index"
holdfast stage --end
