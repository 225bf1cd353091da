#!/bin/sh
# A deployment that takes itself back: what is in the stage is undone when something in it fails.
# The snapshot is a step, so it is taken once. Its undo is what restores the folder: a step that
# fails half-way, such as an install that is killed, is not undone itself, but those before it are.
#
#     sh rollback.sh FOLDER VERSION
set -eu
cd "$1"
version=$2

eval "$(holdfast begin "deploy $version" -p "folder=$PWD")"

holdfast stage deploy --on-failure undo
holdfast step snapshot --undo 'test ! -d before || { rm -rf app && mv before app; }' -- \
    sh -c 'rm -rf before.new before && cp -a app before.new && mv before.new before'
holdfast step stop --undo 'touch running' -- rm -f running
holdfast step install -- sh -c 'cp -a "new-$1/." app/' sh "$version"
holdfast step start --undo 'rm -f running' -- touch running
holdfast step "smoke test" -- sh app/check.sh
holdfast stage --end

holdfast step "remove the snapshot" -- rm -rf before
