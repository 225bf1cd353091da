#!/bin/sh
# A batch of items in pieces of time: each file is a checkpoint. When the time is spent it exits 75,
# and the same command goes on, from cron or in a loop:
#
#     until sh batch.sh FOLDER 55m; do [ $? = 75 ] || break; done
set -eu
folder=$1 time=$2

eval "$(holdfast begin compress -p "folder=$folder")"
cd "$folder"
mkdir -p out

holdfast step list -- sh -c 'find in -type f -print0 | sort -z >items.new; mv items.new items'

# Two at once, two attempts for each, and up to five in a hundred may fail before it asks.
holdfast each compress -0 --items items -j 2 --retry 2 --budget 5% --for "$time" --shell -- \
    'gzip -c {} >out/{/}.new && mv out/{/}.new out/{/}.gz'

holdfast step count -- sh -c 'find out -name "*.gz" -exec printf . \; | wc -c >count'
