#!/bin/sh
# Extract, transform, load: a stage for each source, an item for each file, and one for each record.
# Killed anywhere, it goes on with the next record; `holdfast show RUN` has the progress of all three.
#
#     sh etl.sh FOLDER-OF-SOURCES DATABASE FOLDER
set -eu
sources=$(cd "$1" && pwd) database=$2 folder=$3

eval "$(holdfast begin etl -p "sources=$sources" -p "database=$database")"
mkdir -p "$folder"
cd "$folder"
holdfast step tables -- sqlite3 "$database" \
    'CREATE TABLE IF NOT EXISTS sale (source, id, cents, PRIMARY KEY (source, id))'

for path in "$sources"/*/; do
    source=$(basename "$path")
    holdfast stage "$source"
    mkdir -p "$source"
    holdfast step list -- sh -c 'ls -- "$1"*.csv >"$2/files"' sh "$path" "$source"

    # Each file once: its header goes, and amounts become whole cents.
    holdfast each extract --items "$source/files" -j 2 -- sh -c '
        awk -F, "NR > 1 { printf \"\047%s\047,%d\n\", \$1, \$2 * 100 + 0.5 }" "$1" >"$2.rows"
        ' sh {} "$source/{/}"
    holdfast step gather -- sh -c 'cat -- "$1"/*.rows >"$1/records"' sh "$source"

    # Each record once. One in ten may be bad: `holdfast failures RUN` has them.
    holdfast each load --items "$source/records" -j 2 --budget 10% -- sh -c '
        printf ".timeout 9000\nINSERT OR IGNORE INTO sale VALUES (%s,%s);\n" "$2" "$3" |
            sqlite3 -bail "$1"' sh "$database" "'$source'"
    holdfast stage --end
done

holdfast step total -- sh -c 'sqlite3 "$1" "SELECT sum(cents) FROM sale" >total' sh "$database"
