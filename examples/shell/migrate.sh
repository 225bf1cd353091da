#!/bin/sh
# A database migration: numbered scripts, each once and in one transaction, with a backup before,
# a check after, and a way back: `holdfast rollback RUN` restores the backup.
#
#     sh migrate.sh DATABASE FOLDER-WITH-SQL
set -eu
database=$1 folder=$2

eval "$(holdfast begin migrate -p "database=$database" -p "folder=$folder")"

holdfast step backup -- sqlite3 "$database" ".backup '$database.before'"

for file in "$folder"/[0-9]*.sql; do
    number=$(basename "$file" | cut -d_ -f1)
    # The number stands in the database itself, in the same transaction: no kill comes between.
    holdfast step "apply $(basename "$file")" \
        --check "test \"\$(sqlite3 '$database' 'PRAGMA user_version')\" -ge $number" \
        --undo "cp '$database.before' '$database'" -- \
        sh -c '{ echo "BEGIN;"; cat "$2"; echo "PRAGMA user_version = $3; COMMIT;"; } |
               sqlite3 -bail "$1"' sh "$database" "$file" "$number"
done

holdfast step validate -- sh -c '
    test "$(sqlite3 "$1" "PRAGMA integrity_check")" = ok
    test -z "$(sqlite3 "$1" "PRAGMA foreign_key_check")"' sh "$database"
holdfast confirm "keep the migrated database?"
