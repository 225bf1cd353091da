#!/bin/sh
# A deployment that takes itself back: what is in the stage is undone when something in it fails.
# The snapshot is a step, so it is taken once; the undo of each step is recorded beside it.
#
#     sh rollback.sh FOLDER VERSION
set -eu
cd "$1"
version=$2

eval "$(holdfast begin "deploy $version" -p "folder=$PWD")"

holdfast stage deploy --on-failure undo
holdfast step snapshot --undo 'rm -rf before.new before' -- \
    sh -c 'rm -rf before.new && cp -a app before.new && mv before.new before'
holdfast step stop --undo 'touch running' -- rm -f running
holdfast step install --undo 'rm -rf app && cp -a before app' -- \
    sh -c 'cp -a "new-$1/." app/' sh "$version"
holdfast step start --undo 'rm -f running' -- touch running
holdfast step "smoke test" -- sh app/check.sh
holdfast stage --end

holdfast step "remove the snapshot" -- rm -rf before
