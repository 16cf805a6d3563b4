"""Mining: rank many pictures by what is anomalous in them, and leave out those that look the same.

    pictures ─ listing ─▶ scoring ─▶ store, one a shard ─ merging ─▶ near-duplicates ─▶ tables, gallery

Pictures are listed one after another and never all at once; what is found of each is kept on disk.
"""
