#!/bin/sh
# restore.sh BACKUP: puts the metadata of a backup onto an empty NameNode volume. See docs/runbooks/restore-hdfs.md.
set -eu

backup=/backup/$1
name=/data/name
fail() { echo "restore: $1" >&2; exit 1; }
[ -s "$backup/VERSION" ] || fail "$backup is no backup; there are: $(ls /backup | tr '\n' ' ')"
if [ -d "$name" ] && [ -n "$(ls -A "$name")" ]; then
  fail "$name is not empty. Nothing is overwritten: move it away first (mv $name $name.old)"
fi
image=$(cd "$backup" && ls fsimage_* | grep -v '\.md5$')
mkdir -p "$name/current.part"
cp "$backup/VERSION" "$backup/$image" "$name/current.part/"
(cd "$name/current.part" && md5sum -b "$image" >"$image.md5")
# The last transaction that the image holds; the NameNode goes on from there.
echo "$image" | sed 's/fsimage_0*\([0-9]\)/\1/' >"$name/current.part/seen_txid"
mv "$name/current.part" "$name/current"
echo "restored $image of $1; start the NameNode"
