#!/bin/sh
# Fetches the NameNode's newest checkpoint (made hourly by the secondary NameNode), proves that it can be read, and
# keeps it with the identity that a NameNode needs to take its DataNodes back. Keeps the last KEEP.
set -eu

fail() { echo "backup: $1" >&2; exit 1; }
target=/backup/hdfs-$(date -u +%Y%m%dT%H%M%SZ)
rm -rf /backup/*.part
mkdir "$target.part"

hdfs dfsadmin -fetchImage "$target.part"
image=$(find "$target.part" -name 'fsimage_*' ! -name '*.md5')
[ -s "$image" ] || fail "the NameNode sent no image"
# The tool that reads images would notice a damaged one. Its XML also says whose image it is.
hdfs oiv -p XML -i "$image" -o /tmp/image.xml >/dev/null
value() { grep -o "<$1>[^<]*</$1>" /tmp/image.xml | head -n 1 | sed 's/<[^>]*>//g'; }
# DataNodes follow only a NameNode with the identity they know; the NameNode's own copy of it is kept in the file system
# by directories.sh, because nothing else tells all of it.
hdfs dfs -get /system/VERSION "$target.part/VERSION"
grep -q "^namespaceID=$(value namespaceId)\$" "$target.part/VERSION" \
  || fail "/system/VERSION is of another NameNode than the image; look at the log of container directories of data/hdfs-namenode-0"
inodes=$(value numInodes)
# Only a whole backup gets its final name. Names sort by time and hold no blanks.
mv "$target.part" "$target"
find /backup -mindepth 1 -maxdepth 1 -name 'hdfs-*' | sort -r | tail -n "+$((KEEP + 1))" | xargs -r rm -rf
rm -f /tmp/image.xml
echo "wrote $target: ${image##*/}, $inodes inodes; kept: $(find /backup -mindepth 1 -maxdepth 1 -name 'hdfs-*' | wc -l)"
