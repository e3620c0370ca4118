// Checks a log folder with Go's own implementation of signed notes and transparency logs, which
// shares no line with ours: the checkpoint's signature, every tile, every entry's inclusion, and
// that an earlier checkpoint is extended.
//
//	verifier FOLDER KEY EARLIER
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A tile of 256 hashes, as C2SP tlog-tiles has them.
const height = 8

func main() {
	if len(os.Args) != 4 {
		fail("usage: verifier FOLDER KEY EARLIER")
	}
	folder, key, earlier := os.Args[1], os.Args[2], os.Args[3]
	verifier, err := note.NewVerifier(key)
	check(err)
	now := open(filepath.Join(folder, "checkpoint"), verifier)
	before := open(earlier, verifier)

	reader := tlog.TileHashReader(now, tiles{folder})
	entries := read(folder, now.N)
	for index, entry := range entries {
		leaf := tlog.RecordHash(entry)
		proof, err := tlog.ProveRecord(now.N, int64(index), reader)
		check(err)
		check(tlog.CheckRecord(proof, now.N, now.Hash, int64(index), leaf))
	}
	proof, err := tlog.ProveTree(now.N, before.N, reader)
	check(err)
	check(tlog.CheckTree(proof, now.N, now.Hash, before.N, before.Hash))
	fmt.Printf("%d entries and an earlier checkpoint of %d: every proof holds\n", now.N, before.N)
}

// open reads a signed checkpoint: origin, size, root.
func open(path string, verifier note.Verifier) tlog.Tree {
	text, err := os.ReadFile(path)
	check(err)
	signed, err := note.Open(text, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("%s is no checkpoint of %s", path, verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: root}
}

// read gives every entry from the bundles.
func read(folder string, size int64) [][]byte {
	var entries [][]byte
	for first := int64(0); first < size; first += 1 << height {
		width := 1 << height
		if size-first < 1<<height {
			width = int(size - first)
		}
		tile := tlog.Tile{H: height, L: -1, N: first >> height, W: width}
		bytes, err := os.ReadFile(filepath.Join(folder, place(tile)))
		check(err)
		for at := 0; at < width; at++ {
			if len(bytes) < 2 || len(bytes) < 2+int(binary.BigEndian.Uint16(bytes)) {
				fail("bundle %d is cut short", tile.N)
			}
			length := int(binary.BigEndian.Uint16(bytes))
			entries = append(entries, bytes[2:2+length])
			bytes = bytes[2+length:]
		}
		if len(bytes) > 0 {
			fail("bytes follow the last entry of bundle %d", tile.N)
		}
	}
	return entries
}

// tiles serves Go's reader from the folder.
type tiles struct{ folder string }

func (tiles) Height() int { return height }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		bytes, err := os.ReadFile(filepath.Join(t.folder, place(tile)))
		if err != nil {
			return nil, err
		}
		all = append(all, bytes)
	}
	return all, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// place is a tile's path: Go's own has the height in it, and calls entries data.
func place(tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
	return strings.Replace(path, "tile/data/", "tile/entries/", 1)
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
